//! The client's copy of what it is shown: slots, each with the states that arrived of its entity.

use crate::states::States;
use downbeat_replica::bits::BitReader;
use downbeat_replica::limits::SLOTS_MAX;
use downbeat_replica::{
    DecodeError, Kind, RECORD_COUNT_ORDER, RecordHead, Schema, Tick, decode_body, interpolate, take_refs,
};

/// One entity.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) kind: usize,
    pub(crate) avatar: bool,
    pub(crate) entered: Tick,
    /// When it left, if it did: it is shown until then.
    left: Option<Tick>,
    states: States,
}

/// All slots of a client.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    slots: Vec<Slot>,
    scratch: Vec<i32>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// Records of older datagrams than this are about an earlier user of the slot.
    since: Tick,
    shown: Option<Shown>,
}

impl Copy {
    /// Takes in the records of the datagram of `tick`. Says whether the avatar's was among them.
    ///
    /// # Errors
    /// When a record does not decode. Those before it have been taken in, which does no harm: each stands alone.
    pub(crate) fn receive(
        &mut self,
        schema: &Schema,
        tick: Tick,
        interval: u32,
        input: &mut BitReader<'_>,
    ) -> Result<(), DecodeError> {
        let count = input.golomb(RECORD_COUNT_ORDER)?;
        if count as usize > SLOTS_MAX {
            return Err(DecodeError::TooLarge("number of records"));
        }
        let mut before = -1;
        for _ in 0..count {
            let (slot, head) = RecordHead::decode(before, tick, schema.entities.len(), input)?;
            before = slot.into();
            self.take_record(schema, tick, interval, slot, head, input)?;
        }
        Ok(())
    }

    fn take_record(
        &mut self,
        schema: &Schema,
        tick: Tick,
        interval: u32,
        slot: u16,
        head: RecordHead,
        input: &mut BitReader<'_>,
    ) -> Result<(), DecodeError> {
        if self.slots.len() <= slot.into() {
            self.slots.resize(usize::from(slot) + 1, Slot::default());
        }
        let Self { slots, scratch } = self;
        let place = &mut slots[usize::from(slot)];
        if tick < place.since {
            return Err(DecodeError::Stale);
        }
        match head {
            RecordHead::Leave(_) => {
                place.since = tick;
                if let Some(shown) = &mut place.shown {
                    shown.left.get_or_insert(tick);
                }
            }
            RecordHead::Enter { kind, avatar } => {
                let table = &schema.entities[kind];
                decode_body(table, avatar, None, input, scratch)?;
                take_refs(table, input, scratch)?;
                let same = place
                    .shown
                    .as_ref()
                    .is_some_and(|shown| shown.left.is_none() && (shown.kind, shown.avatar) == (kind, avatar));
                if !same {
                    place.since = tick;
                    place.shown =
                        Some(Shown { kind, avatar, entered: tick, left: None, states: States::new(table.lanes.len()) });
                }
                let shown = place.shown.as_mut().expect("it was just made sure");
                shown.states.insert(tick, scratch);
            }
            RecordHead::Update { base, rested } => {
                let shown = place.shown.as_mut().filter(|shown| shown.left.is_none());
                let shown = shown.ok_or(DecodeError::UnknownBaseline)?;
                let table = &schema.entities[shown.kind];
                let base = shown.states.exactly(base).ok_or(DecodeError::UnknownBaseline)?;
                decode_body(table, shown.avatar, Some(base), input, scratch)?;
                take_refs(table, input, scratch)?;
                shown.states.insert(tick, scratch);
                if rested {
                    shown.states.hold_before(tick, tick.offset(-i64::from(interval)));
                }
            }
        }
        Ok(())
    }

    /// Lets go of entities that left before the moment `shown`.
    pub(crate) fn forget_left(&mut self, shown: f64) {
        for slot in &mut self.slots {
            let left = slot.shown.as_ref().and_then(|shown| shown.left);
            if left.is_some_and(|left| f64::from(left.0) <= shown) {
                slot.shown = None;
            }
        }
    }

    /// What is known of each slot's entity, those that have left apart.
    pub(crate) fn present(&self) -> impl Iterator<Item = (u16, &Shown)> {
        self.all().filter(|(_, shown)| shown.left.is_none())
    }

    /// What is known of each slot's entity, those included that have left but are still shown.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &Shown)> {
        self.slots.iter().enumerate().filter_map(|(slot, place)| Some((slot as u16, place.shown.as_ref()?)))
    }

    /// The client's own avatar. While an old one's leave is on its way, the later one counts.
    pub(crate) fn avatar(&self) -> Option<&Shown> {
        self.present().map(|(_, shown)| shown).filter(|shown| shown.avatar).max_by_key(|shown| shown.entered)
    }
}

impl Shown {
    /// The newest state and its tick.
    pub(crate) fn newest(&self) -> (Tick, &[i32]) {
        let newest = self.states.back(0).expect("an entity is shown from its first state on");
        (newest.tick, newest.lanes)
    }

    /// The newest state of `tick` or before. A datagram that was decoded in part only may have left a newer one.
    pub(crate) fn as_of(&self, tick: Tick) -> Option<&[i32]> {
        Some(self.states.back(self.states.after(f64::from(tick.0))).filter(|state| state.tick <= tick)?.lanes)
    }

    /// Its state at the moment `at`, in the room's units; `None` when it was not there yet or not any more.
    pub(crate) fn at(&self, table: &Kind, at: f64, space: &mut Space) -> Option<()> {
        let Space { lanes, fractions, from, to } = space;
        if at < f64::from(self.entered.0) || self.left.is_some_and(|left| at >= f64::from(left.0)) {
            return None;
        }
        let after = self.states.after(at);
        let first = self.states.back(after).or_else(|| self.states.back(after.checked_sub(1)?))?;
        let second = after.checked_sub(1).and_then(|after| self.states.back(after)).unwrap_or(first);
        table.untold(self.avatar, first.lanes, from);
        table.untold(self.avatar, second.lanes, to);
        let (start, end) = (f64::from(first.held.0), f64::from(second.tick.0));
        let t = if at > start && end > start { (at - start) / (end - start) } else { 0.0 };
        interpolate(table, from, to, t as f32, lanes, fractions);
        Some(())
    }
}

/// Work space of [`Shown::at`], and its result: whole lanes and fractions.
#[derive(Debug, Default)]
pub(crate) struct Space {
    pub(crate) lanes: Vec<i32>,
    pub(crate) fractions: Vec<f32>,
    from: Vec<i32>,
    to: Vec<i32>,
}
