//! The server: read, step, send, once a tick.

use std::collections::BTreeMap;
use std::time::Instant;

use peers_world::{Args, Beat, Failure, Peer, Press, ServerWindow, Sight, State, Told, World, server_socket};
use renet::{Bytes, ConnectionConfig, DefaultChannel, RenetServer, ServerEvent};
use renet_netcode::{NetcodeServerTransport, ServerAuthentication, ServerConfig};

use crate::protocol::{KEY, PROTOCOL, Snapshot, decode, encode, since_epoch};

struct Room {
    world: World,
    sight: Sight,
    tick: u32,
    /// Which player a client is.
    players: BTreeMap<u64, u16>,
}

pub(crate) fn serve<S: State>(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let socket = server_socket()?;
    let address = socket.local_addr()?;
    let config = ServerConfig {
        current_time: since_epoch(),
        max_clients: args.clients,
        protocol_id: PROTOCOL,
        public_addresses: vec![address],
        authentication: ServerAuthentication::Secure { private_key: KEY },
    };
    let mut transport = NetcodeServerTransport::new(config, socket)?;
    let mut server = RenetServer::new(ConnectionConfig::default());
    let mut room =
        Room { world: World::new(args.visible, args.clients), sight: args.visible, tick: 0, players: BTreeMap::new() };
    let mut window = ServerWindow::new(peer, args, address);
    let (mut beat, mut updated) = (Beat::default(), Instant::now());
    loop {
        beat.wait();
        let passed = updated.elapsed();
        updated += passed;
        server.update(passed);
        transport.update(passed, &mut server)?;
        room.receive(&mut server);
        room.world.step();
        room.tick += 1;
        room.send::<S>(&mut server);
        transport.send_packets(&mut server);
        if !window.tick(server.connected_clients()) {
            return Ok(());
        }
    }
}

impl Room {
    fn receive(&mut self, server: &mut RenetServer) {
        while let Some(event) = server.get_event() {
            if let ServerEvent::ClientConnected { client_id } = event {
                let player = self.players.len() as u16;
                self.world.join(*self.players.entry(client_id).or_insert(player));
            }
        }
        for client in server.clients_id() {
            while let Some(message) = server.receive_message(client, DefaultChannel::Unreliable) {
                if let (Some(player), Some(press)) = (self.players.get(&client), decode::<Press>(&message)) {
                    self.world.press(*player, press);
                }
            }
        }
    }

    fn send<S: State>(&mut self, server: &mut RenetServer) {
        let states: Vec<(u16, Told<S>)> =
            self.world.walkers().enumerate().map(|(i, state)| (i as u16, Told(state))).collect();
        let tick = self.tick;
        if self.sight == Sight::All {
            let snapshot = Bytes::from(encode(&Snapshot { tick, walkers: states }));
            return server.broadcast_message(DefaultChannel::Unreliable, snapshot);
        }
        let mut walkers = Vec::new();
        for client in server.clients_id() {
            let Some(player) = self.players.get(&client) else { continue };
            walkers.clear();
            self.world.near(*player, |i| walkers.push(states[i]));
            let snapshot = Snapshot { tick, walkers };
            server.send_message(client, DefaultChannel::Unreliable, encode(&snapshot));
            walkers = snapshot.walkers;
        }
    }
}
