//! What one client knows of the room: which entities, under which slots, told in which snapshots.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use downbeat_replica::limits::SLOTS_MAX;
use downbeat_replica::{EntityId, Frames, Leave, Refs, Tick};
use downbeat_wire::packet::Acks;

use crate::entities::Entities;
use crate::sent::Sent;

/// An entity that a client is shown, or will be as soon as it was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: EntityId,
    pub(crate) kind: usize,
    pub(crate) born: Tick,
    /// Snapshots that told its state, be it by silence; seen from the number `seen_from`.
    told: Frames,
    seen_from: u32,
    /// The last tick in which its state was told in so many words.
    pub(crate) spelled: Tick,
    /// Whether it was told before all was begun anew, and not since.
    lapsed: bool,
    /// What its lanes that name entities mean to the client, and since when.
    pub(crate) refs: Refs,
    pub(crate) renamed: Tick,
    /// Grows while it waits for its turn.
    pub(crate) priority: f32,
}

impl Shown {
    /// Snapshots that told its state, seen from the number `from`.
    pub(crate) fn told(&mut self, from: u32) -> Frames {
        self.told = self.told.later(from - self.seen_from);
        self.seen_from = from;
        self.told
    }

    /// The same, seen from the number `from`, the one that was asked about last or a later one.
    pub(crate) const fn told_by(&self, from: u32) -> Frames {
        self.told.later(from - self.seen_from)
    }

    /// The same, seen from the number that was asked about last.
    pub(crate) const fn told_before(&self) -> Frames {
        self.told
    }

    /// Notes that the snapshot that was asked about last tells it by silence.
    pub(crate) const fn tell(&mut self) {
        self.told.insert(0);
    }

    /// Notes that the same snapshot, of `tick`, tells it in so many words.
    pub(crate) const fn spell(&mut self, tick: Tick) {
        self.told.insert(0);
        (self.spelled, self.lapsed, self.priority) = (tick, false, 0.0);
    }
}

/// A slot that is to be emptied at the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) slot: u16,
    pub(crate) why: Leave,
    /// Snapshots that told it; seen as `Shown::told`.
    told: Frames,
    seen_from: u32,
}

/// By slot: a state that the client has of its entity.
pub(crate) type Lanes = Vec<Option<Vec<i32>>>;

/// What a session was resumed with: the states that the snapshot `number` counts as having told, by slot.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) number: u32,
    pub(crate) lanes: Lanes,
}

/// One client's share of the room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replication {
    pub(crate) slots: Vec<Option<Shown>>,
    /// Who has which slot, ascending.
    pub(crate) index: Vec<(EntityId, u16)>,
    pub(crate) leaving: Vec<Leaving>,
    /// Slots that were used and are free now: the lowest is taken next, so that numbers stay small.
    free: BinaryHeap<Reverse<u16>>,
    /// Slots whose users were never told to leave, since all was begun anew. They stay empty until the client knows.
    resting: Vec<u16>,
    pub(crate) sent: Sent,
    /// What was told before this tick counts no more.
    pub(crate) epoch: Tick,
    /// The snapshots that the one that was begun builds on.
    pub(crate) known: Frames,
    /// Since the session was resumed, until nothing builds on it any more.
    pub(crate) remembered: Option<Box<Remembered>>,
    shown_at: Tick,
    /// The index before the view changed; empty between calls.
    before: Vec<(EntityId, u16)>,
    /// Who enters; empty between calls.
    entering: Vec<EntityId>,
}

impl Replication {
    /// Takes in a client's acknowledgements. False when they are forged.
    #[must_use]
    pub(crate) fn acknowledge(&mut self, acks: Acks) -> bool {
        self.sent.acknowledge(acks)
    }

    /// The number of the last snapshot that ends in these 16 bits.
    pub(crate) const fn number(&self, low: u16) -> u32 {
        self.sent.number(low)
    }

    /// Begins the snapshot of `tick`: slots are freed whose leaves arrived, and if nothing is known any more, all begins
    /// anew. Returns the snapshots that this one builds on.
    pub(crate) fn begin(&mut self, tick: Tick, interval: u32) -> downbeat_wire::packet::Known {
        self.sent.begin(tick.0 / interval);
        let (number, arrived) = (self.sent.newest(), self.sent.arrived());
        let free = &mut self.free;
        self.leaving.retain_mut(|leaving| {
            leaving.told = leaving.told.later(number - leaving.seen_from);
            leaving.seen_from = number;
            let told = leaving.told.and(arrived) != Frames::default();
            if told {
                free.push(Reverse(leaving.slot));
            }
            !told
        });
        let known = self.sent.known(interval);
        let before = std::mem::replace(&mut self.known, Frames(u64::from(known.bits()) << 1));
        if self.known != Frames::default() {
            free.extend(self.resting.drain(..).map(Reverse));
        } else if before != Frames::default() {
            self.restart(tick);
        }
        self.remembered.take_if(|base| !self.known.contains(number - base.number));
        known
    }

    /// The snapshot that stands for what was known before the session was resumed, seen from the one that was begun.
    pub(crate) fn base(&self) -> Frames {
        self.remembered.as_ref().map_or(Frames::default(), |base| Frames(1 << (self.sent.newest() - base.number)))
    }

    /// What was known before the session was resumed, if `known` of an entity is that alone.
    pub(crate) fn remembered(&self, known: Frames) -> Option<&Remembered> {
        self.remembered.as_deref().filter(|_| known == self.base())
    }

    /// The snapshots of `known`, seen from the newest that was begun, told all that the client knows. From now on that
    /// counts as told by the snapshot `number`, in these states.
    pub(crate) fn rebase(&mut self, known: Frames, number: u32, interval: u32, lanes: Lanes) {
        let (newest, at) = (self.sent.newest(), Tick(number * interval));
        for (slot, shown) in self.slots.iter_mut().enumerate() {
            let Some(shown) = shown else { continue };
            let state = lanes.get(slot).is_some_and(Option::is_some);
            let age = shown.told_by(newest).and(known).newest().filter(|_| state);
            // What it was told later, it may not have heard.
            let is_renamed = age.is_none_or(|age| shown.renamed.0 > (newest - age) * interval);
            if is_renamed {
                shown.renamed = at.next();
            }
            (shown.told, shown.seen_from) = (Frames(u64::from(age.is_some())), number);
        }
        for leaving in &mut self.leaving {
            (leaving.told, leaving.seen_from) = (Frames::default(), number);
        }
        self.sent = Sent::behind(number);
        self.known = Frames(1);
        self.remembered = Some(Box::new(Remembered { number, lanes }));
    }

    /// Nothing that was told counts any more.
    pub(crate) fn restart(&mut self, tick: Tick) {
        self.sent.forget();
        (self.epoch, self.known) = (tick, Frames::default());
        self.remembered = None;
        self.resting.extend(self.leaving.drain(..).map(|leaving| leaving.slot));
        for shown in self.slots.iter_mut().flatten() {
            shown.lapsed |= shown.spelled != Tick::ZERO;
            shown.spelled = Tick::ZERO;
        }
    }

    /// Takes in the set of entities that the client is to be shown, ascending; who is not in `entities` is not. The last
    /// slot is kept for its avatar; whatever else finds none is not shown.
    pub(crate) fn show(&mut self, tick: Tick, visible: &[EntityId], avatar: Option<EntityId>, entities: &Entities) {
        let same = self.index.iter().map(|(id, _)| *id).eq(visible.iter().copied());
        if same && entities.replaced < self.shown_at {
            return;
        }
        self.shown_at = tick;
        std::mem::swap(&mut self.index, &mut self.before);
        let before = std::mem::take(&mut self.before);
        let mut left = before.iter().copied().peekable();
        self.entering.clear();
        for &id in visible {
            while let Some((_, slot)) = left.next_if(|(gone, _)| *gone < id) {
                self.leave(slot, entities);
            }
            let before = left.next_if(|(same, _)| *same == id);
            let born = entities.of(id).map(|entity| entity.born);
            match before {
                Some((_, slot)) if self.slots[usize::from(slot)].as_ref().map(|shown| shown.born) == born => {
                    self.index.push((id, slot));
                    continue;
                }
                Some((_, slot)) => self.leave(slot, entities),
                None => {}
            }
            self.entering.extend(born.map(|_| id));
        }
        left.for_each(|(_, slot)| self.leave(slot, entities));
        self.before = before;
        self.before.clear();
        self.enter(tick, avatar, entities);
        self.leaving.sort_unstable_by_key(|leaving| leaving.slot);
    }

    /// Gives slots to those who enter: in the order of what the client will know of them, since an order of ids would tell
    /// of entities that it may not know.
    fn enter(&mut self, tick: Tick, avatar: Option<EntityId>, entities: &Entities) {
        if self.entering.is_empty() {
            return;
        }
        let mut entering = std::mem::take(&mut self.entering);
        let looks = |id: EntityId| {
            let entity = entities.of(id)?;
            Some((avatar != Some(id), entity.kind, entity.told(false).newest()?.lanes))
        };
        entering.sort_unstable_by(|&a, &b| looks(a).cmp(&looks(b)));
        for id in entering.drain(..) {
            let entity = entities.of(id).expect("who enters is in the table");
            let Some(slot) = self.take_slot(usize::from(avatar != Some(id))) else { continue };
            self.slots[usize::from(slot)] = Some(Shown {
                id,
                kind: entity.kind,
                born: entity.born,
                told: Frames::default(),
                seen_from: self.sent.newest(),
                spelled: Tick::ZERO,
                lapsed: false,
                refs: Refs::default(),
                renamed: tick,
                priority: 0.0,
            });
            self.index.push((id, slot));
        }
        self.entering = entering;
        self.index.sort_unstable();
    }

    /// A free slot, if more than `kept` are free.
    fn take_slot(&mut self, kept: usize) -> Option<u16> {
        if SLOTS_MAX - self.slots.len() + self.free.len() <= kept {
            return None;
        }
        let unused = || {
            self.slots.push(None);
            self.slots.len() as u16 - 1
        };
        Some(self.free.pop().map_or_else(unused, |Reverse(slot)| slot))
    }

    fn leave(&mut self, slot: u16, entities: &Entities) {
        let Some(gone) = self.slots[usize::from(slot)].take() else { return };
        if gone.lapsed {
            return self.resting.push(slot);
        }
        if gone.spelled == Tick::ZERO {
            return self.free.push(Reverse(slot));
        }
        let stays = entities.of(gone.id).is_some_and(|entity| entity.born == gone.born);
        let why = if stays { Leave::View } else { Leave::Despawn };
        self.leaving.push(Leaving { slot, why, told: Frames::default(), seen_from: self.sent.newest() });
    }

    /// Notes that the snapshot that was begun goes out, and tells all who leave.
    pub(crate) fn send(&mut self) {
        self.sent.send();
        self.leaving.iter_mut().for_each(|leaving| leaving.told.insert(0));
    }

    /// The slot under which the client knows `id`.
    pub(crate) fn slot_of(&self, id: EntityId) -> Option<u16> {
        slot_in(&self.index, id)
    }

    /// Who is shown, ascending, with their slots.
    pub(crate) fn shown(&self) -> &[(EntityId, u16)] {
        &self.index
    }
}

/// The slot of `id`, if it has one.
pub(crate) fn slot_in(index: &[(EntityId, u16)], id: EntityId) -> Option<u16> {
    let at = index.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    Some(index[at].1)
}
