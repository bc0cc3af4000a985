//! Means hide what players feel, so every duration is kept as a distribution and told by its percentiles.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::series::Spread;

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

    /// How many samples there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.samples.len()
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

    /// The two that a second is told by, likewise.
    pub(crate) fn spread(&self, per_unit: f64) -> Option<Spread> {
        let at = |quantile| self.samples.value_at_quantile(quantile) as f64 / per_unit;
        (!self.samples.is_empty()).then(|| Spread { p50: at(0.5), p99: at(0.99) })
    }

    /// The whole distribution: the value at each of [`curve_percent`], likewise, to four digits.
    pub(crate) fn curve(&self, per_unit: f64) -> Option<Vec<f64>> {
        let at = |percent: f64| self.samples.value_at_percentile(percent) as f64 / per_unit;
        (!self.samples.is_empty()).then(|| curve_percent().map(|percent| four_digits(at(percent))).collect())
    }

    /// Adds the samples of another one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.samples.add(&other.samples).expect("the histogram grows as far as the largest sample");
    }

    /// The samples that came since `before`, an earlier state of these.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut samples = self.samples.clone();
        samples.subtract(&before.samples).expect("what was there is there still");
        Self { samples }
    }

    pub(crate) fn clear(&mut self) {
        self.samples.reset();
    }
}

/// The percentages of a curve, ascending to 100: denser and denser, as tails want it.
pub(crate) fn curve_percent() -> impl Iterator<Item = f64> {
    let percent = |point: usize| 100.0 * (1.0 - libm::pow(10.0, -(point as f64) / CURVE_POINTS_PER_NINE as f64));
    (0..=CURVE_NINES * CURVE_POINTS_PER_NINE).map(percent).chain([100.0])
}

/// A curve reaches 99.99 % before it ends with the largest sample.
const CURVE_NINES: usize = 4;
const CURVE_POINTS_PER_NINE: usize = 12;

/// A number to four digits, which is one more than is exact.
pub(crate) fn four_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = libm::pow(10.0, 3.0 - libm::floor(libm::log10(value.abs())));
    (value * scale).round() / scale
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
        assert_eq!((recorder.percentiles(1.0), recorder.spread(1.0), recorder.curve(1.0)), (None, None, None));
        recorder.record(0);
        assert_eq!(recorder.percentiles(1.0).map(|told| told.max), Some(0.0));
    }

    #[test]
    fn a_curve_ascends_to_the_largest_sample_in_about_fifty_points() {
        let mut recorder = Recorder::default();
        (1..=100_000).for_each(|value| recorder.record(value));
        let (percent, values) = (curve_percent().collect::<Vec<_>>(), recorder.curve(1_000.0).expect("samples"));
        assert!((40..=60).contains(&percent.len()) && percent.len() == values.len());
        assert!(percent.windows(2).all(|pair| pair[0] < pair[1]) && values.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((percent[0], percent[12], values[percent.len() - 1]), (0.0, 90.0, 100.0));
        assert!((values[12] - 90.0).abs() < 0.1 && (values[24] - 99.0).abs() < 0.1, "{values:?}");
        assert_eq!((four_digits(123_456.0), four_digits(0.012_345_6), four_digits(0.0)), (123_500.0, 0.012_35, 0.0));
    }
}
