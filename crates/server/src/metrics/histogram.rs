//! How often a quantity was how large, for one thread that counts and any that read. The one that counts takes no lock and
//! no locked instruction: nobody else writes, so that reading and writing back lose nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts between bounds. [`note`](Self::note) must be called by one thread alone.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// Values up to each bound, the lower ones apart, and those above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Of values with these upper bounds, ascending.
    pub(crate) fn new(bounds: &'static [u64]) -> Self {
        debug_assert!(bounds.is_sorted());
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self, value: u64) {
        let place = self.bounds.iter().position(|&bound| value <= bound).unwrap_or(self.bounds.len());
        let add = |to: &AtomicU64, value| to.store(to.load(Relaxed).wrapping_add(value), Relaxed);
        add(&self.counts[place], 1);
        add(&self.sum, value);
    }

    /// What was counted. A value that is noted meanwhile may be in one of the two numbers alone.
    pub(crate) fn read(&self) -> Counts {
        let counts = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        Counts { counts, sum: self.sum.load(Relaxed) as f64 }
    }

    pub(crate) const fn bounds(&self) -> &'static [u64] {
        self.bounds
    }
}

/// What histograms of the same bounds counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts {
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_up_to_its_bound_and_another_thread_reads_it() {
        let histogram = Histogram::new(&[10, 20, 50]);
        std::thread::scope(|scope| {
            scope.spawn(|| [0, 10, 11, 20, 51, 1_000].into_iter().for_each(|value| histogram.note(value)));
        });
        let mut read = histogram.read();
        assert_eq!(read, Counts { counts: vec![2, 2, 0, 2], sum: 1_092.0 });
        read.add(&histogram.read());
        assert_eq!(read.counts, [4, 4, 0, 4]);
    }
}
