//! The rooms of a shard. Whatever a game does in one of them, the others go on: a panic ends its room alone.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use downbeat_host::{Counters, JoinError, Net, PeerError, Room, RoomOptions, SessionId};
use downbeat_replica::{Coding, ConfigError, Game, Micros, PlayerId};
use downbeat_wire::CloseCode;

use crate::guard::Rate;
use crate::limits::{ROOM_SAYS_BURST, ROOM_SAYS_PER_S};

/// A room's game panicked. It must be taken out with [`Rooms::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// Why a room did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble<E> {
    /// Somebody else is to blame.
    Said(E),
    Failed,
}

struct Open<G: Game> {
    room: Room<G>,
    players: usize,
    spectators: usize,
    says: Rate,
}

impl<G: Game> Open<G> {
    const fn sessions(&self) -> usize {
        self.players + self.spectators
    }

    fn has_place(&self, spectator: bool) -> bool {
        let options = self.room.options();
        if spectator {
            self.spectators < usize::from(options.spectators_max)
        } else {
            self.players < usize::from(options.players_max)
        }
    }
}

/// All rooms of a shard, by their ids. Ids are not used again.
pub(crate) struct Rooms<G: Game> {
    rules: G::Config,
    options: RoomOptions,
    coding: Arc<Coding>,
    rooms_max: usize,
    open: BTreeMap<u64, Open<G>>,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    /// Of the rooms that are gone.
    counters: Counters,
}

impl<G: Game> Rooms<G> {
    /// No room yet. Each gets its own seed, which follows from that of `options` and its id.
    pub(crate) fn new(rules: G::Config, options: RoomOptions, rooms_max: usize) -> Result<Self, ConfigError> {
        let (coding, open, counters) = (Arc::new(Coding::of::<G>()?), BTreeMap::new(), Counters::default());
        Ok(Self { rules, options, coding, rooms_max, open, opened: 0, failed: 0, counters })
    }

    /// Opens another room.
    pub(crate) fn open(&mut self) -> Result<u64, ConfigError> {
        let id = self.opened + 1;
        // The first room has the seed itself, so that a run with one room is easy to repeat.
        let seed = self.options.seed ^ (id - 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let options = RoomOptions { seed, ..self.options };
        let opened = guarded(|| Room::with_coding(&self.rules, options, Arc::clone(&self.coding)));
        let room = opened.map_err(|Failed| ConfigError("the game panicked".to_owned()))??;
        self.opened = id;
        self.open.insert(id, Open { room, players: 0, spectators: 0, says: Rate::default() });
        Ok(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= self.rooms_max
    }

    /// The room for a newcomer: the one it claims, or the fullest with a place. `Ok(None)`: open one. A spectator opens none
    /// while there is one: nobody would play in it.
    pub(crate) fn place(&self, claim: Option<u64>, spectator: bool) -> Result<Option<u64>, (CloseCode, String)> {
        if let Some(id) = claim {
            let open = self.open.get(&id).ok_or((CloseCode::NoSuchRoom, format!("room {id} does not exist")))?;
            let is_open = open.has_place(spectator);
            return if is_open { Ok(Some(id)) } else { Err((CloseCode::NoSuchRoom, format!("room {id} is full"))) };
        }
        let with_place = self.open.iter().filter(|(_, open)| open.has_place(spectator));
        // Of equally full ones the oldest, so that the others can empty and close.
        let fullest = with_place.max_by_key(|(id, open)| (open.players, std::cmp::Reverse(**id)));
        match fullest {
            Some((id, _)) => Ok(Some(*id)),
            None if self.is_full() || (spectator && !self.open.is_empty()) => {
                Err((CloseCode::ServerFull, CloseCode::ServerFull.reason().to_owned()))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn join(
        &mut self,
        id: u64,
        session: SessionId,
        name: &str,
        spectator: bool,
    ) -> Result<Option<PlayerId>, Trouble<JoinError>> {
        let Some(open) = self.open.get_mut(&id) else { return Err(Trouble::Said(JoinError::Full)) };
        let player = match guarded(|| open.room.join(session, name, spectator)) {
            Ok(joined) => joined.map_err(Trouble::Said)?,
            Err(Failed) => return Err(Trouble::Failed),
        };
        *if player.is_some() { &mut open.players } else { &mut open.spectators } += 1;
        Ok(player)
    }

    pub(crate) fn leave(&mut self, id: u64, session: SessionId, player: Option<PlayerId>) -> Result<(), Failed> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        *if player.is_some() { &mut open.players } else { &mut open.spectators } -= 1;
        guarded(|| open.room.leave(session))
    }

    pub(crate) fn receive(
        &mut self,
        id: u64,
        session: SessionId,
        at: Micros,
        datagram: &[u8],
    ) -> Result<(), Trouble<PeerError>> {
        let Some(open) = self.open.get_mut(&id) else { return Err(Trouble::Said(PeerError::Unknown)) };
        match guarded(|| open.room.receive(session, at, datagram)) {
            Ok(received) => received.map_err(Trouble::Said),
            Err(Failed) => Err(Trouble::Failed),
        }
    }

    /// Advances a room by a tick.
    pub(crate) fn tick(&mut self, id: u64, now: Micros, net: &mut impl Careful) -> Result<(), Failed> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        let outcome = catch_unwind(AssertUnwindSafe(|| open.room.tick(now, net)));
        outcome.map_err(|panic| {
            // What broke below the room belongs to all rooms.
            if net.was_within() {
                std::panic::resume_unwind(panic);
            }
            Failed
        })
    }

    /// Which snapshots of a room each client is sent: every so manyth.
    pub(crate) fn send_every(&self, id: u64) -> u32 {
        self.open.get(&id).map_or(1, |open| open.room.send_every())
    }

    pub(crate) fn set_send_every(&mut self, id: u64, every: u32) {
        if let Some(open) = self.open.get_mut(&id) {
            open.room.set_send_every(every);
        }
    }

    /// Rooms that leave out snapshots.
    pub(crate) fn lowered(&self) -> usize {
        self.open.values().filter(|open| open.room.send_every() > 1).count()
    }

    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    /// Whether a room may hear another line at `now`.
    pub(crate) fn hear(&mut self, id: u64, now: Micros) -> bool {
        self.open.get_mut(&id).is_some_and(|open| open.says.take(now, ROOM_SAYS_PER_S, ROOM_SAYS_BURST))
    }

    /// The tick that a room ran last.
    pub(crate) fn present(&self, id: u64) -> Option<downbeat_replica::Tick> {
        Some(self.open.get(&id)?.room.present())
    }

    /// An empty room that is not needed: another one is open.
    pub(crate) fn poll_empty(&self) -> Option<u64> {
        let is_needed = self.open.len() < 2;
        let newest = self.open.iter().rev().find(|(_, open)| open.sessions() == 0);
        newest.map(|(id, _)| *id).filter(|_| !is_needed)
    }

    /// Takes a room out, whatever state it is in.
    pub(crate) fn remove(&mut self, id: u64, has_failed: bool) {
        let Some(open) = self.open.remove(&id) else { return };
        self.counters.add(open.room.counters());
        self.failed += u64::from(has_failed);
        // A game that panicked may panic again when it is dropped.
        let _ = guarded(|| drop(open));
    }

    /// What all rooms counted, those that are gone included.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = self.counters;
        self.open.values().for_each(|open| sum.add(open.room.counters()));
        sum
    }
}

/// A [`Net`] that knows whether a panic came out of itself.
pub(crate) trait Careful: Net {
    fn was_within(&self) -> bool;
}

fn guarded<R>(f: impl FnOnce() -> R) -> Result<R, Failed> {
    // A room that panicked is never used again, so nobody sees what it left half done.
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| Failed)
}

#[cfg(test)]
mod tests {
    use downbeat_field::{Config as Rules, Field};

    use super::*;

    #[test]
    fn spectators_alone_open_no_room() {
        let options = RoomOptions {
            tick_rate_hz: 60,
            send_rate_hz: 60,
            seed: 1,
            players_max: 8,
            spectators_max: 1,
            client_bytes_per_s: 32_000,
        };
        let mut rooms = Rooms::<Field>::new(Rules { walkers: 1, ..Rules::default() }, options, 4).expect("good rules");
        assert_eq!(rooms.place(None, true), Ok(None), "somebody has to open the first");
        let room = rooms.open().expect("good rules");
        assert_eq!(rooms.place(None, true), Ok(Some(room)));
        rooms.join(room, SessionId(1), "Ada", true).expect("a place");
        assert_eq!(rooms.place(None, true).map_err(|(code, _)| code), Err(CloseCode::ServerFull));
        assert_eq!(rooms.place(None, false), Ok(Some(room)));
    }
}
