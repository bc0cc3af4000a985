//! What one client may do in a second: two counters that need no timer.

use downbeat_wire::Micros;

/// A rate with a burst. It remembers only when it would be at rest again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    rests_at: Micros,
}

impl Rate {
    /// Whether one more is allowed at `now`.
    pub(crate) fn take(&mut self, now: Micros, per_s: u32, burst: u32) -> bool {
        let cost = Micros(1_000_000 / u64::from(per_s.max(1)));
        let rests_at = self.rests_at.max(now) + cost;
        let is_allowed = rests_at.since(now).0 <= cost.0 * u64::from(burst.max(1));
        if is_allowed {
            self.rests_at = rests_at;
        }
        is_allowed
    }
}

/// Faults within one second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    second: u64,
    count: u32,
}

impl Faults {
    /// Notes a fault; false when it is one more than the `forgiven` of its second.
    pub(crate) const fn forgive(&mut self, now: Micros, forgiven: u32) -> bool {
        let second = now.0 / 1_000_000;
        if second != self.second {
            *self = Self { second, count: 0 };
        }
        self.count += 1;
        self.count <= forgiven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_allows_its_burst_and_then_its_rate() {
        let mut rate = Rate::default();
        let start = Micros::from_millis(5_000);
        let at_once = (0..50).filter(|_| rate.take(start, 100, 20)).count();
        assert_eq!(at_once, 20);
        let in_a_second = (0..1_000).filter(|ms| rate.take(start + Micros::from_millis(*ms), 100, 20)).count();
        assert!((99..=101).contains(&in_a_second), "{in_a_second}");
        assert_eq!((0..50).filter(|_| rate.take(start + Micros::from_millis(60_000), 100, 20)).count(), 20);
    }

    #[test]
    fn faults_are_forgiven_anew_each_second() {
        let mut faults = Faults::default();
        let verdicts = |faults: &mut Faults, ms| (0..4).map(|_| faults.forgive(Micros::from_millis(ms), 3)).collect();
        let first: Vec<bool> = verdicts(&mut faults, 100);
        assert_eq!(first, [true, true, true, false]);
        let second: Vec<bool> = verdicts(&mut faults, 1_100);
        assert_eq!(second, [true, true, true, false]);
    }
}
