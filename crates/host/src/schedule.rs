//! Ticks are due at fixed times, whatever a tick took: what is late is made up for, up to a point.
//!
//! Those times lie on a grid that is counted from its beginning, so that nothing drifts. Schedules on one grid keep their
//! distance: a shard's rooms share its ticks out among several beats.

use downbeat_replica::Micros;

use crate::limits::CATCH_UP_TICKS_MAX;

/// Beats at a fixed rate, by number.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    begin: Micros,
    rate_hz: u64,
}

impl Grid {
    /// Beat 0 is at `begin`; `rate_hz` follow in each second.
    ///
    /// # Panics
    /// When first asked, if `rate_hz` is zero.
    #[must_use]
    pub const fn new(begin: Micros, rate_hz: u32) -> Self {
        Self { begin, rate_hz: rate_hz as u64 }
    }

    /// When a beat is.
    #[must_use]
    pub const fn at(&self, beat: u64) -> Micros {
        // From the beginning each time: the length of a beat is no whole number of microseconds.
        Micros(self.begin.0 + beat * 1_000_000 / self.rate_hz)
    }

    /// The newest beat at `now`; the first one before it began.
    #[must_use]
    pub const fn newest(&self, now: Micros) -> u64 {
        let since = now.0.saturating_sub(self.begin.0);
        ((since + 1) * self.rate_hz - 1) / 1_000_000
    }
}

/// When ticks are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    grid: Grid,
    /// From one tick to the next.
    beats: u64,
    /// The beat of the next tick.
    next: u64,
}

impl Schedule {
    /// The first tick is due at `begin`; `rate_hz` follow in each second.
    ///
    /// # Panics
    /// When first asked, if `rate_hz` is zero.
    #[must_use]
    pub const fn new(begin: Micros, rate_hz: u32) -> Self {
        Self::on(Grid::new(begin, rate_hz), 1, 0)
    }

    /// A tick is due in beat `first` of `grid`, and in every one that is a multiple of `beats` later.
    #[must_use]
    pub const fn on(grid: Grid, beats: u64, first: u64) -> Self {
        Self { grid, beats, next: first }
    }

    /// When the next tick is due.
    #[must_use]
    pub const fn due(&self) -> Micros {
        self.grid.at(self.next)
    }

    /// When the one after it is.
    #[must_use]
    pub const fn following(&self) -> Micros {
        self.grid.at(self.next + self.beats)
    }

    /// Length of a tick.
    #[must_use]
    pub const fn length(&self) -> Micros {
        Micros(self.beats * 1_000_000 / self.grid.rate_hz)
    }

    /// Ticks that are due at `now`.
    #[must_use]
    pub const fn waiting(&self, now: Micros) -> u64 {
        // One beat further, as the next tick is due in its own beat and not a tick later.
        (self.grid.newest(now) + self.beats).saturating_sub(self.next) / self.beats
    }

    /// A tick was run. When more than [`CATCH_UP_TICKS_MAX`] are due at `now`, all but that many are left out; returns
    /// how many.
    pub const fn advance(&mut self, now: Micros) -> u64 {
        self.next += self.beats;
        let left_out = self.waiting(now).saturating_sub(CATCH_UP_TICKS_MAX);
        self.next += left_out * self.beats;
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

    #[test]
    fn a_beat_is_the_newest_from_its_own_microsecond_on() {
        for rate_hz in [60, 240, 256, 512] {
            let grid = Grid::new(Micros(123), rate_hz);
            for beat in 1..3_000 {
                assert_eq!(grid.newest(grid.at(beat)), beat);
                assert_eq!(grid.newest(Micros(grid.at(beat).0 - 1)), beat - 1);
            }
        }
    }

    #[test]
    fn schedules_of_one_grid_keep_their_distance_and_leave_out_whole_ticks() {
        let grid = Grid::new(Micros(0), 240);
        let mut schedule = Schedule::on(grid, 4, 7);
        assert_eq!(schedule.due(), grid.at(7));
        assert_eq!((schedule.waiting(Micros(grid.at(7).0 - 1)), schedule.waiting(grid.at(7))), (0, 1));
        assert_eq!((schedule.waiting(grid.at(10)), schedule.waiting(grid.at(11))), (1, 2));
        assert_eq!(schedule.advance(grid.at(7 + 4 * 100)), 96);
        assert_eq!(schedule.due(), grid.at(7 + 4 * 97));
    }
}
