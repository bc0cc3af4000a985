//! What must hold all the time, whatever the lines and the machines do. One module for each kind of thing that is looked
//! at; here, what is found.

mod copies;
mod inputs;
mod limits;

use std::collections::BTreeMap;
use std::fmt;

use downbeat_replica::Micros;

pub(crate) use copies::Truth;
pub(crate) use inputs::{Sampled, check_tick};
pub(crate) use limits::{check_client, check_session};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Clients converge to the server's state within two round trips and half a second after faults end, and stay there.
    Converges,
    /// No client ever holds a state that was never its entity's.
    TrueStates,
    /// No slot names another entity as long as its client shows the old one.
    NamesInUse,
    /// The server runs no tick twice and skips none, each with one input of each player.
    ServerTicks,
    /// Clients sample no input tick twice, and skip none while all is calm.
    InputTicks,
    /// The server runs a tick on what was sampled for it, or on a substitute without actions: no action happens twice.
    ActionsOnce,
    /// No queue passes its limit.
    Queues,
    /// What is kept for a client stays in proportion to what it is shown.
    Memory,
    /// Neither end takes what the other sends for malformed or forged, and no state is out of its range.
    Wellformed,
    /// Where players do not touch each other, a client predicts its avatar to the last lane.
    Predicts,
    /// No connection ends that nobody closed.
    StaysConnected,
    /// Nothing panics.
    NoPanic,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Converges,
        Self::TrueStates,
        Self::NamesInUse,
        Self::ServerTicks,
        Self::InputTicks,
        Self::ActionsOnce,
        Self::Queues,
        Self::Memory,
        Self::Wellformed,
        Self::Predicts,
        Self::StaysConnected,
        Self::NoPanic,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converges => "clients converge after faults end",
            Self::TrueStates => "no client holds a state that was never its entity's",
            Self::NamesInUse => "no name in use is given to another entity",
            Self::ServerTicks => "the server runs each tick once",
            Self::InputTicks => "clients sample each input tick once",
            Self::ActionsOnce => "no action happens twice",
            Self::Queues => "no queue passes its limit",
            Self::Memory => "memory is bounded",
            Self::Wellformed => "nothing is malformed",
            Self::Predicts => "where players do not touch, predictions are exact",
            Self::StaysConnected => "no connection ends that nobody closed",
            Self::NoPanic => "nothing panics",
        })
    }
}

/// What was found broken so far.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    found: BTreeMap<Invariant, (u64, String)>,
}

impl Findings {
    /// `invariant` was broken at `now`. Only the first time is told in words.
    pub(crate) fn broken(&mut self, now: Micros, invariant: Invariant, what: impl FnOnce() -> String) {
        let first = || (0, format!("at {:.6} s: {}", now.as_secs_f64(), what()));
        self.found.entry(invariant).or_insert_with(first).0 += 1;
    }

    /// How often `invariant` was broken, and how at first.
    #[must_use]
    pub fn of(&self, invariant: Invariant) -> Option<(u64, &str)> {
        self.found.get(&invariant).map(|(count, first)| (*count, first.as_str()))
    }

    /// How often `invariant` was broken.
    #[must_use]
    pub fn count(&self, invariant: Invariant) -> u64 {
        self.of(invariant).map_or(0, |(count, _)| count)
    }

    /// Whether everything held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.iter();
        let found = found.map(|(invariant, (count, first))| format!("not so: {invariant} ({count} times; {first})"));
        f.write_str(&found.collect::<Vec<_>>().join("; "))
    }
}
