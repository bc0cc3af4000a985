//! Fits a model to recorded states, offline. First the drifts, so that predictions lie as near as they can; then,
//! with those, scores and tables together: each decision is priced by the two tables nearest to its score, and the
//! score goes where the price is lower.

mod cost;
mod draw;
mod game;
mod samples;
mod score;
mod tracks;
mod way;

pub use game::{Fit, fit};
pub use tracks::Tracks;

use samples::Samples;

use crate::codec::file::are_lags;
use crate::codec::history::History;
use crate::codec::model::KindModel;
use crate::codec::plan::Plan;

/// What became of an entity in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample<'a> {
    /// It has no record, but could have had one.
    Quiet,
    /// It has one, of this state.
    Told(&'a [i32]),
    /// As `Told`, but that it has one needs no word: it enters, or is a sleeper that wakes.
    Given(&'a [i32]),
}

impl<'a> Sample<'a> {
    /// The state, if there is a record.
    #[must_use]
    pub const fn state(self) -> Option<&'a [i32]> {
        match self {
            Self::Quiet => None,
            Self::Told(state) | Self::Given(state) => Some(state),
        }
    }
}

/// Recorded states, as often as they are asked for: each with what was known then.
pub trait Recording {
    /// Hands over every entity that a record was, or could have been, sent of.
    fn each(&self, lags: [u32; 2], visit: &mut dyn FnMut(&History<'_>, Sample<'_>));
    /// How many sleepers woke in a frame, and the gaps between them.
    fn wakes(&self) -> Vec<(u32, Vec<u32>)> {
        Vec::new()
    }
}

/// How long to train.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Passes over the samples for the drifts, and for the scores.
    pub passes: [usize; 2],
    /// Lags of the known states.
    pub lags: [u32; 2],
}

/// The model of `plan` for `recording`. The same each time, on any machine.
///
/// # Panics
/// When the lags do not ascend from at least 1 to at most [`MODEL_LAG_MAX`](crate::limits::MODEL_LAG_MAX).
#[must_use]
pub fn train(plan: Plan, recording: &dyn Recording, effort: Effort) -> KindModel {
    assert!(are_lags(effort.lags), "lags ascend from 1 to MODEL_LAG_MAX");
    let mut model = KindModel::untrained(plan);
    model.lags = effort.lags;
    model.always = always(&model.plan, recording, effort.lags);
    way::fit(&mut model, recording, effort.passes[0]);
    let mut samples = Samples::default();
    recording.each(effort.lags, &mut |history, sample| samples.push(&model, history, sample));
    score::fit(&mut model, &samples, &recording.wakes(), effort.passes[1]);
    model
}

/// Parts that change in nearly every record.
fn always(plan: &Plan, recording: &dyn Recording, lags: [u32; 2]) -> u64 {
    let (mut records, mut changes) = (0_u64, vec![0_u64; plan.parts.len()]);
    recording.each(lags, &mut |history, sample| {
        let Some(state) = sample.state() else { return };
        records += 1;
        for (part, changes) in plan.parts.iter().zip(&mut changes) {
            *changes += u64::from(state[part.lanes.clone()] != history.states[0].lanes[part.lanes.clone()]);
        }
    });
    let often = |(i, &count): (usize, &u64)| !plan.parts[i].is_switch && count * 100 >= records * 99;
    changes.iter().enumerate().filter(|&part| often(part)).map(|(i, _)| 1 << i).sum()
}

/// A small generator: training must come out the same each time.
#[derive(Debug)]
struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// In -1..1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    fn fill(&mut self, weights: &mut [f32], scale: f32) {
        weights.iter_mut().for_each(|weight| *weight = self.unit() * scale);
    }

    fn shuffle(&mut self, order: &mut [u32]) {
        for i in (1..order.len()).rev() {
            order.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}

/// Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2014), algorithm 1 with its default decay.
#[derive(Debug)]
struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    /// The decays to the power of the steps taken.
    powers: (f32, f32),
}

impl Default for Adam {
    fn default() -> Self {
        Self { mean: Vec::new(), square: Vec::new(), powers: (1.0, 1.0) }
    }
}

impl Adam {
    fn step(&mut self, weights: &mut [f32], gradient: &[f32], rate: f32) {
        self.mean.resize(weights.len(), 0.0);
        self.square.resize(weights.len(), 0.0);
        self.powers = (self.powers.0 * 0.9, self.powers.1 * 0.999);
        let (c1, c2) = (1.0 - self.powers.0, 1.0 - self.powers.1);
        for (i, weight) in weights.iter_mut().enumerate() {
            let g = gradient[i];
            self.mean[i] = 0.9 * self.mean[i] + 0.1 * g;
            self.square[i] = 0.999 * self.square[i] + 0.001 * g * g;
            *weight -= rate * (self.mean[i] / c1) / ((self.square[i] / c2).sqrt() + 1e-8);
        }
    }
}

/// Samples to a step.
const BATCH: usize = 64;
