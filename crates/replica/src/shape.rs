//! A program that knows a game by its schema alone trusts the schema's numbers: they size its tables, shift its bits and
//! index its lanes.
//!
//! So a field's lanes are those that its representation allows, and nothing else is a schema. A [`Shape`] is what has to be
//! told of a field so that its lanes follow: a schema that is built is checked against it, one that is read is made of it.

use std::ops::RangeInclusive;

use crate::limits::{NAME_BYTES_MAX, OWNER_BITS_MAX};
use crate::schema::{Field, Kind, Lane, Repr};
use crate::{Audience, ConfigError};

/// A representation with the lanes that do not follow from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) repr: Repr,
    /// Of a real, a whole number, an enum: their lanes. Of an optional value: those behind the flag.
    pub(crate) told: Vec<Lane>,
}

impl Shape {
    /// How many lanes have to be told of a field of `repr`, at least and at most.
    pub(crate) const fn told_count(repr: &Repr) -> (usize, usize) {
        match repr {
            Repr::Linear { .. } => (1, 3),
            Repr::Int { .. } | Repr::Enum => (1, 1),
            Repr::Optional => (1, 4),
            Repr::Angle { .. } | Repr::Unit { .. } | Repr::Quat { .. } | Repr::Flag | Repr::Entity => (0, 0),
        }
    }

    /// What has to be told of `field`.
    fn of(kind: &Kind, field: &Field) -> Result<Self, &'static str> {
        let lanes = kind.lanes.get(field.lanes.clone()).ok_or("it names lanes that there are not")?;
        let bare = |lane: &Lane| Lane { owner_only: false, field: 0, ..*lane };
        let told = match field.repr {
            Repr::Linear { .. } | Repr::Int { .. } | Repr::Enum => lanes,
            Repr::Optional => lanes.get(1..).unwrap_or_default(),
            _ => &[],
        };
        Ok(Self { repr: field.repr, told: told.iter().map(bare).collect() })
    }

    /// The lanes, as they are without an audience or an owner's index; or what is wrong with the shape.
    pub(crate) fn lanes(&self) -> Result<Vec<Lane>, &'static str> {
        let (least, most) = Self::told_count(&self.repr);
        if !(least..=most).contains(&self.told.len()) {
            return Err("it has too many lanes or too few");
        }
        if self.told.iter().any(|lane| lane.owner_bits > OWNER_BITS_MAX) {
            return Err("24 owner_bits are the most");
        }
        let told = |allowed: fn(&Lane) -> bool| match self.told.iter().find(|lane| !allowed(lane)) {
            None => Ok(self.told.clone()),
            Some(lane) => Err(why_not(lane)),
        };
        let bits = |allowed: RangeInclusive<u8>, bits: u8, why| match allowed.contains(&bits) {
            true => Ok(1_i32 << bits),
            false => Err(why),
        };
        Ok(match self.repr {
            Repr::Linear { min, step } => {
                let ends = self.told.iter().map(|lane| min + f64::from(lane.max) * step);
                if step.is_nan() || step <= 0.0 || !ends.chain([min]).all(|end| end.abs() <= f64::from(f32::MAX)) {
                    return Err("its range or its step is no number; it needs `range = MIN..=MAX` and `step = S`");
                }
                told(|lane| is_real(lane) && !lane.wraps)?
            }
            Repr::Angle { bits: b } => {
                vec![Lane { wraps: true, ..Lane::plain(bits(ANGLE_BITS, b, "an angle has 1 to 20 bits")? - 1) }]
            }
            Repr::Unit { bits: b } => vec![Lane::plain(bits(UNIT_BITS, b, "a unit vector has 2 to 16 bits")? - 2); 2],
            Repr::Quat { bits: b } => {
                let component = Lane::plain(bits(QUAT_BITS, b, "a rotation has 2 to 20 bits")? - 1);
                vec![Lane::plain(3), component, component, component]
            }
            Repr::Int { .. } | Repr::Enum => told(|lane| *lane == Lane::plain(lane.max) && lane.max >= 0)?,
            Repr::Flag => vec![Lane::plain(1)],
            Repr::Entity => vec![Lane { entity: true, ..Lane::plain(i32::MAX) }],
            Repr::Optional => {
                let value = told(|lane| is_real(lane) || (*lane == Lane::plain(lane.max) && lane.max >= 0))?;
                // An angle is alone, and its last step is followed by its first.
                if value.iter().any(|lane| lane.wraps) && (value.len() > 1 || value[0].max & (value[0].max + 1) != 0) {
                    return Err("it has a lane that such a field cannot have");
                }
                [vec![Lane::plain(1)], value].concat()
            }
        })
    }
}

/// Bits that an angle, a coordinate of a unit vector and a component of a rotation can have.
pub(crate) const ANGLE_BITS: RangeInclusive<u8> = 1..=20;
pub(crate) const UNIT_BITS: RangeInclusive<u8> = 2..=16;
pub(crate) const QUAT_BITS: RangeInclusive<u8> = 2..=20;

/// The largest value of a lane whose attributes leave none: a range without a value, more steps than a lane can count.
pub(crate) const EMPTY: i32 = -1;
pub(crate) const TOO_FINE: i32 = -0x100;

/// Why a field cannot have `lane`.
const fn why_not(lane: &Lane) -> &'static str {
    match lane.max {
        EMPTY => "its range holds no value; in `range = MIN..=MAX`, MIN is below MAX and both within the field's type",
        i32::MIN..0 => {
            "it has too many steps: with its owner's bits, range / step can be 2^30 at most; take a larger step"
        }
        _ => "it has a lane that such a field cannot have",
    }
}

/// A lane that may be finer for its owner. What is told of it fits into an `i32` on its way back.
fn is_real(lane: &Lane) -> bool {
    (0..=i32::MAX / 2).contains(&lane.max) && lane.owner_bits <= OWNER_BITS_MAX && !lane.entity
}

/// Whether a value of `repr` has nothing between two of its steps.
pub(crate) const fn is_stepped(repr: &Repr) -> bool {
    matches!(repr, Repr::Int { .. } | Repr::Flag | Repr::Enum | Repr::Entity | Repr::Optional)
}

/// The shapes of the fields of `kind` in order.
///
/// # Errors
/// Names the field that is impossible, and why.
pub(crate) fn shapes(kind: &Kind) -> Result<Vec<Shape>, ConfigError> {
    name(&kind.name)?;
    let mut end = 0;
    let mut shapes = Vec::with_capacity(kind.fields.len());
    for (index, field) in kind.fields.iter().enumerate() {
        name(&field.name)?;
        let impossible = |why| ConfigError(format!("field {} of {} cannot be: {why}", field.name, kind.name));
        let shape = Shape::of(kind, field).map_err(impossible)?;
        let (field_index, owner_only) = (index as u8, field.audience == Audience::Owner);
        let lanes = shape.lanes().map_err(impossible)?;
        let lanes = lanes.into_iter().map(|lane| Lane { field: field_index, owner_only, ..lane });
        if field.lanes.start != end || !lanes.eq(kind.lanes[field.lanes.clone()].iter().copied()) {
            return Err(impossible("its lanes are not those of its representation"));
        }
        if is_stepped(&field.repr) && !field.discrete {
            return Err(impossible("it changes in steps but is not discrete"));
        }
        end = field.lanes.end;
        shapes.push(shape);
    }
    if end != kind.lanes.len() {
        return Err(ConfigError(format!("{} has lanes that belong to no field", kind.name)));
    }
    Ok(shapes)
}

/// Refuses a name that is not of letters, digits and a few signs: the schema's hash is taken of a text in which names end
/// at spaces, and programs print names of servers that they do not trust.
///
/// # Errors
/// Says what is allowed.
pub(crate) fn name(name: &str) -> Result<(), ConfigError> {
    let is_sign = |c: char| c.is_alphanumeric() || "_-.#:".contains(c);
    if name.len() <= NAME_BYTES_MAX && name.chars().all(is_sign) {
        return Ok(());
    }
    let shown: String = name.chars().filter(|&c| is_sign(c)).take(NAME_BYTES_MAX).collect();
    Err(ConfigError(format!(
        "a name like `{shown}` cannot be in a schema: at most {NAME_BYTES_MAX} bytes of letters, digits and _-.#: are allowed"
    )))
}
