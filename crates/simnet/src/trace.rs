//! Two runs of one seed are the same if their traces are: everything that arrived, where and when, and the state of the
//! match after each tick.

use downbeat_replica::hash::Fnv;
use downbeat_replica::{Micros, Tick};

use crate::carrier::End;

/// Hash of all that happened so far.
#[derive(Debug, Default)]
pub(crate) struct Trace(Fnv);

impl Trace {
    /// `bytes` of (or for) `client` arrived at `end`.
    pub(crate) fn arrived(&mut self, at: Micros, end: End, client: usize, bytes: &[u8]) {
        self.number(at.0);
        self.number(client as u64 * 2 + u64::from(end == End::Server));
        self.0.write(bytes);
    }

    /// The server ran `tick` at `at`.
    pub(crate) fn ticked(&mut self, at: Micros, tick: Tick) {
        self.number(at.0);
        self.number(tick.0.into());
    }

    /// The lanes of an entity after a tick.
    pub(crate) fn state(&mut self, lanes: &[i32]) {
        lanes.iter().for_each(|lane| self.0.write(&lane.to_le_bytes()));
    }

    fn number(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.0.finish()
    }
}
