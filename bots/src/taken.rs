//! What `--net` took of the snapshots that were owed. It drops packets, which are sealed: whether one had a snapshot in it nobody
//! can see. Below the tick rate many have none, only acknowledgements. Taking off every packet that was dropped would hide what
//! the server lost; so it is told from the packets that came over the same connection how many of them had one.

/// How many snapshots were in what was dropped on purpose, of one or several connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Packets that were dropped.
    dropped: u64,
    /// Snapshots that were probably in them, and the variance of that.
    likely: f64,
    variance: f64,
}

/// Chance may take this many standard deviations more than is likely before it is called a loss.
const DEVIATIONS: f64 = 2.0;

impl Taken {
    /// Of a connection over which so many `packets` came, with so many `snapshots`, and of which so many were `dropped`.
    pub(crate) fn of(snapshots: u64, packets: u64, dropped: u64) -> Self {
        // Where nothing came, all may have had one.
        let share = if packets == 0 { 1.0 } else { (snapshots as f64 / packets as f64).min(1.0) };
        let likely = dropped as f64 * share;
        Self { dropped, likely, variance: likely * (1.0 - share) }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Self { dropped, likely, variance } = other;
        self.dropped += dropped;
        self.likely += likely;
        self.variance += variance;
    }

    /// How many of the snapshots that are `missing` it was.
    pub(crate) fn of_missing(&self, missing: u64) -> u64 {
        let most = (self.likely + DEVIATIONS * self.variance.sqrt()).round() as u64;
        most.min(self.dropped).min(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// A connection of `ticks` ticks with a packet each, a snapshot in every `every`-th: `(owed, received, taken)` if so many of a
    /// thousand are lost on purpose, and then by accident.
    fn lossy(seed: u64, (ticks, every): (u64, u64), on_purpose: u32, by_accident: u32) -> (u64, u64, Taken) {
        let mut dice = Dice::new(seed);
        let (mut packets, mut received, mut dropped) = (0, 0, 0);
        for tick in 0..ticks {
            let is_lost = dice.below(1_000) < by_accident;
            let is_dropped = !is_lost && dice.below(1_000) < on_purpose;
            dropped += u64::from(is_dropped);
            if !is_lost && !is_dropped {
                packets += 1;
                received += u64::from(tick % every == 0);
            }
        }
        (ticks / every, received, Taken::of(received, packets, dropped))
    }

    /// Share of what is owed that counts as lost, of eight connections for a minute.
    fn lost(seed: u64, every: u64, on_purpose: u32, by_accident: u32) -> f64 {
        let (mut owed, mut received, mut taken) = (0, 0, Taken::default());
        for conn in 0..8 {
            let one = lossy(seed * 100 + conn, (3_600, every), on_purpose, by_accident);
            (owed, received) = (owed + one.0, received + one.1);
            taken.add(&one.2);
        }
        let missing = owed - received;
        (missing - taken.of_missing(missing)) as f64 / owed as f64
    }

    #[test]
    fn what_the_network_dropped_is_taken_off_and_what_was_lost_beside_it_is_not() {
        for (seed, every) in [(1, 1), (2, 2), (3, 3), (4, 6)] {
            let none = lost(seed, every, 100, 0);
            assert!(none < 0.005, "nothing but the network dropped: {none}, 1 of {every}");
            for (by_accident, share) in [(50, 0.05), (200, 0.2)] {
                let lost = lost(seed, every, 100, by_accident);
                assert!((share * 0.7..share * 1.2).contains(&lost), "{lost} of {share}, 1 of {every}");
            }
            assert!(lost(seed, every, 0, 100) > 0.08, "without a network all of it counts");
        }
    }

    #[test]
    fn no_more_is_taken_off_than_was_dropped_and_than_is_missing() {
        assert_eq!(Taken::of(20, 60, 30).of_missing(1_000), 15, "10, and twice 2.6 by chance");
        assert_eq!(Taken::of(20, 60, 30).of_missing(7), 7);
        assert_eq!(Taken::of(1, 60, 1).of_missing(1_000), 0);
        assert_eq!(Taken::of(0, 0, 8).of_missing(1_000), 8, "a network that drops everything");
        assert_eq!(Taken::of(90, 60, 8).of_missing(1_000), 8);
    }
}
