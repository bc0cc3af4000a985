//! QUIC as a game's client needs it: one socket, one connection, one control stream, thin datagrams.

use std::any::Any;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt,
};
use ring::rand::{SecureRandom, SystemRandom};

use crate::limits::{
    CONTROL_WINDOW_BYTES, DATAGRAM_RECEIVE_BUFFER_BYTES, DATAGRAM_SEND_BUFFER_BYTES, FLIGHT_BYTES_MAX, IDLE_TIMEOUT,
    KEEP_ALIVE, SERVER_STREAMS_MAX,
};
use crate::trust::{Refusal, tls};
use crate::{ConnectError, Trust};

/// A socket that reaches `remote`. Must be called inside a tokio runtime.
pub(crate) fn endpoint(remote: SocketAddr) -> Result<Endpoint, ConnectError> {
    let any = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    let mut config = EndpointConfig::default();
    config.cid_generator(|| Box::new(NoIds));
    Ok(Endpoint::new(config, None, socket, Arc::new(TokioRuntime))?)
}

/// How to connect to a server that `trust` believes; `first` is the first byte of the id that its first packets are
/// addressed to, where the server asked for one.
pub(crate) fn client(trust: &Trust, refusal: &Refusal, first: Option<u8>) -> Result<ClientConfig, ConnectError> {
    let tls = QuicClientConfig::try_from(tls(trust, refusal)?).expect("ring has AES-128-GCM");
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport()));
    if let Some(first) = first {
        let mut id = [0; FIRST_CID_BYTES];
        SystemRandom::new().fill(&mut id).expect("the operating system has randomness");
        id[0] = first;
        config.initial_dst_cid_provider(Arc::new(move || ConnectionId::new(&id)));
    }
    Ok(config)
}

/// Length of the id that a client's first packets are addressed to: as long as ids may be (RFC 9000, section 17.2).
const FIRST_CID_BYTES: usize = 20;

fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(SERVER_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(CONTROL_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONTROL_WINDOW_BYTES * (1 + SERVER_STREAMS_MAX)))
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_SEND_BUFFER_BYTES)
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().expect("ten seconds fit")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        // Players are near their server: the standard's 333 ms makes a lost first packet cost a second.
        .initial_rtt(Duration::from_millis(100))
        .congestion_controller_factory(Arc::new(Thin));
    config
}

/// A client that has its socket to itself needs no connection ids of its own.
struct NoIds;

impl ConnectionIdGenerator for NoIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&[])
    }

    fn cid_len(&self) -> usize {
        0
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A fixed window. A client sends one small datagram a tick, whatever the line does; less would be no game. Cubic ends
/// at two packets under random loss and holds inputs back just where they are needed most: with a round trip of 300 ms
/// and 20 % loss it starved 8 % of the ticks at 60 Hz, with 800 ms and 10 % loss 42 %; this one none (`tests/bad_line.rs`).
#[derive(Clone, Copy)]
struct Thin;

impl ControllerFactory for Thin {
    fn build(self: Arc<Self>, _now: Instant, _mtu: u16) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Thin {
    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _is_persistent: bool, _lost_bytes: u64) {}

    fn on_mtu_update(&mut self, _mtu: u16) {}

    fn window(&self) -> u64 {
        FLIGHT_BYTES_MAX
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }

    fn initial_window(&self) -> u64 {
        FLIGHT_BYTES_MAX
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
