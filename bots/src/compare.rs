//! "It became slower" needs two runs that differ in nothing else, and a difference larger than what seconds of one run differ by.
//!
//! The spread of a figure is taken from the seconds of its run: twice the standard error of their mean, so that a difference
//! beyond both spreads (added as squares) is not chance in about 19 of 20 cases, as far as seconds are independent. One that is
//! sure may still be too small to matter: see `figure`.

mod figure;
mod words;

use std::path::{Path, PathBuf};

use crate::report::{Ended, Report, SCHEMA, Verdict};

/// By how much machines may differ, as the ratio of their times for sealing the same packet.
const REFERENCE_RATIO_MAX: f64 = 1.25;

/// By how much the times that were measured may differ, as a ratio.
const MEASURED_RATIO_MAX: f64 = 1.05;

/// The exit code when a figure became worse and somebody wants to know.
const WORSE: u8 = 3;

/// What two runs differ in.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The old one and the new one.
    pub runs: [Run; 2],
    /// Why they cannot be compared; empty if they can.
    pub obstacles: Vec<String>,
    /// Figure by figure, of those that both have.
    pub rows: Vec<Difference>,
}

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The file of its report, where that is known.
    pub file: Option<String>,
    /// When it began, where the report says so: RFC 3339, in UTC.
    pub started_at: Option<String>,
    /// The version of Downbeat, likewise.
    pub version: Option<String>,
    /// What it was worth, in a word or two.
    pub verdict: &'static str,
    /// Why it ended, if not because its time was over.
    pub ended: Option<&'static str>,
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
    let rows = figure::FIGURES.iter().filter_map(|figure| figure.difference(old, new)).collect();
    Comparison { runs: [Run::of(old), Run::of(new)], obstacles: obstacles(old, new), rows }
}

impl Comparison {
    /// Says which files the reports are from.
    #[must_use]
    pub fn of_files(mut self, old: &Path, new: &Path) -> Self {
        for (run, path) in self.runs.iter_mut().zip([old, new]) {
            run.file = Some(path.display().to_string());
        }
        self
    }

    /// The exit code of a program that compared: 0, 1 when the runs cannot be compared, and, if `fail_on_worse`, 3 when a
    /// figure became worse.
    #[must_use]
    pub fn exit_code(&self, fail_on_worse: bool) -> u8 {
        let is_worse = self.rows.iter().any(|row| row.change == Change::Worse);
        match self.obstacles.is_empty() {
            false => 1,
            true if fail_on_worse && is_worse => WORSE,
            true => 0,
        }
    }

    /// Whether the run that is called old began after the other one.
    #[must_use]
    pub fn is_swapped(&self) -> bool {
        // Times of one zone and one form are in the order of their letters.
        let [old, new] = &self.runs;
        old.started_at.as_ref().zip(new.started_at.as_ref()).is_some_and(|(old, new)| old > new)
    }
}

impl Run {
    fn of(report: &Report) -> Self {
        Self {
            file: None,
            started_at: report.started_at.clone(),
            version: report.version.clone(),
            verdict: verdict_words(&report.verdict()),
            ended: (report.ended != Ended::Time).then(|| ended_words(report.ended)),
        }
    }
}

const fn verdict_words(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Served => "SERVED",
        Verdict::NotServed(_) => "NOT SERVED",
        Verdict::GatesFailed(_) => "GATES FAILED",
        Verdict::Invalid(_) => "INVALID",
    }
}

/// How a run ended, for people.
const fn ended_words(ended: Ended) -> &'static str {
    match ended {
        Ended::Time => "its time was over",
        Ended::Stopped => "it was stopped",
        Ended::AllLost => "all clients were lost",
        Ended::TooManyLost => "too many clients were lost",
    }
}

fn obstacles(old: &Report, new: &Report) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        let told = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
        if old != new {
            found.push(format!("{what}: {} and {}", told(old), told(new)));
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
    differ("end", ended_words(old.ended).to_owned(), ended_words(new.ended).to_owned());
    let (a, b) = (old.measured_seconds, new.measured_seconds);
    if a.max(b) > MEASURED_RATIO_MAX * a.min(b) {
        found.push(format!("measured: {a:.1} s and {b:.1} s"));
    }
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
