//! Keys and tickets for development. In production a backend has the private key, and this process only the public one.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;

use super::{Ticket, crypto};
use crate::limits::SECRET_BYTES_MIN;

/// Why a key or a ticket cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The text is no key that can sign.
    #[error(
        "is no private key: a PEM block `PRIVATE KEY` (PKCS #8) of Ed25519 or P-256, or `SECRET` of {SECRET_BYTES_MIN} bytes or more"
    )]
    NoKey,
    /// An algorithm that tickets are not signed with.
    #[error("{0:?} is no algorithm of tickets; EdDSA, ES256 and HS256 are")]
    Algorithm(String),
    /// Signing failed.
    #[error("the ticket cannot be signed: {0}")]
    Sign(String),
}

/// A key that was just made.
pub struct NewKey {
    /// Its private part, as PEM: for whoever signs, and nobody else.
    pub private_pem: String,
    /// Its public part, as a key set for the server. For HS256 it is the secret itself: nobody else may read it either.
    pub key_set: String,
}

impl NewKey {
    /// Makes a key for an algorithm: `EdDSA`, `ES256` or `HS256`.
    ///
    /// # Errors
    /// When it is another.
    pub fn generate(algorithm: &str, kid: &str) -> Result<Self, MintError> {
        let rng = SystemRandom::new();
        let random = "the operating system has randomness";
        let url = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (label, private, public) = match algorithm {
            "EdDSA" => {
                let private = Ed25519KeyPair::generate_pkcs8(&rng).expect(random);
                let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).expect("it was made just now");
                let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": url(pair.public_key().as_ref()) });
                (PRIVATE, private.as_ref().to_vec(), public)
            }
            "ES256" => {
                let with = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let private = EcdsaKeyPair::generate_pkcs8(with, &rng).expect(random);
                let pair = EcdsaKeyPair::from_pkcs8(with, private.as_ref(), &rng).expect("it was made just now");
                // An uncompressed point: one byte that says so, then both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                (PRIVATE, private.as_ref().to_vec(), json!({ "kty": "EC", "crv": "P-256", "x": url(x), "y": url(y) }))
            }
            "HS256" => {
                let mut secret = vec![0; SECRET_BYTES_MIN];
                rng.fill(&mut secret).expect(random);
                let public = json!({ "kty": "oct", "k": url(&secret) });
                (SECRET, secret, public)
            }
            other => return Err(MintError::Algorithm(other.to_owned())),
        };
        let mut key = public;
        (key["kid"], key["alg"], key["use"]) = (kid.into(), algorithm.into(), "sig".into());
        let key_set = format!("{:#}\n", json!({ "keys": [key] }));
        Ok(Self { private_pem: pem(label, &private), key_set })
    }
}

/// What tickets are signed with.
pub struct SigningKey {
    key: EncodingKey,
    algorithm: Algorithm,
}

impl SigningKey {
    /// Reads a private key, as [`NewKey`] writes it or any other tool does.
    ///
    /// # Errors
    /// When it is none, or of another kind.
    pub fn from_pem(text: &str) -> Result<Self, MintError> {
        crypto::install();
        if let Some(secret) = unpem(SECRET, text) {
            let is_long = secret.len() >= SECRET_BYTES_MIN;
            let key = EncodingKey::from_secret(&secret);
            return is_long.then_some(Self { key, algorithm: Algorithm::HS256 }).ok_or(MintError::NoKey);
        }
        let der = unpem(PRIVATE, text).ok_or(MintError::NoKey)?;
        if Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).is_ok() {
            return Ok(Self { key: EncodingKey::from_ed_der(&der), algorithm: Algorithm::EdDSA });
        }
        let with = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_pkcs8(with, &der, &SystemRandom::new()).map_err(|_| MintError::NoKey)?;
        Ok(Self { key: EncodingKey::from_ec_der(&der), algorithm: Algorithm::ES256 })
    }

    /// Signs a ticket; `kid` names the key where the server has several.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn sign(&self, ticket: &Ticket, kid: Option<&str>) -> Result<String, MintError> {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, ticket, &self.key).map_err(|error| MintError::Sign(error.to_string()))
    }
}

const PRIVATE: &str = "PRIVATE KEY";
const SECRET: &str = "SECRET";

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII"));
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.collect::<Vec<_>>().join("\n"))
}

fn unpem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()
}
