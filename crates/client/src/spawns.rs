//! What the player shoots must be seen at once, and the server's word of it comes a round trip later. So it is flown
//! here, ahead of the server, until the server tells of an entity that is where this one was predicted to be. From then
//! on both are one: it is flown on from each told state, and the server's copy is not shown beside it.

use std::collections::VecDeque;

use downbeat_replica::glam::Vec3;
use downbeat_replica::limits::{RETAINED_SNAPSHOTS, SLOTS_MAX};
use downbeat_replica::{EntityId, Kind, Micros, Repr, Tick};

use crate::copy::{Copy, Shown};
use crate::fading::Fading;
use crate::history::Spawn;
use crate::limits::{HISTORY_TICKS, SPAWN_MATCH_M, SPAWN_UNTOLD_MAX, SPAWNS_MAX, TELEPORT_M};
use crate::prediction::Prediction;
use crate::types::Counters;

/// The game's flight of one entity: the tick, its kind and its lanes to be advanced; whether it goes on after it.
pub(crate) type Fly<'a> = dyn FnMut(Tick, usize, &mut Vec<i32>) -> bool + 'a;

/// What flying takes besides the entity.
pub(crate) struct Air<'a, 'b> {
    pub(crate) kinds: &'a [Kind],
    pub(crate) tick_length: Micros,
    pub(crate) now: Micros,
    /// The tick that the avatar is predicted for.
    pub(crate) newest: Tick,
    pub(crate) fly: &'a mut Fly<'b>,
}

/// What the player shot and is not over.
#[derive(Debug, Default)]
pub(crate) struct Spawns {
    flights: Vec<Flight>,
    /// Whatever was shot up to this tick is among them, or is over.
    checked: Tick,
    named: u32,
}

#[derive(Debug)]
struct Flight {
    id: EntityId,
    born: Tick,
    kind: usize,
    /// The tick of the first of `states`, one for each tick from then on.
    since: Tick,
    states: VecDeque<Vec<i32>>,
    /// Whether the last of them is the end of it.
    over: bool,
    told: Option<Told>,
    fading: Fading,
}

/// The server's copy.
#[derive(Clone, Copy, Debug)]
struct Told {
    slot: u16,
    /// A tick in which it was there: whoever enters the slot later is another.
    met: Tick,
    /// The tick of the newest state of it that was taken in.
    newest: Tick,
    /// Whether the server told that it is gone. It stays here while the past in which it was is still shown.
    gone: bool,
}

impl Told {
    fn is(&self, slot: u16, shown: &Shown) -> bool {
        self.slot == slot && shown.entered <= self.met
    }
}

impl Spawns {
    /// Brings them up to the tick that was played last. `fading`: how far the avatar is drawn from where it is; what it
    /// shoots leaves from where it is drawn.
    pub(crate) fn follow(
        &mut self,
        prediction: &Prediction,
        fading: Fading,
        air: &mut Air<'_, '_>,
        counters: &mut Counters,
    ) {
        let newest = air.newest;
        let known = self.flights.len();
        self.flights.retain(|flight| flight.born <= newest || flight.told.is_some());
        counters.spawns_withdrawn += (known - self.flights.len()) as u64;
        // Ticks that were confirmed since may have been played differently at last; those before are done with.
        let oldest = self.checked.next().max(newest.offset(1 - HISTORY_TICKS as i64));
        for tick in (oldest.0..=newest.0).map(Tick) {
            let Some(played) = prediction.played(tick) else { continue };
            let at = self.flights.iter().position(|flight| flight.born == tick);
            match (at, played.spawn) {
                (Some(at), _) if self.flights[at].told.is_some() => {}
                (Some(at), Some(spawn)) => self.flights[at].relaunch(spawn, air),
                (Some(at), None) => {
                    self.flights.remove(at);
                    counters.spawns_withdrawn += 1;
                }
                (None, Some(spawn)) if self.flights.len() < SPAWNS_MAX => {
                    let id = EntityId::new(SLOTS_MAX as u32 + self.named, 0);
                    self.named = (self.named + 1) % NAMES;
                    self.flights.push(Flight::new(id, tick, spawn, fading));
                    counters.spawns += 1;
                }
                (None, _) => {}
            }
        }
        self.checked = prediction.confirmed();
        for flight in &mut self.flights {
            flight.advance(newest, air);
            flight.forget_before(prediction.confirmed().offset(-i64::from(RETAINED_SNAPSHOTS)));
        }
    }

    /// Compares them with what the server told, up to the tick `confirmed`.
    pub(crate) fn meet(&mut self, copy: &Copy, confirmed: Tick, air: &mut Air<'_, '_>, counters: &mut Counters) {
        for i in 0..self.flights.len() {
            if self.flights[i].told.is_none() && self.flights[i].born <= confirmed {
                let met = self.nearest(&self.flights[i], copy, &air.kinds[self.flights[i].kind]);
                counters.spawns_matched += u64::from(met.is_some());
                self.flights[i].told = met;
            }
            let flight = &mut self.flights[i];
            let Some(told) = &mut flight.told else { continue };
            match copy.present().find(|(slot, shown)| told.is(*slot, shown)) {
                Some((_, shown)) => {
                    told.gone = false;
                    flight.take(shown.newest(), air);
                }
                None => told.gone = true,
            }
        }
        let untold_max = (SPAWN_UNTOLD_MAX.0 / air.tick_length.0.max(1)) as i64;
        self.flights.retain(|flight| {
            let untold = flight.told.is_none() && confirmed.since(flight.born) > untold_max;
            counters.spawns_withdrawn += u64::from(untold);
            let forgotten = flight.told.is_some_and(|told| !copy.all().any(|(slot, shown)| told.is(slot, shown)));
            !untold && !forgotten
        });
    }

    /// The entity that the server told and that `flight` is, if there is one.
    fn nearest(&self, flight: &Flight, copy: &Copy, kind: &Kind) -> Option<Told> {
        let (mut nearest, mut least) = (None, SPAWN_MATCH_M);
        let mut state = Vec::new();
        for (slot, shown) in copy.present() {
            let is_other = shown.avatar || shown.kind != flight.kind || shown.entered < flight.born;
            if is_other || self.hides(slot, shown) {
                continue;
            }
            let (tick, lanes) = shown.newest();
            kind.untold(false, lanes, &mut state);
            let Some(predicted) = flight.at(tick).filter(|predicted| are_alike(kind, predicted, &state)) else {
                continue;
            };
            let distance = kind.position(predicted).distance(kind.position(&state));
            if distance < least {
                least = distance;
                nearest = Some(Told { slot, met: tick, newest: Tick::ZERO, gone: false });
            }
        }
        nearest
    }

    /// Whether the entity in a slot is shown as one of these.
    pub(crate) fn hides(&self, slot: u16, shown: &Shown) -> bool {
        self.flights.iter().any(|flight| flight.told.is_some_and(|told| told.is(slot, shown)))
    }

    /// Those to be seen at `now`, as of `tick`, in the order of the shots: the name, the kind, whole lanes and fractions.
    pub(crate) fn show(
        &self,
        kinds: &[Kind],
        tick: Tick,
        now: Micros,
        mut show: impl FnMut(EntityId, usize, &[i32], &[f32]),
    ) {
        let (mut lanes, mut fractions) = (Vec::new(), Vec::new());
        for flight in self.flights.iter().filter(|flight| !flight.is_over(tick)) {
            let Some(state) = flight.at(tick) else { continue };
            lanes.clear();
            lanes.extend_from_slice(state);
            fractions.clear();
            fractions.resize(lanes.len(), 0.0);
            shift(&kinds[flight.kind], flight.fading.offset(now), &mut lanes, &mut fractions);
            show(flight.id, flight.kind, &lanes, &fractions);
        }
    }
}

impl Flight {
    fn new(id: EntityId, born: Tick, spawn: &Spawn, fading: Fading) -> Self {
        let states = VecDeque::from([spawn.lanes.clone()]);
        Self { id, born, kind: spawn.kind, since: born, states, over: false, told: None, fading }
    }

    fn last(&self) -> Tick {
        self.since.offset(self.states.len() as i64 - 1)
    }

    fn newest(&self) -> &[i32] {
        self.states.back().expect("a flight has a state from its first tick on")
    }

    /// Its state after `tick`; what is over stays where it ended.
    fn at(&self, tick: Tick) -> Option<&[i32]> {
        let tick = if self.over { tick.min(self.last()) } else { tick };
        let at = usize::try_from(tick.since(self.since)).ok()?;
        self.states.get(at).map(Vec::as_slice)
    }

    fn is_over(&self, tick: Tick) -> bool {
        (self.over && self.last() <= tick) || self.told.is_some_and(|told| told.gone)
    }

    fn advance(&mut self, to: Tick, air: &mut Air<'_, '_>) {
        while !self.over && self.last() < to {
            let mut lanes = self.newest().to_vec();
            self.over = !(air.fly)(self.last().next(), self.kind, &mut lanes);
            self.states.push_back(lanes);
            if self.states.len() > HISTORY_TICKS {
                self.states.pop_front();
                self.since = self.since.next();
            }
        }
    }

    fn forget_before(&mut self, tick: Tick) {
        while self.since < tick && self.states.len() > 1 {
            self.states.pop_front();
            self.since = self.since.next();
        }
    }

    /// Flies it again from `state` after `tick` on. What is drawn stays where it is and closes in.
    fn anchor(&mut self, tick: Tick, state: Vec<i32>, teleported: bool, air: &mut Air<'_, '_>) {
        let (kind, last, was_over) = (&air.kinds[self.kind], self.last(), self.over);
        let before = kind.position(self.newest());
        (self.since, self.over) = (tick, false);
        self.states.clear();
        self.states.push_back(state);
        self.advance(last, air);
        let error = before - kind.position(self.newest());
        if teleported || was_over {
            self.fading = Fading::default();
        } else {
            self.fading.add(error, air.now);
        }
        self.advance(air.newest, air);
    }

    /// The shot was played again.
    fn relaunch(&mut self, spawn: &Spawn, air: &mut Air<'_, '_>) {
        if self.kind != spawn.kind {
            *self = Self::new(self.id, self.born, spawn, self.fading);
            self.advance(air.newest, air);
        } else if self.since != self.born || self.states[0] != spawn.lanes {
            self.anchor(self.born, spawn.lanes.clone(), false, air);
        }
    }

    /// The server told its state.
    fn take(&mut self, (tick, lanes): (Tick, &[i32]), air: &mut Air<'_, '_>) {
        let Some(told) = self.told.as_mut().filter(|told| told.newest < tick) else { return };
        told.newest = tick;
        let kind = &air.kinds[self.kind];
        let (mut as_told, mut state) = (Vec::new(), Vec::new());
        let predicted = self.at(tick);
        if let Some(predicted) = predicted {
            kind.told(false, predicted, &mut as_told);
        }
        if as_told != lanes {
            kind.untold(false, lanes, &mut state);
            let away = predicted.map_or(0.0, |predicted| kind.position(predicted).distance(kind.position(&state)));
            self.anchor(tick, state, away > TELEPORT_M, air);
        }
    }
}

/// Names of its own that a client has for these, behind those of slots.
const NAMES: u32 = 1_024;

/// Whether what can only be equal is: numbers, flags and choices, unless only owners are told or they name entities.
fn are_alike(kind: &Kind, a: &[i32], b: &[i32]) -> bool {
    let exact = |repr: &Repr| matches!(repr, Repr::Int { .. } | Repr::Flag | Repr::Enum);
    let fields = kind.fields.iter().filter(|field| exact(&field.repr));
    let mut lanes = fields.flat_map(|field| field.lanes.clone());
    lanes.all(|i| kind.lanes[i].public(a[i]) == kind.lanes[i].public(b[i]))
}

/// Moves the position in `lanes` by `offset` metres.
fn shift(kind: &Kind, offset: Vec3, lanes: &mut [i32], fractions: &mut [f32]) {
    let Some((field, step)) = kind.position_field() else { return };
    for (i, offset) in field.lanes.clone().zip(offset.to_array()) {
        let exact = f64::from(lanes[i]) + f64::from(offset) / step;
        let exact = exact.clamp(0.0, f64::from(kind.lanes[i].max));
        lanes[i] = exact as i32;
        fractions[i] = (exact - f64::from(lanes[i])) as f32;
    }
}
