//! What both ends know of an entity: the states that an acknowledged datagram told, or left as they were.
//!
//! Three of them tell a speed and an acceleration. Neighbouring ticks would tell rounding errors instead, so that the
//! older ones are taken from some ticks before: a model says how many (its lags).

use crate::codec::record::differ;

/// States that a record is predicted from.
pub(crate) const STATES: usize = 3;

/// Rests from here on are all alike.
pub(crate) const REST_MAX: u32 = 24;

/// Ages from here on are all alike: more than three days at 60 Hz.
const AGE_MAX: u32 = 1 << 24;

/// A state that both ends know.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// How many ticks ago it was; 0 counts as 1.
    pub age: u32,
    /// The lanes as the reader is told them, each legal.
    pub lanes: &'a [i32],
}

/// What both ends know of an entity.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Newest first, ages strictly ascending.
    pub(crate) states: [Known<'a>; STATES],
    /// How many of them are known; the others repeat the oldest, as if it had been at rest before. With 0 the states
    /// are a guess that both ends share: the record of an entity that enters.
    pub(crate) count: usize,
    /// For how many ticks the newest has been unchanged, as far as both ends know.
    pub(crate) rest: u32,
}

impl<'a> History<'a> {
    /// Picks the states to predict from out of those known (newest first): the newest, and the newest that are at
    /// least `lags` ticks older. They say themselves how long it has rested: a server and a client who agree on the three
    /// states agree on that too. `None` when none is known.
    pub fn known(lags: [u32; STATES - 1], known: impl IntoIterator<Item = Known<'a>>) -> Option<Self> {
        let picked = Self::pick(lags, 0, known)?;
        Self::of(&picked.states[..picked.count])
    }

    /// Picks as [`Self::known`] does, for those who know more than three states tell. `rest` is for how many ticks the newest
    /// has been unchanged, as far as both ends know. `None` when none is known.
    pub fn pick(lags: [u32; STATES - 1], rest: u32, known: impl IntoIterator<Item = Known<'a>>) -> Option<Self> {
        let mut known = known.into_iter().map(|state| Known { age: state.age.clamp(1, AGE_MAX), ..state });
        let newest = known.next()?;
        let mut states = [newest; STATES];
        let mut count = 1;
        let mut oldest = newest;
        for state in known {
            if state.age >= newest.age.saturating_add(lags[count - 1]) && state.age > oldest.age {
                states[count] = state;
                (oldest, count) = (state, count + 1);
                if count == STATES {
                    break;
                }
            }
        }
        for (by, state) in (1..).zip(&mut states[count..]) {
            *state = Known { age: oldest.age + by, lanes: oldest.lanes };
        }
        Some(Self { states, count, rest })
    }

    /// Of picked states, newest first, ages strictly ascending: one to three (more are left out). For how long the
    /// newest was unchanged is what they tell. `None` when there is none.
    #[must_use]
    pub fn of(picked: &[Known<'a>]) -> Option<Self> {
        let picked = &picked[..picked.len().min(STATES)];
        let (newest, oldest) = (*picked.first()?, *picked.last()?);
        let state = |i: usize| match picked.get(i) {
            Some(known) => *known,
            None => Known { age: oldest.age + (i + 1 - picked.len()) as u32, lanes: oldest.lanes },
        };
        let states = std::array::from_fn(state);
        let unchanged = picked.iter().take_while(|known| !differ(known.lanes, newest.lanes)).last()?;
        Some(Self { states, count: picked.len(), rest: unchanged.age - newest.age })
    }

    /// Of an entity that enters: nothing is known, but it will not be far from `guess` (legal lanes).
    #[must_use]
    pub fn guess(guess: &'a [i32]) -> Self {
        Self { states: std::array::from_fn(|i| Known { age: i as u32 + 1, lanes: guess }), count: 0, rest: 0 }
    }

    /// The newest known state.
    #[must_use]
    pub const fn newest(&self) -> Known<'a> {
        self.states[0]
    }

    /// Whether it is a sleeper: all three states are known and alike. Of sleepers it is told which wake
    /// ([`wakes`](crate::codec::wakes)), of all others whether there is a record.
    #[must_use]
    pub const fn sleeps(&self) -> bool {
        self.count == STATES && self.rest >= self.states[STATES - 1].age - self.states[0].age
    }

    /// One of [`Self::SITUATIONS`]: how long it rests, or how little is known.
    #[inline]
    #[must_use]
    pub(crate) fn situation(&self) -> usize {
        match self.count {
            STATES => self.rest.min(REST_MAX) as usize,
            0 => Self::SITUATIONS - 1,
            count => REST_MAX as usize + count,
        }
    }

    /// Number of situations.
    pub(crate) const SITUATIONS: usize = REST_MAX as usize + STATES + 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known<'a>(ages: &'a [u32], lanes: &'a [i32]) -> impl Iterator<Item = Known<'a>> {
        ages.iter().map(move |&age| Known { age, lanes })
    }

    #[test]
    fn the_newest_is_taken_and_the_newest_beyond_each_lag() {
        let ages =
            |lags, ages: &[u32]| History::pick(lags, 0, known(ages, &[])).map(|h| (h.count, h.states.map(|s| s.age)));
        assert_eq!(ages([1, 5], &[4, 5, 6, 7, 8, 9, 10]), Some((3, [4, 5, 9])));
        assert_eq!(ages([1, 5], &[4, 8, 9]), Some((3, [4, 8, 9])));
        assert_eq!(ages([2, 5], &[4, 5]), Some((1, [4, 5, 6])), "an entity was at rest before it was known");
        assert_eq!(ages([1, 5], &[]), None);
    }

    #[test]
    fn rest_is_what_the_picked_states_tell() {
        let rests = |states: [[i32; 1]; 4]| {
            let known = [4, 5, 7, 10].into_iter().zip(&states).map(|(age, lanes)| Known { age, lanes });
            History::known([1, 5], known).map(|history| (history.rest, history.sleeps()))
        };
        assert_eq!(rests([[7], [7], [0], [7]]), Some((6, true)), "of three states, who knows what lay between?");
        assert_eq!(rests([[7], [7], [7], [6]]), Some((1, false)));
        assert_eq!(rests([[7], [6], [7], [7]]), Some((0, false)));
        let one = History::known([1, 5], [Known { age: 4, lanes: &[7] }]).expect("one is known");
        assert_eq!((one.rest, one.sleeps()), (0, false), "nothing says that it rested");
    }

    proptest! {
        #[test]
        fn ages_ascend_whatever_is_known(ages in prop::collection::vec(any::<u32>(), 1..9), lags in any::<[u32; 2]>(), rest in any::<u32>()) {
            let history = History::pick(lags, rest, known(&ages, &[])).expect("some are known");
            let ages = history.states.map(|state| state.age);
            prop_assert!(0 < ages[0] && ages[0] < ages[1] && ages[1] < ages[2]);
            prop_assert!(history.situation() < History::SITUATIONS);
        }
    }
}
