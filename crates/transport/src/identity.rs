//! Who a server is and whom a client believes: certificates, fingerprints, and nothing of TLS beyond.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ring::digest;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls;

/// SHA-256 of a certificate's DER form. Prints and parses as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = digest::digest(&digest::SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = IdentityError;

    /// Colons between the bytes are taken as well, as `openssl x509 -fingerprint` prints them.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let digits: Vec<u8> = text.bytes().filter(|&b| b != b':').collect();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(IdentityError::Fingerprint(text.chars().take(100).collect()));
        }
        let nibble = |b: u8| (b as char).to_digit(16).expect("checked above") as u8;
        Ok(Self(std::array::from_fn(|i| nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]))))
    }
}

/// Why a certificate, key or fingerprint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The PEM text does not hold what it should.
    #[error("cannot read {what}: {why}")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// What the parser says.
        why: String,
    },
    /// There is no certificate in the PEM text.
    #[error("no certificate found: expected a `BEGIN CERTIFICATE` block")]
    NoCertificate,
    /// The certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Generate(String),
    /// Certificate and key do not fit, or TLS refuses them.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(String),
    /// Not 64 hexadecimal digits.
    #[error("`{0}` is no fingerprint: expected 64 hexadecimal digits (SHA-256 of the certificate)")]
    Fingerprint(String),
}

/// A server's certificate chain and private key, which fit.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

impl Identity {
    /// A fresh self-signed certificate (ECDSA P-256) for these host names and IP addresses.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn self_signed(names: &[&str]) -> Result<Self, IdentityError> {
        let key = rcgen::KeyPair::generate().map_err(generate)?;
        Self::sign(&key, names)
    }

    /// The same certificate (Ed25519) for the same `seed` and names, in every process: for runs that must repeat to the
    /// byte. Its key is no secret.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn reproducible(seed: [u8; 32], names: &[&str]) -> Result<Self, IdentityError> {
        // RFC 8410: the fixed head of a PKCS #8 Ed25519 key, then its 32 bytes.
        const HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let der = PrivatePkcs8KeyDer::from([&HEAD[..], &seed].concat());
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).map_err(generate)?;
        Self::sign(&key, names)
    }

    fn sign(key: &rcgen::KeyPair, names: &[&str]) -> Result<Self, IdentityError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = rcgen::CertificateParams::new(names).and_then(|p| p.self_signed(key)).map_err(generate)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self::certify(vec![certificate.der().clone()], key)
    }

    fn certify(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, IdentityError> {
        let certified = CertifiedKey::from_der(chain, key.clone_key(), &tls::provider())
            .map_err(|error| IdentityError::Unusable(error.to_string()))?;
        Ok(Self { certified: Arc::new(certified), key: Arc::new(key) })
    }

    /// A certificate chain, the server's own first, and its key, as PEM texts.
    ///
    /// # Errors
    /// When a text does not hold what it should, or the key is another certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| pem("the private key", &e))?;
        Self::certify(certificates(chain)?, key)
    }

    /// Fingerprint of the server's own certificate: what a client pins.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certified.cert[0])
    }

    /// The certificate chain as PEM: what a client takes as root for a self-signed server.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.certified.cert.iter().map(|der| armour("CERTIFICATE", der)).collect()
    }

    /// The private key as PEM, to be kept in a file that nobody else reads.
    #[must_use]
    pub fn danger_key_pem(&self) -> String {
        let label = match &*self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        armour(label, self.key.secret_der())
    }
}

/// An identity that can be replaced while drivers use it. New handshakes get the new one; connections go on. Clones are the
/// same one.
#[derive(Clone, Debug)]
pub struct LiveIdentity(Arc<RwLock<Identity>>);

impl LiveIdentity {
    /// Begins with `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(RwLock::new(identity)))
    }

    /// Handshakes get `identity` from now on.
    pub fn replace(&self, identity: Identity) {
        // Replacing cannot be left half done.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Fingerprint of the certificate that handshakes get.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.read().unwrap_or_else(PoisonError::into_inner).fingerprint()
    }
}

impl From<Identity> for LiveIdentity {
    fn from(identity: Identity) -> Self {
        Self::new(identity)
    }
}

impl ResolvesServerCert for LiveIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).certified))
    }
}

/// Which servers a client believes.
#[derive(Clone)]
pub struct Trust(pub(crate) Believed);

#[derive(Clone)]
pub(crate) enum Believed {
    Roots(Arc<RootCertStore>),
    Pinned(Fingerprint),
    Anybody,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Believed::Roots(roots) => write!(f, "Trust({} roots)", roots.len()),
            Believed::Pinned(fingerprint) => write!(f, "Trust({fingerprint})"),
            Believed::Anybody => f.write_str("Trust(anybody)"),
        }
    }
}

impl Trust {
    /// Servers whose certificate leads to one of these PEM certificates and names them.
    ///
    /// # Errors
    /// When the text holds no usable certificate.
    pub fn roots_pem(text: &[u8]) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(text)? {
            roots.add(certificate).map_err(|e| IdentityError::Unusable(e.to_string()))?;
        }
        Ok(Self(Believed::Roots(Arc::new(roots))))
    }

    /// The server with exactly this certificate, whatever its names and dates.
    #[must_use]
    pub const fn pinned(fingerprint: Fingerprint) -> Self {
        Self(Believed::Pinned(fingerprint))
    }

    /// Any server at all, and so anybody in between: for tests on one's own machine.
    #[must_use]
    pub const fn danger_anybody() -> Self {
        Self(Believed::Anybody)
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|e| pem("the certificates", &e))?;
    if chain.is_empty() { Err(IdentityError::NoCertificate) } else { Ok(chain) }
}

fn pem(what: &'static str, why: &impl fmt::Display) -> IdentityError {
    IdentityError::Pem { what, why: why.to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn generate(error: rcgen::Error) -> IdentityError {
    IdentityError::Generate(error.to_string())
}

/// RFC 7468 text of `der`.
fn armour(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = String::new();
    for group in der.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            digits.push(if i <= group.len() { digit as char } else { '=' });
        }
    }
    let lines: Vec<&str> =
        digits.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let make = || Identity::self_signed(&["localhost"]).expect("a good name");
        let error = Identity::from_pem(make().certificate_pem().as_bytes(), make().danger_key_pem().as_bytes());
        let error = error.expect_err("they do not fit").to_string();
        assert!(error.starts_with("certificate and key cannot be used: "), "{error}");
    }

    #[test]
    fn an_identity_survives_its_pem_form() {
        let made = Identity::self_signed(&["localhost", "127.0.0.1"]).expect("good names");
        let read = Identity::from_pem(made.certificate_pem().as_bytes(), made.danger_key_pem().as_bytes());
        let read = read.expect("our own PEM");
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert_eq!(read.key.secret_der(), made.key.secret_der());
        Trust::roots_pem(made.certificate_pem().as_bytes()).expect("our own PEM");
    }

    #[test]
    fn a_seed_gives_the_same_identity_again() {
        let make = |seed| Identity::reproducible([seed; 32], &["localhost"]).expect("a good name").fingerprint();
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }

    #[test]
    fn fingerprints_parse_as_they_print_and_with_colons() {
        let fingerprint = Fingerprint(std::array::from_fn(|i| i as u8 * 7));
        let text = fingerprint.to_string();
        assert_eq!(text.parse::<Fingerprint>().expect("as printed"), fingerprint);
        let colons: Vec<&str> = text.as_bytes().chunks(2).map(|b| std::str::from_utf8(b).expect("hex")).collect();
        assert_eq!(colons.join(":").to_uppercase().parse::<Fingerprint>().expect("as openssl prints"), fingerprint);
        for bad in ["", "abc", &text[1..], &text.replace('0', "ö")] {
            let error = bad.parse::<Fingerprint>().expect_err("no fingerprint");
            assert!(error.to_string().contains("64 hexadecimal digits"));
        }
    }

    #[test]
    fn texts_without_what_they_should_hold_are_refused() {
        assert!(matches!(Trust::roots_pem(b"hello"), Err(IdentityError::NoCertificate)));
        assert!(matches!(Identity::from_pem(b"", b""), Err(IdentityError::Pem { what: "the private key", .. })));
    }
}
