//! A client: it keeps the newest state of each walker.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use peers_world::{Args, Client, Failure, Peer, Press, State};
use renet::{ConnectionConfig, DefaultChannel, RenetClient};
use renet_netcode::{ClientAuthentication, ConnectToken, NetcodeClientTransport};

use crate::protocol::{KEY, PROTOCOL, Snapshot, decode, encode, since_epoch};

struct Player<S> {
    client: RenetClient,
    transport: NetcodeClientTransport,
    updated: Instant,
    newest: u32,
    walkers: BTreeMap<u16, S>,
}

pub(crate) fn play<S: State>(peer: &Peer, args: &Args) -> Result<(), Failure> {
    let server = args.server()?;
    peers_world::play(peer, args, |i| Player::<S>::connect(server, i as u64))
}

impl<S: State> Player<S> {
    fn connect(server: SocketAddr, id: u64) -> Result<Self, Failure> {
        let now = since_epoch();
        let connect_token = ConnectToken::generate(now, PROTOCOL, 60, id, 15, vec![server], None, &KEY)?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let transport = NetcodeClientTransport::new(now, ClientAuthentication::Secure { connect_token }, socket)?;
        let client = RenetClient::new(ConnectionConfig::default());
        Ok(Self { client, transport, updated: Instant::now(), newest: 0, walkers: BTreeMap::new() })
    }

    fn take(&mut self, snapshot: Snapshot<S>) {
        if snapshot.tick > self.newest {
            self.newest = snapshot.tick;
            self.walkers.extend(snapshot.walkers.into_iter().map(|(i, state)| (i, state.0)));
        }
    }
}

impl<S: State> Client for Player<S> {
    fn update(&mut self, press: Press) {
        let passed = self.updated.elapsed();
        self.updated += passed;
        self.client.update(passed);
        // A connection that failed shows in `is_connected`.
        let _ = self.transport.update(passed, &mut self.client);
        if !self.client.is_connected() {
            return;
        }
        while let Some(message) = self.client.receive_message(DefaultChannel::Unreliable) {
            if let Some(snapshot) = decode(&message) {
                self.take(snapshot);
            }
        }
        self.client.send_message(DefaultChannel::Unreliable, encode(&press));
        let _ = self.transport.send_packets(&mut self.client);
    }

    fn is_connected(&self) -> bool {
        self.client.is_connected()
    }
}
