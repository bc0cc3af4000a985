//! What a client knew when its connection was lost. The room moves on, and soon remembers none of the states that the client
//! has. So the states are kept that its acknowledged snapshots told, before they are forgotten; when it comes back they
//! count as told by a snapshot of that moment, and the next ones are built on it. Both ends do the same: `WIRE.md` says what.

use downbeat_replica::limits::RETAINED_SNAPSHOTS;
use downbeat_replica::{Frames, PlayerId, Tick};
use downbeat_wire::Base;

use crate::entities::Entities;
use crate::replication::{Lanes, Remembered, Replication};

/// What one client knew.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// As it stood then.
    replication: Replication,
    /// The acknowledged snapshots, seen from the newest that was begun.
    known: Frames,
    /// By slot: the state as of the newest of these that told it.
    lanes: Lanes,
}

impl Kept {
    /// What the client of this replication knows, `player` being its own; `None` when nothing can be built on any more.
    pub(crate) fn of(replication: &Replication, entities: &Entities, player: Option<PlayerId>) -> Option<Self> {
        let (interval, newest) = (entities.interval(), replication.sent.newest());
        let known = replication.sent.retained(entities.present().0 / interval, interval);
        known.newest()?;
        let mut lanes = Vec::with_capacity(replication.slots.len());
        for (slot, shown) in replication.slots.iter().enumerate() {
            let told = shown.as_ref().map(|shown| (shown, shown.told_by(newest).and(known)));
            // Who is no more leaves in any case.
            let there = told.and_then(|(shown, told)| Some((entities.of(shown.id)?, shown.born, told)));
            let there = there.filter(|(entity, born, _)| entity.born == *born);
            let Some((entity, told, age)) = there.and_then(|(entity, _, told)| Some((entity, told, told.newest()?)))
            else {
                lanes.push(None);
                continue;
            };
            if let Some(remembered) = replication.remembered(told) {
                lanes.push(Some(remembered.state(slot).to_vec()));
                continue;
            }
            let owner = entity.avatar.is_some() && entity.avatar == player;
            let version = entity.told(owner).at(Tick((newest - age) * interval))?;
            lanes.push(Some(version.lanes.to_vec()));
        }
        Some(Self { replication: replication.clone(), known, lanes })
    }

    /// Goes on in the room's tick `present` with a client whose newest snapshot is that of `held`. `None` when it does not
    /// have what was kept.
    pub(crate) fn resume(self, held: Tick, present: Tick, interval: u32) -> Option<(Replication, Base)> {
        let Self { mut replication, known, lanes } = self;
        let (begun, number) = (replication.sent.newest(), present.0 / interval);
        let held = Some(held.0 / interval).filter(|number| number * interval == held.0 && *number <= begun)?;
        // It keeps the states of its last snapshots, and heard no later ones than were sent by then.
        let oldest = held.saturating_sub(RETAINED_SNAPSHOTS - 1);
        let ages = begun - oldest;
        let known = if ages < u64::BITS - 1 { known.and(Frames((1 << (ages + 1)) - 1)) } else { known };
        let newest = begun - known.newest()?;
        if newest > held {
            return None;
        }
        let before = known.earlier(begun - newest + 1);
        let base = Base { at: number * interval, newest: newest * interval, before: before.0 as u32 };
        replication.rebase(known, number, interval, lanes);
        Some((replication, base))
    }
}

impl Remembered {
    /// The state in a slot.
    pub(crate) fn state(&self, slot: usize) -> &[i32] {
        self.lanes.get(slot).and_then(Option::as_deref).expect("who is known by the base alone has a state in it")
    }
}
