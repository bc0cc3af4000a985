//! One link's figures: the median over the seeds and the worst, beside the target.

use downbeat_client::Mechanism;
use downbeat_link::LinkSpec;
use serde::Serialize;

use super::play::{Measured, Shots};
use super::target::Targets;
use crate::statistics::{median, rounded};

/// A figure of a row.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Figure {
    /// Where there is one for this row.
    pub(super) target: Option<f64>,
    /// Whether the median is within it.
    pub(super) held: Option<bool>,
    pub(super) median: f64,
    pub(super) worst: f64,
}

/// All figures of a link.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) link: String,
    /// What clients left off.
    pub(super) without: Option<String>,
    pub(super) wait_ticks: u32,
    pub(super) starved_ticks_percent: Figure,
    pub(super) input_to_ack_p50_ms: Figure,
    pub(super) interpolation_delay_p50_ms: Figure,
    /// The peeker's advantage.
    pub(super) input_to_visible_p50_ms: Figure,
    pub(super) starved_shown_percent: Figure,
    /// Of those who wander.
    pub(super) mispredictions: Figure,
    pub(super) corrections_per_client_minute: Figure,
    /// Deaths and respawns included.
    pub(super) corrections_all_per_client_minute: Figure,
    pub(super) jump_cm: Figure,
    /// `None` where nobody fired on such a view.
    pub(super) confirmed_within_percent: Option<Figure>,
    pub(super) confirmed_beyond_percent: Option<Figure>,
    /// Over all seeds: shots within the limit and beyond it, and those void because one of both had died.
    pub(super) shots_within: u64,
    pub(super) shots_beyond: u64,
    pub(super) shots_void: u64,
}

/// Which way a figure gets worse.
#[derive(Clone, Copy, PartialEq)]
enum Worse {
    Higher,
    Lower,
}

impl Row {
    /// The row of `link`, of all matches on it, in which clients left `without` off.
    pub(super) fn new(link: &LinkSpec, without: Option<Mechanism>, played: &[Measured]) -> Self {
        let targets = Targets::of(link);
        let is_third = *link == super::LINKS[2].parse().expect("it is a link");
        let fights: Vec<&Measured> = played.iter().filter(|measured| measured.of.brain == "fight").collect();
        let wanders: Vec<&Measured> = played.iter().filter(|measured| measured.of.brain == "wander").collect();
        let figure = |of: fn(&Measured) -> f64, target: Option<f64>| {
            Figure::new(fights.iter().map(|measured| of(measured)).collect(), target, Worse::Higher)
                .expect("there is a match")
        };
        let shots = |of: fn(&Measured) -> Shots, target: Option<f64>, worse| {
            let shares = fights.iter().filter_map(|measured| of(measured).confirmed_share());
            Figure::new(shares.map(|share| share * 100.0).collect(), target, worse)
        };
        let count = |of: fn(&Measured) -> u64| fights.iter().map(|measured| of(measured)).sum();
        let starved = Some(targets.starved * 100.0);
        Self {
            link: link.to_string(),
            without: without.map(|without| format!("{without:?}")),
            wait_ticks: targets.wait_ticks,
            starved_ticks_percent: figure(|of| of.starved_ticks * 100.0, starved),
            input_to_ack_p50_ms: figure(|of| of.input_to_ack_ms, Some(targets.input_to_ack_ms)),
            interpolation_delay_p50_ms: figure(|of| of.delay_ms, Some(targets.delay_ms)),
            input_to_visible_p50_ms: figure(|of| of.input_to_visible_ms, None),
            starved_shown_percent: figure(|of| of.starved_shown * 100.0, starved),
            mispredictions: Figure::new(
                wanders.iter().map(|measured| measured.mispredictions as f64).collect(),
                Some(0.0),
                Worse::Higher,
            )
            .expect("there is a match"),
            corrections_per_client_minute: figure(|of| of.corrections, is_third.then_some(3.0)),
            corrections_all_per_client_minute: figure(|of| of.corrections_all, None),
            jump_cm: figure(|of| of.jump_m * 100.0, Some(25.0)),
            confirmed_within_percent: shots(|of| of.within, is_third.then_some(99.0), Worse::Lower),
            confirmed_beyond_percent: shots(|of| of.beyond, Some(0.0), Worse::Higher),
            shots_within: count(|of| of.within.confirmed + of.within.missed),
            shots_beyond: count(|of| of.beyond.confirmed + of.beyond.missed),
            shots_void: count(|of| of.within.void + of.beyond.void),
        }
    }
}

impl Figure {
    /// `None` without values.
    fn new(values: Vec<f64>, target: Option<f64>, worse: Worse) -> Option<Self> {
        let worst = match worse {
            Worse::Higher => values.iter().copied().reduce(f64::max),
            Worse::Lower => values.iter().copied().reduce(f64::min),
        }?;
        let median = median(values);
        let held = target.map(|target| if worse == Worse::Higher { median <= target } else { median >= target });
        let [target, worst] = [target, Some(worst)].map(|value| value.map(|value| rounded(value, 3)));
        Some(Self { target, held, median: rounded(median, 3), worst: worst? })
    }
}
