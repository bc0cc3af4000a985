//! An encoder and a decoder that are two texts will differ one day.
//!
//! So there is one: the walk over the slots of a record. Encoder, decoder and trainer take it alike and differ in [`Io`],
//! where decisions go to or come from. Each decision has a *score*: a guess of how large its outcome will be, from what is
//! known of the entity, moved by the outcomes of the slots before it. The score picks the table.

use std::f32::consts::SQRT_2;

use crate::codec::forecast::Forecast;
use crate::codec::history::History;
use crate::codec::model::KindModel;
use crate::codec::net::add;
use crate::codec::plan::{Form, PRESENCE, Part};
use crate::codec::{bucket, math};

/// A decision and all that it may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What is decided.
    pub(crate) slot: usize,
    /// The score without the lane's own part of it.
    pub(crate) score: f32,
    /// Size of the lane's own motion and acceleration.
    pub(crate) own: [f32; 2],
    /// What the slots before came to.
    pub(crate) outcomes: &'a [f32],
}

/// Where decisions go to, or come from.
pub trait Io {
    /// Why decisions may end.
    type Error;
    /// Takes `symbol`, or gives one.
    fn symbol(&mut self, model: &KindModel, ask: Ask<'_>, symbol: u8) -> Result<u8, Self::Error>;
    /// Takes so many bits of `value`, or gives some.
    fn raw(&mut self, value: u32, bits: u32) -> Result<u32, Self::Error>;
}

/// The work space of a walk.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    forecast: Forecast,
    scores: Vec<f32>,
    outcomes: Vec<f32>,
}

impl Walk {
    /// Begins the record of an entity of the model's kind.
    ///
    /// # Panics
    /// When the history is of another kind, with fewer lanes.
    pub fn begin(&mut self, model: &KindModel, history: &History<'_>) {
        let situation = history.situation();
        self.forecast.look(&model.plan, history);
        self.forecast.drive(&model.plan, &model.drift, situation);
        self.scores.resize(model.score.stride, 0.0);
        self.outcomes.clear();
        self.outcomes.resize(model.plan.slots(), 0.0);
        model.score.outputs(&model.score.hidden(situation, &self.forecast.features), &mut self.scores);
    }

    /// What was made of the known states.
    pub(crate) const fn forecast(&self) -> &Forecast {
        &self.forecast
    }

    /// Decides whether there is a record.
    ///
    /// # Errors
    /// Those of `io`.
    pub fn presence<I: Io>(&mut self, model: &KindModel, io: &mut I, present: bool) -> Result<bool, I::Error> {
        Ok(self.decide(model, io, PRESENCE, [0.0; 2], present.into())? != 0)
    }

    /// Decides the state, as the reader is told it. What is read replaces `state`: legal lanes, whatever the bytes. Lanes
    /// that are not told stay what they are.
    ///
    /// # Errors
    /// Those of `io`.
    pub fn body<I: Io>(
        &mut self,
        model: &KindModel,
        history: &History<'_>,
        io: &mut I,
        state: &mut [i32],
    ) -> Result<(), I::Error> {
        let base = history.states[0].lanes;
        let mut changed = 0_u64;
        for (i, part) in model.plan.parts.iter().enumerate() {
            let differs = if model.always >> i & 1 == 1 && !part.is_switch {
                true
            } else {
                let differs = differ(&state[part.lanes.clone()], &base[part.lanes.clone()]);
                let differs = self.decide(model, io, part.flag, [0.0; 2], differs.into())? != 0;
                self.outcome(model, part.flag, f32::from(differs));
                differs
            };
            changed |= u64::from(differs) << i;
        }
        for (i, part) in model.plan.parts.iter().enumerate() {
            if changed >> i & 1 == 0 {
                part.lanes.clone().for_each(|lane| state[lane] = base[lane]);
            } else if part.is_switch {
                state[part.lanes.start] = 1 - base[part.lanes.start].clamp(0, 1);
            } else if part.form == Form::Quat {
                self.rotation(model, i, io, state)?;
            } else {
                self.reals(model, i, history, io, state)?;
            }
        }
        Ok(())
    }

    fn reals<I: Io>(
        &mut self,
        model: &KindModel,
        i: usize,
        history: &History<'_>,
        io: &mut I,
        state: &mut [i32],
    ) -> Result<(), I::Error> {
        let (plan, part) = (&model.plan, &model.plan.parts[i]);
        let base = history.states[0].lanes;
        let mut moves = 0;
        if part.axes > 0 {
            moves = part.axes;
            let course = self.forecast.course(plan, i, history, state);
            let way = course.way(self.forecast.drifts(part));
            let mut lean = Lean::new(model.along[i]);
            if moves == 3 && model.along[i] != 0.0 {
                way.into_iter().for_each(|way| lean.length(way));
            }
            #[expect(
                clippy::needless_range_loop,
                reason = "an iterator takes 3 % more instructions of a walker's record"
            )]
            for axis in 0..moves {
                let (lane, motion) = (part.lanes.start + axis, way[axis]);
                let there = base[lane].wrapping_add(math::round(motion + lean.shift(motion)));
                let own = [math::size(motion.abs()), math::size(course.accel[axis].abs())];
                self.lane(
                    model,
                    part,
                    Guess { slot: part.slot + axis, lane, there, mirrored: motion < 0.0, own },
                    io,
                    state,
                )?;
                lean.missed(part.difference(state[lane], base[lane]) as f32 - motion, motion);
            }
        }
        for (slot, lane) in (part.slot..).zip(part.lanes.clone()).skip(moves) {
            self.lane(model, part, Guess { slot, lane, there: base[lane], mirrored: false, own: [0.0; 2] }, io, state)?;
        }
        Ok(())
    }

    /// The largest component as its rank among the predicted, then the others as they are predicted beside it.
    fn rotation<I: Io>(&mut self, model: &KindModel, i: usize, io: &mut I, state: &mut [i32]) -> Result<(), I::Error> {
        let part = &model.plan.parts[i];
        let course = &self.forecast.courses[i];
        let way = course.way(self.forecast.drifts(part));
        let from = course.from;
        let q = math::turn(from, way.map(|x| x / part.max as f32));
        let (ranks, lanes) = (math::ranked(&q), part.lanes.start);
        let rank = ranks.iter().position(|&component| component as i32 == state[lanes]).unwrap_or(0);
        let rank = self.decide(model, io, part.slot, [0.0; 2], rank as u8)?;
        self.outcome(model, part.slot, f32::from(rank.min(1)));
        let largest = ranks[usize::from(rank & 3)];
        state[lanes] = largest as i32;
        let half = part.max as f32 * 0.5;
        let lane_of = |q: &math::Quat, component: usize| {
            let sign = if q[largest] < 0.0 { -SQRT_2 } else { SQRT_2 };
            (q[component] * sign + 1.0) * half
        };
        let component = |axis: usize| if axis < largest { axis } else { axis + 1 };
        let mut lean = Lean::new(model.along[i]);
        (0..3).for_each(|axis| lean.length(lane_of(&q, component(axis)) - lane_of(&from, component(axis))));
        for axis in 0..3 {
            let component = component(axis);
            let there = lane_of(&q, component);
            let motion = there - lane_of(&from, component);
            let (slot, lane, own) = (part.slot + 1 + axis, lanes + 1 + axis, [math::size(motion.abs()), 0.0]);
            let leant = math::round(there + lean.shift(motion));
            let guess = Guess { slot, lane, there: leant, mirrored: motion < 0.0, own };
            self.lane(model, part, guess, io, state)?;
            lean.missed(state[lane] as f32 - there, motion);
        }
        Ok(())
    }

    /// A lane beside its guess. Residuals count along the motion, so that tables need not know its sign.
    #[inline(always)]
    fn lane<I: Io>(
        &mut self,
        model: &KindModel,
        part: &Part,
        guess: Guess,
        io: &mut I,
        state: &mut [i32],
    ) -> Result<(), I::Error> {
        let Guess { slot, lane, there, mirrored, own } = guess;
        let max = model.plan.max[lane];
        let there = part.held(there, max);
        let along = |residual: i32| if mirrored { residual.wrapping_neg() } else { residual };
        let (symbol, raw) = bucket::split(along(part.difference(state[lane], there)));
        let symbol = self.decide(model, io, slot, own, symbol)?;
        let residual = along(if symbol <= bucket::EXACT_SYMBOLS {
            bucket::exact(symbol)
        } else {
            bucket::join(symbol, io.raw(raw, bucket::raw_bits(symbol))?)
        });
        self.outcome(model, slot, math::size(residual.unsigned_abs() as f32));
        state[lane] = part.held(there.wrapping_add(residual), max);
        Ok(())
    }

    #[inline(always)]
    fn decide<I: Io>(
        &mut self,
        model: &KindModel,
        io: &mut I,
        slot: usize,
        own: [f32; 2],
        symbol: u8,
    ) -> Result<u8, I::Error> {
        io.symbol(model, Ask { slot, score: self.scores[slot], own, outcomes: &self.outcomes }, symbol)
    }

    #[inline]
    fn outcome(&mut self, model: &KindModel, slot: usize, outcome: f32) {
        if outcome != 0.0 {
            self.outcomes[slot] = outcome;
            let stride = model.score.stride;
            add(&mut self.scores, outcome, &model.outcome[slot * stride..][..stride]);
        }
    }
}

/// What a lane is expected to be.
#[derive(Clone, Copy, Debug)]
struct Guess {
    slot: usize,
    lane: usize,
    there: i32,
    /// Whether the motion is negative.
    mirrored: bool,
    /// See [`Ask::own`].
    own: [f32; 2],
}

/// What the misses of the lanes before say of the next one: if they lay along the way, it will miss likewise.
pub(crate) struct Lean {
    along: f32,
    /// Of misses and ways of the lanes before.
    product: f32,
    /// Of the whole way, and `along` times that of the lanes before.
    square: f32,
}

impl Lean {
    pub(crate) fn new(along: f32) -> Self {
        Self { along, product: 0.0, square: 1.0 }
    }

    /// The way has this part.
    #[inline]
    pub(crate) fn length(&mut self, way: f32) {
        self.square += way * way;
    }

    #[inline]
    pub(crate) fn shift(&self, way: f32) -> f32 {
        self.along * way * self.product / self.square
    }

    #[inline]
    pub(crate) fn missed(&mut self, by: f32, way: f32) {
        self.product += by * way;
        self.square += self.along * way * way;
    }
}

/// Whether two states differ: a few lanes, for which a call costs more than the comparison.
#[inline]
#[must_use]
pub fn differ(a: &[i32], b: &[i32]) -> bool {
    a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b)) != 0
}
