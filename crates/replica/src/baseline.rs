//! Which states of an entity a client is sure to hold.
//!
//! A client keeps the newest [`RETAINED_VERSIONS`] states that it decoded of an entity. The server knows which of
//! its records arrived (they were acknowledged) and how many it has sent since: as long as fewer than that many
//! followed, no client can have let go of the state, however many of them arrived.

use crate::Tick;
use crate::limits::RETAINED_VERSIONS;

/// A state of an entity that a client acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Number of the version in the room.
    pub version: u32,
    /// Tick of the datagram that delivered it: how the wire names it.
    pub tick: Tick,
    /// How many records of the entity had been sent to the client, this one included.
    pub sent: u32,
}

/// Whether a client still holds a state it decoded when `followed` records of the same entity were sent after it.
#[must_use]
pub const fn is_retained(followed: u32) -> bool {
    (followed as usize) < RETAINED_VERSIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_held_until_as_many_followed_as_a_client_keeps() {
        assert!(is_retained(RETAINED_VERSIONS as u32 - 1));
        assert!(!is_retained(RETAINED_VERSIONS as u32));
    }
}
