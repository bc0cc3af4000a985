//! Machines' clocks were started at different times and run at slightly different rates; links work in true time.

use std::fmt;

use downbeat_replica::Micros;

/// The clock of one machine, as a function of true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalClock {
    /// What it says when the simulation begins.
    pub offset: Micros,
    /// By how many millionths it is fast (or slow, when negative); more than -1,000,000.
    pub drift_ppm: i32,
}

impl LocalClock {
    /// What it says at the true time `at`.
    #[must_use]
    pub fn local(self, at: Micros) -> Micros {
        let elapsed = i128::from(at.0) * i128::from(1_000_000 + i64::from(self.drift_ppm)) / 1_000_000;
        Micros(self.offset.0 + elapsed as u64)
    }

    /// The first true time at which it says `local` or more.
    #[must_use]
    pub fn when(self, local: Micros) -> Micros {
        let rate = i128::from(1_000_000 + i64::from(self.drift_ppm));
        let elapsed = i128::from(local.since(self.offset).0) * 1_000_000;
        Micros(((elapsed + rate - 1) / rate) as u64)
    }
}

impl fmt::Display for LocalClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s off, {:+} ppm", self.offset.as_secs_f64(), self.drift_ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_found_to_the_microsecond_and_never_too_early() {
        for drift_ppm in [-300, -1, 0, 7, 250] {
            let clock = LocalClock { offset: Micros(5_000_000_017), drift_ppm };
            for local in (5_000_000_017..5_000_900_000).step_by(7_919) {
                let at = clock.when(Micros(local));
                assert!(clock.local(at) >= Micros(local), "{local} at {drift_ppm} ppm");
                assert!(at.0 == 0 || clock.local(Micros(at.0 - 1)) < Micros(local), "{local} at {drift_ppm} ppm");
            }
        }
    }

    #[test]
    fn a_fast_clock_is_ahead_after_a_while() {
        let clock = LocalClock { offset: Micros(1_000), drift_ppm: 200 };
        assert_eq!(clock.local(Micros(10_000_000)), Micros(10_003_000));
    }
}
