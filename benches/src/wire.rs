//! What a datagram costs on the wire beyond its payload: QUIC's header, its tag, the acknowledgements that ride along,
//! UDP and IPv4.
//!
//! It is measured in each run, on the transport that server and clients use: one server and one client in virtual time,
//! each on its own socket (so that the client's connection id is empty), 25 ms apart, both sending a datagram in every
//! tick. All that leaves the two sockets after a warm-up counts, so pings and rare acknowledgements of their own are in.

use std::net::SocketAddr;

use downbeat_link::LinkSpec;
use downbeat_replica::Micros;
use downbeat_transport::{
    ClientIds, ClientOptions, Conditioner, ConnId, Driver, DriverCounters, Event, FlowKey, HandshakeBudget, Identity,
    MemoryNetwork, Secret, ServerOptions, Socket, Trust,
};

use crate::{BenchError, Options};

/// Headers of UDP and IPv4.
pub const UDP_IPV4_BYTES: u64 = 28;

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4_433);
const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 5_000);

/// Handshake and path discovery are over after this, and then it is measured for this long.
const WARM_UP: Micros = Micros::from_millis(5_000);
const MEASURED: Micros = Micros::from_millis(10_000);

/// Bytes beyond the payload, by datagram: QUIC, UDP and IPv4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overhead {
    /// Of the server's datagrams.
    pub down: f64,
    /// Of the client's.
    pub up: f64,
}

/// Measures the overhead of datagrams with about these payloads in bytes, at `tick_rate_hz` each way.
///
/// # Errors
/// When the transport does not play along.
pub fn overhead(down_bytes: f64, up_bytes: f64, tick_rate_hz: u32) -> Result<Overhead, BenchError> {
    let payload = |bytes: f64| vec![0_u8; (bytes.round() as usize).clamp(1, Options::PATH_BYTES)];
    let (down, up) = (payload(down_bytes), payload(up_bytes));
    let mut line = Line::connect()?;
    line.play(WARM_UP, tick_rate_hz, &down, &up)?;
    let before = (line.server.counters(), line.client.counters());
    let (downs, ups) = line.play(MEASURED, tick_rate_hz, &down, &up)?;
    let after = (line.server.counters(), line.client.counters());
    Ok(Overhead { down: beyond(&before.0, &after.0, downs, &down), up: beyond(&before.1, &after.1, ups, &up) })
}

/// Bytes on the wire beyond the payload of `sent` datagrams, by datagram.
fn beyond(before: &DriverCounters, after: &DriverCounters, sent: u64, payload: &[u8]) -> f64 {
    let packets = after.datagrams_out - before.datagrams_out;
    let wire = after.bytes_out - before.bytes_out + packets * UDP_IPV4_BYTES;
    wire as f64 / sent as f64 - payload.len() as f64
}

/// A server, a client and what lies between them.
struct Line {
    server: Driver<downbeat_transport::MemorySocket>,
    client: Driver<Conditioner<downbeat_transport::MemorySocket>>,
    to_client: Option<ConnId>,
    to_server: ConnId,
    now: Micros,
}

impl Line {
    fn connect() -> Result<Self, BenchError> {
        let identity = Identity::reproducible([7; 32], &["localhost"]).map_err(broken)?;
        let mut server_options = ServerOptions::new(identity.clone());
        server_options.secret = Secret::from_bytes([9; 32]);
        server_options.tuning.seed = Some([1; 32]);
        server_options.tuning.handshake_budget = HandshakeBudget::Steps(64);
        let mut client_options = ClientOptions::new(Trust::pinned(identity.fingerprint()));
        client_options.tuning.seed = Some([2; 32]);
        client_options.tuning.handshake_budget = HandshakeBudget::Steps(64);
        client_options.ids = ClientIds::Address;

        let network = MemoryNetwork::new();
        let spec = LinkSpec { latency: Micros::from_millis(25), ..LinkSpec::PERFECT };
        let socket = Conditioner::new(network.bind(CLIENT.into()), &spec, 42, FlowKey::Remote);
        let server = Driver::server(&server_options, network.bind(SERVER.into())).map_err(broken)?;
        let mut client = Driver::client(&client_options, socket).map_err(broken)?;
        let to_server = client.connect(Micros::default(), SocketAddr::from(SERVER), "localhost").map_err(broken)?;
        Ok(Self { server, client, to_client: None, to_server, now: Micros::default() })
    }

    /// Both send a datagram in every tick for `time`, the client half a tick after the server. Returns how many each
    /// sent.
    fn play(&mut self, time: Micros, tick_rate_hz: u32, down: &[u8], up: &[u8]) -> Result<(u64, u64), BenchError> {
        let end = self.now + time;
        let tick = Micros(1_000_000 / u64::from(tick_rate_hz));
        let (mut next_down, mut next_up) = (self.now + tick, self.now + tick + Micros(tick.0 / 2));
        let (mut downs, mut ups) = (0, 0);
        while self.now < end {
            self.now = self.now + Micros(1_000);
            if let Some(conn) = pump(&mut self.server, self.now)? {
                self.to_client = Some(conn);
            }
            pump(&mut self.client, self.now)?;
            if self.now >= next_down {
                next_down = next_down + tick;
                downs += self.to_client.map_or(0, |conn| u64::from(self.server.send_datagram(conn, down).is_ok()));
                self.server.flush(self.now).map_err(broken)?;
            }
            if self.now >= next_up {
                next_up = next_up + tick;
                ups += u64::from(self.client.send_datagram(self.to_server, up).is_ok());
                self.client.flush(self.now).map_err(broken)?;
            }
        }
        let owed = time.0 / tick.0 / 2;
        if downs < owed || ups < owed {
            return Err(BenchError::Transport(format!("only {downs} and {ups} datagrams left in {time:?}")));
        }
        Ok((downs, ups))
    }
}

/// Takes in what waits. Returns the connection that was opened, if one was.
fn pump<S: Socket>(driver: &mut Driver<S>, now: Micros) -> Result<Option<ConnId>, BenchError> {
    driver.receive(now).map_err(broken)?;
    driver.handle_timeouts(now).map_err(broken)?;
    let mut opened = None;
    while let Some(event) = driver.poll_event() {
        if let Event::Connected { conn, .. } = event {
            opened = Some(conn);
        }
    }
    Ok(opened)
}

fn broken(error: impl std::fmt::Display) -> BenchError {
    BenchError::Transport(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overhead_is_what_quic_takes_and_is_the_same_in_every_run() {
        let measured = overhead(200.0, 40.0, 60).expect("memory");
        assert_eq!(overhead(200.0, 40.0, 60).expect("memory"), measured);
        // Header, tag, frame heads and UDP/IPv4 at least; an acknowledgement and a path probe at most.
        assert!((50.0..75.0).contains(&measured.down), "{measured:?}");
        assert!((50.0..85.0).contains(&measured.up), "{measured:?}");
    }
}
