//! The neighbour: quinn-proto as it comes, with its default controller, Cubic. It sends datagrams to a driver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use downbeat_transport::{Received, Socket};
use downbeat_wire::Micros;
use quinn_proto::congestion::CubicConfig;
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, EcnCodepoint, Endpoint, EndpointConfig, Event,
    TransportConfig,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::line::LineSocket;

/// A stock connection that sends datagrams.
pub(crate) struct Stock {
    socket: LineSocket,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    conn: Connection,
    epoch: Instant,
    pub(crate) is_connected: bool,
    buffer: Vec<u8>,
    /// `send_buffer_space` while nothing waits.
    empty_space: usize,
}

impl Stock {
    pub(crate) fn connect(socket: LineSocket, now: Micros, remote: SocketAddr, seed: u8) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        tls.alpn_protocols = vec![downbeat_wire::ALPN.to_vec()];
        let mut transport = TransportConfig::default();
        transport.congestion_controller_factory(Arc::new(CubicConfig::default()));
        transport.enable_segmentation_offload(false);
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3")));
        config.transport_config(Arc::new(transport));
        let mut endpoint_config = EndpointConfig::default();
        endpoint_config.rng_seed(Some([seed; 32]));
        let mut endpoint = Endpoint::new(Arc::new(endpoint_config), None, true, None);
        let epoch = Instant::now();
        let instant = epoch + Duration::from_micros(now.0);
        let (handle, mut conn) = endpoint.connect(instant, config, remote, "localhost").expect("a good address");
        let empty_space = conn.datagrams().send_buffer_space();
        Self { socket, endpoint, handle, conn, epoch, is_connected: false, buffer: Vec::new(), empty_space }
    }

    fn instant(&self, at: Micros) -> Instant {
        self.epoch + Duration::from_micros(at.0)
    }

    /// Takes in what arrived, and lets timers fire.
    pub(crate) fn pump(&mut self, now: Micros) {
        let mut arrived = Vec::new();
        while self
            .socket
            .recv_batch(now, &mut |d: Received<'_>| arrived.push((d.at, d.remote, d.ecn, BytesMut::from(d.payload))))
            .expect("memory")
            > 0
        {}
        for (at, remote, ecn, data) in arrived {
            let instant = self.instant(at);
            self.buffer.clear();
            let ecn = EcnCodepoint::from_bits(ecn);
            let routed = self.endpoint.handle(instant, remote, None, ecn, data, &mut self.buffer);
            if let Some(DatagramEvent::ConnectionEvent(_, event)) = routed {
                self.conn.handle_event(event);
            }
        }
        let instant = self.instant(now);
        if self.conn.poll_timeout().is_some_and(|at| at <= instant) {
            self.conn.handle_timeout(instant);
        }
        while let Some(event) = self.conn.poll() {
            self.is_connected |= matches!(event, Event::Connected);
            assert!(!matches!(event, Event::ConnectionLost { .. }), "{event:?}");
        }
        while let Some(event) = self.conn.poll_endpoint_events() {
            if let Some(reply) = self.endpoint.handle_event(self.handle, event) {
                self.conn.handle_event(reply);
            }
        }
    }

    /// Sends what may be sent.
    pub(crate) fn flush(&mut self, now: Micros) {
        let instant = self.instant(now);
        loop {
            self.buffer.clear();
            let Some(transmit) = self.conn.poll_transmit(instant, 1, &mut self.buffer) else { break };
            let ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
            self.socket.send(now, transmit.destination, ecn, &self.buffer[..transmit.size]);
        }
    }

    /// Keeps the send buffer full: a bulk transfer.
    pub(crate) fn fill(&mut self, payload: &Bytes) {
        while self.is_connected && self.conn.datagrams().send_buffer_space() > payload.len() {
            self.conn.datagrams().send(payload.clone(), false).expect("there is space");
        }
    }

    /// Sends one datagram if none waits, as a game does that skips what is out of date.
    pub(crate) fn send(&mut self, payload: &Bytes) -> bool {
        let is_free = self.is_connected && self.conn.datagrams().send_buffer_space() >= self.empty_space;
        if is_free {
            self.conn.datagrams().send(payload.clone(), true).expect("datagrams are on");
        }
        is_free
    }

    pub(crate) fn window(&self) -> u64 {
        self.conn.stats().path.cwnd
    }
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC has no TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
