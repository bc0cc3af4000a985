//! What a walker does next is a property of the game, not of the codec.
//!
//! So a model is trained for a game, offline, and both ends hold the same bytes of it ([`crate::codec::Model`]). A kind
//! that was never trained has a model too: a plain guess of everything.

use crate::codec::bucket;
use crate::codec::history::STATES;
use crate::codec::net::Net;
use crate::codec::plan::Plan;
use crate::codec::record::Ask;
use crate::codec::table::{LEVELS, Tables};

/// The model of one kind, for readers who own its entities or for all others.
#[derive(Clone, Debug)]
pub struct KindModel {
    /// What it was trained for.
    pub(crate) plan: Plan,
    /// How much older than the newest known state those are that motion is taken from.
    pub(crate) lags: [u32; STATES - 1],
    /// Parts that change so often that no flag is spent on them.
    pub(crate) always: u64,
    /// For each part, by how much its misses spread more along its way than across it: the ratio of variances, less 1.
    pub(crate) along: Vec<f32>,
    /// Finds the drifts.
    pub(crate) drift: Net,
    /// Finds the scores before anything is coded.
    pub(crate) score: Net,
    /// `[slot][score.stride]`: what a slot's outcome does to the scores of later ones.
    pub(crate) outcome: Vec<f32>,
    /// `[slot][2]`: what a lane's own motion and acceleration do to its score.
    pub(crate) own: Vec<f32>,
    /// The tables that scores choose from.
    pub(crate) tables: Tables,
}

impl KindModel {
    /// For what was never trained: lanes go on at their speed, and scores follow from how unsteady each was.
    #[must_use]
    pub fn untrained(plan: Plan) -> Self {
        let slots = plan.slots();
        let mut score = Net::new(plan.features, slots);
        for (slot, &class) in plan.class.iter().enumerate() {
            score.bias[slot] = if plan.alphabet[class] == bucket::SYMBOLS { 1.0 } else { LEVELS as f32 / 2.0 };
        }
        let mut outcome = vec![0.0; slots * score.stride];
        for (slot, row) in outcome.chunks_exact_mut(score.stride).enumerate() {
            let lanes = (slot + 1..slots).filter(|&later| plan.class[later] == plan.class[slot]);
            lanes.for_each(|later| row[later] = 0.2);
        }
        let tables = Tables::new(&starting_shares(&plan));
        let drift = Net::new(plan.features, plan.drifts);
        let along = vec![0.0; plan.parts.len()];
        Self { lags: [1, 4], always: 0, along, drift, score, outcome, own: [0.2, 1.2].repeat(slots), tables, plan }
    }

    /// The level of a decision.
    #[inline]
    #[must_use]
    pub(crate) fn level(&self, ask: &Ask<'_>) -> usize {
        let own = &self.own[2 * ask.slot..][..2];
        Tables::level(ask.score + ask.own[0] * own[0] + ask.own[1] * own[1])
    }

    pub(crate) fn weights_mut(&mut self) -> [&mut Vec<f32>; 11] {
        let [a, b, c, d] = self.drift.weights_mut();
        let [e, f, g, h] = self.score.weights_mut();
        [&mut self.along, a, b, c, d, e, f, g, h, &mut self.outcome, &mut self.own]
    }

    /// How much older than the newest known state those are that motion is taken from: for
    /// [`History::pick`](crate::codec::History::pick).
    #[must_use]
    pub const fn lags(&self) -> [u32; STATES - 1] {
        self.lags
    }

    /// What it was made for.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Shares of symbols by level, before anything was counted: odds of a change from slim to sure, residuals of
/// growing scale.
#[must_use]
pub(crate) fn starting_shares(plan: &Plan) -> Vec<Vec<Vec<f32>>> {
    // Halves and exact arithmetic alone, so that untrained models are the same everywhere.
    let power = |steps: i32, quarter: f32| {
        let whole = (0..steps / 4).fold(1.0_f32, |x, _| x * 2.0);
        (0..steps % 4).fold(whole, |x, _| x * quarter)
    };
    let shares = |symbols: usize, level: usize| -> Vec<f32> {
        if symbols != bucket::SYMBOLS {
            let odds = power(level as i32 * 3, 1.189_207_1) / 512.0;
            return (0..symbols).map(|s| if s == 0 { 1.0 } else { odds / (symbols - 1) as f32 }).collect();
        }
        let scale = power(level as i32 * 2, 1.189_207_1) * 0.25;
        let share = |symbol: u8| {
            let bits = bucket::raw_bits(symbol).min(16);
            let width = (1_u32 << bits) as f32;
            let x = (bucket::join(symbol, 0).unsigned_abs().min(1 << 20) as f32 + (width - 1.0) * 0.5) / scale;
            width * (1.0 / ((1.0 + x * x) * (1.0 + x * x)) + 1e-6)
        };
        (0..symbols).map(|symbol| share(symbol as u8)).collect()
    };
    plan.alphabet.iter().map(|&symbols| (0..LEVELS).map(|level| shares(symbols, level)).collect()).collect()
}
