//! The rooms of a shard. Whatever a game does in one of them, the others go on: a panic ends its room alone.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use downbeat_host::{Counters, JoinError, Net, PeerError, Return, Room, RoomOptions, SessionId, SessionReport};
use downbeat_replica::{Coding, ConfigError, Game, Micros, PlayerId};
use downbeat_wire::{CloseCode, Held, Look};

use crate::directory::{Directory, Standing};
use crate::guard::Rate;
use crate::limits::{ROOM_SAYS_BURST, ROOM_SAYS_PER_S};

/// A room's game panicked. It must be taken out with [`Rooms::fail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// Why a room did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble<E> {
    /// Somebody else is to blame.
    Said(E),
    Failed,
}

/// Where a newcomer is to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this room.
    Here(u64),
    /// In a room that is to be opened.
    New,
    /// On another shard.
    Elsewhere(u8),
}

struct Open<G: Game> {
    room: Room<G>,
    players: usize,
    spectators: usize,
    says: Rate,
    /// It stays open while nobody is in it.
    is_kept: bool,
}

impl<G: Game> Open<G> {
    const fn sessions(&self) -> usize {
        self.players + self.spectators
    }

    fn standing(&self) -> Standing {
        let options = self.room.options();
        Standing {
            players: self.players,
            spectators: self.spectators,
            player_places: usize::from(options.players_max).saturating_sub(self.players),
            spectator_places: usize::from(options.spectators_max).saturating_sub(self.spectators),
        }
    }

    fn has_place(&self, spectator: bool) -> bool {
        let standing = self.standing();
        (if spectator { standing.spectator_places } else { standing.player_places }) > 0
    }
}

/// All rooms of a shard, by their ids. Ids are not used again, and tell the shard: those of three are 1, 4, 7 …; 2, 5, 8 …;
/// and 3, 6, 9 ….
pub(crate) struct Rooms<G: Game> {
    rules: G::Config,
    options: RoomOptions,
    coding: Arc<Coding>,
    shard: u8,
    directory: Arc<Directory>,
    open: BTreeMap<u64, Open<G>>,
    pub(crate) opened: u64,
    pub(crate) failed: u64,
    /// Of the rooms that are gone.
    counters: Counters,
}

impl<G: Game> Rooms<G> {
    /// No room yet. Each gets its own seed, which follows from that of `options` and its id.
    pub(crate) fn new(
        rules: G::Config,
        options: RoomOptions,
        shard: u8,
        directory: Arc<Directory>,
    ) -> Result<Self, ConfigError> {
        let (coding, open, counters) = (Arc::new(Coding::of::<G>()?), BTreeMap::new(), Counters::default());
        Ok(Self { rules, options, coding, shard, directory, open, opened: 0, failed: 0, counters })
    }

    /// Places in rooms that are opened from now on.
    pub(crate) fn set_places(&mut self, players_max: u16, spectators_max: u16) {
        self.options = RoomOptions { players_max, spectators_max, ..self.options };
    }

    /// Opens another room; `None` when the server has all that it may have.
    pub(crate) fn open(&mut self) -> Result<Option<u64>, ConfigError> {
        // Told before it is taken: whoever sees that all are taken sees the places in this one, too.
        self.post(true);
        if !self.directory.take_room() {
            self.post(false);
            return Ok(None);
        }
        let opened = self.open_taken();
        if opened.is_err() {
            self.directory.give_back_room();
        }
        self.post(false);
        opened.map(Some)
    }

    fn open_taken(&mut self) -> Result<u64, ConfigError> {
        let id = 1 + u64::from(self.shard) + self.opened * self.directory.shards();
        // The first room has the seed itself, so that a run with one room is easy to repeat.
        let seed = self.options.seed ^ (id - 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let options = RoomOptions { seed, ..self.options };
        let opened = guarded(|| Room::with_coding(&self.rules, options, Arc::clone(&self.coding)));
        let room = opened.map_err(|Failed| ConfigError("the game panicked".to_owned()))??;
        self.opened += 1;
        self.open.insert(id, Open { room, players: 0, spectators: 0, says: Rate::default(), is_kept: false });
        Ok(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Tells the other shards how things stand here, with one more room or without.
    fn post(&self, one_more: bool) {
        let mut sum = Standing::default();
        if one_more {
            sum.player_places = self.options.players_max.into();
            sum.spectator_places = self.options.spectators_max.into();
        }
        for open in self.open.values() {
            let standing = open.standing();
            sum.players += standing.players;
            sum.spectators += standing.spectators;
            sum.player_places += standing.player_places;
            sum.spectator_places += standing.spectator_places;
        }
        self.directory.post(self.shard, &sum);
    }

    /// Where a newcomer is to play who claims a room, or leaves it to the server.
    pub(crate) fn place(&self, claim: Option<u64>, spectator: bool) -> Result<Place, (CloseCode, String)> {
        match claim {
            Some(id) => self.claimed(id, spectator),
            None => self.chosen(spectator),
        }
    }

    /// Refuses a room that would be here, and is not.
    pub(crate) fn check(&self, id: u64) -> Result<(), (CloseCode, String)> {
        let is_missing = self.shard_of(id) == self.shard && !self.open.contains_key(&id);
        if is_missing { Err((CloseCode::NoSuchRoom, format!("room {id} does not exist"))) } else { Ok(()) }
    }

    fn shard_of(&self, id: u64) -> u8 {
        id.checked_sub(1).map_or(self.shard, |before| (before % self.directory.shards()) as u8)
    }

    fn claimed(&self, id: u64, spectator: bool) -> Result<Place, (CloseCode, String)> {
        let shard = self.shard_of(id);
        if shard != self.shard {
            return Ok(Place::Elsewhere(shard));
        }
        self.check(id)?;
        let is_open = self.open.get(&id).is_some_and(|open| open.has_place(spectator));
        if is_open { Ok(Place::Here(id)) } else { Err((CloseCode::NoSuchRoom, format!("room {id} is full"))) }
    }

    /// The fullest room with a place here; one on another shard; a new one, on the shard with the fewest players. A
    /// spectator opens none while there is one: nobody would play in it.
    fn chosen(&self, spectator: bool) -> Result<Place, (CloseCode, String)> {
        let Self { directory, shard: own, .. } = self;
        let with_place = self.open.iter().filter(|(_, open)| open.has_place(spectator));
        // Of equally full ones the oldest, so that the others can empty and close.
        if let Some((id, _)) = with_place.max_by_key(|(id, open)| (open.players, std::cmp::Reverse(**id))) {
            return Ok(Place::Here(*id));
        }
        if let Some(shard) = directory.with_place(*own, spectator, false) {
            return Ok(Place::Elsewhere(shard));
        }
        if directory.may_open() && !(spectator && directory.has_rooms()) {
            let shard = directory.least_loaded(*own);
            return Ok(if shard == *own { Place::New } else { Place::Elsewhere(shard) });
        }
        let last = directory.with_place(*own, spectator, true).map(Place::Elsewhere);
        last.ok_or_else(|| {
            let nobody_watches = spectator && self.options.spectators_max == 0;
            let reason = if nobody_watches { "the server takes no spectators" } else { CloseCode::ServerFull.reason() };
            (CloseCode::ServerFull, reason.to_owned())
        })
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
        self.post(false);
        Ok(player)
    }

    pub(crate) fn leave(&mut self, id: u64, session: SessionId, player: Option<PlayerId>) -> Result<(), Failed> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        *if player.is_some() { &mut open.players } else { &mut open.spectators } -= 1;
        let left = guarded(|| open.room.leave(session));
        self.post(false);
        left
    }

    /// The connection of a session was lost.
    pub(crate) fn suspend(&mut self, id: u64, session: SessionId) -> Result<(), Failed> {
        self.open.get_mut(&id).map_or(Ok(()), |open| guarded(|| open.room.suspend(session)))
    }

    /// A session goes on over another connection; `missed` as in [`Room::resume`].
    pub(crate) fn resume(
        &mut self,
        id: u64,
        session: SessionId,
        held: Option<Held>,
        missed: bool,
    ) -> Result<Option<Return>, Failed> {
        self.open.get_mut(&id).map_or(Ok(None), |open| guarded(|| open.room.resume(session, held, missed)))
    }

    /// A spectator looks elsewhere.
    pub(crate) fn look(&mut self, id: u64, session: SessionId, look: Look) -> Result<(), PeerError> {
        self.open.get_mut(&id).map_or(Err(PeerError::Unknown), |open| open.room.look(session, look))
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

    /// What a room's game tells that is to be kept.
    pub(crate) fn results(&mut self, id: u64) -> Option<&mut downbeat_replica::Results> {
        self.open.get_mut(&id).map(|open| open.room.results())
    }

    /// The tick that a room ran last.
    pub(crate) fn present(&self, id: u64) -> Option<downbeat_replica::Tick> {
        Some(self.open.get(&id)?.room.present())
    }

    /// An empty room that is not needed, since the server has another one. It must be closed.
    pub(crate) fn poll_empty(&self) -> Option<u64> {
        let newest = self.open.iter().rev().find(|(_, open)| open.sessions() == 0 && !open.is_kept);
        newest.map(|(id, _)| *id).filter(|_| self.directory.spare_room())
    }

    /// Keeps a room open while nobody is in it.
    pub(crate) fn keep(&mut self, id: u64) {
        if let Some(open) = self.open.get_mut(&id) {
            open.is_kept = true;
        }
    }

    /// How a room stands, what it was opened with, and whether it is kept.
    pub(crate) fn stands(&self, id: u64) -> Option<(Standing, &RoomOptions, bool)> {
        let open = self.open.get(&id)?;
        Some((open.standing(), open.room.options(), open.is_kept))
    }

    /// A session's figures.
    pub(crate) fn session(&self, id: u64, session: SessionId) -> Option<SessionReport> {
        self.open.get(&id)?.room.session(session)
    }

    /// Closes a room, whoever is in it; false when it was not there.
    pub(crate) fn end(&mut self, id: u64) -> bool {
        let was_open = self.take_out(id);
        if was_open {
            self.directory.give_back_room();
        }
        was_open
    }

    /// Closes the room that [`Self::poll_empty`] gave.
    pub(crate) fn close(&mut self, id: u64) {
        self.take_out(id);
    }

    /// Takes a room out whose game panicked.
    pub(crate) fn fail(&mut self, id: u64) {
        self.failed += u64::from(self.end(id));
    }

    /// Takes a room out, whatever state it is in; false when it was not there.
    fn take_out(&mut self, id: u64) -> bool {
        let Some(open) = self.open.remove(&id) else { return false };
        self.counters.add(open.room.counters());
        // A game that panicked may panic again when it is dropped.
        let _ = guarded(|| drop(open));
        self.post(false);
        true
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

    fn rooms(shard: u8, directory: &Arc<Directory>) -> Rooms<Field> {
        let options = RoomOptions {
            tick_rate_hz: 60,
            send_rate_hz: 60,
            seed: 1,
            players_max: 2,
            spectators_max: 1,
            client_bytes_per_s: 32_000,
        };
        let rules = Rules { walkers: 1, ..Rules::default() };
        Rooms::new(rules, options, shard, Arc::clone(directory)).expect("good rules")
    }

    fn open(rooms: &mut Rooms<Field>) -> Option<u64> {
        rooms.open().expect("good rules")
    }

    fn close(rooms: &mut Rooms<Field>) -> Option<u64> {
        rooms.poll_empty().inspect(|&id| rooms.close(id))
    }

    fn full<T>(place: Result<T, (CloseCode, String)>) -> bool {
        place.is_err_and(|(code, _)| code == CloseCode::ServerFull)
    }

    #[test]
    fn spectators_alone_open_no_room() {
        let directory = Arc::new(Directory::new(1, 4));
        let mut rooms = rooms(0, &directory);
        assert_eq!(rooms.place(None, true), Ok(Place::New), "somebody has to open the first");
        let room = open(&mut rooms).expect("one of four");
        assert_eq!(rooms.place(None, true), Ok(Place::Here(room)));
        rooms.join(room, SessionId(1), "Ada", true).expect("a place");
        assert!(full(rooms.place(None, true)));
        assert_eq!(rooms.place(None, false), Ok(Place::Here(room)));
    }

    #[test]
    fn shards_fill_each_others_places_before_they_open_rooms_and_take_turns_then() {
        let directory = Arc::new(Directory::new(2, 3));
        let (mut even, mut odd) = (rooms(0, &directory), rooms(1, &directory));
        assert_eq!(open(&mut even), Some(1));
        assert_eq!(odd.place(None, false), Ok(Place::Elsewhere(0)), "there is a place");
        for id in 0..2 {
            assert_eq!(even.place(None, false), Ok(Place::Here(1)));
            even.join(1, SessionId(id), "Ada", false).expect("a place");
        }
        assert_eq!(even.place(None, false), Ok(Place::Elsewhere(1)), "it has fewer players");
        assert_eq!(odd.place(None, false), Ok(Place::New));
        assert_eq!(open(&mut odd), Some(2), "ids tell the shard");
        assert_eq!(open(&mut odd), Some(4));
        assert_eq!((open(&mut even), open(&mut odd)), (None, None), "three rooms are all");
        assert_eq!((odd.place(Some(1), true), odd.place(Some(2), true)), (Ok(Place::Elsewhere(0)), Ok(Place::Here(2))));
        assert_eq!(even.place(Some(4), false), Ok(Place::Elsewhere(1)));
        for id in [0, 6] {
            assert!(odd.place(Some(id), false).is_err_and(|(code, _)| code == CloseCode::NoSuchRoom), "{id}");
        }
        for id in 0..4 {
            let Ok(Place::Here(room)) = odd.place(None, false) else { panic!("there are four places") };
            odd.join(room, SessionId(id), "Ben", false).expect("a place");
        }
        assert!(full(even.place(None, false)) && full(odd.place(None, false)));
        (0..2).for_each(|id| even.leave(1, SessionId(id), Some(PlayerId(id as u16))).expect("it was in"));
        assert_eq!(odd.place(None, false), Ok(Place::Elsewhere(0)));
        assert_eq!((close(&mut even), close(&mut odd)), (Some(1), None));
        assert_eq!(odd.place(None, false), Ok(Place::Elsewhere(0)), "it has fewer players");
        assert_eq!(open(&mut even), Some(3));
    }

    #[test]
    fn the_last_room_of_the_server_stays_open_wherever_it_is() {
        let directory = Arc::new(Directory::new(2, 3));
        let (mut even, mut odd) = (rooms(0, &directory), rooms(1, &directory));
        assert_eq!((open(&mut even), open(&mut odd)), (Some(1), Some(2)));
        assert_eq!((close(&mut even), close(&mut odd)), (Some(1), None));
        odd.fail(2);
        odd.fail(2);
        assert!(!directory.has_rooms() && odd.failed == 1);
        assert_eq!(open(&mut odd), Some(4));
    }
}
