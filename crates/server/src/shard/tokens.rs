//! What opens a session to a further connection: its shard, its id, and a secret of 19 random bytes.

use downbeat_host::SessionId;
use downbeat_wire::ResumeToken;
use downbeat_wire::limits::RESUME_TOKEN_BYTES;
use subtle::ConstantTimeEq;

/// The tokens of one session. A new one is sent on each of its connections; whether it arrived is not known until something
/// comes back, so the one before stays good until then.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) newest: ResumeToken,
    before: Option<ResumeToken>,
}

impl Tokens {
    /// The first one of a session of this shard.
    pub(crate) fn new(shard: u8, session: SessionId) -> Self {
        Self { newest: issue(shard, session), before: None }
    }

    /// Whether a token opens the session. How long that takes tells nothing of the right one.
    pub(crate) fn open_to(&self, token: &ResumeToken) -> bool {
        let is = |known: &ResumeToken| known.0.ct_eq(&token.0);
        bool::from(is(&self.newest) | is(self.before.as_ref().unwrap_or(&self.newest)))
    }

    /// The session was opened with `used`: another one opens it from now on, and until the client has that, the same again.
    pub(crate) fn rotate(&mut self, used: ResumeToken, shard: u8, session: SessionId) {
        *self = Self { newest: issue(shard, session), before: Some(used) };
    }

    /// The client has the newest one.
    pub(crate) const fn confirm(&mut self) {
        self.before = None;
    }
}

/// The session that a token is of, if it is any: nobody is believed for it.
pub(crate) fn session_of(token: &ResumeToken) -> SessionId {
    let [_, a, b, c, d, ..] = token.0;
    SessionId(u32::from_le_bytes([a, b, c, d]))
}

fn issue(shard: u8, session: SessionId) -> ResumeToken {
    let mut token = [0; RESUME_TOKEN_BYTES];
    getrandom::fill(&mut token).expect("the operating system has randomness");
    token[0] = shard;
    token[1..5].copy_from_slice(&session.0.to_le_bytes());
    ResumeToken(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_token_is_good_until_the_new_one_arrived_or_was_used() {
        let session = SessionId(0x0102_0304);
        let mut tokens = Tokens::new(5, session);
        let first = tokens.newest;
        assert_eq!((first.shard(), session_of(&first)), (5, session));
        tokens.rotate(first, 5, session);
        let second = tokens.newest;
        assert!(second != first && tokens.open_to(&first) && tokens.open_to(&second));
        tokens.rotate(first, 5, session);
        assert!(tokens.open_to(&first) && !tokens.open_to(&second), "nobody got the second one");
        let third = tokens.newest;
        tokens.confirm();
        assert!(!tokens.open_to(&first) && tokens.open_to(&third));
        tokens.rotate(third, 5, session);
        assert!(!tokens.open_to(&first) && tokens.open_to(&third));
    }

    #[test]
    fn every_byte_counts() {
        let mut tokens = Tokens::new(0, SessionId(1));
        tokens.rotate(tokens.newest, 0, SessionId(1));
        for (place, bit) in (0..RESUME_TOKEN_BYTES).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut forged = tokens.newest;
            forged.0[place] ^= 1 << bit;
            assert!(!tokens.open_to(&forged));
        }
    }
}
