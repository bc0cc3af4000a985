//! A small snapshot is worth nothing if it is wrong: what a client decoded is compared with what the server had, on
//! every datagram.
//!
//! The server's word is kept as hashes: one sum for each of the last ticks, which says whether the whole copy is exact,
//! and the set of everything that was ever true, which says of a copy that is behind whether it shows what never was.

use std::collections::{HashSet, VecDeque};

use downbeat_client::KnownEntity;
use downbeat_host::Told;
use downbeat_replica::hash::Fnv;
use downbeat_replica::{Micros, Tick};

/// Ticks whose whole state is remembered: longer than any datagram of ours is under way.
const TICKS_KEPT: usize = 240;

/// Compares one client's copy with what the room told it.
#[derive(Debug, Default)]
pub struct Judge {
    recent: VecDeque<(Tick, u64)>,
    ever: HashSet<u64>,
    exact_since: Option<Micros>,
    compared_at: Micros,
    exact: u64,
    compared: u64,
    wrong: u64,
}

impl Judge {
    /// Takes in what the client would know after `tick` if everything arrived.
    pub fn note(&mut self, tick: Tick, told: &[Told]) {
        let mut sum = 0_u64;
        for told in told {
            let hash = hash(told.slot, told.kind, &told.lanes);
            self.ever.insert(hash);
            sum = sum.wrapping_add(hash);
        }
        if self.recent.len() == TICKS_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back((tick, sum));
    }

    /// Compares what the client knows after it took in the snapshot of `newest`, which arrived `at`.
    pub fn compare(&mut self, at: Micros, newest: Tick, known: impl Iterator<Item = KnownEntity>) {
        let Some((_, truth)) = self.recent.iter().rev().find(|(tick, _)| *tick == newest) else { return };
        let mut sum = 0_u64;
        for entity in known {
            let hash = hash(entity.slot, entity.kind, &entity.lanes);
            sum = sum.wrapping_add(hash);
            self.wrong += u64::from(!self.ever.contains(&hash));
        }
        self.compared += 1;
        self.compared_at = at;
        if sum == *truth {
            self.exact += 1;
            self.exact_since.get_or_insert(at);
        } else {
            self.exact_since = None;
        }
    }

    /// Since when every comparison found the copy exact; `None` if the last one did not.
    #[must_use]
    pub const fn exact_since(&self) -> Option<Micros> {
        self.exact_since
    }

    /// When the last comparison was.
    #[must_use]
    pub const fn compared_at(&self) -> Micros {
        self.compared_at
    }

    /// Comparisons that found the copy exact, and all of them.
    #[must_use]
    pub const fn compared(&self) -> (u64, u64) {
        (self.exact, self.compared)
    }

    /// How often an entity was known in a state that it never had.
    #[must_use]
    pub const fn wrong(&self) -> u64 {
        self.wrong
    }
}

fn hash(slot: u16, kind: usize, lanes: &[i32]) -> u64 {
    let mut hash = Fnv::default();
    hash.write(&slot.to_le_bytes());
    hash.write(&(kind as u32).to_le_bytes());
    lanes.iter().for_each(|lane| hash.write(&lane.to_le_bytes()));
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(slot: u16, lane: i32) -> Told {
        Told { slot, kind: 0, lanes: vec![lane, 7] }
    }

    fn known(told: &[Told]) -> impl Iterator<Item = KnownEntity> {
        let known = |told: &Told| KnownEntity {
            slot: told.slot,
            kind: told.kind,
            avatar: false,
            entered: Tick::ZERO,
            lanes: told.lanes.clone(),
        };
        told.iter().map(known)
    }

    #[test]
    fn a_copy_that_is_behind_is_not_exact_but_not_wrong_either() {
        let mut judge = Judge::default();
        let (first, second) = ([told(0, 1), told(1, 5)], [told(0, 2), told(1, 5)]);
        judge.note(Tick(1), &first);
        judge.note(Tick(2), &second);
        judge.compare(Micros(10), Tick(1), known(&first));
        assert_eq!(judge.exact_since(), Some(Micros(10)));
        judge.compare(Micros(20), Tick(2), known(&first));
        assert_eq!((judge.exact_since(), judge.wrong()), (None, 0));
        judge.compare(Micros(30), Tick(2), known(&second));
        judge.compare(Micros(40), Tick(2), known(&second));
        assert_eq!((judge.exact_since(), judge.compared()), (Some(Micros(30)), (3, 4)));
    }

    #[test]
    fn what_never_was_is_found_and_so_is_what_is_missing() {
        let mut judge = Judge::default();
        judge.note(Tick(1), &[told(0, 1), told(1, 5)]);
        judge.compare(Micros(10), Tick(1), known(&[told(0, 1), told(1, 6)]));
        assert_eq!((judge.exact_since(), judge.wrong()), (None, 1));
        judge.compare(Micros(10), Tick(1), known(&[told(0, 1)]));
        assert_eq!((judge.exact_since(), judge.wrong()), (None, 1));
    }
}
