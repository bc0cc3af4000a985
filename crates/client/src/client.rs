//! The way in: one client of one match.

use std::collections::VecDeque;
use std::sync::Arc;

use downbeat_replica::glam::Vec3;
use downbeat_replica::limits::EVENTS_PER_DATAGRAM_MAX;
use downbeat_replica::range::Decoder;
use downbeat_replica::{
    Coding, ConfigError, Context, DecodeError, EntityId, Game, Input, InputFrame, Kinds, LaneReader, LaneWriter,
    Micros, PlayerId, Replicated, Sighting, Tick, ViewTick, dt, neutral, take_count, take_event,
};
use downbeat_wire::packet::{Acks, DownHead, InputReport};

use crate::clock::{InputClock, ViewClock};
use crate::copy::{Copy, Space};
use crate::limits::{EVENTS_WAITING_MAX, HISTORY_TICKS, LATENCIES_MAX, RELIABLE_WAITING_FEW, SMOOTHING_MAX_M};
use crate::prediction::{Confirmation, Prediction, Step, Tables};
use crate::reliable::{Reliable, forget_strangers};
use crate::sender::Sender;

/// What a client starts from: the welcome, and what the connection measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The client's player; `None` for a spectator.
    pub player: Option<PlayerId>,
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Snapshots per second; divides the tick rate.
    pub send_rate_hz: u32,
    /// The tick of the room when the welcome was written.
    pub tick: Tick,
    /// The round trip as measured so far.
    pub rtt: Micros,
}

/// What a datagram of the server brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Received {
    /// The tick whose state it told.
    pub tick: Tick,
    /// Whether it is the newest so far.
    pub newest: bool,
    /// What became of the client's inputs; `None` for a spectator.
    pub inputs: Option<InputReport>,
    /// Distance between the avatar's predicted and confirmed position in metres, if this confirmed it.
    pub prediction_error_m: Option<f32>,
}

/// An entity as a client was told of it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntity {
    /// The slot it has. Another entity may have it later: `entered` tells them apart.
    pub slot: u16,
    /// Index of its kind in the schema.
    pub kind: usize,
    /// Whether it is the client's own avatar: its lanes are then those that owners are told.
    pub avatar: bool,
    /// The tick of the first state of it.
    pub entered: Tick,
    /// Its lanes as told; those that name entities name their slots.
    pub lanes: Vec<i32>,
}

/// What a client counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Snapshots that arrived.
    pub snapshots: u64,
    /// Snapshots that never arrived, or not yet: those included that were never sent for want of room on the line.
    pub snapshots_missing: u64,
    /// Datagrams that could not be decoded; they count as lost.
    pub undecodable: u64,
    /// Inputs sampled.
    pub inputs: u64,
    /// Ticks that ran on a substitute.
    pub substituted: u64,
    /// Confirmations of the avatar.
    pub confirmed: u64,
    /// Confirmations that made the client go back and replay.
    pub reconciled: u64,
    /// Confirmations that differ from the prediction, ticks with substitutes replayed with them.
    pub mispredicted: u64,
    /// Entities shown, summed over frames.
    pub shown: u64,
    /// Those of them whose moment had not arrived when it was shown.
    pub starved: u64,
}

/// What the player sees and steers by.
#[derive(Debug)]
pub struct View<'a, G: Game> {
    /// The map and the rules.
    pub world: &'a G::World,
    /// The client's player.
    pub player: Option<PlayerId>,
    /// The avatar as predicted; `None` before the server showed it.
    pub avatar: Option<G::Entity>,
    /// To be added to the avatar's position when it is drawn: fades what a correction moved.
    pub avatar_offset: Vec3,
    /// All others, at the shown moment.
    pub others: &'a [Sighting<G::Entity>],
    /// The shown moment, in ticks.
    pub shown: f64,
    /// What happened since the last frame, up to the shown moment: first what is sure to be told, in its order, then what
    /// was not lost of the rest.
    pub events: Vec<G::Event>,
}

/// A client of a match. All times are of one clock of the caller's choice.
pub struct Client<G: Game> {
    world: Arc<G::World>,
    coding: Arc<Coding>,
    start: Start,
    neutral: Vec<i32>,
    copy: Copy,
    seen: Option<Acks>,
    newest: Tick,
    clocks: Option<(InputClock, ViewClock)>,
    sender: Sender,
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
        // The server's word is not trusted: rates of zero and ticks that no room reaches are brought into range.
        let tick_rate_hz = start.tick_rate_hz.clamp(1, 1_000);
        let send_rate_hz = start.send_rate_hz.clamp(1, tick_rate_hz);
        let start = Start { tick_rate_hz, send_rate_hz, tick: start.tick.min(Tick::LAST), ..start };
        Self {
            world,
            coding,
            start,
            neutral: neutral::<G::Input>(),
            copy: Copy::new(tick_rate_hz / send_rate_hz),
            seen: None,
            newest: start.tick,
            clocks: None,
            sender: Sender::default(),
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
        let mut input = Decoder::new(datagram);
        let head = DownHead::decode(self.newest, &mut input)?;
        let number = (head.tick.0 / self.interval()) as u16;
        if self.seen.is_some_and(|seen| seen.contains(number)) {
            return Ok(Received { tick: head.tick, ..Received::default() });
        }
        let coding = Arc::clone(&self.coding);
        self.copy.receive(&coding.schema, &coding.model, &head, &mut input)?;
        let events = self.read_events(head.tick, &mut input)?;
        input.finish()?;
        self.copy.confirm(head.tick);

        for event in events {
            if self.events.len() == EVENTS_WAITING_MAX {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
        self.note_number(number);
        let newest = head.tick > self.newest || self.clocks.is_none();
        self.newest = self.newest.max(head.tick);
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
        self.reliable.receive(at, bytes, &self.coding.schema)
    }

    /// Whether more of the stream of reliable events can be taken in now, up to 64 KiB of it. If not, what was taken in must
    /// be seen first, in [`View::events`].
    #[must_use]
    pub fn takes_reliable(&self) -> bool {
        self.reliable.waiting() < RELIABLE_WAITING_FEW
    }

    fn read_events(&self, tick: Tick, input: &mut Decoder<'_>) -> Result<Vec<(Tick, G::Event)>, DecodeError> {
        let count = take_count(EVENTS_PER_DATAGRAM_MAX, "number of events", input)?;
        let mut events = Vec::new();
        for _ in 0..count {
            let (kind, age, lanes) = take_event(&self.coding.schema, input)?;
            let event = G::Event::read(kind, &mut LaneReader::new(&lanes)).ok_or(DecodeError::Malformed("event"))?;
            events.push((tick.offset(-i64::from(age)), event));
        }
        Ok(events)
    }

    fn note_number(&mut self, number: u16) {
        self.counters.snapshots += 1;
        match self.seen.map(|seen| i64::from(number.wrapping_sub(seen.newest) as i16)) {
            Some(ahead) if ahead > 0 => self.counters.snapshots_missing += ahead as u64 - 1,
            // It was counted as missing when a newer one overtook it.
            Some(_) => self.counters.snapshots_missing = self.counters.snapshots_missing.saturating_sub(1),
            None => {}
        }
        Acks::note(&mut self.seen, number);
        self.sender.note_number(number);
    }

    fn measure(&mut self, head: &DownHead, at: Micros) {
        let tick_us = 1e6 / f64::from(self.start.tick_rate_hz);
        let interval = self.interval();
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
        self.sender.consumed(inputs.consumed);
    }

    fn confirm(&mut self, tick: Tick, substituted: u32, at: Micros) -> Option<f32> {
        let Some(avatar) = self.copy.avatar() else {
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
        let Self { prediction, coding, neutral, world, others, start, .. } = self;
        let prediction = prediction.as_mut()?;
        let kind = prediction.kind();
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
        self.sender.push(InputFrame { tick, view, lanes });
        self.counters.inputs += 1;
    }

    /// Writes the next datagram to the server into `out`.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        self.sender.write(&self.coding.schema.input, &self.neutral, self.seen, out);
    }

    /// What is to be seen at `now`. Once a frame.
    pub fn view(&mut self, now: Micros) -> View<'_, G> {
        let shown = self.clocks.as_mut().map_or(0.0, |(_, view)| view.advance(now));
        self.copy.forget_left(shown);
        self.others.clear();
        let starved = shown > f64::from(self.newest.0);
        for (slot, entity) in self.copy.all().filter(|(_, entity)| !entity.avatar) {
            let table = &self.coding.schema.entities[entity.kind];
            if entity.at(table, shown, &mut self.space).is_none() {
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
        let interval = self.interval();
        while let Some(mut event) = self.reliable.poll(now, shown) {
            let table = &self.coding.schema.events[event.kind];
            forget_strangers(&mut event, table, interval, |slot| self.copy.entered(slot));
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
        let mut others = self.copy.present().filter(|(_, entity)| !entity.avatar);
        others.any(|(_, entity)| self.coding.schema.entities[entity.kind].player(entity.newest().1) == Some(player))
    }

    /// Entities that this client is told of, its avatar apart.
    #[must_use]
    pub fn visible(&self) -> usize {
        self.copy.present().filter(|(_, entity)| !entity.avatar).count()
    }

    /// How far the others are shown behind the newest snapshot; `None` before the first.
    #[must_use]
    pub fn interpolation_delay(&self) -> Option<Micros> {
        let ticks = self.clocks.as_ref()?.1.delay_ticks();
        Some(Micros((ticks.max(0.0) * 1e6 / f64::from(self.start.tick_rate_hz)) as u64))
    }

    /// What is known of each slot, ascending. For recorders, tests and tools.
    pub fn known(&self) -> impl Iterator<Item = KnownEntity> {
        self.copy.present().map(|(slot, entity)| KnownEntity {
            slot,
            kind: entity.kind,
            avatar: entity.avatar,
            entered: entity.entered,
            lanes: entity.newest().1.to_vec(),
        })
    }

    /// The newest tick that was told.
    #[must_use]
    pub const fn newest(&self) -> Tick {
        self.newest
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn interval(&self) -> u32 {
        self.start.tick_rate_hz / self.start.send_rate_hz
    }
}
