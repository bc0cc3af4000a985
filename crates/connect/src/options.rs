//! What a client asks for.

use downbeat_wire::ResumeToken;

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
    /// Goes on with a session that this program began before it ended without a word: its
    /// [`resume_token`](crate::Session::resume_token), kept somewhere. No ticket is shown then, and name, room and role are the
    /// session's. A session that goes on in the same program resumes by itself.
    pub resume: Option<ResumeToken>,
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
