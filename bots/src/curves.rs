//! Five percentiles are a few points of a distribution; whoever looks for a second hump needs all of it.

use serde::{Deserialize, Serialize};

use crate::percentiles::curve_percent;
use crate::tally::{Tally, US_PER_MS};

/// Distributions as curves: for each of `percent`, the value that so many per cent of the samples do not exceed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curves {
    /// Ascending from 0 to 100, denser towards the end: twelve to each further nine.
    pub percent: Vec<f64>,
    /// As [`Report::rtt_ms`](crate::Report::rtt_ms).
    pub rtt_ms: Option<Vec<f64>>,
    /// As [`Report::input_to_ack_ms`](crate::Report::input_to_ack_ms).
    pub input_to_ack_ms: Option<Vec<f64>>,
    /// As [`Report::input_to_visible_ms`](crate::Report::input_to_visible_ms).
    pub input_to_visible_ms: Option<Vec<f64>>,
    /// As [`Report::snapshot_interval_ms`](crate::Report::snapshot_interval_ms).
    pub snapshot_interval_ms: Option<Vec<f64>>,
    /// As [`Report::interpolation_delay_ms`](crate::Report::interpolation_delay_ms).
    pub interpolation_delay_ms: Option<Vec<f64>>,
    /// As [`Report::prediction_error_m`](crate::Report::prediction_error_m).
    pub prediction_error_m: Option<Vec<f64>>,
    /// As [`BotsFigures::late_us`](crate::report::BotsFigures::late_us).
    pub bots_late_us: Option<Vec<f64>>,
}

impl Curves {
    pub(crate) fn of(tally: &Tally) -> Self {
        Self {
            percent: curve_percent().map(|percent| (percent * 1e4).round() / 1e4).collect(),
            rtt_ms: tally.rtt.curve(US_PER_MS),
            input_to_ack_ms: tally.ack.curve(US_PER_MS),
            input_to_visible_ms: tally.visible.curve(US_PER_MS),
            snapshot_interval_ms: tally.interval.curve(US_PER_MS),
            interpolation_delay_ms: tally.delay.curve(US_PER_MS),
            prediction_error_m: tally.error.curve(1e6),
            bots_late_us: tally.late.curve(1.0),
        }
    }
}
