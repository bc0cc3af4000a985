//! TLS and QUIC parameters from options. Everything quinn-proto and rustls must be told is told here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use downbeat_wire::Micros;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, NoneTokenStore, ServerConfig, TransportConfig,
    VarInt,
};
use ring::{hkdf, hmac};
use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CipherSuite, DigitallySignedStruct, Error, SignatureScheme};

use crate::cid::{FirstIds, NextFlow, ServerIds, SharedIds};
use crate::congestion::GamePace;
use crate::identity::{Believed, Fingerprint, IdentityError, Trust};
use crate::limits::{
    ATTEMPT_BUFFER_BYTES, CONTROL_WINDOW_BYTES, DATAGRAM_RECEIVE_BUFFER_BYTES, DATAGRAM_SEND_BUFFER_BYTES,
    HANDSHAKE_PACKETS_MAX, UP_CRYPTO_BYTES, UP_WINDOW_BYTES, VALIDATED_ATTEMPTS_MAX,
};
use crate::options::{ClientIds, ClientOptions, Secret, ServerOptions, Shard, Tuning};

/// ring's algorithms with AES-128-GCM first: the cheapest per packet where the CPU has AES.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

fn unusable(error: impl fmt::Display) -> IdentityError {
    IdentityError::Unusable(error.to_string())
}

/// What quinn-proto needs to accept connections.
pub(crate) fn server(options: &ServerOptions) -> Result<(EndpointConfig, ServerConfig), IdentityError> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(options.identity.clone()));
    tls.alpn_protocols = vec![downbeat_wire::ALPN.to_vec()];
    // Nothing that changes state may be replayed, so there is no early data and nothing to resume.
    tls.max_early_data_size = 0;
    tls.send_tls13_tickets = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(unusable)?;

    let shard = options.shard;
    let token_key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"downbeat retry token").extract(&options.secret.0);
    let mut config = ServerConfig::new(Arc::new(tls), Arc::new(token_key));
    // A client opens the one control stream and nothing else.
    let mut transport = transport(&options.tuning, 1, 0);
    let window = VarInt::from_u32(UP_WINDOW_BYTES);
    transport.stream_receive_window(window).receive_window(window).crypto_buffer_size(UP_CRYPTO_BYTES);
    config.transport_config(Arc::new(transport));
    config.max_incoming(options.unproven_max + VALIDATED_ATTEMPTS_MAX + 1);
    config.incoming_buffer_size(ATTEMPT_BUFFER_BYTES);
    config.incoming_buffer_size_total(ATTEMPT_BUFFER_BYTES * HANDSHAKE_PACKETS_MAX as u64);

    // One reset key per shard: with a shared one, a foreign shard would reset live connections.
    let mut endpoint = EndpointConfig::new(Arc::new(derive(&options.secret, b"reset", shard)));
    let ids = ServerIds::new(derive(&options.secret, b"ids", shard), shard);
    endpoint.cid_generator(move || Box::new(ids.clone()));
    endpoint.rng_seed(options.tuning.seed);
    Ok((endpoint, config))
}

/// What quinn-proto needs to connect.
pub(crate) fn client(
    options: &ClientOptions,
    next: &NextFlow,
) -> Result<(EndpointConfig, ClientConfig, FirstIds), IdentityError> {
    let provider = provider();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(&options.trust, provider)?)
        .with_no_client_auth();
    tls.alpn_protocols = vec![options.alpn.clone()];
    tls.enable_early_data = false;
    tls.resumption = Resumption::disabled();
    let tls = QuicClientConfig::try_from(tls).map_err(unusable)?;

    let mut config = ClientConfig::new(Arc::new(tls));
    // The server opens no bidirectional stream, and one stream of reliable events.
    config.transport_config(Arc::new(transport(&options.tuning, 0, 1)));
    config.token_store(Arc::new(NoneTokenStore));

    let secret = options.tuning.seed.map_or_else(Secret::random, Secret::from_bytes);
    let first_ids = FirstIds::new(derive(&secret, b"first ids", Shard::ONLY));
    // A client sends no resets that anybody believes: any key does.
    let mut endpoint = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret.0)));
    let (ids, next) = (options.ids, next.clone());
    endpoint.cid_generator(move || match ids {
        ClientIds::Address => Box::new(quinn_proto::RandomConnectionIdGenerator::new(0)),
        ClientIds::Shared => Box::new(SharedIds::new(next.clone())),
    });
    endpoint.rng_seed(options.tuning.seed);
    Ok((endpoint, config, first_ids))
}

fn derive(secret: &Secret, purpose: &[u8], shard: Shard) -> hmac::Key {
    let master = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
    // Debug names index and count: no two shards of any number of them derive the same.
    let key = hmac::sign(&master, &[purpose, format!("{shard:?}").as_bytes()].concat());
    hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
}

fn duration(time: Micros) -> Duration {
    Duration::from_micros(time.0)
}

fn transport(tuning: &Tuning, bidi_streams: u32, uni_streams: u32) -> TransportConfig {
    let mut config = TransportConfig::default();
    let window = VarInt::from_u32(CONTROL_WINDOW_BYTES);
    let mtu = tuning.initial_mtu.clamp(1_200, 1_472);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(bidi_streams))
        .max_concurrent_uni_streams(VarInt::from_u32(uni_streams))
        .stream_receive_window(window)
        .receive_window(window)
        .send_window(u64::from(CONTROL_WINDOW_BYTES))
        .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_SEND_BUFFER_BYTES)
        .max_idle_timeout(IdleTimeout::try_from(duration(tuning.idle_timeout)).ok())
        .keep_alive_interval(tuning.keep_alive.map(duration))
        // Players are near their server: the standard's 333 ms makes a lost first packet cost a second.
        .initial_rtt(Duration::from_millis(100))
        .initial_mtu(mtu)
        .enable_segmentation_offload(false)
        .congestion_controller_factory(Arc::new(GamePace::new(tuning.rate_cap_bytes_per_s)));
    let search = (tuning.max_mtu > mtu).then(|| {
        let mut search = MtuDiscoveryConfig::default();
        search.upper_bound(tuning.max_mtu.min(1_472));
        search
    });
    config.mtu_discovery_config(search);
    config
}

fn verifier(trust: &Trust, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, IdentityError> {
    let algorithms = provider.signature_verification_algorithms;
    Ok(match &trust.0 {
        Believed::Roots(roots) => {
            WebPkiServerVerifier::builder_with_provider(roots.clone(), provider).build().map_err(unusable)?
        }
        Believed::Pinned(fingerprint) => Arc::new(Verifier { pinned: Some(*fingerprint), algorithms }),
        Believed::Anybody => Arc::new(Verifier { pinned: None, algorithms }),
    })
}

/// Believes the holder of one certificate, or of any. That it holds the key is checked either way.
#[derive(Debug)]
struct Verifier {
    pinned: Option<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = Fingerprint::of(end_entity);
        match self.pinned {
            Some(pinned) if pinned != found => Err(Error::General(format!(
                "the server's certificate is not the pinned one: expected fingerprint {pinned}, found {found}"
            ))),
            _ => Ok(ServerCertVerified::assertion()),
        }
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
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
