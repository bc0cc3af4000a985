//! A client's app.

use std::net::{SocketAddr, UdpSocket};

use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use bevy_replicon::prelude::*;
use bevy_replicon::server::message::ServerMessagePlugin;
use bevy_replicon_renet::netcode::{ClientAuthentication, ConnectToken, NetcodeClientTransport};
use bevy_replicon_renet::{RenetClient, RepliconRenetClientPlugin};
use peers_world::{Args, Client, Failure, Peer, Press, State};

use crate::protocol::{KEY, PROTOCOL, Pressed, connection, register, since_epoch};

/// What the player does in this tick.
#[derive(Resource, Default)]
struct Now(Press);

struct Player(App);

pub(crate) fn play<S: State>(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let server = args.server()?;
    peers_world::play(peer, args, |i| connect::<S>(server, i as u64))
}

fn connect<S: State>(server: SocketAddr, id: u64) -> Result<Player, Failure> {
    let replicon = RepliconPlugins.build().disable::<ServerPlugin>().disable::<ServerMessagePlugin>();
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, StatesPlugin, replicon, RepliconRenetClientPlugin));
    register::<S>(&mut app);
    app.init_resource::<Now>().add_systems(Update, send.run_if(in_state(ClientState::Connected)));
    app.finish();
    app.cleanup();

    let now = since_epoch();
    let connect_token = ConnectToken::generate(now, PROTOCOL, 60, id, 15, vec![server], None, &KEY)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let transport = NetcodeClientTransport::new(now, ClientAuthentication::Secure { connect_token }, socket)?;
    let client = RenetClient::new(connection(&app));
    app.insert_resource(client).insert_resource(transport);
    Ok(Player(app))
}

fn send(now: Res<Now>, mut pressed: MessageWriter<Pressed>) {
    pressed.write(Pressed(now.0));
}

impl Client for Player {
    fn update(&mut self, press: Press) {
        self.0.world_mut().resource_mut::<Now>().0 = press;
        self.0.update();
    }

    fn is_connected(&self) -> bool {
        self.0.world().resource::<RenetClient>().is_connected()
    }
}
