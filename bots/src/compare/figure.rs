//! The figures that runs are compared by, and what their seconds differ by.

use super::{Change, Difference};
use crate::progress::RunStage;
use crate::report::Report;
use crate::series::{SeriesRow, Spread};

/// Standard errors that a spread is.
const ERRORS: f64 = 2.0;

/// Fewer seconds than this say nothing of a spread.
const SECONDS_MIN: usize = 3;

/// A smaller part of a figure is of no relevance, however sure it is.
const RELEVANT_RATIO: f64 = 0.005;

/// A figure that runs are compared by.
pub(super) struct Figure {
    name: &'static str,
    more_is_better: bool,
    of: fn(&Report) -> Option<f64>,
    judged: Judged,
}

/// How a difference is judged.
enum Judged {
    /// Not at all: nothing is known of its spread.
    Not,
    /// It counts things of which each matters.
    Exactly,
    /// By what it was in each second, of so many clients, and by what is too little to matter, in its own unit: what clocks
    /// and loops cannot tell.
    BySecond(fn(&SeriesRow, &Crowd) -> Option<f64>, f64),
}

/// Who a row of a series is about.
pub(super) struct Crowd {
    /// Clients in the game, on average.
    all: f64,
    /// Those that are not light.
    full: f64,
}

impl Crowd {
    /// A report of a version that told no means has those who were there when the row ended.
    fn of(report: &Report, row: &SeriesRow) -> Self {
        let light = report.light.map_or(0, |light| light.connected) as f64;
        let all = row.clients_mean.unwrap_or(row.clients as f64);
        Self { all, full: all - row.light_mean.unwrap_or(light) }
    }
}

const fn figure(name: &'static str, of: fn(&Report) -> Option<f64>) -> Figure {
    Figure { name, more_is_better: false, of, judged: Judged::Not }
}

impl Figure {
    const fn by_second(self, second: fn(&SeriesRow, &Crowd) -> Option<f64>, least: f64) -> Self {
        Self { judged: Judged::BySecond(second, least), ..self }
    }

    const fn exactly(self) -> Self {
        Self { judged: Judged::Exactly, ..self }
    }

    const fn more_is_better(self) -> Self {
        Self { more_is_better: true, ..self }
    }

    pub(super) fn difference(&self, old: &Report, new: &Report) -> Option<Difference> {
        let values = [(self.of)(old)?, (self.of)(new)?];
        let spreads = self.spread(old).zip(self.spread(new)).map(|(old, new)| [old, new]);
        let by = if self.more_is_better { values[0] - values[1] } else { values[1] - values[0] };
        let is_chance = match (&self.judged, spreads) {
            (Judged::Exactly, _) => Some(by == 0.0),
            (Judged::BySecond(_, least), Some([a, b])) => {
                let irrelevant = least.max(RELEVANT_RATIO * values[0].abs());
                Some(by.abs() <= irrelevant || by * by <= a * a + b * b)
            }
            _ => None,
        };
        let change = match is_chance {
            None => Change::Unjudged,
            Some(true) => Change::Same,
            Some(false) if by > 0.0 => Change::Worse,
            Some(false) => Change::Better,
        };
        Some(Difference { name: self.name, values, spreads, change })
    }

    fn spread(&self, report: &Report) -> Option<f64> {
        let Judged::BySecond(second, _) = self.judged else { return None };
        let seconds: Vec<f64> =
            counted(report).filter_map(|row| second(row, &Crowd::of(report, row))).filter(|v| v.is_finite()).collect();
        if seconds.len() < SECONDS_MIN {
            return None;
        }
        let count = seconds.len() as f64;
        let mean = seconds.iter().sum::<f64>() / count;
        let variance = seconds.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0);
        Some(ERRORS * (variance / count).sqrt())
    }
}

/// The rows that the report's figures are about.
fn counted(report: &Report) -> impl Iterator<Item = &SeriesRow> {
    report.series.rows.iter().filter(|row| matches!(row.stage, RunStage::Measuring | RunStage::Attack))
}

/// Snapshots of all clients, light ones included: what the rows know, so that value and spread are about the same.
fn snapshots_per_client(report: &Report) -> Option<f64> {
    let sums = counted(report).fold((0.0, 0.0), |(snapshots, seconds), row| {
        (snapshots + row.snapshots_per_s * row.seconds, seconds + Crowd::of(report, row).all * row.seconds)
    });
    each(sums.0, sums.1)
}

fn p50(told: Option<Spread>) -> Option<f64> {
    told.map(|told| told.p50)
}

fn p99(told: Option<Spread>) -> Option<f64> {
    told.map(|told| told.p99)
}

fn each(all: f64, clients: f64) -> Option<f64> {
    (clients > 0.0).then_some(all / clients)
}

/// Milliseconds that a loop is late anyway, and so on: see [`Judged::BySecond`].
const LEAST_MS: f64 = 0.05;
const LEAST_US: f64 = 50.0;
const LEAST_PERCENT: f64 = 0.01;
const LEAST_PER_MINUTE: f64 = 0.1;
const LEAST_BYTES_PER_S: f64 = 1.0;
const LEAST_PER_S: f64 = 0.05;

pub(super) const FIGURES: &[Figure] = &[
    figure("did not get in", |r| {
        let light = r.light.unwrap_or_default();
        let missing = (r.clients.asked + light.asked).saturating_sub(r.clients.connected + light.connected);
        (r.clients.asked > 0).then_some(missing as f64)
    })
    .exactly(),
    figure("lost", |r| {
        (r.clients.asked > 0).then_some((r.clients.lost + r.light.map_or(0, |light| light.lost)) as f64)
    })
    .exactly(),
    figure("round trip p50, ms", |r| Some(r.rtt_ms?.p50)).by_second(|row, _| p50(row.rtt_ms), LEAST_MS),
    figure("round trip p99, ms", |r| Some(r.rtt_ms?.p99)).by_second(|row, _| p99(row.rtt_ms), LEAST_MS),
    figure("input to ack p50, ms", |r| Some(r.input_to_ack_ms?.p50))
        .by_second(|row, _| p50(row.input_to_ack_ms), LEAST_MS),
    figure("input to ack p99, ms", |r| Some(r.input_to_ack_ms?.p99))
        .by_second(|row, _| p99(row.input_to_ack_ms), LEAST_MS),
    figure("input to visible p50, ms", |r| Some(r.input_to_visible_ms?.p50))
        .by_second(|row, _| p50(row.input_to_visible_ms), LEAST_MS),
    figure("input to visible p99, ms", |r| Some(r.input_to_visible_ms?.p99))
        .by_second(|row, _| p99(row.input_to_visible_ms), LEAST_MS),
    figure("snapshots per client and second", snapshots_per_client)
        .by_second(|row, crowd| each(row.snapshots_per_s, crowd.all), LEAST_PER_S)
        .more_is_better(),
    figure("starved, %", |r| Some(100.0 * r.interpolation.starved_ratio?))
        .by_second(|row, _| Some(100.0 * row.starved_ratio?), LEAST_PERCENT),
    figure("mispredictions per client and minute", |r| r.prediction.per_client_minute)
        .by_second(|row, crowd| each(60.0 * row.mispredictions as f64 / row.seconds, crowd.full), LEAST_PER_MINUTE),
    figure("down per client, bytes/s", |r| r.bandwidth.down_wire_bytes_per_client_s)
        .by_second(|row, crowd| each(row.down_bytes_per_s, crowd.full), LEAST_BYTES_PER_S),
    figure("up per client, bytes/s", |r| r.bandwidth.up_wire_bytes_per_client_s)
        .by_second(|row, crowd| each(row.up_bytes_per_s, crowd.full), LEAST_BYTES_PER_S),
    figure("input margin, ms", |r| Some(r.budget.input_to_ack?.margin_ms)),
    figure("interpolation wait, ms", |r| r.budget.input_to_visible?.interpolation_ms),
    figure("server tick work p50, us", |r| Some(r.tick_us?.p50)),
    figure("server tick work p99, us", |r| Some(r.tick_us?.p99)),
    figure("server CPU per client and tick, us", |r| r.server.cpu_us_per_client_tick),
    figure("bots late p99, us", |r| Some(r.bots.late_us?.p99)).by_second(|row, _| row.bots_late_us_p99, LEAST_US),
    figure("bots CPU per bot and tick, us", |r| r.bots.cpu_us_per_bot_tick),
];
