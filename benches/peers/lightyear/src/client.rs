//! A client's app.

use std::net::SocketAddr;

use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use lightyear::netcode::client_plugin::NetcodeConfig;
use lightyear::prelude::client::*;
use lightyear::prelude::*;
use peers_world::{Args, Failure, Peer, Press, State, TICK};

use crate::protocol::{KEY, PROTOCOL, Pressed, Presses, register};

/// What the player does in this tick.
#[derive(Resource, Default)]
struct Now(Press);

struct Player {
    app: App,
    client: Entity,
}

pub(crate) fn play<S: State>(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let server = args.server()?;
    peers_world::play(peer, args, |i| connect::<S>(server, i as u64))
}

fn connect<S: State>(server_addr: SocketAddr, client_id: u64) -> Result<Player, Failure> {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, StatesPlugin, ClientPlugins { tick_duration: TICK }));
    register::<S>(&mut app);
    app.init_resource::<Now>().add_systems(FixedUpdate, send);
    app.finish();
    app.cleanup();

    let auth = Authentication::Manual { server_addr, client_id, private_key: KEY, protocol_id: PROTOCOL };
    let netcode = NetcodeConfig { client_timeout_secs: 15, token_expire_secs: 60, ..NetcodeConfig::default() };
    let netcode = NetcodeClient::new(auth, netcode).map_err(|error| format!("no token: {error:?}"))?;
    let local = LocalAddr(SocketAddr::from(([127, 0, 0, 1], 0)));
    let parts = (Client, Link::default(), local, PeerAddr(server_addr), ReplicationReceiver, netcode, UdpIo::default());
    let client = app.world_mut().spawn(parts).id();
    app.world_mut().trigger(Connect { entity: client });
    Ok(Player { app, client })
}

fn send(now: Res<Now>, mut senders: Query<&mut MessageSender<Pressed>, With<Connected>>) {
    for mut sender in &mut senders {
        sender.send::<Presses>(Pressed(now.0));
    }
}

impl peers_world::Client for Player {
    fn update(&mut self, press: Press) {
        self.app.world_mut().resource_mut::<Now>().0 = press;
        self.app.update();
    }

    fn is_connected(&self) -> bool {
        self.app.world().get::<Connected>(self.client).is_some()
    }
}
