//! The server's app.

use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use bevy_replicon::client::ClientPlugin;
use bevy_replicon::client::message::ClientMessagePlugin;
use bevy_replicon::prelude::*;
use bevy_replicon::server::visibility::client_visibility::ClientVisibility;
use bevy_replicon::server::visibility::filters_mask::FilterBit;
use bevy_replicon::server::visibility::registry::FilterRegistry;
use bevy_replicon::shared::replication::registry::ReplicationRegistry;
use bevy_replicon_renet::netcode::{NetcodeServerTransport, ServerAuthentication, ServerConfig};
use bevy_replicon_renet::{RenetServer, RepliconRenetServerPlugin};
use peers_world::{
    Args, Beat, Failure, Peer, ServerWindow, Sight, State, Told, WALKERS, World as Crowd, server_socket,
};

use crate::protocol::{KEY, PROTOCOL, Pressed, Walker, connection, register, since_epoch};

/// The entities of the walkers, by their place.
#[derive(Resource)]
struct Entities(Vec<Entity>);

/// Hides an entity from a client.
#[derive(Resource)]
struct Hidden(FilterBit);

/// Which player a client is, and what it was shown last.
#[derive(Component)]
struct Player {
    number: u16,
    shown: [bool; WALKERS],
}

/// Players so far.
#[derive(Resource, Default)]
struct Players(u16);

pub(crate) fn serve<S: State>(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let replicon = RepliconPlugins.build().disable::<ClientPlugin>().disable::<ClientMessagePlugin>();
    let replicon = replicon.set(ServerPlugin::new(PostUpdate));
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, StatesPlugin, replicon, RepliconRenetServerPlugin));
    register::<S>(&mut app);
    app.init_resource::<Players>()
        .insert_non_send(Crowd::new(args.visible, args.clients))
        .add_observer(welcome)
        .add_systems(Startup, spawn::<S>)
        .add_systems(Update, (receive, step::<S>).chain());
    if args.visible != Sight::All {
        let bit = hidden(app.world_mut());
        app.insert_resource(bit).add_systems(Update, show.after(step::<S>));
    }
    app.finish();
    app.cleanup();

    let socket = server_socket()?;
    let address = socket.local_addr()?;
    let config = ServerConfig {
        current_time: since_epoch(),
        max_clients: args.clients,
        protocol_id: PROTOCOL,
        public_addresses: vec![address],
        authentication: ServerAuthentication::Secure { private_key: KEY },
    };
    let server = RenetServer::new(connection(&app));
    app.insert_resource(server).insert_resource(NetcodeServerTransport::new(config, socket)?);

    let mut window = ServerWindow::new(peer, args, address);
    let mut beat = Beat::default();
    loop {
        beat.wait();
        app.update();
        if !window.tick(app.world().resource::<RenetServer>().connected_clients()) {
            return Ok(());
        }
    }
}

fn hidden(world: &mut World) -> Hidden {
    world.resource_scope(|world, mut filters: Mut<FilterRegistry>| {
        world.resource_scope(|world, mut registry: Mut<ReplicationRegistry>| {
            Hidden(filters.register_scope::<Entity>(world, &mut registry, ScopeLifetime::WhileVisible))
        })
    })
}

fn spawn<S: State>(crowd: NonSend<Crowd>, mut commands: Commands) {
    let entities = crowd.walkers::<S>().map(|state| commands.spawn((Replicated, Walker(Told(state)))).id());
    let entities = entities.collect();
    commands.insert_resource(Entities(entities));
}

fn welcome(
    arrival: On<Add, ConnectedClient>,
    mut players: ResMut<Players>,
    mut crowd: NonSendMut<Crowd>,
    mut commands: Commands,
) {
    let number = players.0;
    players.0 += 1;
    crowd.join(number);
    commands.entity(arrival.entity).insert(Player { number, shown: [true; WALKERS] });
}

fn receive(mut pressed: MessageReader<FromClient<Pressed>>, players: Query<&Player>, mut crowd: NonSendMut<Crowd>) {
    for message in pressed.read() {
        let player = message.client_id.entity().and_then(|client| players.get(client).ok());
        if let Some(player) = player {
            crowd.press(player.number, message.message.0);
        }
    }
}

fn step<S: State>(mut crowd: NonSendMut<Crowd>, entities: Res<Entities>, mut walkers: Query<&mut Walker<S>>) {
    crowd.step();
    for (entity, state) in entities.0.iter().zip(crowd.walkers::<S>()) {
        if let Ok(mut walker) = walkers.get_mut(*entity) {
            walker.0 = Told(state);
        }
    }
}

/// Shows each client those who are near, and hides those who no longer are.
fn show(
    mut crowd: NonSendMut<Crowd>,
    entities: Res<Entities>,
    hidden: Res<Hidden>,
    mut clients: Query<(&mut Player, &mut ClientVisibility)>,
) {
    for (mut player, mut visibility) in &mut clients {
        let mut near = [false; WALKERS];
        crowd.near(player.number, |i| near[i] = true);
        for (i, entity) in entities.0.iter().enumerate() {
            if near[i] != player.shown[i] {
                visibility.set(*entity, hidden.0, near[i]);
            }
        }
        player.shown = near;
    }
}
