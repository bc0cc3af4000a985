//! Snapshots tell an entity at some moments; screens and rewound shots need it at others. Both ends compute what lies
//! between here, from the same lanes, so that what a shooter saw is what the server tests.

use glam::{Quat, Vec3};

use crate::LaneReader;
use crate::limits::{JUMP_M, JUMP_TIMES_SPEED};
use crate::schema::{Field, Kind, Repr, Role};
use crate::value::{Spec, Value, octahedral, smallest_three};

/// Two states of one entity and the time between them. All lanes are in the room's units.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    /// The entity's table.
    pub kind: &'a Kind,
    /// The earlier state.
    pub from: &'a [i32],
    /// The later one; both have the table's lanes.
    pub to: &'a [i32],
    /// Seconds from the one to the other.
    pub seconds: f64,
}

impl Between<'_> {
    /// Writes the state at `t`, as whole lanes and fractions. 0 is `from`, 1 is `to`; beyond 1 it moves on as it moved last.
    ///
    /// - A position follows a cubic Hermite curve where the kind tells a velocity. Where the velocities do not explain the
    ///   way, something happened in between, such as a wall: the tangents are then limited so that the curve is monotone in
    ///   each axis (Fritsch and Carlson, "Monotone piecewise cubic interpolation", 1980) and does not swing through it.
    ///   Without a velocity it goes straight.
    /// - Rotations and unit vectors turn evenly the short way (Shoemake, "Animating rotation with quaternion curves", 1985),
    ///   angles too.
    /// - Other reals go straight; what is discrete changes at `to`.
    /// - Who [jumped](Self::jumps) is at `from` until it is at `to`.
    ///
    /// Beyond `to` only the position moves on.
    pub fn at(&self, t: f32, lanes: &mut Vec<i32>, fractions: &mut Vec<f32>) {
        lanes.clear();
        fractions.clear();
        lanes.extend_from_slice(if t < 1.0 { self.from } else { self.to });
        fractions.resize(lanes.len(), 0.0);
        if t <= 0.0 || t == 1.0 {
            return;
        }
        let motion = self.motion();
        if motion.as_ref().is_some_and(|motion| motion.jumps(self.seconds)) {
            return;
        }
        let t = f64::from(t);
        for field in self.kind.fields.iter().filter(|field| !field.discrete) {
            match &motion {
                Some(motion) if field.role == Role::Position => self.move_on((field, motion), t, lanes, fractions),
                None if field.role == Role::Position => self.go_straight(field, t, lanes, fractions),
                _ if t < 1.0 => self.blend(field, t, lanes, fractions),
                _ => {}
            }
        }
    }

    /// Whether the entity was moved rather than that it moved: much farther than its velocities explain. A kind without
    /// a velocity never does, as far as anybody can tell.
    #[must_use]
    pub fn jumps(&self) -> bool {
        self.motion().is_some_and(|motion| motion.jumps(self.seconds))
    }

    /// How it moves, if the kind has both a position and a velocity and they have the same axes.
    fn motion(&self) -> Option<Motion> {
        let position = self.kind.field_with(Role::Position)?;
        let velocity = self.kind.field_with(Role::Velocity)?;
        let (Repr::Linear { step, .. }, Repr::Linear { step: speed_step, .. }) = (position.repr, velocity.repr) else {
            return None;
        };
        (position.lanes.len() == velocity.lanes.len()).then(|| Motion {
            step,
            speed_step,
            way: position.reals(self.to) - position.reals(self.from),
            start: velocity.reals(self.from),
            end: velocity.reals(self.to),
        })
    }

    fn go_straight(&self, field: &Field, t: f64, lanes: &mut [i32], fractions: &mut [f32]) {
        for i in field.lanes.clone() {
            let (from, to) = (f64::from(self.from[i]), f64::from(self.to[i]));
            let exact = from + (to - from) * t;
            put(exact.clamp(0.0, f64::from(self.kind.lanes[i].max)), i, lanes, fractions);
        }
    }

    fn move_on(&self, (field, motion): (&Field, &Motion), t: f64, lanes: &mut [i32], fractions: &mut [f32]) {
        let is_smooth = motion.is_smooth(self.seconds);
        for (axis, i) in field.lanes.clone().enumerate() {
            let (from, to) = (f64::from(self.from[i]), f64::from(self.to[i]));
            let slopes = motion.slopes(axis, self.seconds);
            let exact = match t < 1.0 {
                true if is_smooth => hermite(from, to, slopes, t),
                true => hermite(from, to, monotone(to - from, slopes), t),
                false => to + slopes.1 * (t - 1.0),
            };
            put(exact.clamp(0.0, f64::from(self.kind.lanes[i].max)), i, lanes, fractions);
        }
    }

    fn blend(&self, field: &Field, t: f64, lanes: &mut [i32], fractions: &mut [f32]) {
        let span = field.lanes.clone();
        let (from, to) = (&self.from[span.clone()], &self.to[span.clone()]);
        if from == to {
            return;
        }
        match field.repr {
            Repr::Quat { bits } => {
                let read = |lanes| read::<Quat>(bits, lanes).to_array().map(f64::from);
                let (from, mut to) = (read(from), read(to));
                if dot(from, to) < 0.0 {
                    to = to.map(|component| -component);
                }
                let (largest, others) = smallest_three(arc(from, to, t), bits);
                lanes[span.start] = largest as i32;
                span.skip(1).zip(others).for_each(|(i, exact)| put(exact, i, lanes, fractions));
            }
            Repr::Unit { bits } => {
                let read = |lanes| read::<Vec3>(bits, lanes).to_array().map(f64::from);
                let exact = octahedral(arc(read(from), read(to), t), bits);
                span.zip(exact).for_each(|(i, exact)| put(exact, i, lanes, fractions));
            }
            // Which of its lanes mean something differs from state to state.
            Repr::Optional if from[0] != to[0] || span.len() == OPTIONAL_QUAT_LANES => {}
            _ => span.for_each(|i| {
                let lane = &self.kind.lanes[i];
                let turn = i64::from(lane.max) + 1;
                let mut way = i64::from(self.to[i]) - i64::from(self.from[i]);
                if lane.wraps {
                    // The short way.
                    way += if way < -(turn / 2) { turn } else { 0 };
                    way -= if way >= turn - turn / 2 { turn } else { 0 };
                }
                let exact = f64::from(self.from[i]) + way as f64 * t;
                let turn = turn as f64;
                let within = match exact {
                    exact if lane.wraps && exact < 0.0 => exact + turn,
                    exact if lane.wraps && exact >= turn => exact - turn,
                    exact => exact,
                };
                put(within, i, lanes, fractions);
            }),
        }
    }
}

/// What an entity's position and velocity tell of its way.
#[derive(Debug)]
struct Motion {
    /// Distances of neighbouring values, in metres and in metres per second.
    step: f64,
    speed_step: f64,
    way: Vec3,
    start: Vec3,
    end: Vec3,
}

impl Motion {
    fn jumps(&self, seconds: f64) -> bool {
        let (start, end) = (f64::from(self.start.length()), f64::from(self.end.length()));
        f64::from(self.way.length()) > start.max(end) * seconds * JUMP_TIMES_SPEED + JUMP_M
    }

    /// Whether the way is that of an even acceleration from the one velocity to the other, as precisely as they are told.
    fn is_smooth(&self, seconds: f64) -> bool {
        let unexplained = self.way.distance((self.start + self.end) * (0.5 * seconds as f32));
        let speeds = f64::from(self.start.length() + self.end.length());
        f64::from(unexplained) <= (SMOOTH_SHARE * speeds + 2.0 * self.speed_step) * seconds
    }

    /// How fast the lane of this axis goes at both ends, in steps for all of the time.
    fn slopes(&self, axis: usize, seconds: f64) -> (f64, f64) {
        let slope = |velocity: Vec3| f64::from(velocity[axis]) * seconds / self.step;
        (slope(self.start), slope(self.end))
    }
}

/// A flag, the index of the largest component, and the three others.
const OPTIONAL_QUAT_LANES: usize = 5;

/// A way is smooth that differs from what the velocities explain by less than this share of them.
const SMOOTH_SHARE: f64 = 0.03;

/// The cubic from `from` to `to` with these slopes at its ends.
fn hermite(from: f64, to: f64, (start, end): (f64, f64), t: f64) -> f64 {
    let (t2, t3) = (t * t, t * t * t);
    from + (to - from) * (3.0 * t2 - 2.0 * t3) + start * (t3 - 2.0 * t2 + t) + end * (t3 - t2)
}

/// The slopes, cut so that the cubic over `way` is monotone: up to three times the mean slope it is, against it never.
fn monotone(way: f64, (start, end): (f64, f64)) -> (f64, f64) {
    let cut = |slope: f64| if slope * way > 0.0 { slope.abs().min(3.0 * way.abs()).copysign(way) } else { 0.0 };
    (cut(start), cut(end))
}

/// The point at `t` on the shorter arc between two unit vectors, at even speed.
fn arc<const N: usize>(from: [f64; N], to: [f64; N], t: f64) -> [f64; N] {
    let angle = libm::acos(dot(from, to).clamp(-1.0, 1.0));
    let sine = libm::sin(angle);
    let (of_from, of_to) = match sine > 1e-6 {
        true => (libm::sin((1.0 - t) * angle) / sine, libm::sin(t * angle) / sine),
        // They are the same, or opposite and no arc is the shorter one.
        false => (f64::from(t < 0.5), f64::from(t >= 0.5)),
    };
    std::array::from_fn(|i| from[i] * of_from + to[i] * of_to)
}

fn dot<const N: usize>(a: [f64; N], b: [f64; N]) -> f64 {
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

fn read<V: Value>(bits: u8, lanes: &[i32]) -> V {
    V::take(&Spec { bits, ..Spec::PLAIN }, &mut LaneReader::new(lanes))
}

fn put(exact: f64, i: usize, lanes: &mut [i32], fractions: &mut [f32]) {
    lanes[i] = exact as i32;
    fractions[i] = (exact - f64::from(lanes[i])) as f32;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LaneWriter, Replicated};

    #[derive(Replicated, Clone, Debug, PartialEq)]
    struct Thing {
        #[field(position, range = -10.0..=10.0, step = 0.5)]
        position: Vec3,
        #[field(heading, bits = 8)]
        yaw: f32,
        #[field(range = 0..=9)]
        score: u8,
    }

    #[derive(Replicated, Clone, Debug, PartialEq)]
    struct Ball {
        #[field(position, range = -100.0..=100.0, step = 0.001)]
        position: Vec3,
        #[field(velocity, range = -50.0..=50.0, step = 0.001)]
        velocity: Vec3,
        #[field(bits = 14)]
        rotation: Quat,
        #[field(bits = 14)]
        nose: Vec3,
    }

    fn between<T: Replicated>(from: &T, to: &T, seconds: f64, t: f32) -> T {
        let kind = Kind::of::<T>("Thing");
        let lanes_of = |thing: &T| {
            let mut lanes = Vec::new();
            thing.write(&mut LaneWriter::new(&mut lanes));
            lanes
        };
        let (mut lanes, mut fractions) = (Vec::new(), Vec::new());
        let (from, to) = (&*lanes_of(from), &*lanes_of(to));
        Between { kind: &kind, from, to, seconds }.at(t, &mut lanes, &mut fractions);
        T::read(&mut LaneReader::between(&lanes, &fractions))
    }

    #[test]
    fn without_a_velocity_positions_go_straight_angles_the_short_way_and_counts_in_steps() {
        let turn = std::f32::consts::TAU;
        let a = Thing { position: Vec3::new(0.0, 1.0, 2.0), yaw: 0.4 * turn, score: 1 };
        let b = Thing { position: Vec3::new(1.0, 1.0, -2.0), yaw: -0.4 * turn, score: 2 };
        let half = between(&a, &b, 0.1, 0.5);
        assert!(half.position.distance(Vec3::new(0.5, 1.0, 0.0)) < 1e-5, "{half:?}");
        assert!((half.yaw.abs() - 0.5 * turn).abs() < 0.01 * turn, "across the seam, not through zero: {half:?}");
        assert_eq!(half.score, 1);
        let quarter = between(&a, &b, 0.1, 0.1);
        assert!((quarter.position.x - 0.1).abs() < 1e-5, "finer than a step: {quarter:?}");
        assert_eq!(between(&a, &b, 0.1, 1.0).score, 2);
        assert!((between(&a, &b, 0.1, 1.5).position.x - 1.5).abs() < 1e-5, "it goes on as it went");
    }

    /// A ball thrown up, `seconds` after the throw.
    fn thrown(seconds: f32) -> Ball {
        let velocity = Vec3::new(5.0, 8.0 - 9.81 * seconds, 0.0);
        let height = 8.0 * seconds - 0.5 * 9.81 * seconds * seconds;
        Ball {
            position: Vec3::new(5.0 * seconds, height, 0.0),
            velocity,
            rotation: Quat::from_rotation_y(3.0 * seconds),
            nose: Quat::from_rotation_y(3.0 * seconds) * Vec3::new(0.6, 0.0, -0.8),
        }
    }

    #[test]
    fn a_thrown_ball_is_shown_on_its_curve_turning_evenly() {
        for i in 0..=20 {
            let t = i as f32 / 20.0;
            let (from, to, truth) = (thrown(0.3), thrown(0.5), thrown(0.3 + 0.2 * t));
            let shown = between(&from, &to, 0.2, t);
            let error = shown.position.distance(truth.position);
            assert!(
                error < 0.004,
                "{error} m at {t}; straight it is {}",
                from.position.lerp(to.position, t).distance(truth.position)
            );
            assert!(shown.rotation.angle_between(truth.rotation) < 0.002, "{shown:?} {truth:?}");
            assert!(shown.nose.distance(truth.nose) < 0.002, "{shown:?} {truth:?}");
        }
        let on = between(&thrown(0.3), &thrown(0.4), 0.1, 1.5);
        assert!(
            on.position.distance(thrown(0.4).position + thrown(0.4).velocity * 0.05) < 0.002,
            "it flies on: {on:?}"
        );
    }

    #[test]
    fn who_runs_into_a_wall_is_not_shown_inside_it() {
        let mut from = thrown(0.0);
        (from.position, from.velocity) = (Vec3::new(9.0, 0.0, 0.0), Vec3::new(30.0, 0.0, 0.0));
        let mut to = from.clone();
        (to.position, to.velocity) = (Vec3::new(10.0, 0.0, 0.0), Vec3::new(-30.0, 0.0, 0.0));
        for i in 0..=50 {
            let x = between(&from, &to, 0.1, i as f32 / 50.0).position.x;
            assert!((9.0..=10.001).contains(&x), "{x}");
        }
    }

    #[test]
    fn who_is_moved_does_not_slide_there() {
        let from = thrown(0.0);
        let to = Ball { position: Vec3::new(30.0, 0.0, 0.0), ..thrown(0.0) };
        assert_eq!(between(&from, &to, 0.017, 0.9), between(&from, &from, 0.017, 0.0));
        assert_eq!(between(&from, &to, 0.017, 1.0), between(&to, &to, 0.017, 0.0));
    }

    #[test]
    fn a_rotation_turns_evenly_whatever_component_is_the_largest() {
        let at = |angle: f32| Ball { rotation: Quat::from_rotation_x(angle), ..thrown(0.0) };
        for start in 0..12 {
            let start = start as f32 * 0.5;
            for i in 0..=10 {
                let t = i as f32 / 10.0;
                let shown = between(&at(start), &at(start + 1.0), 0.1, t).rotation;
                let off = shown.angle_between(Quat::from_rotation_x(start + t));
                assert!(off < 0.003, "{off} at {start} + {t}");
            }
        }
    }
}
