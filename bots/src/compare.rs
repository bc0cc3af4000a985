//! "It became slower" needs two runs that differ in nothing else, and a difference larger than what seconds of one run differ by.
//!
//! The spread of a figure is taken from the seconds of its run: twice the standard error of their mean, so that a difference
//! beyond both spreads (added as squares) is not chance in about 19 of 20 cases, as far as seconds are independent.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::progress::RunStage;
use crate::report::{Report, SCHEMA};
use crate::series::{SeriesRow, Spread};

/// By how much machines may differ, as the ratio of their times for sealing the same packet.
const REFERENCE_RATIO_MAX: f64 = 1.25;

/// Standard errors that a spread is.
const ERRORS: f64 = 2.0;

/// Fewer seconds than this say nothing of a spread.
const SECONDS_MIN: usize = 3;

/// What two runs differ in.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Why they cannot be compared; empty if they can.
    pub obstacles: Vec<String>,
    /// Figure by figure, of those that both have.
    pub rows: Vec<Difference>,
}

/// A figure of two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What it is, with its unit.
    pub name: &'static str,
    /// What it was, and what it is.
    pub values: [f64; 2],
    /// Their spreads in the same unit, where both runs have seconds to take them from.
    pub spreads: Option<[f64; 2]>,
    /// What became of it.
    pub change: Change,
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The difference is within the spread.
    Same,
    /// It is beyond it, for the better.
    Better,
    /// For the worse.
    Worse,
    /// Nothing is known of its spread.
    Unjudged,
}

/// A file that holds no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read `{}`: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is something else.
    #[error("`{}` is no report of bots: {why}; `bots` and `demo` write one with --report FILE", path.display())]
    NoReport {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Report {
    /// Reads what [`Report::write`] wrote.
    ///
    /// # Errors
    /// When there is no such file, or it holds something else.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let no_report = |why: String| ReadError::NoReport { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|error| ReadError::File { path: path.to_owned(), error })?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| no_report(error.to_string()))?;
        let schema = value.get("schema").and_then(serde_json::Value::as_str).map(str::to_owned);
        let Some(schema) = schema.filter(|schema| schema.starts_with(SCHEMA_NAME)) else {
            return Err(no_report(format!("its `schema` is not {SCHEMA}")));
        };
        match serde_json::from_value(value) {
            Ok(report) => Ok(report),
            // Of another version, the schema is all that is looked at.
            Err(_) if schema != SCHEMA => Ok(Self { schema, ..Self::default() }),
            Err(error) => Err(no_report(error.to_string())),
        }
    }
}

const SCHEMA_NAME: &str = "downbeat.report/";

/// Compares two runs.
#[must_use]
pub fn compare(old: &Report, new: &Report) -> Comparison {
    let rows = FIGURES.iter().filter_map(|figure| figure.difference(old, new)).collect();
    Comparison { obstacles: obstacles(old, new), rows }
}

impl Comparison {
    /// The exit code of a program that compared: 0, or 1 when the runs cannot be compared.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.obstacles.is_empty())
    }
}

fn obstacles(old: &Report, new: &Report) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            found.push(format!("{what}: {old} and {new}"));
        }
    };
    let rate = |rate: Option<u32>| rate.map_or("unknown".to_owned(), |rate| rate.to_string());
    differ("schema", old.schema.clone(), new.schema.clone());
    differ("game", old.game.clone(), new.game.clone());
    differ("brain", old.brain.clone(), new.brain.clone());
    differ("network", old.net.clone(), new.net.clone());
    let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
    differ("scenario", named(&old.scenario), named(&new.scenario));
    differ("share", named(&old.share), named(&new.share));
    differ("ticks per second", rate(old.tick_rate_hz), rate(new.tick_rate_hz));
    differ("snapshots per second", rate(old.send_rate_hz), rate(new.send_rate_hz));
    differ("clients", old.clients.asked.to_string(), new.clients.asked.to_string());
    let light = |report: &Report| report.light.map_or(0, |light| light.asked).to_string();
    differ("light clients", light(old), light(new));
    let hostile = |report: &Report| {
        report.hostile.as_ref().map_or("none".to_owned(), |hostile| format!("{} ({})", hostile.bots, hostile.kind))
    };
    differ("hostile bots", hostile(old), hostile(new));
    differ("profile", old.profile.clone(), new.profile.clone());
    if let (Some(a), Some(b)) = (old.reference_ns, new.reference_ns)
        && a.max(b) > REFERENCE_RATIO_MAX * a.min(b)
    {
        found.push(format!("machine: {a:.0} ns and {b:.0} ns to seal 1,200 bytes"));
    }
    for (which, report) in [("old", old), ("new", new)] {
        let faults = report.faults();
        if !faults.is_empty() {
            found.push(format!("the {which} run is invalid: {}", faults.join("; ")));
        }
    }
    found
}

/// A figure that runs are compared by.
struct Figure {
    name: &'static str,
    more_is_better: bool,
    of: fn(&Report) -> Option<f64>,
    /// The same in one second, with the number of bots that are not light.
    second: Option<fn(&SeriesRow, f64) -> Option<f64>>,
}

const fn figure(name: &'static str, of: fn(&Report) -> Option<f64>) -> Figure {
    Figure { name, more_is_better: false, of, second: None }
}

impl Figure {
    const fn by_second(self, second: fn(&SeriesRow, f64) -> Option<f64>) -> Self {
        Self { second: Some(second), ..self }
    }

    const fn more_is_better(self) -> Self {
        Self { more_is_better: true, ..self }
    }

    fn difference(&self, old: &Report, new: &Report) -> Option<Difference> {
        let values = [(self.of)(old)?, (self.of)(new)?];
        let spreads = self.spread(old).zip(self.spread(new)).map(|(old, new)| [old, new]);
        let by = if self.more_is_better { values[0] - values[1] } else { values[1] - values[0] };
        let change = match spreads {
            None => Change::Unjudged,
            Some([a, b]) if by * by <= a * a + b * b => Change::Same,
            Some(_) if by > 0.0 => Change::Worse,
            Some(_) => Change::Better,
        };
        Some(Difference { name: self.name, values, spreads, change })
    }

    fn spread(&self, report: &Report) -> Option<f64> {
        let second = self.second?;
        let bots = report.clients.connected as f64;
        let rows = report.series.rows.iter().filter(|row| row.stage == RunStage::Measuring);
        let seconds: Vec<f64> = rows.filter_map(|row| second(row, bots)).collect();
        if seconds.len() < SECONDS_MIN {
            return None;
        }
        let count = seconds.len() as f64;
        let mean = seconds.iter().sum::<f64>() / count;
        let variance = seconds.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0);
        Some(ERRORS * (variance / count).sqrt())
    }
}

fn p50(told: Option<Spread>) -> Option<f64> {
    told.map(|told| told.p50)
}

fn p99(told: Option<Spread>) -> Option<f64> {
    told.map(|told| told.p99)
}

const FIGURES: &[Figure] = &[
    figure("round trip p50, ms", |r| Some(r.rtt_ms?.p50)).by_second(|row, _| p50(row.rtt_ms)),
    figure("round trip p99, ms", |r| Some(r.rtt_ms?.p99)).by_second(|row, _| p99(row.rtt_ms)),
    figure("input to ack p50, ms", |r| Some(r.input_to_ack_ms?.p50)).by_second(|row, _| p50(row.input_to_ack_ms)),
    figure("input to ack p99, ms", |r| Some(r.input_to_ack_ms?.p99)).by_second(|row, _| p99(row.input_to_ack_ms)),
    figure("input to visible p50, ms", |r| Some(r.input_to_visible_ms?.p50))
        .by_second(|row, _| p50(row.input_to_visible_ms)),
    figure("input to visible p99, ms", |r| Some(r.input_to_visible_ms?.p99))
        .by_second(|row, _| p99(row.input_to_visible_ms)),
    figure("snapshots per client and second", |r| {
        (r.measured_seconds > 0.0 && r.clients.connected > 0)
            .then_some(r.snapshots.received? as f64 / r.measured_seconds / r.clients.connected as f64)
    })
    .by_second(|row, _| (row.clients > 0).then_some(row.snapshots_per_s / row.clients as f64))
    .more_is_better(),
    figure("starved, %", |r| Some(100.0 * r.interpolation.starved_ratio?))
        .by_second(|row, _| Some(100.0 * row.starved_ratio?)),
    figure("mispredictions per client and minute", |r| r.prediction.per_client_minute)
        .by_second(|row, bots| per_bot(60.0 * row.mispredictions as f64 / row.seconds, bots)),
    figure("down per client, bytes/s", |r| r.bandwidth.down_wire_bytes_per_client_s)
        .by_second(|row, bots| per_bot(row.down_bytes_per_s, bots)),
    figure("up per client, bytes/s", |r| r.bandwidth.up_wire_bytes_per_client_s)
        .by_second(|row, bots| per_bot(row.up_bytes_per_s, bots)),
    figure("input margin, ms", |r| Some(r.budget.input_to_ack?.margin_ms)),
    figure("interpolation wait, ms", |r| r.budget.input_to_visible?.interpolation_ms),
    figure("server tick work p50, us", |r| Some(r.tick_us?.p50)),
    figure("server tick work p99, us", |r| Some(r.tick_us?.p99)),
    figure("server CPU per client and tick, us", |r| r.server.cpu_us_per_client_tick),
    figure("bots late p99, us", |r| Some(r.bots.late_us?.p99)).by_second(|row, _| row.bots_late_us_p99),
    figure("bots CPU per bot and tick, us", |r| r.bots.cpu_us_per_bot_tick),
];

fn per_bot(all: f64, bots: f64) -> Option<f64> {
    (bots > 0.0 && all.is_finite()).then_some(all / bots)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.obstacles.is_empty() {
            writeln!(f, "NOT COMPARABLE, since the runs differ in more than what is asked, or one says nothing:")?;
            self.obstacles.iter().try_for_each(|why| writeln!(f, "  {why}"))?;
            writeln!(f)?;
        }
        writeln!(f, "{:40}{:>20}{:>20}{:>12}", "", "old", "new", "difference")?;
        for row in &self.rows {
            let [old, new] = row.values;
            let told = |i: usize| {
                let spread = row.spreads.map_or(String::new(), |spreads| format!(" ± {}", number(spreads[i])));
                format!("{}{spread}", number(row.values[i]))
            };
            let ratio = if old == 0.0 { String::new() } else { format!("{:+.1} %", 100.0 * (new / old - 1.0)) };
            let [told_old, told_new, by] = [told(0), told(1), signed(new - old)];
            // What is no comparison has no winner.
            let change = if self.obstacles.is_empty() { row.change.words() } else { "" };
            let line = format!("{:40}{told_old:>20}{told_new:>20}{by:>12}{ratio:>11}  {change}", row.name);
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f)?;
        write!(f, "± is twice the standard error of a run's seconds; `same` is a difference within both.")
    }
}

impl Change {
    const fn words(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Unjudged => "",
        }
    }
}

fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn signed(value: f64) -> String {
    let number = number(value);
    if value > 0.0 { format!("+{number}") } else { number }
}
