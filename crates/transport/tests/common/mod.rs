//! A server and clients in virtual time, over a network in memory.
#![allow(dead_code, reason = "each test uses its part")]

use std::net::SocketAddr;

use downbeat_link::LinkSpec;
use downbeat_transport::{
    ClientIds, ClientOptions, CloseReason, Conditioner, ConnId, Driver, Event, FlowKey, HandshakeBudget, Identity,
    MemoryNetwork, MemorySocket, Secret, ServerOptions, Socket, Trust,
};
use downbeat_wire::Micros;

pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4433);
pub(crate) const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 5000);
pub(crate) const TICK: Micros = Micros(16_667);

pub(crate) fn identity() -> Identity {
    Identity::reproducible([7; 32], &["localhost"]).expect("a good name")
}

pub(crate) fn server_options() -> ServerOptions {
    let mut options = ServerOptions::new(identity());
    options.secret = Secret::from_bytes([9; 32]);
    options.tuning.seed = Some([1; 32]);
    options.tuning.handshake_budget = HandshakeBudget::Steps(64);
    options
}

pub(crate) fn client_options() -> ClientOptions {
    let mut options = ClientOptions::new(Trust::pinned(identity().fingerprint()));
    options.tuning.seed = Some([2; 32]);
    options.tuning.handshake_budget = HandshakeBudget::Steps(64);
    options.ids = ClientIds::Shared;
    options
}

/// One end: a driver and what it said.
pub(crate) struct End<S> {
    pub(crate) driver: Driver<S>,
    pub(crate) events: Vec<(Micros, Event)>,
}

impl<S: Socket> End<S> {
    pub(crate) fn new(driver: Driver<S>) -> Self {
        Self { driver, events: Vec::new() }
    }

    pub(crate) fn pump(&mut self, now: Micros) {
        self.driver.receive(now).expect("memory");
        self.driver.handle_timeouts(now).expect("memory");
        while let Some(event) = self.driver.poll_event() {
            self.events.push((now, event));
        }
    }

    pub(crate) fn connected(&self) -> Vec<ConnId> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Connected { conn, .. } => Some(*conn),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn closed(&self) -> Vec<(ConnId, CloseReason)> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Closed { conn, reason } => Some((*conn, reason.clone())),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn datagrams(&self) -> Vec<(ConnId, Vec<u8>)> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Datagram { conn, payload, .. } => Some((*conn, payload.to_vec())),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn reliable(&self, of: ConnId) -> Vec<u8> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Reliable { conn, bytes } if *conn == of => Some(bytes.to_vec()),
                _ => None,
            })
            .flatten()
            .collect()
    }

    pub(crate) fn control(&self, of: ConnId) -> Vec<u8> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Control { conn, bytes } if *conn == of => Some(bytes.to_vec()),
                _ => None,
            })
            .flatten()
            .collect()
    }
}

/// The client's socket is conditioned in both directions; the server's is plain.
pub(crate) struct World {
    pub(crate) network: MemoryNetwork,
    pub(crate) server: End<MemorySocket>,
    pub(crate) client: End<Conditioner<MemorySocket>>,
    pub(crate) now: Micros,
}

impl World {
    pub(crate) fn new(net: &str) -> Self {
        Self::with(net, &server_options(), &client_options())
    }

    pub(crate) fn with(net: &str, server: &ServerOptions, client: &ClientOptions) -> Self {
        let network = MemoryNetwork::new();
        let spec: LinkSpec = net.parse().expect("a link");
        let key = if client.ids == ClientIds::Shared { FlowKey::ConnectionId } else { FlowKey::Remote };
        let conditioned = Conditioner::new(network.bind(CLIENT.into()), &spec, 42, key);
        let server = Driver::server(server, network.bind(SERVER.into())).expect("good options");
        let client = Driver::client(client, conditioned).expect("good options");
        Self { network, server: End::new(server), client: End::new(client), now: Micros(0) }
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        self.client.driver.connect(self.now, SocketAddr::from(SERVER), "localhost").expect("a good address")
    }

    /// Lets time pass in steps of a millisecond; both ends flush at each tick, after `tick` wrote.
    pub(crate) fn run(&mut self, time: Micros, mut tick: impl FnMut(&mut Self)) {
        let end = self.now + time;
        let mut next_tick = self.now + TICK;
        while self.now < end {
            self.now = self.now + Micros(1_000);
            self.server.pump(self.now);
            self.client.pump(self.now);
            if self.now >= next_tick {
                next_tick = next_tick + TICK;
                tick(self);
                self.server.driver.flush(self.now).expect("memory");
                self.client.driver.flush(self.now).expect("memory");
            }
        }
    }

    /// Connects `count` clients and lets the dust settle for two seconds.
    pub(crate) fn join(&mut self, count: usize) -> Vec<ConnId> {
        let conns = (0..count).map(|_| self.connect()).collect();
        self.run(Micros::from_millis(2_000), |_| {});
        conns
    }
}
