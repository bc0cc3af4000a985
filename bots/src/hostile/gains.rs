//! What hostile bots gained over honest ones in the same time, and how sure that is.

use serde::{Deserialize, Serialize};

use super::ledger::Slice;

/// What hostile bots gained in one figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gain {
    /// Mean of the honest bots while the attack was on.
    pub honest: f64,
    /// Mean of the hostile bots in the same time.
    pub hostile: f64,
    /// How much more that is, in percent.
    pub gain_percent: f64,
    /// The gain lies so many percent points around that, with a probability of 95 %.
    pub uncertainty_percent: f64,
    /// It is at least this, beyond doubt: what a gate can hold to its limit.
    pub at_least_percent: f64,
    /// Whether it is too small to be told from chance.
    pub in_noise: bool,
}

/// Standard errors that hold 95 % of a normal distribution.
const NORMAL: f64 = 1.96;

/// Of what never happened, so many events may be expected at most, with 95 % probability (the rule of three).
const UNSEEN_MAX: f64 = 3.0;

/// Slices of either side without which there is no knowing how they vary.
const SLICES_MIN: usize = 6;

/// Standard errors that hold 95 % where they were estimated from so many slices: Student's distribution by its expansion
/// around the normal one (Abramowitz and Stegun, 26.7.5), right to 1 % from six slices on.
fn spread(slices: usize) -> f64 {
    let (z, freedom) = (NORMAL, slices.saturating_sub(1).max(1) as f64);
    let (z3, z5) = (z * z * z, z * z * z * z * z);
    z + (z3 + z) / (4.0 * freedom) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom * freedom)
}

impl Gain {
    /// Compares how much of something there was for each unit of something else, as `of` gives both. `None` where one side
    /// has too little of it.
    pub(crate) fn of(honest: &[Slice], hostile: &[Slice], of: impl Fn(&Slice) -> (f64, f64)) -> Option<Self> {
        let (honest, honest_error, _) = rate(honest, &of)?;
        let (hostile, hostile_error, slices) = rate(hostile, &of)?;
        if honest <= 0.0 {
            return None;
        }
        let ratio = hostile / honest;
        // The error of a ratio, where both are small against their means.
        let error = libm::hypot(hostile_error, ratio * honest_error) / honest;
        let (gain_percent, uncertainty_percent) = (100.0 * (ratio - 1.0), 100.0 * spread(slices) * error);
        let in_noise = gain_percent.abs() <= uncertainty_percent;
        let at_least_percent = gain_percent - uncertainty_percent;
        Some(Self { honest, hostile, gain_percent, uncertainty_percent, at_least_percent, in_noise })
    }

    /// Whether it is a gain, and more than `percent` beyond doubt.
    #[must_use]
    pub fn is_more_than(&self, percent: f64) -> bool {
        self.at_least_percent > percent
    }
}

/// A ratio of sums, its standard error, and of how many slices: how they vary around it (the ratio estimator of survey
/// sampling).
fn rate(slices: &[Slice], of: impl Fn(&Slice) -> (f64, f64)) -> Option<(f64, f64, usize)> {
    let pairs: Vec<_> = slices.iter().map(of).filter(|(_, units)| *units > 0.0).collect();
    if pairs.len() < SLICES_MIN {
        return None;
    }
    let (amount, units) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    if amount == 0.0 {
        // Slices without any do not vary, but that is no certainty.
        return Some((0.0, UNSEEN_MAX / spread(pairs.len()) / units, pairs.len()));
    }
    let (rate, count) = (amount / units, pairs.len() as f64);
    let off = pairs.iter().map(|(amount, units)| amount - rate * units);
    let squares: f64 = off.map(|off| off * off).sum();
    Some((rate, (squares * count / (count - 1.0)).sqrt() / units, pairs.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// So many slices of bots that run `speed` metres per second on average, and vary.
    fn runs(count: usize, speed: f32, dice: &mut Dice) -> Vec<Slice> {
        let slice = |dice: &mut Dice| {
            let seconds = dice.between(2.0, 5.0);
            Slice { seconds: seconds.into(), metres: (seconds * (speed + dice.normal())).into(), ..Slice::default() }
        };
        (0..count).map(|_| slice(dice)).collect()
    }

    fn speed(slice: &Slice) -> (f64, f64) {
        (slice.metres, slice.seconds)
    }

    #[test]
    fn equal_bots_gain_nothing_beyond_the_noise_in_nineteen_of_twenty_runs() {
        let mut dice = Dice::new(3);
        for (honest, hostile) in [(60, 20), (18, SLICES_MIN)] {
            let gain = |dice: &mut Dice| Gain::of(&runs(honest, 5.0, dice), &runs(hostile, 5.0, dice), speed);
            let beyond = (0..1_000).filter(|_| !gain(&mut dice).expect("enough").in_noise).count();
            assert!((20..90).contains(&beyond), "{beyond} of 1,000 with {hostile} slices");
        }
    }

    #[test]
    fn a_gain_is_found_and_is_about_as_large_as_it_is() {
        let mut dice = Dice::new(4);
        let gain = Gain::of(&runs(600, 5.0, &mut dice), &runs(200, 5.5, &mut dice), speed).expect("enough");
        assert!(!gain.in_noise && gain.is_more_than(2.0) && !gain.is_more_than(15.0), "{gain:?}");
        assert!((gain.gain_percent - 10.0).abs() < gain.uncertainty_percent + 1.0 && gain.uncertainty_percent < 5.0);
    }

    #[test]
    fn what_never_happened_in_a_short_time_is_no_certain_loss() {
        let slices = |hits: u64, count| vec![Slice { seconds: 5.0, hits, ..Slice::default() }; count];
        let gain = |count| Gain::of(&slices(1, 100), &slices(0, count), |slice| (slice.hits as f64, slice.seconds));
        let (short, long) = (gain(SLICES_MIN).expect("enough"), gain(40).expect("enough"));
        // Six hits are expected in thirty seconds, and there are none.
        assert!((short.uncertainty_percent - 50.0).abs() < 1.0, "{short:?}");
        assert!(!long.in_noise && long.uncertainty_percent > 1.0, "{long:?}");
    }

    #[test]
    fn without_enough_to_compare_nothing_is_said() {
        let mut dice = Dice::new(5);
        let (few, many) = (runs(SLICES_MIN - 1, 5.0, &mut dice), runs(9, 5.0, &mut dice));
        assert_eq!(Gain::of(&few, &many, speed), None);
        assert_eq!(Gain::of(&many, &few, speed), None);
        assert_eq!(Gain::of(&many, &many, |slice| (slice.hits as f64, slice.acts as f64)), None, "nobody shot");
        assert_eq!(Gain::of(&many, &many, |slice| (slice.hits as f64, slice.seconds)), None, "nobody hit");
    }
}
