//! A connection may be lost and the match goes on. What both ends say to each other so that a client finds its session
//! again, and so that neither has to tell what the other knows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::RESUME_TOKEN_BYTES;

/// Opens a session to a further connection. Only the server knows what it means, its first byte apart: that stands for the
/// shard that has the session, as in [`Elsewhere`](crate::CloseCode::Elsewhere). It is a secret, and not shown by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeToken(pub [u8; RESUME_TOKEN_BYTES]);

impl ResumeToken {
    /// The first byte of the connection id that a client's first packets are addressed to, so that it gets to its shard.
    #[must_use]
    pub const fn shard(&self) -> u8 {
        self.0[0]
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(…)")
    }
}

/// What a client says that goes on with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// From the session's last welcome.
    pub token: ResumeToken,
    /// What the client still has of the session; `None` when that is nothing but the token.
    pub held: Option<Held>,
}

/// What a client has of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The tick of the newest snapshot that it decoded; 0 for none.
    pub tick: u32,
    /// Bytes that it read of the session's reliable events, over all connections.
    pub events_read: u64,
}

/// How a session can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumable {
    /// The secret that opens it. The one before stays good until a datagram came over this connection, or this one was used.
    pub token: ResumeToken,
    /// For how many seconds after the end of a connection.
    pub window_s: u16,
}

/// How a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// What both ends know from before; `None` when all is told anew.
    pub base: Option<Base>,
    /// Where in the session's reliable events the stream of this connection begins, in bytes. More than the client has
    /// read: what lies between is lost to it.
    pub events_from: u64,
}

/// Both ends know the states that some snapshots of before told. They count as told by one snapshot of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The tick of that one: it is older than all that are sent over this connection.
    pub at: u32,
    /// The tick of the newest of those.
    pub newest: u32,
    /// Bit `i`: the one `i + 1` snapshots before it is one of them, too.
    pub before: u32,
}
