//! Ticks and microseconds: the two clocks everything here is measured in.

use std::ops::{Add, Sub};

/// A step of the authoritative simulation, counted from 1 when the room opens.
///
/// 32 bits last 388 days at 128 Hz, so ticks are compared as plain integers; only packets truncate them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick before the first one: nothing has happened yet.
    pub const ZERO: Self = Self(0);

    /// The latest tick that a room reaches: 194 days at 128 Hz. What names a later one is malformed, so that sums of
    /// ticks never overflow.
    pub const LAST: Self = Self(u32::MAX / 2);

    /// The tick after this one; the last tick is its own successor.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Ticks from `earlier` to `self`, negative when `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        i64::from(self.0) - i64::from(earlier.0)
    }

    /// `self` moved by `by` ticks, held inside the range of ticks.
    #[must_use]
    pub fn offset(self, by: i64) -> Self {
        Self((i64::from(self.0) + by).clamp(0, i64::from(u32::MAX)) as u32)
    }

    /// The tick nearest to `self` whose low `bits` (1..=31) bits are `low`.
    #[must_use]
    pub fn nearest(self, low: u32, bits: u32) -> Self {
        let spare = u32::BITS - bits;
        self.offset(i64::from((low.wrapping_sub(self.0) << spare) as i32 >> spare))
    }
}

/// Microseconds since an epoch that the process chose once. Never wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// A duration of `ms` milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1_000)
    }

    /// The time since `earlier`; zero when `earlier` lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The same in seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Micros {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.since(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_tick_is_found_across_the_wrap_of_its_low_bits() {
        assert_eq!(Tick(70_000).nearest(70_010 & 0xffff, 16), Tick(70_010));
        assert_eq!(Tick(65_530).nearest(4, 16), Tick(65_540));
        assert_eq!(Tick(65_540).nearest(65_530, 16), Tick(65_530));
        assert_eq!(Tick(3).nearest(65_530, 16), Tick::ZERO, "never before the beginning");
    }
}
