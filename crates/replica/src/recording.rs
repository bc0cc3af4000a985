//! What one client was told of a match, as a file: models are trained on it.
//!
//! A frame tells a tick whose snapshot arrived, and what changed in the client's knowledge since the frame before:
//! entities that it learnt of, lanes that changed, slots that are empty now. The file is a head (magic, the schema's
//! hash as u64, the seed as u64, ticks per second as u32, all little-endian) and frames until it ends. A frame is made of
//! LEB128 numbers: ticks since the frame before, number of changes, then for each, by slot, the slots between it and the
//! change before in the upper bits and what it is in the lowest two; behind that whose record it is and all lanes
//! (enters), or a set of lanes and their differences (changes), or nothing (gone).
//!
//! A file may come from anybody: reading it keeps no more than one frame, however long the file is.

use std::collections::BTreeMap;

use crate::limits::SLOTS_MAX;
use crate::{Kind, Schema, Tick};

/// An entity as the client was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The slot it has. Another entity may have it later: `entered` tells them apart.
    pub slot: u16,
    /// The tick of the first state of it.
    pub entered: Tick,
    /// Index of its kind in the schema.
    pub kind: usize,
    /// Whether it is the client's own avatar: its lanes are then those that owners are told.
    pub avatar: bool,
    /// Its lanes as told. Those that name entities are recorded as 0.
    pub lanes: Vec<i32>,
}

impl Told {
    fn is_of(&self, other: &Self) -> bool {
        (self.entered, self.kind, self.avatar) == (other.entered, other.kind, other.avatar)
    }
}

/// Why bytes are not a recording of this game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// Another file.
    #[error("this is not a recording")]
    NotARecording,
    /// It is of another game, or of this one with other tables.
    #[error("the recording is of schema {found:016x}; this game's is {expected:016x}: record it again")]
    OtherSchema {
        /// The hash in the file.
        found: u64,
        /// That of the schema it is read for.
        expected: u64,
    },
    /// It ends within a frame.
    #[error("the recording ends within the frame behind tick {}", after.0)]
    Truncated {
        /// The last whole frame; 0 when there is none.
        after: Tick,
    },
    /// Something that recording never writes; names it.
    #[error("illegal {what} in the recording, in the frame behind tick {}", after.0)]
    Illegal {
        /// What is wrong.
        what: &'static str,
        /// The frame before; 0 when there is none.
        after: Tick,
    },
    /// More than is worth keeping in memory.
    #[error("the recording tells more than {0} lanes: record a shorter match")]
    TooLong(usize),
}

/// Writes a recording, a frame at a time.
#[derive(Debug)]
pub struct Writer {
    kinds: Vec<Kind>,
    tick: Tick,
    told: BTreeMap<u16, Told>,
}

impl Writer {
    /// Begins a recording in `out`. `seed` is that of the match, as far as it is known.
    #[must_use]
    pub fn new(schema: &Schema, seed: u64, tick_rate_hz: u32, out: &mut Vec<u8>) -> Self {
        out.extend(MAGIC);
        out.extend(schema.hash().to_le_bytes());
        out.extend(seed.to_le_bytes());
        out.extend(tick_rate_hz.to_le_bytes());
        Self { kinds: schema.entities.clone(), tick: Tick::ZERO, told: BTreeMap::new() }
    }

    /// Appends to `out` what is known since the snapshot of `tick` came: each slot once.
    ///
    /// # Panics
    /// When `tick` is no later than that of the frame before, or an entity is none of the schema.
    pub fn frame(&mut self, tick: Tick, known: impl IntoIterator<Item = Told>, out: &mut Vec<u8>) {
        assert!(tick > self.tick, "frames are written in the order of their ticks");
        put(u64::from(tick.0 - self.tick.0), out);
        let mut now = BTreeMap::new();
        for mut told in known {
            let kind = &self.kinds[told.kind];
            assert_eq!(told.lanes.len(), kind.lanes.len(), "an entity has the lanes of its kind");
            kind.entity_lanes().for_each(|lane| told.lanes[lane] = 0);
            now.insert(told.slot, told);
        }
        let gone = self.told.keys().filter(|slot| !now.contains_key(slot)).map(|&slot| (slot, None));
        let news = now.iter().filter(|(slot, told)| self.told.get(slot) != Some(told));
        let mut changes: Vec<_> = gone.chain(news.map(|(&slot, told)| (slot, Some(told)))).collect();
        changes.sort_unstable_by_key(|&(slot, _)| slot);
        put(changes.len() as u64, out);
        let mut next = 0;
        for (slot, told) in changes {
            let gap = u64::from(slot - std::mem::replace(&mut next, slot + 1));
            let head = |what: u64| gap << 2 | what;
            match (told, self.told.get(&slot)) {
                (None, _) => put(head(GONE), out),
                (Some(told), Some(before)) if told.is_of(before) => {
                    put(head(CHANGES), out);
                    put_changes(&before.lanes, &told.lanes, out);
                }
                (Some(told), _) => {
                    put(head(ENTERS), out);
                    put(u64::from(tick.0 - told.entered.0.min(tick.0)), out);
                    put((told.kind as u64) << 1 | u64::from(told.avatar), out);
                    told.lanes.iter().for_each(|&lane| put(lane as u64, out));
                }
            }
        }
        (self.tick, self.told) = (tick, now);
    }
}

fn put_changes(before: &[i32], now: &[i32], out: &mut Vec<u8>) {
    let by = || now.iter().zip(before).map(|(now, before)| i64::from(*now) - i64::from(*before));
    put(by().enumerate().map(|(lane, by)| u64::from(by != 0) << lane).sum(), out);
    by().filter(|&by| by != 0).for_each(|by| put((by << 1 ^ by >> 63) as u64, out));
}

/// Reads a recording, a frame at a time.
#[derive(Debug)]
pub struct Reader<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    seed: u64,
    tick_rate_hz: u32,
    tick: Tick,
    told: BTreeMap<u16, Told>,
}

impl<'a> Reader<'a> {
    /// Reads the head.
    ///
    /// # Errors
    /// When it is no recording, or one of another schema.
    pub fn new(schema: &'a Schema, bytes: &'a [u8]) -> Result<Self, RecordingError> {
        let mut reader = Self { schema, bytes, seed: 0, tick_rate_hz: 0, tick: Tick::ZERO, told: BTreeMap::new() };
        if reader.fixed() != Ok(MAGIC) {
            return Err(RecordingError::NotARecording);
        }
        let (found, expected) = (u64::from_le_bytes(reader.fixed()?), schema.hash());
        if found != expected {
            return Err(RecordingError::OtherSchema { found, expected });
        }
        reader.seed = u64::from_le_bytes(reader.fixed()?);
        reader.tick_rate_hz = u32::from_le_bytes(reader.fixed()?);
        Ok(reader)
    }

    /// The seed of the match; where a server did not say its own, that of the bots.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Ticks per second.
    #[must_use]
    pub const fn tick_rate_hz(&self) -> u32 {
        self.tick_rate_hz
    }

    /// The tick of the next frame; `None` at the end. What was known then is [`Self::known`].
    ///
    /// # Errors
    /// When the file ends early, or holds what recording never writes. Nothing can be read behind that.
    pub fn next_frame(&mut self) -> Result<Option<Tick>, RecordingError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let by = self.number()?;
        let tick = u32::try_from(by).ok().filter(|&by| by > 0).and_then(|by| self.tick.0.checked_add(by));
        let tick = Tick(tick.ok_or_else(|| self.illegal("tick"))?);
        let mut next = 0;
        for _ in 0..self.number()? {
            let head = self.number()?;
            let slot = (head >> 2).checked_add(next).filter(|&slot| slot < SLOTS_MAX as u64);
            let slot = slot.ok_or_else(|| self.illegal("slot"))?;
            next = slot + 1;
            self.change(tick, slot as u16, head & 3)?;
        }
        self.tick = tick;
        Ok(Some(tick))
    }

    /// What was known in the frame read last, by slot.
    pub fn known(&self) -> impl Iterator<Item = &Told> {
        self.told.values()
    }

    fn change(&mut self, tick: Tick, slot: u16, what: u64) -> Result<(), RecordingError> {
        match what {
            ENTERS => {
                let told = self.entering(tick, slot)?;
                self.told.insert(slot, told);
                Ok(())
            }
            CHANGES => {
                let mut told = self.told.remove(&slot).ok_or_else(|| self.illegal("change"))?;
                self.changes(&mut told)?;
                self.told.insert(slot, told);
                Ok(())
            }
            GONE => self.told.remove(&slot).map(drop).ok_or_else(|| self.illegal("slot")),
            _ => Err(self.illegal("change")),
        }
    }

    fn entering(&mut self, tick: Tick, slot: u16) -> Result<Told, RecordingError> {
        let age = self.number()?;
        let entered = u32::try_from(age).ok().and_then(|age| tick.0.checked_sub(age)).map(Tick);
        let entered = entered.ok_or_else(|| self.illegal("age"))?;
        let who = self.number()?;
        let (kind, avatar) = ((who >> 1) as usize, who & 1 == 1);
        let lanes = self.schema.entities.get(kind).ok_or_else(|| self.illegal("kind"))?.lanes.len();
        let mut told = Told { slot, entered, kind, avatar, lanes: Vec::with_capacity(lanes) };
        for lane in 0..lanes {
            let value = i64::try_from(self.number()?).map_err(|_| self.illegal("lane"))?;
            let value = self.legal(&told, lane, value)?;
            told.lanes.push(value);
        }
        Ok(told)
    }

    fn changes(&mut self, told: &mut Told) -> Result<(), RecordingError> {
        let set = self.number()?;
        if set == 0 || u64::BITS - set.leading_zeros() > told.lanes.len() as u32 {
            return Err(self.illegal("set of lanes"));
        }
        for lane in (0..told.lanes.len()).filter(|lane| set >> lane & 1 == 1) {
            let number = self.number()?;
            let by = (number >> 1) as i64 ^ -((number & 1) as i64);
            let value = i64::from(told.lanes[lane]).checked_add(by).ok_or_else(|| self.illegal("lane"))?;
            told.lanes[lane] = self.legal(told, lane, value)?;
        }
        Ok(())
    }

    fn legal(&self, told: &Told, lane: usize, value: i64) -> Result<i32, RecordingError> {
        let lane = self.schema.entities[told.kind].lanes[lane];
        let max = match (lane.entity, told.avatar) {
            (true, _) => 0,
            (false, true) => lane.max,
            (false, false) => lane.public(lane.max),
        };
        i32::try_from(value).ok().filter(|value| (0..=max).contains(value)).ok_or_else(|| self.illegal("lane"))
    }

    fn number(&mut self) -> Result<u64, RecordingError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.fixed()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.illegal("number"))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], RecordingError> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(RecordingError::Truncated { after: self.tick })?;
        self.bytes = rest;
        Ok(*head)
    }

    const fn illegal(&self, what: &'static str) -> RecordingError {
        RecordingError::Illegal { what, after: self.tick }
    }
}

fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

const MAGIC: [u8; 4] = *b"dbr1";
const CHANGES: u64 = 0;
const ENTERS: u64 = 1;
const GONE: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glam::Vec3;
    use crate::{EntityId, Replicated};
    use proptest::prelude::*;

    #[derive(Replicated)]
    struct Ball {
        #[field(position, range = -64.0..=64.0, step = 0.125, owner_bits = 4)]
        position: Vec3,
        #[field(range = 0..=2000000000)]
        score: i32,
        target: Option<EntityId>,
    }

    #[derive(Replicated)]
    struct Door {
        open: bool,
    }

    fn schema(game: &'static str) -> Schema {
        let kinds = vec![Kind::of::<Ball>("Ball"), Kind::of::<Door>("Door")];
        Schema::new(game.into(), kinds, vec![], Kind::default()).expect("small kinds")
    }

    /// Few slots, entry ticks and values, so that entities come, change, stay and go.
    fn entities() -> impl Strategy<Value = BTreeMap<u16, Told>> {
        let told = (0..6_u16, 1..3_u32, any::<[bool; 2]>(), prop::collection::vec(any::<u32>(), 5));
        prop::collection::vec(told, 0..6).prop_map(|all| {
            let schema = schema("test");
            let one = |(slot, entered, [door, avatar], values): (u16, u32, [bool; 2], Vec<u32>)| {
                let (kind, slot) = (usize::from(door), if slot == 5 { SLOTS_MAX as u16 - 1 } else { slot });
                let table = &schema.entities[kind].lanes;
                let most = |lane: &crate::Lane| if avatar { lane.max } else { lane.public(lane.max) };
                let lane = |(lane, value): (&crate::Lane, u32)| match lane.entity {
                    true => 0,
                    false => (value % (most(lane) as u32 + 1)) as i32,
                };
                let lanes = table.iter().zip(values).map(lane).collect();
                (slot, Told { slot, entered: Tick(entered), kind, avatar, lanes })
            };
            all.into_iter().map(one).collect()
        })
    }

    fn write(schema: &Schema, frames: &[(u32, BTreeMap<u16, Told>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(schema, 7, 60, &mut bytes);
        let mut tick = Tick(2);
        for (by, frame) in frames {
            tick = Tick(tick.0 + by);
            writer.frame(tick, frame.values().cloned(), &mut bytes);
        }
        bytes
    }

    fn read_all(schema: &Schema, bytes: &[u8]) -> Result<usize, RecordingError> {
        let (mut reader, mut frames) = (Reader::new(schema, bytes)?, 0);
        while reader.next_frame()?.is_some() {
            frames += 1;
        }
        Ok(frames)
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(frames in prop::collection::vec((1..200_u32, entities()), 0..12), cut in any::<prop::sample::Index>()) {
            let schema = schema("test");
            let mut bytes = write(&schema, &frames);
            let mut reader = Reader::new(&schema, &bytes).expect("it was just written");
            prop_assert_eq!((reader.seed(), reader.tick_rate_hz()), (7, 60));
            let mut tick = 2;
            for (by, frame) in &frames {
                tick += by;
                prop_assert_eq!(reader.next_frame(), Ok(Some(Tick(tick))));
                prop_assert!(reader.known().eq(frame.values()));
            }
            prop_assert_eq!(reader.next_frame(), Ok(None));
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(read_all(&schema, &bytes).is_ok_and(|read| read < frames.len()) || read_all(&schema, &bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let schema = schema("test");
            let _ = Reader::new(&schema, &bytes);
            let head = write(&schema, &[]);
            let _ = read_all(&schema, &[head, bytes].concat());
        }

        #[test]
        fn a_changed_byte_gives_legal_lanes_or_an_error(frames in prop::collection::vec((1..200_u32, entities()), 1..6), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let schema = schema("test");
            let mut bytes = write(&schema, &frames);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let Ok(mut reader) = Reader::new(&schema, &bytes) else { return Ok(()) };
            while let Ok(Some(tick)) = reader.next_frame() {
                for told in reader.known() {
                    prop_assert!(told.entered <= tick && usize::from(told.slot) < SLOTS_MAX);
                    let lanes = &schema.entities[told.kind].lanes;
                    prop_assert!(lanes.iter().zip(&told.lanes).all(|(lane, value)| (0..=lane.max).contains(value)));
                }
            }
        }
    }

    #[test]
    fn lanes_that_name_entities_are_not_recorded() {
        let schema = schema("test");
        let ball = Told { slot: 3, entered: Tick(1), kind: 0, avatar: true, lanes: vec![1, 2, 3, 4, 5] };
        let bytes = write(&schema, &[(1, [(3, ball)].into())]);
        let mut reader = Reader::new(&schema, &bytes).expect("it was just written");
        assert_eq!(reader.next_frame(), Ok(Some(Tick(3))));
        assert_eq!(reader.known().next().map(|told| &told.lanes[..]), Some(&[1, 2, 3, 4, 0][..]));
    }

    #[test]
    fn other_files_and_other_schemas_are_named() {
        let (ours, theirs) = (schema("ours"), schema("theirs"));
        let other = RecordingError::OtherSchema { found: theirs.hash(), expected: ours.hash() };
        assert_eq!(read_all(&ours, &write(&theirs, &[])), Err(other));
        assert_eq!(read_all(&ours, b"GIF89a"), Err(RecordingError::NotARecording));
        let head = write(&ours, &[]);
        let behind = |bytes: &[u8]| read_all(&ours, &[&head, bytes].concat());
        let illegal = |what| Err(RecordingError::Illegal { what, after: Tick::ZERO });
        assert_eq!(behind(&[]), Ok(0));
        assert_eq!(behind(&[1]), Err(RecordingError::Truncated { after: Tick::ZERO }));
        assert_eq!(behind(&[0, 0]), illegal("tick"));
        assert_eq!(behind(&[1, 1, 2]), illegal("slot"), "nobody is there to go");
        assert_eq!(behind(&[1, 1, 0, 1]), illegal("change"), "nobody is there to change");
        assert_eq!(behind(&[1, 1, 3]), illegal("change"));
        assert_eq!(behind(&[1, 1, 0xfd, 0xff, 0x7f]), illegal("slot"));
        assert_eq!(behind(&[1, 1, 1, 2, 0]), illegal("age"));
        assert_eq!(behind(&[1, 1, 1, 0, 4]), illegal("kind"));
        assert_eq!(behind(&[1, 1, 1, 0, 2, 2]), illegal("lane"), "a door is open or not");
        assert_eq!(behind(&[0xff; 11]), illegal("number"));
    }
}
