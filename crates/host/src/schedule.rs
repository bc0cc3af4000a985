//! Ticks are due at fixed times, whatever a tick took: what is late is made up for, up to a point.

use downbeat_replica::Micros;

use crate::limits::CATCH_UP_TICKS_MAX;

/// When ticks are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begin: Micros,
    rate_hz: u64,
    /// Ticks since `begin`.
    count: u64,
}

impl Schedule {
    /// The first tick is due at `begin`; `rate_hz` follow in each second.
    ///
    /// # Panics
    /// When first asked, if `rate_hz` is zero.
    #[must_use]
    pub const fn new(begin: Micros, rate_hz: u32) -> Self {
        Self { begin, rate_hz: rate_hz as u64, count: 0 }
    }

    const fn nth(&self, count: u64) -> Micros {
        // From the beginning each time: the length of a tick is no whole number of microseconds.
        Micros(self.begin.0 + count * 1_000_000 / self.rate_hz)
    }

    /// When the next tick is due.
    #[must_use]
    pub const fn due(&self) -> Micros {
        self.nth(self.count)
    }

    /// When the one after it is.
    #[must_use]
    pub const fn following(&self) -> Micros {
        self.nth(self.count + 1)
    }

    /// Length of a tick.
    #[must_use]
    pub const fn length(&self) -> Micros {
        Micros(1_000_000 / self.rate_hz)
    }

    /// A tick was run. When more than [`CATCH_UP_TICKS_MAX`] are due at `now`, all but that many are left out; returns
    /// how many.
    pub const fn advance(&mut self, now: Micros) -> u64 {
        self.count += 1;
        let due_by_now = now.0.saturating_sub(self.begin.0) * self.rate_hz / 1_000_000 + 1;
        let behind = due_by_now.saturating_sub(self.count);
        let left_out = behind.saturating_sub(CATCH_UP_TICKS_MAX);
        self.count += left_out;
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_do_not_drift() {
        let mut schedule = Schedule::new(Micros(500), 60);
        for _ in 0..600 {
            let now = schedule.due();
            assert_eq!(schedule.advance(now), 0);
        }
        assert_eq!(schedule.due(), Micros(500 + 10_000_000));
    }

    #[test]
    fn a_few_late_ticks_are_made_up_for_and_many_are_left_out() {
        let mut schedule = Schedule::new(Micros(0), 100);
        assert_eq!(schedule.advance(Micros::from_millis(35)), 0);
        assert_eq!(schedule.due(), Micros::from_millis(10), "three are due, and all of them run");
        let mut schedule = Schedule::new(Micros(0), 100);
        assert_eq!(schedule.advance(Micros::from_millis(1_005)), 96);
        assert_eq!(schedule.due(), Micros::from_millis(970), "970, 980, 990 and 1000 are made up for");
    }
}
