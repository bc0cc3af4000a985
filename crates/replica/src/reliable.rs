//! Events that must arrive, as a stream of bytes to one client: each is its length and a range code of its own.

use std::collections::VecDeque;

use downbeat_wire::range::{Decoder, Encoder};

use crate::limits::RELIABLE_EVENT_BYTES_MAX;
use crate::record::{put_event_kind, put_event_lanes, take_event_kind, take_event_lanes};
use crate::{DecodeError, EntityId, Schema, Tick};

/// An event as a client is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldEvent {
    /// When it happened.
    pub tick: Tick,
    /// Index of its kind among the schema's events.
    pub kind: usize,
    /// Its lanes; those that name entities name the slots that these had when it was sent.
    pub lanes: Vec<i32>,
}

/// Appends an event of `tick` to `out`. `slot_of` translates the entities that it names: 0 for none, else the slot + 1.
pub fn put_reliable(
    schema: &Schema,
    kind: usize,
    tick: Tick,
    lanes: &[i32],
    slot_of: impl Fn(EntityId) -> u16,
    out: &mut Vec<u8>,
) {
    let head = out.len();
    out.extend_from_slice(&[0; HEAD]);
    let mut code = Encoder::new(out);
    code.wide(tick.0, u32::BITS);
    put_event_kind(schema, kind, &mut code);
    put_event_lanes(&schema.events[kind], lanes, slot_of, &mut code);
    code.finish();
    let length = out.len() - head - HEAD;
    debug_assert!(length <= RELIABLE_EVENT_BYTES_MAX, "64 lanes of 32 bits and their head are less");
    out[head..head + HEAD].copy_from_slice(&(length as u16).to_le_bytes());
}

/// Cuts a stream into events. Never holds more than one event beyond what was pushed.
#[derive(Debug, Default)]
pub struct ReliableReader {
    bytes: VecDeque<u8>,
    body: Vec<u8>,
}

impl ReliableReader {
    /// Takes in what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next event, if all of it has arrived.
    ///
    /// # Errors
    /// What no server writes; after an error the stream cannot go on.
    pub fn next_event(&mut self, schema: &Schema) -> Result<Option<ToldEvent>, DecodeError> {
        let (Some(&low), Some(&high)) = (self.bytes.front(), self.bytes.get(1)) else { return Ok(None) };
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length > RELIABLE_EVENT_BYTES_MAX {
            return Err(DecodeError::TooLarge("reliable event"));
        }
        if self.bytes.len() < HEAD + length {
            return Ok(None);
        }
        self.body.clear();
        self.body.extend(self.bytes.drain(..HEAD + length).skip(HEAD));
        let mut input = Decoder::new(&self.body);
        let tick = Tick(input.wide(u32::BITS));
        let kind = take_event_kind(schema, &mut input)?;
        let lanes = take_event_lanes(&schema.events[kind], &mut input)?;
        input.finish()?;
        Ok(Some(ToldEvent { tick, kind, lanes }))
    }
}

/// The length, little-endian.
const HEAD: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Replicated};
    use proptest::prelude::*;

    #[derive(Replicated)]
    struct Goal {
        #[field(range = 0..=999)]
        points: u16,
        scorer: Option<EntityId>,
        stamp: u32,
    }

    #[derive(Replicated)]
    struct Whistle {
        #[field(range = 0..=4)]
        why: u8,
    }

    fn schema() -> Schema {
        with(vec![Kind::of::<Goal>("Goal"), Kind::of::<Whistle>("Whistle")])
    }

    fn with(events: Vec<Kind>) -> Schema {
        Schema::new("toy".into(), vec![Kind::of::<Whistle>("Thing")], events, Kind::of::<Whistle>("Input"))
            .expect("small")
    }

    proptest! {
        #[test]
        fn events_are_read_as_written_however_they_are_cut(
            events in prop::collection::vec((any::<u32>(), any::<bool>(), 0..5_i32, any::<bool>()), 1..12), step in 1..40_usize,
        ) {
            let schema = schema();
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (tick, goal, value, named) in events {
                let scorer = EntityId::new(70, 3);
                let of = |id: EntityId| if named { id.to_lane() } else { 0 };
                let (kind, lanes) = if goal { (0, vec![value * 200, of(scorer), value, 5]) } else { (1, vec![value]) };
                let lanes = lanes[..schema.events[kind].lanes.len()].to_vec();
                put_reliable(&schema, kind, Tick(tick), &lanes, |id| id.index() as u16 + 1, &mut bytes);
                let mut told = lanes;
                for lane in schema.events[kind].entity_lanes() {
                    told[lane] = of(EntityId::new(70, 0));
                }
                expected.push(ToldEvent { tick: Tick(tick), kind, lanes: told });
            }
            let (mut reader, mut read) = (ReliableReader::default(), Vec::new());
            for chunk in bytes.chunks(step) {
                reader.push(chunk);
                while let Some(event) = reader.next_event(&schema).expect("the bytes are right") {
                    read.push(event);
                }
            }
            prop_assert_eq!(read, expected);
            prop_assert!(reader.bytes.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), length in 0..60_u8) {
            for head in [vec![], vec![length, 0]] {
                let mut reader = ReliableReader::default();
                reader.push(&[head, bytes.clone()].concat());
                while let Ok(Some(_)) = reader.next_event(&schema()) {}
            }
        }
    }

    #[test]
    fn what_no_server_writes_is_refused() {
        let schema = schema();
        let mut bytes = Vec::new();
        put_reliable(&schema, 1, Tick(9), &[3], |_| 0, &mut bytes);
        let read = |bytes: &[u8], schema: &Schema| {
            let mut reader = ReliableReader::default();
            reader.push(bytes);
            reader.next_event(schema)
        };
        assert!(matches!(read(&bytes, &schema), Ok(Some(_))));
        assert_eq!(read(&[1, 2], &schema), Err(DecodeError::TooLarge("reliable event")));
        assert_eq!(read(&bytes, &with(Vec::new())), Err(DecodeError::Malformed("kind of an event")));
        let longer = [&[bytes[0] + 9, 0], &bytes[2..], &[7; 9]].concat();
        assert_eq!(read(&longer, &schema), Err(DecodeError::TrailingBytes));
    }
}
