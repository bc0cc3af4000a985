//! How somebody outside names a client: one number for shard and session, which no other client of this run has.

use std::fmt;
use std::str::FromStr;

use downbeat_host::SessionId;
use serde::{Serialize, Serializer};

/// Names a client. As a text, it is one number, small enough to be exact in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerKey {
    /// Where it is served.
    pub shard: u8,
    /// Its session there.
    pub session: SessionId,
}

impl fmt::Display for PlayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl PlayerKey {
    const fn number(self) -> u64 {
        (self.shard as u64) << 32 | self.session.0 as u64
    }
}

impl From<u64> for PlayerKey {
    /// Of a number that is nobody's, a key that is nobody's.
    fn from(number: u64) -> Self {
        let shard = u8::try_from(number >> 32).unwrap_or(u8::MAX);
        Self { shard, session: SessionId(number as u32) }
    }
}

impl FromStr for PlayerKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse::<u64>()?.into())
    }
}

impl Serialize for PlayerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_is_exact_as_a_double() {
        for (shard, session) in [(0, 0), (0, 1), (1, 0), (63, u32::MAX)] {
            let key = PlayerKey { shard, session: SessionId(session) };
            assert_eq!(key.to_string().parse(), Ok(key));
            assert!(key.number() < 1 << 53);
        }
        assert_eq!(PlayerKey::from(u64::MAX).shard, u8::MAX, "no server has so many shards");
        assert!("seven".parse::<PlayerKey>().is_err());
    }
}
