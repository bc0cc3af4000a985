//! Fits scores and tables.

use super::samples::{Decision, Samples};
use super::{Adam, BATCH, Luck};
use crate::codec::bucket;
use crate::codec::model::{KindModel, starting_shares};
use crate::codec::net::{HIDDEN, Net, add};
use crate::codec::plan::{Plan, WAKES};
use crate::codec::table::{LEVELS, Tables};

type Shares = Vec<Vec<Vec<f32>>>;

/// Tables are recounted this often in a pass.
const RECOUNTS: usize = 4;

pub(super) fn fit(model: &mut KindModel, samples: &Samples, wakes: &[(u32, Vec<u32>)], passes: usize) {
    let plan = model.plan.clone();
    let mut luck = Luck(1);
    let mut shares = starting_shares(&plan);
    let mut counts: Shares = plan.alphabet.iter().map(|&symbols| vec![vec![0.0; symbols]; LEVELS]).collect();
    model.score = Net::new(plan.features, plan.slots());
    luck.fill(&mut model.score.input, 0.6 / (plan.features as f32).sqrt());
    luck.fill(&mut model.score.situation, 0.2);
    luck.fill(&mut model.score.output, 0.2);
    model.score.bias.fill(LEVELS as f32 / 3.0);
    model.outcome.fill(0.0);
    model.own.fill(0.0);
    let mut gradient = model.clone();
    let mut adam: [Adam; 6] = Default::default();
    let mut order: Vec<u32> = (0..samples.len() as u32).collect();
    let steps = (passes * order.len()).div_ceil(BATCH);
    let every = (order.len() / BATCH / RECOUNTS).max(20);
    let mut scores = vec![0.0; model.score.stride];
    let mut slopes = vec![0.0; model.score.stride];
    let mut step = 0;
    for _ in 0..passes {
        luck.shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            weights(&mut gradient).into_iter().for_each(|weights| weights.fill(0.0));
            for &i in batch {
                let (features, situation, decisions) = samples.get(i as usize);
                let hidden = model.score.hidden(situation, features);
                model.score.outputs(&hidden, &mut scores);
                slopes.fill(0.0);
                for decision in decisions {
                    price(model, decision, &mut scores, &mut slopes, &mut gradient, &shares, &mut counts);
                }
                blame(decisions, &slopes, &mut gradient);
                gradient.score.learn(&model.score, situation, features, &hidden, &slopes);
            }
            let rate = 0.01 * (1.0 - step as f32 / steps as f32) + 0.000_1;
            for ((weights, gradient), adam) in weights(model).into_iter().zip(weights(&mut gradient)).zip(&mut adam) {
                gradient.iter_mut().for_each(|g| *g /= BATCH as f32);
                adam.step(weights, gradient, rate);
            }
            step += 1;
            if step % every == 0 || step == steps {
                recount(&mut shares, &counts);
                counts.iter_mut().flatten().flatten().for_each(|count| *count *= 0.5);
            }
        }
    }
    count_final(model, samples, &mut shares);
    count_wakes(&plan, wakes, &mut shares);
    model.tables = Tables::new(&shares);
}

fn weights(model: &mut KindModel) -> [&mut Vec<f32>; 6] {
    let [_, _, _, _, _, weights @ ..] = model.weights_mut();
    weights
}

fn score_of(model: &KindModel, decision: &Decision, scores: &[f32]) -> f32 {
    let slot = usize::from(decision.slot);
    scores[slot] + decision.own[0] * model.own[2 * slot] + decision.own[1] * model.own[2 * slot + 1]
}

/// Prices a decision by the two tables next to its score; notes which way the score should go.
fn price(
    model: &KindModel,
    decision: &Decision,
    scores: &mut [f32],
    slopes: &mut [f32],
    gradient: &mut KindModel,
    shares: &Shares,
    counts: &mut Shares,
) {
    let (slot, symbol) = (usize::from(decision.slot), usize::from(decision.symbol));
    let score = score_of(model, decision, scores);
    let held = score.clamp(0.0, LEVELS as f32 - 1.001);
    let (level, part) = (held as usize, held - held.floor());
    let class = model.plan.class[slot];
    let (low, high) = (shares[class][level][symbol], shares[class][level + 1][symbol]);
    let share = low * (1.0 - part) + high * part;
    counts[class][level][symbol] += low * (1.0 - part) / share;
    counts[class][level + 1][symbol] += high * part / share;
    let slope = ((low - high) / share).clamp(-4.0, 4.0);
    // Beyond the ends only the way back counts.
    let stuck = (score < 0.0 && slope > 0.0) || (score > held + 0.01 && slope < 0.0);
    slopes[slot] = if stuck { 0.0 } else { slope };
    gradient.own[2 * slot] += slopes[slot] * decision.own[0];
    gradient.own[2 * slot + 1] += slopes[slot] * decision.own[1];
    tell(model, decision, scores);
}

/// Lets a decision's outcome move the scores of those behind it.
fn tell(model: &KindModel, decision: &Decision, scores: &mut [f32]) {
    if decision.outcome != 0.0 {
        let stride = model.score.stride;
        add(scores, decision.outcome, &model.outcome[usize::from(decision.slot) * stride..][..stride]);
    }
}

/// Hands slopes back to the outcomes that moved the scores.
fn blame(decisions: &[Decision], slopes: &[f32], gradient: &mut KindModel) {
    let stride = gradient.score.stride;
    for decision in decisions.iter().filter(|decision| decision.outcome != 0.0) {
        let slot = usize::from(decision.slot);
        let row = &mut gradient.outcome[slot * stride..][..stride];
        for (weight, slope) in row.iter_mut().zip(slopes).skip(slot + 1) {
            *weight += decision.outcome * slope;
        }
    }
}

/// The last tables: what is counted where scores really fall.
fn count_final(model: &KindModel, samples: &Samples, shares: &mut Shares) {
    let mut counts: Shares = model.plan.alphabet.iter().map(|&symbols| vec![vec![0.0; symbols]; LEVELS]).collect();
    let mut scores = vec![0.0; model.score.stride];
    for i in 0..samples.len() {
        let (features, situation, decisions) = samples.get(i);
        model.score.outputs(&model.score.hidden(situation, features), &mut scores);
        for decision in decisions {
            let level = Tables::level(score_of(model, decision, &scores));
            counts[model.plan.class[usize::from(decision.slot)]][level][usize::from(decision.symbol)] += 1.0;
            tell(model, decision, &mut scores);
        }
    }
    recount(shares, &counts);
}

fn recount(shares: &mut Shares, counts: &Shares) {
    for (shares, counts) in shares.iter_mut().zip(counts) {
        let symbols = counts[0].len();
        let mut all = vec![1.0 / symbols as f32; symbols];
        counts.iter().flatten().zip((0..symbols).cycle()).for_each(|(count, symbol)| all[symbol] += count);
        let total: f32 = all.iter().sum();
        for level in 0..LEVELS {
            // A little of the neighbours, and of everything.
            let near = |symbol: usize| {
                let below = if level > 0 { counts[level - 1][symbol] } else { 0.0 };
                let above = if level + 1 < LEVELS { counts[level + 1][symbol] } else { 0.0 };
                counts[level][symbol] + 0.02 * (below + above) + 2.0 * all[symbol] / total
            };
            let table: Vec<f32> = (0..symbols).map(near).collect();
            let sum: f32 = table.iter().sum();
            shares[level] = table.iter().map(|share| (share / sum).max(3e-5)).collect();
        }
    }
}

/// Gives an untrained model tables for sleepers.
pub(super) fn fit_wakes(untrained: &mut KindModel, wakes: &[(u32, Vec<u32>)]) {
    let mut shares = starting_shares(&untrained.plan);
    count_wakes(&untrained.plan, wakes, &mut shares);
    untrained.tables = Tables::new(&shares);
}

/// Level 0 has how many wake, level 1 the gaps. Where nobody ever slept, it stays a plain guess.
fn count_wakes(plan: &Plan, wakes: &[(u32, Vec<u32>)], shares: &mut Shares) {
    debug_assert_eq!(plan.alphabet[WAKES], bucket::SYMBOLS);
    if wakes.is_empty() {
        shares[WAKES] = starting_shares(plan).swap_remove(WAKES);
        return;
    }
    for (level, shares) in shares[WAKES].iter_mut().enumerate().take(2) {
        let mut table = vec![0.05_f32; bucket::SYMBOLS];
        for (count, gaps) in wakes {
            let mut note = |value: u32| table[usize::from(bucket::split(value as i32).0)] += 1.0;
            if level == 0 { note(*count) } else { gaps.iter().for_each(|&gap| note(gap)) }
        }
        *shares = table;
    }
}

impl Net {
    /// Adds to this gradient what one sample says: `slopes` are those of the outputs.
    pub(super) fn learn(
        &mut self,
        net: &Net,
        situation: usize,
        features: &[f32],
        hidden: &[f32; HIDDEN],
        slopes: &[f32],
    ) {
        let stride = net.stride;
        add(&mut self.bias, 1.0, slopes);
        let mut back = [0.0; HIDDEN];
        for (unit, &value) in hidden.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            back[unit] =
                net.output[unit * stride..][..stride].iter().zip(slopes).map(|(weight, slope)| weight * slope).sum();
            add(&mut self.output[unit * stride..][..stride], value, slopes);
        }
        add(&mut self.situation[situation * HIDDEN..][..HIDDEN], 1.0, &back);
        for (feature, row) in features.iter().zip(self.input.chunks_exact_mut(HIDDEN)) {
            add(row, *feature, &back);
        }
    }
}
