//! One match: its game, its sessions, and the tick that carries both forward.

use std::collections::BTreeMap;
use std::sync::Arc;

use downbeat_replica::bits::BitReader;
use downbeat_replica::limits::{PLAYERS_MAX, ROOM_VERSIONS};
use downbeat_replica::{
    Capture, Captured, Coding, ConfigError, DecodeError, EntityId, Events, Game, Hearers, InputFrames, Inputs,
    LaneReader, LaneWriter, Micros, PlayerId, PlayerInput, Results, Schema, Setup, Tick, Viewer, Visible, is_retained,
    neutral, put_reliable,
};
use downbeat_wire::limits::UP_DATAGRAM_BYTES_MAX;
use downbeat_wire::packet::{Acks, Arrivals, InputReport, UpHead};

use crate::entities::Entities;
use crate::inputs::InputQueue;
use crate::kept::Kept;
use crate::limits::{
    INPUT_TICKS_AHEAD_MAX, REWIND_MAX, SEND_EVERY_MAX, SNAPSHOT_BYTES_MIN, SNAPSHOTS_KEPT_MAX, TICK_RATE_HZ_MAX,
};
use crate::replication::Replication;
use crate::rewind::{Leads, Past};
use crate::snapshot::{self, EncodedEvent, Snapshot};
use crate::tail::Tail;
use crate::types::{
    Counters, InputCounters, JoinError, Net, PeerError, Phase, RoomOptions, SessionId, SessionReport, Told,
};
use crate::watching::Watching;

pub(crate) struct Session {
    pub(crate) player: Option<PlayerId>,
    pub(crate) queue: InputQueue,
    /// The margin that was reported last, in sixteenths of a tick.
    margin: Option<i16>,
    pub(crate) up_seen: Option<Acks>,
    inputs: InputCounters,
    pub(crate) leads: Leads,
    pub(crate) replication: Replication,
    /// What its connection can take in this snapshot, its avatar, and what it is shown.
    pub(crate) space: Option<usize>,
    avatar: Option<EntityId>,
    visible: Visible,
    /// Bytes that its next snapshot may have, as far as the configured rate goes.
    allowance: usize,
    /// The tick of its last snapshot: events up to there were told, or did not fit.
    pub(crate) heard: Tick,
    /// Where a spectator looks.
    pub(crate) watching: Watching,
    /// It has no connection for now.
    pub(crate) is_away: bool,
    /// What its client knew, once that is about to be forgotten, and when that was kept.
    pub(crate) kept: Option<Box<Kept>>,
    pub(crate) kept_at: Tick,
    /// What it was resumed with, until something is heard of its client.
    pub(crate) unheard: Option<Box<Kept>>,
    /// The last of its reliable events.
    pub(crate) tail: Tail,
}

/// A match and those who take part in it.
pub struct Room<G: Game> {
    pub(crate) game: G,
    pub(crate) schema: Schema,
    pub(crate) options: RoomOptions,
    pub(crate) tick: Tick,
    tick_started: Micros,
    neutral: Vec<i32>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    players: Vec<bool>,
    pub(crate) entities: Entities,
    /// By player.
    pub(crate) avatars: Vec<Option<EntityId>>,
    events: Events<G::Event>,
    pub(crate) encoded_events: Vec<EncodedEvent>,
    /// Those that must arrive.
    reliable_events: Vec<EncodedEvent>,
    /// Work space: what one client is told of them.
    reliable: Vec<u8>,
    pub(crate) counters: Counters,
    frames: InputFrames,
    inputs: Vec<PlayerInput<G::Input>>,
    captured: Vec<Captured>,
    lanes: Vec<i32>,
    snapshot: Snapshot,
    results: Results,
    send_every: u32,
}

impl<G: Game> Room<G> {
    /// Opens a room.
    ///
    /// # Errors
    /// When the game's configuration, its schema or the options cannot be; says what is allowed.
    pub fn new(config: &G::Config, options: RoomOptions) -> Result<Self, ConfigError> {
        Self::with_coding(config, options, Arc::new(Coding::of::<G>()?))
    }

    /// Opens a room of those that share `coding`, the game's own: to read a model takes longer than all the rest.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_coding(config: &G::Config, options: RoomOptions, coding: Arc<Coding>) -> Result<Self, ConfigError> {
        let snapshot_bytes = options.client_bytes_per_s / options.send_rate_hz.max(1) as usize;
        if snapshot_bytes < SNAPSHOT_BYTES_MIN {
            return Err(ConfigError(format!(
                "{} bytes per second and client are {snapshot_bytes} bytes a snapshot at {} Hz; {SNAPSHOT_BYTES_MIN} are \
                 the least",
                options.client_bytes_per_s, options.send_rate_hz
            )));
        }
        if options.tick_rate_hz == 0
            || options.send_rate_hz == 0
            || !options.tick_rate_hz.is_multiple_of(options.send_rate_hz)
        {
            return Err(ConfigError(format!(
                "the send rate of {} Hz does not divide the tick rate of {} Hz",
                options.send_rate_hz, options.tick_rate_hz
            )));
        }
        if options.tick_rate_hz > TICK_RATE_HZ_MAX {
            return Err(ConfigError(format!(
                "{} ticks a second; {TICK_RATE_HZ_MAX} are the most",
                options.tick_rate_hz
            )));
        }
        if !is_retained(1, options.tick_rate_hz / options.send_rate_hz, ROOM_VERSIONS as u32) {
            return Err(ConfigError(format!(
                "{} ticks to a snapshot: a room remembers {ROOM_VERSIONS}, so that none could build on another",
                options.tick_rate_hz / options.send_rate_hz
            )));
        }
        let players_max = options.players_max.min(PLAYERS_MAX as u16);
        let schema = coding.schema.clone();
        snapshot::check_sizes(&schema, snapshot_bytes)?;
        let setup = Setup { tick_rate_hz: options.tick_rate_hz, seed: options.seed, players_max };
        Ok(Self {
            game: G::new(config, setup)?,
            entities: Entities::new(coding, options.tick_rate_hz / options.send_rate_hz),
            schema,
            options: RoomOptions { players_max, ..options },
            tick: Tick::ZERO,
            tick_started: Micros::default(),
            neutral: neutral::<G::Input>(),
            sessions: BTreeMap::new(),
            players: vec![false; players_max.into()],
            avatars: vec![None; players_max.into()],
            events: Events::default(),
            encoded_events: Vec::new(),
            reliable_events: Vec::new(),
            reliable: Vec::new(),
            counters: Counters::default(),
            frames: InputFrames::default(),
            inputs: Vec::new(),
            captured: Vec::new(),
            lanes: Vec::new(),
            snapshot: Snapshot::default(),
            results: Results::default(),
            send_every: 1,
        })
    }

    /// Lets a session take part, as a player or as a spectator (`None`). If it takes part already, it begins anew.
    ///
    /// # Errors
    /// When all places are taken.
    pub fn join(&mut self, session: SessionId, name: &str, spectator: bool) -> Result<Option<PlayerId>, JoinError> {
        self.leave(session);
        let player = if spectator {
            let watching = self.sessions.values().filter(|session| session.player.is_none()).count();
            if watching >= self.options.spectators_max.into() {
                return Err(JoinError::Full);
            }
            None
        } else {
            let place = self.players.iter().position(|taken| !taken).ok_or(JoinError::Full)?;
            self.players[place] = true;
            Some(PlayerId(place as u16))
        };
        if let Some(player) = player {
            self.game.join(player, name);
        }
        self.sessions.insert(
            session,
            Session {
                player,
                queue: InputQueue::new(&self.neutral),
                margin: None,
                up_seen: None,
                inputs: InputCounters::default(),
                leads: Leads::default(),
                replication: Replication::default(),
                space: None,
                avatar: None,
                visible: Visible::default(),
                allowance: 0,
                heard: self.tick,
                watching: Watching::default(),
                is_away: false,
                kept: None,
                kept_at: Tick::ZERO,
                unheard: None,
                tail: Tail::default(),
            },
        );
        Ok(player)
    }

    /// Takes a session out; its player leaves the match.
    pub fn leave(&mut self, session: SessionId) {
        let Some(session) = self.sessions.remove(&session) else { return };
        if let Some(player) = session.player {
            self.players[usize::from(player.0)] = false;
            self.game.leave(player);
            self.game.results(&mut self.results);
        }
    }

    /// Takes in a client's datagram that arrived `at`.
    ///
    /// # Errors
    /// Says what the client did wrong; the datagram is then without effect beyond what was read before the fault.
    pub fn receive(&mut self, session: SessionId, at: Micros, datagram: &[u8]) -> Result<(), PeerError> {
        let result = self.take_datagram(session, at, datagram);
        match result {
            Err(PeerError::Malformed(_)) => self.counters.malformed += 1,
            Err(PeerError::ForgedAck) => self.counters.forged_acks += 1,
            Err(PeerError::SpectatorInput) => self.counters.spectator_inputs += 1,
            _ => {}
        }
        result
    }

    fn take_datagram(&mut self, session: SessionId, at: Micros, datagram: &[u8]) -> Result<(), PeerError> {
        let next = self.tick.next();
        let tick_length = self.tick_length();
        let next_starts = (self.tick_started + tick_length).0 as i64;
        let session = self.sessions.get_mut(&session).ok_or(PeerError::Unknown)?;
        if datagram.len() > UP_DATAGRAM_BYTES_MAX {
            return Err(DecodeError::TooLarge("datagram").into());
        }
        session.unheard = None;
        let mut input = BitReader::new(datagram);
        let head = UpHead::decode(&mut input)?;
        if session.up_seen.is_some_and(|seen| seen.contains(head.sequence)) {
            return Ok(());
        }
        let ahead = session.up_seen.map_or(1, |seen| head.sequence.wrapping_sub(seen.newest) as i16);
        self.frames.decode(next, &self.schema.input, &self.neutral, &mut input)?;
        input.finish()?;
        Acks::note(&mut session.up_seen, head.sequence);
        if head.acks.is_some_and(|acks| !session.replication.acknowledge(acks)) {
            return Err(PeerError::ForgedAck);
        }
        if session.player.is_none() && !self.frames.is_empty() {
            return Err(PeerError::SpectatorInput);
        }
        let interval = self.options.tick_rate_hz / self.options.send_rate_hz;
        // Of what is too far ahead to be taken, nothing is learned either.
        let newest = self.frames.newest().filter(|tick| tick.since(self.tick) <= i64::from(INPUT_TICKS_AHEAD_MAX));
        if let (Some(newest), Some(acks)) = (newest, head.acks) {
            session.leads.note(newest, Tick(session.replication.number(acks.newest) * interval));
        }
        let before = session.inputs;
        for (tick, view, lanes) in self.frames.iter() {
            let frame = (tick, session.leads.plausible(tick, view, interval), lanes);
            session.queue.receive(frame, self.tick, &mut session.inputs);
        }
        if let (Some(newest), 1..) = (self.frames.newest(), ahead) {
            let starts = next_starts + newest.since(next) * tick_length.0 as i64;
            let margin_us = starts - at.0 as i64;
            session.queue.note_arrival(margin_us, ahead as u32 - 1);
            self.counters.margins.note(margin_sixteenths(margin_us, self.options.tick_rate_hz));
        }
        self.counters.inputs.late += session.inputs.late - before.late;
        self.counters.inputs.rejected += session.inputs.rejected - before.rejected;
        Ok(())
    }

    /// Advances the match by one tick, at `now`, and sends what is due.
    pub fn tick(&mut self, now: Micros, net: &mut impl Net) {
        self.tick = self.tick.next();
        self.tick_started = now;
        net.phase(Phase::Step);
        self.take_inputs();
        self.step();
        net.phase(Phase::Capture);
        self.capture();
        self.encode_events();
        if self.tick.0.is_multiple_of(self.interval()) {
            net.phase(Phase::Interest);
            self.choose_visible(net);
            net.phase(Phase::Encode);
            self.tell_clients(net);
        }
    }

    /// Encodes and sends. Never inlined, so that profiles and instruction counts know it by its name.
    #[inline(never)]
    fn tell_clients(&mut self, net: &mut impl Net) {
        self.send_snapshots(net);
        self.send_reliable(net);
        self.reliable_events.clear();
        // Those whose turn comes later hear of it then.
        let kept = if self.send_every > 1 { SEND_EVERY_MAX - 1 } else { 0 };
        let unheard = self.tick.offset(-i64::from(kept * self.interval()));
        self.encoded_events.retain(|event| event.tick > unheard);
    }

    fn take_inputs(&mut self) {
        let tick_length = self.tick_length();
        self.inputs.clear();
        for session in self.sessions.values_mut() {
            let Some(player) = session.player else { continue };
            let before = session.inputs;
            let mut uncounted = session.inputs;
            // Nobody starves who is not there.
            let counters = if session.is_away { &mut uncounted } else { &mut session.inputs };
            let taken = session.queue.take(self.tick, tick_length, &self.schema.input, &self.neutral, counters);
            let input = <G::Input as downbeat_replica::Replicated>::read(&mut LaneReader::new(taken.lanes));
            self.inputs.push(PlayerInput { player, input, view: taken.view, substituted: taken.substituted });
            self.counters.inputs.consumed += session.inputs.consumed - before.consumed;
            self.counters.inputs.starved += session.inputs.starved - before.starved;
        }
        self.inputs.sort_unstable_by_key(|input| input.player);
    }

    fn step(&mut self) {
        let limit_ticks = (REWIND_MAX.0 / self.tick_length().0) as u32;
        let past = Past {
            entities: &self.entities,
            schema: &self.schema,
            present: self.tick,
            limit_ticks,
            interval: self.interval(),
            tick_rate_hz: self.options.tick_rate_hz,
        };
        self.game.step(self.tick, &Inputs::new(&self.inputs), &past, &mut self.events);
        self.game.results(&mut self.results);
    }

    fn capture(&mut self) {
        let entities = &self.entities;
        let previous = |id, kind| {
            let entity = entities.of(id).filter(|entity| entity.kind == kind)?;
            entity.versions.newest().map(|newest| newest.lanes)
        };
        let mut capture = Capture::new(&mut self.captured, &mut self.lanes, &previous);
        self.game.capture(&mut capture);
        self.counters.clamped += u64::from(capture.clamped());
        self.counters.refused += u64::from(capture.refused());
        self.avatars.fill(None);
        for captured in &mut self.captured {
            let player = captured.avatar.map(|player| usize::from(player.0));
            let Some(place) = player.and_then(|player| self.avatars.get_mut(player)) else { continue };
            if place.is_some() {
                // Which of its avatars to predict, a client could not know.
                captured.avatar = None;
                self.counters.refused += 1;
                continue;
            }
            *place = Some(captured.id);
        }
        self.entities.commit(self.tick, &self.schema, &self.captured, &self.lanes);
    }

    fn encode_events(&mut self) {
        let encode = |(hearers, event): (Hearers, G::Event)| {
            use downbeat_replica::Kinds;
            let mut lanes = Vec::new();
            event.write(&mut LaneWriter::new(&mut lanes));
            EncodedEvent { hearers, tick: self.tick, kind: event.kind(), lanes }
        };
        self.encoded_events.extend(self.events.drain().map(encode));
        self.reliable_events.extend(self.events.drain_reliable().map(encode));
    }

    /// Sends each client every `every`th snapshot, 1 to [`SEND_EVERY_MAX`](crate::limits::SEND_EVERY_MAX), and leaves out the
    /// others, as if its connection could not take them. Clients take turns, so that no tick has the work of all.
    pub fn set_send_every(&mut self, every: u32) {
        self.send_every = every.clamp(1, SEND_EVERY_MAX);
    }

    /// Which snapshots each client is sent: 1 for all of them, 2 for every other one.
    pub const fn send_every(&self) -> u32 {
        self.send_every
    }

    /// Asks the game what each client is shown whose turn it is and whose connection can take a snapshot.
    fn choose_visible(&mut self, net: &mut impl Net) {
        let budget = self.options.client_bytes_per_s / self.options.send_rate_hz as usize;
        let number = self.tick.0 / self.interval();
        for (&id, session) in &mut self.sessions {
            session.keep(&self.entities, self.options.tick_rate_hz);
            if session.is_away {
                session.space = None;
                continue;
            }
            if !number.wrapping_add(id.0).is_multiple_of(self.send_every) {
                session.space = None;
                self.counters.left_out += 1;
                continue;
            }
            session.allowance = (session.allowance + budget).min(budget * SNAPSHOTS_KEPT_MAX);
            session.space = net.space(id);
            if session.space.is_none() {
                self.counters.skipped += 1;
                continue;
            }
            let avatar = session.player.and_then(|player| self.avatars.get(usize::from(player.0)).copied().flatten());
            session.avatar = avatar;
            session.visible.clear();
            let scene = &self.entities.scene;
            let camera = session.watching.camera(scene, &self.avatars);
            self.game.relevance(&Viewer { player: session.player, avatar, camera }, scene, &mut session.visible);
            let shown = [avatar, camera.and_then(|camera| camera.follows)];
            shown.into_iter().flatten().for_each(|id| session.visible.add(id));
        }
    }

    fn send_snapshots(&mut self, net: &mut impl Net) {
        for (&id, session) in &mut self.sessions {
            let (Some(space), avatar) = (session.space, session.avatar) else { continue };
            let arrivals = session
                .queue
                .take_arrivals()
                .map(|(us, missing)| Arrivals { margin: margin_sixteenths(us, self.options.tick_rate_hz), missing });
            session.margin = arrivals.map(|arrivals| arrivals.margin).or(session.margin);
            let inputs = session.player.map(|_| InputReport {
                consumed: session.queue.consumed(),
                substituted: session.queue.substituted(),
                arrivals,
            });
            let room = snapshot::Source {
                schema: &self.schema,
                entities: &mut self.entities,
                events: &self.encoded_events,
                counters: &mut self.counters,
                tick: self.tick,
            };
            let viewer = snapshot::Reader {
                player: session.player,
                avatar,
                inputs,
                bytes_max: space.min(session.allowance),
                heard: std::mem::replace(&mut session.heard, self.tick),
            };
            let datagram = self.snapshot.encode(room, &viewer, session.visible.sorted(), &mut session.replication);
            session.allowance = session.allowance.saturating_sub(datagram.len());
            net.send(id, datagram);
        }
    }

    /// Tells each client what must arrive. Who is shown what, and under which slots, was settled by the snapshots just now;
    /// for a client whose connection took none, by its last one.
    fn send_reliable(&mut self, net: &mut impl Net) {
        if self.reliable_events.is_empty() {
            return;
        }
        for (&id, session) in &mut self.sessions {
            self.reliable.clear();
            let slot_of = |id| session.replication.slot_of(id).map_or(0, |slot| slot + 1);
            for event in &self.reliable_events {
                if hears(event.hearers, session.player, &session.replication) {
                    put_reliable(&self.schema, event.kind, event.tick, &event.lanes, slot_of, &mut self.reliable);
                }
            }
            if !self.reliable.is_empty() {
                session.tail.push(&self.reliable);
                net.send_reliable(id, &self.reliable);
            }
        }
    }

    /// What the game told that is to be kept; to be drained after each tick and each leave.
    pub const fn results(&mut self) -> &mut Results {
        &mut self.results
    }

    /// The tick that ran last.
    pub const fn present(&self) -> Tick {
        self.tick
    }

    /// The game that is played.
    pub const fn game(&self) -> &G {
        &self.game
    }

    /// Its tables.
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What the room was opened with.
    pub const fn options(&self) -> &RoomOptions {
        &self.options
    }

    /// Players in the match.
    pub fn players(&self) -> usize {
        self.players.iter().filter(|taken| **taken).count()
    }

    /// Sessions, ascending.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.keys().copied()
    }

    /// What was counted since the room opened.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Figures of one session.
    pub fn session(&self, session: SessionId) -> Option<SessionReport> {
        self.sessions.get(&session).map(|session| SessionReport {
            player: session.player,
            inputs: session.inputs,
            inputs_waiting: session.queue.waiting(),
            margin_sixteenths: session.margin,
            slots: session.replication.slots.len(),
        })
    }

    /// What the last tick ran on, ascending by player: for tests and tools.
    pub fn inputs(&self) -> &[PlayerInput<G::Input>] {
        &self.inputs
    }

    /// Which slot means which entity to a client, and the tick in which that appeared: for tests and tools.
    pub fn shown(&self, session: SessionId) -> impl Iterator<Item = (u16, EntityId, Tick)> {
        let shown = self.sessions.get(&session).map_or(&[][..], |session| session.replication.shown());
        shown.iter().filter_map(|&(id, slot)| Some((slot, id, self.entities.of(id)?.born)))
    }

    /// What a client would know if everything had arrived: for tests and tools.
    pub fn told(&self, session: SessionId) -> Vec<Told> {
        let Some(session) = self.sessions.get(&session) else { return Vec::new() };
        let tell = |&(id, slot): &(EntityId, u16)| {
            let entity = self.entities.of(id)?;
            let owner = entity.avatar.is_some() && entity.avatar == session.player;
            let mut lanes = Vec::new();
            let (kind, state) = (&self.schema.entities[entity.kind], entity.versions.newest()?.lanes);
            kind.told(owner, state, &mut lanes);
            for lane in kind.entity_lanes() {
                let named = Some(state[lane]).filter(|_| owner || !kind.lanes[lane].owner_only);
                let slot = named.and_then(EntityId::from_lane).and_then(|id| session.replication.slot_of(id));
                lanes[lane] = slot.map_or(0, |slot| EntityId::new(slot.into(), 0).to_lane());
            }
            Some(Told { slot, kind: entity.kind, lanes })
        };
        session.replication.shown().iter().filter_map(tell).collect()
    }

    pub(crate) fn tick_length(&self) -> Micros {
        Micros(1_000_000 / u64::from(self.options.tick_rate_hz))
    }

    /// Ticks from one snapshot to the next.
    pub(crate) const fn interval(&self) -> u32 {
        self.options.tick_rate_hz / self.options.send_rate_hz
    }
}

fn margin_sixteenths(us: i64, tick_rate_hz: u32) -> i16 {
    (us * i64::from(tick_rate_hz) * 16 / 1_000_000).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Whether `hearers` include this client.
pub(crate) fn hears(hearers: Hearers, player: Option<PlayerId>, replication: &Replication) -> bool {
    match hearers {
        Hearers::All => true,
        Hearers::Viewers(id) => replication.slot_of(id).is_some(),
        Hearers::Player(to) => player == Some(to),
    }
}
