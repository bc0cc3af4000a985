//! A server hands its schema to whoever asks: a program must be able to read one that it does not trust.
//!
//! So only what does not follow from the rest is told, and lanes are made anew by the rules that a game's own tables obey
//! ([`Shape`]). What is read is checked as what is built, and has the hash that it claims. All numbers are little-endian:
//! magic, hash (u64), name of the game, then for entities and for events their number (u8) and kinds, and the input's kind.
//! `WIRE.md` has the rest.

use std::borrow::Cow;

use crate::limits::{KINDS_MAX, LANES_MAX, NAME_BYTES_MAX};
use crate::schema::{Field, Kind, Lane, Repr, Role};
use crate::shape::{Shape, shapes};
use crate::{Audience, ConfigError, Schema};

/// Why bytes are not a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Another file, or another version of it.
    #[error("this is not a schema")]
    NotASchema,
    /// It ends early, or goes on where it should end.
    #[error("the schema does not have the length that its counts give")]
    Length,
    /// A number that no schema has; names it.
    #[error("illegal {0} in the schema")]
    Illegal(&'static str),
    /// Tables that no game can have.
    #[error(transparent)]
    Impossible(#[from] ConfigError),
    /// It is not the one that it says it is.
    #[error("the schema's hash is {found:016x}, not {told:016x} as it says")]
    OtherHash {
        /// What it says.
        told: u64,
        /// What its tables have.
        found: u64,
    },
}

const MAGIC: [u8; 4] = *b"dbs1";

impl Schema {
    /// The schema for programs that do not have the game: see `WIRE.md`.
    ///
    /// # Panics
    /// When the tables were changed after [`Self::new`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.hash().to_le_bytes());
        put_name(&self.game, &mut out);
        for kinds in [&self.entities, &self.events] {
            out.push(kinds.len() as u8);
            kinds.iter().for_each(|kind| put_kind(kind, &mut out));
        }
        put_kind(&self.input, &mut out);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is anything that no schema's bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut bytes = Bytes(bytes);
        if bytes.take() != Ok(MAGIC) {
            return Err(SchemaError::NotASchema);
        }
        let told = u64::from_le_bytes(bytes.take()?);
        let game = bytes.name()?;
        let mut kinds = || {
            let count = bytes.count(KINDS_MAX, "number of kinds")?;
            (0..count).map(|_| bytes.kind()).collect::<Result<Vec<_>, _>>()
        };
        let (entities, events) = (kinds()?, kinds()?);
        let input = bytes.kind()?;
        if !bytes.0.is_empty() {
            return Err(SchemaError::Length);
        }
        let schema = Self::new(game, entities, events, input)?;
        let found = schema.hash();
        if found == told { Ok(schema) } else { Err(SchemaError::OtherHash { told, found }) }
    }
}

fn put_name(name: &str, out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend(name.as_bytes());
}

fn put_kind(kind: &Kind, out: &mut Vec<u8>) {
    put_name(&kind.name, out);
    out.push(kind.fields.len() as u8);
    let shapes = shapes(kind).expect("the schema was checked when it was made");
    for (field, shape) in kind.fields.iter().zip(&shapes) {
        put_name(&field.name, out);
        let flags = [field.audience == Audience::Owner, field.discrete, field.action];
        out.push(role_code(field.role) | flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u8::from(flag)) << 4);
        put_shape(shape, out);
    }
}

const ROLES: [Role; 5] = [Role::Plain, Role::Position, Role::Velocity, Role::Heading, Role::Player];

fn role_code(role: Role) -> u8 {
    ROLES.iter().position(|&other| other == role).expect("every role has a code") as u8
}

const OWNER: u8 = 1 << 4;
const DISCRETE: u8 = 1 << 5;
const ACTION: u8 = 1 << 6;

fn put_shape(shape: &Shape, out: &mut Vec<u8>) {
    match shape.repr {
        Repr::Linear { min, step } => {
            out.push(0);
            out.extend(min.to_le_bytes());
            out.extend(step.to_le_bytes());
        }
        Repr::Angle { bits } => out.extend([1, bits]),
        Repr::Unit { bits } => out.extend([2, bits]),
        Repr::Quat { bits } => out.extend([3, bits]),
        Repr::Int { min } => {
            out.push(4);
            out.extend(min.to_le_bytes());
        }
        Repr::Flag => out.push(5),
        Repr::Enum => out.push(6),
        Repr::Entity => out.push(7),
        Repr::Optional => out.push(8),
    }
    let (least, most) = Shape::told_count(&shape.repr);
    if least < most {
        out.push(shape.told.len() as u8);
    }
    for lane in &shape.told {
        out.extend(lane.max.to_le_bytes());
        out.push(lane.owner_bits | u8::from(lane.wraps) << 7);
    }
}

const WRAPS: u8 = 1 << 7;

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SchemaError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(SchemaError::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, SchemaError> {
        self.take().map(|[byte]| byte)
    }

    fn count(&mut self, max: usize, what: &'static str) -> Result<usize, SchemaError> {
        let count = usize::from(self.byte()?);
        if count <= max { Ok(count) } else { Err(SchemaError::Illegal(what)) }
    }

    fn name(&mut self) -> Result<Cow<'static, str>, SchemaError> {
        let length = self.count(NAME_BYTES_MAX, "length of a name")?;
        let (name, rest) = self.0.split_at_checked(length).ok_or(SchemaError::Length)?;
        self.0 = rest;
        let name = std::str::from_utf8(name).map_err(|_| SchemaError::Illegal("name"))?;
        Ok(name.to_owned().into())
    }

    fn kind(&mut self) -> Result<Kind, SchemaError> {
        let mut kind = Kind { name: self.name()?, ..Kind::default() };
        // Each has at least one lane.
        for index in 0..self.count(LANES_MAX, "number of fields")? {
            self.field(index as u8, &mut kind)?;
        }
        Ok(kind)
    }

    fn field(&mut self, index: u8, kind: &mut Kind) -> Result<(), SchemaError> {
        let name = self.name()?;
        let flags = self.byte()?;
        let role = ROLES.get(usize::from(flags & 0xf)).filter(|_| flags >> 7 == 0);
        let role = *role.ok_or(SchemaError::Illegal("role"))?;
        let shape = self.shape()?;
        let owner_only = flags & OWNER != 0;
        let lanes = shape.lanes().map_err(SchemaError::Illegal)?;
        let first = kind.lanes.len();
        kind.lanes.extend(lanes.into_iter().map(|lane| Lane { field: index, owner_only, ..lane }));
        kind.fields.push(Field {
            name,
            repr: shape.repr,
            role,
            audience: if owner_only { Audience::Owner } else { Audience::All },
            discrete: flags & DISCRETE != 0,
            action: flags & ACTION != 0,
            lanes: first..kind.lanes.len(),
        });
        Ok(())
    }

    fn shape(&mut self) -> Result<Shape, SchemaError> {
        let repr = match self.byte()? {
            0 => Repr::Linear { min: f64::from_le_bytes(self.take()?), step: f64::from_le_bytes(self.take()?) },
            1 => Repr::Angle { bits: self.byte()? },
            2 => Repr::Unit { bits: self.byte()? },
            3 => Repr::Quat { bits: self.byte()? },
            4 => Repr::Int { min: i32::from_le_bytes(self.take()?) },
            5 => Repr::Flag,
            6 => Repr::Enum,
            7 => Repr::Entity,
            8 => Repr::Optional,
            _ => return Err(SchemaError::Illegal("representation")),
        };
        let (least, most) = Shape::told_count(&repr);
        let count = if least < most { self.count(most, "number of lanes")? } else { least };
        let told = (0..count).map(|_| {
            let max = i32::from_le_bytes(self.take()?);
            let bits = self.byte()?;
            Ok(Lane { owner_bits: bits & !WRAPS, wraps: bits & WRAPS != 0, ..Lane::plain(max) })
        });
        Ok(Shape { told: told.collect::<Result<_, SchemaError>>()?, repr })
    }
}
