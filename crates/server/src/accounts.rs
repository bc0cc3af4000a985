//! Which account takes part where, on all shards: so that a second login is noticed wherever it lands. Asked where somebody
//! comes or goes, and as large as the places of the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use downbeat_host::SessionId;

/// The accounts that take part.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<HashMap<Arc<str>, Seat>>);

/// Where an account takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) shard: u8,
    pub(crate) session: SessionId,
    /// Its connection was lost.
    pub(crate) is_away: bool,
}

impl Accounts {
    /// Where `account` takes part.
    pub(crate) fn seat(&self, account: &str) -> Option<Seat> {
        self.lock().get(account).copied()
    }

    /// Notes that `account` takes part at `seat`, whoever did before: returns that one, which must end. With `replaces` off
    /// nothing is noted if there is one that has a connection.
    pub(crate) fn take(&self, account: &Arc<str>, seat: Seat, replaces: bool) -> Result<Option<Seat>, Seat> {
        let mut seats = self.lock();
        match seats.get(account) {
            Some(other) if !replaces && !other.is_away => Err(*other),
            _ => Ok(seats.insert(Arc::clone(account), seat)),
        }
    }

    /// The connection of a session was lost, or there is one again.
    pub(crate) fn set_away(&self, account: &str, shard: u8, session: SessionId, is_away: bool) {
        let mut seats = self.lock();
        let seat = seats.get_mut(account).filter(|seat| (seat.shard, seat.session) == (shard, session));
        seat.into_iter().for_each(|seat| seat.is_away = is_away);
    }

    /// A session ended. If another one of the account has its place, that stays.
    pub(crate) fn leave(&self, account: &str, shard: u8, session: SessionId) {
        let mut seats = self.lock();
        if seats.get(account).is_some_and(|seat| (seat.shard, seat.session) == (shard, session)) {
            seats.remove(account);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Seat>> {
        // Nothing is left half done in there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_login_has_the_account_and_the_first_ones_end_changes_nothing() {
        let (accounts, ada) = (Accounts::default(), Arc::from("ada"));
        let [first, second] = [0, 1].map(|shard| Seat { shard, session: SessionId(7), is_away: false });
        assert_eq!(accounts.take(&ada, first, false), Ok(None));
        assert_eq!(accounts.take(&ada, second, false), Err(first), "refused");
        accounts.set_away("ada", 1, SessionId(7), true);
        assert_eq!(accounts.take(&ada, second, false), Err(first), "another shard's session was meant");
        accounts.set_away("ada", 0, SessionId(7), true);
        assert_eq!(accounts.take(&ada, second, false), Ok(Some(Seat { is_away: true, ..first })), "nobody is there");
        accounts.leave("ada", 0, SessionId(7));
        assert_eq!(accounts.seat("ada"), Some(second));
        assert_eq!(accounts.take(&ada, first, true), Ok(Some(second)), "replaced");
        accounts.leave("ada", 0, SessionId(7));
        assert_eq!(accounts.seat("ada"), None);
    }
}
