//! The parts of a server's datagram behind its head, each written and read side by side.
//!
//! A client knows an entity by a slot, and learns nothing from numbers about what it may not see. In this order: the
//! slots that are empty from now on, the entities that enter, those that the client knows (by slot, unnamed: both ends
//! know who they are), the sleepers that wake, events.

use downbeat_wire::range::{Decoder, Encoder, TOTAL_BITS};

use crate::limits::{ENTITY_LANES_MAX, SLOTS_MAX};
use crate::{DecodeError, EntityId, Kind, Schema, codec};

/// Why an entity is not shown any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is out of the client's view.
    View,
    /// It is gone.
    Despawn,
}

impl Leave {
    /// Writes that `slot` is empty from now on.
    pub fn encode(self, slot: u16, out: &mut Encoder<'_>) {
        out.number(slot.into(), SLOT_ORDER);
        out.flag(self == Self::Despawn, HALF);
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes end early or name a slot that cannot be.
    pub fn decode(input: &mut Decoder<'_>) -> Result<(u16, Self), DecodeError> {
        let slot = take_slot(input)?;
        Ok((slot, if input.flag(HALF) { Self::Despawn } else { Self::View }))
    }
}

/// The head of an entity that enters; its state follows, beside a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// The slot that it has from now on.
    pub slot: u16,
    /// Index of its kind in the schema.
    pub kind: usize,
    /// Whether it is the client's own avatar.
    pub avatar: bool,
}

impl Enter {
    /// Writes the head, of one of `kinds`.
    pub fn encode(self, kinds: usize, out: &mut Encoder<'_>) {
        out.number(self.slot.into(), SLOT_ORDER);
        out.raw(self.kind as u32, kind_bits(kinds));
        out.flag(self.avatar, SELDOM);
    }

    /// What [`Self::encode`] costs, in 1/256 bit, rounded up.
    #[must_use]
    pub fn cost(self, kinds: usize) -> u32 {
        let slot = 2 * (u32::from(self.slot) + (1 << SLOT_ORDER)).ilog2() + 1 - SLOT_ORDER;
        let odds = if self.avatar { SELDOM } else { (1 << TOTAL_BITS) - SELDOM };
        (slot + kind_bits(kinds)) * 256 + codec::cost(odds)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes end early, or name a slot or a kind that cannot be.
    pub fn decode(kinds: usize, input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let slot = take_slot(input)?;
        let kind = input.raw(kind_bits(kinds)) as usize;
        if kind >= kinds {
            return Err(DecodeError::Malformed("kind of an entity"));
        }
        Ok(Self { slot, kind, avatar: input.flag(SELDOM) })
    }
}

/// Most bits of a [`Leave`], an [`Enter`] (its state apart) or an entity that a lane names.
pub const SLOT_BITS_MAX: u32 = 29 + 6;

/// Writes how many leave, enter or happened.
pub fn put_count(count: usize, out: &mut Encoder<'_>) {
    out.flag(count > 0, FOURTH);
    if count > 0 {
        out.number(count as u32 - 1, 0);
    }
}

/// Reads what [`put_count`] wrote.
///
/// # Errors
/// When the bytes end early or it is more than `max`; `what` names it.
pub fn take_count(max: usize, what: &'static str, input: &mut Decoder<'_>) -> Result<usize, DecodeError> {
    let count = if input.flag(FOURTH) { input.number(0).saturating_add(1) as usize } else { 0 };
    input.check()?;
    if count > max { Err(DecodeError::TooLarge(what)) } else { Ok(count) }
}

/// Which share of the entities that a client knows a datagram had no room for, roughly: a byte or two must be enough to
/// say which of thousands. Without a share, there was room for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut(Option<u32>);

impl Cut {
    /// Of so many, so many had no room.
    #[must_use]
    pub fn of(cut: usize, all: usize) -> Self {
        let near = |&level: &u32| (cut << TOTAL_BITS).abs_diff(all * usize::from(CUT_ODDS[level as usize]));
        Self((0..CUT_ODDS.len() as u32).min_by_key(near).filter(|_| cut > 0))
    }

    /// Writes the share.
    pub fn encode(self, out: &mut Encoder<'_>) {
        out.flag(self.0.is_some(), SELDOM);
        self.0.into_iter().for_each(|level| out.raw(level, CUT_BITS));
    }

    /// Reads what [`Self::encode`] wrote.
    #[must_use]
    pub fn decode(input: &mut Decoder<'_>) -> Self {
        Self(if input.flag(SELDOM) { Some(input.raw(CUT_BITS)) } else { None })
    }

    /// Writes whether there was room for one of them.
    pub fn put(self, told: bool, out: &mut Encoder<'_>) {
        debug_assert!(told || self.0.is_some(), "without a share there was room for all");
        self.0.into_iter().for_each(|level| out.flag(!told, CUT_ODDS[level as usize]));
    }

    /// Reads what [`Self::put`] wrote.
    #[must_use]
    pub fn is_told(self, input: &mut Decoder<'_>) -> bool {
        self.0.is_none_or(|level| !input.flag(CUT_ODDS[level as usize]))
    }

    /// What [`Self::put`] costs for one, in 1/256 bit, rounded up.
    #[must_use]
    pub fn cost(self, told: bool) -> u32 {
        let odds = |level: u32| CUT_ODDS[level as usize];
        self.0.map_or(0, |level| codec::cost(if told { (1 << TOTAL_BITS) - odds(level) } else { odds(level) }))
    }
}

const CUT_BITS: u32 = 3;
const CUT_ODDS: [u16; 1 << CUT_BITS] = [1 << 10, 1 << 12, 1 << 13, 1 << 14, 3 << 13, 7 << 12, 31 << 10, 255 << 7];

/// The entities that a state's lanes name, as a client knows them: 0 for none, else the slot + 1.
pub type Refs = [u16; ENTITY_LANES_MAX];

/// Writes the entities that a record's lanes name, behind its state.
pub fn put_refs(kind: &Kind, refs: &Refs, out: &mut Encoder<'_>) {
    kind.entity_lanes().zip(refs).for_each(|(_, &slot)| out.number(slot.into(), SLOT_ORDER));
}

/// Reads what [`put_refs`] wrote into the lanes of `state`: there an entity's id is its slot.
///
/// # Errors
/// When the bytes end early or name a slot that cannot be.
pub fn take_refs(kind: &Kind, input: &mut Decoder<'_>, state: &mut [i32]) -> Result<(), DecodeError> {
    for lane in kind.entity_lanes() {
        state[lane] = take_ref(input)?;
    }
    Ok(())
}

fn take_ref(input: &mut Decoder<'_>) -> Result<i32, DecodeError> {
    let slot = input.number(SLOT_ORDER);
    input.check()?;
    if slot as usize > SLOTS_MAX {
        return Err(DecodeError::TooLarge("slot"));
    }
    Ok(slot.checked_sub(1).map_or(0, |slot| EntityId::new(slot, 0).to_lane()))
}

fn take_slot(input: &mut Decoder<'_>) -> Result<u16, DecodeError> {
    let slot = input.number(SLOT_ORDER);
    input.check()?;
    if slot as usize >= SLOTS_MAX { Err(DecodeError::TooLarge("slot")) } else { Ok(slot as u16) }
}

/// Writes an event that happened `age` ticks before the datagram's. `slot_of` translates the entities that it names:
/// 0 for none, else the slot + 1.
pub fn put_event(
    schema: &Schema,
    kind: usize,
    age: u32,
    lanes: &[i32],
    slot_of: impl Fn(EntityId) -> u16,
    out: &mut Encoder<'_>,
) {
    put_event_kind(schema, kind, out);
    out.number(age, 0);
    put_event_lanes(&schema.events[kind], lanes, slot_of, out);
}

pub(crate) fn put_event_kind(schema: &Schema, kind: usize, out: &mut Encoder<'_>) {
    out.raw(kind as u32, kind_bits(schema.events.len()));
}

pub(crate) fn put_event_lanes(table: &Kind, lanes: &[i32], slot_of: impl Fn(EntityId) -> u16, out: &mut Encoder<'_>) {
    for (lane, &value) in table.lanes.iter().zip(lanes) {
        if lane.entity {
            out.number(EntityId::from_lane(value).map_or(0, &slot_of).into(), SLOT_ORDER);
        } else {
            out.wide(value as u32, lane.bits(true));
        }
    }
}

/// Reads what [`put_event`] wrote: the kind, the age and the lanes.
///
/// # Errors
/// Anything that `put_event` does not write.
pub fn take_event(schema: &Schema, input: &mut Decoder<'_>) -> Result<(usize, u32, Vec<i32>), DecodeError> {
    let kind = take_event_kind(schema, input)?;
    let age = input.number(0);
    Ok((kind, age, take_event_lanes(&schema.events[kind], input)?))
}

pub(crate) fn take_event_kind(schema: &Schema, input: &mut Decoder<'_>) -> Result<usize, DecodeError> {
    let kind = input.raw(kind_bits(schema.events.len())) as usize;
    if kind < schema.events.len() { Ok(kind) } else { Err(DecodeError::Malformed("kind of an event")) }
}

pub(crate) fn take_event_lanes(table: &Kind, input: &mut Decoder<'_>) -> Result<Vec<i32>, DecodeError> {
    let mut lanes = Vec::with_capacity(table.lanes.len());
    for lane in &table.lanes {
        if lane.entity {
            lanes.push(take_ref(input)?);
            continue;
        }
        let value = input.wide(lane.bits(true)) as i32;
        if !(0..=lane.max).contains(&value) {
            return Err(DecodeError::Malformed("lane of an event"));
        }
        lanes.push(value);
    }
    input.check()?;
    Ok(lanes)
}

/// Most bits of an event of this kind.
#[must_use]
pub fn event_bits_max(kind: &Kind) -> u32 {
    let lane = |lane: &crate::Lane| if lane.entity { SLOT_BITS_MAX } else { lane.bits(true) };
    24 + kind.lanes.iter().map(lane).sum::<u32>()
}

/// Order of the code of an epoch's age.
pub const EPOCH_ORDER: u32 = 6;

/// Order of the code of slots: of those below 32 each costs six bits.
const SLOT_ORDER: u32 = 5;

/// Odds, of `1 << TOTAL_BITS`.
const HALF: u16 = 1 << (TOTAL_BITS - 1);
const FOURTH: u16 = 1 << (TOTAL_BITS - 2);
const SELDOM: u16 = 1 << (TOTAL_BITS - 5);

/// Bits that tell one of `kinds` apart.
const fn kind_bits(kinds: usize) -> u32 {
    usize::BITS - kinds.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_are_read_as_written(slot in 0..SLOTS_MAX as u16, kinds in 1..65_usize, which in any::<[bool; 2]>(),
                                     cut in 0..300_usize, more in 0..300_usize, count in 0..500_usize) {
            let enter = Enter { slot, kind: kinds - 1, avatar: which[0] };
            let leave = if which[1] { Leave::Despawn } else { Leave::View };
            let cut_of = Cut::of(cut, cut + more);
            let mut bytes = Vec::new();
            let mut out = Encoder::new(&mut bytes);
            put_count(count, &mut out);
            leave.encode(slot, &mut out);
            enter.encode(kinds, &mut out);
            cut_of.encode(&mut out);
            cut_of.put(true, &mut out);
            cut_of.put(cut == 0, &mut out);
            out.finish();
            let mut input = Decoder::new(&bytes);
            prop_assert_eq!(take_count(count, "number", &mut input), Ok(count));
            prop_assert_eq!(Leave::decode(&mut input), Ok((slot, leave)));
            prop_assert_eq!(Enter::decode(kinds, &mut input), Ok(enter));
            let read = Cut::decode(&mut input);
            prop_assert_eq!(read, cut_of);
            prop_assert!(read.is_told(&mut input));
            prop_assert_eq!(read.is_told(&mut input), cut == 0);
            prop_assert_eq!(input.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut input = Decoder::new(&bytes);
            let _ = (Leave::decode(&mut input), Enter::decode(3, &mut input), take_count(9, "number", &mut input));
        }
    }

    #[test]
    fn a_share_is_told_by_the_nearest_odds() {
        assert_eq!(Cut::of(0, 40), Cut(None));
        assert_eq!(Cut::of(1, 40), Cut(Some(0)));
        assert_eq!(Cut::of(20, 40), Cut(Some(3)));
        assert_eq!(Cut::of(9_990, 10_000), Cut(Some(7)));
    }
}
