//! The server's app.

use std::net::SocketAddr;

use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use bevy::time::TimeUpdateStrategy;
use lightyear::prelude::server::*;
use lightyear::prelude::*;
use peers_world::{Args, Beat, Failure, Peer, ServerWindow, Sight, State, TICK, Told, WALKERS, World as Crowd};

use crate::protocol::{KEY, PROTOCOL, Pressed, Walker, register};

/// The entities of the walkers, by their place.
#[derive(Resource)]
struct Entities(Vec<Entity>);

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
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, StatesPlugin, ServerPlugins { tick_duration: TICK }));
    register::<S>(&mut app);
    app.init_resource::<Players>()
        .insert_resource(TimeUpdateStrategy::ManualDuration(TICK))
        .insert_non_send(Crowd::new(args.visible, args.clients))
        .add_observer(admit)
        .add_observer(welcome)
        .add_systems(Startup, spawn::<S>)
        .add_systems(FixedUpdate, (receive, step::<S>).chain());
    if args.visible != Sight::All {
        app.add_systems(FixedUpdate, show.after(step::<S>));
    }
    app.finish();
    app.cleanup();

    let config = NetcodeConfig::default().with_max_clients(args.clients).with_protocol_id(PROTOCOL).with_key(KEY);
    let anywhere = LocalAddr(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = app.world_mut().spawn((NetcodeServer::new(config), anywhere, ServerUdpIo::default())).id();
    app.update();
    app.world_mut().trigger(Start { entity: server });
    app.world_mut().flush();
    let address = app.world().get::<LocalAddr>(server).ok_or("the server's socket has no address")?.0;

    let mut window = ServerWindow::new(peer, args, address);
    let mut connected = app.world_mut().query_filtered::<(), (With<Player>, With<Connected>)>();
    let mut beat = Beat::default();
    loop {
        beat.wait();
        app.update();
        if !window.tick(connected.iter(app.world()).count()) {
            return Ok(());
        }
    }
}

fn spawn<S: State>(crowd: NonSend<Crowd>, mut commands: Commands) {
    let everybody = || Replicate::to_clients(NetworkTarget::All);
    let entities = crowd.walkers::<S>().map(|state| commands.spawn((everybody(), Walker(Told(state)))).id());
    let entities = entities.collect();
    commands.insert_resource(Entities(entities));
}

fn admit(link: On<Add, LinkOf>, mut commands: Commands) {
    commands.entity(link.entity).insert(ReplicationSender);
}

fn welcome(
    arrival: On<Add, Connected>,
    mut players: ResMut<Players>,
    mut crowd: NonSendMut<Crowd>,
    mut commands: Commands,
) {
    let number = players.0;
    players.0 += 1;
    crowd.join(number);
    commands.entity(arrival.entity).insert(Player { number, shown: [true; WALKERS] });
}

fn receive(mut clients: Query<(&Player, &mut MessageReceiver<Pressed>)>, mut crowd: NonSendMut<Crowd>) {
    for (player, mut pressed) in &mut clients {
        for message in pressed.receive() {
            crowd.press(player.number, message.0);
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
    mut clients: Query<(Entity, &mut Player)>,
    mut commands: Commands,
) {
    for (client, mut player) in &mut clients {
        let mut near = [false; WALKERS];
        crowd.near(player.number, |i| near[i] = true);
        for (i, entity) in entities.0.iter().enumerate() {
            match (player.shown[i], near[i]) {
                (false, true) => commands.gain_visibility(*entity, client),
                (true, false) => commands.lose_visibility(*entity, client),
                _ => {}
            }
        }
        player.shown = near;
    }
}
