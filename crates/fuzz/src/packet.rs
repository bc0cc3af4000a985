//! The parts of datagrams that mean something without a match. What one decodes to, it encodes to as well.

use downbeat_replica::bits::{BitReader, BitWriter};
use downbeat_replica::range::{Decoder, Encoder, RAW_BITS_MAX, TOTAL_BITS};
use downbeat_replica::{
    Cut, DecodeError, Enter, EntityId, Input, InputFrame, InputFrames, Leave, Schema, Tick, ViewTick, neutral,
    put_count, put_event, put_refs, take_count, take_event, take_refs,
};
use downbeat_wire::packet::{Acks, DownHead, UpHead};

use crate::bytes::Bytes;
use crate::puppets::{Pad, Puppets};

/// The first byte says which part it is.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    match bytes.byte() % 6 {
        0 => up_head(bytes.rest()),
        1 => input_frames(Tick(bytes.word()), bytes.rest()),
        2 => down_head(Tick(bytes.word()), bytes.rest()),
        3 => acks(bytes),
        4 => numbers(bytes),
        _ => records(bytes.rest()),
    }
}

fn up_head(bytes: &[u8]) {
    let Ok(head) = UpHead::decode(&mut BitReader::new(bytes)) else { return };
    let mut again = Vec::new();
    let mut out = BitWriter::new(&mut again);
    head.encode(&mut out);
    out.finish();
    assert_eq!(UpHead::decode(&mut BitReader::new(&again)), Ok(head));
}

fn input_frames(near: Tick, bytes: &[u8]) {
    let near = near.min(Tick::LAST);
    let (kind, neutral) = (Pad::kind(), neutral::<Pad>());
    let read = |bytes: &[u8]| {
        let mut frames = InputFrames::default();
        frames.decode(near, &kind, &neutral, &mut BitReader::new(bytes))?;
        let frame = |(tick, view, lanes): (Tick, ViewTick, &[i32])| InputFrame { tick, view, lanes: lanes.to_vec() };
        Ok::<Vec<_>, DecodeError>(frames.iter().map(frame).collect())
    };
    let Ok(frames) = read(bytes) else { return };
    for (frame, next) in frames.iter().zip(frames.iter().skip(1)) {
        assert_eq!(frame.tick.next(), next.tick);
        // No honest view leaps so far; one that does is told shorter.
        if (next.view.ticks() - frame.view.ticks()).abs() > 60_000.0 {
            return;
        }
    }
    let mut again = Vec::new();
    let mut out = BitWriter::new(&mut again);
    InputFrame::encode(&frames, &kind, &neutral, &mut out);
    out.finish();
    assert_eq!(read(&again), Ok(frames));
}

fn down_head(near: Tick, bytes: &[u8]) {
    let near = near.min(Tick::LAST);
    let Ok(head) = DownHead::decode(near, &mut Decoder::new(bytes)) else { return };
    let again = encoded(|out| head.encode(out));
    assert_eq!(DownHead::decode(near, &mut Decoder::new(&again)), Ok(head));
}

/// Against a list of all that was noted.
fn acks(mut bytes: Bytes<'_>) {
    let (mut acks, mut noted) = (None, Vec::new());
    let mut at = bytes.word() as u16;
    while !bytes.is_empty() {
        at = at.wrapping_add_signed(i16::from(bytes.byte() as i8));
        Acks::note(&mut acks, at);
        noted.push(at);
    }
    let Some(acks) = acks else { return };
    assert!(acks.iter().all(|number| acks.contains(number) && noted.contains(&number)));
    let among = (0..=u16::MAX).filter(|&number| acks.contains(number)).count();
    assert_eq!(acks.iter().count(), among);
}

/// The range coder's own words, read and written again.
fn numbers(mut bytes: Bytes<'_>) {
    let count = bytes.below(24);
    let orders: Vec<_> = (0..count).map(|_| (bytes.byte() % 4, bytes.byte())).collect();
    let read = |bytes: &[u8]| {
        let mut input = Decoder::new(bytes);
        let word = |&(what, how): &(u8, u8)| match what {
            0 => input.raw(u32::from(how) % (RAW_BITS_MAX + 1)),
            1 => input.wide(u32::from(how) % 33),
            2 => u32::from(input.flag(odds(how))),
            _ => input.number(u32::from(how) % 16),
        };
        let words: Vec<u32> = orders.iter().map(word).collect();
        (words, input.check(), input.finish())
    };
    let (words, check, _) = read(bytes.rest());
    if check.is_err() {
        return;
    }
    let again = encoded(|out| {
        for (&(what, how), &word) in orders.iter().zip(&words) {
            match what {
                0 => out.raw(word, u32::from(how) % (RAW_BITS_MAX + 1)),
                1 => out.wide(word, u32::from(how) % 33),
                2 => out.flag(word != 0, odds(how)),
                _ => out.number(word, u32::from(how) % 16),
            }
        }
    });
    assert_eq!(read(&again), (words, Ok(()), Ok(())));
}

/// From 1 to one less than all.
fn odds(how: u8) -> u16 {
    (u16::from(how) << 7).clamp(1, (1 << TOTAL_BITS) - 1)
}

/// Heads of records, and events, in an order that no datagram has.
fn records(bytes: &[u8]) {
    let schema = Schema::of::<Puppets>().expect("the game's tables can be");
    let table = schema.entities.iter().find(|kind| kind.entity_lanes().next().is_some()).expect("one names entities");
    let mut input = Decoder::new(bytes);
    let Ok(count) = take_count(64, "number", &mut input) else { return };
    let Ok((slot, leave)) = Leave::decode(&mut input) else { return };
    let Ok(enter) = Enter::decode(schema.entities.len(), &mut input) else { return };
    let cut = Cut::decode(&mut input);
    let is_told = cut.is_told(&mut input);
    let mut state = vec![0; table.lanes.len()];
    let Ok(()) = take_refs(table, &mut input, &mut state) else { return };
    let Ok((kind, age, lanes)) = take_event(&schema, &mut input) else { return };

    let slot_of = |id: EntityId| id.index() as u16 + 1;
    let mut refs = [0; downbeat_replica::limits::ENTITY_LANES_MAX];
    for (named, lane) in refs.iter_mut().zip(table.entity_lanes()) {
        *named = EntityId::from_lane(state[lane]).map_or(0, slot_of);
    }
    let again = encoded(|out| {
        put_count(count, out);
        leave.encode(slot, out);
        enter.encode(schema.entities.len(), out);
        cut.encode(out);
        cut.put(is_told, out);
        put_refs(table, &refs, out);
        put_event(&schema, kind, age, &lanes, slot_of, out);
    });
    let mut input = Decoder::new(&again);
    assert_eq!(take_count(64, "number", &mut input), Ok(count));
    assert_eq!(Leave::decode(&mut input), Ok((slot, leave)));
    assert_eq!(Enter::decode(schema.entities.len(), &mut input), Ok(enter));
    assert_eq!((Cut::decode(&mut input), cut.is_told(&mut input)), (cut, is_told));
    let mut back = vec![0; table.lanes.len()];
    assert_eq!(take_refs(table, &mut input, &mut back).map(|()| back), Ok(state));
    assert_eq!(take_event(&schema, &mut input), Ok((kind, age, lanes)));
    assert_eq!(input.finish(), Ok(()));
}

fn encoded(write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    write(&mut out);
    out.finish();
    bytes
}
