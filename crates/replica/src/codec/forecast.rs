//! From the known states to where each field will be.
//!
//! Constant speed is within 1 % of any fixed rule, but the right share of speed and acceleration depends on the situation:
//! what falls accelerates, what slides stops, what collided does neither. So a [`Net`] gives each field its *drifts*: how
//! much more or less than the speed, how much of the acceleration, and a pull along each axis.

use crate::codec::history::{History, STATES};
use crate::codec::math::{self, Quat, size};
use crate::codec::net::{FEATURE_SCALE, Net};
use crate::codec::plan::{DRIFTS, Form, PULLS, Part, Plan};

/// What a pull of 1 moves, in lane steps.
const PULL: f32 = 4.0;

/// How a part moved, in lane steps over the time until now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    /// At the speed of the newest interval.
    pub speed: [f32; 3],
    /// How much that is more than at the speed of the interval before.
    pub accel: [f32; 3],
    /// The newest known rotation.
    pub from: Quat,
}

impl Course {
    /// The way the part takes along `axis` under these drifts.
    #[inline]
    #[must_use]
    pub(crate) fn along(&self, axis: usize, drifts: &[f32]) -> f32 {
        self.speed[axis] * (1.0 + drifts[0]) + self.accel[axis] * drifts[1] + drifts[PULLS + axis] * PULL
    }

    /// The way along all axes.
    #[inline]
    #[must_use]
    pub(crate) fn way(&self, drifts: &[f32]) -> [f32; 3] {
        std::array::from_fn(|axis| self.along(axis, drifts))
    }

    /// What [`Self::way`] changes by along `axis` with each drift.
    #[must_use]
    pub(crate) fn slopes(&self, axis: usize) -> [f32; 3] {
        [self.speed[axis], self.accel[axis], PULL]
    }
}

/// All that follows from the known states alone. Made once, used for entity after entity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forecast {
    /// Scaled for [`Net`].
    pub features: Vec<f32>,
    /// See [`Course::way`].
    pub drifts: Vec<f32>,
    /// One for each part.
    pub courses: Vec<Course>,
}

impl Forecast {
    /// Looks at the known states.
    pub(crate) fn look(&mut self, plan: &Plan, history: &History<'_>) {
        self.features.resize(plan.features, 0.0);
        self.courses.resize(plan.parts.len(), Course::default());
        let spans = spans(history);
        let newest = history.states[0];
        self.features[0] = scaled(newest.age as f32);
        for (part, course) in plan.parts.iter().zip(&mut self.courses) {
            let features = &mut self.features[part.feature..];
            match part.form {
                Form::Hold if part.is_switch => features[0] = newest.lanes[part.lanes.start] as f32,
                Form::Hold => {}
                Form::Quat => {
                    let (speed, accel, from) = turning(part, history, spans);
                    *course = Course { speed, accel, from };
                    let [speeds, accels] = sizes(speed, accel);
                    let axis = |i: usize| [speeds[i], accels[i]];
                    let [a, b, c, d] = [axis(3), axis(0), axis(1), axis(2)];
                    features[..8].copy_from_slice(&[a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]);
                }
                Form::Linear | Form::Swept { .. } if part.axes == 3 => {
                    let [s0, s1, s2] = history.states.map(|state| lanes_of::<3>(part, state.lanes));
                    let (speed, accel) = moving(part, [s0, s1, s2], spans);
                    (course.speed, course.accel) = (speed, accel);
                    let [speeds, accels] = sizes(speed, accel);
                    let places = s0.map(|place| scaled(place as f32));
                    (features[0], features[1]) = (speeds[3], accels[3]);
                    for (i, features) in features[2..].as_chunks_mut().0.iter_mut().take(3).enumerate() {
                        *features = axis(speed[i], accel[i], speeds[i], accels[i], places[i]);
                    }
                }
                Form::Linear | Form::Swept { .. } => {
                    (course.speed, course.accel) = ([0.0; 3], [0.0; 3]);
                    for i in 0..part.axes {
                        let lane = part.lanes.start + i;
                        let states = history.states.map(|state| [state.lanes[lane]]);
                        let ([speed], [accel]) = moving(part, states, spans);
                        (course.speed[i], course.accel[i]) = (speed, accel);
                        let sizes = (scaled(speed.abs()), scaled(accel.abs()));
                        // Of one axis alone these are the norms, too.
                        (features[0], features[1]) = sizes;
                        let place = scaled(newest.lanes[lane] as f32);
                        features[2 + 5 * i..][..5].copy_from_slice(&axis(speed, accel, sizes.0, sizes.1, place));
                    }
                    if part.axes > 1 {
                        (features[0], features[1]) = (scaled(norm(course.speed)), scaled(norm(course.accel)));
                    }
                }
            }
        }
    }

    /// Finds the drifts.
    pub(crate) fn drive(&mut self, plan: &Plan, net: &Net, situation: usize) {
        self.drifts.resize(net.stride, 0.0);
        if plan.drifts > 0 {
            net.outputs(&net.hidden(situation, &self.features), &mut self.drifts);
        }
    }

    /// The drifts of a part that moves.
    #[inline]
    #[must_use]
    pub(crate) fn drifts(&self, part: &Part) -> &[f32; DRIFTS] {
        drifts_of(&self.drifts, part)
    }

    /// How part `i` moved, seen from the heading that `state` has by now.
    #[inline]
    #[must_use]
    pub(crate) fn course(&self, plan: &Plan, i: usize, history: &History<'_>, state: &[i32]) -> Course {
        match plan.parts[i].form {
            Form::Swept { heading } => swept(plan, self.courses[i], heading, history, state),
            _ => self.courses[i],
        }
    }
}

/// Those of a part that moves.
#[inline]
#[must_use]
pub(crate) fn drifts_of<'a>(drifts: &'a [f32], part: &Part) -> &'a [f32; DRIFTS] {
    drifts[part.drift..].first_chunk().expect("a part that moves has drifts")
}

/// The time until now in units of each interval.
fn spans(history: &History<'_>) -> [f32; STATES - 1] {
    let [s0, s1, s2] = history.states;
    [s0.age as f32 / (s1.age - s0.age) as f32, s0.age as f32 / (s2.age - s1.age) as f32]
}

/// [`size`], on the scale of features.
#[inline]
fn scaled(x: f32) -> f32 {
    size(x) * FEATURE_SCALE
}

/// Scaled sizes of speed and acceleration: of each axis, then of the norm. All at once, so that they are vectors.
#[inline]
fn sizes(speed: [f32; 3], accel: [f32; 3]) -> [[f32; 4]; 2] {
    let with_norm = |v: [f32; 3]| [v[0].abs(), v[1].abs(), v[2].abs(), norm(v)];
    [speed, accel].map(|v| with_norm(v).map(scaled))
}

/// The features of an axis.
#[inline]
fn axis(speed: f32, accel: f32, size_speed: f32, size_accel: f32, place: f32) -> [f32; 5] {
    let along = |way: f32, size: f32| if way < 0.0 { -size } else { size };
    [size_speed, size_accel, along(speed, size_speed), along(accel, size_accel), place]
}

#[inline]
fn lanes_of<const N: usize>(part: &Part, lanes: &[i32]) -> [i32; N] {
    *lanes[part.lanes.start..].first_chunk().expect("a state has the lanes of its kind")
}

#[inline]
fn moving<const N: usize>(part: &Part, [s0, s1, s2]: [[i32; N]; STATES], spans: [f32; 2]) -> ([f32; N], [f32; N]) {
    let along = |to: [i32; N], from: [i32; N], span: f32| {
        std::array::from_fn(|i| part.difference(to[i], from[i]) as f32 * span)
    };
    let (speed, before): ([f32; N], [f32; N]) = (along(s0, s1, spans[0]), along(s1, s2, spans[1]));
    (speed, std::array::from_fn(|i| speed[i] - before[i]))
}

#[inline]
fn turning(part: &Part, history: &History<'_>, spans: [f32; 2]) -> ([f32; 3], [f32; 3], Quat) {
    let [q0, q1, q2] = history.states.map(|state| math::quat(&state.lanes[part.lanes.clone()], part.max));
    let scale = part.max as f32;
    let speed = math::half_turn(q1, q0).map(|x| x * spans[0] * scale);
    let before = math::half_turn(q2, q1).map(|x| x * spans[1] * scale);
    (speed, std::array::from_fn(|i| speed[i] - before[i]), q0)
}

/// Turns the way of each known interval from the heading it was gone at to the one between the newest and now.
fn swept(plan: &Plan, course: Course, heading: usize, history: &History<'_>, state: &[i32]) -> Course {
    let Some(part) = plan.parts.iter().find(|part| part.lanes.start == heading) else { return course };
    let radians = std::f32::consts::TAU / (part.max as f32 + 1.0);
    let [s0, s1, s2] = history.states;
    // Whoever walks turns first, then steps: of `n` turns the steps see (n + 1) / 2 on average.
    let seen = |by: i32, ticks: u32| by as f32 * ((ticks + 1) as f32 / (2 * ticks) as f32);
    let back = |from: i32, to: i32, ticks: u32| {
        let by = part.difference(to, from);
        by as f32 - seen(by, ticks)
    };
    let (h, h0, h1, h2) = (state[heading], s0.lanes[heading], s1.lanes[heading], s2.lanes[heading]);
    let on = seen(part.difference(h, h0), s0.age);
    let newest = on + back(h1, h0, s1.age - s0.age);
    let before = on + part.difference(h0, h1) as f32 + back(h2, h1, s2.age - s1.age);
    let turned = |way: [f32; 3], by: f32| {
        let (sin, cos) = math::sin_cos(by * radians);
        [way[0] * cos + way[2] * sin, way[1], way[2] * cos - way[0] * sin]
    };
    let earlier = std::array::from_fn(|i| course.speed[i] - course.accel[i]);
    let (speed, earlier) = (turned(course.speed, newest), turned(earlier, before));
    Course { speed, accel: std::array::from_fn(|i| speed[i] - earlier[i]), from: course.from }
}

#[inline]
fn norm(v: [f32; 3]) -> f32 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}
