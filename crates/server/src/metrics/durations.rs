//! How long things took between two looks, from the histograms that only grow.

use super::histogram::Counts;
use super::{Board, Histogram, Metrics};
use crate::meter::PARTS;

/// Work and lateness of all shards' ticks so far, or between two looks.
#[derive(Clone, Debug)]
pub(crate) struct Durations {
    /// In the order in which a tick does them.
    pub(crate) parts: [Spread; PARTS],
    /// All parts together.
    pub(crate) work: Spread,
    /// How late ticks began.
    pub(crate) jitter: Spread,
}

/// How durations are distributed, to the accuracy of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    bounds: &'static [u64],
    counts: Counts,
}

impl Metrics {
    /// Durations so far.
    pub(crate) fn durations(&self) -> Durations {
        let sum = |of: &dyn Fn(&Board) -> &Histogram| {
            let (first, others) = self.boards.split_first().expect("a server has a shard");
            let mut counts = of(first).read();
            others.iter().for_each(|board| counts.add(&of(board).read()));
            Spread { bounds: of(first).bounds(), counts }
        };
        Durations {
            parts: std::array::from_fn(|part| sum(&|board: &Board| &board.parts[part])),
            work: sum(&|board: &Board| &board.work),
            jitter: sum(&|board: &Board| &board.jitter),
        }
    }
}

impl Durations {
    /// What came on top of `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            parts: std::array::from_fn(|part| self.parts[part].since(&before.parts[part])),
            work: self.work.since(&before.work),
            jitter: self.jitter.since(&before.jitter),
        }
    }
}

impl Spread {
    fn since(&self, before: &Self) -> Self {
        let counts = self.counts.counts.iter().zip(&before.counts.counts);
        let counts = counts.map(|(now, then)| now.saturating_sub(*then)).collect();
        let sum = (self.counts.sum - before.counts.sum).max(0.0);
        Self { bounds: self.bounds, counts: Counts { counts, sum } }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.counts.counts.iter().sum()
    }

    /// All of them together, in nanoseconds.
    pub(crate) const fn sum_ns(&self) -> f64 {
        self.counts.sum
    }

    /// What this share of them took at most, in nanoseconds, as if they were spread evenly between two bounds; those above
    /// all bounds count as the last one. `None` if there were none.
    pub(crate) fn quantile_ns(&self, share: f64) -> Option<f64> {
        let (wanted, mut below) = (self.count() as f64 * share, 0.0);
        let mut low = 0.0;
        for (&count, &bound) in self.counts.counts.iter().zip(self.bounds) {
            let (count, bound) = (count as f64, bound as f64);
            if count > 0.0 && below + count >= wanted {
                return Some(low + (bound - low) * (wanted - below) / count);
            }
            (below, low) = (below + count, bound);
        }
        (self.count() > 0).then_some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(counts: &[u64]) -> Spread {
        Spread { bounds: &[10, 20, 50], counts: Counts { counts: counts.to_vec(), sum: 0.0 } }
    }

    #[test]
    fn quantiles_lie_between_the_bounds_where_their_share_ends() {
        assert_eq!(spread(&[0; 4]).quantile_ns(0.5), None);
        let even = spread(&[10, 10, 0, 0]);
        assert_eq!([0.25, 0.5, 0.75, 1.0].map(|share| even.quantile_ns(share)), [5.0, 10.0, 15.0, 20.0].map(Some));
        assert_eq!(spread(&[0, 0, 4, 0]).quantile_ns(0.5), Some(35.0));
        assert_eq!(spread(&[1, 0, 0, 99]).quantile_ns(0.5), Some(50.0), "nobody knows how long");
    }

    #[test]
    fn between_two_looks_only_what_came_since_counts() {
        let (before, now) = (spread(&[5, 1, 0, 0]), spread(&[5, 1, 3, 1]));
        assert_eq!(now.since(&before), spread(&[0, 0, 3, 1]));
        assert_eq!(now.since(&before).count(), 4);
    }
}
