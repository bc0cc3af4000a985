//! The way in: one client of one match.

use std::collections::VecDeque;
use std::sync::Arc;

use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Coding, ConfigError, DecodeError, EntityId, Game, Input, InputFrame, Kinds, LaneReader, Micros, PlayerId, Sighting,
    Tick, ViewTick,
};
use downbeat_wire::packet::{Arrivals, DownHead, InputReport};
use downbeat_wire::{Held, Resumed};

use crate::account::Account;
use crate::clock::{InputClock, ViewClock};
use crate::copy::Space;
use crate::limits::{EVENTS_WAITING_MAX, HISTORY_TICKS, LATENCIES_MAX, RELIABLE_WAITING_FEW, REPEATS_UNMEASURED};
use crate::mirror::{Mirror, Taken, rates};
use crate::own::{Own, Setting};
use crate::reliable::{Reliable, forget_strangers};
use crate::sync_test::SyncFault;
use crate::types::{Counters, KnownEntity, Mechanism, Received, Start, View, Waiting};

/// A client of a match. All times are of one clock of the caller's choice.
pub struct Client<G: Game> {
    world: Arc<G::World>,
    mirror: Mirror,
    start: Start,
    clocks: Option<(InputClock, ViewClock)>,
    own: Own<G>,
    sampled: Vec<(Tick, Micros)>,
    consumed: Tick,
    latencies: Vec<Micros>,
    events: VecDeque<(Tick, G::Event)>,
    reliable: Reliable,
    others: Vec<Sighting<G::Entity>>,
    space: Space,
    counters: Counters,
    without: Option<Mechanism>,
}

impl<G: Game> Client<G> {
    /// A client that was let in. `world` and `coding` are the game's; clients of one process share them.
    pub fn new(world: Arc<G::World>, coding: Arc<Coding>, start: Start) -> Self {
        let (tick_rate_hz, send_rate_hz) = rates(start.tick_rate_hz, start.send_rate_hz);
        let mut mirror = Mirror::new(coding, tick_rate_hz, send_rate_hz, start.tick);
        mirror.sender.repeats = REPEATS_UNMEASURED;
        Self {
            world,
            start: Start { tick_rate_hz, send_rate_hz, tick: mirror.newest(), ..start },
            mirror,
            clocks: None,
            own: Own::new(),
            sampled: vec![(Tick::ZERO, Micros::default()); HISTORY_TICKS],
            consumed: Tick::ZERO,
            latencies: Vec::new(),
            events: VecDeque::new(),
            reliable: Reliable::default(),
            others: Vec::new(),
            space: Space::default(),
            counters: Counters::default(),
            without: None,
        }
    }

    /// What the clients of one process share: the world of `config`, and how the game is coded.
    ///
    /// # Errors
    /// When the configuration, the schema or the model cannot be.
    pub fn shared(config: &G::Config) -> Result<(Arc<G::World>, Arc<Coding>), ConfigError> {
        Ok((Arc::new(G::world(config)?), Arc::new(Coding::of::<G>()?)))
    }

    /// Leaves `mechanism` off from now on, or nothing any more: for measuring what it is worth. Games leave all of them on.
    pub const fn set_without(&mut self, mechanism: Option<Mechanism>) {
        self.without = mechanism;
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
                let is_told = self.without != Some(Mechanism::SubstitutionFlags);
                let substituted = if is_told { inputs.substituted } else { 0 };
                received.prediction_error_m =
                    self.with_own(|own, setting, counters| own.confirm(setting, at, head.tick, substituted, counters));
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
        if let Some(Arrivals { margin, missing }) = head.inputs.and_then(|inputs| inputs.arrivals) {
            let given_up = input_clock.measure(head.tick, f64::from(margin) / 16.0, missing);
            self.mirror.sender.repeats = input_clock.repeats();
            if let Some(next) = given_up {
                self.mirror.sender.give_up(next);
                self.own.give_up(next);
            }
        }
        match self.without {
            Some(Mechanism::Repeats) => self.mirror.sender.repeats = 0,
            Some(Mechanism::Dilation) => input_clock.hold(),
            Some(Mechanism::AdaptiveDelay) => view_clock.hold(),
            Some(Mechanism::Smoothing | Mechanism::SubstitutionFlags) | None => {}
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

    /// Runs `f` with the player's own side and what that reads of the rest.
    fn with_own<R>(&mut self, f: impl FnOnce(&mut Own<G>, &Setting<'_, G>, &mut Counters) -> R) -> R {
        let Self { own, mirror, world, others, start, counters, .. } = self;
        let (coding, copy) = (mirror.coding(), &mirror.copy);
        f(own, &Setting { world, coding, tick_rate_hz: start.tick_rate_hz, others, copy }, counters)
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
        self.with_own(|own, setting, counters| own.play(setting, now, tick, &lanes, counters));
        self.sampled[tick.0 as usize % HISTORY_TICKS] = (tick, now);
        self.mirror.sender.push(InputFrame { tick, view, lanes });
        self.counters.inputs += 1;
    }

    /// Writes the next datagram to the server into `out`.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        self.mirror.transmit_from(self.own.neutral(), out);
    }

    /// Whether the server should hear of what arrived, also without an input: then [`Self::transmit`].
    #[must_use]
    pub const fn owes_answer(&self) -> bool {
        self.mirror.owes_answer()
    }

    /// What is here of the session, for a hello that resumes it.
    #[must_use]
    pub fn held(&self) -> Held {
        self.mirror.held()
    }

    /// Goes on with the session over another connection, as the welcome says that was written in `tick`. Until then the client
    /// goes on as on a dead line: ask it for inputs, and show what it gives to see.
    ///
    /// # Errors
    /// When the server names what is not here. The session cannot go on then: close it.
    pub fn resume(&mut self, resumed: &Resumed, tick: Tick) -> Result<(), DecodeError> {
        self.mirror.resume(resumed, tick)?;
        if let Some((_, view)) = &mut self.clocks {
            view.skip(self.mirror.newest());
        }
        Ok(())
    }

    /// What is to be seen at `now`. Once a frame.
    pub fn view(&mut self, now: Micros) -> View<'_, G> {
        let shown = self.clocks.as_mut().map_or(0.0, |(_, view)| view.advance(now));
        self.mirror.copy.forget_left(shown);
        self.with_own(|own, setting, counters| own.refresh(setting, now, counters));
        self.others.clear();
        let (starved, second) = (shown > f64::from(self.mirror.newest().0), f64::from(self.start.tick_rate_hz));
        for (slot, entity) in self.mirror.copy.all().filter(|(_, entity)| !entity.avatar) {
            if self.own.hides(slot, entity) {
                continue;
            }
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
        let fades = self.without != Some(Mechanism::Smoothing);
        let avatar_offset = if fades { self.own.offset(now) } else { Vec3::ZERO };
        View {
            world: &self.world,
            player: self.start.player,
            avatar: self.own.avatar(),
            avatar_offset,
            spawned: self.own.spawned(),
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

    /// Makes the client play its unconfirmed past again after every so many ticks and compare, to find a game whose
    /// `predict` does not always give the same; `None`, as at first, for never. Costs as much as a correction each time, and
    /// the copies of the others that it remembers: for development.
    pub fn set_sync_test(&mut self, every_ticks: Option<u32>) {
        self.own.set_sync_test(every_ticks);
    }

    /// What that found first; [`Counters::sync_faults`] says how much there was.
    #[must_use]
    pub fn sync_faults(&self) -> &[SyncFault] {
        self.own.sync_faults()
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

    /// As [`Mirror::set_account`].
    pub fn set_account(&mut self, keeps: bool) {
        self.mirror.set_account(keeps);
    }

    /// As [`Mirror::account`].
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.mirror.account()
    }

    /// What waits for its moment: for tests and tools.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting { events: self.events.len(), reliable: self.reliable.waiting(), inputs: self.mirror.sender.waiting() }
    }
}
