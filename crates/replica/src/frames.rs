//! Which states a record is predicted from: both ends must answer alike.
//!
//! A snapshot names those before it that are known to have arrived. Whoever was told of an entity in one of them, be it
//! that it did not change, knows its state of that snapshot's tick. So what both ends know of an entity is two sets of
//! snapshots, and no state is ever named on the wire.

use crate::limits::RETAINED_SNAPSHOTS;

/// A set of snapshots: bit `i` stands for the one `i` before a certain one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frames(pub u64);

/// The snapshots that a record is predicted from: how many there are, and how far back, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Picked {
    ages: [u8; 3],
    count: u8,
}

impl Picked {
    /// How many snapshots back, newest first, strictly ascending.
    #[must_use]
    pub fn ages(&self) -> &[u8] {
        &self.ages[..self.count.into()]
    }
}

impl Frames {
    /// The same set, seen from `by` snapshots later. What is 64 or more back is forgotten.
    #[must_use]
    pub const fn later(self, by: u32) -> Self {
        Self(if by < u64::BITS { self.0 << by } else { 0 })
    }

    /// The same set, seen from `by` snapshots earlier.
    #[must_use]
    pub const fn earlier(self, by: u32) -> Self {
        Self(if by < u64::BITS { self.0 >> by } else { 0 })
    }

    /// Puts in the snapshot `age` back.
    pub const fn insert(&mut self, age: u32) {
        self.0 |= if age < u64::BITS { 1 << age } else { 0 };
    }

    /// Whether the snapshot `age` back is in it.
    #[must_use]
    pub const fn contains(self, age: u32) -> bool {
        age < u64::BITS && self.0 >> age & 1 == 1
    }

    /// How far back the newest is; `None` when there is none.
    #[must_use]
    pub const fn newest(self) -> Option<u32> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros()) }
    }

    /// Snapshots that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The same without those of `base`, if others are left.
    #[must_use]
    pub const fn beyond(self, base: Self) -> Self {
        let others = self.0 & !base.0;
        Self(if others == 0 { self.0 } else { others })
    }

    /// The newest, and the newest that are at least `lags` ticks older, `interval` ticks from one snapshot to the next.
    /// `None` when there is none.
    #[must_use]
    pub fn pick(self, lags: [u32; 2], interval: u32) -> Option<Picked> {
        let newest = self.newest()?;
        let mut picked = Picked { ages: [newest as u8, 0, 0], count: 1 };
        let mut last = newest;
        for lag in lags {
            let from = (newest + lag.div_ceil(interval)).max(last + 1);
            let Some(more) = self.earlier(from).newest() else { break };
            last = from + more;
            picked.ages[usize::from(picked.count)] = last as u8;
            picked.count += 1;
        }
        Some(picked)
    }
}

/// Whether a snapshot can still be built on `age` snapshots later: states of it are kept for that long by clients, and no
/// longer than `versions` ticks by a room.
#[must_use]
pub const fn is_retained(age: u32, interval: u32, versions: u32) -> bool {
    age <= RETAINED_SNAPSHOTS && age * interval < versions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_snapshot_is_built_on_until_its_states_can_be_gone() {
        assert!(is_retained(RETAINED_SNAPSHOTS, 1, 64) && !is_retained(RETAINED_SNAPSHOTS + 1, 1, 64));
        assert!(is_retained(21, 3, 64) && !is_retained(22, 3, 64));
    }

    proptest! {
        #[test]
        fn the_newest_is_picked_and_the_newest_beyond_each_lag(bits: u64, lags in (1..9_u32, 1..9_u32), interval in 1..4_u32) {
            let lags = [lags.0, lags.0 + lags.1];
            let frames = Frames(bits);
            let Some(picked) = frames.pick(lags, interval) else {
                prop_assert_eq!(bits, 0);
                return Ok(());
            };
            let all: Vec<u32> = (0..64).filter(|&age| frames.contains(age)).collect();
            let mut expected = vec![all[0]];
            for lag in lags {
                let next = all.iter().find(|&&age| (age - all[0]) * interval >= lag && age > expected[expected.len() - 1]);
                match next { Some(&age) => expected.push(age), None => break }
            }
            prop_assert_eq!(picked.ages().iter().map(|&age| u32::from(age)).collect::<Vec<_>>(), expected);
        }
    }
}
