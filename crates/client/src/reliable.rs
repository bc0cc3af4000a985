//! Events that must arrive come as a stream, in order, but each is shown at its own moment: until then it waits here.

use std::collections::VecDeque;

use downbeat_replica::{DecodeError, EntityId, Kind, Micros, Tick, ToldEvent};

use crate::limits::{RELIABLE_LATE_MAX, RELIABLE_WAITING_MAX};

/// Those of one client.
#[derive(Debug, Default)]
pub(crate) struct Reliable {
    waiting: VecDeque<(Micros, ToldEvent)>,
}

impl Reliable {
    /// Takes in the next one, which arrived `at`.
    ///
    /// # Errors
    /// When more than may wait do.
    pub(crate) fn push(&mut self, at: Micros, event: ToldEvent) -> Result<(), DecodeError> {
        if self.waiting.len() == RELIABLE_WAITING_MAX {
            return Err(DecodeError::TooLarge("number of reliable events"));
        }
        self.waiting.push_back((at, event));
        Ok(())
    }

    /// How many wait for their moment.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next event, if its moment has come: `shown` is its tick, or it has waited as long as any may.
    pub(crate) fn poll(&mut self, now: Micros, shown: f64) -> Option<ToldEvent> {
        let (arrived, event) = self.waiting.front()?;
        let is_due = f64::from(event.tick.0) <= shown || now >= *arrived + RELIABLE_LATE_MAX;
        if is_due { self.waiting.pop_front().map(|(_, event)| event) } else { None }
    }
}

/// Takes out the names of entities that the client does not know, or not since the event was sent: a slot that has changed
/// hands meanwhile would name the wrong one. `entered` tells since when a slot's entity is known; snapshots come every
/// `interval` ticks, and an event was sent with the first one of its tick or later.
pub(crate) fn forget_strangers(
    event: &mut ToldEvent,
    table: &Kind,
    interval: u32,
    entered: impl Fn(usize) -> Option<Tick>,
) {
    let sent = Tick(event.tick.0.div_ceil(interval).saturating_mul(interval));
    for lane in table.entity_lanes() {
        let known = EntityId::from_lane(event.lanes[lane]).and_then(|id| entered(id.index()));
        if known.is_none_or(|entered| entered > sent) {
            event.lanes[lane] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_replica::{Replicated, Schema};

    #[derive(Replicated)]
    struct Goal {
        scorer: Option<EntityId>,
        stamp: bool,
    }

    fn schema() -> Schema {
        let kind = |name| Kind::of::<Goal>(name);
        Schema::new("toy".into(), vec![kind("Thing")], vec![kind("Goal")], kind("Input")).expect("small")
    }

    fn push(reliable: &mut Reliable, at: Micros, ticks: &[u32]) -> Result<(), DecodeError> {
        let event = |&tick: &u32| ToldEvent { tick: Tick(tick), kind: 0, lanes: vec![0, 1] };
        ticks.iter().map(event).try_for_each(|event| reliable.push(at, event))
    }

    fn due(reliable: &mut Reliable, now: Micros, shown: f64) -> Vec<u32> {
        std::iter::from_fn(|| reliable.poll(now, shown)).map(|event| event.tick.0).collect()
    }

    #[test]
    fn each_waits_for_its_moment_and_none_overtakes_another() {
        let mut reliable = Reliable::default();
        push(&mut reliable, Micros(0), &[5, 9, 7]).expect("honest");
        assert_eq!(due(&mut reliable, Micros(1), 4.99), [0; 0]);
        assert_eq!(due(&mut reliable, Micros(2), 8.0), [5], "the one of tick 7 stands behind the one of tick 9");
        assert_eq!(due(&mut reliable, Micros(3), 9.0), [9, 7]);
    }

    #[test]
    fn none_waits_longer_than_a_second() {
        let mut reliable = Reliable::default();
        push(&mut reliable, Micros(5), &[u32::MAX, 3]).expect("honest");
        assert_eq!(due(&mut reliable, Micros(4) + RELIABLE_LATE_MAX, 10.0), [0; 0]);
        assert_eq!(due(&mut reliable, Micros(5) + RELIABLE_LATE_MAX, 10.0), [u32::MAX, 3]);
    }

    #[test]
    fn more_than_may_wait_ends_it() {
        let mut reliable = Reliable::default();
        push(&mut reliable, Micros(0), &[1; RELIABLE_WAITING_MAX]).expect("as many may wait");
        let more = push(&mut reliable, Micros(0), &[1]);
        assert_eq!(more, Err(DecodeError::TooLarge("number of reliable events")));
    }

    #[test]
    fn a_name_counts_only_for_who_had_it_when_the_event_was_sent() {
        let schema = schema();
        // Sent with the snapshot of tick 12, when slot 4 was somebody's.
        let told = |entered: Option<u32>| {
            let lanes = vec![EntityId::new(4, 0).to_lane(), 1];
            let mut event = ToldEvent { tick: Tick(10), kind: 0, lanes };
            forget_strangers(&mut event, &schema.events[0], 3, |slot| entered.filter(|_| slot == 4).map(Tick));
            EntityId::from_lane(event.lanes[0])
        };
        assert_eq!(told(Some(12)), Some(EntityId::new(4, 0)));
        assert_eq!(told(Some(15)), None, "it came later");
        assert_eq!(told(None), None, "nobody is there");
    }
}
