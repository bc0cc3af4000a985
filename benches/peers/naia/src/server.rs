//! The server: read, step, send, once a tick.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use naia_server::transport::udp::{ServerAddrs, Socket};
use naia_server::{
    AuthEvent, ConnectEvent, DisconnectEvent, Events, MessageEvent, RoomKey, Server, ServerConfig, UserKey,
};
use peers_world::{Args, Beat, Failure, Peer, ServerWindow, Sight, WALKERS, World};

use crate::protocol::{Hello, Pressed, Presses, Walker, protocol};
use crate::store::Store;

/// Ticks between two looks at who is near: both ends of naia panic when an entity comes, goes and comes again before it is
/// acknowledged.
const SHOW_EVERY: u32 = 15;

struct Player {
    number: u16,
    /// Whom it was shown last.
    shown: [bool; WALKERS],
}

struct Match {
    world: World,
    sight: Sight,
    tick: u32,
    server: Server<u32>,
    store: Store,
    entities: Vec<u32>,
    room: RoomKey,
    players: HashMap<UserKey, Player>,
}

pub(crate) fn serve(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let (session, data) = free_ports()?;
    let config = ServerConfig::default();
    let mut server = Server::new(config, protocol());
    server.listen(Socket::new(&ServerAddrs::new(session, data, &format!("http://{data}")), None));
    let world = World::new(args.visible, args.clients);
    let mut store = Store::default();
    let room = server.make_room().key();
    let mut entities = Vec::new();
    for state in world.walkers() {
        let entity = server.spawn_entity(&mut store).insert_component(Walker::new(state)).id();
        server.room_mut(&room).add_entity(&entity);
        entities.push(entity);
    }
    let players = HashMap::new();
    let mut played = Match { world, sight: args.visible, tick: 0, server, store, entities, room, players };

    // Clients are told the other port in the session.
    let mut window = ServerWindow::new(peer, args, session);
    let mut beat = Beat::default();
    loop {
        beat.wait();
        played.tick();
        if !window.tick(played.players.len()) {
            return Ok(());
        }
    }
}

/// Ports that were free a moment ago: naia must be told its public one before it binds it.
fn free_ports() -> Result<(SocketAddr, SocketAddr), Failure> {
    let session = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    Ok((session, UdpSocket::bind("127.0.0.1:0")?.local_addr()?))
}

impl Match {
    fn tick(&mut self) {
        let events = self.server.receive(&mut self.store);
        self.handle(events);
        self.step();
        if self.tick.is_multiple_of(SHOW_EVERY) || self.sight == Sight::All {
            self.show();
        }
        self.tick += 1;
        self.server.send_all_updates(&self.store);
    }

    fn handle(&mut self, mut events: Events<u32>) {
        for (user, _) in events.read::<AuthEvent<Hello>>() {
            self.server.accept_connection(&user);
        }
        for user in events.read::<ConnectEvent>() {
            let number = self.players.len() as u16;
            self.players.insert(user, Player { number, shown: [false; WALKERS] });
            self.world.join(number);
            self.server.room_mut(&self.room).add_user(&user);
        }
        for (user, _) in events.read::<DisconnectEvent>() {
            self.players.remove(&user);
        }
        for (user, pressed) in events.read::<MessageEvent<Presses, Pressed>>() {
            if let Some(player) = self.players.get(&user) {
                self.world.press(player.number, pressed.into());
            }
        }
    }

    fn step(&mut self) {
        self.world.step();
        for (entity, state) in self.entities.iter().zip(self.world.walkers()) {
            if let Some(walker) = self.store.walker_mut(*entity) {
                walker.set(state);
            }
        }
    }

    /// Shows each client whom it is to see, and hides those who no longer are near. Without it nobody sees anything.
    fn show(&mut self) {
        for (user, player) in &mut self.players {
            let mut near = [self.sight == Sight::All; WALKERS];
            if self.sight != Sight::All {
                self.world.near(player.number, |i| near[i] = true);
            }
            if near == player.shown {
                continue;
            }
            let mut scope = self.server.user_scope_mut(user);
            for (i, entity) in self.entities.iter().enumerate() {
                match (player.shown[i], near[i]) {
                    (false, true) => drop(scope.include(entity)),
                    (true, false) => drop(scope.exclude(entity)),
                    _ => {}
                }
            }
            player.shown = near;
        }
    }
}
