//! Which call is due. All of it follows from what the server is like, what Agones said, and what was told it last.

use std::collections::BTreeSet;

use downbeat_wire::Micros;

use super::GameServer;
use super::sidecar::{Failure, Reply};
use crate::config::{Agones, WhenEmpty};
use crate::limits::{
    AGONES_BACKOFF_MAX, AGONES_BACKOFF_MIN, AGONES_COUNTS_EVERY, AGONES_HEALTH_AGAIN, AGONES_HEALTH_EVERY,
    AGONES_LIST_READ_EVERY, AGONES_UNCONFIGURED_PAUSE,
};

pub(super) const READY: &str = "Ready";
pub(super) const ALLOCATED: &str = "Allocated";
pub(super) const RESERVED: &str = "Reserved";
pub(super) const SHUTDOWN: &str = "Shutdown";

/// Something to be asked of the sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Health,
    Ready,
    Allocate,
    Reserve {
        seconds: u64,
    },
    Shutdown,
    /// Nothing for the sidecar: the server is to end by itself, which leads to [`Shutdown`](Self::Shutdown).
    End,
    SetRooms {
        count: u64,
        capacity: u64,
    },
    SetPlayersMax(u64),
    ReadPlayers,
    AddPlayer(String),
    RemovePlayer(String),
}

impl Call {
    /// The state that Agones is in once it has done that.
    pub(super) const fn leads_to(&self) -> Option<&'static str> {
        match self {
            Self::Ready => Some(READY),
            Self::Allocate => Some(ALLOCATED),
            Self::Reserve { .. } => Some(RESERVED),
            _ => None,
        }
    }
}

/// What the server is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) is_alive: bool,
    pub(super) is_draining: bool,
    /// Its shards have ended.
    pub(super) is_over: bool,
    pub(super) clients: usize,
    pub(super) rooms: u64,
    pub(super) rooms_max: u64,
    pub(super) players: BTreeSet<String>,
    pub(super) players_max: u64,
}

/// When something may be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    at: Micros,
    failures: u32,
}

impl Due {
    fn is_due(self, now: Micros) -> bool {
        now >= self.at
    }

    fn succeed(&mut self, at: Micros) {
        *self = Self { at, failures: 0 };
    }

    /// Later each time.
    fn fail(&mut self, now: Micros) {
        let wait = AGONES_BACKOFF_MIN.0.saturating_mul(1 << self.failures.min(16));
        *self = Self { at: now + Micros(wait.min(AGONES_BACKOFF_MAX.0)), failures: self.failures + 1 };
    }
}

pub(super) struct Plan {
    options: Agones,
    seen: Seen,
    game_server: GameServer,
    /// It was told once that we are ready.
    is_ready: bool,
    is_shut_down: bool,
    is_ending: bool,
    /// Since when nobody is connected, or since it was allocated if that is later.
    empty_since: Option<Micros>,
    health: Due,
    life: Due,
    rooms: Due,
    players: Due,
    /// What the sidecar was told, or said; not known at first and after errors.
    rooms_told: Option<(u64, u64)>,
    players_max_told: Option<u64>,
    players_told: Option<BTreeSet<String>>,
    players_read_at: Micros,
}

impl Plan {
    pub(super) fn new(options: Agones) -> Self {
        Self {
            options,
            seen: Seen::default(),
            game_server: GameServer::default(),
            is_ready: false,
            is_shut_down: false,
            is_ending: false,
            empty_since: None,
            health: Due::default(),
            life: Due::default(),
            rooms: Due::default(),
            players: Due::default(),
            rooms_told: None,
            players_max_told: None,
            players_told: None,
            players_read_at: Micros(0),
        }
    }

    /// Takes in how things stand.
    pub(super) fn see(&mut self, now: Micros, seen: Seen, game_server: GameServer) {
        let is_allocated_anew = game_server.state == ALLOCATED
            && (self.game_server.state != ALLOCATED || self.game_server.last_allocated != game_server.last_allocated);
        self.empty_since = match self.empty_since {
            _ if seen.clients > 0 => None,
            Some(since) if !is_allocated_anew => Some(since),
            _ => Some(now),
        };
        if seen.is_over && !self.seen.is_over {
            // Whatever was failing: this is the last word, and there is little time for it.
            self.life = Due::default();
        }
        (self.seen, self.game_server) = (seen, game_server);
    }

    /// Whether the last word was said.
    pub(super) const fn is_done(&self) -> bool {
        self.is_shut_down
    }

    /// The call that is due, the most urgent first.
    pub(super) fn next(&self, now: Micros) -> Option<Call> {
        if self.seen.is_over {
            return (!self.is_shut_down && self.life.is_due(now)).then_some(Call::Shutdown);
        }
        let health = (self.seen.is_alive && self.health.is_due(now)).then_some(Call::Health);
        let life = || self.life.is_due(now).then(|| self.life(now)).flatten();
        let rooms = || self.rooms.is_due(now).then(|| self.rooms()).flatten();
        let players = || self.players.is_due(now).then(|| self.players(now)).flatten();
        health.or_else(life).or_else(rooms).or_else(players)
    }

    fn life(&self, now: Micros) -> Option<Call> {
        if self.seen.is_draining {
            return None;
        }
        if !self.is_ready {
            return Some(Call::Ready);
        }
        let has_waited = |since: Micros| now.since(since).0 >= self.options.empty_after.as_micros() as u64;
        match self.game_server.state.as_str() {
            READY | RESERVED if self.seen.clients > 0 => Some(Call::Allocate),
            ALLOCATED if self.empty_since.is_some_and(has_waited) => match self.options.when_empty {
                WhenEmpty::Ready => Some(Call::Ready),
                WhenEmpty::Reserve => Some(Call::Reserve { seconds: self.options.reserve_for.as_secs().max(1) }),
                WhenEmpty::Shutdown => (!self.is_ending).then_some(Call::End),
                WhenEmpty::Stay => None,
            },
            _ => None,
        }
    }

    fn rooms(&self) -> Option<Call> {
        let (count, capacity) = (self.seen.rooms.min(self.seen.rooms_max), self.seen.rooms_max);
        (self.rooms_told != Some((count, capacity))).then_some(Call::SetRooms { count, capacity })
    }

    fn players(&self, now: Micros) -> Option<Call> {
        if self.players_max_told != Some(self.seen.players_max) {
            return Some(Call::SetPlayersMax(self.seen.players_max));
        }
        let Some(told) = &self.players_told else { return Some(Call::ReadPlayers) };
        let left = told.difference(&self.seen.players).next().map(|gone| Call::RemovePlayer(gone.clone()));
        let came = || {
            let has_room = (told.len() as u64) < self.seen.players_max;
            let newcomer = self.seen.players.difference(told).next().filter(|_| has_room);
            newcomer.map(|newcomer| Call::AddPlayer(newcomer.clone()))
        };
        let read_again = now.since(self.players_read_at) >= AGONES_LIST_READ_EVERY;
        left.or_else(came).or_else(|| read_again.then_some(Call::ReadPlayers))
    }

    /// What came of a call.
    pub(super) fn done(&mut self, now: Micros, call: &Call, answer: Result<Reply, Failure>) {
        match call {
            Call::Health => {
                // It is due again at the same pace, however slow the sidecar was; sooner if it was in vain.
                let wait = if answer.is_ok() { AGONES_HEALTH_EVERY } else { AGONES_HEALTH_AGAIN };
                self.health.succeed(now + wait);
            }
            Call::Ready | Call::Allocate | Call::Reserve { .. } | Call::Shutdown | Call::End => {
                if answer.is_err() {
                    return self.life.fail(now);
                }
                self.life.succeed(now);
                self.is_ready |= *call == Call::Ready;
                self.is_shut_down |= *call == Call::Shutdown;
                self.is_ending |= *call == Call::End;
                if let Some(state) = call.leads_to() {
                    state.clone_into(&mut self.game_server.state);
                }
            }
            Call::SetRooms { count, capacity } => match answer {
                Ok(_) => {
                    self.rooms_told = Some((*count, *capacity));
                    self.rooms.succeed(now + AGONES_COUNTS_EVERY);
                }
                Err(error) => wait_after(&error, now, &mut self.rooms),
            },
            _ => self.players_done(now, call, answer),
        }
    }

    fn players_done(&mut self, now: Micros, call: &Call, answer: Result<Reply, Failure>) {
        match (call, answer) {
            (Call::SetPlayersMax(most), Ok(_)) => self.players_max_told = Some(*most),
            (Call::ReadPlayers, Ok(Reply { values })) => {
                self.players_told = Some(values);
                self.players_read_at = now;
            }
            (Call::AddPlayer(player), Ok(_) | Err(Failure::AlreadySo)) => {
                self.players_told.get_or_insert_default().insert(player.clone());
            }
            (Call::RemovePlayer(player), Ok(_) | Err(Failure::AlreadySo)) => {
                self.players_told.get_or_insert_default().remove(player);
            }
            (_, Ok(_)) => {}
            (_, Err(error)) => {
                // Who knows what it remembers.
                (self.players_told, self.players_max_told) = (None, None);
                return wait_after(&error, now, &mut self.players);
            }
        }
        // Players come and go one call at a time; the others get their turn in between.
        self.players.succeed(now);
    }
}

/// A counter or list that is not there will not be soon; any other error may pass.
fn wait_after(error: &Failure, now: Micros, due: &mut Due) {
    if matches!(error, Failure::Unconfigured(_)) {
        due.succeed(now + AGONES_UNCONFIGURED_PAUSE);
    } else {
        due.fail(now);
    }
}

#[cfg(test)]
mod tests;
