//! The loop: the earliest thing that is due happens next. Faults begin and end before deliveries, deliveries come before
//! ticks, ticks before frames.

use std::sync::Arc;

use downbeat_client::{Client, Start};
use downbeat_host::{Net, Room, RoomOptions, Schedule, SessionId};
use downbeat_link::{Chance, LinkSpec, Queue};
use downbeat_replica::{Coding, ConfigError, Game, Micros, PlayerId, Tick};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::carrier::{Arrival, Arrived, Carrier, End, carrier};
use crate::checks::{Findings, Invariant, check_session, check_tick};
use crate::faults::{Break, breaks, is_away, is_cut_off, is_stalled, moves, next_change};
use crate::options::{Layer, Options};
use crate::player::Player;
use crate::seat::Seat;
use crate::trace::Trace;

/// A room and its clients.
pub struct Sim<G: Game> {
    options: Options,
    room: Room<G>,
    world: Arc<G::World>,
    coding: Arc<Coding>,
    seats: Vec<Seat<G>>,
    carrier: Box<dyn Carrier>,
    now: Micros,
    schedule: Schedule,
    /// The room's last tick.
    last: Tick,
    /// Since when links do nothing but delay.
    calm_since: Option<Micros>,
    /// When faults were looked at last; `None` before the first time.
    looked_at: Option<Micros>,
    findings: Findings,
    trace: Trace,
    datagram: Vec<u8>,
}

impl<G: Game> Sim<G> {
    /// Opens the room for all clients. `player` makes the player of each from its index and a seed.
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
        let room = Room::new(config, room_options)?;
        let (world, coding) = Client::<G>::shared(config)?;
        let mut rng = Pcg64::seed_from_u64(options.seed);
        let seat = |i| Seat::new(i, &options, player(i, rng.random()));
        Ok(Self {
            seats: (0..options.clients.into()).map(seat).collect(),
            room,
            world,
            coding,
            carrier: carrier(&options),
            now: Micros::default(),
            schedule: Schedule::new(Micros::default(), options.tick_rate_hz),
            last: Tick::ZERO,
            calm_since: None,
            looked_at: None,
            findings: Findings::default(),
            trace: Trace::default(),
            datagram: Vec::new(),
            options,
        })
    }

    /// Plays on for `time`.
    pub fn run(&mut self, time: Micros) {
        let end = self.now + time;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.change();
            self.deliver();
            self.tick();
            self.frames();
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Micros> {
        let awake = |end| !self.is_stalled(end);
        let seats = self.seats.iter().filter(|seat| awake(End::Client(seat.index)));
        let seats = seats.flat_map(|seat| [self.carrier.next_at(End::Client(seat.index)), seat.next_frame_at()]);
        let server = [self.carrier.next_at(End::Server), Some(self.schedule.due())];
        let server = server.into_iter().filter(|_| awake(End::Server));
        let change = match self.looked_at {
            Some(at) => next_change(&self.options.faults, at),
            None => Some(self.now),
        };
        seats.chain(server).chain([change]).flatten().min()
    }

    fn is_stalled(&self, end: End) -> bool {
        is_stalled(&self.options.faults, self.now, end)
    }

    /// Lets faults begin and end.
    fn change(&mut self) {
        let faults = &self.options.faults;
        if self.looked_at.is_some_and(|at| next_change(faults, at).is_none_or(|next| next > self.now)) {
            return;
        }
        let before = self.looked_at.replace(self.now).unwrap_or_default();
        self.set_lines();
        moves(&self.options.faults, before, self.now).for_each(|client| self.carrier.rebind(client));
        for (what, client) in breaks(&self.options.faults, before, self.now) {
            self.break_connection(what, client);
        }
        for seat in &mut self.seats {
            let is_here = !is_away(&self.options.faults, self.now, seat.index);
            if is_here == seat.is_here {
                continue;
            }
            seat.is_here = is_here;
            if is_here {
                self.carrier.open(self.now, seat.index);
            } else {
                (seat.client, seat.is_broken) = (None, false);
                self.carrier.close(self.now, seat.index);
            }
        }
    }

    fn break_connection(&mut self, what: Break, index: usize) {
        let seat = &mut self.seats[index];
        match what {
            Break::Begins if seat.client.is_some() => {
                seat.is_broken = true;
                self.carrier.cut(index);
            }
            Break::Noticed if seat.is_broken => seat.session.into_iter().for_each(|session| self.room.suspend(session)),
            Break::Ends if seat.is_broken => self.carrier.open(self.now, index),
            _ => {}
        }
    }

    fn set_lines(&mut self) {
        for client in 0..self.seats.len() {
            let (up, down) = self.options.links(client);
            let now_like = |spec: LinkSpec| {
                let spec = if self.calm_since.is_some() { calm(&spec) } else { spec };
                let is_cut_off = is_cut_off(&self.options.faults, self.now, client);
                if is_cut_off { LinkSpec { loss: Chance::ALWAYS, burst_thousandths: None, ..spec } } else { spec }
            };
            self.carrier.set_line(client, &now_like(up), &now_like(down));
        }
    }

    fn deliver(&mut self) {
        // A tick begins with a look at what has arrived.
        let is_tick = self.schedule.due() <= self.now;
        if !self.is_stalled(End::Server) && (is_tick || self.is_due(End::Server)) {
            while let Some(arrival) = self.carrier.poll(self.now, End::Server) {
                self.arrive_at_server(&arrival);
            }
        }
        for index in 0..self.seats.len() {
            let end = End::Client(index);
            if self.is_stalled(end) || !self.is_due(end) {
                continue;
            }
            while let Some(Arrival { at, what, .. }) = self.carrier.poll(self.now, end) {
                let seat = &mut self.seats[index];
                match what {
                    Arrived::Datagram(datagram) => {
                        self.trace.arrived(at, end, index, &datagram);
                        seat.receive(self.now, at, &datagram, &mut self.findings);
                    }
                    Arrived::Reliable(bytes) => {
                        self.trace.arrived(at, end, index, &bytes);
                        seat.receive_reliable(at, &bytes);
                    }
                    Arrived::Closed(why) => self.lose(index, &why),
                    Arrived::Opened => {}
                }
            }
            if self.seats[index].answer(&mut self.datagram) {
                self.carrier.send(self.now, end, index, &self.datagram);
                self.carrier.flush(self.now, end);
            }
        }
    }

    fn arrive_at_server(&mut self, arrival: &Arrival) {
        let &Arrival { client, at, .. } = arrival;
        match &arrival.what {
            Arrived::Opened => self.let_in(client),
            Arrived::Closed(_) if self.seats[client].is_broken => {
                self.seats[client].session.into_iter().for_each(|session| self.room.suspend(session));
            }
            Arrived::Closed(why) => {
                self.lose(client, why);
                if let Some(session) = self.seats[client].session.take() {
                    self.room.leave(session);
                }
            }
            Arrived::Datagram(datagram) => {
                let Some(session) = self.seats[client].session else { return };
                self.trace.arrived(at, End::Server, client, datagram);
                if let Err(error) = self.room.receive(session, at, datagram) {
                    let what = || format!("the server says of client {client}: {error}");
                    self.findings.broken(self.now, Invariant::Wellformed, what);
                }
            }
            Arrived::Reliable(_) => {}
        }
    }

    fn is_due(&self, end: End) -> bool {
        self.carrier.next_at(end).is_some_and(|at| at <= self.now)
    }

    /// The connection of a client is over.
    fn lose(&mut self, index: usize, why: &str) {
        if self.seats[index].client.take().is_some() {
            let what = || format!("the connection of client {index} ended: {why}");
            self.findings.broken(self.now, Invariant::StaysConnected, what);
        }
    }

    /// A client is connected. It knows its place at once: hello and welcome are not simulated.
    fn let_in(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if let (true, Some(session), Some(client)) = (seat.is_broken, seat.session, &mut seat.client) {
            let back = self.room.resume(session, Some(client.held()), false).expect("it takes part");
            self.carrier.send_reliable(self.now, index, &back.events);
            if let Err(error) = client.resume(&back.resumed, self.room.present()) {
                let what = || format!("client {index} cannot resume with {:?}: {error}", back.resumed);
                self.findings.broken(self.now, Invariant::Wellformed, what);
            }
            return seat.resume(self.now);
        }
        // Whose end was not heard of makes room for itself.
        seat.session.take().into_iter().for_each(|ghost| self.room.leave(ghost));
        let session = session_of(index, seat.visits, self.options.clients);
        let player = self.room.join(session, "bot", false).expect("there is a place for each client");
        let (up, down) = self.options.links(index);
        let start = Start {
            player,
            tick_rate_hz: self.options.tick_rate_hz,
            send_rate_hz: self.options.send_rate_hz,
            tick: self.room.present(),
            rtt: up.latency + down.latency,
        };
        let mut client = Client::new(Arc::clone(&self.world), Arc::clone(&self.coding), start);
        client.set_without(self.options.without);
        seat.enter(self.now, session, player, seat.is_here.then_some(client));
    }

    /// Runs the ticks that are due. After a stall the schedule makes up for some, as the server's does.
    fn tick(&mut self) {
        if self.is_stalled(End::Server) {
            return;
        }
        while self.schedule.due() <= self.now {
            let clients = self.options.clients;
            let mut outbox = Outbox { carrier: &mut *self.carrier, now: self.now, clients };
            self.room.tick(self.schedule.due(), &mut outbox);
            self.carrier.flush(self.now, End::Server);
            self.check();
            self.schedule.advance(self.now);
        }
    }

    fn frames(&mut self) {
        for index in 0..self.seats.len() {
            if self.is_stalled(End::Client(index)) {
                continue;
            }
            let is_settled = self.is_settled(index);
            let seat = &mut self.seats[index];
            if seat.next_frame_at().is_none_or(|at| at > self.now) {
                continue;
            }
            // Before it is welcomed a client sends nothing.
            if seat.frame(self.now, is_settled, &mut self.findings, &mut self.datagram) && !seat.is_broken {
                self.carrier.send(self.now, End::Client(index), index, &self.datagram);
            }
            self.carrier.flush(self.now, End::Client(index));
        }
    }

    /// Looks at the tick that just ran.
    fn check(&mut self) {
        let (room, now) = (&self.room, self.now);
        let present = room.present();
        self.trace.ticked(now, present);
        if let Err(wrong) = check_tick(self.last, present, room.players(), room.inputs()) {
            self.findings.broken(now, Invariant::ServerTicks, || wrong);
        }
        self.last = present;
        if let Some(wrong) = self.carrier.overflow() {
            self.findings.broken(now, Invariant::Queues, || wrong);
        }
        let counters = room.counters();
        if (counters.clamped, counters.refused) != (0, 0) {
            self.findings.broken(now, Invariant::Wellformed, || format!("{counters:?}"));
        }
        for index in 0..self.seats.len() {
            self.check_inputs(index);
            self.check_session(index);
            if self.is_settled(index) {
                self.check_copy(index);
            }
        }
    }

    fn check_inputs(&mut self, index: usize) {
        let (seat, kind) = (&self.seats[index], &self.room.schema().input);
        let is_own = |player: PlayerId| seat.session.is_some() && seat.player_id == Some(player);
        let Some(input) = self.room.inputs().iter().find(|input| is_own(input.player)) else { return };
        if let Err(wrong) = seat.sampled.check(self.last, kind, input) {
            self.findings.broken(self.now, Invariant::ActionsOnce, || format!("client {index}: {wrong}"));
        }
    }

    /// Notes what the room tells a client, and looks at what it keeps for it.
    fn check_session(&mut self, index: usize) {
        let Self { room, seats, trace, findings, now, last, options, .. } = self;
        let seat = &mut seats[index];
        let Some(session) = seat.session else { return };
        // To one who is not there, nothing is told.
        if !seat.is_broken && last.0.is_multiple_of(options.tick_rate_hz / options.send_rate_hz) {
            let told = room.told(session);
            seat.shown_max = seat.shown_max.max(told.len());
            let client = seat.client.as_ref();
            seat.truth.note(*last, room.shown(session), told, |slot, lanes, is_someone_new| {
                trace.state(lanes);
                // The snapshot that says so has not arrived: what the client holds under this name is someone else.
                let held = || client.and_then(|client| client.known().find(|known| known.slot == slot));
                if let Some(held) = Some(()).filter(|()| is_someone_new).and_then(|()| held()) {
                    findings.broken(*now, Invariant::NamesInUse, || format!("client {index} still shows {held:?}"));
                }
            });
        }
        let report = room.session(session).expect("it takes part");
        if let Err((invariant, wrong)) = check_session(&report, seat.shown_max) {
            findings.broken(*now, invariant, || format!("client {index}: {wrong}"));
        }
    }

    /// Whether all faults ended so long ago that client `index` must have recovered.
    fn is_settled(&self, index: usize) -> bool {
        let Some(calm_since) = self.calm_since else { return false };
        let (up, down) = self.options.links(index);
        let round_trip = longest(&up) + longest(&down);
        let seat = &self.seats[index];
        let since = calm_since.max(seat.since);
        seat.client.is_some() && self.now >= since + round_trip + round_trip + settling(self.options.layer, round_trip)
    }

    fn check_copy(&mut self, index: usize) {
        let seat = &self.seats[index];
        let Some(client) = &seat.client else { return };
        let (_, down) = self.options.links(index);
        let interval = Micros(1_000_000 / u64::from(self.options.send_rate_hz));
        let age = Micros(self.last.since(client.newest()).max(0) as u64 * self.schedule.length().0);
        let age_max = longest(&down) + interval + interval + SLACK;
        if !seat.converged || age > age_max {
            let newest = client.newest();
            let what = || format!("client {index} differs at {newest:?} of {:?}", self.last);
            self.findings.broken(self.now, Invariant::Converges, what);
        }
    }

    /// Changes every client's link from now on.
    pub fn set_link(&mut self, link: &LinkSpec) {
        self.options.link = *link;
        for machine in &mut self.options.machines {
            (machine.up, machine.down) = (None, None);
        }
        self.set_lines();
    }

    /// While it is calm, links do nothing but delay, and clients must converge: no fault may begin meanwhile.
    pub fn set_calm(&mut self, is_calm: bool) {
        self.calm_since = is_calm.then_some(self.now);
        self.set_lines();
    }

    /// From now on the room sends each client every `every`th snapshot, as an overloaded server lets it.
    pub fn set_send_every(&mut self, every: u32) {
        self.room.set_send_every(every);
    }

    /// Whether every client's copy equals, lane by lane, what the server has for it, as of the newest snapshot that
    /// arrived.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.seats.iter().filter(|seat| seat.client.is_some()).all(|seat| seat.converged)
    }

    /// How often a client held a state that was never its entity's.
    #[must_use]
    pub fn wrong_states(&self) -> u64 {
        self.findings.count(Invariant::TrueStates)
    }

    /// What was found broken so far.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The clients that take part.
    pub fn clients(&self) -> impl Iterator<Item = &Client<G>> {
        self.seats.iter().filter_map(|seat| seat.client.as_ref())
    }

    /// The clients that take part, to ask what can only be taken once. Their times are those of their own clocks.
    pub fn clients_mut(&mut self) -> impl Iterator<Item = &mut Client<G>> {
        self.seats.iter_mut().filter_map(|seat| seat.client.as_mut())
    }

    /// The room.
    pub const fn room(&self) -> &Room<G> {
        &self.room
    }

    /// Hash of everything that arrived, where and when, and of all states.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash() ^ self.carrier.trace_hash()
    }
}

/// The link without anything that has to be recovered from.
fn calm(link: &LinkSpec) -> LinkSpec {
    LinkSpec { latency: link.latency, jitter: link.jitter, ..LinkSpec::PERFECT }
}

/// The longest that a datagram is under way.
fn longest(link: &LinkSpec) -> Micros {
    let queue = match link.queue {
        Some(Queue::Time(time)) => time,
        Some(Queue::Bytes(bytes)) => link.rate_bits.map_or(Micros(0), |bits| Micros(bytes * 8_000_000 / bits)),
        None => Micros(0),
    };
    link.latency + link.jitter + queue
}

/// Sessions are never used again: a client that comes back is another one.
fn session_of(client: usize, visits: u32, clients: u16) -> SessionId {
    SessionId(client as u32 + visits * u32::from(clients))
}

/// The way from the room to its clients, while it ticks.
struct Outbox<'a> {
    carrier: &'a mut dyn Carrier,
    now: Micros,
    clients: u16,
}

impl Outbox<'_> {
    fn client(&self, session: SessionId) -> usize {
        (session.0 % u32::from(self.clients)) as usize
    }
}

impl Net for Outbox<'_> {
    fn space(&mut self, session: SessionId) -> Option<usize> {
        self.carrier.space(self.now, self.client(session))
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.carrier.send(self.now, End::Server, self.client(session), datagram);
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        self.carrier.send_reliable(self.now, self.client(session), bytes);
    }
}

/// What clients have beyond two round trips until they must have converged. Over QUIC the congestion controller comes first:
/// `docs/congestion.md` says after how long the whole rate is there again.
fn settling(layer: Layer, round_trip: Micros) -> Micros {
    let whole_rate = match layer {
        Layer::Links => Micros(0),
        Layer::Quic { .. } if round_trip <= Micros::from_millis(150) => Micros::from_millis(3_500),
        Layer::Quic { .. } => Micros::from_millis(5_500),
    };
    whole_rate + Micros::from_millis(500)
}

/// By how much more than its time under way the newest snapshot may be old: looks into sockets are apart.
const SLACK: Micros = Micros::from_millis(2);
