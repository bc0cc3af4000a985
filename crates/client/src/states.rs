//! The states that arrived of one entity: the newest few by tick, in one piece of memory.

use downbeat_replica::Tick;
use downbeat_replica::limits::RETAINED_SNAPSHOTS;

/// States that are kept: as many as a later record can be predicted from.
const KEPT: usize = RETAINED_SNAPSHOTS as usize;

/// A ring ordered by tick. States nearly always arrive in order, so that one is written and none is moved.
#[derive(Clone, Debug)]
pub(crate) struct States {
    /// Numbers that one takes: its tick, until when it was held, and its lanes.
    stride: usize,
    /// Place of the newest.
    newest: usize,
    len: usize,
    /// One behind the other, so that looking at one is looking at one place of memory.
    ring: Vec<i32>,
}

/// Numbers of a state before its lanes.
const HEAD: usize = 2;

/// One of them, in the units the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    pub(crate) tick: Tick,
    /// The entity was still so in this tick.
    pub(crate) held: Tick,
    pub(crate) lanes: &'a [i32],
}

impl States {
    /// None yet, of an entity with `width` lanes.
    pub(crate) fn new(width: usize) -> Self {
        let stride = HEAD + width;
        Self { stride, newest: 0, len: 0, ring: vec![0; stride * KEPT] }
    }

    /// Where the state that is `back` behind the newest begins.
    const fn at(&self, back: usize) -> usize {
        (self.newest + KEPT - back) % KEPT * self.stride
    }

    fn tick(&self, back: usize) -> Tick {
        Tick(self.ring[self.at(back)] as u32)
    }

    /// The state that is `back` behind the newest.
    pub(crate) fn back(&self, back: usize) -> Option<State<'_>> {
        let state = &self.ring[self.at(back.min(KEPT - 1))..][..self.stride];
        (back < self.len).then(|| State {
            tick: Tick(state[0] as u32),
            held: Tick(state[1] as u32),
            lanes: &state[HEAD..],
        })
    }

    /// How many are later than the moment `at`, in ticks.
    pub(crate) fn after(&self, at: f64) -> usize {
        (0..self.len).find(|&back| f64::from(self.tick(back).0) <= at).unwrap_or(self.len)
    }

    /// The lanes of the newest state of `tick` or before.
    pub(crate) fn as_of(&self, tick: Tick) -> Option<&[i32]> {
        let back = (0..self.len).find(|&back| self.tick(back) <= tick)?;
        self.back(back).map(|state| state.lanes)
    }

    /// Puts in a state where it belongs. One that is older than all that are kept, or known already, is left out; if
    /// the ring is full, the oldest goes. The one before it was so until the tick `until`, as far as is known.
    pub(crate) fn insert(&mut self, tick: Tick, until: Tick, lanes: &[i32]) {
        let later = self.after(f64::from(tick.0));
        let known = self.back(later).is_some_and(|state| state.tick == tick);
        if known || later == KEPT {
            return;
        }
        self.newest = (self.newest + 1) % KEPT;
        self.len = (self.len + 1).min(KEPT);
        for back in 0..later {
            let (to, from) = (self.at(back), self.at(back + 1));
            self.ring.copy_within(from..from + self.stride, to);
        }
        let (at, told) = (self.at(later), tick.0 as i32);
        self.ring[at..at + HEAD].copy_from_slice(&[told, told]);
        self.ring[at + HEAD..at + self.stride].copy_from_slice(lanes);
        if let Some(before) = self.back(later + 1) {
            let held = before.held.max(until.min(tick));
            let at = self.at(later + 1);
            self.ring[at + 1] = held.0 as i32;
        }
    }
}

impl States {
    /// What was so in `from` is so in `tick` as well, and nothing is known from there on.
    pub(crate) fn repeat(&mut self, from: Tick, tick: Tick) -> Option<()> {
        let lanes = self.as_of(from)?.to_vec();
        while self.len > 0 && self.tick(0) >= tick {
            self.newest = (self.newest + KEPT - 1) % KEPT;
            self.len -= 1;
        }
        self.insert(tick, tick, &lanes);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_ring_is_the_newest_part_of_a_sorted_map(ticks in prop::collection::vec(1..200_u32, 1..150), ascending in any::<bool>()) {
            let mut states = States::new(2);
            let mut all = BTreeMap::new();
            for (i, &tick) in ticks.iter().enumerate() {
                let tick = if ascending { tick % 4 + i as u32 * 3 + 1 } else { tick };
                let full = all.len() == KEPT;
                let too_old = full && all.keys().next().is_some_and(|oldest| tick < *oldest);
                if !too_old && !all.contains_key(&tick) {
                    if full {
                        all.pop_first();
                    }
                    all.insert(tick, [i as i32, -1]);
                }
                states.insert(Tick(tick), Tick::ZERO, &[i as i32, -1]);
                let ring: Vec<_> = (0..states.len).rev().filter_map(|back| states.back(back)).collect();
                let ring: Vec<_> = ring.iter().map(|state| (state.tick.0, [state.lanes[0], state.lanes[1]])).collect();
                prop_assert_eq!(&ring, &all.iter().map(|(tick, lanes)| (*tick, *lanes)).collect::<Vec<_>>());
                prop_assert_eq!(states.as_of(Tick(tick)).map(|lanes| lanes[0]), all.range(..=tick).next_back().map(|(_, lanes)| lanes[0]));
                prop_assert_eq!(states.after(f64::from(tick) + 0.5), all.range(tick + 1..).count());
            }
        }
    }
}
