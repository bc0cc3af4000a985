//! The client's copy of what it is shown: slots, each with the states that arrived of its entity.

use crate::account::{Item, Meter, Record};
use crate::limits::EXTRAPOLATION_MAX;
use crate::states::States;
use downbeat_replica::codec::{self, History, Model, Walk, guess, wakes};
use downbeat_replica::limits::SLOTS_MAX;
use downbeat_replica::range::Decoder;
use downbeat_replica::{
    Between, Coding, Cut, DecodeError, EPOCH_ORDER, Enter, Frames, Kind, Leave, Schema, Tick, take_count, take_refs,
};
use downbeat_wire::Base;
use downbeat_wire::packet::DownHead;

/// One entity.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) kind: usize,
    pub(crate) avatar: bool,
    pub(crate) entered: Tick,
    /// When it left, if it did: it is shown until then.
    left: Option<Tick>,
    /// Whether it left because the server began anew, not because it said so.
    lapsed: bool,
    /// Snapshots that told its state, be it by silence; seen from [`Copy::newest`].
    told: Frames,
    told_last: Tick,
    /// Snapshots that told it to leave.
    told_left: Frames,
    states: States,
}

/// All slots of a client.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    slots: Vec<Slot>,
    /// Number of the newest snapshot, and those that were decoded, seen from it.
    newest: u32,
    decoded: Frames,
    interval: u32,
    /// Snapshots of before count no more: everything was begun anew.
    epoch: Tick,
    /// The snapshot that stands for what was known before the session was resumed.
    base: Option<u32>,
    walk: Walk,
    state: Vec<i32>,
    guess: Vec<i32>,
    avatar: Vec<i32>,
    /// Slots of which the datagram says that they enter or leave: they are not among those the client knows.
    named: Vec<u16>,
    sleepers: Vec<u16>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// Snapshots of before are about an earlier user of the slot, who is forgotten.
    since: Tick,
    /// The newest snapshot that told it to be empty.
    emptied: Tick,
    /// Apart from the slot, since many are empty.
    shown: Option<Box<Shown>>,
}

/// The datagram that is read.
struct Datagram<'a, 'b> {
    schema: &'a Schema,
    model: &'a Model,
    tick: Tick,
    /// How far behind the newest it is, in snapshots.
    behind: u32,
    /// What it builds on, seen from the newest.
    known: Frames,
    /// What stands for what was known before the session was resumed, likewise.
    base: Frames,
    input: &'a mut Decoder<'b>,
}

impl Copy {
    /// None yet, with `interval` ticks from one snapshot to the next.
    pub(crate) fn new(interval: u32) -> Self {
        Self { interval, ..Self::default() }
    }

    /// Takes in the records of a datagram behind its head.
    ///
    /// # Errors
    /// When one does not decode. Those before it have been taken in, which does no harm: each is true.
    pub(crate) fn receive(
        &mut self,
        coding: &Coding,
        head: &DownHead,
        input: &mut Decoder<'_>,
        meter: &mut impl Meter,
    ) -> Result<(), DecodeError> {
        let Coding { schema, model, .. } = coding;
        let behind = self.align(head.tick)?;
        let known = Frames(u64::from(head.known.bits()) << 1);
        let seen = known.later(behind);
        if seen.earlier(behind) != known || seen.and(self.decoded) != seen {
            return Err(DecodeError::UnknownBaseline);
        }
        if head.tick < self.epoch || self.slots.iter().any(|slot| head.tick < slot.since) {
            return Err(DecodeError::Stale);
        }
        let base = self.base.map_or(Frames::default(), |number| Frames(1).later(self.newest - number));
        let mut datagram = Datagram { schema, model, tick: head.tick, behind, known: seen, base, input };
        let mut anew = None;
        if known == Frames::default() {
            let age = datagram.input.number(EPOCH_ORDER);
            self.epoch = self.epoch.max(head.tick.offset(-i64::from(age)));
            self.lapse(head.tick, self.epoch);
            anew = Some(self.epoch);
        }
        meter.note(Item::Head, datagram.input);
        self.named.clear();
        self.take_leaves(&mut datagram)?;
        meter.note(Item::Leave, datagram.input);
        self.take_newcomers(&mut datagram, anew, meter)?;
        self.take_members(&mut datagram, meter)
    }

    /// The datagram was decoded to its end: later ones may build on it.
    pub(crate) const fn confirm(&mut self, tick: Tick) {
        self.decoded.insert(self.newest.saturating_sub(tick.0 / self.interval));
    }

    /// The tick of the newest snapshot that was decoded; `None` before the first.
    pub(crate) fn decoded(&self) -> Option<Tick> {
        Some(Tick((self.newest - self.decoded.newest()?) * self.interval))
    }

    /// What the snapshots of `base` told counts as told by the one of the tick `base.at`, and nothing else counts that was told.
    ///
    /// # Errors
    /// When they are none that are known.
    pub(crate) fn rebase(&mut self, base: &Base) -> Result<(), DecodeError> {
        let (at, newest) = (base.at / self.interval, base.newest / self.interval);
        let is_sound = [base.at, base.newest].iter().all(|tick| tick.is_multiple_of(self.interval));
        if !is_sound || newest > self.newest || self.newest > at || base.at > Tick::LAST.0 {
            return Err(DecodeError::Malformed("tick of what is known"));
        }
        let known = Frames(1 | u64::from(base.before) << 1).later(self.newest - newest);
        if known.earlier(self.newest - newest).0 != 1 | u64::from(base.before) << 1 || known.and(self.decoded) != known
        {
            return Err(DecodeError::UnknownBaseline);
        }
        for shown in self.slots.iter_mut().filter_map(|slot| slot.shown.as_deref_mut()) {
            let age = shown.told.and(known).newest().filter(|_| shown.left.is_none());
            if let Some(age) = age {
                let from = Tick((self.newest - age) * self.interval);
                shown.states.repeat(from, Tick(base.at)).ok_or(DecodeError::UnknownBaseline)?;
            }
            (shown.told, shown.told_left) = (Frames(u64::from(age.is_some())), Frames::default());
        }
        (self.newest, self.decoded, self.base) = (at, Frames(1), Some(at));
        Ok(())
    }

    /// Sees all sets from the snapshot of `tick`, if that is the newest. Returns how far behind the newest it is.
    fn align(&mut self, tick: Tick) -> Result<u32, DecodeError> {
        if !tick.0.is_multiple_of(self.interval) {
            return Err(DecodeError::Malformed("tick of a snapshot"));
        }
        let number = tick.0 / self.interval;
        let Some(ahead) = number.checked_sub(self.newest) else { return Ok(self.newest - number) };
        self.newest = number;
        self.decoded = self.decoded.later(ahead);
        for shown in self.slots.iter_mut().filter_map(|slot| slot.shown.as_deref_mut()) {
            (shown.told, shown.told_left) = (shown.told.later(ahead), shown.told_left.later(ahead));
        }
        Ok(0)
    }

    /// What was not told since `epoch` counts no more from `tick` on.
    fn lapse(&mut self, tick: Tick, epoch: Tick) {
        for shown in self.slots.iter_mut().filter_map(|slot| slot.shown.as_deref_mut()) {
            if shown.left.is_none() && shown.told_last < epoch {
                (shown.left, shown.lapsed) = (Some(tick), true);
            }
        }
    }

    fn take_leaves(&mut self, datagram: &mut Datagram<'_, '_>) -> Result<(), DecodeError> {
        for _ in 0..take_count(SLOTS_MAX, "number of leaves", datagram.input)? {
            let (slot, _) = Leave::decode(datagram.input)?;
            self.named.push(slot);
            self.slot(slot).leave(datagram);
        }
        Ok(())
    }

    /// `anew`: the datagram builds on nothing since then, so that who lapsed by that and enters is who it was.
    fn take_newcomers(
        &mut self,
        datagram: &mut Datagram<'_, '_>,
        anew: Option<Tick>,
        meter: &mut impl Meter,
    ) -> Result<(), DecodeError> {
        let count = take_count(SLOTS_MAX, "number of newcomers", datagram.input)?;
        meter.note(Item::Enter { kind: None }, datagram.input);
        let from = if count > 0 { self.own_state(datagram)? } else { None };
        for _ in 0..count {
            let Enter { slot, kind, avatar } = Enter::decode(datagram.schema.entities.len(), datagram.input)?;
            meter.note(Item::Enter { kind: Some(kind) }, datagram.input);
            self.named.push(slot);
            let table = &datagram.schema.entities[kind];
            let from = from.map(|kind| (&datagram.schema.entities[kind], true, &*self.avatar));
            guess(table, avatar, from, &mut self.guess);
            let (model, history) = (datagram.model.kind(kind, avatar), History::guess(&self.guess));
            self.state.clone_from(&self.guess);
            self.walk.begin(model, &history);
            let record = Record { model, history: &history, kind, table, enters: true, avatar };
            meter.read_body(&mut self.walk, record, datagram.input, &mut self.state)?;
            take_names(kind, table, datagram.input, &mut self.state, meter)?;
            let state = std::mem::take(&mut self.state);
            let interval = self.interval;
            let entered = self.slot(slot).enter(datagram, (kind, avatar), anew, interval, &state);
            self.state = state;
            entered?;
        }
        Ok(())
    }

    fn slot(&mut self, slot: u16) -> &mut Slot {
        if self.slots.len() <= slot.into() {
            self.slots.resize(usize::from(slot) + 1, Slot::default());
        }
        &mut self.slots[usize::from(slot)]
    }

    /// The kind of the avatar, and in `self.avatar` its newest state that both ends know; `None` when there is none.
    ///
    /// # Errors
    /// When there is one that is no longer held, since the datagram was overtaken: the server guesses from it.
    fn own_state(&mut self, datagram: &Datagram<'_, '_>) -> Result<Option<usize>, DecodeError> {
        let known = |shown: &&Shown| shown.avatar && shown.is_known(datagram.known);
        let mut shown = self.slots.iter().enumerate().filter_map(|(slot, place)| Some((slot, place.shown.as_deref()?)));
        let shown = shown.find(|(slot, shown)| known(shown) && !self.named.contains(&(*slot as u16)));
        let Some((_, shown)) = shown else { return Ok(None) };
        let number = shown.told.and(datagram.known).newest().and_then(|age| self.newest.checked_sub(age));
        let lanes = number.and_then(|number| shown.states.as_of(Tick(number * self.interval)));
        self.avatar.clear();
        self.avatar.extend_from_slice(lanes.ok_or(DecodeError::UnknownBaseline)?);
        Ok(Some(shown.kind))
    }

    /// Those that both ends know: first who is awake, then the sleepers that wake.
    fn take_members(&mut self, datagram: &mut Datagram<'_, '_>, meter: &mut impl Meter) -> Result<(), DecodeError> {
        let Self { slots, walk, state, named, sleepers, interval, .. } = self;
        let mut desk = Desk { walk, state, interval: *interval };
        let cut = Cut::decode(datagram.input);
        meter.note(Item::Head, datagram.input);
        named.sort_unstable();
        sleepers.clear();
        for (slot, place) in slots.iter_mut().enumerate() {
            let Some(shown) = place.shown.as_deref_mut().filter(|shown| shown.is_known(datagram.known)) else {
                continue;
            };
            if named.binary_search(&(slot as u16)).is_ok() {
                continue;
            }
            if !shown.take(false, cut, &mut desk, datagram, meter)? {
                sleepers.push(slot as u16);
            }
        }
        if sleepers.is_empty() {
            return Ok(());
        }
        let model = datagram.model.kind(0, false);
        let mut asleep = &sleepers[..];
        let waking = wakes::take_count(model, asleep.len() as u32, datagram.input)?;
        meter.note(Item::Wakes, datagram.input);
        for _ in 0..waking {
            let gap = wakes::take_gap(model, asleep.len() as u32, datagram.input)? as usize;
            meter.note(Item::Wakes, datagram.input);
            let (still, rest) = asleep.split_at(gap);
            let (&waking, rest) = rest.split_first().ok_or(DecodeError::TooLarge("number of sleepers"))?;
            asleep = rest;
            still.iter().for_each(|&slot| slots[usize::from(slot)].tell(datagram));
            if let Some(shown) = &mut slots[usize::from(waking)].shown {
                shown.take(true, cut, &mut desk, datagram, meter)?;
            }
        }
        asleep.iter().for_each(|&slot| slots[usize::from(slot)].tell(datagram));
        Ok(())
    }

    /// Lets go of entities that left before the moment `shown`.
    pub(crate) fn forget_left(&mut self, shown: f64) {
        for slot in &mut self.slots {
            let left = slot.shown.as_ref().and_then(|shown| shown.left);
            if let Some(left) = left.filter(|left| f64::from(left.0) <= shown) {
                slot.since = left;
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
        self.slots.iter().enumerate().filter_map(|(slot, place)| Some((slot as u16, place.shown.as_deref()?)))
    }

    /// Since when the entity of a slot is known; `None` when there is none.
    pub(crate) fn entered(&self, slot: usize) -> Option<Tick> {
        Some(self.slots.get(slot)?.shown.as_deref()?.entered)
    }

    /// The client's own avatar. While an old one's leave is on its way, the later one counts.
    pub(crate) fn avatar(&self) -> Option<&Shown> {
        self.present().map(|(_, shown)| shown).filter(|shown| shown.avatar).max_by_key(|shown| shown.entered)
    }
}

/// Reads the entities that a state of this kind names.
#[inline]
fn take_names(
    kind: usize,
    table: &Kind,
    input: &mut Decoder<'_>,
    state: &mut [i32],
    meter: &mut impl Meter,
) -> Result<(), DecodeError> {
    take_refs(table, input, state)?;
    meter.note(Item::Names { kind }, input);
    Ok(())
}

/// What reading a record needs of the copy.
struct Desk<'a> {
    walk: &'a mut Walk,
    state: &'a mut Vec<i32>,
    interval: u32,
}

impl Slot {
    /// The datagram tells that its entity did not change.
    fn tell(&mut self, datagram: &Datagram<'_, '_>) {
        self.shown.iter_mut().for_each(|shown| shown.tell(datagram));
    }

    /// The datagram tells that it is empty.
    fn leave(&mut self, datagram: &Datagram<'_, '_>) {
        self.emptied = self.emptied.max(datagram.tick);
        let Some(shown) = &mut self.shown else { return };
        if shown.entered < datagram.tick {
            shown.left = Some(shown.left.map_or(datagram.tick, |left| left.min(datagram.tick)));
            shown.lapsed = false;
            shown.told_left.insert(datagram.behind);
        }
    }

    /// An entity of this kind enters, the client's avatar or not, in this state.
    ///
    /// # Errors
    /// When the datagram was overtaken by one that tells that the entity has left.
    fn enter(
        &mut self,
        datagram: &Datagram<'_, '_>,
        who: (usize, bool),
        anew: Option<Tick>,
        interval: u32,
        state: &[i32],
    ) -> Result<(), DecodeError> {
        let tick = datagram.tick;
        if tick < self.emptied {
            return Err(DecodeError::Stale);
        }
        let is_same = |shown: &Shown| {
            let stays = shown.left.is_none() || (shown.lapsed && anew.is_some() && shown.left >= anew);
            stays && (shown.kind, shown.avatar) == who
        };
        if !self.shown.as_deref().is_some_and(is_same) {
            if let Some(gone) = &self.shown {
                self.since = gone.left.unwrap_or(tick);
            }
            self.shown = Some(Box::new(Shown {
                kind: who.0,
                avatar: who.1,
                entered: tick,
                left: None,
                lapsed: false,
                told: Frames::default(),
                told_last: tick,
                told_left: Frames::default(),
                states: States::new(state.len()),
            }));
        }
        let shown = self.shown.as_deref_mut().expect("it was just made sure");
        if shown.lapsed {
            (shown.left, shown.lapsed) = (None, false);
        }
        shown.entered = shown.entered.min(tick);
        shown.spell(datagram, interval, state);
        Ok(())
    }
}

impl Shown {
    /// Whether both ends know it, if they know those snapshots.
    fn is_known(&self, known: Frames) -> bool {
        self.told.and(known) != Frames::default() && self.told_left.and(known) == Frames::default()
    }

    /// The datagram tells its state, which did not change.
    fn tell(&mut self, datagram: &Datagram<'_, '_>) {
        self.told.insert(datagram.behind);
        self.told_last = self.told_last.max(datagram.tick);
    }

    /// The datagram tells its state.
    fn spell(&mut self, datagram: &Datagram<'_, '_>, interval: u32, state: &[i32]) {
        // The snapshot before it that told the state, if only by silence: the entity was still as it had been then.
        let until = self.told.earlier(datagram.behind + 1).newest();
        let until = until.map_or(Tick::ZERO, |age| datagram.tick.offset(-i64::from((age + 1) * interval)));
        self.states.insert(datagram.tick, until, state);
        self.tell(datagram);
    }

    /// Reads its record. Returns whether it has one: if it does not, it sleeps and is not said to be `waking`.
    fn take(
        &mut self,
        waking: bool,
        cut: Cut,
        desk: &mut Desk<'_>,
        datagram: &mut Datagram<'_, '_>,
        meter: &mut impl Meter,
    ) -> Result<bool, DecodeError> {
        let table = &datagram.schema.entities[self.kind];
        let model = datagram.model.kind(self.kind, self.avatar);
        let known = self.told.and(datagram.known).beyond(datagram.base).earlier(datagram.behind);
        let picked = known.pick(model.lags(), desk.interval).ok_or(DecodeError::UnknownBaseline)?;
        let mut states = [codec::Known { age: 0, lanes: &[] }; 3];
        for (state, &age) in states.iter_mut().zip(picked.ages()) {
            let age = u32::from(age) * desk.interval;
            let lanes = self.states.as_of(datagram.tick.offset(-i64::from(age)));
            *state = codec::Known { age, lanes: lanes.ok_or(DecodeError::UnknownBaseline)? };
        }
        let states = &mut states[..picked.ages().len()];
        // Whom lanes name is told apart from the rest.
        let mut plain = Vec::new();
        if table.entity_lanes().next().is_some() {
            for state in states.iter() {
                plain.extend_from_slice(state.lanes);
                let first = plain.len() - state.lanes.len();
                table.entity_lanes().for_each(|lane| plain[first + lane] = 0);
            }
            for (state, lanes) in states.iter_mut().zip(plain.chunks_exact(table.lanes.len())) {
                state.lanes = lanes;
            }
        }
        let history = History::of(states).ok_or(DecodeError::UnknownBaseline)?;
        if history.sleeps() && !waking {
            return Ok(false);
        }
        let presence = Item::Presence { kind: self.kind };
        if !cut.is_told(datagram.input) {
            meter.note(presence, datagram.input);
            return Ok(true);
        }
        desk.walk.begin(model, &history);
        let is_told = history.sleeps() || desk.walk.presence(model, datagram.input, false)?;
        meter.note(presence, datagram.input);
        if !is_told {
            self.tell(datagram);
            return Ok(true);
        }
        desk.state.clear();
        desk.state.extend_from_slice(history.newest().lanes);
        let record = Record { model, history: &history, kind: self.kind, table, enters: false, avatar: self.avatar };
        meter.read_body(desk.walk, record, datagram.input, desk.state)?;
        take_names(self.kind, table, datagram.input, desk.state, meter)?;
        self.spell(datagram, desk.interval, desk.state);
        Ok(true)
    }

    /// The newest state and its tick.
    pub(crate) fn newest(&self) -> (Tick, &[i32]) {
        let newest = self.states.back(0).expect("an entity is shown from its first state on");
        (newest.tick, newest.lanes)
    }

    /// The newest state of `tick` or before. A datagram that was decoded in part only may have left a newer one.
    pub(crate) fn as_of(&self, tick: Tick) -> Option<&[i32]> {
        self.states.as_of(tick)
    }

    /// Its state at the moment `at`, in the room's units; `None` when it was not there yet or not any more. `second` is how
    /// many ticks it has.
    pub(crate) fn at(&self, table: &Kind, at: f64, second: f64, space: &mut Space) -> Option<()> {
        let Space { lanes, fractions, from, to } = space;
        if at < f64::from(self.entered.0) || self.left.is_some_and(|left| at >= f64::from(left.0)) {
            return None;
        }
        let after = self.states.after(at);
        let (before, later) = match after.checked_sub(1) {
            Some(later) => (self.states.back(after), self.states.back(later)?),
            // The moment has not arrived. Who was last told to have changed goes on as it went, for a while.
            None => (self.states.back(1), self.states.back(0)?),
        };
        let before = before.unwrap_or(later);
        let (from, to) = match self.avatar || table.is_told_whole() {
            true => (before.lanes, later.lanes),
            false => {
                table.untold(false, before.lanes, from);
                table.untold(false, later.lanes, to);
                (&**from, &**to)
            }
        };
        let (start, end) = (f64::from(before.held.0), f64::from(later.tick.0));
        let rests = after == 0 && self.told_last > later.tick;
        let at = if rests { end } else { at.min(end + EXTRAPOLATION_MAX.as_secs_f64() * second) };
        let t = if end > start { (at - start) / (end - start) } else { f64::from(at >= end) };
        Between { kind: table, from, to, seconds: (end - start) / second }.at(t as f32, lanes, fractions);
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
