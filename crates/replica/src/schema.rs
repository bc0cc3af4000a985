//! The schema: what a game replicates, as tables that both ends, and any other program, can read.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use downbeat_wire::hash::Fnv;

use crate::limits::{ENTITY_LANES_MAX, KINDS_MAX, LANES_MAX};
use crate::shape::{self, shapes};
use crate::{Audience, ConfigError, Game, Input, Kinds, Replicated};

/// How a field's value becomes lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Repr {
    /// One to three reals: `min + lane * step`, clamped to the range.
    Linear {
        /// Smallest value, lane 0.
        min: f64,
        /// Distance of neighbouring values.
        step: f64,
    },
    /// An angle in radians, a whole turn in `2^bits` steps, wrapping.
    Angle {
        /// Bits of a turn.
        bits: u8,
    },
    /// A unit vector in octahedral coordinates: two lanes.
    Unit {
        /// Bits of each coordinate.
        bits: u8,
    },
    /// A rotation as its largest component's index and the three others: four lanes.
    Quat {
        /// Bits of each component.
        bits: u8,
    },
    /// A whole number, `min + lane`.
    Int {
        /// Smallest value, lane 0.
        min: i32,
    },
    /// `false` or `true`.
    Flag,
    /// One of a fixed set.
    Enum,
    /// Another entity, or none.
    Entity,
    /// A flag lane (present), then the lanes of the value (zero when absent).
    Optional,
}

/// What a field means, for those who work on lanes alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing in particular.
    #[default]
    Plain,
    /// Where the entity is, in metres: interest, prediction error and rewind look at it.
    Position,
    /// Metres per second, of the position.
    Velocity,
    /// Where it heads, an angle about the vertical axis.
    Heading,
    /// The [`PlayerId`](crate::PlayerId) whose avatar it is.
    Player,
}

/// One named value of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in the game's source.
    pub name: Cow<'static, str>,
    /// How its value becomes lanes.
    pub repr: Repr,
    /// What it means.
    pub role: Role,
    /// Who may know it.
    pub audience: Audience,
    /// Whether the value changes in steps, never gradually; such a field is not interpolated.
    pub discrete: bool,
    /// Whether it is a one-shot action (inputs only): a substitute never repeats it.
    pub action: bool,
    /// Its lanes within the kind.
    pub lanes: Range<usize>,
}

impl Field {
    /// The reals of this field in a state with these `lanes`, up to three of them; zero for other representations.
    pub(crate) fn reals(&self, lanes: &[i32]) -> glam::Vec3 {
        let Repr::Linear { min, step } = self.repr else { return glam::Vec3::ZERO };
        let mut reals = [0.0; 3];
        for (real, &lane) in reals.iter_mut().zip(&lanes[self.lanes.clone()]) {
            *real = (min + f64::from(lane) * step) as f32;
        }
        glam::Vec3::from_array(reals)
    }
}

/// One `i32` of a kind's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Largest value; the smallest is 0.
    pub max: i32,
    /// Low bits that only the owner is told.
    pub owner_bits: u8,
    /// Whether `max` is followed by 0 (angles).
    pub wraps: bool,
    /// Whether only the owner is told any of it.
    pub owner_only: bool,
    /// Whether it names an entity: its value means nothing outside one end.
    pub entity: bool,
    /// Index of its field.
    pub field: u8,
}

impl Lane {
    /// A lane of `0..=max` that everybody is told.
    #[must_use]
    pub const fn plain(max: i32) -> Self {
        Self { max, owner_bits: 0, wraps: false, owner_only: false, entity: false, field: 0 }
    }

    /// The value as those who do not own the entity know it.
    #[must_use]
    pub const fn public(self, value: i32) -> i32 {
        if self.owner_only { 0 } else { value >> self.owner_bits }
    }

    /// A public value, back in the units of the lane: the middle of what it can stand for.
    #[must_use]
    pub const fn from_public(self, public: i32) -> i32 {
        let value = (public << self.owner_bits) + ((1 << self.owner_bits) >> 1);
        if value > self.max { self.max } else { value }
    }

    /// Bits of the largest value that the reader (`owner` or not) is told.
    #[must_use]
    pub const fn bits(self, owner: bool) -> u32 {
        let max = if owner { self.max } else { self.public(self.max) };
        32 - max.leading_zeros()
    }
}

/// A field table: a kind of entity, a kind of event, or the input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kind {
    /// Its name in the game's source.
    pub name: Cow<'static, str>,
    /// Its fields in order.
    pub fields: Vec<Field>,
    /// Their lanes in order.
    pub lanes: Vec<Lane>,
}

impl Kind {
    /// The table of `T`.
    #[must_use]
    pub fn of<T: Replicated>(name: &'static str) -> Self {
        let mut kind = Self { name: Cow::Borrowed(name), ..Self::default() };
        T::describe(&mut kind);
        kind
    }

    /// The first field with `role`.
    #[must_use]
    pub fn field_with(&self, role: Role) -> Option<&Field> {
        self.fields.iter().find(|field| field.role == role)
    }

    /// Indices of the lanes that name entities.
    pub fn entity_lanes(&self) -> impl Iterator<Item = usize> {
        self.lanes.iter().enumerate().filter(|(_, lane)| lane.entity).map(|(i, _)| i)
    }

    /// The lanes `state` as a reader is told them; lanes that name entities are left out (0).
    pub fn told(&self, owner: bool, state: &[i32], out: &mut Vec<i32>) {
        out.clear();
        let told = |(lane, &value): (&Lane, &i32)| match lane.entity {
            true => 0,
            false if owner => value,
            false => lane.public(value),
        };
        out.extend(self.lanes.iter().zip(state).map(told));
    }

    /// Lanes as a reader was told them, back in the units of the room.
    pub fn untold(&self, owner: bool, told: &[i32], out: &mut Vec<i32>) {
        out.clear();
        let whole = |(lane, &value): (&Lane, &i32)| if owner { value } else { lane.from_public(value) };
        out.extend(self.lanes.iter().zip(told).map(whole));
    }

    /// Whether everybody is told all of it as it is, so that [`Self::untold`] changes nothing.
    #[must_use]
    pub fn is_told_whole(&self) -> bool {
        self.lanes.iter().all(|lane| lane.owner_bits == 0)
    }

    /// The player whose avatar an entity with these `lanes` is, for kinds that tell.
    #[must_use]
    pub fn player(&self, lanes: &[i32]) -> Option<crate::PlayerId> {
        let lane = lanes[self.field_with(Role::Player)?.lanes.start];
        Some(crate::PlayerId(lane as u16))
    }

    /// The field that is the position, and the distance of neighbouring values of its lanes in metres; `None` for kinds that
    /// have none.
    #[must_use]
    pub fn position_field(&self) -> Option<(&Field, f64)> {
        let field = self.field_with(Role::Position)?;
        let Repr::Linear { step, .. } = field.repr else { return None };
        Some((field, step))
    }

    /// The position of an entity with these `lanes` in metres; the origin for kinds that have none.
    #[must_use]
    pub fn position(&self, lanes: &[i32]) -> glam::Vec3 {
        self.field_with(Role::Position).map_or(glam::Vec3::ZERO, |field| field.reals(lanes))
    }
}

/// All that a game replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// The game's name.
    pub game: Cow<'static, str>,
    /// Kinds of entities.
    pub entities: Vec<Kind>,
    /// Kinds of events.
    pub events: Vec<Kind>,
    /// The input of a tick.
    pub input: Kind,
    hash: u64,
}

impl Schema {
    /// The schema of `G`.
    ///
    /// # Errors
    /// Names the kind that has too many lanes or names too many entities, or the field whose attributes ask for what cannot
    /// be, and says what is allowed.
    pub fn of<G: Game>() -> Result<Self, ConfigError> {
        Self::new(G::NAME.into(), G::Entity::kinds(), G::Event::kinds(), <G::Input as Input>::kind())
    }

    /// A schema of these tables.
    ///
    /// # Errors
    /// Names the kind that has too many lanes, names too many entities, or has a field whose lanes are not those of its
    /// representation.
    pub fn new(
        game: Cow<'static, str>,
        entities: Vec<Kind>,
        events: Vec<Kind>,
        input: Kind,
    ) -> Result<Self, ConfigError> {
        let mut schema = Self { game, entities, events, input, hash: 0 };
        let game = &schema.game;
        shape::name(game)?;
        for kind in schema.entities.iter().chain(&schema.events).chain([&schema.input]) {
            if kind.lanes.len() > LANES_MAX {
                return Err(ConfigError(format!(
                    "{} of game {game} has {} lanes; {LANES_MAX} is the most: split it into two kinds",
                    kind.name,
                    kind.lanes.len()
                )));
            }
            if kind.entity_lanes().count() > ENTITY_LANES_MAX {
                return Err(ConfigError(format!(
                    "{} of game {game} names more than {ENTITY_LANES_MAX} entities: split it into two kinds",
                    kind.name
                )));
            }
            shapes(kind).map_err(|error| ConfigError(format!("game {game}: {error}")))?;
        }
        if schema.entities.len() > KINDS_MAX || schema.events.len() > KINDS_MAX {
            return Err(ConfigError(format!("game {game} has more than {KINDS_MAX} kinds")));
        }
        let mut hash = Fnv::default();
        hash.write(schema.text().as_bytes());
        schema.hash = hash.finish();
        Ok(schema)
    }

    /// Equal on both ends exactly if they agree on every table.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The tables as text, one field a line: what the hash is taken of. [`Self::words`] is for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("game {}\n", self.game);
        let groups: [(&str, &[Kind]); 3] =
            [("entity", &self.entities), ("event", &self.events), ("input", std::slice::from_ref(&self.input))];
        for (group, kinds) in groups {
            for kind in kinds {
                writeln!(text, "{group} {}", kind.name).expect("a string takes all that is written");
                for field in &kind.fields {
                    let lanes = &kind.lanes[field.lanes.clone()];
                    // Elsewhere it follows from the representation.
                    let wraps = field.repr == Repr::Optional && lanes.iter().any(|lane| lane.wraps);
                    writeln!(
                        text,
                        "  {} {:?} {:?} {:?} discrete={} action={} lanes={:?}{}",
                        field.name,
                        field.repr,
                        field.role,
                        field.audience,
                        field.discrete,
                        field.action,
                        lanes.iter().map(|lane| (lane.max, lane.owner_bits)).collect::<Vec<_>>(),
                        if wraps { " wraps" } else { "" }
                    )
                    .expect("a string takes all that is written");
                }
            }
        }
        text
    }
}
