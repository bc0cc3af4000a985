//! The states that arrived of one entity: the newest few by tick, in one piece of memory.

use downbeat_replica::Tick;
use downbeat_replica::limits::RETAINED_SNAPSHOTS;

/// States that are kept: as many as a later record can be predicted from.
const KEPT: usize = RETAINED_SNAPSHOTS as usize;

/// A ring ordered by tick. States nearly always arrive in order, so that one is written and none is moved.
#[derive(Clone, Debug)]
pub(crate) struct States {
    width: usize,
    /// Place of the newest.
    newest: usize,
    len: usize,
    ticks: [Tick; KEPT],
    held: [Tick; KEPT],
    lanes: Vec<i32>,
}

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
        let none = [Tick::ZERO; KEPT];
        Self { width, newest: 0, len: 0, ticks: none, held: none, lanes: vec![0; width * KEPT] }
    }

    /// Place of the state that is `back` behind the newest.
    const fn place(&self, back: usize) -> usize {
        (self.newest + KEPT - back) % KEPT
    }

    /// The state that is `back` behind the newest.
    pub(crate) fn back(&self, back: usize) -> Option<State<'_>> {
        let place = self.place(back.min(KEPT - 1));
        (back < self.len).then(|| State {
            tick: self.ticks[place],
            held: self.held[place],
            lanes: &self.lanes[place * self.width..][..self.width],
        })
    }

    /// How many are later than the moment `at`, in ticks.
    pub(crate) fn after(&self, at: f64) -> usize {
        (0..self.len).find(|&back| f64::from(self.ticks[self.place(back)].0) <= at).unwrap_or(self.len)
    }

    /// The lanes of the newest state of `tick` or before.
    pub(crate) fn as_of(&self, tick: Tick) -> Option<&[i32]> {
        let back = (0..self.len).find(|&back| self.ticks[self.place(back)] <= tick)?;
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
            let (to, from) = (self.place(back), self.place(back + 1));
            self.ticks[to] = self.ticks[from];
            self.held[to] = self.held[from];
            self.lanes.copy_within(from * self.width..(from + 1) * self.width, to * self.width);
        }
        let place = self.place(later);
        (self.ticks[place], self.held[place]) = (tick, tick);
        self.lanes[place * self.width..][..self.width].copy_from_slice(lanes);
        if later + 1 < self.len {
            let before = self.place(later + 1);
            self.held[before] = self.held[before].max(until.min(tick));
        }
    }
}

impl States {
    /// What was so in `from` is so in `tick` as well, and nothing is known from there on.
    pub(crate) fn repeat(&mut self, from: Tick, tick: Tick) -> Option<()> {
        let lanes = self.as_of(from)?.to_vec();
        while self.len > 0 && self.ticks[self.newest] >= tick {
            self.newest = self.place(1);
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
