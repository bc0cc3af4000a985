//! The head of an entity's record in a datagram: what depends on the client. The body follows it.
//!
//! A client knows an entity by a slot. Records are ordered by slot and tell the gap to the slot before, so that a
//! client learns nothing from numbers about what it may not see.

use downbeat_wire::bits::{BitReader, BitWriter};

use crate::limits::SLOTS_MAX;
use crate::{DecodeError, EntityId, Kind, Schema, Tick};

/// Why an entity is not shown any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is out of the client's view.
    View,
    /// It is gone.
    Despawn,
}

/// What a record does to its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordHead {
    /// The slot's entity changed; the body is coded against the state that the datagram of tick `base` delivered.
    Update {
        /// Tick of the datagram that delivered the baseline; older than the datagram's own.
        base: Tick,
        /// Whether the entity was at rest until the snapshot before this one.
        rested: bool,
    },
    /// The slot shows an entity from now on; the body stands on its own.
    Enter {
        /// Index of the kind in the schema.
        kind: usize,
        /// Whether it is the client's own avatar.
        avatar: bool,
    },
    /// The slot is empty from now on. No body follows.
    Leave(Leave),
}

impl RecordHead {
    /// Writes the head for `slot` behind a record for `before` (-1 for none) in the datagram of `tick`.
    pub fn encode(self, slot: u16, before: i32, tick: Tick, kinds: usize, out: &mut BitWriter<'_>) {
        out.golomb((i32::from(slot) - before - 1) as u32, 0);
        match self {
            Self::Update { base, rested } => {
                out.flag(false);
                out.golomb((tick.0 - base.0) - 1, 2);
                out.flag(rested);
            }
            Self::Enter { kind, avatar } => {
                out.bits(0b01, 2);
                out.bits(kind as u32, kind_bits(kinds));
                out.flag(avatar);
            }
            Self::Leave(leave) => {
                out.bits(0b11, 2);
                out.flag(leave == Leave::Despawn);
            }
        }
    }

    /// Reads what [`Self::encode`] wrote, with its slot.
    ///
    /// # Errors
    /// Anything that `encode` does not write.
    pub fn decode(
        before: i32,
        tick: Tick,
        kinds: usize,
        input: &mut BitReader<'_>,
    ) -> Result<(u16, Self), DecodeError> {
        let slot = i64::from(before) + 1 + i64::from(input.golomb(0)?);
        if slot >= SLOTS_MAX as i64 {
            return Err(DecodeError::TooLarge("slot"));
        }
        let head = if !input.flag()? {
            let age = input.golomb(2)?.checked_add(1).filter(|&age| age < tick.0);
            let base = Tick(tick.0 - age.ok_or(DecodeError::Malformed("age of a baseline"))?);
            Self::Update { base, rested: input.flag()? }
        } else if !input.flag()? {
            let kind = input.bits(kind_bits(kinds))? as usize;
            if kind >= kinds {
                return Err(DecodeError::Malformed("kind of an entity"));
            }
            Self::Enter { kind, avatar: input.flag()? }
        } else {
            Self::Leave(if input.flag()? { Leave::Despawn } else { Leave::View })
        };
        Ok((slot as u16, head))
    }
}

/// Order of the Exp-Golomb code of a datagram's number of records.
pub const RECORD_COUNT_ORDER: u32 = 4;

/// Writes the entities that a record's lanes name, behind its body: 0 for none, else the slot + 1.
pub fn put_refs(kind: &Kind, refs: &[u16], out: &mut BitWriter<'_>) {
    for (_, &slot) in kind.entity_lanes().zip(refs) {
        out.golomb(slot.into(), REF_ORDER);
    }
}

/// Reads what [`put_refs`] wrote into the lanes of `state`. There an entity's id is its slot.
///
/// # Errors
/// When the bytes end early or name a slot that cannot be.
pub fn take_refs(kind: &Kind, input: &mut BitReader<'_>, state: &mut [i32]) -> Result<(), DecodeError> {
    for lane in kind.entity_lanes() {
        state[lane] = take_ref(input)?;
    }
    Ok(())
}

fn take_ref(input: &mut BitReader<'_>) -> Result<i32, DecodeError> {
    let slot = input.golomb(REF_ORDER)?;
    if slot as usize > SLOTS_MAX {
        return Err(DecodeError::TooLarge("slot"));
    }
    Ok(slot.checked_sub(1).map_or(0, |slot| EntityId::new(slot, 0).to_lane()))
}

/// Writes an event that happened `age` ticks before the datagram's. `slot_of` translates the entities that it names:
/// 0 for none, else the slot + 1.
pub fn put_event(
    schema: &Schema,
    kind: usize,
    age: u32,
    lanes: &[i32],
    slot_of: impl Fn(EntityId) -> u16,
    out: &mut BitWriter<'_>,
) {
    out.bits(kind as u32, kind_bits(schema.events.len()));
    out.golomb(age, 0);
    for (lane, &value) in schema.events[kind].lanes.iter().zip(lanes) {
        if lane.entity {
            out.golomb(EntityId::from_lane(value).map_or(0, &slot_of).into(), REF_ORDER);
        } else {
            out.bits(value as u32, lane.bits(true));
        }
    }
}

/// Reads what [`put_event`] wrote: the kind, the age and the lanes.
///
/// # Errors
/// Anything that `put_event` does not write.
pub fn take_event(schema: &Schema, input: &mut BitReader<'_>) -> Result<(usize, u32, Vec<i32>), DecodeError> {
    let kind = input.bits(kind_bits(schema.events.len()))? as usize;
    let table = schema.events.get(kind).ok_or(DecodeError::Malformed("kind of an event"))?;
    let age = input.golomb(0)?;
    let mut lanes = Vec::with_capacity(table.lanes.len());
    for lane in &table.lanes {
        if lane.entity {
            lanes.push(take_ref(input)?);
            continue;
        }
        let value = input.bits(lane.bits(true))? as i32;
        if !(0..=lane.max).contains(&value) {
            return Err(DecodeError::Malformed("lane of an event"));
        }
        lanes.push(value);
    }
    Ok((kind, age, lanes))
}

const REF_ORDER: u32 = 3;

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
        fn heads_are_read_as_written(slot in 0..SLOTS_MAX as u16, gap in 1..4_000_i32, tick in 2..1_000_000_u32, age in 1..5_000_u32,
                                     which in 0..4, flag in any::<bool>(), kinds in 1..9_usize) {
            let before = (i32::from(slot) - gap).max(-1);
            let head = match which {
                0 => RecordHead::Update { base: Tick(tick - age.min(tick - 1)), rested: flag },
                1 => RecordHead::Enter { kind: kinds - 1, avatar: flag },
                2 => RecordHead::Leave(Leave::View),
                _ => RecordHead::Leave(Leave::Despawn),
            };
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            head.encode(slot, before, Tick(tick), kinds, &mut writer);
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            prop_assert_eq!(RecordHead::decode(before, Tick(tick), kinds, &mut reader), Ok((slot, head)));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..12), before in -1..4_100_i32, tick in 0..100_u32) {
            let _ = RecordHead::decode(before, Tick(tick), 3, &mut BitReader::new(&bytes));
        }
    }
}
