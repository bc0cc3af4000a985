//! How many packets a connection may receive. Opening a packet costs as much whatever is in it, so a peer that sends
//! empty ones without end would take the tick's time where no limit on datagrams or messages looks.

use downbeat_wire::Micros;

/// The packets that connections may receive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InflowLimit {
    pub(crate) per_s: u32,
    pub(crate) burst: u32,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Read,
    Drop,
    /// The excess lasts: a second's worth of packets was dropped, and the connection never rested in between.
    Close,
}

/// One connection's packets. It remembers only when it would be at rest again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inflow {
    rests_at: Micros,
    dropped: u32,
}

impl Inflow {
    /// Decides about a packet that arrived at `at`.
    pub(crate) fn take(&mut self, at: Micros, limit: InflowLimit) -> Verdict {
        if self.rests_at <= at {
            *self = Self { rests_at: at, dropped: 0 };
        }
        let cost_us = 1_000_000 / u64::from(limit.per_s.max(1));
        let rests_at = self.rests_at + Micros(cost_us);
        if rests_at.since(at).0 <= cost_us * u64::from(limit.burst.max(1)) {
            self.rests_at = rests_at;
            return Verdict::Read;
        }
        self.dropped += 1;
        if self.dropped > limit.per_s { Verdict::Close } else { Verdict::Drop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: InflowLimit = InflowLimit { per_s: 100, burst: 20 };

    #[test]
    fn excess_is_dropped_and_closes_only_when_it_lasts() {
        let mut inflow = Inflow::default();
        let at = Micros::from_millis(5_000);
        let verdicts: Vec<Verdict> = (0..121).map(|_| inflow.take(at, LIMIT)).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Read).count(), 20);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Drop).count(), 100);
        assert_eq!(verdicts[120], Verdict::Close);
    }

    #[test]
    fn excess_is_forgiven_after_a_rest() {
        let mut inflow = Inflow::default();
        for second in 1..100 {
            let at = Micros::from_millis(1_000 * second);
            assert!((0..90).all(|_| inflow.take(at, LIMIT) != Verdict::Close));
        }
    }
}
