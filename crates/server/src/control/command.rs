//! What may be asked of a shard.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use std::time::Duration;

use downbeat_host::SessionId;

use super::PlayerKey;
use crate::config::Config;

/// Something that one shard is to do. All of it is quick: what takes time is done before it is sent.
#[derive(Debug)]
pub enum Command {
    /// Opens a room that stays open while nobody is in it. Answers with its id.
    OpenRoom {
        /// The way back.
        answer: Answer<Result<u64, Refused>>,
    },
    /// Closes a room and sends its clients away. Answers with how many there were; `None` when there is no such room.
    CloseRoom {
        /// Which.
        room: u64,
        /// What the clients are told.
        reason: String,
        /// The way back.
        answer: Answer<Option<usize>>,
    },
    /// Sends a client away.
    Kick {
        /// Which.
        session: SessionId,
        /// What it is told.
        reason: String,
        /// The way back.
        answer: Answer<Option<Who>>,
    },
    /// Sends a client away whose account came in again.
    Replace {
        /// Which.
        session: SessionId,
    },
    /// From now on nobody hears what a client says.
    Mute {
        /// Which.
        session: SessionId,
        /// For how long; nothing unmutes it.
        time: Duration,
        /// The way back.
        answer: Answer<Option<Who>>,
    },
    /// Says something to everybody in a room, or in all rooms of the shard. Answers with how many were told.
    Broadcast {
        /// Which room; without one, all.
        room: Option<u64>,
        /// What is said.
        text: String,
        /// The way back; `None` when there is no such room.
        answer: Answer<Option<usize>>,
    },
    /// Takes over what can change while the server runs.
    Configure {
        /// The whole configuration, as it is from now on.
        config: Arc<Config>,
        /// The way back.
        answer: Answer<()>,
    },
}

/// Who is behind a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// What names it while it takes part: the client's number in the admin interface.
    pub id: PlayerKey,
    /// What it is called.
    pub name: Arc<str>,
    /// Its account; `None` where no tickets are asked for.
    pub account: Option<Arc<str>>,
    /// Where it was last reached; `None` while it has no connection.
    pub address: Option<IpAddr>,
    /// Where it takes part.
    pub room: u64,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many wait already.
    #[error("too much was asked for at once; try again in a moment")]
    Busy,
    /// The shard has ended, or there is none.
    #[error("the server is ending")]
    Gone,
    /// The server takes nobody any more.
    #[error("the server is draining")]
    Draining,
    /// There are as many rooms as there may be.
    #[error("the server has all the rooms that it may have; close one, or raise `rooms_max`")]
    Full,
    /// The game opens no room.
    #[error("no room can be opened: {0}")]
    Game(String),
}

/// The way back for an answer. If it is dropped, there is none: the shard has ended.
pub struct Answer<T>(Box<dyn FnOnce(T) + Send>);

impl<T: 'static> Answer<T> {
    /// Calls `give` with the answer, on the shard's thread: it must not block.
    pub fn new(give: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(give))
    }

    /// For those who do not want to know.
    #[must_use]
    pub fn none() -> Self {
        Self::new(drop)
    }

    /// The answer, to be given once others may act on it.
    pub(crate) fn with(self, answer: T) -> Box<dyn FnOnce()> {
        Box::new(move || (self.0)(answer))
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}
