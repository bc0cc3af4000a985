//! Who stands at the door. All shards ask the same one, so that a ticket that was used on one is used on all; it is asked when
//! somebody comes, and never in a tick.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::TicketKeys;
use crate::limits::{KEY_SET_BYTES_MAX, KEYS_LOOKED_AT_EVERY};
use crate::notice::Notice;
use crate::ticket::{Keys, KeysError, Role, Ticket, TicketError, Tickets};

/// Lets in who shows a good ticket; where no keys are set, everybody.
pub(crate) struct Doorman {
    tickets: Option<Mutex<Tickets>>,
    /// What the file of keys was like before it was read.
    read_at: Option<Stamp>,
}

/// What changes when a file does: the time of its last change, and its length.
type Stamp = (SystemTime, u64);

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
    /// Reads the keys, where there are any to be read.
    pub(crate) fn new(keys: Option<&TicketKeys>) -> Result<Self, KeyFileError> {
        let Some(TicketKeys { keys, audience }) = keys else { return Ok(Self { tickets: None, read_at: None }) };
        let read_at = stamp(keys);
        Ok(Self { tickets: Some(Mutex::new(Tickets::new(read(keys)?, audience))), read_at })
    }

    /// What the ticket of somebody who wishes to come in says; `None` where nobody is asked. It is not used up yet: whoever is
    /// sent to another shard shows it again there.
    pub(crate) fn check(&self, wish: Wish<'_>) -> Result<Option<Ticket>, TicketError> {
        let Some(tickets) = self.tickets() else { return Ok(None) };
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
        self.tickets().map_or(Ok(()), |mut tickets| tickets.take(ticket, now()))
    }

    /// Reads the keys again whenever their file changes, until `is_over`. A file that cannot be used changes nothing, and is
    /// told once.
    pub(crate) fn follow(&self, keys: &TicketKeys, is_over: &AtomicBool, mut notify: impl FnMut(&Notice)) {
        let mut seen = self.read_at;
        while !is_over.load(Ordering::Relaxed) {
            thread::sleep(KEYS_LOOKED_AT_EVERY);
            let stamp = stamp(&keys.keys);
            if stamp == seen {
                continue;
            }
            seen = stamp;
            match read(&keys.keys) {
                Ok(new) => {
                    let count = new.count();
                    if let Some(mut tickets) = self.tickets() {
                        tickets.set_keys(new);
                    }
                    notify(&Notice::KeysRead { count });
                }
                Err(error) => notify(&Notice::KeysRefused { path: keys.keys.clone(), error: error.to_string() }),
            }
        }
    }

    fn tickets(&self) -> Option<MutexGuard<'_, Tickets>> {
        // Nothing is left half done in there: used tickets are noted at once.
        self.tickets.as_ref().map(|tickets| tickets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(path: &Path) -> Result<Keys, KeyFileError> {
    // Whatever the path names, no more is read than a key set may be.
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(fs::File::open(path)?, KEY_SET_BYTES_MAX as u64 + 1), &mut text)?;
    Ok(Keys::parse(&text)?)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
