//! Whom a client believes: the holder of one certificate, whoever a root vouches for, or anybody.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use ring::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CipherSuite, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// SHA-256 of a certificate's DER form, as `downbeat serve` prints it: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = digest::digest(&digest::SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = TrustError;

    /// Colons between the bytes are taken as well, as `openssl x509 -fingerprint` prints them.
    fn from_str(text: &str) -> Result<Self, TrustError> {
        let digits: Option<Vec<u8>> = text.chars().filter(|&c| c != ':').map(|c| Some(c.to_digit(16)? as u8)).collect();
        let digits = digits.filter(|digits| digits.len() == 64);
        let digits = digits.ok_or_else(|| TrustError::Fingerprint(text.chars().take(100).collect()))?;
        Ok(Self(std::array::from_fn(|i| digits[2 * i] << 4 | digits[2 * i + 1])))
    }
}

/// Which servers are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The holder of exactly this certificate, whatever its names and dates: for servers that sign their own.
    Pinned(Fingerprint),
    /// Whose certificate leads to one of these and bears the server's name. PEM text.
    Roots(String),
    /// Anybody, and so anybody in between: for tests on one's own machine.
    DangerAny,
}

/// Why nobody can be believed that way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not 64 hexadecimal digits.
    #[error("`{0}` is no fingerprint: expected 64 hexadecimal digits, as `downbeat serve` prints them")]
    Fingerprint(String),
    /// The PEM text holds no usable certificate.
    #[error("the roots cannot be used: {0}; expected PEM text with `BEGIN CERTIFICATE` blocks")]
    Roots(String),
}

/// Why a server was not believed, in the verifier's words; TLS itself keeps but an alert of it.
pub(crate) type Refusal = Arc<Mutex<Option<String>>>;

/// The TLS side of a connection to a server that `trust` believes. `refusal` is filled when it does not.
pub(crate) fn tls(trust: &Trust, refusal: &Refusal) -> Result<rustls::ClientConfig, TrustError> {
    let mut provider = rustls::crypto::ring::default_provider();
    // The cheapest per packet where the CPU has AES comes first.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let verifier = Verifier {
        believed: Believed::new(trust, &provider)?,
        algorithms: provider.signature_verification_algorithms,
        refusal: Arc::clone(refusal),
    };
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![downbeat_wire::ALPN.to_vec()];
    // What changes state may not be replayed, so there is no early data and nothing to resume.
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(tls)
}

#[derive(Debug)]
enum Believed {
    Pinned(Fingerprint),
    Roots(Arc<WebPkiServerVerifier>),
    Any,
}

impl Believed {
    fn new(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let text = match trust {
            Trust::Pinned(fingerprint) => return Ok(Self::Pinned(*fingerprint)),
            Trust::DangerAny => return Ok(Self::Any),
            Trust::Roots(text) => text,
        };
        let unusable = |error: &dyn fmt::Display| TrustError::Roots(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            roots.add(certificate.map_err(|e| unusable(&e))?).map_err(|e| unusable(&e))?;
        }
        if roots.is_empty() {
            return Err(unusable(&"there is no certificate in the text"));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        Ok(Self::Roots(verifier.map_err(|e| unusable(&e))?))
    }
}

/// Checks the certificate as [`Trust`] asks. That the server holds its key is always checked.
#[derive(Debug)]
struct Verifier {
    believed: Believed,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: Refusal,
}

impl Verifier {
    fn refuse(&self, why: String) {
        *self.refusal.lock().expect("nobody panics while holding it") = Some(why);
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.believed {
            Believed::Any => Ok(ServerCertVerified::assertion()),
            Believed::Pinned(pinned) => {
                let found = Fingerprint::of(certificate);
                if found == *pinned {
                    return Ok(ServerCertVerified::assertion());
                }
                self.refuse(format!(
                    "its certificate is not the pinned one (expected {pinned}, found {found}); if the server has a new \
                     certificate, take the new fingerprint from its operator, never from this message"
                ));
                Err(rustls::CertificateError::ApplicationVerificationFailure.into())
            }
            Believed::Roots(roots) => {
                roots.verify_server_cert(certificate, intermediates, name, ocsp_response, now).inspect_err(|error| {
                    self.refuse(format!(
                        "{error}; check that the roots are the server's and that the address names it as its \
                         certificate does"
                    ));
                })
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC has no TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_parse_as_they_print_and_with_colons() {
        let fingerprint = Fingerprint(std::array::from_fn(|i| i as u8 * 7));
        let text = fingerprint.to_string();
        assert_eq!(text.parse(), Ok(fingerprint));
        let with_colons: String =
            text.char_indices().map(|(i, c)| if i % 2 == 0 { format!(":{c}") } else { c.into() }).collect();
        assert_eq!(with_colons[1..].to_uppercase().parse(), Ok(fingerprint));
        for bad in ["", "abc", &text[1..], &text.replace('0', "ö")] {
            let error = bad.parse::<Fingerprint>().expect_err("no fingerprint");
            assert!(error.to_string().contains("64 hexadecimal digits"));
        }
    }

    #[test]
    fn roots_without_a_certificate_are_refused() {
        let error = tls(&Trust::Roots("hello".into()), &Refusal::default()).expect_err("no certificate");
        assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    }
}
