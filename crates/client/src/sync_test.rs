//! Prediction stands on `predict` giving the same again. A game in which it does not, by a random number, a global or a
//! hash's order, is corrected all the time and nobody sees why. So a client can be told to play its past again now and
//! then, each tick beside the same others as at first, and to name what came out differently.

use std::borrow::Cow;

use downbeat_replica::{Kind, Sighting, Tick};

use crate::history::{Played, Spawn};
use crate::limits::{HISTORY_TICKS, SYNC_FAULTS_MAX};

/// A tick that came out differently when it was played again from the same state, input and others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFault {
    /// The tick.
    pub tick: Tick,
    /// The kind of entity: the avatar's, or that of what it spawned.
    pub kind: Cow<'static, str>,
    /// The first field that differs; `None` when a spawn came out as another kind, or not at all, or only at second.
    pub field: Option<Cow<'static, str>>,
    /// The lanes of that field at first.
    pub before: Vec<i32>,
    /// The lanes of that field when played again.
    pub after: Vec<i32>,
}

/// What the test remembers and found.
pub(crate) struct SyncTest<E> {
    every: u32,
    /// The others as they were shown when each tick was played.
    others: Vec<(Tick, Vec<Sighting<E>>)>,
    pub(crate) faults: Vec<SyncFault>,
}

impl<E: Clone> SyncTest<E> {
    /// A test every so many ticks, at least one.
    pub(crate) fn new(every: u32) -> Self {
        Self { every: every.max(1), others: vec![(Tick::ZERO, Vec::new()); HISTORY_TICKS], faults: Vec::new() }
    }

    /// Whether it is due after `tick`.
    pub(crate) fn is_due(&self, tick: Tick) -> bool {
        tick.0.is_multiple_of(self.every)
    }

    /// `tick` is played beside `others`.
    pub(crate) fn note(&mut self, tick: Tick, others: &[Sighting<E>]) {
        let (noted, place) = &mut self.others[tick.0 as usize % HISTORY_TICKS];
        *noted = tick;
        others.clone_into(place);
    }

    /// Beside whom `tick` was played.
    pub(crate) fn others(&self, tick: Tick) -> Option<&[Sighting<E>]> {
        let (noted, others) = &self.others[tick.0 as usize % HISTORY_TICKS];
        (*noted == tick).then_some(&**others)
    }

    /// Keeps a fault, unless there are many.
    pub(crate) fn report(&mut self, fault: SyncFault) {
        if self.faults.len() < SYNC_FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// The difference between a tick as it was played, and the avatar and the spawn that came out of it again.
pub(crate) fn difference(
    kinds: &[Kind],
    avatar: usize,
    played: Played<'_>,
    lanes: &[i32],
    spawn: Option<&Spawn>,
) -> Option<SyncFault> {
    if let Some(fault) = field(&kinds[avatar], played.tick, played.lanes, lanes) {
        return Some(fault);
    }
    match (played.spawn, spawn) {
        (None, None) => None,
        (Some(before), Some(after)) if before.kind == after.kind => {
            field(&kinds[before.kind], played.tick, &before.lanes, &after.lanes)
        }
        (before, after) => {
            let kind = before.or(after).map_or(avatar, |spawn| spawn.kind);
            let lanes = |spawn: Option<&Spawn>| spawn.map_or_else(Vec::new, |spawn| spawn.lanes.clone());
            Some(SyncFault {
                tick: played.tick,
                kind: kinds[kind].name.clone(),
                field: None,
                before: lanes(before),
                after: lanes(after),
            })
        }
    }
}

fn field(kind: &Kind, tick: Tick, before: &[i32], after: &[i32]) -> Option<SyncFault> {
    let field = kind.fields.iter().find(|field| before[field.lanes.clone()] != after[field.lanes.clone()])?;
    Some(SyncFault {
        tick,
        kind: kind.name.clone(),
        field: Some(field.name.clone()),
        before: before[field.lanes.clone()].to_vec(),
        after: after[field.lanes.clone()].to_vec(),
    })
}
