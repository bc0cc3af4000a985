//! Who stands at the door. All shards ask the same one, so that a ticket that was used on one is used on all; it is asked when
//! somebody comes, and never in a tick.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::files::read_text_up_to;
use crate::limits::KEY_SET_BYTES_MAX;
use crate::ticket::{Keys, KeysError, Role, Ticket, TicketError, Tickets};

/// Lets in who shows a good ticket; where no keys are set, everybody.
pub(crate) struct Doorman {
    tickets: Mutex<Option<Tickets>>,
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) ticket: Option<&'a str>,
    pub(crate) room: Option<u64>,
    pub(crate) spectator: bool,
}

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is none.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

impl Doorman {
    /// Believes tickets that these keys signed for this audience.
    pub(crate) fn new(keys: Option<(Keys, String)>) -> Self {
        Self { tickets: Mutex::new(keys.map(|(keys, audience)| Tickets::new(keys, &audience))) }
    }

    /// What the ticket of somebody who wishes to come in says; `None` where nobody is asked. It is not used up yet: whoever is
    /// sent to another shard shows it again there.
    pub(crate) fn check(&self, wish: Wish<'_>) -> Result<Option<Ticket>, TicketError> {
        let tickets = self.lock();
        let Some(tickets) = &*tickets else { return Ok(None) };
        let ticket = tickets.check(wish.ticket.ok_or(TicketError::Missing)?, now())?;
        if ticket.room.is_some_and(|room| wish.room.is_some_and(|wished| wished != room)) {
            return Err(TicketError::WrongRoom);
        }
        // Who watches sees what players do not.
        let may = if wish.spectator { ticket.role != Role::Player } else { ticket.role != Role::Spectator };
        if may { Ok(Some(ticket)) } else { Err(TicketError::WrongRole) }
    }

    /// Uses up a ticket.
    pub(crate) fn take(&self, ticket: &Ticket) -> Result<(), TicketError> {
        self.lock().as_mut().map_or(Ok(()), |tickets| tickets.take(ticket, now()))
    }

    /// Other keys count from now on, for tickets of this audience. Whoever is in stays in.
    pub(crate) fn set(&self, keys: Keys, audience: &str) {
        let mut tickets = self.lock();
        match &mut *tickets {
            Some(tickets) => tickets.set_keys(keys, audience),
            None => *tickets = Some(Tickets::new(keys, audience)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tickets>> {
        // Nothing is left half done in there: used tickets are noted at once.
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a key set.
pub(crate) fn read(path: &Path) -> Result<Keys, KeyFileError> {
    // Whatever the path names, no more is read than a key set may be.
    let text = read_text_up_to(path, KEY_SET_BYTES_MAX)?;
    Ok(Keys::parse(&text)?)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
