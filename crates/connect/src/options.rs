//! What a client asks for.

use crate::Trust;

/// Whom to believe and what to ask for. [`Options::new`] suffices for most games.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which servers are believed.
    pub trust: Trust,
    /// What the player calls itself: at most 32 characters, the rest is cut.
    pub name: String,
    /// The name that the server's certificate must bear; without one, the host part of the address. Matters with
    /// [`Trust::Roots`] alone.
    pub server_name: Option<String>,
    /// The room to join; without one the server chooses.
    pub room: Option<u64>,
    /// Whether to watch only.
    pub spectator: bool,
    /// What lets the client in, where the server asks for it.
    pub ticket: Option<String>,
    /// Asks to go on with a session whose connection was lost: its [`resume_token`](crate::Session::resume_token).
    /// Servers take it and do not act on it yet: the client joins anew.
    pub resume: Option<[u8; 16]>,
}

impl Options {
    /// A player called `name` who joins whichever room the server chooses.
    #[must_use]
    pub fn new(trust: Trust, name: &str) -> Self {
        Self {
            trust,
            name: name.to_owned(),
            server_name: None,
            room: None,
            spectator: false,
            ticket: None,
            resume: None,
        }
    }
}
