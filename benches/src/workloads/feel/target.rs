//! What a link allows. Every figure that a line makes larger is held against a bound that is made of the line alone.

use downbeat_link::LinkSpec;

/// Milliseconds of a tick, and of the interval between two snapshots, at 60 Hz.
pub(super) const TICK_MS: f64 = 1_000.0 / 60.0;

/// The bounds of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Targets {
    /// The fewest whole ticks that an input (or a snapshot) must be waited for, so that a later datagram can bring what a
    /// lost one did not, until what is still missing is no more than `starved`.
    pub(super) wait_ticks: u32,
    /// Share of the server's ticks without their input, and of shown entities without their moment.
    pub(super) starved: f64,
    pub(super) input_to_ack_ms: f64,
    pub(super) delay_ms: f64,
}

impl Targets {
    pub(super) fn of(link: &LinkSpec) -> Self {
        let loss = f64::from(link.loss.millionths()) / 1e6;
        let starved = if loss <= 0.05 { 0.005 } else { 0.02 };
        let wait_ticks = (0..).find(|&ticks| residual(link, ticks) <= starved).expect("loss below one runs out");
        let wait_ms = f64::from(wait_ticks) * TICK_MS;
        let (latency_ms, jitter_ms) = (link.latency.0 as f64 / 1e3, link.jitter.0 as f64 / 1e3);
        // Uniform in ± jitter: 95 % come within 0.9 jitter of the mean, and within 1.9 jitter of the fastest. A round trip is
        // made of means; the delay of interpolation is counted from the fastest snapshots.
        let (beyond_mean_ms, beyond_fastest_ms) = (0.9 * jitter_ms, 1.9 * jitter_ms);
        Self {
            wait_ticks,
            starved,
            input_to_ack_ms: 2.0 * latency_ms + 2.5 * TICK_MS + beyond_mean_ms + wait_ms,
            delay_ms: 2.0 * TICK_MS + beyond_fastest_ms + wait_ms,
        }
    }
}

/// Share of inputs of which every copy is lost, when one is sent in each of `ticks` ticks after the first. A burst of mean
/// length b goes on with probability 1 - 1/b (Gilbert-Elliott).
fn residual(link: &LinkSpec, ticks: u32) -> f64 {
    let loss = f64::from(link.loss.millionths()) / 1e6;
    let goes_on = link.burst_thousandths.map_or(loss, |thousandths| 1.0 - 1e3 / f64::from(thousandths));
    loss * (0..ticks).map(|_| goes_on).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::feel::LINKS;

    #[test]
    fn the_rows_wait_as_long_as_their_loss_takes() {
        let waits = LINKS.map(|link| Targets::of(&link.parse().expect("it is a link")).wait_ticks);
        assert_eq!(waits, [0, 0, 1, 6, 2, 0]);
    }

    #[test]
    fn the_bounds_are_those_of_the_formulas() {
        let targets = Targets::of(&"latency=50ms,jitter=10ms,loss=2%".parse().expect("it is a link"));
        assert_eq!(targets.starved, 0.005);
        assert!((targets.input_to_ack_ms - (100.0 + 3.5 * TICK_MS + 9.0)).abs() < 1e-9, "{targets:?}");
        assert!((targets.delay_ms - (3.0 * TICK_MS + 19.0)).abs() < 1e-9, "{targets:?}");
    }
}
