//! What the micro benches of the transport measure on: a server and its clients on sockets in memory, in virtual time, and
//! each step of a tick apart.

use downbeat_replica::Micros;
use downbeat_transport::{
    ClientOptions, ConnId, Driver, Event, HandshakeBudget, Identity, MemoryNetwork, MemorySocket, Secret,
    ServerOptions, Trust,
};

const TICK: Micros = Micros(16_667);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4_433);
const CLIENTS: ([u8; 4], u16) = ([10, 0, 0, 2], 5_000);

/// A server that plays with clients: 200 bytes down and 60 up for each in every tick.
pub struct Packets {
    server: Driver<MemorySocket>,
    clients: Driver<MemorySocket>,
    peers: Vec<ConnId>,
    conns: Vec<ConnId>,
    now: Micros,
}

impl Packets {
    /// `clients` that have played for two seconds.
    #[must_use]
    pub fn new(clients: usize) -> Self {
        let network = MemoryNetwork::new();
        let identity = Identity::reproducible([7; 32], &["localhost"]).expect("the name is a good one");
        let trust = Trust::pinned(identity.fingerprint());
        let (mut server, mut client) = (ServerOptions::new(identity), ClientOptions::new(trust));
        server.secret = Secret::from_bytes([9; 32]);
        // Nobody has to prove an address: proofs expire by the machine's clock.
        server.unproven_max = clients;
        for (tuning, seed) in [(&mut server.tuning, 1), (&mut client.tuning, 2)] {
            tuning.seed = Some([seed; 32]);
            tuning.handshake_budget = HandshakeBudget::Steps(64);
        }
        let mut packets = Self {
            server: Driver::server(&server, network.bind(SERVER.into())).expect("the options are good"),
            clients: Driver::client(&client, network.bind(CLIENTS.into())).expect("the options are good"),
            peers: Vec::new(),
            conns: Vec::new(),
            now: Micros(0),
        };
        packets.join(clients);
        (0..120).for_each(|_| packets.tick());
        packets
    }

    fn join(&mut self, clients: usize) {
        for _ in 0..clients {
            let conn = self.clients.connect(self.now, SERVER.into(), "localhost").expect("the address is good");
            self.conns.push(conn);
        }
        let until = self.now + Micros::from_millis(10_000);
        while self.peers.len() < clients && self.now < until {
            self.now = self.now + Micros(10_000);
            for driver in [&mut self.server, &mut self.clients] {
                driver.receive(self.now).expect("memory");
                driver.handle_timeouts(self.now).expect("memory");
                driver.flush(self.now).expect("memory");
            }
            while self.clients.poll_event().is_some() {}
            while let Some(event) = self.server.poll_event() {
                if let Event::Connected { conn, .. } = event {
                    self.peers.push(conn);
                }
            }
        }
        assert_eq!(self.peers.len(), clients, "all join within ten seconds");
    }

    fn tick(&mut self) {
        self.clients_speak();
        self.server_receives();
        self.server_speaks();
        self.clients_receive();
    }

    /// The tick begins: each client sends a packet.
    pub fn clients_speak(&mut self) {
        self.now = self.now + TICK;
        for &conn in &self.conns {
            self.clients.send_datagram(conn, &[2; 60]).expect("nobody is blocked");
        }
        self.clients.flush(self.now).expect("memory");
    }

    /// The server takes in a packet of each client.
    pub fn server_receives(&mut self) {
        while self.server.receive(self.now).expect("memory") {}
        self.server.handle_timeouts(self.now).expect("memory");
        let heard = std::iter::from_fn(|| self.server.poll_event()).count();
        assert!(heard >= self.peers.len(), "everybody was heard");
    }

    /// The server sends a packet to each client.
    pub fn server_speaks(&mut self) {
        for &peer in &self.peers {
            let space = self.server.datagram_share(peer, TICK, 64);
            assert!(space.is_some_and(|space| space >= 200), "nobody is blocked");
            self.server.send_datagram(peer, &[1; 200]).expect("there is room");
        }
        self.server.flush(self.now).expect("memory");
    }

    /// The clients take in theirs.
    pub fn clients_receive(&mut self) {
        while self.clients.receive(self.now).expect("memory") {}
        self.clients.handle_timeouts(self.now).expect("memory");
        while self.clients.poll_event().is_some() {}
    }
}
