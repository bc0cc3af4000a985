//! Fits the drifts: where a part will be, given how it moved.

use super::{Adam, BATCH, Luck, Recording};
use crate::codec::forecast::{Course, drifts_of};
use crate::codec::math;
use crate::codec::model::KindModel;
use crate::codec::net::Net;
use crate::codec::plan::{Form, PULLS};
use crate::codec::record::{Lean, Walk};

/// Misses below this, in lane steps, hardly differ in price.
const FINE: f32 = 1.5;

struct Aims {
    features: Vec<f32>,
    situations: Vec<usize>,
    /// For each sample and part that moves: how it moved, and where it went.
    courses: Vec<(Course, [f32; 3])>,
}

pub(super) fn fit(model: &mut KindModel, recording: &dyn Recording, passes: usize) {
    let plan = &model.plan;
    let parts: Vec<usize> = (0..plan.parts.len()).filter(|&i| plan.parts[i].form != Form::Hold).collect();
    if parts.is_empty() || passes == 0 {
        return;
    }
    let aims = collect(model, recording, &parts);
    let mut luck = Luck(0x5eed);
    let mut net = Net::new(plan.features, plan.drifts);
    luck.fill(&mut net.input, 0.6 / (plan.features as f32).sqrt());
    luck.fill(&mut net.situation, 0.2);
    luck.fill(&mut net.output, 0.02);
    let mut gradient = Net::new(plan.features, plan.drifts);
    let mut adam: [Adam; 4] = Default::default();
    let mut order: Vec<u32> = (0..aims.situations.len() as u32).collect();
    let steps = (passes * order.len()).div_ceil(BATCH) as f32;
    let mut step = 0.0;
    let (mut drifts, mut slopes) = (vec![0.0; net.stride], vec![0.0; net.stride]);
    for _ in 0..passes {
        luck.shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            gradient.weights_mut().into_iter().for_each(|weights| weights.fill(0.0));
            for &i in batch {
                let i = i as usize;
                let features = &aims.features[i * plan.features..][..plan.features];
                let hidden = net.hidden(aims.situations[i], features);
                net.outputs(&hidden, &mut drifts);
                slopes.fill(0.0);
                for (&part, (course, went)) in parts.iter().zip(&aims.courses[i * parts.len()..]) {
                    let part = &plan.parts[part];
                    let way = course.way(drifts_of(&drifts, part));
                    for axis in 0..part.axes {
                        let miss = went[axis] - way[axis];
                        // Of the miss, in bits.
                        let slope = -miss / ((FINE + miss.abs()) * (FINE + miss.abs()));
                        let [speed, accel, pull] = course.slopes(axis);
                        slopes[part.drift] += (slope * speed).clamp(-4.0, 4.0);
                        slopes[part.drift + 1] += (slope * accel).clamp(-4.0, 4.0);
                        slopes[part.drift + PULLS + axis] += slope * pull;
                    }
                }
                gradient.learn(&net, aims.situations[i], features, &hidden, &slopes);
            }
            let rate = 0.003 * (1.0 - step / steps) + 0.000_03;
            for ((weights, gradient), adam) in net.weights_mut().into_iter().zip(gradient.weights_mut()).zip(&mut adam)
            {
                gradient.iter_mut().for_each(|g| *g /= BATCH as f32);
                adam.step(weights, gradient, rate);
            }
            step += 1.0;
        }
    }
    model.along = spreads(model, &net, &aims, &parts);
    model.drift = net;
}

/// Candidates for [`KindModel::along`].
const ALONG: [f32; 6] = [0.0, 0.25, 0.5, 1.0, 1.5, 2.5];

/// How much more misses spread along the way than across it: what makes them smallest when each axis learns from the
/// ones before.
fn spreads(model: &KindModel, net: &Net, aims: &Aims, parts: &[usize]) -> Vec<f32> {
    let plan = &model.plan;
    let mut spreads = vec![0.0; plan.parts.len()];
    let mut drifts = vec![0.0; net.stride];
    for (place, &part) in parts.iter().enumerate().filter(|(_, part)| plan.parts[**part].axes == 3) {
        let mut costs = [0.0_f64; ALONG.len()];
        for i in 0..aims.situations.len() {
            let features = &aims.features[i * plan.features..][..plan.features];
            net.outputs(&net.hidden(aims.situations[i], features), &mut drifts);
            let (course, went) = aims.courses[i * parts.len() + place];
            let way = course.way(drifts_of(&drifts, &plan.parts[part]));
            for (cost, along) in costs.iter_mut().zip(ALONG) {
                let mut lean = Lean::new(along);
                way.iter().for_each(|&way| lean.length(way));
                for axis in 0..3 {
                    let miss = went[axis] - way[axis] - lean.shift(way[axis]);
                    *cost += f64::from(libm::log2f(FINE + miss.abs()));
                    lean.missed(went[axis] - way[axis], way[axis]);
                }
            }
        }
        let best = (0..ALONG.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
        spreads[part] = ALONG[best];
    }
    spreads
}

fn collect(model: &KindModel, recording: &dyn Recording, parts: &[usize]) -> Aims {
    let mut aims = Aims { features: Vec::new(), situations: Vec::new(), courses: Vec::new() };
    let mut walk = Walk::default();
    recording.each(model.lags, &mut |history, sample| {
        let Some(state) = sample.state() else { return };
        walk.begin(model, history);
        aims.features.extend_from_slice(&walk.forecast().features);
        aims.situations.push(history.situation());
        let base = history.states[0].lanes;
        for &i in parts {
            let part = &model.plan.parts[i];
            let course = walk.forecast().course(&model.plan, i, history, state);
            let went = if part.form == Form::Quat {
                let now = math::quat(&state[part.lanes.clone()], part.max);
                math::half_turn(course.from, now).map(|x| x * part.max as f32)
            } else {
                let lane = |axis| part.lanes.start + axis;
                std::array::from_fn(|axis| match axis < part.axes {
                    true => part.difference(state[lane(axis)], base[lane(axis)]) as f32,
                    false => 0.0,
                })
            };
            aims.courses.push((course, went));
        }
    });
    aims
}
