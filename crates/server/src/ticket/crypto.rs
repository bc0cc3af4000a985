//! The tree has one crypto library. It signs and verifies tickets, too: what jsonwebtoken asks for, by ring.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, UnparsedPublicKey,
};
use ring::{hmac, signature};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |&algorithm, key| Ok(Box::new(RingSigner::new(algorithm, key)?)),
    verifier_factory: |&algorithm, key| Ok(Box::new(RingVerifier::new(algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes jsonwebtoken use ring. If the process chose another provider for itself, that one is used: it knows the same
/// algorithms.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| _ = RING.install_default());
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Secret(hmac::Key),
}

struct RingSigner {
    algorithm: Algorithm,
    pair: Pair,
}

impl RingSigner {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, Error> {
        let bytes = key.as_bytes();
        let pair = match algorithm {
            Algorithm::EdDSA => Pair::Ed25519(
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map_err(|_| ErrorKind::InvalidEddsaKey)?,
            ),
            Algorithm::ES256 => Pair::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &SystemRandom::new())
                    .map_err(|_| ErrorKind::InvalidEcdsaKey)?,
            ),
            Algorithm::HS256 => Pair::Secret(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        };
        Ok(Self { algorithm, pair })
    }
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(match &self.pair {
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                signed.map_err(|_| SignatureError::new())?.as_ref().to_vec()
            }
            Pair::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
        })
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

enum Verifying {
    Public(UnparsedPublicKey<Vec<u8>>),
    Secret(hmac::Key),
}

struct RingVerifier {
    algorithm: Algorithm,
    key: Verifying,
}

impl RingVerifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        // A public key must never pass for a secret that anybody knows.
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        let bytes = key.try_get_as_bytes()?;
        let public = |by: &'static dyn signature::VerificationAlgorithm| {
            Verifying::Public(UnparsedPublicKey::new(by, bytes.to_vec()))
        };
        let key = match algorithm {
            Algorithm::EdDSA => public(&ED25519),
            Algorithm::ES256 => public(&ECDSA_P256_SHA256_FIXED),
            Algorithm::HS256 => Verifying::Secret(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        };
        Ok(Self { algorithm, key })
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let verified = match &self.key {
            Verifying::Public(key) => key.verify(message, signature),
            Verifying::Secret(key) => hmac::verify(key, message, signature),
        };
        verified.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
