//! Lag compensation: a shot is tested against what its shooter saw, which lies in the past.
//!
//! What a client shows lies between two snapshots, as they were told: rounded, and so many ticks apart. The same is
//! computed here, from the same lanes by the same code. How far back a player can have looked follows from what it
//! acknowledged.

use downbeat_replica::{Between, EntityId, Kinds, LaneReader, Rewind, Schema, Tick, ViewTick};

use crate::entities::{Entities, Entity};
use crate::limits::{LEADS_LEFT_OUT, LEADS_LOOKED_AT_EVERY, LEADS_REMEMBERED, VIEW_TOLERANCE_TICKS};

/// The past of a room, up to its limit.
pub(crate) struct Past<'a> {
    pub(crate) entities: &'a Entities,
    pub(crate) schema: &'a Schema,
    /// The tick that is being stepped; its own state is not there yet.
    pub(crate) present: Tick,
    pub(crate) limit_ticks: u32,
    /// Ticks from one snapshot to the next.
    pub(crate) interval: u32,
    pub(crate) tick_rate_hz: u32,
}

impl Past<'_> {
    /// The state of `entity` in `tick` as others are told it, in the room's units.
    fn told(&self, entity: &Entity, tick: Tick, told: &mut Vec<i32>, out: &mut Vec<i32>) -> Option<()> {
        let kind = &self.schema.entities[entity.kind];
        kind.told(false, entity.versions.at(tick)?.lanes, told);
        kind.untold(false, told, out);
        Some(())
    }

    /// The last tick after `from` to which the entity was moved rather than that it moved. Looked for once a tick, however
    /// many shots are tested.
    fn jumped(&self, entity: &Entity, from: Tick) -> Option<Tick> {
        let last = match entity.jumped.get() {
            Some((present, last)) if present == self.present => last,
            _ => {
                let last = self.last_jump(entity);
                entity.jumped.set(Some((self.present, last)));
                last
            }
        };
        last.filter(|tick| *tick > from)
    }

    fn last_jump(&self, entity: &Entity) -> Option<Tick> {
        let oldest = self.present.offset(-i64::from(self.limit_ticks + self.interval));
        let kind = &self.schema.entities[entity.kind];
        let state = |tick| entity.versions.at(tick).map(|version| version.lanes);
        let jumps = |tick: &Tick| {
            let (Some(from), Some(to)) = (state(tick.offset(-1)), state(*tick)) else { return false };
            Between { kind, from, to, seconds: 1.0 / f64::from(self.tick_rate_hz) }.jumps()
        };
        (oldest.0 + 1..self.present.0).rev().map(Tick).find(jumps)
    }
}

impl<E: Kinds> Rewind<E> for Past<'_> {
    fn at(&self, id: EntityId, view: ViewTick) -> Option<E> {
        let entity = self.entities.of(id)?;
        if self.present.since(view.tick) > i64::from(self.limit_ticks) {
            return None;
        }
        let (mut lanes, mut fractions, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let last = self.present.offset(-1);
        let before = Tick(view.tick.0 - view.tick.0 % self.interval);
        let after = before.offset(self.interval.into());
        if let Some(jumped) = self.jumped(entity, before) {
            // Nobody is hit where it was before: whoever still saw it there was shown what is over.
            self.told(entity, jumped.max(view.tick), &mut told, &mut lanes)?;
        } else if after > last {
            self.told(entity, last, &mut told, &mut lanes)?;
        } else {
            self.told(entity, before, &mut told, &mut from)?;
            self.told(entity, after, &mut told, &mut to)?;
            let seconds = f64::from(self.interval) / f64::from(self.tick_rate_hz);
            let way = (view.ticks() - f64::from(before.0)) / f64::from(self.interval);
            let states = Between { kind: &self.schema.entities[entity.kind], from: &from, to: &to, seconds };
            states.at(way as f32, &mut lanes, &mut fractions);
        }
        E::read(entity.kind, &mut LaneReader::between(&lanes, &fractions))
    }
}

/// How far ahead of what it knew a client sampled its inputs, in ticks: a round trip, its input margin, and how late its
/// snapshots are. The worst few of the last while are left out, as the client's own view clock leaves them out.
#[derive(Clone, Debug)]
pub(crate) struct Leads {
    last: Vec<u16>,
    noted: usize,
    high: u16,
}

impl Default for Leads {
    fn default() -> Self {
        Self { last: vec![0; LEADS_REMEMBERED], noted: 0, high: 0 }
    }
}

impl Leads {
    /// A datagram tells the input of `input`, and that the newest snapshot known when it was sent was that of `known`.
    pub(crate) fn note(&mut self, input: Tick, known: Tick) {
        let lead = input.since(known).clamp(0, i64::from(u16::MAX)) as u16;
        self.last[self.noted % LEADS_REMEMBERED] = lead;
        self.noted += 1;
        // A better line shows a little later: looking at all of them is not for every datagram.
        if lead > self.high || self.noted.is_multiple_of(LEADS_LOOKED_AT_EVERY) {
            self.high = self.all_but_the_worst();
        }
    }

    fn all_but_the_worst(&self) -> u16 {
        let mut worst = [0; LEADS_LEFT_OUT + 1];
        for &lead in &self.last {
            if lead > worst[0] {
                worst[0] = lead;
                worst.sort_unstable();
            }
        }
        worst[0]
    }

    /// The moment of the others that an input of `input` can have been aimed at, given the one that it claims. Nobody
    /// shows the others farther behind than the lateness of its own snapshots makes it.
    pub(crate) fn plausible(&self, input: Tick, claimed: ViewTick, interval: u32) -> ViewTick {
        let back = u32::from(self.high) + interval + VIEW_TOLERANCE_TICKS;
        claimed.max(ViewTick { tick: input.offset(-i64::from(back)), sixteenths: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tick: u32) -> ViewTick {
        ViewTick { tick: Tick(tick), sixteenths: 0 }
    }

    #[test]
    fn a_view_from_farther_back_than_the_line_explains_is_brought_forward() {
        let mut leads = Leads::default();
        // Six ticks of round trip and margin; now and then a snapshot is two ticks late.
        (1_000..1_300).for_each(|tick| leads.note(Tick(tick), Tick(tick - if tick % 50 == 0 { 8 } else { 6 })));
        let furthest = 1_300 - 8 - 1 - VIEW_TOLERANCE_TICKS;
        assert_eq!(leads.plausible(Tick(1_300), at(1_290), 1), at(1_290), "an honest view stays as it is");
        assert_eq!(leads.plausible(Tick(1_300), at(furthest), 1), at(furthest));
        assert_eq!(leads.plausible(Tick(1_300), at(furthest - 1), 1), at(furthest));
        assert_eq!(leads.plausible(Tick(1_300), at(1), 1), at(furthest));
    }

    #[test]
    fn two_held_back_acknowledgements_buy_nothing_and_are_forgotten() {
        let mut leads = Leads::default();
        (1_000..1_020).for_each(|tick| leads.note(Tick(tick), Tick(tick - 6)));
        (1_020..1_022).for_each(|tick| leads.note(Tick(tick), Tick(900)));
        let furthest = at(1_022 - 6 - 1 - VIEW_TOLERANCE_TICKS);
        assert_eq!(leads.plausible(Tick(1_022), at(1), 1), furthest);
        leads.note(Tick(1_022), Tick(900));
        assert!(leads.plausible(Tick(1_022), at(1), 1) < furthest, "a line that is bad again and again is bad");
        let later = 1_023 + (LEADS_REMEMBERED + LEADS_LOOKED_AT_EVERY) as u32;
        (1_023..later).for_each(|tick| leads.note(Tick(tick), Tick(tick - 6)));
        assert_eq!(leads.plausible(Tick(1_022), at(1), 1), furthest);
    }
}
