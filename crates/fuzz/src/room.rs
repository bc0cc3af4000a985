//! A room and its clients on lines that lose, hold, repeat, reorder and falsify what they carry, while the game does
//! whatever a game may do. Whatever happens, who was told nothing false holds nothing false, and in the end all is told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use downbeat_client::{Client, Start};
use downbeat_host::{Net, PeerError, Room, RoomOptions, SessionId, Told};
use downbeat_replica::range::Decoder;
use downbeat_replica::{Coding, DecodeError, Micros, PlayerId, Tick};
use downbeat_wire::packet::DownHead;

use crate::bytes::{Bytes, Noise};
use crate::line::{Flight, Line};
use crate::puppets::{Act, Pad, Puppets};

pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let budget_bytes = [1_162, 400, BUDGET_MIN][bytes.below(3)];
    let mut hosted = Match::new(Options { interval: 1 + u32::from(bytes.byte() % 3), budget_bytes });
    for _ in 0..=bytes.below(SEATS) {
        hosted.join(false);
    }
    while !bytes.is_empty() && hosted.room.present().0 < TICKS_MAX {
        hosted.operate(&mut bytes);
    }
    hosted.calm();
}

/// What a match is opened with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Ticks from one snapshot to the next.
    pub(crate) interval: u32,
    /// Bytes of a snapshot.
    pub(crate) budget_bytes: usize,
}

/// The least that the game's kinds fit into.
const BUDGET_MIN: usize = 200;
const SEATS: usize = 3;
const TICK_RATE_HZ: u32 = 60;

/// So that one row of bytes does not take long.
const TICKS_MAX: u32 = 300;

/// Half a second and two round trips.
const CALM_TICKS: u32 = 30 + 2 * 6;

static CODING: LazyLock<Arc<Coding>> =
    LazyLock::new(|| Arc::new(Coding::of::<Puppets>().expect("the game's tables can be")));

/// A client that was let in at `tick`.
pub(crate) fn client(player: Option<PlayerId>, interval: u32, tick: Tick) -> Client<Puppets> {
    let send_rate_hz = TICK_RATE_HZ / interval;
    let rtt = Micros::from_millis(20);
    Client::new(
        Arc::new(()),
        Arc::clone(&CODING),
        Start { player, tick_rate_hz: TICK_RATE_HZ, send_rate_hz, tick, rtt },
    )
}

struct Seat {
    session: SessionId,
    client: Client<Puppets>,
    /// To the room, and to the client.
    lines: [Line; 2],
    space: Option<usize>,
    /// Neither end was told anything false.
    is_honest: bool,
    /// What the room would have told it, and the first and the last tick in which it would.
    told: HashMap<(u16, usize, Vec<i32>), (Tick, Tick)>,
    /// The slots that it had in use, with the kinds of their users.
    used: HashSet<(Tick, u16, usize)>,
    /// What was sent, if somebody wants to know.
    record: Option<Vec<Vec<u8>>>,
}

const UP: usize = 0;
const DOWN: usize = 1;

/// A room and those who take part in it.
pub(crate) struct Match {
    options: Options,
    room: Room<Puppets>,
    seats: Vec<Seat>,
    next_session: u32,
    /// How much the game does by itself in each tick.
    wildness: u8,
    noise: Noise,
}

impl Match {
    pub(crate) fn new(options: Options) -> Self {
        let send_rate_hz = TICK_RATE_HZ / options.interval;
        let room = RoomOptions {
            tick_rate_hz: TICK_RATE_HZ,
            send_rate_hz,
            seed: 1,
            players_max: SEATS as u16,
            spectators_max: SEATS as u16,
            client_bytes_per_s: options.budget_bytes * send_rate_hz as usize,
        };
        let room = Room::new(&(), room).expect("the least budget is enough");
        Self { options, room, seats: Vec::new(), next_session: 0, wildness: 0, noise: Noise::default() }
    }

    /// A client comes. Returns its session.
    pub(crate) fn join(&mut self, spectator: bool) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.join_as(session, spectator);
        session
    }

    /// A client comes, or comes again.
    fn join_as(&mut self, session: SessionId, spectator: bool) {
        self.seats.retain(|seat| seat.session != session);
        let player = self.room.join(session, "puppet", spectator).expect("there are as many places as seats");
        self.seats.push(Seat {
            session,
            client: client(player, self.options.interval, self.room.present()),
            lines: Default::default(),
            space: Some(1_162),
            is_honest: true,
            told: HashMap::new(),
            used: HashSet::new(),
            record: None,
        });
    }

    pub(crate) fn leave(&mut self, session: SessionId) {
        self.seats.retain(|seat| seat.session != session);
        self.room.leave(session);
    }

    pub(crate) fn tell(&self, act: Act) {
        self.room.game().tell(act);
    }

    pub(crate) fn is_honest(&self, session: SessionId) -> bool {
        self.seats.iter().any(|seat| seat.session == session && seat.is_honest)
    }

    /// Keeps what is sent to `session` from now on.
    pub(crate) fn record(&mut self, session: SessionId) {
        let seat = self.seats.iter_mut().find(|seat| seat.session == session);
        seat.expect("it is in the match").record = Some(Vec::new());
    }

    /// What was kept.
    pub(crate) fn take_record(&mut self) -> Vec<Vec<u8>> {
        self.seats.iter_mut().find_map(|seat| seat.record.take()).unwrap_or_default()
    }

    /// The number of the newest snapshot.
    pub(crate) fn snapshots(&self) -> u32 {
        self.room.present().0 / self.options.interval
    }

    pub(crate) fn now(&self) -> Micros {
        moment(self.room.present())
    }

    /// The room gets a datagram that no client sent.
    pub(crate) fn forge_up(&mut self, session: SessionId, at: Micros, datagram: &[u8]) {
        self.seats.iter_mut().filter(|seat| seat.session == session).for_each(|seat| seat.is_honest = false);
        let _ = self.room.receive(session, at, datagram);
    }

    pub(crate) fn tick(&mut self, count: u32) {
        (0..count).for_each(|_| self.tick_once());
    }

    fn tick_once(&mut self) {
        let tick = self.room.present().next();
        self.room
            .tick(moment(tick), &mut Outbox { seats: &mut self.seats, tick, budget_bytes: self.options.budget_bytes });
        let Self { room, seats, options, .. } = self;
        for seat in seats {
            for Told { slot, kind, lanes } in room.told(seat.session) {
                seat.used.insert((tick, slot, kind));
                seat.told.entry((slot, kind, lanes)).or_insert((tick, tick)).1 = tick;
            }
            while let Some(flight) = seat.lines[DOWN].poll(tick) {
                seat.hear(&flight, tick, options.interval);
            }
            let now = moment(tick);
            while let Some(due) = seat.client.poll_input(now) {
                seat.client.input(now, due, &Pad { push: (due.0 / 16 % 7) as i8 - 3, turn: due.0 % 9 == 0 });
            }
            let mut datagram = Vec::new();
            seat.client.transmit(&mut datagram);
            seat.lines[UP].send(tick, &datagram);
            let _ = seat.client.view(now);
            while let Some(flight) = seat.lines[UP].poll(tick) {
                seat.say(room, &flight);
            }
        }
    }

    fn operate(&mut self, bytes: &mut Bytes<'_>) {
        let op = bytes.byte();
        match op % 32 {
            0..=3 => self.tick(1),
            4 => self.tick(1 + u32::from(bytes.byte() % 64)),
            5 => (self.wildness, self.noise) = (bytes.byte() % 6, Noise::new(bytes.byte().into())),
            6..=15 => {
                let op = bytes.byte();
                self.script(op, bytes);
            }
            16 => {
                let seat = bytes.below(self.seats.len());
                self.come_or_go(seat, bytes);
            }
            _ => {
                let seat = bytes.below(self.seats.len());
                self.trouble(op, seat, bytes);
            }
        }
    }

    /// The game does something in the next tick.
    fn script(&self, op: u8, bytes: &mut Bytes<'_>) {
        let player = |bytes: &mut Bytes<'_>| {
            let who = bytes.below(SEATS + 1);
            (who < SEATS).then_some(PlayerId(who as u16))
        };
        match op % 32 {
            0..=5 => self.tell(Act::Spawn(bytes.word())),
            6..=8 => self.tell(Act::Despawn(bytes.byte().into())),
            9..=13 => self.tell(Act::Change(bytes.byte().into(), bytes.word())),
            14..=19 => (0..=bytes.byte() / 8).for_each(|n| self.tell(Act::Walk(n.into()))),
            20..=22 => self.tell(Act::Aim(bytes.byte().into(), bytes.byte().into())),
            23 | 24 => self.tell(Act::Look(player(bytes), bytes.word())),
            25 | 26 => self.tell(Act::Hide(bytes.byte().into())),
            27 => self.tell(Act::Turn(bytes.byte().into())),
            28 => self.tell(Act::Reborn(PlayerId(bytes.below(SEATS) as u16))),
            29 => self.tell(Act::Hand(bytes.byte().into(), player(bytes))),
            _ => self.tell(Act::Happen(bytes.byte().into(), bytes.byte())),
        }
    }

    fn come_or_go(&mut self, seat: usize, bytes: &mut Bytes<'_>) {
        let how = bytes.byte();
        let session = self.seats.get(seat).map(|seat| seat.session);
        match (how % 3, session) {
            (_, Some(_)) if how & 0x80 != 0 => self.lose_connection(seat, how & 0x40 != 0, (how & 0x3f).into()),
            (0, Some(session)) => self.leave(session),
            (1, Some(session)) => self.join_as(session, how & 4 != 0),
            _ if self.seats.len() < SEATS => {
                self.join(how & 4 != 0);
            }
            _ => {}
        }
    }

    /// A connection is gone for so many ticks, whether or not the room is told, and its client resumes.
    fn lose_connection(&mut self, seat: usize, is_told: bool, ticks: u32) {
        let session = self.seats[seat].session;
        let space = self.seats[seat].space;
        if is_told {
            self.room.suspend(session);
            self.seats[seat].space = None;
        }
        for _ in 0..ticks {
            self.tick_once();
            self.seats[seat].lines.iter_mut().for_each(|line| line.flights.clear());
        }
        let seat = &mut self.seats[seat];
        (seat.space, seat.lines) = (space, Default::default());
        let back = self.room.resume(session, Some(seat.client.held()), false).expect("it takes part");
        let resumed = seat.client.resume(&back.resumed, self.room.present());
        assert!(!seat.is_honest || resumed.is_ok(), "{resumed:?} of {:?}", back.resumed);
        // What a client makes of a lie may stand in the way of the truth.
        seat.is_honest &= resumed.is_ok();
    }

    /// Something happens to a line.
    fn trouble(&mut self, op: u8, seat: usize, bytes: &mut Bytes<'_>) {
        let tick = self.room.present();
        let Self { room, seats, options, .. } = self;
        let Some(seat) = seats.get_mut(seat) else { return };
        let way = usize::from(op >> 5 & 1);
        let line = &mut seat.lines[way];
        match op % 32 {
            17 | 18 => line.set_weather(bytes),
            19 => line.is_held ^= true,
            20 => line.delay_ticks = u32::from(bytes.byte() % 48),
            21 => line.silent_until = tick.offset((bytes.byte() % 96).into()),
            22 => line.flights.clear(),
            23 => seat.space = Some(BUDGET_MIN + usize::from(bytes.byte()) * 4),
            24 => seat.space = None,
            _ => {
                let n = bytes.below(line.flights.len());
                let Some(mut flight) = line.flights.get(n).cloned() else { return };
                match op % 32 {
                    25 => return line.flights.push_back(flight),
                    26 | 27 => drop(line.flights.remove(n)),
                    28 | 29 => {}
                    _ => {
                        line.flights.remove(n);
                        for _ in 0..=bytes.below(3) {
                            let at = bytes.below(flight.bytes.len());
                            let by = bytes.byte();
                            flight.is_true &= by == 0;
                            flight.bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= by);
                        }
                    }
                }
                // What is lost is lost; all else arrives now, before what was sent before it.
                match (op % 32, way) {
                    (26 | 27, _) => {}
                    (_, UP) => seat.say(room, &flight),
                    _ => seat.hear(&flight, tick, options.interval),
                }
            }
        }
    }

    /// From now on all arrives, and nothing happens: what was lost before is told again.
    pub(crate) fn calm(&mut self) {
        self.wildness = 0;
        let told_lies: Vec<_> = self.seats.iter().filter(|seat| !seat.is_honest).map(|seat| seat.session).collect();
        told_lies.into_iter().for_each(|session| self.join_as(session, false));
        for seat in &mut self.seats {
            seat.space = Some(1_162);
            seat.lines.iter_mut().for_each(Line::clear_up);
        }
        self.tick(CALM_TICKS.next_multiple_of(self.options.interval));
        let left = self.room.present().0 % self.options.interval;
        self.tick((self.options.interval - left) % self.options.interval);
        for seat in &self.seats {
            assert_eq!(seat.client.newest(), self.room.present());
            let known = seat.client.known();
            let known: Vec<_> =
                known.map(|entity| Told { slot: entity.slot, kind: entity.kind, lanes: entity.lanes }).collect();
            let mut told = self.room.told(seat.session);
            told.sort_unstable_by_key(|told| told.slot);
            assert_eq!(known, told, "what the client knows, and what it should know");
        }
    }
}

impl Seat {
    /// The room takes in a datagram of the client.
    fn say(&mut self, room: &mut Room<Puppets>, flight: &Flight) {
        self.is_honest &= flight.is_true;
        let result = room.receive(self.session, moment(room.present()), &flight.bytes);
        assert!(!self.is_honest || result.is_ok(), "an honest client is not to blame: {result:?}");
        assert!(!matches!(result, Err(PeerError::Unknown)));
    }

    /// The client takes in a datagram of the room.
    fn hear(&mut self, flight: &Flight, tick: Tick, interval: u32) {
        self.is_honest &= flight.is_true;
        let before = self.client.newest();
        let result = self.client.receive(moment(tick), &flight.bytes);
        if !self.is_honest {
            return;
        }
        if let Err(error) = result {
            let is_excused = match error {
                DecodeError::Stale => flight.sent < before,
                DecodeError::UnknownBaseline => reaches_back(flight, before, interval),
                _ => false,
            };
            assert!(is_excused, "{error} at {before:?}, in a datagram of {:?}", flight.sent);
        }
        let newest = self.client.newest();
        for known in self.client.known() {
            let is_there = self.used.contains(&(newest, known.slot, known.kind));
            assert!(is_there, "slot {} was empty in {newest:?}, or another's", known.slot);
            let key = (known.slot, known.kind, known.lanes);
            let ever = self.told.get(&key).is_some_and(|(first, last)| *first <= newest && *last >= known.entered);
            assert!(ever, "the client holds {key:?}, entered {:?}, which never was", known.entered);
        }
    }
}

/// Whether a late datagram builds on states that a client may have dropped: it keeps those of the last 32 snapshots.
fn reaches_back(flight: &Flight, newest: Tick, interval: u32) -> bool {
    let Ok(head) = DownHead::decode(newest, &mut Decoder::new(&flight.bytes)) else { return false };
    let late = newest.0.saturating_sub(head.tick.0) / interval;
    let age = u32::BITS - head.known.bits().leading_zeros();
    late > 0 && late + age > downbeat_replica::limits::RETAINED_SNAPSHOTS
}

/// The way to the seats, whose datagrams must fit.
struct Outbox<'a> {
    seats: &'a mut [Seat],
    tick: Tick,
    budget_bytes: usize,
}

impl Net for Outbox<'_> {
    fn space(&mut self, session: SessionId) -> Option<usize> {
        self.seats.iter().find(|seat| seat.session == session)?.space
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        let seat = self.seats.iter_mut().find(|seat| seat.session == session).expect("it has space");
        // A quiet snapshot leaves what it did not need to the next.
        let most = seat.space.expect("it has space").min(2 * self.budget_bytes);
        assert!(datagram.len() <= most, "{} bytes do not fit into {most}", datagram.len());
        seat.lines[DOWN].send(self.tick, datagram);
        seat.record.iter_mut().for_each(|record| record.push(datagram.to_vec()));
    }

    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {
        unreachable!("the game tells nothing that must arrive");
    }
}

/// When a tick is run.
fn moment(tick: Tick) -> Micros {
    Micros(u64::from(tick.0) * 1_000_000 / u64::from(TICK_RATE_HZ))
}
