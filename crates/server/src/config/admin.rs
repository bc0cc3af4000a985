//! Where operators look into a running server, and who of them may.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::ConfigError;
use super::loader::Loader;
use super::{ADMIN_ADDRESS, check};
use crate::limits::ADMIN_TOKEN_BYTES;

/// The admin interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens (TCP).
    pub listen: SocketAddr,
    /// The file of tokens and their roles.
    pub tokens: Option<PathBuf>,
    /// One more token, whose bearer may do everything. Where there is neither, one is made at the start.
    pub token: Option<Secret>,
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Admin {
    /// On a port of loopback, with a token that is made at the start.
    #[must_use]
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, tokens: None, token: None }
    }
}

impl Secret {
    /// Keeps `text` out of logs.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Loader {
    /// It is there as soon as anything is said about it.
    pub(super) fn admin(&self) -> Result<Option<Admin>, ConfigError> {
        let listen = self.given(|raw| raw.admin.as_ref()?.listen.as_ref());
        let tokens = self.given(|raw| raw.admin.as_ref()?.tokens.as_ref());
        let token = self.given(|raw| raw.admin.as_ref()?.token.as_ref());
        if listen.is_none() && tokens.is_none() && token.is_none() {
            return Ok(None);
        }
        let mut address: SocketAddr = ADMIN_ADDRESS.parse().expect("it is one");
        if let Some(given) = listen {
            let error = |_| {
                let text = given.value;
                given.error(format!(
                    "`admin.listen` is `{text}`; an address with a port is allowed, such as {ADMIN_ADDRESS}"
                ))
            };
            address = given.value.parse().map_err(error)?;
        }
        if let Some(given) = token.as_ref().filter(|given| !check::is_token(given.value)) {
            let (least, most) = (ADMIN_TOKEN_BYTES.start(), ADMIN_TOKEN_BYTES.end());
            let message = format!("`admin.token` is none; {least} to {most} letters, digits and -._~+/= are allowed");
            return Err(given.error(message));
        }
        Ok(Some(Admin {
            listen: address,
            tokens: tokens.map(|given| given.source.folder().join(given.value)),
            token: token.map(|given| Secret::new(given.value.clone())),
        }))
    }
}
