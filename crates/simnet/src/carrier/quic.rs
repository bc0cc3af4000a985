//! The server's QUIC driver and one of each client, as bots have it, over a network of model links: handshakes, congestion
//! control, acknowledgements, path MTU and migration take part.

use std::collections::BTreeMap;

use downbeat_host::limits::SNAPSHOT_BYTES_MIN;
use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_transport::{
    ClientOptions, ConnId, Driver, Event, HandshakeBudget, Identity, Secret, ServerOptions, Trust,
};
use downbeat_wire::CloseCode;

use super::wires::{SERVER, WireSocket, Wires, who_is};
use super::{Arrival, Arrived, Carrier, End};
use crate::options::Options;

/// Everybody's drivers.
pub(crate) struct Quic {
    wires: Wires,
    server: Driver<WireSocket>,
    server_looked: Option<Micros>,
    peers: Vec<Peer>,
    by_conn: BTreeMap<ConnId, usize>,
    trust: Trust,
    seed: u64,
    /// From one snapshot to the next.
    interval: Micros,
}

#[derive(Default)]
struct Peer {
    /// Of the client; it has one while it is here.
    driver: Option<Driver<WireSocket>>,
    conn: Option<ConnId>,
    is_connected: bool,
    looked: Option<Micros>,
    flushed: Micros,
    visit: u8,
    /// Its connection as the server knows it.
    at_server: Option<ConnId>,
}

impl Quic {
    /// `must_prove`: clients must prove their addresses first (Retry).
    pub(crate) fn new(options: &Options, must_prove: bool) -> Self {
        let wires = Wires::new(options);
        // Ed25519: its signatures have one length, so that packets have the same sizes in each run.
        let identity = Identity::reproducible([7; 32], &[NAME]).expect("a good name");
        let trust = Trust::pinned(identity.fingerprint());
        let mut server = ServerOptions::new(identity);
        server.secret = Secret::from_bytes([9; 32]);
        server.tuning.seed = Some(seed_bytes(options.seed, 0, 0));
        server.tuning.handshake_budget = HANDSHAKE_BUDGET;
        if must_prove {
            server.unproven_max = 0;
        }
        let server = Driver::server(&server, wires.socket(End::Server)).expect("good options");
        Self {
            wires,
            server,
            server_looked: None,
            peers: (0..options.clients).map(|_| Peer::default()).collect(),
            by_conn: BTreeMap::new(),
            trust,
            seed: options.seed,
            interval: Micros(1_000_000 / u64::from(options.send_rate_hz)),
        }
    }

    fn connect(&mut self, now: Micros, client: usize) {
        let visit = self.wires.come(client);
        let mut options = ClientOptions::new(self.trust.clone());
        options.tuning.seed = Some(seed_bytes(self.seed, client as u8 + 1, visit));
        options.tuning.handshake_budget = HANDSHAKE_BUDGET;
        let mut driver = Driver::client(&options, self.wires.socket(End::Client(client))).expect("good options");
        let conn = driver.connect(now, SERVER.into(), NAME).expect("a good address");
        let at_server = self.peers[client].at_server;
        let (driver, conn) = (Some(driver), Some(conn));
        self.peers[client] = Peer { driver, conn, visit, at_server, flushed: now, ..Peer::default() };
    }

    fn poll_server(&mut self, now: Micros) -> Option<Arrival> {
        if self.server_looked.replace(now) != Some(now) {
            self.server.receive(now).expect(ALIVE);
            self.server.handle_timeouts(now).expect(ALIVE);
        }
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Connected { conn, remote } => {
                    let Some((client, visit)) = who_is(remote) else { continue };
                    // One who has gone meanwhile is not let in; its connection ends by itself.
                    let peer = &mut self.peers[client];
                    if peer.visit == visit && peer.driver.is_some() {
                        peer.at_server = Some(conn);
                        self.by_conn.insert(conn, client);
                        return Some(Arrival { client, at: now, what: Arrived::Opened });
                    }
                }
                Event::Datagram { conn, payload, at } => {
                    let Some(client) = self.client_of(conn) else { continue };
                    return Some(Arrival { client, at, what: Arrived::Datagram(payload.to_vec()) });
                }
                Event::Closed { conn, reason } => {
                    let client = self.client_of(conn);
                    self.by_conn.remove(&conn);
                    let Some(client) = client else { continue };
                    self.peers[client].at_server = None;
                    return Some(Arrival { client, at: now, what: Arrived::Closed(reason.to_string()) });
                }
                Event::Control { .. } | Event::Reliable { .. } => {}
            }
        }
        None
    }

    /// Whose connection it is, if it is its newest.
    fn client_of(&self, conn: ConnId) -> Option<usize> {
        self.by_conn.get(&conn).copied().filter(|&client| self.peers[client].at_server == Some(conn))
    }

    fn poll_client(&mut self, now: Micros, client: usize) -> Option<Arrival> {
        let peer = &mut self.peers[client];
        let driver = peer.driver.as_mut()?;
        if peer.looked.replace(now) != Some(now) {
            driver.receive(now).expect(ALIVE);
            driver.handle_timeouts(now).expect(ALIVE);
            if now >= peer.flushed + FLUSH_WITHIN {
                peer.flushed = now;
                driver.flush(now).expect(ALIVE);
            }
        }
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Connected { .. } => peer.is_connected = true,
                Event::Datagram { payload, at, .. } => {
                    return Some(Arrival { client, at, what: Arrived::Datagram(payload.to_vec()) });
                }
                Event::Reliable { bytes, .. } => {
                    return Some(Arrival { client, at: now, what: Arrived::Reliable(bytes.to_vec()) });
                }
                Event::Closed { .. } if !peer.is_connected => {
                    // The handshake took too long, as it may when nothing passes. Who wants to play tries again.
                    self.connect(now, client);
                    return None;
                }
                Event::Closed { reason, .. } => {
                    return Some(Arrival { client, at: now, what: Arrived::Closed(reason.to_string()) });
                }
                Event::Control { .. } => {}
            }
        }
        None
    }
}

impl Carrier for Quic {
    fn open(&mut self, now: Micros, client: usize) {
        self.connect(now, client);
    }

    fn close(&mut self, now: Micros, client: usize) {
        let peer = &mut self.peers[client];
        let (Some(mut driver), Some(conn)) = (peer.driver.take(), peer.conn) else { return };
        driver.close(now, conn, CloseCode::Bye, "");
        driver.flush(now).expect(ALIVE);
    }

    fn cut(&mut self, client: usize) {
        let peer = &mut self.peers[client];
        (peer.driver, peer.conn) = (None, None);
    }

    fn rebind(&mut self, client: usize) {
        self.wires.move_to(client);
    }

    fn set_line(&mut self, client: usize, up: &LinkSpec, down: &LinkSpec) {
        self.wires.set_line(client, up, down);
    }

    fn next_at(&self, end: End) -> Option<Micros> {
        // Nobody looks into a socket at every arrival; arrivals carry the time at which they came.
        let after = |looked: Option<Micros>, pause: Micros| looked.map_or(Micros::default(), |at| at + pause);
        match end {
            End::Server => Some(self.server.next_timeout()?.max(after(self.server_looked, SERVER_PAUSE))),
            End::Client(client) => {
                let peer = &self.peers[client];
                let flush_at = peer.flushed + FLUSH_WITHIN;
                let next = peer.driver.as_ref()?.next_timeout().map_or(flush_at, |at| at.min(flush_at));
                Some(next.max(after(peer.looked, CLIENT_PAUSE)))
            }
        }
    }

    fn poll(&mut self, now: Micros, end: End) -> Option<Arrival> {
        match end {
            End::Server => self.poll_server(now),
            End::Client(client) => self.poll_client(now, client),
        }
    }

    fn space(&mut self, _: Micros, client: usize) -> Option<usize> {
        self.server.datagram_share(self.peers[client].at_server?, self.interval, SNAPSHOT_BYTES_MIN)
    }

    fn send(&mut self, _: Micros, from: End, client: usize, datagram: &[u8]) {
        let peer = &mut self.peers[client];
        // What is not taken is as good as lost: the server asked for the space, a client repeats its inputs.
        let _ = match (from, &mut peer.driver, peer.conn, peer.at_server) {
            (End::Server, _, _, Some(conn)) => self.server.send_datagram(conn, datagram),
            (End::Client(_), Some(driver), Some(conn), _) => driver.send_datagram(conn, datagram),
            _ => return,
        };
    }

    fn send_reliable(&mut self, now: Micros, client: usize, bytes: &[u8]) {
        // Who does not read is closed by the driver, which says so by an event.
        let _ = self.peers[client].at_server.map(|conn| self.server.send_reliable(now, conn, bytes));
    }

    fn flush(&mut self, now: Micros, end: End) {
        match end {
            End::Server => self.server.flush(now).expect(ALIVE),
            End::Client(client) => {
                let peer = &mut self.peers[client];
                peer.flushed = now;
                peer.driver.iter_mut().for_each(|driver| driver.flush(now).expect(ALIVE));
            }
        }
    }

    fn overflow(&self) -> Option<String> {
        let counters = self.server.counters();
        let packets = counters.packets_dropped + counters.packets_costly + counters.handshakes_costly;
        let (wires, packets) = (self.wires.overflowed(), packets + counters.handshake_packets_dropped);
        (wires + packets > 0).then(|| format!("{wires} packets too many under way, {packets} at the server"))
    }

    fn trace_hash(&self) -> u64 {
        self.wires.trace_hash()
    }
}

/// Randomness of one driver.
fn seed_bytes(seed: u64, who: u8, visit: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    (bytes[8], bytes[9]) = (who, visit);
    bytes
}

const NAME: &str = "localhost";
const ALIVE: &str = "a network in memory does not fail";

/// Clocks stand still in a simulation, so work is counted in steps.
const HANDSHAKE_BUDGET: HandshakeBudget = HandshakeBudget::Steps(64);

/// A client sends its acknowledgements at least so often, as bots do.
const FLUSH_WITHIN: Micros = Micros::from_millis(17);

/// Shortest pauses between looks into a socket.
const SERVER_PAUSE: Micros = Micros::from_millis(1);
const CLIENT_PAUSE: Micros = Micros(250);
