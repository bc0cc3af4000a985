//! One bot in a hundred that has a bad time is lost in the percentiles of all. The worst ones are told by themselves.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use downbeat_wire::Micros;

use crate::series::Spread;

/// Bots that are told of.
pub(crate) const OUTLIERS_MAX: usize = 10;

/// A bot whose figures are among the worst.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outlier {
    /// Which one: as in its name.
    pub bot: u64,
    /// Its group, where there are groups.
    pub group: Option<String>,
    /// Its round trip at the end.
    pub rtt_ms: Option<f64>,
    /// From its inputs to their acknowledgements.
    pub input_to_ack_ms: Option<Spread>,
    /// From the inputs of others to their effect on its screen.
    pub input_to_visible_ms: Option<Spread>,
    /// Share of the snapshots due to it that did not arrive, those included that `--net` dropped.
    pub missing_ratio: Option<f64>,
    /// Share of entities and frames that it was shown before their state had arrived.
    pub starved_ratio: Option<f64>,
    /// Its wrong predictions.
    pub mispredictions: u64,
    /// Bytes on the wire towards it.
    pub down_wire_bytes_per_s: Option<f64>,
}

/// What one bot measures, in little room: two digits, tenths of a millisecond.
#[derive(Clone, Debug)]
pub(crate) struct OwnFigures {
    ack: Histogram<u32>,
    visible: Histogram<u32>,
}

impl Default for OwnFigures {
    fn default() -> Self {
        let empty = || Histogram::new(2).expect("two digits are among what a histogram can do");
        Self { ack: empty(), visible: empty() }
    }
}

impl OwnFigures {
    pub(crate) fn note_ack(&mut self, took: Micros) {
        note(&mut self.ack, took);
    }

    pub(crate) fn note_visible(&mut self, took: Micros) {
        note(&mut self.visible, took);
    }

    pub(crate) fn ack(&self) -> Option<Spread> {
        spread(&self.ack)
    }

    pub(crate) fn visible(&self) -> Option<Spread> {
        spread(&self.visible)
    }

    pub(crate) fn clear(&mut self) {
        self.ack.reset();
        self.visible.reset();
    }
}

fn note(samples: &mut Histogram<u32>, took: Micros) {
    samples.record((took.0 / UNIT_US).min(SAMPLE_MAX)).expect("the histogram grows as far as the largest sample");
}

fn spread(samples: &Histogram<u32>) -> Option<Spread> {
    let at = |quantile| samples.value_at_quantile(quantile) as f64 * UNIT_US as f64 / 1e3;
    (!samples.is_empty()).then(|| Spread { p50: at(0.5), p99: at(0.99) })
}

/// The worst of all: by what they saw, or by their acknowledgements where nobody saw anything.
pub(crate) fn worst(mut all: Vec<Outlier>) -> Vec<Outlier> {
    let p99 = |told: &Option<Spread>| told.map_or(-1.0, |told| told.p99);
    let badness = |bot: &Outlier| (p99(&bot.input_to_visible_ms), p99(&bot.input_to_ack_ms));
    all.sort_by(|a, b| badness(b).partial_cmp(&badness(a)).expect("times are numbers").then(a.bot.cmp(&b.bot)));
    all.truncate(OUTLIERS_MAX);
    all
}

const UNIT_US: u64 = 100;

/// Larger samples count as this one: a minute and a half, so that a broken bot needs no more room than others.
const SAMPLE_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_by_what_they_saw_or_else_by_their_acknowledgements() {
        let bot = |bot: u64, visible: Option<f64>, ack: f64| {
            let spread = |p99| Spread { p50: 1.0, p99 };
            let input_to_visible_ms = visible.map(spread);
            Outlier { bot, input_to_visible_ms, input_to_ack_ms: Some(spread(ack)), ..Outlier::default() }
        };
        let order = |bots: Vec<Outlier>| worst(bots).iter().map(|bot| bot.bot).collect::<Vec<_>>();
        assert_eq!(order(vec![bot(0, Some(90.0), 80.0), bot(1, Some(150.0), 20.0), bot(2, None, 500.0)]), [1, 0, 2]);
        assert_eq!(order(vec![bot(0, None, 80.0), bot(1, None, 95.0)]), [1, 0]);
        assert_eq!(order((0..40).map(|n| bot(n, None, 50.0)).collect()), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_bots_own_figures_are_two_digits_exact() {
        let mut own = OwnFigures::default();
        assert_eq!((own.ack(), own.visible()), (None, None));
        (1..=1_000).for_each(|ms| own.note_ack(Micros(ms * 1_000)));
        let told = own.ack().expect("noted");
        assert!((told.p50 / 500.0 - 1.0).abs() < 0.01 && (told.p99 / 990.0 - 1.0).abs() < 0.01, "{told:?}");
        own.note_visible(Micros(u64::MAX));
        own.clear();
        assert_eq!((own.ack(), own.visible()), (None, None));
    }
}
