//! A client's copy is judged by what the room would have told it: which entity had which slot from when to when, and all
//! the states that it had meanwhile.

use std::collections::{BTreeMap, VecDeque};

use downbeat_client::KnownEntity;
use downbeat_host::Told;
use downbeat_replica::{EntityId, Tick};

/// What one client may know.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    slots: BTreeMap<u16, VecDeque<Tenancy>>,
}

/// An entity and the tick in which it appeared, which tells it from others that had its id.
type Who = (EntityId, Tick);

/// The time for which a slot means one entity.
#[derive(Debug)]
struct Tenancy {
    who: Who,
    from: Tick,
    /// The first snapshot in which it does so no more.
    until: Option<Tick>,
    seen: Tick,
    /// Its distinct states, each from its tick on.
    states: VecDeque<(Tick, State)>,
}

type State = (usize, Vec<i32>);

/// What a copy is found to be.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// It equals what the room has, as of the newest snapshot that arrived.
    pub(crate) converged: bool,
    /// What it holds and never was.
    pub(crate) wrong: Vec<KnownEntity>,
}

impl Truth {
    /// Takes in what the room tells in the snapshot of `tick`. Calls `news` with the slot and the lanes of each state that
    /// is new, and whether the slot means someone new.
    pub(crate) fn note(
        &mut self,
        tick: Tick,
        shown: impl Iterator<Item = (u16, EntityId, Tick)>,
        told: Vec<Told>,
        mut news: impl FnMut(u16, &[i32], bool),
    ) {
        let who: BTreeMap<u16, Who> = shown.map(|(slot, id, born)| (slot, (id, born))).collect();
        for Told { slot, kind, lanes } in told {
            let who = who[&slot];
            let tenancies = self.slots.entry(slot).or_default();
            if let Some(tenancy) = tenancies.back_mut().filter(|last| last.who == who && last.until.is_none()) {
                tenancy.seen = tick;
                if tenancy.states.back().is_none_or(|(_, (_, last))| *last != lanes) {
                    news(slot, &lanes, false);
                    tenancy.states.push_back((tick, (kind, lanes)));
                }
                continue;
            }
            // Who is shown again after a while is who it was.
            news(slot, &lanes, tenancies.back().is_some_and(|last| last.who != who));
            let states = VecDeque::from([(tick, (kind, lanes))]);
            tenancies.push_back(Tenancy { who, from: tick, until: None, seen: tick, states });
        }
        for tenancies in self.slots.values_mut() {
            for tenancy in tenancies.iter_mut().filter(|tenancy| tenancy.until.is_none() && tenancy.seen < tick) {
                tenancy.until = Some(tick);
            }
            // Who is followed in the same snapshot ends with it, too.
            let last = tenancies.len().saturating_sub(1);
            for tenancy in tenancies.iter_mut().take(last) {
                tenancy.until.get_or_insert(tick);
            }
            forget(tenancies, tick.offset(-TICKS_KEPT));
        }
    }

    /// Judges what a client knows that has heard of the snapshot of `newest`.
    pub(crate) fn judge(&self, newest: Tick, known: impl Iterator<Item = KnownEntity>) -> Judgement {
        let mut wrong = Vec::new();
        let mut now = self.as_of(newest);
        let mut converged = true;
        for entity in known {
            let expected = now.next();
            let is_current = expected.is_some_and(|(slot, (kind, lanes))| {
                slot == entity.slot && *kind == entity.kind && *lanes == entity.lanes
            });
            converged &= is_current;
            if !self.was(newest, &entity) {
                wrong.push(entity);
            }
        }
        converged &= now.next().is_none();
        Judgement { converged, wrong }
    }

    /// All slots and their states as of `tick`, ascending.
    fn as_of(&self, tick: Tick) -> impl Iterator<Item = (u16, &State)> {
        self.slots.iter().filter_map(move |(slot, tenancies)| {
            let tenancy = tenancies.iter().rev().find(|tenancy| tenancy.has(tick))?;
            let (_, state) = tenancy.states.iter().rev().find(|(since, _)| *since <= tick)?;
            Some((*slot, state))
        })
    }

    /// Whether the entity that had the slot when this one entered was ever so.
    fn was(&self, newest: Tick, entity: &KnownEntity) -> bool {
        let Some(tenancies) = self.slots.get(&entity.slot) else { return false };
        let Some(tenancy) = tenancies.iter().rev().find(|tenancy| tenancy.has(entity.entered)) else { return false };
        // A client that resumes its session knows who comes back into view meanwhile as who it was.
        let its = tenancies.iter().filter(|other| other.who == tenancy.who);
        let states = its.flat_map(|tenancy| &tenancy.states).filter(|(since, _)| *since <= newest);
        let mut states = states.map(|(_, state)| state);
        states.any(|(kind, lanes)| *kind == entity.kind && *lanes == entity.lanes)
    }
}

impl Tenancy {
    fn has(&self, tick: Tick) -> bool {
        tick >= self.from && self.until.is_none_or(|until| tick < until)
    }
}

/// Forgets what ended before `tick`.
fn forget(tenancies: &mut VecDeque<Tenancy>, tick: Tick) {
    while tenancies.front().is_some_and(|first| first.until.is_some_and(|until| until < tick)) {
        tenancies.pop_front();
    }
    for tenancy in tenancies {
        while tenancy.states.get(1).is_some_and(|(since, _)| *since < tick) {
            tenancy.states.pop_front();
        }
    }
}

/// Ticks of truth that are kept to judge copies by: half a minute at the highest rate.
const TICKS_KEPT: i64 = 3_840;

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: EntityId = EntityId::new(1, 0);
    const BOB: EntityId = EntityId::new(2, 0);

    fn note(truth: &mut Truth, tick: u32, who: EntityId, lane: i32) {
        let told = Told { slot: 4, kind: 0, lanes: vec![lane] };
        truth.note(Tick(tick), [(4, who, Tick(1))].into_iter(), vec![told], |_, _, _| {});
    }

    fn known(entered: u32, lane: i32) -> KnownEntity {
        KnownEntity { slot: 4, kind: 0, avatar: false, entered: Tick(entered), lanes: vec![lane] }
    }

    fn judge(truth: &Truth, newest: u32, known: KnownEntity) -> (bool, bool) {
        let judgement = truth.judge(Tick(newest), [known].into_iter());
        (judgement.converged, judgement.wrong.is_empty())
    }

    #[test]
    fn a_copy_may_be_old_but_not_invented_nor_of_another_entity() {
        let mut truth = Truth::default();
        note(&mut truth, 1, ANN, 10);
        note(&mut truth, 2, ANN, 20);
        note(&mut truth, 3, BOB, 30);
        assert_eq!(judge(&truth, 2, known(1, 20)), (true, true));
        assert_eq!(judge(&truth, 2, known(1, 10)), (false, true), "it is old");
        assert_eq!(judge(&truth, 1, known(1, 20)), (false, false), "it is from the future");
        assert_eq!(judge(&truth, 2, known(1, 11)), (false, false), "it never was");
        assert_eq!(judge(&truth, 3, known(3, 30)), (true, true));
        assert_eq!(judge(&truth, 3, known(3, 20)), (false, false), "it was another's");
        assert!(!truth.judge(Tick(3), std::iter::empty()).converged, "it is missing");
    }

    #[test]
    fn whoever_left_is_no_part_of_the_truth() {
        let mut truth = Truth::default();
        note(&mut truth, 1, ANN, 10);
        truth.note(Tick(2), std::iter::empty(), Vec::new(), |_, _, _| {});
        assert!(truth.judge(Tick(2), std::iter::empty()).converged);
        assert_eq!(judge(&truth, 2, known(1, 10)), (false, true));
    }
}
