//! The codec knows no game. What it knows is a schema: this compiles a kind of it into how each field is predicted, and
//! the *slots* (decisions) that a record consists of.
//!
//! Slots come in the order in which they help one another: whether there is a record, which fields changed, then values,
//! the heading before the position that is walked along it.

use std::ops::Range;

use crate::{Field, Kind, Repr, Role};

use crate::codec::bucket;
use crate::limits::LANES_MAX;

/// How a field's lanes are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// It stays.
    Hold,
    /// It goes on as the known states went.
    Linear,
    /// As `Linear`, but its way turns about the vertical axis as this heading does, which is coded before it.
    Swept {
        /// The lane of the heading.
        heading: usize,
    },
    /// A rotation that turns on as the known states did.
    Quat,
}

/// A field as the codec sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// How it is predicted.
    pub form: Form,
    /// Its lanes.
    pub lanes: Range<usize>,
    /// Largest value of any of its lanes (of the last three of a rotation), as the reader is told.
    pub max: i32,
    /// Whether the largest value is followed by 0.
    pub wraps: bool,
    /// Axes along which it moves.
    pub axes: usize,
    /// Whether it is one bit, so that a change says it all.
    pub is_switch: bool,
    /// Where its features begin.
    pub feature: usize,
    /// Where its drifts begin.
    pub drift: usize,
    /// The slot that says whether it changed.
    pub flag: usize,
    /// Its first slot of a value; for a rotation that of the largest component's rank.
    pub slot: usize,
}

impl Part {
    fn features(&self) -> usize {
        match self.form {
            Form::Hold => usize::from(self.is_switch),
            Form::Quat => 2 + 2 * 3,
            Form::Linear | Form::Swept { .. } => 2 + 5 * self.axes,
        }
    }

    /// How much farther `to` is than `from`; the short way round where the lanes wrap.
    #[inline]
    #[must_use]
    pub(crate) const fn difference(&self, to: i32, from: i32) -> i32 {
        let by = to.wrapping_sub(from);
        if !self.wraps {
            return by;
        }
        let spare = self.max.leading_zeros();
        by << spare >> spare
    }

    /// The legal value of a lane up to `max` that is nearest to `value`.
    #[inline]
    #[must_use]
    pub(crate) fn held(&self, value: i32, max: i32) -> i32 {
        if self.wraps { value & self.max } else { value.clamp(0, max) }
    }
}

/// Drifts of a part: shares of speed and acceleration, two of padding, a pull along each axis, one of padding.
pub(crate) const DRIFTS: usize = 8;
/// Where the pulls are.
pub(crate) const PULLS: usize = 4;

/// A kind, for readers who own its entities or for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The told fields in coding order.
    pub(crate) parts: Vec<Part>,
    /// Largest value of each lane of the kind, as the reader is told.
    pub(crate) max: Vec<i32>,
    /// Number of features.
    pub(crate) features: usize,
    /// Number of drifts.
    pub(crate) drifts: usize,
    /// The class of each slot; slot 0 says whether there is a record.
    pub(crate) class: Vec<usize>,
    /// Symbols of each class.
    pub(crate) alphabet: Vec<usize>,
}

/// The slot that says whether there is a record.
pub(crate) const PRESENCE: usize = 0;
/// Class of the number of sleepers that wake, and of the gaps between them.
pub(crate) const WAKES: usize = 1;

impl Plan {
    /// Compiles `kind`. Lanes that name entities are not part of it.
    ///
    /// # Panics
    /// When `kind` has more than [`LANES_MAX`] lanes: no schema has.
    #[must_use]
    pub fn new(kind: &Kind, owner: bool) -> Self {
        assert!(kind.lanes.len() <= LANES_MAX, "a kind has at most {LANES_MAX} lanes");
        let max = kind.lanes.iter().map(|lane| if owner { lane.max } else { lane.public(lane.max) }).collect();
        let mut plan =
            Self { parts: Vec::new(), max, features: 1, drifts: 0, class: vec![0], alphabet: vec![2, bucket::SYMBOLS] };
        let fields = told(kind, owner);
        let heading = fields.iter().find(|f| f.role == Role::Heading && kind.lanes[f.lanes.start].wraps);
        let heading = heading.map(|field| field.lanes.start);
        fields.iter().for_each(|field| plan.part(kind, field, heading));
        for i in 0..plan.parts.len() {
            plan.parts[i].flag = plan.slots();
            plan.slot(2);
        }
        for i in 0..plan.parts.len() {
            plan.values(i);
        }
        plan
    }

    /// Adds the part of `field`, its slots apart.
    fn part(&mut self, kind: &Kind, field: &Field, heading: Option<usize>) {
        let lanes = field.lanes.clone();
        let largest = |lanes: Range<usize>| self.max[lanes].iter().copied().max().unwrap_or(0);
        let form = match (field.repr, heading) {
            _ if field.discrete => Form::Hold,
            (Repr::Linear { .. }, Some(heading)) if field.role == Role::Position && lanes.len() == 3 => {
                Form::Swept { heading }
            }
            (Repr::Linear { .. } | Repr::Angle { .. } | Repr::Unit { .. }, _) => Form::Linear,
            (Repr::Quat { .. }, _) if is_rotation(&self.max[lanes.clone()]) => Form::Quat,
            _ => Form::Hold,
        };
        let max = largest(if form == Form::Quat { lanes.start + 1..lanes.end } else { lanes.clone() });
        // Modulo a power of two; of anything else the way round is not a matter of bits.
        let wraps = lanes.len() == 1 && kind.lanes[lanes.start].wraps && max > 0 && max & max.wrapping_add(1) == 0;
        let axes = if form == Form::Hold { 0 } else { lanes.len().min(3) };
        let is_switch = form == Form::Hold && max == 1 && lanes.len() == 1;
        let (feature, drift) = (self.features, self.drifts);
        let part = Part { form, lanes, max, wraps, axes, is_switch, feature, drift, flag: 0, slot: 0 };
        self.features += part.features();
        self.drifts += if form == Form::Hold { 0 } else { DRIFTS };
        self.parts.push(part);
    }

    /// Adds the slots of the value of part `i`: a table each for the largest component of a rotation, one for all lanes.
    fn values(&mut self, i: usize) {
        self.parts[i].slot = self.slots();
        let (is_switch, is_quat) = (self.parts[i].is_switch, self.parts[i].form == Form::Quat);
        if is_switch {
            return;
        }
        if is_quat {
            self.slot(4);
        }
        let lanes = self.parts[i].lanes.len() - usize::from(is_quat);
        self.class.extend(std::iter::repeat_n(self.alphabet.len(), lanes));
        self.alphabet.push(bucket::SYMBOLS);
    }

    fn slot(&mut self, symbols: usize) {
        self.class.push(self.alphabet.len());
        self.alphabet.push(symbols);
    }

    /// Number of slots.
    #[must_use]
    pub(crate) fn slots(&self) -> usize {
        self.class.len()
    }
}

/// The fields that a reader is told, in coding order: what others are predicted from comes first.
fn told(kind: &Kind, owner: bool) -> Vec<&Field> {
    let told = |lane: usize| !kind.lanes[lane].entity && (owner || !kind.lanes[lane].owner_only);
    let mut fields: Vec<_> = kind.fields.iter().filter(|f| !f.lanes.is_empty() && told(f.lanes.start)).collect();
    fields.sort_by_key(|field| match (field.role, field.repr) {
        (Role::Heading, _) => 0,
        (Role::Position, _) => 1,
        (_, Repr::Quat { .. }) => 2,
        _ => 3,
    });
    fields
}

/// Whether lanes up to `max` can be turned: an index of four and three components of more than a bit.
fn is_rotation(max: &[i32]) -> bool {
    matches!(*max, [3, a, b, c] if a > 1 && a == b && b == c)
}
