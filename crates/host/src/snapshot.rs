//! One datagram to one client: what it is behind on, by priority, until the budget is full.

use downbeat_replica::codec::{Op, guess, wakes};
use downbeat_replica::limits::{EVENTS_PER_DATAGRAM_MAX, RETAINED_SNAPSHOTS};
use downbeat_replica::range::Encoder;
use downbeat_replica::{
    ConfigError, Cut, EPOCH_ORDER, Enter, EntityId, Frames, Hearers, Kind, Lane, Picked, PlayerId, Refs, SLOT_BITS_MAX,
    Schema, Tick, event_bits_max, put_count, put_event, put_refs,
};
use downbeat_wire::packet::{DownHead, InputReport, Known};

use crate::entities::{Entities, Record};
use crate::replication::{Replication, slot_in};
use crate::room::hears;
use crate::types::Counters;

/// Checks that a record of every kind fits into a snapshot of `bytes`, whatever its state.
///
/// # Errors
/// Names the kind that does not.
pub(crate) fn check_sizes(schema: &Schema, bytes: usize) -> Result<(), ConfigError> {
    for kind in &schema.entities {
        let lane = |lane: &Lane| if lane.entity { SLOT_BITS_MAX } else { lane.bits(true) + SYMBOL_BITS_MAX };
        let bits = kind.lanes.iter().map(lane).sum::<u32>() + kind.fields.len() as u32 * FLAG_BITS_MAX + SLOT_BITS_MAX;
        let most = bits as usize / 8 + HEAD_BYTES_MAX + SLACK_BYTES;
        if most > bytes {
            return Err(ConfigError(format!(
                "{} of game {} can take {most} bytes; a snapshot has {bytes}: split it into kinds, quantise it harder, or \
                 let clients have more bytes per second",
                kind.name, schema.game
            )));
        }
    }
    Ok(())
}

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
}

/// Whom a snapshot is for.
pub(crate) struct Reader {
    pub(crate) player: Option<PlayerId>,
    pub(crate) avatar: Option<EntityId>,
    pub(crate) inputs: Option<InputReport>,
    pub(crate) bytes_max: usize,
    /// Events up to this tick were told it before.
    pub(crate) heard: Tick,
}

/// An entity that the client knows.
#[derive(Clone, Copy, Debug)]
struct Member {
    slot: u16,
    /// How many sleepers there are before it, if it is one.
    sleepers: Option<u32>,
    record: Record,
    /// What it costs at most, in 1/256 bit.
    cost: u32,
    priority: f32,
    is_told: bool,
}

/// An entity that the client does not know yet.
#[derive(Clone, Copy, Debug)]
struct Newcomer {
    slot: u16,
    /// The lower, the sooner; of equals who was told longest ago.
    turn: u8,
    spelled: Tick,
    record: Option<Record>,
}

/// The work space of encoding, used again for each client.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    members: Vec<Member>,
    newcomers: Vec<Newcomer>,
    order: Vec<u32>,
    picks: Picks,
    guess: Vec<i32>,
    avatar: Vec<i32>,
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
        let (tick, interval) = (source.tick, source.entities.interval());
        let mut known = replication.begin(tick, interval);
        replication.show(tick, visible, reader.avatar, source.entities);
        let leaves_bits: usize = replication.leaving.iter().map(|leaving| leave_bits(leaving.slot)).sum();
        if leaves_bits > reader.bytes_max * 8 / 2 {
            // To say who stays is shorter than to say who leaves.
            replication.restart(tick);
            known = Known::default();
        }
        let sleepers = self.gather(&mut source, reader, replication);
        source.counters.snapshots += 1;
        source.counters.shown += replication.shown().len() as u64;

        self.datagram.clear();
        let mut datagram = std::mem::take(&mut self.datagram);
        let mut out = Encoder::new(&mut datagram);
        DownHead { tick, known, inputs: reader.inputs }.encode(&mut out);
        if known.bits() == 0 {
            out.number(tick.0 - replication.epoch.0, EPOCH_ORDER);
        }
        put_count(replication.leaving.len(), &mut out);
        replication.leaving.iter().for_each(|leaving| leaving.why.encode(leaving.slot, &mut out));

        let room = reader.bytes_max.saturating_sub(out.len_max() + SLACK_BYTES) as u32 * 8;
        let events = fitting_events(&source, reader, replication, room.min(reader.bytes_max as u32 * 4));
        let room = (room - events.bits).saturating_mul(COST_OF_BIT);
        let cut = self.choose(&mut source, reader, replication, room);
        source.counters.deferred += self.members.iter().filter(|member| !member.is_told).count() as u64;
        source.counters.events_dropped += events.dropped;

        self.put_newcomers(&source, reader, replication, &mut out);
        self.put_members(&source, cut, sleepers, replication, &mut out);
        put_events(&source, reader, &events, replication, &mut out);
        out.finish();
        replication.send();
        self.datagram = datagram;
        &self.datagram
    }

    /// Sorts all who are shown by what the client knows of them. Returns how many sleep.
    fn gather(&mut self, source: &mut Source<'_>, reader: &Reader, replication: &mut Replication) -> u32 {
        let Self { members, newcomers, picks, .. } = self;
        members.clear();
        newcomers.clear();
        let (number, tick, interval) = (replication.sent.newest(), source.tick, source.entities.interval());
        let ago = |snapshots: u32| tick.offset(-i64::from(snapshots * interval));
        let known = replication.known;
        let landed = known.newest().map_or_else(|| ago(RETAINED_SNAPSHOTS), ago);
        picks.begin(known, interval);
        let base = replication.base();
        let Replication { slots, index, remembered, .. } = replication;
        let mut sleepers = 0;
        for (slot, place) in slots.iter_mut().enumerate() {
            let Some(shown) = place else { continue };
            let (id, kind, owner) = (shown.id, shown.kind, reader.avatar == Some(shown.id));
            let mut refs_cost = 0;
            if source.entities.names_entities(kind) {
                let table = &source.schema.entities[kind];
                refs_cost = refs_bits(table) * COST_OF_BIT;
                let refs = refs_of(table, owner, source.entities.state(id), index);
                if shown.refs != refs {
                    (shown.refs, shown.renamed) = (refs, tick);
                }
            }
            let told = shown.told(number).and(known).beyond(base);
            let lags = || source.entities.model().kind(kind, owner).lags();
            let Some(picked) = picks.of(told, 2 * kind + usize::from(owner), lags) else {
                let changed = source.entities.told_since(id, owner).max(shown.renamed);
                let turn = match shown.spelled {
                    _ if owner => 0,
                    Tick::ZERO => 1,
                    spelled if spelled <= landed => 2,
                    spelled if spelled < changed => 3,
                    // What is on its way and true is not told again.
                    _ => continue,
                };
                newcomers.push(Newcomer { slot: slot as u16, turn, spelled: shown.spelled, record: None });
                continue;
            };
            let record = match remembered.as_deref().filter(|_| told == base) {
                Some(remembered) => {
                    let state = (picked.ages()[0], remembered.state(slot));
                    source.entities.record_beside(id, state, owner, shown.renamed)
                }
                None => source.entities.record(id, picked, owner, shown.renamed),
            };
            let before = record.asleep.then_some(sleepers);
            sleepers += u32::from(record.asleep);
            if record.asleep && !record.news {
                shown.tell();
                continue;
            }
            shown.priority += if record.since.max(shown.renamed) > shown.spelled { 1.0 } else { ON_ITS_WAY };
            let priority = match (owner, record.news) {
                (true, _) => f32::INFINITY,
                // To say that nothing changed costs less than a bit, and keeps the entity known.
                (false, false) => f32::MAX,
                (false, true) => shown.priority,
            };
            let mut cost = record.cost + if record.news { refs_cost } else { 0 };
            cost += if record.asleep { WAKE_BITS * COST_OF_BIT } else { 0 };
            members.push(Member { slot: slot as u16, sleepers: before, record, cost, priority, is_told: true });
        }
        sleepers
    }

    /// Decides who is told, so that all costs `room` at most (in 1/256 bit): of those who enter as many as what the client
    /// knows leaves room for, or most of it, and of those known the most urgent. Returns the share of the members that are
    /// put off.
    fn choose(&mut self, source: &mut Source<'_>, reader: &Reader, replication: &Replication, room: u32) -> Cut {
        let all = self.members.iter().map(|member| member.cost).fold(0, u32::saturating_add);
        let own = self.members.iter().find(|member| member.priority == f32::INFINITY).map_or(0, |own| own.cost);
        let kept = (room / MEMBERS_SHARE).max(own.saturating_mul(2)).min(all).min(room);
        let room = room - self.choose_newcomers(source, reader, replication, room - kept);
        if all <= room {
            return Cut::default();
        }
        let Self { members, order, .. } = self;
        let mut fitting = (u64::from(room) * members.len() as u64 / u64::from(all)) as usize;
        let cut = loop {
            let cut = Cut::of(members.len() - fitting.min(members.len() - 1), members.len());
            // To say that thousands are put off takes room, too: the fewer are told, the less.
            if fitting == 0 || members.len() as u64 * u64::from(cut.cost(false)) <= u64::from(room / 2) {
                break cut;
            }
            fitting /= 2;
        };
        let mut left = i64::from(room) - members.len() as i64 * i64::from(cut.cost(false));
        order.clear();
        order.extend(0..members.len() as u32);
        order.sort_unstable_by(|&a, &b| {
            let (a, b) = (&members[a as usize], &members[b as usize]);
            b.priority.total_cmp(&a.priority).then(a.slot.cmp(&b.slot))
        });
        for &i in order.iter() {
            let member = &mut members[i as usize];
            let cost = i64::from(member.cost + cut.cost(true)) - i64::from(cut.cost(false));
            member.is_told = cost <= left;
            left -= if member.is_told { cost } else { 0 };
        }
        cut
    }

    /// Decides who enters: whom the client was never told of, then whom it was told of longest ago. Returns what they cost,
    /// `room` at most.
    fn choose_newcomers(
        &mut self,
        source: &mut Source<'_>,
        reader: &Reader,
        replication: &Replication,
        room: u32,
    ) -> u32 {
        if self.newcomers.is_empty() {
            return 0;
        }
        self.newcomers.sort_unstable_by_key(|newcomer| (newcomer.turn, newcomer.spelled, newcomer.slot));
        let from = self.own_state(source, reader, replication);
        let (mut fitting, mut spent) = (0, 0);
        for newcomer in &mut self.newcomers {
            let shown = replication.slots[usize::from(newcomer.slot)].as_ref().expect("newcomers are shown");
            let kind = source.entities.of(shown.id).expect("what is shown is in the table").kind;
            let owner = reader.avatar == Some(shown.id);
            let table = &source.schema.entities[kind];
            let from = from.map(|kind| (&source.schema.entities[kind], true, &*self.avatar));
            guess(table, owner, from, &mut self.guess);
            let record = source.entities.enter(shown.id, owner, &self.guess);
            let head = Enter { slot: newcomer.slot, kind, avatar: owner };
            let cost = record.cost + head.cost(source.schema.entities.len()) + refs_bits(table) * COST_OF_BIT;
            if cost > room - spent {
                break;
            }
            spent += cost;
            newcomer.record = Some(record);
            fitting += 1;
        }
        self.newcomers.truncate(fitting);
        self.newcomers.sort_unstable_by_key(|newcomer| newcomer.slot);
        spent
    }

    /// The kind of the client's avatar, and in `self.avatar` the newest state of it that both ends know.
    fn own_state(&mut self, source: &Source<'_>, reader: &Reader, replication: &Replication) -> Option<usize> {
        let id = reader.avatar?;
        let entity = source.entities.of(id)?;
        let slot = usize::from(replication.slot_of(id)?);
        let known = replication.slots[slot].as_ref()?.told_before().and(replication.known);
        let ticks = known.newest()? * source.entities.interval();
        let state = match replication.remembered(known) {
            Some(remembered) => remembered.state(slot),
            None => entity.told(true).at(source.tick.offset(-i64::from(ticks)))?.lanes,
        };
        self.avatar.clear();
        self.avatar.extend_from_slice(state);
        Some(entity.kind)
    }

    fn put_newcomers(
        &self,
        source: &Source<'_>,
        reader: &Reader,
        replication: &mut Replication,
        out: &mut Encoder<'_>,
    ) {
        put_count(self.newcomers.len(), out);
        for newcomer in &self.newcomers {
            let shown = replication.slots[usize::from(newcomer.slot)].as_mut().expect("newcomers are shown");
            let entity = source.entities.of(shown.id).expect("what is shown is in the table");
            let (kind, avatar) = (entity.kind, reader.avatar == Some(shown.id));
            Enter { slot: newcomer.slot, kind, avatar }.encode(source.schema.entities.len(), out);
            Op::write(source.entities.ops(newcomer.record.expect("those without were left out")), out);
            put_refs(&source.schema.entities[kind], &shown.refs, out);
            shown.spell(source.tick);
        }
    }

    /// Writes those that the client knows: in order of slots, first who is awake, then sleepers that wake.
    fn put_members(
        &self,
        source: &Source<'_>,
        cut: Cut,
        sleepers: u32,
        replication: &mut Replication,
        out: &mut Encoder<'_>,
    ) {
        cut.encode(out);
        let mut put = |member: &Member, out: &mut Encoder<'_>| {
            cut.put(member.is_told, out);
            let shown = replication.slots[usize::from(member.slot)].as_mut().expect("members are shown");
            if !member.is_told {
                return;
            }
            Op::write(source.entities.ops(member.record), out);
            if !member.record.news {
                return shown.tell();
            }
            if source.entities.names_entities(shown.kind) {
                put_refs(&source.schema.entities[shown.kind], &shown.refs, out);
            }
            shown.spell(source.tick);
        };
        self.members.iter().filter(|member| member.sleepers.is_none()).for_each(|member| put(member, out));
        if sleepers > 0 {
            let waking = || self.members.iter().filter_map(|member| Some((member.sleepers?, member)));
            let model = source.entities.model().kind(0, false);
            wakes::put_count(model, waking().count() as u32, out);
            let mut next = 0;
            for (before, member) in waking() {
                wakes::put_gap(model, before - next, out);
                next = before + 1;
                put(member, out);
            }
        }
    }
}

/// The states to predict from, which most entities of a kind have in common.
#[derive(Debug, Default)]
struct Picks {
    known: Frames,
    interval: u32,
    /// For entities that were told in all of these snapshots; by kind and whether the reader owns it.
    common: Vec<Option<(Frames, Picked)>>,
}

impl Picks {
    fn begin(&mut self, known: Frames, interval: u32) {
        (self.known, self.interval) = (known, interval);
        self.common.fill(None);
    }

    fn of(&mut self, told: Frames, kind: usize, lags: impl FnOnce() -> [u32; 2]) -> Option<Picked> {
        let common = self.common.get(kind).copied().flatten();
        if let Some((_, picked)) = common.filter(|(frames, _)| told.and(*frames) == *frames) {
            return Some(picked);
        }
        let picked = told.pick(lags(), self.interval)?;
        if told == self.known {
            let mut frames = Frames::default();
            picked.ages().iter().for_each(|&age| frames.insert(age.into()));
            self.common.resize(self.common.len().max(kind + 1), None);
            self.common[kind] = Some((frames, picked));
        }
        Some(picked)
    }
}

fn refs_of(kind: &Kind, owner: bool, lanes: &[i32], index: &[(EntityId, u16)]) -> Refs {
    let mut refs = Refs::default();
    for (slot, lane) in refs.iter_mut().zip(kind.entity_lanes()) {
        if kind.lanes[lane].owner_only && !owner {
            continue;
        }
        let id = lanes.get(lane).and_then(|&lane| EntityId::from_lane(lane));
        *slot = id.and_then(|id| slot_in(index, id)).map_or(0, |slot| slot + 1);
    }
    refs
}

fn refs_bits(kind: &Kind) -> u32 {
    kind.entity_lanes().count() as u32 * SLOT_BITS_MAX
}

/// Bits of a leave: the slot in Exp-Golomb code of order 5, and why.
const fn leave_bits(slot: u16) -> usize {
    2 * (slot as usize + 32).ilog2() as usize - 5 + 2
}

/// The events that a datagram has room for.
struct Events {
    count: usize,
    bits: u32,
    dropped: u64,
}

/// The events that the client hears of, and was not told before.
fn news<'a>(
    source: &'a Source<'_>,
    reader: &Reader,
    replication: &Replication,
) -> impl Iterator<Item = &'a EncodedEvent> {
    let is_new = |event: &&EncodedEvent| event.tick > reader.heard;
    source.events.iter().filter(is_new).filter(|event| hears(event.hearers, reader.player, replication))
}

/// The events that the client hears of, as far as they fit into `room` bits.
fn fitting_events(source: &Source<'_>, reader: &Reader, replication: &Replication, room: u32) -> Events {
    let heard = || news(source, reader, replication);
    let (mut count, mut bits) = (0, 0);
    for event in heard().take(EVENTS_PER_DATAGRAM_MAX) {
        let more = event_bits_max(&source.schema.events[event.kind]);
        if bits + more > room {
            break;
        }
        (count, bits) = (count + 1, bits + more);
    }
    Events { count, bits, dropped: (heard().count() - count) as u64 }
}

fn put_events(source: &Source<'_>, reader: &Reader, events: &Events, replication: &Replication, out: &mut Encoder<'_>) {
    put_count(events.count, out);
    for event in news(source, reader, replication).take(events.count) {
        let age = source.tick.0 - event.tick.0;
        let slot_of = |id| replication.slot_of(id).map_or(0, |slot| slot + 1);
        put_event(source.schema, event.kind, age, &event.lanes, slot_of, out);
    }
}

/// A symbol, at most: one of the 63 buckets.
const SYMBOL_BITS_MAX: u32 = downbeat_replica::range::TOTAL_BITS;
/// A flag that says whether a field changed, at most.
const FLAG_BITS_MAX: u32 = downbeat_replica::range::TOTAL_BITS;
/// The head of a datagram.
const HEAD_BYTES_MAX: usize = 24;
/// Costs are in 1/256 bit.
const COST_OF_BIT: u32 = 256;
/// Counts, flags, and what costs are rounded by.
const SLACK_BYTES: usize = 16;
/// A gap between sleepers, at most.
const WAKE_BITS: u32 = 30;
/// At least this part of a datagram is for those whom the client knows, if they need it. Entering is not worth less: it is
/// what ends a first state, and who fell out of what both ends know waits for it.
const MEMBERS_SHARE: u32 = 4;
/// By how much an entity becomes more urgent whose news are on their way.
const ON_ITS_WAY: f32 = 1.0 / 16.0;
