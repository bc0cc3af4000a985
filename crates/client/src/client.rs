//! The way in: one client of one match.

use std::collections::VecDeque;
use std::sync::Arc;

use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Coding, ConfigError, Context, DecodeError, EntityId, Game, Input, InputFrame, Kinds, LaneReader, LaneWriter,
    Micros, PlayerId, Replicated, Sighting, Tick, ViewTick, dt, neutral,
};
use downbeat_wire::packet::{DownHead, InputReport};

use crate::clock::{InputClock, ViewClock};
use crate::copy::Space;
use crate::limits::{EVENTS_WAITING_MAX, HISTORY_TICKS, LATENCIES_MAX, RELIABLE_WAITING_FEW, SMOOTHING_MAX_M};
use crate::mirror::{Mirror, Taken, rates};
use crate::prediction::{Confirmation, Prediction, Step, Tables};
use crate::reliable::{Reliable, forget_strangers};
use crate::types::{Counters, KnownEntity, Received, Start, View, Waiting};

/// A client of a match. All times are of one clock of the caller's choice.
pub struct Client<G: Game> {
    world: Arc<G::World>,
    mirror: Mirror,
    start: Start,
    neutral: Vec<i32>,
    clocks: Option<(InputClock, ViewClock)>,
    prediction: Option<Prediction>,
    offset: Vec3,
    offset_at: Micros,
    sampled: Vec<(Tick, Micros)>,
    consumed: Tick,
    latencies: Vec<Micros>,
    events: VecDeque<(Tick, G::Event)>,
    reliable: Reliable,
    others: Vec<Sighting<G::Entity>>,
    space: Space,
    counters: Counters,
}

impl<G: Game> Client<G> {
    /// A client that was let in. `world` and `coding` are the game's; clients of one process share them.
    pub fn new(world: Arc<G::World>, coding: Arc<Coding>, start: Start) -> Self {
        let (tick_rate_hz, send_rate_hz) = rates(start.tick_rate_hz, start.send_rate_hz);
        let mirror = Mirror::new(coding, tick_rate_hz, send_rate_hz, start.tick);
        Self {
            world,
            start: Start { tick_rate_hz, send_rate_hz, tick: mirror.newest(), ..start },
            mirror,
            neutral: neutral::<G::Input>(),
            clocks: None,
            prediction: None,
            offset: Vec3::ZERO,
            offset_at: Micros::default(),
            sampled: vec![(Tick::ZERO, Micros::default()); HISTORY_TICKS],
            consumed: Tick::ZERO,
            latencies: Vec::new(),
            events: VecDeque::new(),
            reliable: Reliable::default(),
            others: Vec::new(),
            space: Space::default(),
            counters: Counters::default(),
        }
    }

    /// What the clients of one process share: the world of `config`, and how the game is coded.
    ///
    /// # Errors
    /// When the configuration, the schema or the model cannot be.
    pub fn shared(config: &G::Config) -> Result<(Arc<G::World>, Arc<Coding>), ConfigError> {
        Ok((Arc::new(G::world(config)?), Arc::new(Coding::of::<G>()?)))
    }

    /// Takes in a datagram that arrived `at`.
    ///
    /// # Errors
    /// When it does not decode; it is then not acknowledged, and the server tells its content again.
    pub fn receive(&mut self, at: Micros, datagram: &[u8]) -> Result<Received, DecodeError> {
        let result = self.take_datagram(at, datagram);
        self.counters.undecodable += u64::from(result.is_err());
        result
    }

    fn take_datagram(&mut self, at: Micros, datagram: &[u8]) -> Result<Received, DecodeError> {
        let (head, newest, ahead) = match self.mirror.take(datagram)? {
            Taken::Again(tick) => return Ok(Received { tick, ..Received::default() }),
            Taken::New { head, newest, ahead } => (head, newest, ahead),
        };
        for event in self.mirror.events() {
            if self.events.len() == EVENTS_WAITING_MAX {
                self.events.pop_front();
            }
            let read = G::Event::read(event.kind, &mut LaneReader::new(&event.lanes));
            self.events.push_back((event.tick, read.expect("events name kinds of the schema")));
        }
        self.count(ahead);
        self.measure(&head, at);
        let mut received = Received { tick: head.tick, newest, inputs: head.inputs, prediction_error_m: None };
        if let Some(inputs) = head.inputs {
            self.take_report(&inputs, head.tick, at);
            if newest {
                received.prediction_error_m = self.confirm(head.tick, inputs.substituted, at);
            }
        }
        Ok(received)
    }

    /// Takes in the next bytes of the stream of reliable events, which arrived `at`. Ask [`Self::takes_reliable`] before.
    ///
    /// # Errors
    /// What no server sends. The stream cannot go on then, and neither can the session: close it.
    pub fn receive_reliable(&mut self, at: Micros, bytes: &[u8]) -> Result<(), DecodeError> {
        for event in self.mirror.receive_reliable(bytes)? {
            self.reliable.push(at, event)?;
        }
        Ok(())
    }

    /// Whether more of the stream of reliable events can be taken in now, up to 64 KiB of it. If not, what was taken in must
    /// be seen first, in [`View::events`].
    #[must_use]
    pub fn takes_reliable(&self) -> bool {
        self.reliable.waiting() < RELIABLE_WAITING_FEW
    }

    fn count(&mut self, ahead: Option<i64>) {
        self.counters.snapshots += 1;
        match ahead {
            Some(ahead) if ahead > 0 => self.counters.snapshots_missing += ahead as u64 - 1,
            // It was counted as missing when a newer one overtook it.
            Some(_) => self.counters.snapshots_missing = self.counters.snapshots_missing.saturating_sub(1),
            None => {}
        }
    }

    fn measure(&mut self, head: &DownHead, at: Micros) {
        let tick_us = 1e6 / f64::from(self.start.tick_rate_hz);
        let interval = self.mirror.interval();
        let rtt = self.start.rtt;
        let (input_clock, view_clock) = self.clocks.get_or_insert_with(|| {
            (InputClock::new(tick_us, head.tick, rtt, at), ViewClock::new(tick_us, interval, head.tick, at))
        });
        view_clock.measure(head.tick, at);
        if let Some(margin) = head.inputs.and_then(|inputs| inputs.margin) {
            input_clock.measure(head.tick, f64::from(margin) / 16.0);
        }
    }

    fn take_report(&mut self, inputs: &InputReport, tick: Tick, at: Micros) {
        if inputs.consumed <= self.consumed {
            return;
        }
        let first = self.consumed.next().max(inputs.consumed.offset(1 - HISTORY_TICKS as i64));
        for consumed in first.0..=inputs.consumed.0 {
            let age = tick.0 - consumed;
            let substituted = age < u32::BITS && inputs.substituted >> age & 1 == 1;
            if let Some(sampled) = self.sampled_at(Tick(consumed)) {
                if substituted {
                    self.counters.substituted += 1;
                } else if self.latencies.len() < LATENCIES_MAX {
                    self.latencies.push(at.since(sampled));
                }
            }
        }
        self.consumed = inputs.consumed;
        self.mirror.sender.consumed(inputs.consumed);
    }

    fn confirm(&mut self, tick: Tick, substituted: u32, at: Micros) -> Option<f32> {
        let Some(avatar) = self.mirror.copy.avatar() else {
            self.prediction = None;
            return None;
        };
        let lanes = avatar.as_of(tick)?;
        let (kind, lanes) = (avatar.kind, lanes.to_vec());
        if self.prediction.as_ref().is_none_or(|prediction| prediction.kind() != kind) {
            self.prediction = Some(Prediction::new(kind, tick, &lanes));
            return None;
        }
        let confirmation = self.with_prediction(|prediction, tables, step| {
            prediction.confirm(tick, &lanes, substituted, tables, step)
        })??;
        let Confirmation { error_m, mispredicted, reconciled, correction } = confirmation;
        self.counters.confirmed += 1;
        self.counters.mispredicted += u64::from(mispredicted);
        self.counters.reconciled += u64::from(reconciled);
        if reconciled {
            let offset = self.offset_now(at) + correction;
            // What is shown must not lag far behind: a teleport or a death is shown at once.
            self.offset = if offset.length() > SMOOTHING_MAX_M { Vec3::ZERO } else { offset };
            self.offset_at = at;
        }
        Some(error_m)
    }

    /// Runs `f` with the prediction, its tables and the game's step.
    fn with_prediction<R>(&mut self, f: impl FnOnce(&mut Prediction, &Tables<'_>, &mut Step<'_>) -> R) -> Option<R> {
        let Self { prediction, mirror, neutral, world, others, start, .. } = self;
        let prediction = prediction.as_mut()?;
        let kind = prediction.kind();
        let coding = mirror.coding();
        let tables = Tables {
            avatar: &coding.schema.entities[kind],
            input: &coding.schema.input,
            neutral,
            tick_length: Micros(1_000_000 / u64::from(start.tick_rate_hz)),
        };
        let mut step = |tick: Tick, input: &[i32], lanes: &mut Vec<i32>| {
            let context = Context { world: &**world, tick, dt: dt(start.tick_rate_hz), others };
            let input = G::Input::read(&mut LaneReader::new(input));
            let mut own = G::Entity::read(kind, &mut LaneReader::new(lanes)).expect("the kind is the avatar's own");
            G::predict(&context, &mut own, &input);
            lanes.clear();
            own.write(&mut LaneWriter::new(lanes));
        };
        Some(f(prediction, &tables, &mut step))
    }

    /// The tick whose input is due, if one is. Sample it, hand it to [`Self::input`], and ask again.
    pub fn poll_input(&mut self, now: Micros) -> Option<Tick> {
        self.start.player?;
        self.clocks.as_mut()?.0.poll(now)
    }

    /// When the next input is due; `None` before the first snapshot, and for spectators.
    #[must_use]
    pub fn next_input_at(&self) -> Option<Micros> {
        self.start.player?;
        Some(self.clocks.as_ref()?.0.next_at())
    }

    /// Plays `tick` with `input`, which was sampled `now`, and keeps it for [`Self::transmit`].
    pub fn input(&mut self, now: Micros, tick: Tick, input: &G::Input) {
        let lanes = input.lanes();
        let view = self.clocks.as_mut().map_or_else(ViewTick::default, |(_, view)| ViewTick::at(view.advance(now)));
        self.with_prediction(|prediction, tables, step| prediction.play(tick, &lanes, tables, step));
        self.sampled[tick.0 as usize % HISTORY_TICKS] = (tick, now);
        self.mirror.sender.push(InputFrame { tick, view, lanes });
        self.counters.inputs += 1;
    }

    /// Writes the next datagram to the server into `out`.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        self.mirror.transmit_from(&self.neutral, out);
    }

    /// What is to be seen at `now`. Once a frame.
    pub fn view(&mut self, now: Micros) -> View<'_, G> {
        let shown = self.clocks.as_mut().map_or(0.0, |(_, view)| view.advance(now));
        self.mirror.copy.forget_left(shown);
        self.others.clear();
        let (starved, second) = (shown > f64::from(self.mirror.newest().0), f64::from(self.start.tick_rate_hz));
        for (slot, entity) in self.mirror.copy.all().filter(|(_, entity)| !entity.avatar) {
            let table = &self.mirror.coding().schema.entities[entity.kind];
            if entity.at(table, shown, second, &mut self.space).is_none() {
                continue;
            }
            let mut lanes = LaneReader::between(&self.space.lanes, &self.space.fractions);
            let state = G::Entity::read(entity.kind, &mut lanes).expect("records name kinds of the schema");
            self.others.push(Sighting { id: EntityId::new(slot.into(), 0), entity: state });
        }
        self.counters.shown += self.others.len() as u64;
        self.counters.starved += if starved { self.others.len() as u64 } else { 0 };
        let events = self.due_events(now, shown);
        View {
            world: &self.world,
            player: self.start.player,
            avatar: self
                .prediction
                .as_ref()
                .and_then(|prediction| G::Entity::read(prediction.kind(), &mut LaneReader::new(prediction.lanes()))),
            avatar_offset: self.offset_now(now),
            others: &self.others,
            shown,
            events,
        }
    }

    fn due_events(&mut self, now: Micros, shown: f64) -> Vec<G::Event> {
        let mut due = Vec::new();
        let interval = self.mirror.interval();
        while let Some(mut event) = self.reliable.poll(now, shown) {
            let table = &self.mirror.coding().schema.events[event.kind];
            forget_strangers(&mut event, table, interval, |slot| self.mirror.copy.entered(slot));
            due.extend(G::Event::read(event.kind, &mut LaneReader::new(&event.lanes)));
        }
        let mut i = 0;
        while let Some((tick, _)) = self.events.get(i) {
            if f64::from(tick.0) > shown {
                i += 1;
            } else if let Some((_, event)) = self.events.remove(i) {
                due.push(event);
            }
        }
        due
    }

    /// A correction fades by half every 50 ms.
    fn offset_now(&self, now: Micros) -> Vec3 {
        let halvings = now.since(self.offset_at).as_secs_f64() / 0.05;
        self.offset * libm::exp2(-halvings) as f32
    }

    /// Takes the times from sampling to confirmed consumption of the inputs confirmed since the last call.
    pub fn take_input_latencies(&mut self) -> impl Iterator<Item = Micros> {
        self.latencies.drain(..)
    }

    /// When the input of `tick` was sampled, if that is remembered.
    #[must_use]
    pub fn sampled_at(&self, tick: Tick) -> Option<Micros> {
        let (sampled, at) = self.sampled[tick.0 as usize % HISTORY_TICKS];
        (sampled == tick && tick != Tick::ZERO).then_some(at)
    }

    /// When the moment of `tick` is shown, as far as the view clock knows now.
    #[must_use]
    pub fn shown_at(&self, tick: Tick) -> Option<Micros> {
        Some(self.clocks.as_ref()?.1.time_of(tick))
    }

    /// Whether the avatar of `player` is among what this client is told.
    #[must_use]
    pub fn sees(&self, player: PlayerId) -> bool {
        let mut others = self.mirror.copy.present().filter(|(_, entity)| !entity.avatar);
        others.any(|(_, entity)| {
            self.mirror.coding().schema.entities[entity.kind].player(entity.newest().1) == Some(player)
        })
    }

    /// Entities that this client is told of, its avatar apart.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.mirror.copy.present().filter(|(_, entity)| !entity.avatar).count()
    }

    /// How far the others are shown behind the newest snapshot; `None` before the first.
    #[must_use]
    pub fn interpolation_delay(&self) -> Option<Micros> {
        let ticks = self.clocks.as_ref()?.1.delay_ticks();
        Some(Micros((ticks.max(0.0) * 1e6 / f64::from(self.start.tick_rate_hz)) as u64))
    }

    /// What is known of each slot, ascending. For recorders, tests and tools.
    pub fn known(&self) -> impl Iterator<Item = KnownEntity> {
        self.mirror.known()
    }

    /// The newest tick that was told.
    #[must_use]
    pub const fn newest(&self) -> Tick {
        self.mirror.newest()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
    /// What waits for its moment: for tests and tools.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting { events: self.events.len(), reliable: self.reliable.waiting(), inputs: self.mirror.sender.waiting() }
    }
}
