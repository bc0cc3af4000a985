//! A room remembers each entity as its last distinct states. An entity at rest adds none, so that its newest
//! version never ages out, however long it rests.

use crate::Tick;
use crate::limits::ROOM_VERSIONS;

/// One distinct state of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// Counts the entity's versions, from the tick in which it appeared.
    pub number: u32,
    /// The tick in which the entity became so.
    pub since: Tick,
    /// The state.
    pub lanes: &'a [i32],
}

/// The last [`ROOM_VERSIONS`] versions of one entity.
#[derive(Clone, Debug)]
pub struct Versions {
    width: usize,
    newest: u32,
    first: u32,
    since: [Tick; ROOM_VERSIONS],
    lanes: Vec<i32>,
}

impl Versions {
    /// No version yet of an entity with `width` lanes that appears in `tick`. Its numbers begin there: since a tick adds
    /// one version at most, no two users of an id ever share a number.
    #[must_use]
    pub fn new(width: usize, tick: Tick) -> Self {
        let newest = tick.0.saturating_sub(1);
        let first = newest + 1;
        Self { width, newest, first, since: [Tick::ZERO; ROOM_VERSIONS], lanes: vec![0; width * ROOM_VERSIONS] }
    }

    /// Takes in the state of `tick`; it becomes a version if it differs from the newest. Says whether it does.
    pub fn push(&mut self, tick: Tick, lanes: &[i32]) -> bool {
        debug_assert_eq!(lanes.len(), self.width);
        if self.newest().is_some_and(|newest| newest.lanes == lanes) {
            return false;
        }
        self.newest += 1;
        let place = self.newest as usize % ROOM_VERSIONS;
        self.since[place] = tick;
        self.lanes[place * self.width..][..self.width].copy_from_slice(lanes);
        true
    }

    /// Number of the newest version; that before the first one, while there is none.
    #[must_use]
    pub const fn newest_number(&self) -> u32 {
        self.newest
    }

    /// The newest version.
    #[must_use]
    pub fn newest(&self) -> Option<Version<'_>> {
        self.numbered(self.newest)
    }

    /// The version `number`, if it is still remembered.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<Version<'_>> {
        let age = self.newest.checked_sub(number)? as usize;
        if number < self.first || age >= ROOM_VERSIONS {
            return None;
        }
        let place = number as usize % ROOM_VERSIONS;
        Some(Version { number, since: self.since[place], lanes: &self.lanes[place * self.width..][..self.width] })
    }

    /// The version that was current in `tick`, if it is still remembered.
    #[must_use]
    pub fn at(&self, tick: Tick) -> Option<Version<'_>> {
        let oldest = self.newest.saturating_sub(ROOM_VERSIONS as u32 - 1).max(self.first);
        (oldest..=self.newest).rev().filter_map(|number| self.numbered(number)).find(|version| version.since <= tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_at_rest_adds_no_version_and_never_ages_out() {
        let mut versions = Versions::new(2, Tick(5));
        assert!(versions.push(Tick(5), &[1, 2]));
        assert!(!versions.push(Tick(6), &[1, 2]));
        assert_eq!(versions.at(Tick(1_000_000)).map(|v| v.since), Some(Tick(5)));
        assert_eq!(versions.at(Tick(4)), None, "it was not there yet");
    }

    #[test]
    fn exactly_the_last_versions_are_remembered() {
        let mut versions = Versions::new(1, Tick(1));
        for i in 1..=(ROOM_VERSIONS as i32 + 3) {
            versions.push(Tick(i as u32 * 10), &[i]);
        }
        let newest = versions.newest_number();
        let oldest = newest - ROOM_VERSIONS as u32 + 1;
        assert_eq!(versions.numbered(oldest).map(|v| v.lanes[0]), Some(oldest as i32));
        assert_eq!(versions.numbered(oldest - 1), None);
        assert_eq!(versions.numbered(newest + 1), None);
        assert_eq!(versions.at(Tick(oldest * 10 + 9)).map(|v| v.number), Some(oldest));
        assert_eq!(versions.at(Tick(oldest * 10 - 1)), None);
    }
}
