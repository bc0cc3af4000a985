//! How much a connection may receive: packets, their bytes, and the time that they take. Opening a packet costs as much
//! whatever is in it, and some contents cost a hundred times more, so a peer would take the tick's time where no limit on
//! datagrams or messages looks.
//!
//! Charged is what the peer really sent: packets that do not decrypt can come from anybody.

use std::time::Duration;

use downbeat_wire::Micros;

use crate::limits::{BYTES_BURST, EXCESS_MAX, WORK_BURST, WORK_PER_S};

/// The packets that connections may receive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InflowLimit {
    pub(crate) per_s: u32,
    pub(crate) burst: u32,
    /// Of UDP payload; as many may come at once.
    pub(crate) bytes_per_s: u32,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Read,
    Drop(Excess),
    /// The excess lasts, and the connection never rested in between.
    Close(Excess),
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    Packets,
    Bytes,
    Work,
}

/// One connection's packets. It remembers only when it would be at rest again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inflow {
    packets_rest_at: Micros,
    bytes_rest_at: Micros,
    work_rests_at: Micros,
    /// Since the connection last rested.
    dropped: u32,
    dropped_first_at: Micros,
}

impl Inflow {
    /// Decides about a packet that arrived at `at`.
    pub(crate) fn judge(&mut self, at: Micros, limit: InflowLimit) -> Verdict {
        if self.packets_rest_at.max(self.bytes_rest_at).max(self.work_rests_at) <= at {
            *self =
                Self { packets_rest_at: at, bytes_rest_at: at, work_rests_at: at, dropped: 0, dropped_first_at: at };
        }
        let packets_most = packet_cost(limit).0 * (u64::from(limit.burst.max(1)) - 1);
        let excess = if self.packets_rest_at.since(at).0 > packets_most {
            Excess::Packets
        } else if self.bytes_rest_at.since(at) > BYTES_BURST {
            Excess::Bytes
        } else if self.work_rests_at.since(at) > work_cost(WORK_BURST) {
            Excess::Work
        } else {
            return Verdict::Read;
        };
        if self.dropped == 0 {
            self.dropped_first_at = at;
        }
        self.dropped += 1;
        let lasts = match excess {
            Excess::Packets => self.dropped > limit.per_s,
            Excess::Bytes | Excess::Work => at.since(self.dropped_first_at) > EXCESS_MAX,
        };
        if lasts { Verdict::Close(excess) } else { Verdict::Drop(excess) }
    }

    /// A packet of the peer's of so many bytes that arrived at `at` was read, which took `work`.
    pub(crate) fn charge(&mut self, at: Micros, bytes: usize, work: Duration, limit: InflowLimit) {
        self.packets_rest_at = self.packets_rest_at.max(at) + packet_cost(limit);
        self.bytes_rest_at = self.bytes_rest_at.max(at) + byte_cost(bytes, limit);
        self.work_rests_at = self.work_rests_at.max(at) + work_cost(work);
    }
}

/// The time in which as much as a packet may be received again.
fn packet_cost(limit: InflowLimit) -> Micros {
    Micros(1_000_000 / u64::from(limit.per_s.max(1)))
}

/// The time in which as many bytes may be received again.
fn byte_cost(bytes: usize, limit: InflowLimit) -> Micros {
    Micros(bytes as u64 * 1_000_000 / u64::from(limit.bytes_per_s.max(1)))
}

/// The time in which `work` may be done again.
fn work_cost(work: Duration) -> Micros {
    Micros((work.as_nanos() as u64).saturating_mul(1_000) / (WORK_PER_S.as_nanos() as u64 / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: InflowLimit = InflowLimit { per_s: 100, burst: 20, bytes_per_s: 10_000 };
    const NOTHING: Duration = Duration::ZERO;

    /// One packet that is the peer's.
    fn take(inflow: &mut Inflow, at: Micros, work: Duration) -> Verdict {
        let verdict = inflow.judge(at, LIMIT);
        if verdict == Verdict::Read {
            inflow.charge(at, 100, work, LIMIT);
        }
        verdict
    }

    #[test]
    fn few_packets_of_many_bytes_are_too_much_as_well() {
        let mut inflow = Inflow::default();
        let send = |inflow: &mut Inflow, ms| {
            let at = Micros::from_millis(ms);
            let verdict = inflow.judge(at, LIMIT);
            if verdict == Verdict::Read {
                inflow.charge(at, 1_000, NOTHING, LIMIT);
            }
            verdict
        };
        // 20 kB/s where 10 are allowed: 10 at once, and 10 in the second.
        let first: Vec<_> = (0..20).map(|n| send(&mut inflow, n * 50)).collect();
        assert!(first.iter().all(|verdict| *verdict == Verdict::Read), "{first:?}");
        let second: Vec<_> = (20..40).map(|n| send(&mut inflow, n * 50)).collect();
        assert!(second.contains(&Verdict::Drop(Excess::Bytes)), "{second:?}");
        let third: Vec<_> = (40..80).map(|n| send(&mut inflow, n * 50)).collect();
        assert!(third.contains(&Verdict::Close(Excess::Bytes)), "{third:?}");
    }

    /// The verdicts about `count` packets a second that take `work` each, over `seconds`: how many of each.
    fn verdicts(inflow: &mut Inflow, from: Micros, count: u64, seconds: u64, work: Duration) -> (usize, usize, usize) {
        let all: Vec<_> =
            (0..count * seconds).map(|n| take(inflow, from + Micros(n * 1_000_000 / count), work)).collect();
        let of = |like: fn(&Verdict) -> bool| all.iter().filter(|verdict| like(verdict)).count();
        (
            of(|verdict| *verdict == Verdict::Read),
            of(|verdict| matches!(verdict, Verdict::Drop(_))),
            of(|verdict| matches!(verdict, Verdict::Close(_))),
        )
    }

    #[test]
    fn a_burst_and_a_rate_are_read_and_little_more_is_forgiven() {
        let mut inflow = Inflow::default();
        let start = Micros::from_millis(5_000);
        let at_once: Vec<_> = (0..50).map(|_| take(&mut inflow, start, NOTHING)).collect();
        assert_eq!(at_once.iter().filter(|verdict| **verdict == Verdict::Read).count(), 20);
        assert!(at_once[20..].iter().all(|verdict| *verdict == Verdict::Drop(Excess::Packets)));
        let later = start + Micros::from_millis(1_000);
        assert_eq!(verdicts(&mut inflow, later, 90, 60, NOTHING), (90 * 60, 0, 0));
    }

    #[test]
    fn packets_that_do_not_stop_close_the_connection_after_a_second_of_excess() {
        let mut inflow = Inflow::default();
        let (read, dropped, closes) = verdicts(&mut inflow, Micros(0), 200, 1, NOTHING);
        assert!((118..=121).contains(&read) && closes == 0, "{read} {dropped} {closes}");
        let (_, _, closes) = verdicts(&mut inflow, Micros::from_millis(1_000), 200, 1, NOTHING);
        assert!(closes > 0);
    }

    #[test]
    fn few_packets_that_take_long_are_too_much_as_well() {
        let mut inflow = Inflow::default();
        let half_ms = Duration::from_micros(500);
        let (read, dropped, closes) = verdicts(&mut inflow, Micros(0), 50, 1, half_ms);
        let most = (WORK_BURST + WORK_PER_S).as_micros() as usize / 500;
        assert!((most - 1..=most + 1).contains(&read) && dropped > 20 && closes == 0, "{read} {dropped} {closes}");
        let (_, _, closes) = verdicts(&mut inflow, Micros::from_millis(1_000), 50, 2, half_ms);
        assert!(closes > 0);
        // An honest one takes a tenth of what it may.
        let mut honest = Inflow::default();
        assert_eq!(verdicts(&mut honest, Micros(0), 90, 60, Duration::from_micros(5)), (90 * 60, 0, 0));
    }

    #[test]
    fn what_is_not_the_peers_is_not_charged() {
        let mut inflow = Inflow::default();
        assert!((0..10_000).all(|n| inflow.judge(Micros(n * 10), LIMIT) == Verdict::Read));
    }
}
