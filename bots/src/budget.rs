//! "Input to visible takes 140 ms" says that something is slow, not what. So each part of the way is told by itself.
//!
//! What is measured, as means: the time from sampling an input to its packet (`sampling`), the margin by which the server
//! says that inputs came before their tick, how many ticks newer than the input's the snapshot was that told of it first
//! (`snapshot`), and, on another screen, the time from that snapshot's arrival to the moment at which its tick is shown
//! (`interpolation`). What is left of the way to the acknowledgement is the round trip (`path.rs`).
//!
//! Nobody's clock is compared with another's, so a round trip is taken to be as long one way as the other. The `tick`, from
//! the moment at which it should begin to its snapshot's packet, is known to the server alone: where that tells it, it is
//! taken out of the round trip; else it stays in there, half of it in each link.
//!
//! The way to another screen is added up of the same parts, but measured as a whole by itself: that both agree is what shows
//! that the parts are right.

use downbeat_wire::Micros;
use serde::{Deserialize, Serialize};

/// Where the time goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// From a key press to the next input that is sampled, in ms: half a tick on average, by calculation. Bots press when they
    /// sample, so this is before everything else, and in no sum.
    pub press_ms: Option<f64>,
    /// From sampling an input to the first snapshot that consumed it.
    pub input_to_ack: Option<BudgetParts>,
    /// From sampling an input to the moment at which another bot is shown the tick that consumed it.
    pub input_to_visible: Option<BudgetParts>,
    /// The mean round trip, in ms.
    pub rtt_ms: Option<f64>,
    /// The round trip of the network that `--net` imitates: twice its mean latency, in ms.
    pub rtt_net_ms: Option<f64>,
    /// What the real network and the loops of both ends add to that, in ms.
    pub rtt_loops_ms: Option<f64>,
}

/// The parts of one way in the order in which they pass, mean times in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetParts {
    /// From sampling to the packet that tells it: the bots' loop.
    pub sampling_ms: f64,
    /// Half of what is left of a round trip without sampling and tick.
    pub uplink_ms: f64,
    /// In the server's queue, waiting for its tick.
    pub margin_ms: f64,
    /// From the moment at which the tick should begin to the packet that tells what came of it; `null` where the server did not
    /// tell, and then within the links.
    pub tick_ms: Option<f64>,
    /// Until there was a snapshot that told it and arrived: send rates below the tick rate, and losses on the way down.
    pub snapshot_ms: f64,
    /// The other half.
    pub downlink_ms: f64,
    /// From the arrival of the state to its moment on the screen, where there is a screen.
    pub interpolation_ms: Option<f64>,
    /// All of these.
    pub sum_ms: f64,
    /// The whole as it was measured, mean.
    pub mean_ms: f64,
    /// Inputs that it was measured with.
    pub samples: u64,
}

impl BudgetParts {
    /// The parts by name, in their order; those that are known.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, f64)> {
        let parts = [
            ("sampling", Some(self.sampling_ms)),
            ("uplink", Some(self.uplink_ms)),
            ("margin", Some(self.margin_ms)),
            ("tick", self.tick_ms),
            ("snapshot", Some(self.snapshot_ms)),
            ("downlink", Some(self.downlink_ms)),
            ("interpolation", self.interpolation_ms),
        ];
        parts.into_iter().filter_map(|(name, ms)| Some((name, ms?))).collect()
    }

    /// Takes the tick out of the links, in which it was.
    fn tell_tick(&mut self, tick_ms: f64) {
        let link_ms = self.uplink_ms + self.downlink_ms + self.tick_ms.unwrap_or_default();
        let tick_ms = tick_ms.min(link_ms);
        let half_ms = rounded((link_ms - tick_ms) / 2.0);
        (self.uplink_ms, self.downlink_ms, self.tick_ms) = (half_ms, half_ms, Some(rounded(tick_ms)));
        self.add_up();
    }

    fn add_up(&mut self) {
        self.sum_ms = rounded(self.list().iter().map(|(_, ms)| ms).sum());
    }
}

fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

impl Budget {
    /// The server says how long it is from the moment at which a tick should begin to its end; what was told before no longer
    /// counts.
    pub(crate) fn tell_tick(&mut self, tick_ms: f64) {
        let ways = [&mut self.input_to_ack, &mut self.input_to_visible];
        ways.into_iter().flatten().for_each(|way| way.tell_tick(tick_ms));
    }
}

/// A mean under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.add_all(value, 1);
    }

    /// Adds `count` values that add up to `sum`.
    pub(crate) fn add_all(&mut self, sum: f64, count: u64) {
        self.sum += sum;
        self.count += count;
    }

    fn merge(&mut self, other: Self) {
        self.add_all(other.sum, other.count);
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// What is measured of it, over all bots: microseconds, waits for snapshots in ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) rtt: Mean,
    pub(crate) sampling: Mean,
    pub(crate) margin: Mean,
    pub(crate) ack: Mean,
    pub(crate) ack_snapshot: Mean,
    pub(crate) visible: Mean,
    pub(crate) visible_snapshot: Mean,
    pub(crate) interpolation: Mean,
}

impl Sums {
    /// Adds what was measured on others.
    pub(crate) fn merge(&mut self, other: &Self) {
        // Each by its name, so that none is forgotten.
        let Self { rtt, sampling, margin, ack, ack_snapshot, visible, visible_snapshot, interpolation } = other;
        self.rtt.merge(*rtt);
        self.sampling.merge(*sampling);
        self.margin.merge(*margin);
        self.ack.merge(*ack);
        self.ack_snapshot.merge(*ack_snapshot);
        self.visible.merge(*visible);
        self.visible_snapshot.merge(*visible_snapshot);
        self.interpolation.merge(*interpolation);
    }

    /// The budget of a match of `tick_rate_hz`, behind a network of this one-way `latency`, if one was imitated.
    pub(crate) fn budget(&self, tick_rate_hz: Option<u32>, latency: Option<Micros>) -> Budget {
        let tick_ms = tick_rate_hz.map(|hz| 1e3 / f64::from(hz.max(1)));
        let rtt_ms = self.rtt.get().map(|us| us / 1e3);
        let rtt_net_ms = latency.map(|latency| 2.0 * latency.0 as f64 / 1e3);
        let ack = tick_ms.zip(rtt_ms).and_then(|(tick_ms, rtt_ms)| self.ack(tick_ms, rtt_ms));
        let visible = tick_ms.zip(ack).and_then(|(tick_ms, ack)| self.visible(tick_ms, &ack));
        Budget {
            press_ms: tick_ms.map(|ms| rounded(ms / 2.0)),
            input_to_ack: ack,
            input_to_visible: visible,
            rtt_ms: rtt_ms.map(rounded),
            rtt_net_ms,
            rtt_loops_ms: rtt_ms.zip(rtt_net_ms).map(|(all, net)| rounded(all - net)),
        }
    }

    fn ack(&self, tick_ms: f64, rtt_ms: f64) -> Option<BudgetParts> {
        let sampling_ms = (self.sampling.get()? / 1e3).min(rtt_ms);
        let link_ms = rounded((rtt_ms - sampling_ms) / 2.0);
        let mut parts = BudgetParts {
            sampling_ms: rounded(sampling_ms),
            uplink_ms: link_ms,
            margin_ms: rounded(self.margin.get()? / 1e3),
            tick_ms: None,
            snapshot_ms: rounded(self.ack_snapshot.get()? * tick_ms),
            downlink_ms: link_ms,
            interpolation_ms: None,
            sum_ms: 0.0,
            mean_ms: rounded(self.ack.get()? / 1e3),
            samples: self.ack.count,
        };
        parts.add_up();
        Some(parts)
    }

    fn visible(&self, tick_ms: f64, ack: &BudgetParts) -> Option<BudgetParts> {
        let mut parts = BudgetParts {
            snapshot_ms: rounded(self.visible_snapshot.get()? * tick_ms),
            interpolation_ms: Some(rounded(self.interpolation.get()? / 1e3)),
            mean_ms: rounded(self.visible.get()? / 1e3),
            samples: self.visible.count,
            ..*ack
        };
        parts.add_up();
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(value: f64) -> Mean {
        Mean { sum: 10.0 * value, count: 10 }
    }

    fn sums() -> Sums {
        Sums {
            rtt: mean(82_000.0),
            sampling: mean(100.0),
            margin: mean(5_000.0),
            ack: mean(87_000.0),
            ack_snapshot: mean(0.0),
            visible: mean(129_000.0),
            visible_snapshot: mean(0.5),
            interpolation: mean(32_000.0),
        }
    }

    #[test]
    fn the_tick_is_within_the_links_until_the_server_tells_it() {
        let mut budget = sums().budget(Some(50), Some(Micros::from_millis(40)));
        assert_eq!((budget.press_ms, budget.rtt_net_ms, budget.rtt_loops_ms), (Some(10.0), Some(80.0), Some(2.0)));
        let ack = budget.input_to_ack.expect("measured");
        assert_eq!((ack.uplink_ms, ack.margin_ms, ack.downlink_ms, ack.tick_ms), (40.95, 5.0, 40.95, None));
        assert_eq!((ack.sum_ms, ack.mean_ms, ack.samples), (87.0, 87.0, 10));
        for _ in 0..2 {
            budget.tell_tick(1.5);
            let ack = budget.input_to_ack.expect("measured");
            assert_eq!(
                (ack.uplink_ms, ack.tick_ms, ack.sum_ms),
                (40.2, Some(1.5), 87.0),
                "telling it again changes nothing"
            );
        }
    }

    #[test]
    fn the_way_to_the_screen_is_added_up_without_looking_at_its_whole() {
        let visible = sums().budget(Some(50), None).input_to_visible.expect("measured");
        assert_eq!((visible.snapshot_ms, visible.interpolation_ms), (10.0, Some(32.0)));
        assert_eq!((visible.sum_ms, visible.mean_ms), (129.0, 129.0));
        let slower = Sums { visible: mean(150_000.0), ..sums() };
        let visible = slower.budget(Some(50), None).input_to_visible.expect("measured");
        assert_eq!((visible.sum_ms, visible.mean_ms), (129.0, 150.0), "what does not agree is not hidden");
    }

    #[test]
    fn what_was_not_measured_has_no_budget() {
        let nothing = Sums::default().budget(Some(60), None);
        assert_eq!((nothing.input_to_ack, nothing.input_to_visible, nothing.rtt_ms), (None, None, None));
        let unseen = Sums { visible: Mean::default(), interpolation: Mean::default(), ..sums() };
        let unseen = unseen.budget(Some(60), None);
        assert!(unseen.input_to_ack.is_some() && unseen.input_to_visible.is_none());
    }
}
