//! Means hide what players feel, so every duration is kept as a distribution and told by its percentiles.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Percentiles of a figure, in the unit that its name says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of the samples are at most this.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The largest sample.
    pub max: f64,
}

/// Collects samples as whole numbers of a small unit, three digits exact.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    samples: Histogram<u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        let samples = Histogram::new(3).expect("three digits are among what a histogram can do");
        Self { samples }
    }
}

impl Recorder {
    pub(crate) fn record(&mut self, value: u64) {
        self.samples.record(value.min(SAMPLE_MAX)).expect("the histogram grows as far as the largest sample");
    }

    /// The percentiles with `per_unit` small units to one of the result; `None` without samples.
    pub(crate) fn percentiles(&self, per_unit: f64) -> Option<Percentiles> {
        if self.samples.is_empty() {
            return None;
        }
        let at = |quantile| self.samples.value_at_quantile(quantile) as f64 / per_unit;
        let max = self.samples.max() as f64 / per_unit;
        Some(Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }

    /// The median likewise.
    pub(crate) fn median(&self, per_unit: f64) -> Option<f64> {
        (!self.samples.is_empty()).then(|| self.samples.value_at_quantile(0.5) as f64 / per_unit)
    }

    /// Adds the samples of another one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.samples.add(&other.samples).expect("the histogram grows as far as the largest sample");
    }

    pub(crate) fn clear(&mut self) {
        self.samples.reset();
    }
}

/// Larger samples count as this one: in microseconds, twelve days.
const SAMPLE_MAX: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_samples() {
        let mut recorder = Recorder::default();
        (1..=1_000).for_each(|value| recorder.record(value * 1_000));
        let told = recorder.percentiles(1_000.0).expect("there are samples");
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.001;
        assert!(near(told.p50, 500.0) && near(told.p90, 900.0) && near(told.p99, 990.0), "{told:?}");
        assert!(near(told.p999, 999.0) && near(told.max, 1_000.0), "{told:?}");
    }

    #[test]
    fn what_was_not_measured_is_nothing_and_zero_is_a_measurement() {
        let mut recorder = Recorder::default();
        assert_eq!((recorder.percentiles(1.0), recorder.median(1.0)), (None, None));
        recorder.record(0);
        assert_eq!(recorder.percentiles(1.0).map(|told| told.max), Some(0.0));
    }
}
