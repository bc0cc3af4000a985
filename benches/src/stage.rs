//! A room and its clients in virtual time, with the clock on the room's tick and on the clients' decoding.
//!
//! Clients touch nothing of each other's between two ticks, so each is played to the next tick on its own, and a
//! thousand of them cost a thousand times one. Deliveries come before the tick, inputs of the same moment after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use downbeat_bots::Brain;
use downbeat_client::{Client, KnownEntity, Start};
use downbeat_host::{Room, RoomOptions, SessionId};
use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::recording::{Told, Writer};
use downbeat_replica::{Coding, Game, Micros};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::outbox::Outbox;
use crate::{BenchError, Judge, Totals, allocations, counted};

/// What QUIC, UDP and IPv4 add to a datagram on its way, for links with a rate; none of the workloads' has one.
const PACKET_OVERHEAD_BYTES: usize = 28 + 40;

/// What QUIC adds to the reliable events of a tick, which ride in the packet of the snapshot: a frame's type, stream, offset
/// and length.
const STREAM_FRAME_BYTES: usize = 6;

/// A client that heard nothing for longer than this is not up to date, whatever its copy was equal to.
const HEARD_WITHIN: Micros = Micros::from_millis(250);

/// What a stage is set up with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides everything random: the match, the links, the players.
    pub seed: u64,
    /// Players from the beginning.
    pub clients: u16,
    /// Places for players.
    pub players_max: u16,
    /// The first clients, whose copies are compared with the room on every datagram.
    pub judged: u16,
    /// The first clients, who record what they are told. A match that is recorded may be one of those that the game's model
    /// was trained on; any other is refused then.
    pub recorded: u16,
    /// Each client's link, one way; both ways are alike.
    pub link: LinkSpec,
    /// Ticks, and snapshots, per second.
    pub tick_rate_hz: u32,
    /// Largest datagram in bytes.
    pub datagram_bytes_max: usize,
    /// Snapshot bytes per second and client at most.
    pub client_bytes_per_s: usize,
}

impl Options {
    /// What a path takes before its MTU is discovered.
    pub const PATH_BYTES: usize = 1_162;

    /// Room for any snapshot, so that a world that one client sees whole is not cut. What does not fit into
    /// [`Self::PATH_BYTES`] counts as several datagrams.
    pub const UNCUT_BYTES: usize = 1 << 16;

    /// `clients` at 60 Hz, 25 ms away, all of them judged, nothing cut but by the path.
    #[must_use]
    pub fn new(seed: u64, clients: u16) -> Self {
        Self {
            seed,
            clients,
            players_max: clients,
            judged: clients,
            recorded: 0,
            link: LinkSpec { latency: Micros::from_millis(25), ..LinkSpec::PERFECT },
            tick_rate_hz: 60,
            datagram_bytes_max: Self::PATH_BYTES,
            client_bytes_per_s: 1 << 24,
        }
    }

    /// Ticks in `seconds`.
    #[must_use]
    pub const fn ticks(&self, seconds: u32) -> u32 {
        self.tick_rate_hz * seconds
    }
}

/// A client with its player and its link.
struct Seat<G: Game> {
    client: Client<G>,
    brain: Box<dyn Brain<G>>,
    up: Pipe<Vec<u8>>,
    down: Pipe<Vec<u8>>,
    judge: Option<Judge>,
    recorder: Option<(Writer, Vec<u8>)>,
    now: Micros,
}

/// A room, its clients and the links between them.
pub struct Stage<G: Game> {
    options: Options,
    room: Room<G>,
    world: Arc<G::World>,
    coding: Arc<Coding>,
    rng: Pcg64,
    /// By session.
    seats: Vec<Seat<G>>,
    outbox: Outbox,
    next_tick: Micros,
    totals: Totals,
    scratch: Vec<u8>,
}

impl<G: Game> Stage<G> {
    /// Opens the room and lets the clients in, each played by the brain made from its seed.
    ///
    /// # Errors
    /// When the game's configuration cannot be.
    pub fn new(
        options: &Options,
        config: &G::Config,
        mut brain: impl FnMut(u64) -> Box<dyn Brain<G>>,
    ) -> Result<Self, BenchError> {
        let room_options = RoomOptions {
            tick_rate_hz: options.tick_rate_hz,
            send_rate_hz: options.tick_rate_hz,
            seed: options.seed,
            players_max: options.players_max,
            spectators_max: 0,
            client_bytes_per_s: options.client_bytes_per_s,
        };
        let room = Room::new(config, room_options)?;
        let (world, coding) = Client::<G>::shared(config)?;
        if options.recorded == 0 && coding.model.seeds().contains(&options.seed) {
            let seed = options.seed;
            return Err(BenchError::Invalid(format!(
                "the model of {} was trained on seed {seed}: take another",
                G::NAME
            )));
        }
        let mut stage = Self {
            options: *options,
            room,
            world,
            coding,
            rng: Pcg64::seed_from_u64(options.seed),
            seats: Vec::new(),
            outbox: Outbox::new(options.datagram_bytes_max),
            next_tick: Micros::default(),
            totals: Totals::default(),
            scratch: Vec::new(),
        };
        for i in 0..options.clients {
            let seed = stage.rng.random();
            stage.join(brain(seed), i < options.judged);
        }
        for seat in stage.seats.iter_mut().take(options.recorded.into()) {
            let mut bytes = Vec::new();
            let writer = Writer::new(&stage.coding.schema, options.seed, options.tick_rate_hz, &mut bytes);
            seat.recorder = Some((writer, bytes));
        }
        Ok(stage)
    }

    /// Lets another client in, as a player. Returns its index.
    ///
    /// # Panics
    /// When there is no place left.
    pub fn join(&mut self, brain: Box<dyn Brain<G>>, judged: bool) -> usize {
        let index = self.seats.len();
        let player = self.room.join(SessionId(index as u32), "bench", false).expect("there is a place for each client");
        let start = Start {
            player,
            tick_rate_hz: self.options.tick_rate_hz,
            send_rate_hz: self.options.tick_rate_hz,
            tick: self.room.present(),
            rtt: self.options.link.latency + self.options.link.latency,
        };
        self.seats.push(Seat {
            client: Client::new(Arc::clone(&self.world), Arc::clone(&self.coding), start),
            brain,
            up: Pipe::new(&self.options.link, self.rng.random()),
            down: Pipe::new(&self.options.link, self.rng.random()),
            judge: judged.then(Judge::default),
            recorder: None,
            now: self.next_tick,
        });
        index
    }

    /// Plays `ticks` ticks.
    pub fn run(&mut self, ticks: u32) {
        (0..ticks).for_each(|_| self.tick());
    }

    /// Plays up to the next tick of the room, and that tick.
    pub fn tick(&mut self) {
        let Self { room, seats, totals, scratch, .. } = self;
        for (index, seat) in seats.iter_mut().enumerate() {
            seat.play(SessionId(index as u32), self.next_tick, room, totals, scratch);
        }
        self.outbox.clear();
        let allocated = allocations::count();
        counted::tick(&mut self.room, self.next_tick, &mut self.outbox);
        let ended = Instant::now();
        self.totals.tick_allocations += allocations::count() - allocated;
        self.outbox.end(ended);
        self.totals.ticks += 1;
        self.totals.capture += self.outbox.capture;
        self.totals.interest += self.outbox.interest;
        self.totals.encode += self.outbox.encode;
        self.totals.updates = self.room.counters().shown;
        self.send();
        self.next_tick = self.next_tick + Micros(1_000_000 / u64::from(self.options.tick_rate_hz));
    }

    /// Puts what the room sent on the links, and notes what it told.
    fn send(&mut self) {
        for (session, bytes) in self.outbox.reliable() {
            self.totals.down_bytes += (bytes.len() + STREAM_FRAME_BYTES) as u64;
            // What the link does to a stream is QUIC's affair: here it arrives.
            self.seats[session.0 as usize]
                .client
                .receive_reliable(self.next_tick, bytes)
                .expect("rooms of ours send nothing wrong");
        }
        for (session, datagram) in self.outbox.datagrams() {
            let seat = &mut self.seats[session.0 as usize];
            self.totals.down_bytes += datagram.len() as u64;
            self.totals.down_datagrams += datagram.len().div_ceil(Options::PATH_BYTES) as u64;
            seat.down.send(self.next_tick, datagram.to_vec(), datagram.len() + PACKET_OVERHEAD_BYTES);
            if let Some(judge) = &mut seat.judge {
                judge.note(self.room.present(), &self.room.told(session));
            }
        }
    }

    /// Changes every client's link from now on.
    pub fn set_link(&mut self, link: &LinkSpec) {
        for seat in &mut self.seats {
            seat.up.set_spec(link);
            seat.down.set_spec(link);
        }
    }

    /// What the recorded clients were told.
    pub fn into_recordings(self) -> impl Iterator<Item = Vec<u8>> {
        self.seats.into_iter().filter_map(|seat| Some(seat.recorder?.1))
    }

    /// What was counted so far.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How long the last tick took without the game's step.
    #[must_use]
    pub fn last_tick(&self) -> Duration {
        self.outbox.capture + self.outbox.interest + self.outbox.encode
    }

    /// Processor time of the same; `None` where the system does not tell.
    #[must_use]
    pub const fn last_tick_cpu(&self) -> Option<Duration> {
        self.outbox.cpu
    }

    /// The time of the next tick.
    #[must_use]
    pub const fn now(&self) -> Micros {
        self.next_tick
    }

    /// The room.
    pub const fn room(&self) -> &Room<G> {
        &self.room
    }

    /// The client `index`.
    pub fn client(&self, index: usize) -> &Client<G> {
        &self.seats[index].client
    }

    /// The judges of the judged clients.
    pub fn judges(&self) -> impl Iterator<Item = &Judge> {
        self.seats.iter().filter_map(|seat| seat.judge.as_ref())
    }

    /// Fails if anything was decoded wrong, refused or dropped that must not be. `uncut`: no record may have been put
    /// off for want of room.
    ///
    /// # Errors
    /// Says what was wrong.
    pub fn verify(&self, uncut: bool) -> Result<(), BenchError> {
        let overflowed: u64 = self.seats.iter().map(|seat| seat.up.overflowed() + seat.down.overflowed()).sum();
        if overflowed > 0 {
            return Err(BenchError::Invalid(format!("{overflowed} datagrams overflowed the model links")));
        }
        let compared: u64 = self.judges().map(|judge| judge.compared().1).sum();
        if compared == 0 {
            return Err(BenchError::Invalid("no copy was compared".to_owned()));
        }
        let counters = self.room.counters();
        let wrong: u64 = self.judges().map(Judge::wrong).sum();
        let undecodable: u64 = self.seats.iter().map(|seat| seat.client.counters().undecodable).sum();
        let faults = [
            ("states that never were", wrong),
            ("undecodable datagrams", undecodable),
            ("malformed datagrams", counters.malformed),
            ("forged acknowledgements", counters.forged_acks),
            ("values clamped", counters.clamped),
            ("entities refused", counters.refused),
            ("snapshots skipped", counters.skipped),
            ("records put off", if uncut { counters.deferred } else { 0 }),
        ];
        let found: Vec<_> = faults.iter().filter(|fault| fault.1 > 0).map(|(what, n)| format!("{n} {what}")).collect();
        if found.is_empty() { Ok(()) } else { Err(BenchError::Gate(found.join(", "))) }
    }

    /// Fails unless every judged copy is exact as of the newest datagram, and says since when that is so at all.
    ///
    /// # Errors
    /// Says how many are not.
    pub fn exact_since(&self) -> Result<Micros, BenchError> {
        let deaf = self.judges().filter(|judge| judge.compared_at() + HEARD_WITHIN < self.next_tick).count();
        if deaf > 0 {
            return Err(BenchError::Gate(format!("{deaf} clients hear nothing")));
        }
        let behind = self.judges().filter(|judge| judge.exact_since().is_none()).count();
        if behind > 0 {
            return Err(BenchError::Gate(format!("{behind} copies differ from the server's state")));
        }
        Ok(self.judges().filter_map(Judge::exact_since).max().unwrap_or_default())
    }
}

impl<G: Game> Seat<G> {
    /// Plays this client and its link up to the tick at `until`.
    fn play(
        &mut self,
        session: SessionId,
        until: Micros,
        room: &mut Room<G>,
        totals: &mut Totals,
        scratch: &mut Vec<u8>,
    ) {
        loop {
            let arrival = [self.up.next_at(), self.down.next_at()].into_iter().flatten().min();
            let arrival = arrival.filter(|at| *at <= until);
            let input = self.client.next_input_at().filter(|at| *at < until);
            match (arrival, input) {
                (Some(arrival), input) if input.is_none_or(|input| arrival <= input) => {
                    self.now = self.now.max(arrival);
                    self.deliver(session, room, totals);
                }
                (_, Some(input)) => {
                    self.now = self.now.max(input);
                    self.sample(totals, scratch);
                }
                _ => break,
            }
        }
    }

    fn deliver(&mut self, session: SessionId, room: &mut Room<G>, totals: &mut Totals) {
        while let Some((at, datagram)) = self.up.poll(self.now) {
            let allocated = allocations::count();
            counted::take_inputs(room, session, at, &datagram).expect("clients of ours send nothing wrong");
            totals.receive_allocations += allocations::count() - allocated;
        }
        while let Some((at, datagram)) = self.down.poll(self.now) {
            let began = Instant::now();
            let received = counted::decode(&mut self.client, at, &datagram);
            totals.decode += began.elapsed();
            // What does not decode is counted by the client.
            let Ok(received) = received else { continue };
            totals.decoded_updates += self.client.visible() as u64 + u64::from(received.prediction_error_m.is_some());
            if let Some((writer, bytes)) = self.recorder.as_mut().filter(|_| received.newest) {
                let told =
                    |KnownEntity { slot, kind, avatar, entered, lanes }| Told { slot, entered, kind, avatar, lanes };
                writer.frame(received.tick, self.client.known().map(told), bytes);
            }
            if let Some(judge) = self.judge.as_mut().filter(|_| received.newest) {
                judge.compare(at, self.client.newest(), self.client.known());
            }
        }
    }

    fn sample(&mut self, totals: &mut Totals, scratch: &mut Vec<u8>) {
        let mut sampled = false;
        while let Some(tick) = self.client.poll_input(self.now) {
            let input = self.brain.decide(&self.client.view(self.now), tick);
            self.client.input(self.now, tick, &input);
            sampled = true;
        }
        if sampled {
            self.client.transmit(scratch);
            totals.up_bytes += scratch.len() as u64;
            totals.up_datagrams += 1;
            self.up.send(self.now, scratch.clone(), scratch.len() + PACKET_OVERHEAD_BYTES);
        }
    }
}
