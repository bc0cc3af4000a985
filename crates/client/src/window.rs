//! Lines differ in how late they can be, and change. A window over the last measurements answers: which share of them was
//! later than this?

/// The last measurements.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    samples: Vec<f32>,
    next: usize,
    sorted: Vec<f32>,
    /// Sum of the sorted from each on.
    sums: Vec<f32>,
    /// Measurements since `sorted` was made.
    stale: usize,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { samples: Vec::new(), next: 0, sorted: Vec::new(), sums: Vec::new(), stale: 0 }
    }

    pub(crate) fn push(&mut self, sample: f32) {
        if self.samples.len() < LENGTH {
            self.samples.push(sample);
        } else {
            self.samples[self.next] = sample;
            self.next = (self.next + 1) % LENGTH;
        }
        self.stale += 1;
        // A full sort now and then; in between, a worse sample takes effect at once.
        if self.stale >= RESORT || self.samples.len() < 2 * RESORT || self.most().is_none_or(|most| sample > most) {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.sorted.clone_from(&self.samples);
        self.sorted.sort_unstable_by(f32::total_cmp);
        self.sums.clone_from(&self.sorted);
        let mut sum = 0.0;
        for from_here in self.sums.iter_mut().rev() {
            sum += *from_here;
            *from_here = sum;
        }
        self.stale = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// The smallest measurement.
    pub(crate) fn least(&self) -> Option<f32> {
        self.sorted.first().copied()
    }

    /// The largest measurement.
    pub(crate) fn most(&self) -> Option<f32> {
        self.sorted.last().copied()
    }

    /// Share of measurements beyond `limit`. If `span` is not zero, those that are beyond it by a part of `span` count as
    /// that part.
    pub(crate) fn beyond(&self, limit: f32, span: f32) -> f32 {
        let count = self.sorted.len().max(1) as f32;
        if span == 0.0 {
            return (self.sorted.len() - self.sorted.partition_point(|&sample| sample <= limit)) as f32 / count;
        }
        let excess = |limit: f32| {
            let first = self.sorted.partition_point(|&sample| sample <= limit);
            let sum = self.sums.get(first).copied().unwrap_or(0.0);
            sum - (self.sorted.len() - first) as f32 * limit
        };
        (excess(limit) - excess(limit + span)) / (span * count)
    }
}

/// Eight and a half seconds at 60 a second.
const LENGTH: usize = 512;
const RESORT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_measurements_are_forgotten() {
        let mut window = Window::new();
        (0..LENGTH).for_each(|_| window.push(100.0));
        (0..LENGTH + RESORT).for_each(|i| window.push((i % 10) as f32));
        assert_eq!((window.least(), window.most()), (Some(0.0), Some(9.0)));
    }

    #[test]
    fn a_worse_measurement_counts_at_once() {
        let mut window = Window::new();
        (0..99).for_each(|_| window.push(1.0));
        window.push(5.0);
        assert_eq!(window.most(), Some(5.0));
        assert!((window.beyond(4.0, 0.0) - 0.01).abs() < 1e-6);
    }

    #[test]
    fn what_is_beyond_by_a_part_counts_as_that_part() {
        let mut window = Window::new();
        [1.0, 2.0, 2.5, 9.0].into_iter().for_each(|sample| window.push(sample));
        assert!((window.beyond(2.0, 1.0) - (0.5 + 1.0) / 4.0).abs() < 1e-6);
        assert!((window.beyond(0.0, 1.0) - 1.0).abs() < 1e-6);
        assert_eq!((window.beyond(2.0, 0.0), window.beyond(9.0, 1.0)), (0.5, 0.0));
    }
}
