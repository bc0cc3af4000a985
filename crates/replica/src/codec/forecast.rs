//! From the known states to where each field will be.
//!
//! Constant speed is within 1 % of any fixed rule, but the right share of speed and acceleration depends on the situation:
//! what falls accelerates, what slides stops, what collided does neither. So a [`Net`] gives each field its *drifts*: how
//! much more or less than the speed, how much of the acceleration, and a pull along each axis.

use crate::codec::history::{History, STATES};
use crate::codec::math::{self, Quat, size};
use crate::codec::net::Net;
use crate::codec::plan::{Form, PULLS, Part, Plan};

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
        self.features[0] = size(history.states[0].age as f32);
        for (part, course) in plan.parts.iter().zip(&mut self.courses) {
            let features = &mut self.features[part.feature..];
            match part.form {
                Form::Hold if part.is_switch() => features[0] = history.states[0].lanes[part.lanes.start] as f32 * 4.0,
                Form::Hold => {}
                Form::Quat => {
                    let (speed, accel, from) = turning(part, history, spans);
                    *course = Course { speed, accel, from };
                    let [head, axes @ ..] = features else { unreachable!("a plan counts its features") };
                    *head = size(norm(speed));
                    axes[0] = size(norm(accel));
                    for i in 0..3 {
                        axes[1 + 2 * i] = size(speed[i].abs());
                        axes[2 + 2 * i] = size(accel[i].abs());
                    }
                }
                Form::Linear | Form::Swept { .. } => {
                    let (speed, accel) = moving(part, history, spans);
                    (course.speed, course.accel) = (speed, accel);
                    features[0] = size(norm(speed));
                    features[1] = size(norm(accel));
                    for (i, features) in features[2..].chunks_exact_mut(5).take(part.axes()).enumerate() {
                        let (size_speed, size_accel) = (size(speed[i].abs()), size(accel[i].abs()));
                        features[0] = size_speed;
                        features[1] = size_accel;
                        features[2] = if speed[i] < 0.0 { -size_speed } else { size_speed };
                        features[3] = if accel[i] < 0.0 { -size_accel } else { size_accel };
                        features[4] = size(history.states[0].lanes[part.lanes.start + i] as f32);
                    }
                }
            }
        }
        Net::scale(&mut self.features);
    }

    /// Finds the drifts.
    pub(crate) fn drive(&mut self, plan: &Plan, net: &Net, situation: usize) {
        self.drifts.resize(net.stride, 0.0);
        if plan.drifts > 0 {
            net.outputs(&net.hidden(situation, &self.features), &mut self.drifts);
        }
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

/// The time until now in units of each interval.
fn spans(history: &History<'_>) -> [f32; STATES - 1] {
    let [s0, s1, s2] = history.states;
    [s0.age as f32 / (s1.age - s0.age) as f32, s0.age as f32 / (s2.age - s1.age) as f32]
}

#[inline]
fn moving(part: &Part, history: &History<'_>, spans: [f32; 2]) -> ([f32; 3], [f32; 3]) {
    let [s0, s1, s2] = history.states.map(|state| &state.lanes[part.lanes.clone()]);
    let along = |to: &[i32], from: &[i32], axis: usize, span: f32| match axis < to.len() && axis < from.len() {
        true => part.difference(to[axis], from[axis]) as f32 * span,
        false => 0.0,
    };
    let speed: [f32; 3] = std::array::from_fn(|axis| along(s0, s1, axis, spans[0]));
    (speed, std::array::from_fn(|axis| speed[axis] - along(s1, s2, axis, spans[1])))
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
