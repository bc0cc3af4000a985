//! Some datagrams never come. Which share of them, and whether they go missing in runs, says how long to wait for a later
//! one to bring what they would have brought.

use std::collections::VecDeque;

/// The last datagrams that came, each with how many went missing right before it.
#[derive(Clone, Debug)]
pub(crate) struct Losses {
    runs: VecDeque<u8>,
    lost: u32,
    bursts: u32,
}

/// A line as Gilbert and Elliott model it: datagrams are lost in runs that go on with a certain probability each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LossModel {
    /// Share of datagrams that are lost.
    pub(crate) share: f32,
    /// Probability that the datagram after a lost one is lost.
    pub(crate) goes_on: f32,
}

impl Losses {
    /// Nothing came yet.
    pub(crate) const fn new() -> Self {
        Self { runs: VecDeque::new(), lost: 0, bursts: 0 }
    }

    /// A datagram came, `missing` after the last one. So many that nothing is worth waiting for are an outage: no model of
    /// losses explains it, and nothing is learned.
    pub(crate) fn note(&mut self, missing: u32) {
        if missing > RUN_MAX {
            return;
        }
        if self.runs.len() == LENGTH
            && let Some(oldest) = self.runs.pop_front()
        {
            self.lost -= u32::from(oldest);
            self.bursts -= u32::from(oldest > 0);
        }
        self.runs.push_back(missing as u8);
        self.lost += missing;
        self.bursts += u32::from(missing > 0);
    }

    /// Forgets the last `datagrams` that came.
    pub(crate) fn take_back(&mut self, datagrams: usize) {
        for run in self.runs.drain(self.runs.len().saturating_sub(datagrams)..) {
            self.lost -= u32::from(run);
            self.bursts -= u32::from(run > 0);
        }
    }

    /// What the line is like. How runs go on is known from the few that were lost: by Laplace's rule of succession, so that
    /// one loss alone does not mean that no second one follows.
    pub(crate) fn model(&self) -> LossModel {
        let sent = self.runs.len() as f32 + self.lost as f32;
        let share = if self.lost == 0 { 0.0 } else { self.lost as f32 / sent };
        let goes_on = (self.lost - self.bursts + 1) as f32 / (self.lost + 2) as f32;
        LossModel { share, goes_on }
    }
}

impl LossModel {
    /// Share of datagrams that are lost with the `repeats` after them.
    pub(crate) fn residual(self, repeats: i32) -> f32 {
        self.share * (0..repeats).map(|_| self.goes_on).product::<f32>()
    }
}

/// 17 s at 60 a second: some twenty bursts, where one comes in a second. Fewer do not tell how long they are.
const LENGTH: usize = 1_024;

/// Longest run that is a loss, in datagrams: a quarter of a second at 60 a second.
pub(crate) const RUN_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Gilbert-Elliott line with this share and these bursts is taken for.
    fn seen(runs: impl IntoIterator<Item = u32>) -> LossModel {
        let mut losses = Losses::new();
        runs.into_iter().for_each(|run| losses.note(run));
        losses.model()
    }

    #[test]
    fn bursts_are_told_from_single_losses() {
        let single = seen((0..2_000).map(|i| u32::from(i % 20 == 0)));
        assert!((single.share - 0.048).abs() < 0.002 && single.goes_on < 0.03, "{single:?}");
        let bursts = seen((0..2_000).map(|i| if i % 60 == 0 { 3 } else { 0 }));
        assert!((bursts.share - 0.048).abs() < 0.002 && (bursts.goes_on - 0.66).abs() < 0.02, "{bursts:?}");
        assert!(bursts.residual(4) > 100.0 * single.residual(4));
    }

    #[test]
    fn losses_are_forgotten_and_an_outage_is_none() {
        let bad = (0..500).map(|i| i % 3).chain((0..LENGTH as u32).map(|i| if i == 9 { 1_000 } else { 0 }));
        assert_eq!(seen(bad.chain([0])).share, 0.0);
    }
}
