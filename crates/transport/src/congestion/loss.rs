//! A wireless line loses packets at any rate, a network that is overloaded beyond its queues at ours. What tells them
//! apart without a queue is only how much is lost, and for how long (compare RFC 8083's circuit breakers).

use std::time::{Duration, Instant};

/// Loss is looked at once in this time, or once a round trip if that is longer.
const INTERVAL: Duration = Duration::from_secs(1);

/// Intervals that are judged together: at 60 packets a second, 20 % of random loss stays below the limit in 99 of 100.
const INTERVALS: usize = 4;

/// Above this share the network is overloaded.
const HEAVY_PERCENT: u64 = 26;

/// Bytes with a known fate without which nothing is judged.
const JUDGED_BYTES_MIN: u64 = 6_000;

/// Bytes that arrived and bytes that were lost in the last seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Losses {
    began: Instant,
    /// (acked, lost), the current interval first.
    intervals: [(u64, u64); INTERVALS],
    is_heavy: bool,
    share: f64,
}

impl Losses {
    pub(super) const fn new(now: Instant) -> Self {
        Self { began: now, intervals: [(0, 0); INTERVALS], is_heavy: false, share: 0.0 }
    }

    pub(super) const fn count(&mut self, acked: u64, lost: u64) {
        self.intervals[0].0 += acked;
        self.intervals[0].1 += lost;
    }

    /// Whether too much is lost: nothing may grow.
    pub(super) const fn is_heavy(&self) -> bool {
        self.is_heavy
    }

    /// Share that was lost in the last seconds.
    pub(super) const fn share(&self) -> f64 {
        self.share
    }

    /// Judges once an interval; true when the sender must slow down further.
    pub(super) fn judge(&mut self, now: Instant, rtt: Duration) -> bool {
        let newest = self.intervals[0];
        if now.saturating_duration_since(self.began) < INTERVAL.max(rtt) {
            return false;
        }
        let all = self.intervals.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let is_enough = all.0 + all.1 >= JUDGED_BYTES_MIN;
        // A good second is enough to begin again.
        self.is_heavy = is_enough && exceeds(all, HEAVY_PERCENT) && exceeds(newest, HEAVY_PERCENT / 2);
        self.share = if is_enough { all.1 as f64 / (all.0 + all.1) as f64 } else { 0.0 };
        self.intervals.rotate_right(1);
        self.intervals[0] = (0, 0);
        self.began = now;
        self.is_heavy && exceeds(newest, HEAVY_PERCENT)
    }
}

const fn exceeds((acked, lost): (u64, u64), percent: u64) -> bool {
    lost * 100 > (acked + lost) * percent
}
