//! Whose signatures count. Backends publish their public keys as a JSON Web Key Set (RFC 7517), several at a time while they
//! change from one to the next. Each key has one algorithm, so that a ticket cannot choose its own.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::limits::{KEY_SET_BYTES_MAX, KEYS_MAX, SECRET_BYTES_MIN};

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is none.
    #[error("is no JSON Web Key Set: {0}")]
    Syntax(String),
    /// It is too long.
    #[error("is longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLong,
    /// There are too few or too many keys in it.
    #[error("holds {0} keys; 1 to {KEYS_MAX} are allowed")]
    Count(usize),
    /// A key cannot be used.
    #[error("key {kid:?}: {why}")]
    Key {
        /// Its name, or its place where it has none.
        kid: String,
        /// What is wrong, and what is allowed.
        why: String,
    },
}

/// A set of keys.
pub struct Keys(Vec<Key>);

pub(super) struct Key {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// A key as it is written.
#[derive(Deserialize)]
struct RawKey {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    d: Option<String>,
}

#[derive(Deserialize)]
struct RawKeys {
    keys: Vec<RawKey>,
}

impl Keys {
    /// Reads a key set.
    ///
    /// # Errors
    /// Says which key is wrong, and what is allowed.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        if text.len() > KEY_SET_BYTES_MAX {
            return Err(KeysError::TooLong);
        }
        let raw: RawKeys = serde_json::from_str(text).map_err(|error| KeysError::Syntax(error.to_string()))?;
        if !(1..=KEYS_MAX).contains(&raw.keys.len()) {
            return Err(KeysError::Count(raw.keys.len()));
        }
        let several = raw.keys.len() > 1;
        let mut keys: Vec<Key> = Vec::new();
        for (place, raw) in raw.keys.into_iter().enumerate() {
            let kid = raw.kid.clone().unwrap_or_else(|| format!("#{place}"));
            let fault = |why: &str| KeysError::Key { kid: kid.clone(), why: why.to_owned() };
            if several && raw.kid.is_none() {
                return Err(fault("there are several keys, so each needs a `kid`"));
            }
            if keys.iter().any(|key| key.kid == raw.kid) {
                return Err(fault("another key has the same `kid`"));
            }
            keys.push(raw.check().map_err(|why| fault(&why))?);
        }
        Ok(Self(keys))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The key that a ticket names; the only one where it names none.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }
}

impl RawKey {
    fn check(self) -> Result<Key, String> {
        if self.d.is_some() {
            return Err("it is a private key (`d`); a server must not have it: leave `d` out".to_owned());
        }
        let bytes = |name: &str, text: Option<&String>| {
            let text = text.ok_or_else(|| format!("`{name}` is missing"))?;
            BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("`{name}` is no base64url"))
        };
        let sized = |name: &str, text: Option<&String>| {
            let bytes = bytes(name, text)?;
            if bytes.len() == 32 { Ok(bytes) } else { Err(format!("`{name}` has {} bytes, not 32", bytes.len())) }
        };
        let (algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, DecodingKey::from_ed_der(&sized("x", self.x.as_ref())?)),
            ("EC", Some("P-256")) => {
                let point = [vec![4], sized("x", self.x.as_ref())?, sized("y", self.y.as_ref())?].concat();
                (Algorithm::ES256, DecodingKey::from_ec_der(&point))
            }
            ("oct", None) => {
                let secret = bytes("k", self.k.as_ref())?;
                if secret.len() < SECRET_BYTES_MIN {
                    return Err(format!("the secret has {} bytes; {SECRET_BYTES_MIN} are the least", secret.len()));
                }
                (Algorithm::HS256, DecodingKey::from_secret(&secret))
            }
            (kty, crv) => {
                let crv = crv.map_or_else(String::new, |crv| format!(" with `crv` {crv:?}"));
                return Err(format!(
                    "`kty` {kty:?}{crv} is not known here; \"OKP\" with \"Ed25519\", \"EC\" with \"P-256\" and \"oct\" are"
                ));
            }
        };
        let told = format!("{algorithm:?}");
        match self.alg {
            Some(alg) if alg != told => Err(format!("`alg` is {alg:?}; such a key is for {told:?} here")),
            _ => Ok(Key { kid: self.kid, algorithm, key }),
        }
    }
}
