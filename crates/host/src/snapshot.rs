//! One datagram to one client: what it is behind on, by priority, until the budget is full.

use downbeat_replica::bits::BitWriter;
use downbeat_replica::limits::EVENTS_PER_DATAGRAM_MAX;
use downbeat_replica::{EntityId, Hearers, Kind, Micros, PlayerId, RecordHead, Schema, Tick, put_event, put_refs};
use downbeat_wire::packet::{DownHead, InputReport};

use crate::entities::{Body, Entities};
use crate::limits::LEAVES_PER_DATAGRAM_MAX;
use crate::replication::{Refs, Replication};
use crate::room::hears;
use crate::types::Counters;

/// An event of this snapshot interval.
#[derive(Debug)]
pub(crate) struct EncodedEvent {
    pub(crate) hearers: Hearers,
    pub(crate) tick: Tick,
    pub(crate) kind: usize,
    pub(crate) lanes: Vec<i32>,
}

/// What all snapshots of a tick share.
pub(crate) struct Source<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) entities: &'a mut Entities,
    pub(crate) events: &'a [EncodedEvent],
    pub(crate) counters: &'a mut Counters,
    pub(crate) tick: Tick,
    pub(crate) now: Micros,
}

/// Whom a snapshot is for.
pub(crate) struct Reader {
    pub(crate) player: Option<PlayerId>,
    pub(crate) avatar: Option<EntityId>,
    pub(crate) inputs: Option<InputReport>,
    pub(crate) bytes_max: usize,
}

/// A record that could be sent.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    slot: u16,
    priority: f32,
    what: What,
    bits: usize,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Index into `leaving`.
    Leave(usize),
    /// Index into `known`.
    State { known: usize, avatar: bool, body: Body, base: Option<Tick>, refs: Refs },
}

/// The work space of encoding, used again for each client.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    candidates: Vec<Candidate>,
    datagram: Vec<u8>,
}

impl Snapshot {
    /// Encodes what the client is to be told now.
    pub(crate) fn encode(
        &mut self,
        mut source: Source<'_>,
        reader: &Reader,
        visible: &[EntityId],
        replication: &mut Replication,
    ) -> &[u8] {
        replication.settle(source.now);
        let entities = &*source.entities;
        replication.show(visible, reader.avatar, entities);
        self.gather(&mut source, reader, replication);
        source.counters.snapshots += 1;
        source.counters.shown += replication.known.len() as u64;

        let Self { candidates, datagram } = self;
        datagram.clear();
        let mut out = BitWriter::new(datagram);
        let sequence = replication.flights.next_sequence();
        DownHead { sequence, tick: source.tick, inputs: reader.inputs }.encode(&mut out);
        let events_dropped = put_events(&source, reader, replication, &mut out);
        source.counters.events_dropped += events_dropped;

        let room_bits = (reader.bytes_max * 8).saturating_sub(out.bit_len() + COUNT_BITS_MAX);
        let deferred = choose(candidates, room_bits);
        source.counters.deferred += deferred as u64;
        out.golomb(candidates.len() as u32, COUNT_ORDER);
        put_records(candidates, &source, sequence, replication, &mut out);
        out.finish();
        datagram
    }

    /// Finds everything that the client is behind on.
    fn gather(&mut self, source: &mut Source<'_>, reader: &Reader, replication: &mut Replication) {
        self.candidates.clear();
        let unsent = replication.leaving.iter().enumerate().filter(|(_, leaving)| leaving.sent_sequence.is_none());
        self.candidates.extend(unsent.take(LEAVES_PER_DATAGRAM_MAX).map(|(i, leaving)| Candidate {
            slot: leaving.slot,
            priority: LEAVE_PRIORITY,
            what: What::Leave(i),
            bits: head_bits_max(source.tick, None),
        }));
        for i in 0..replication.known.len() {
            let id = replication.known[i].id;
            let Some(entity) = source.entities.of(id) else { continue };
            let kind = &source.schema.entities[entity.kind];
            let refs = refs_of(kind, entity.versions.newest().map_or(&[], |newest| newest.lanes), replication);
            let avatar = reader.avatar == Some(id);
            let known = &mut replication.known[i];
            if !known.is_behind(entity, &refs, avatar) {
                continue;
            }
            known.priority += 1.0;
            let priority = if avatar { f32::INFINITY } else { known.priority };
            let baseline = known.baseline(entity);
            let slot = known.slot;
            let base = baseline.map_or(0, |baseline| baseline.version);
            let refs_bits = kind.entity_lanes().count() * REF_BITS_MAX;
            let body = source.entities.body(source.schema, id, base, avatar).expect("both versions are remembered");
            self.candidates.push(Candidate {
                slot,
                priority,
                what: What::State { known: i, avatar, body, base: baseline.map(|baseline| baseline.tick), refs },
                bits: head_bits_max(source.tick, baseline.map(|baseline| baseline.tick)) + body.bits + refs_bits,
            });
        }
    }
}

/// Writes the chosen records and notes what was sent.
fn put_records(
    candidates: &[Candidate],
    source: &Source<'_>,
    sequence: u16,
    replication: &mut Replication,
    out: &mut BitWriter<'_>,
) {
    let Replication { known, leaving, flights, .. } = replication;
    let sent = flights.open(source.tick, source.now);
    let kinds = source.schema.entities.len();
    let mut before = -1;
    for candidate in candidates {
        match candidate.what {
            What::Leave(i) => {
                leaving[i].sent_sequence = Some(sequence);
                RecordHead::Leave(leaving[i].why).encode(candidate.slot, before, source.tick, kinds, out);
                sent.push(leaving[i].record());
            }
            What::State { known: i, avatar, body, base, refs } => {
                let known = &mut known[i];
                let entity = source.entities.of(known.id).expect("candidates are in the table");
                let head = match base {
                    Some(base) => RecordHead::Update { base, rested: entity.rested },
                    None => RecordHead::Enter { kind: entity.kind, avatar },
                };
                head.encode(candidate.slot, before, source.tick, kinds, out);
                source.entities.write_body(body, out);
                put_refs(&source.schema.entities[entity.kind], &refs, out);
                sent.push(known.send(entity.versions.newest_number(), refs, sequence));
            }
        }
        before = candidate.slot.into();
    }
}

/// Most bits of a record's head: a slot's gap (25), a kind or the age of a baseline (Exp-Golomb of order 2), and flags.
fn head_bits_max(tick: Tick, base: Option<Tick>) -> usize {
    let age = base.map_or(0, |base| tick.0 - base.0);
    25 + 2 * ((age >> 2) + 1).ilog2() as usize + 3 + 8
}

/// Keeps what fits, the most urgent first, in order of slots. Returns how many were put off.
fn choose(candidates: &mut Vec<Candidate>, room_bits: usize) -> usize {
    let all = candidates.len();
    if candidates.iter().map(|candidate| candidate.bits).sum::<usize>() > room_bits {
        candidates.sort_unstable_by(|a, b| b.priority.total_cmp(&a.priority).then(a.slot.cmp(&b.slot)));
        let mut left = room_bits;
        candidates.retain(|candidate| {
            let fits = candidate.bits <= left;
            left -= if fits { candidate.bits } else { 0 };
            fits
        });
    }
    candidates.sort_unstable_by_key(|candidate| candidate.slot);
    all - candidates.len()
}

/// The entities that `lanes` name, as the client knows them.
fn refs_of(kind: &Kind, lanes: &[i32], replication: &Replication) -> Refs {
    let mut refs = Refs::default();
    for (slot, lane) in refs.iter_mut().zip(kind.entity_lanes()) {
        let id = EntityId::from_lane(lanes[lane]);
        *slot = id.and_then(|id| replication.slot_of(id)).map_or(0, |slot| slot + 1);
    }
    refs
}

/// Writes the events that the client hears of, as far as they fit. Returns how many did not.
fn put_events(source: &Source<'_>, reader: &Reader, replication: &Replication, out: &mut BitWriter<'_>) -> u64 {
    let heard = || source.events.iter().filter(|event| hears(event.hearers, reader.player, replication));
    // At most half of the datagram, and the rest is for the state.
    let room = (reader.bytes_max * 4).saturating_sub(out.bit_len());
    let mut bits = 0;
    let fitting = heard().take(EVENTS_PER_DATAGRAM_MAX).take_while(|event| {
        let lanes = &source.schema.events[event.kind].lanes;
        bits += EVENT_HEAD_BITS_MAX + lanes.iter().map(|lane| lane.bits(true) as usize).sum::<usize>();
        bits <= room
    });
    let count = fitting.count();
    out.golomb(count as u32, 0);
    for event in heard().take(count) {
        let age = source.tick.0 - event.tick.0;
        let slot_of = |id| replication.slot_of(id).map_or(0, |slot| slot + 1);
        put_event(source.schema, event.kind, age, &event.lanes, slot_of, out);
    }
    (heard().count() - count) as u64
}

const COUNT_ORDER: u32 = downbeat_replica::RECORD_COUNT_ORDER;
/// A count of records up to the most slots there are.
const COUNT_BITS_MAX: usize = 26;
/// One entity that a lane names.
const REF_BITS_MAX: usize = 25;
const EVENT_HEAD_BITS_MAX: usize = 24;
/// Before all states but the avatar's: what is gone must not be seen.
const LEAVE_PRIORITY: f32 = f32::MAX;
