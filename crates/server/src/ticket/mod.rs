//! Who may come in. A game's backend knows its players; a game server does not, and should not have to ask. So the backend
//! signs a ticket (a JWT, RFC 7519) that says who the player is and where it may play, and the server needs nothing but the
//! public keys to believe it. A ticket is good once, and not for long.
//!
//! | module | holds |
//! |---|---|
//! | `keys` | whose signatures count: a JSON Web Key Set (RFC 7517) |
//! | `check` | from the text that a client sends to a [`Ticket`], or why not |
//! | `used` | tickets that were used |
//! | `mint` | making keys and tickets, for development |
//! | `crypto` | signing and verifying by ring |

mod check;
mod crypto;
mod keys;
mod mint;
#[cfg(test)]
mod tests;
mod used;

pub use check::{TicketError, Tickets};
pub use keys::{Keys, KeysError};
pub use mint::{MintError, NewKey, SigningKey};

use serde::{Deserialize, Serialize};

/// What a ticket lets its bearer be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches.
    Spectator,
    /// Plays.
    #[default]
    Player,
    /// Plays, and keeps order: may kick and mute.
    Moderator,
    /// May do everything.
    Admin,
}

/// The claims of a ticket, as they stand in the JWT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The account. At most [`ACCOUNT_BYTES_MAX`](crate::limits::ACCOUNT_BYTES_MAX) bytes.
    pub sub: String,
    /// For whom it is: the server's audience must be among them.
    pub aud: Audience,
    /// Until when it is good, in seconds since 1970 (UTC).
    pub exp: u64,
    /// From when on it is good, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// What tells it from all other tickets: it is good once.
    pub jti: String,
    /// The room that it is for; any where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
    /// What it lets its bearer be.
    #[serde(default)]
    pub role: Role,
    /// What the player is called; what it calls itself where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One audience, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

impl Audience {
    fn includes(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Any(any) => any.iter().any(|one| one == audience),
        }
    }
}
