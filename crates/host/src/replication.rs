//! What one client knows of the room: which entities, under which slots, and which states of them for sure.

use downbeat_replica::limits::{ENTITY_LANES_MAX, SLOTS_MAX};
use downbeat_replica::{Baseline, EntityId, Leave, Micros, is_retained};
use downbeat_wire::packet::Acks;

use crate::entities::{Entities, Entity};
use crate::flights::{Flights, Landing, SentRecord};

/// An entity that a client is shown, or will be as soon as its first record arrives.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: EntityId,
    pub(crate) slot: u16,
    /// Counts entries into the client's view, so that a late acknowledgement is never taken for that of another one.
    view: u32,
    /// States that the client acknowledged, newest first, at most three.
    baselines: [Option<Baseline>; BASELINES],
    /// Records of it that were sent.
    pub(crate) sent: u32,
    /// The version in the newest of them; 0 once that was lost.
    sent_version: u32,
    /// The datagram with the newest of them.
    sent_sequence: u16,
    /// What its lanes that name entities meant to the client in that record.
    refs_sent: Refs,
    /// Whether that record was lost and named any.
    lost_refs: bool,
    /// Grows while it waits for its turn.
    pub(crate) priority: f32,
}

/// Lanes that name entities, as a client knows them: 0 for none, else the slot + 1.
pub(crate) type Refs = [u16; ENTITY_LANES_MAX];

/// A slot that is to be emptied at the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) slot: u16,
    id: EntityId,
    view: u32,
    pub(crate) why: Leave,
    /// The datagram that tells it, unless that is lost.
    pub(crate) sent_sequence: Option<u16>,
}

impl Leaving {
    /// Whether `record` told of this leave, and not of another one that used the slot.
    fn is(&self, record: &SentRecord) -> bool {
        record.slot == self.slot && record.view == self.view
    }

    /// What to remember of it when it is sent.
    pub(crate) const fn record(&self) -> SentRecord {
        SentRecord { slot: self.slot, id: self.id, view: self.view, version: 0, count: 0 }
    }
}

const BASELINES: usize = 3;

/// Slots of a client: the lowest free one is taken next, so that their numbers stay small.
#[derive(Debug, Default)]
struct Slots {
    is_used: Vec<bool>,
    used: usize,
}

impl Slots {
    /// A free slot below `max`.
    fn take(&mut self, max: usize) -> Option<u16> {
        if self.used >= max {
            return None;
        }
        let slot = self.is_used.iter().position(|used| !used).unwrap_or(self.is_used.len());
        if slot == self.is_used.len() {
            self.is_used.push(false);
        }
        self.is_used[slot] = true;
        self.used += 1;
        Some(slot as u16)
    }

    fn free(&mut self, slot: u16) {
        self.is_used[usize::from(slot)] = false;
        self.used -= 1;
    }
}

impl Known {
    fn new(id: EntityId, slot: u16, view: u32) -> Self {
        Self {
            id,
            slot,
            view,
            baselines: [None; BASELINES],
            sent: 0,
            sent_version: 0,
            sent_sequence: 0,
            refs_sent: Refs::default(),
            lost_refs: false,
            priority: 0.0,
        }
    }

    /// The newest state that the client is sure to hold and the room remembers.
    pub(crate) fn baseline(&self, entity: &Entity) -> Option<Baseline> {
        let newest = self.baselines[0]?;
        let held = is_retained(self.sent - newest.sent) && entity.versions.numbered(newest.version).is_some();
        held.then_some(newest)
    }

    /// Whether the client has to be told of the entity's newest version. An avatar is told until the client says
    /// that it knows: no record then means no change.
    pub(crate) fn is_behind(&self, entity: &Entity, refs: &Refs, avatar: bool) -> bool {
        let newest = entity.versions.newest_number();
        let known = self.baselines[0].is_some_and(|baseline| baseline.version == newest);
        let on_its_way = self.sent_version == newest;
        (!known && (avatar || !on_its_way)) || self.refs_sent != *refs || self.lost_refs
    }

    fn acknowledge(&mut self, baseline: Baseline) {
        let at = self.baselines.iter().position(|held| held.is_none_or(|held| held.tick < baseline.tick));
        if let Some(at) = at {
            self.baselines[at..].rotate_right(1);
            self.baselines[at] = Some(baseline);
        }
    }

    /// Notes that a record of `version` goes out in the datagram `sequence`; returns what to remember of it.
    pub(crate) fn send(&mut self, version: u32, refs: Refs, sequence: u16) -> SentRecord {
        self.sent += 1;
        (self.refs_sent, self.lost_refs) = (refs, false);
        (self.sent_version, self.sent_sequence) = (version, sequence);
        self.priority = 0.0;
        SentRecord { slot: self.slot, id: self.id, view: self.view, version, count: self.sent }
    }
}

/// One client's share of the room.
#[derive(Debug)]
pub(crate) struct Replication {
    /// Ascending by id.
    pub(crate) known: Vec<Known>,
    pub(crate) leaving: Vec<Leaving>,
    pub(crate) flights: Flights,
    slots: Slots,
    /// Entries into the view so far.
    views: u32,
    /// What was known before the view changed; empty between calls.
    before: Vec<Known>,
}

impl Replication {
    pub(crate) fn new() -> Self {
        Self {
            known: Vec::new(),
            leaving: Vec::new(),
            flights: Flights::new(),
            slots: Slots::default(),
            views: 0,
            before: Vec::new(),
        }
    }

    /// Takes in the set of entities that the client is to be shown: ascending, all of them in `entities`.
    /// The last slot is kept for its avatar; whatever else finds none is not shown.
    pub(crate) fn show(&mut self, visible: &[EntityId], avatar: Option<EntityId>, entities: &Entities) {
        if self.known.iter().map(|known| known.id).eq(visible.iter().copied()) {
            return;
        }
        let Self { known, before, leaving, slots, views, .. } = self;
        std::mem::swap(known, before);
        let mut before = before.drain(..).peekable();
        let mut leave = |gone: &Known, slots: &mut Slots| {
            if gone.sent == 0 {
                return slots.free(gone.slot);
            }
            let why = if entities.of(gone.id).is_some() { Leave::View } else { Leave::Despawn };
            leaving.push(Leaving { slot: gone.slot, id: gone.id, view: gone.view, why, sent_sequence: None });
        };
        for &id in visible {
            while let Some(gone) = before.next_if(|known| known.id < id) {
                leave(&gone, slots);
            }
            if let Some(same) = before.next_if(|known| known.id == id) {
                known.push(same);
            } else if let Some(slot) = slots.take(if avatar == Some(id) { SLOTS_MAX } else { SLOTS_MAX - 1 }) {
                *views = views.wrapping_add(1);
                known.push(Known::new(id, slot, *views));
            }
        }
        before.for_each(|gone| leave(&gone, slots));
    }

    /// The slot under which the client knows `id`.
    pub(crate) fn slot_of(&self, id: EntityId) -> Option<u16> {
        let at = self.known.binary_search_by_key(&id, |known| known.id).ok()?;
        Some(self.known[at].slot)
    }

    /// Takes in a client's acknowledgements. False when they are forged.
    #[must_use]
    pub(crate) fn acknowledge(&mut self, acks: Acks) -> bool {
        let Self { known, leaving, flights, slots, .. } = self;
        flights.acknowledge(acks, |landing| {
            let Landing::Acked { tick, records } = landing else { return };
            for record in records {
                if record.version == 0 {
                    let before = leaving.len();
                    leaving.retain(|leaving| !leaving.is(record));
                    if leaving.len() < before {
                        slots.free(record.slot);
                    }
                } else if let Some(known) = find_sent(known, record) {
                    known.acknowledge(Baseline { version: record.version, tick, sent: record.count });
                }
            }
        })
    }

    /// Puts what must be lost by now up for sending again.
    pub(crate) fn settle(&mut self, now: Micros) {
        let Self { known, leaving, flights, .. } = self;
        flights.settle(now, |landing| {
            let Landing::Lost { sequence, records } = landing else { return };
            for record in records {
                if record.version == 0 {
                    let sent = leaving.iter_mut().find(|leaving| leaving.is(record));
                    if let Some(lost) = sent.filter(|leaving| leaving.sent_sequence == Some(sequence)) {
                        lost.sent_sequence = None;
                    }
                } else if let Some(known) = find_sent(known, record).filter(|known| known.sent_sequence == sequence) {
                    known.sent_version = 0;
                    known.lost_refs = true;
                }
            }
        });
    }
}

fn find_sent<'a>(known: &'a mut [Known], record: &SentRecord) -> Option<&'a mut Known> {
    let at = known.binary_search_by_key(&record.id, |known| known.id).ok()?;
    Some(&mut known[at]).filter(|known| known.view == record.view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_replica::Tick;

    fn send(replication: &mut Replication) -> u16 {
        let sequence = replication.flights.next_sequence();
        let states: Vec<_> =
            replication.known.iter_mut().map(|known| known.send(1, Refs::default(), sequence)).collect();
        let leaves: Vec<_> = replication.leaving.iter().map(Leaving::record).collect();
        let sent = replication.flights.open(Tick(u32::from(sequence) + 1), Micros(0));
        sent.extend(states);
        sent.extend(leaves);
        sequence
    }

    fn acknowledge(replication: &mut Replication, sequence: u16) {
        assert!(replication.acknowledge(Acks { newest: sequence, before: 0 }));
    }

    #[test]
    fn an_acknowledgement_of_an_earlier_view_counts_for_that_view_alone() {
        let (mut replication, entities) = (Replication::new(), Entities::default());
        let id = EntityId::new(3, 0);
        replication.show(&[id], None, &entities);
        let old: Vec<_> = (0..20).map(|_| send(&mut replication)).collect();
        replication.show(&[], None, &entities);
        let leave = send(&mut replication);
        acknowledge(&mut replication, leave);
        assert!(replication.leaving.is_empty());
        replication.show(&[id], None, &entities);
        assert_eq!(replication.slot_of(id), Some(0), "the slot is used again");
        send(&mut replication);
        acknowledge(&mut replication, old[19]);
        assert_eq!(replication.known[0].baselines, [None; BASELINES]);
        let now = send(&mut replication);
        acknowledge(&mut replication, now);
        assert!(replication.known[0].baselines[0].is_some());
    }

    #[test]
    fn an_avatar_finds_a_slot_however_much_there_is_to_see() {
        let (mut replication, entities) = (Replication::new(), Entities::default());
        let crowd: Vec<_> = (0..SLOTS_MAX as u32 + 10).map(|i| EntityId::new(i, 0)).collect();
        let avatar = *crowd.last().expect("it is not empty");
        replication.show(&crowd, Some(avatar), &entities);
        assert_eq!(replication.known.len(), SLOTS_MAX);
        assert!(replication.slot_of(avatar).is_some());
    }

    #[test]
    fn a_slot_is_used_again_only_after_its_leave_was_acknowledged() {
        let (mut replication, entities) = (Replication::new(), Entities::default());
        replication.show(&[EntityId::new(0, 0)], None, &entities);
        send(&mut replication);
        replication.show(&[EntityId::new(1, 0)], None, &entities);
        assert_eq!(replication.slot_of(EntityId::new(1, 0)), Some(1));
        let leave = send(&mut replication);
        acknowledge(&mut replication, leave);
        replication.show(&[EntityId::new(1, 0), EntityId::new(2, 0)], None, &entities);
        assert_eq!(replication.slot_of(EntityId::new(2, 0)), Some(0));
    }
}
