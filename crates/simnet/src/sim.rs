//! The loop: the earliest thing that is due happens next. Deliveries come before ticks, ticks before inputs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use downbeat_client::{Client, Start, View};
use downbeat_host::{Net, Room, RoomOptions, SessionId, Told};
use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::hash::Fnv;
use downbeat_replica::{Coding, ConfigError, Game, Input, LaneReader, Micros, Replicated, Tick};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::stream::{PACKET_OVERHEAD_BYTES, Stream};

/// What a simulation is set up with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides everything random: the match, the links, the players.
    pub seed: u64,
    /// Players, all from the beginning.
    pub clients: u16,
    /// Each client's link, one way; both ways are alike.
    pub link: LinkSpec,
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Snapshots per second.
    pub send_rate_hz: u32,
    /// Largest datagram in bytes.
    pub datagram_bytes_max: usize,
    /// Snapshot bytes per second and client at most.
    pub client_bytes_per_s: usize,
}

impl Options {
    /// Two clients at 60 Hz on a perfect line.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            clients: 2,
            link: LinkSpec::PERFECT,
            tick_rate_hz: 60,
            send_rate_hz: 60,
            datagram_bytes_max: 1_162,
            client_bytes_per_s: 1 << 20,
        }
    }
}

/// Who decides on a client's inputs.
pub trait Player<G: Game> {
    /// The input of `tick`, seeing `view`.
    fn decide(&mut self, tick: Tick, view: &View<'_, G>) -> G::Input;
}

impl<G: Game, F: FnMut(Tick, &View<'_, G>) -> G::Input> Player<G> for F {
    fn decide(&mut self, tick: Tick, view: &View<'_, G>) -> G::Input {
        self(tick, view)
    }
}

/// Random inputs of any game, each held for up to a second.
#[derive(Debug)]
pub struct WanderPlayer {
    rng: Pcg64,
    until: Tick,
    lanes: Vec<i32>,
}

impl WanderPlayer {
    /// A player whose inputs `seed` decides.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: Pcg64::seed_from_u64(seed), until: Tick::ZERO, lanes: Vec::new() }
    }
}

impl<G: Game> Player<G> for WanderPlayer {
    fn decide(&mut self, tick: Tick, _: &View<'_, G>) -> G::Input {
        let kind = G::Input::kind();
        if tick >= self.until {
            self.until = tick.offset(self.rng.random_range(5..60));
            self.lanes = kind.lanes.iter().map(|lane| self.rng.random_range(0..=lane.max)).collect();
        } else {
            // What was pressed is pressed once.
            for field in kind.fields.iter().filter(|field| field.action) {
                let neutral = G::Input::default().lanes();
                self.lanes[field.lanes.clone()].copy_from_slice(&neutral[field.lanes.clone()]);
            }
        }
        G::Input::read(&mut LaneReader::new(&self.lanes))
    }
}

struct Seat<G: Game> {
    session: SessionId,
    client: Client<G>,
    player: Box<dyn Player<G>>,
    up: Pipe<Vec<u8>>,
    down: Pipe<Vec<u8>>,
    reliable: Stream,
    /// What the room would have told it in each of the last ticks.
    truth: VecDeque<(Tick, Vec<Told>)>,
    /// Whether its copy equalled the truth of the newest tick that arrived.
    converged: bool,
    wrong: u64,
}

/// A room and its clients.
pub struct Sim<G: Game> {
    options: Options,
    room: Room<G>,
    seats: Vec<Seat<G>>,
    now: Micros,
    next_tick: Micros,
    trace: Fnv,
    datagram: Vec<u8>,
    down_bytes: u64,
    up_bytes: u64,
}

impl<G: Game> Sim<G> {
    /// Opens the room and lets all clients in. `player` makes the player of each client from its index and a seed.
    ///
    /// # Errors
    /// When the game's configuration cannot be.
    pub fn new(
        options: Options,
        config: &G::Config,
        player: impl Fn(usize, u64) -> Box<dyn Player<G>>,
    ) -> Result<Self, ConfigError> {
        let room_options = RoomOptions {
            tick_rate_hz: options.tick_rate_hz,
            send_rate_hz: options.send_rate_hz,
            seed: options.seed,
            players_max: options.clients,
            spectators_max: 0,
            client_bytes_per_s: options.client_bytes_per_s,
        };
        let mut room = Room::new(config, room_options)?;
        let (world, coding) = Client::<G>::shared(config)?;
        let mut rng = Pcg64::seed_from_u64(options.seed);
        let mut seats = Vec::new();
        for i in 0..options.clients {
            let session = SessionId(i.into());
            let player_id = room.join(session, "bot", false).expect("there is a place for each client");
            seats.push(Seat {
                session,
                client: Self::client(&options, player_id, Arc::clone(&world), Arc::clone(&coding)),
                player: player(i.into(), rng.random()),
                up: Pipe::new(&options.link, rng.random()),
                down: Pipe::new(&options.link, rng.random()),
                reliable: Stream::new(&options.link, options.seed.rotate_left(32) ^ u64::from(i)),
                truth: VecDeque::new(),
                converged: false,
                wrong: 0,
            });
        }
        Ok(Self {
            options,
            room,
            seats,
            now: Micros::default(),
            next_tick: Micros::default(),
            trace: Fnv::default(),
            datagram: Vec::new(),
            down_bytes: 0,
            up_bytes: 0,
        })
    }

    fn client(
        options: &Options,
        player: Option<downbeat_replica::PlayerId>,
        world: Arc<G::World>,
        coding: Arc<Coding>,
    ) -> Client<G> {
        let rtt = options.link.latency + options.link.latency;
        let start = Start {
            player,
            tick_rate_hz: options.tick_rate_hz,
            send_rate_hz: options.send_rate_hz,
            tick: Tick::ZERO,
            rtt,
        };
        Client::new(world, coding, start)
    }

    /// Plays on for `time`.
    pub fn run(&mut self, time: Micros) {
        let end = self.now + time;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.deliver();
            if self.next_tick <= self.now {
                self.tick();
            }
            self.sample();
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Micros> {
        let seats = self.seats.iter().flat_map(|seat| {
            let times = [seat.up.next_at(), seat.down.next_at(), seat.reliable.next_at(), seat.client.next_input_at()];
            times.into_iter().flatten()
        });
        seats.chain([self.next_tick]).min()
    }

    fn deliver(&mut self) {
        for seat in &mut self.seats {
            while let Some((at, datagram)) = seat.up.poll(self.now) {
                note(&mut self.trace, at, seat.session, &datagram);
                self.room.receive(seat.session, at, &datagram).expect("clients of ours send nothing wrong");
            }
            while let Some(bytes) = seat.reliable.poll(self.now) {
                note(&mut self.trace, self.now, seat.session, &bytes);
                seat.client.receive_reliable(self.now, &bytes).expect("a room of ours sends nothing wrong");
            }
            while let Some((at, datagram)) = seat.down.poll(self.now) {
                note(&mut self.trace, at, seat.session, &datagram);
                // An undecodable datagram is as good as lost; the client counts it.
                if seat.client.receive(at, &datagram).is_ok_and(|received| received.newest) {
                    seat.check();
                }
            }
        }
    }

    fn tick(&mut self) {
        let tick_length = Micros(1_000_000 / u64::from(self.options.tick_rate_hz));
        let mut outbox =
            Outbox { datagrams: BTreeMap::new(), reliable: BTreeMap::new(), space: self.options.datagram_bytes_max };
        self.room.tick(self.next_tick, &mut outbox);
        for seat in &mut self.seats {
            seat.truth.push_back((self.room.present(), self.room.told(seat.session)));
            if seat.truth.len() > TRUTHS_KEPT {
                seat.truth.pop_front();
            }
            if let Some(bytes) = outbox.reliable.remove(&seat.session) {
                seat.reliable.send(self.now, bytes);
            }
            if let Some(datagram) = outbox.datagrams.remove(&seat.session) {
                self.down_bytes += datagram.len() as u64;
                let bytes = datagram.len() + PACKET_OVERHEAD_BYTES;
                seat.down.send(self.now, datagram, bytes);
            }
        }
        self.next_tick = self.next_tick + tick_length;
    }

    fn sample(&mut self) {
        for seat in &mut self.seats {
            let mut sampled = false;
            while let Some(tick) = seat.client.poll_input(self.now) {
                let input = seat.player.decide(tick, &seat.client.view(self.now));
                seat.client.input(self.now, tick, &input);
                sampled = true;
            }
            if sampled {
                seat.client.transmit(&mut self.datagram);
                self.up_bytes += self.datagram.len() as u64;
                let bytes = self.datagram.len() + PACKET_OVERHEAD_BYTES;
                seat.up.send(self.now, self.datagram.clone(), bytes);
            }
        }
    }

    /// Changes every client's link from now on.
    pub fn set_link(&mut self, link: &LinkSpec) {
        for seat in &mut self.seats {
            seat.up.set_spec(link);
            seat.down.set_spec(link);
            seat.reliable.set_spec(link);
        }
    }

    /// Takes client `index` out of the match and out of the simulation.
    pub fn leave(&mut self, index: usize) {
        let seat = self.seats.remove(index);
        self.room.leave(seat.session);
    }

    /// Whether every client's copy equals, lane by lane, what the server has for it, as of the newest snapshot that
    /// arrived.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.seats.iter().all(|seat| seat.converged)
    }

    /// How often a client held a state that was never its entity's.
    #[must_use]
    pub fn wrong_states(&self) -> u64 {
        self.seats.iter().map(|seat| seat.wrong).sum()
    }

    /// The clients.
    pub fn clients(&self) -> impl Iterator<Item = &Client<G>> {
        self.seats.iter().map(|seat| &seat.client)
    }

    /// The clients, to ask what can only be taken once.
    pub fn clients_mut(&mut self) -> impl Iterator<Item = &mut Client<G>> {
        self.seats.iter_mut().map(|seat| &mut seat.client)
    }

    /// The room.
    pub const fn room(&self) -> &Room<G> {
        &self.room
    }

    /// Payload bytes of all datagrams so far: down and up.
    #[must_use]
    pub const fn bytes(&self) -> (u64, u64) {
        (self.down_bytes, self.up_bytes)
    }

    /// Hash of every datagram that arrived, with its time.
    #[must_use]
    pub const fn trace_hash(&self) -> u64 {
        self.trace.finish()
    }
}

impl<G: Game> Seat<G> {
    /// Compares the client's copy with what the room had.
    fn check(&mut self) {
        let newest = self.client.newest();
        let Some((_, truth)) = self.truth.iter().find(|(tick, _)| *tick == newest) else { return };
        let mut known: Vec<_> = self
            .client
            .known()
            .map(|entity| Told { slot: entity.slot, kind: entity.kind, lanes: entity.lanes })
            .collect();
        known.sort_unstable_by_key(|told| told.slot);
        let mut truth = truth.clone();
        truth.sort_unstable_by_key(|told| told.slot);
        self.converged = known == truth;
        for told in &known {
            let ever = self.truth.iter().any(|(tick, truth)| *tick <= newest && truth.contains(told));
            // What is older than the kept truths cannot be judged.
            let judged = self.truth.front().is_some_and(|(tick, _)| tick.0 == 1) || self.converged;
            self.wrong += u64::from(!ever && judged);
        }
    }
}

fn note(trace: &mut Fnv, at: Micros, session: SessionId, datagram: &[u8]) {
    trace.write(&at.0.to_le_bytes());
    trace.write(&session.0.to_le_bytes());
    trace.write(datagram);
}

struct Outbox {
    datagrams: BTreeMap<SessionId, Vec<u8>>,
    reliable: BTreeMap<SessionId, Vec<u8>>,
    space: usize,
}

impl Net for Outbox {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(self.space)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        assert!(datagram.len() <= self.space, "{} bytes do not fit into {}", datagram.len(), self.space);
        self.datagrams.insert(session, datagram.to_vec());
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        self.reliable.insert(session, bytes.to_vec());
    }
}

/// Ticks of truth that are kept to judge copies by.
const TRUTHS_KEPT: usize = 1_200;
