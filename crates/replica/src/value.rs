//! Values that fields can have, and how each becomes lanes: writing beside reading.
//!
//! All arithmetic is IEEE 754 double precision without fused operations, so that both ends compute the same bits.

use std::ops::RangeInclusive;

use glam::{Quat, Vec2, Vec3};

use crate::schema::{Kind, Lane, Repr};
use crate::shape::{ANGLE_BITS, EMPTY, QUAT_BITS, TOO_FINE, UNIT_BITS};
use crate::{EntityId, LaneReader, LaneWriter, PlayerId};

/// What a field's attributes say about its precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Smallest value that must be told.
    pub min: f64,
    /// Largest value that must be told.
    pub max: f64,
    /// Distance of neighbouring values (reals).
    pub step: f64,
    /// Bits of an angle, or of each component of a unit vector or rotation; 0 where it does not apply.
    pub bits: u8,
    /// Further bits of precision for the owner: its step is `step / 2^owner_bits`.
    pub owner_bits: u8,
}

impl Spec {
    /// What a field without attributes has: type limits, no step.
    pub const PLAIN: Self = Self { min: f64::NEG_INFINITY, max: f64::INFINITY, step: 0.0, bits: 0, owner_bits: 0 };

    fn fine_step(&self) -> f64 {
        // More bits are refused with the schema.
        self.step / f64::from(1_u32 << self.owner_bits.min(31))
    }

    /// What attributes ask for that cannot be becomes a lane that no schema can have, so that the error names the field.
    fn linear(&self) -> (Repr, Lane) {
        let steps = ((self.max - self.min) / self.fine_step()).round();
        let max = match self.max > self.min {
            true if steps <= f64::from(i32::MAX / 2) => steps as i32,
            true => TOO_FINE,
            false => EMPTY,
        };
        let lane = Lane { max, owner_bits: self.owner_bits, ..Lane::plain(0) };
        (Repr::Linear { min: self.min, step: self.fine_step() }, lane)
    }

    fn int(&self, type_min: f64, type_max: f64) -> (i32, i32) {
        let (min, max) = (self.min.max(type_min), self.max.min(type_max));
        (min as i32, if min <= max { (max - min).min(f64::from(i32::MAX)) as i32 } else { EMPTY })
    }

    /// The largest value of a lane of [`Self::bits`].
    fn bits_max(&self, allowed: RangeInclusive<u8>) -> i32 {
        if allowed.contains(&self.bits) { (1 << self.bits) - 1 } else { TOO_FINE }
    }

    fn real(&self, value: f32, lanes: &mut LaneWriter<'_>, max: i32) {
        lanes.real((f64::from(value) - self.min) / self.fine_step(), max);
    }

    fn real_back(&self, lanes: &mut LaneReader<'_>) -> f32 {
        (self.min + lanes.real() * self.fine_step()) as f32
    }

    fn lane_max(&self) -> i32 {
        ((self.max - self.min) / self.fine_step()).round() as i32
    }
}

/// A value that a field can hold.
pub trait Value: Sized {
    /// Whether it is made of real numbers, which need a step or bits.
    const REAL: bool = false;
    /// Appends the value's lanes to `kind` and says how they are read.
    fn describe(spec: &Spec, kind: &mut Kind) -> Repr;
    /// Appends the lanes of `self`.
    fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>);
    /// Reads the value back.
    fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self;
}

impl Value for f32 {
    const REAL: bool = true;

    fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
        if spec.bits > 0 {
            kind.lanes.push(Lane { wraps: true, ..Lane::plain(spec.bits_max(ANGLE_BITS)) });
            return Repr::Angle { bits: spec.bits };
        }
        let (repr, lane) = spec.linear();
        kind.lanes.push(lane);
        repr
    }

    #[inline]
    fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
        if spec.bits == 0 {
            return spec.real(*self, lanes, spec.lane_max());
        }
        let steps = f64::from(1_u32 << spec.bits);
        let turns = f64::from(*self) / std::f64::consts::TAU;
        let lane = ((turns - turns.floor()) * steps + 0.5).floor();
        // A hair below a whole turn rounds up to it, which is zero.
        lanes.real(if lane >= steps { 0.0 } else { lane }, (1 << spec.bits) - 1);
    }

    #[inline]
    fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        if spec.bits == 0 {
            return spec.real_back(lanes);
        }
        let turns = lanes.real() / f64::from(1_u32 << spec.bits);
        // Angles are read in [-pi, pi), where most games do their sums.
        ((if turns >= 0.5 { turns - 1.0 } else { turns }) * std::f64::consts::TAU) as Self
    }
}

impl Value for Vec2 {
    const REAL: bool = true;

    fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
        let (repr, lane) = spec.linear();
        kind.lanes.extend([lane; 2]);
        repr
    }

    #[inline]
    fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
        let max = spec.lane_max();
        self.to_array().iter().for_each(|&value| spec.real(value, lanes, max));
    }

    #[inline]
    fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        Self::new(spec.real_back(lanes), spec.real_back(lanes))
    }
}

impl Value for Vec3 {
    const REAL: bool = true;

    fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
        if spec.bits > 0 {
            // One less than a power of two: see `octahedral_max`.
            kind.lanes.extend([Lane::plain(spec.bits_max(UNIT_BITS) - 1); 2]);
            return Repr::Unit { bits: spec.bits };
        }
        let (repr, lane) = spec.linear();
        kind.lanes.extend([lane; 3]);
        repr
    }

    #[inline]
    fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
        if spec.bits > 0 {
            return put_unit(*self, spec.bits, lanes);
        }
        let max = spec.lane_max();
        self.to_array().iter().for_each(|&value| spec.real(value, lanes, max));
    }

    #[inline]
    fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        if spec.bits > 0 {
            return take_unit(spec.bits, lanes);
        }
        Self::new(spec.real_back(lanes), spec.real_back(lanes), spec.real_back(lanes))
    }
}

/// An even number of steps, so that the axes are hit exactly.
const fn octahedral_max(bits: u8) -> i32 {
    (1 << bits) - 2
}

/// Octahedral coordinates: Meyer et al., "On floating-point normal vectors", 2010.
fn put_unit(unit: Vec3, bits: u8, lanes: &mut LaneWriter<'_>) {
    for lane in octahedral(unit.to_array().map(f64::from), bits) {
        lanes.real(lane, octahedral_max(bits));
    }
}

/// The lanes of a unit vector, before rounding.
pub(crate) fn octahedral([x, y, z]: [f64; 3], bits: u8) -> [f64; 2] {
    let sum = x.abs() + y.abs() + z.abs();
    let (mut u, mut v) = if sum > 0.0 { (x / sum, y / sum) } else { (sum, sum) };
    if z < 0.0 {
        (u, v) = ((1.0 - v.abs()).copysign(u), (1.0 - u.abs()).copysign(v));
    }
    let half = f64::from(octahedral_max(bits) / 2);
    [(u + 1.0) * half, (v + 1.0) * half]
}

fn take_unit(bits: u8, lanes: &mut LaneReader<'_>) -> Vec3 {
    let half = f64::from(octahedral_max(bits) / 2);
    let (mut u, mut v) = (lanes.real() / half - 1.0, lanes.real() / half - 1.0);
    let z = 1.0 - u.abs() - v.abs();
    if z < 0.0 {
        (u, v) = ((1.0 - v.abs()).copysign(u), (1.0 - u.abs()).copysign(v));
    }
    let length = (u * u + v * v + z * z).sqrt();
    Vec3::new((u / length) as f32, (v / length) as f32, (z / length) as f32)
}

impl Value for Quat {
    const REAL: bool = true;

    fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
        kind.lanes.push(Lane::plain(3));
        kind.lanes.extend([Lane::plain(spec.bits_max(QUAT_BITS)); 3]);
        Repr::Quat { bits: spec.bits }
    }

    fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
        let (largest, others) = smallest_three(self.to_array().map(f64::from), spec.bits);
        lanes.int(largest as i64, 3);
        others.iter().for_each(|&lane| lanes.real(lane, (1 << spec.bits) - 1));
    }

    fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        let largest = (lanes.int() & 3) as usize;
        let max = f64::from((1 << spec.bits) - 1);
        let mut components = [0.0; 4];
        let mut rest = 1.0;
        for (i, component) in components.iter_mut().enumerate() {
            if i != largest {
                *component = (lanes.real() / max * 2.0 - 1.0) / std::f64::consts::SQRT_2;
                rest -= *component * *component;
            }
        }
        components[largest] = f64::max(rest, 0.0).sqrt();
        Self::from_array(components.map(|c| c as f32)).normalize()
    }
}

/// The lanes of a rotation before rounding: the index of its largest component, which follows from the others; these lie
/// within ±1/√2.
pub(crate) fn smallest_three(components: [f64; 4], bits: u8) -> (usize, [f64; 3]) {
    let length = components.iter().map(|c| c * c).sum::<f64>().sqrt();
    let mut largest = 0;
    for i in 1..4 {
        if components[i].abs() > components[largest].abs() {
            largest = i;
        }
    }
    let sign = 1_f64.copysign(components[largest]);
    let max = f64::from((1 << bits) - 1);
    let lane = |i: usize| (components[i] * sign / length * std::f64::consts::SQRT_2 + 1.0) * 0.5 * max;
    (largest, std::array::from_fn(|i| lane(if i < largest { i } else { i + 1 })))
}

impl Value for bool {
    fn describe(_: &Spec, kind: &mut Kind) -> Repr {
        kind.lanes.push(Lane::plain(1));
        Repr::Flag
    }

    #[inline]
    fn put(&self, _: &Spec, lanes: &mut LaneWriter<'_>) {
        lanes.int(i64::from(*self), 1);
    }

    #[inline]
    fn take(_: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        lanes.int() != 0
    }
}

macro_rules! int_values {
    ($($int:ty),*) => {$(
        impl Value for $int {
            fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
                let (min, max) = spec.int(f64::from(Self::MIN), f64::from(Self::MAX));
                kind.lanes.push(Lane::plain(max));
                Repr::Int { min }
            }

            #[inline]
            fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
                let (min, max) = spec.int(f64::from(Self::MIN), f64::from(Self::MAX));
                lanes.int(i64::from(*self) - i64::from(min), max);
            }

            #[inline]
            fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
                let (min, _) = spec.int(f64::from(Self::MIN), f64::from(Self::MAX));
                (i64::from(min) + i64::from(lanes.int())).clamp(Self::MIN.into(), Self::MAX.into()) as Self
            }
        }
    )*};
}

int_values!(u8, i8, u16, i16, u32, i32);

impl Value for PlayerId {
    fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
        u16::describe(spec, kind)
    }

    fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
        self.0.put(spec, lanes);
    }

    fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        Self(u16::take(spec, lanes))
    }
}

/// Another entity, or none. The lane holds an id of this end; each end translates at its border.
impl Value for Option<EntityId> {
    fn describe(_: &Spec, kind: &mut Kind) -> Repr {
        kind.lanes.push(Lane { entity: true, ..Lane::plain(i32::MAX) });
        Repr::Entity
    }

    fn put(&self, _: &Spec, lanes: &mut LaneWriter<'_>) {
        lanes.entity(*self);
    }

    fn take(_: &Spec, lanes: &mut LaneReader<'_>) -> Self {
        EntityId::from_lane(lanes.int())
    }
}

macro_rules! optional_values {
    ($($value:ty),*) => {$(
        impl Value for Option<$value> {
            const REAL: bool = <$value>::REAL;

            fn describe(spec: &Spec, kind: &mut Kind) -> Repr {
                kind.lanes.push(Lane::plain(1));
                <$value>::describe(spec, kind);
                Repr::Optional
            }

            fn put(&self, spec: &Spec, lanes: &mut LaneWriter<'_>) {
                lanes.int(i64::from(self.is_some()), 1);
                match self {
                    Some(value) => value.put(spec, lanes),
                    None => {
                        let mut table = Kind::default();
                        <$value>::describe(spec, &mut table);
                        table.lanes.iter().for_each(|_| lanes.int(0, 0));
                    }
                }
            }

            fn take(spec: &Spec, lanes: &mut LaneReader<'_>) -> Self {
                let present = lanes.int() != 0;
                let value = <$value>::take(spec, lanes);
                present.then_some(value)
            }
        }
    )*};
}

optional_values!(f32, Vec2, Vec3, Quat, u8, i8, u16, i16, u32, i32, PlayerId);
