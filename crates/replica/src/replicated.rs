//! From a game's types to field tables: implemented by `#[derive(Replicated)]`, or by hand.

use crate::schema::{Field, Kind, Role};
use crate::shape::is_stepped;
use crate::{LaneReader, LaneWriter, Spec, Value};

/// Who may know a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who sees the entity.
    #[default]
    All,
    /// The player it belongs to, nobody else.
    Owner,
}

/// A struct with a field table.
///
/// ```
/// use downbeat_replica::glam::Vec3;
/// use downbeat_replica::{Kind, LaneReader, LaneWriter, Replicated};
///
/// #[derive(Replicated, Clone, Debug, PartialEq)]
/// struct Walker {
///     #[field(position, range = -512.0..=512.0, step = 0.01)]
///     position: Vec3,
///     #[field(heading, bits = 10)]
///     yaw: f32,
///     #[field(range = 0..=100)]
///     health: u8,
///     #[field(owner, range = 0..=30)]
///     ammo: u8,
/// }
///
/// let walker = Walker { position: Vec3::new(1.0, 2.0, 3.0), yaw: 0.0, health: 90, ammo: 7 };
/// let mut lanes = Vec::new();
/// walker.write(&mut LaneWriter::new(&mut lanes));
/// let back = Walker::read(&mut LaneReader::new(&lanes));
/// assert!((back.position - walker.position).length() < 0.01);
/// assert_eq!((back.health, back.ammo), (90, 7));
/// assert_eq!(Kind::of::<Walker>("walker").lanes.len(), 6);
/// ```
pub trait Replicated: Sized {
    /// Appends the field table to `kind`.
    fn describe(kind: &mut Kind);
    /// Appends the lanes of `self`, as many as the table says.
    fn write(&self, lanes: &mut LaneWriter<'_>);
    /// Reads `self` back.
    fn read(lanes: &mut LaneReader<'_>) -> Self;
}

/// An enum whose variants are the kinds of a game: `enum Entity { Player(Player), Rocket(Rocket) }`.
pub trait Kinds: Sized {
    /// The tables, one for each variant in order.
    fn kinds() -> Vec<Kind>;
    /// Index of the variant of `self` in [`Self::kinds`].
    fn kind(&self) -> usize;
    /// Appends the lanes of `self`.
    fn write(&self, lanes: &mut LaneWriter<'_>);
    /// Reads the variant `kind`; `None` when there is no such kind.
    fn read(kind: usize, lanes: &mut LaneReader<'_>) -> Option<Self>;
}

/// A game without events: `type Event = NoEvents`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEvents {}

impl Kinds for NoEvents {
    fn kinds() -> Vec<Kind> {
        Vec::new()
    }

    fn kind(&self) -> usize {
        match *self {}
    }

    fn write(&self, _: &mut LaneWriter<'_>) {
        match *self {}
    }

    fn read(_: usize, _: &mut LaneReader<'_>) -> Option<Self> {
        None
    }
}

impl Kind {
    /// Appends the field `name` of type `T`. What a derived or hand-written [`Replicated::describe`] consists of.
    pub fn field<T: Value>(&mut self, name: &'static str, spec: &Spec) -> FieldTuner<'_> {
        let first = self.lanes.len();
        let repr = T::describe(spec, self);
        let lanes = first..self.lanes.len();
        // A kind with so many fields has too many lanes, and is refused with the schema.
        let index = u8::try_from(self.fields.len()).unwrap_or(u8::MAX);
        self.lanes[lanes.clone()].iter_mut().for_each(|lane| lane.field = index);
        let discrete = is_stepped(&repr);
        self.fields.push(Field {
            name: name.into(),
            repr,
            role: Role::Plain,
            audience: Audience::All,
            discrete,
            action: false,
            lanes,
        });
        FieldTuner { kind: self }
    }
}

/// Sets what a freshly appended field is beyond its value.
#[derive(Debug)]
pub struct FieldTuner<'a> {
    kind: &'a mut Kind,
}

impl FieldTuner<'_> {
    fn last(&mut self) -> &mut Field {
        self.kind.fields.last_mut().expect("the tuner was made for a field")
    }

    /// What the field means.
    #[must_use = "the field keeps its role only if the tuner is used up with `done`"]
    pub fn role(mut self, role: Role) -> Self {
        self.last().role = role;
        self
    }

    /// Only the owner is told.
    #[must_use = "see `role`"]
    pub fn owner(mut self) -> Self {
        self.last().audience = Audience::Owner;
        let lanes = self.last().lanes.clone();
        self.kind.lanes[lanes].iter_mut().for_each(|lane| lane.owner_only = true);
        self
    }

    /// The field changes in steps: it is never interpolated.
    #[must_use = "see `role`"]
    pub fn discrete(mut self) -> Self {
        self.last().discrete = true;
        self
    }

    /// The field is a one-shot action of an input.
    #[must_use = "see `role`"]
    pub fn action(mut self) -> Self {
        self.last().action = true;
        self
    }

    /// Ends the tuning.
    pub fn done(self) {}
}
