//! Lines differ in how late they can be, and change. A window over the last measurements answers: what do all but
//! a few of them keep?

/// The last measurements, and the order statistic of them that leaves out only the worst few.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    samples: Vec<f32>,
    next: usize,
    sorted: Vec<f32>,
    /// Measurements since `sorted` was made.
    stale: usize,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { samples: Vec::new(), next: 0, sorted: Vec::new(), stale: 0 }
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
        if self.stale >= RESORT
            || self.samples.len() < 2 * RESORT
            || self.sorted.last().is_none_or(|&most| sample > most)
        {
            self.sorted.clone_from(&self.samples);
            self.sorted.sort_unstable_by(f32::total_cmp);
            self.stale = 0;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// What all measurements keep, but the worst two of a full window.
    pub(crate) fn high(&self) -> Option<f32> {
        let worst = self.sorted.len() * LEFT_OUT / LENGTH;
        self.sorted.len().checked_sub(1 + worst).map(|at| self.sorted[at])
    }

    /// The best measurement.
    pub(crate) fn low(&self) -> Option<f32> {
        self.sorted.first().copied()
    }
}

/// Eight and a half seconds at 60 a second.
const LENGTH: usize = 512;
const LEFT_OUT: usize = 2;
const RESORT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_two_of_a_full_window_are_left_out_and_old_ones_forgotten() {
        let mut window = Window::new();
        for i in 0..LENGTH {
            window.push(if i % 200 == 7 { 100.0 } else { (i % 10) as f32 });
        }
        assert_eq!(window.high(), Some(100.0), "three of them are too many to leave out");
        for i in 0..LENGTH {
            window.push(if i == 3 || i == 300 { 100.0 } else { (i % 10) as f32 });
        }
        assert_eq!(window.high(), Some(9.0));
        assert_eq!(window.low(), Some(0.0));
    }

    #[test]
    fn a_worse_measurement_counts_at_once() {
        let mut window = Window::new();
        (0..20).for_each(|_| window.push(1.0));
        window.push(5.0);
        assert_eq!(window.high(), Some(5.0));
    }
}
