//! A connection dies and its client goes on over another one, in virtual time: with what both ends know, as the same player.

use std::collections::VecDeque;

use downbeat_arena::Arena;
use downbeat_client::{Client, Start};
use downbeat_field::Field;
use downbeat_host::{Net, Return, Room, RoomOptions, SessionId, Told};
use downbeat_link::{Chance, LinkSpec};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Hearers, Input, Inputs, Micros, PlayerId, Replicated,
    Rewind, Setup, Tick,
};
use downbeat_simnet::{Fault, Layer, Options, Sim, Trouble, WanderPlayer};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn breaks(client: u16, from_ms: u64, lasts_ms: u64) -> Fault {
    Fault { from: Micros::from_millis(from_ms), lasts: Micros::from_millis(lasts_ms), what: Trouble::Breaks(client) }
}

fn options(seed: u64, layer: Layer) -> Options {
    let link = LinkSpec { latency: Micros::from_millis(30), jitter: Micros::from_millis(5), ..LinkSpec::PERFECT };
    let link = LinkSpec { loss: Chance::from_millionths(20_000), ..link };
    Options { clients: 4, link, layer, ..Options::new(seed) }
}

fn play<G: Game>(options: Options, config: &G::Config, seconds: u64) -> Sim<G> {
    let player = |_, seed| Box::new(WanderPlayer::new(seed)) as _;
    let mut sim = Sim::<G>::new(options, config, player).expect("good options");
    sim.run(Micros(seconds * 1_000_000));
    sim.set_calm(true);
    sim.run(Micros::from_millis(6_000));
    sim
}

#[test]
fn whatever_the_outage_a_client_that_resumes_holds_nothing_false_and_catches_up() {
    for layer in [Layer::Links, Layer::Quic { must_prove: false }] {
        for (seed, lasts_ms) in [(1, 0), (2, 40), (3, 300), (4, 560), (5, 900), (6, 2_500), (7, 7_000)] {
            // Two of them, one of which breaks again before much was told.
            let faults = vec![breaks(1, 2_000, lasts_ms), breaks(2, 2_100, lasts_ms), breaks(2, 2_150 + lasts_ms, 700)];
            let config = downbeat_field::Config { walkers: 60, visible: 20, ..Default::default() };
            let options = Options { is_predictable: true, faults: faults.clone(), ..options(seed, layer) };
            let sim = play::<Field>(options, &config, 4 + lasts_ms / 1_000);
            assert!(sim.findings().is_empty(), "field, {lasts_ms} ms on {layer:?}: {}", sim.findings());
            assert_eq!((sim.converged(), sim.room().players()), (true, 4));
            let sim = play::<Arena>(
                self::Options { faults, ..self::options(seed, layer) },
                &Default::default(),
                4 + lasts_ms / 1_000,
            );
            assert!(sim.findings().is_empty(), "arena, {lasts_ms} ms on {layer:?}: {}", sim.findings());
            assert!(sim.converged());
        }
    }
}

/// A yard of crates, every tenth of which is pushed about.
struct Yard {
    crates: Vec<Crate>,
    players: Vec<(PlayerId, Guard)>,
}

#[derive(Input, Clone, Default)]
struct Pad {
    walk: bool,
}

#[derive(Replicated, Clone)]
struct Crate {
    #[field(position, range = -200.0..=200.0, step = 0.01)]
    at: Vec3,
    #[field(heading, bits = 10)]
    yaw: f32,
    #[field(range = 0..=255)]
    content: u8,
    label: u32,
}

#[derive(Replicated, Clone)]
struct Guard {
    #[field(position, range = -200.0..=200.0, step = 0.01)]
    at: Vec3,
}

#[derive(Replicated, Clone)]
enum Thing {
    Crate(Crate),
    Guard(Guard),
}

#[derive(Replicated, Clone)]
struct Word {
    number: u32,
}

#[derive(Replicated, Clone)]
enum Said {
    Word(Word),
}

const CRATES: usize = 300;

impl Game for Yard {
    const NAME: &'static str = "yard";
    type Config = ();
    type World = ();
    type Input = Pad;
    type Entity = Thing;
    type Event = Said;

    fn world((): &()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new((): &(), setup: Setup) -> Result<Self, ConfigError> {
        let mut rng = Pcg64::seed_from_u64(setup.seed);
        let put = |_| Crate {
            at: Vec3::from_array(std::array::from_fn(|_| rng.random_range(-190.0..190.0))),
            yaw: rng.random_range(-3.0..3.0),
            content: rng.random(),
            label: rng.random(),
        };
        Ok(Self { crates: (0..CRATES).map(put).collect(), players: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.push((player, Guard { at: Vec3::ZERO }));
    }

    fn leave(&mut self, player: PlayerId) {
        self.players.retain(|(other, _)| *other != player);
    }

    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<Thing>, events: &mut Events<Said>) {
        for thing in self.crates.iter_mut().step_by(10) {
            thing.at.x = (thing.at.x + 0.05).min(199.0);
        }
        if tick.0.is_multiple_of(10) {
            events.emit_reliable(Hearers::All, Said::Word(Word { number: tick.0 / 10 }));
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Thing>) {
        for (player, guard) in &mut self.players {
            out.put_avatar(EntityId::new(player.0.into(), 0), *player, &mut Thing::Guard(guard.clone()));
        }
        for (n, thing) in self.crates.iter_mut().enumerate() {
            let mut entity = Thing::Crate(thing.clone());
            out.put(EntityId::new(100 + n as u32, 0), &mut entity);
            if let Thing::Crate(rounded) = entity {
                *thing = rounded;
            }
        }
    }

    fn predict(_: &Context<'_, Self>, _: &mut Thing, _: &Pad) {}
}

/// A room and a client at the ends of a line that takes three ticks each way.
struct Pair {
    room: Room<Yard>,
    client: Client<Yard>,
    ways: [VecDeque<(Tick, Vec<u8>)>; 2],
    /// Bytes of snapshots that were sent, and how many there were.
    sent: (usize, u32),
    /// Whether the client samples inputs, and how many datagrams it sent.
    samples: bool,
    answers: usize,
    /// What the client read of the stream.
    words: Vec<u32>,
}

const SESSION: SessionId = SessionId(1);
const DELAY: i64 = 3;

struct Down<'a> {
    tick: Tick,
    is_open: bool,
    way: &'a mut VecDeque<(Tick, Vec<u8>)>,
    sent: &'a mut (usize, u32),
    stream: Vec<u8>,
}

impl Net for Down<'_> {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_162)
    }

    fn send(&mut self, _: SessionId, datagram: &[u8]) {
        *self.sent = (self.sent.0 + datagram.len(), self.sent.1 + 1);
        if self.is_open {
            self.way.push_back((self.tick.offset(DELAY), datagram.to_vec()));
        }
    }

    fn send_reliable(&mut self, _: SessionId, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
    }
}

impl Pair {
    fn new() -> Self {
        let options = RoomOptions {
            tick_rate_hz: 60,
            send_rate_hz: 60,
            seed: 5,
            players_max: 4,
            spectators_max: 0,
            client_bytes_per_s: 64 * 1_024,
        };
        let mut room = Room::new(&(), options).expect("good options");
        let player = room.join(SESSION, "Ada", false).expect("a place");
        let (world, coding) = Client::<Yard>::shared(&()).expect("a good schema");
        let rtt = Micros::from_millis(100);
        let start = Start { player, tick_rate_hz: 60, send_rate_hz: 60, tick: Tick::ZERO, rtt };
        let client = Client::new(world, coding, start);
        Self { room, client, ways: Default::default(), sent: (0, 0), samples: true, answers: 0, words: Vec::new() }
    }

    /// Plays so many ticks, with what is sent lost if the line is not open.
    fn play(&mut self, ticks: u32, is_open: bool) -> (usize, u32) {
        self.sent = (0, 0);
        for _ in 0..ticks {
            let tick = self.room.present().next();
            let now = Micros(u64::from(tick.0) * 1_000_000 / 60);
            let Self { room, client, ways: [up, down], sent, samples, answers, words } = self;
            while let Some((_, datagram)) = up.pop_front_if(|(due, _)| *due <= tick) {
                room.receive(SESSION, now, &datagram).expect("an honest client");
            }
            let mut net = Down { tick, is_open, way: down, sent, stream: Vec::new() };
            room.tick(now, &mut net);
            let stream = net.stream;
            while let Some((_, datagram)) = down.pop_front_if(|(due, _)| *due <= tick) {
                client.receive(now, &datagram).expect("an honest room");
            }
            let mut acted = client.owes_answer();
            while *samples && let Some(due) = client.poll_input(now) {
                client.input(now, due, &Pad::default());
                acted = true;
            }
            if is_open {
                client.receive_reliable(now, &stream).expect("an honest room");
                let mut datagram = Vec::new();
                if acted {
                    client.transmit(&mut datagram);
                    *answers += 1;
                    up.push_back((tick.offset(DELAY), datagram));
                }
            }
            let said = client.view(now).events;
            words.extend(said.into_iter().map(|Said::Word(word)| word.number));
        }
        self.sent
    }

    fn resume(&mut self) -> Return {
        self.ways = Default::default();
        let back = self.room.resume(SESSION, Some(self.client.held()), false).expect("it takes part");
        self.client.resume(&back.resumed, self.room.present()).expect("an honest room");
        let now = Micros(u64::from(self.room.present().0) * 1_000_000 / 60);
        self.client.receive_reliable(now, &back.events).expect("an honest room");
        back
    }

    fn assert_equal(&self) {
        let mut told = self.room.told(SESSION);
        told.sort_unstable_by_key(|told| told.slot);
        let known = self.client.known().map(|it| Told { slot: it.slot, kind: it.kind, lanes: it.lanes });
        let differ = known.zip(&told).filter(|(known, told)| known != *told).count();
        assert!(differ <= CRATES / 10 + 1, "{differ} are not as they should be");
        assert_eq!(self.client.known().count(), CRATES + 1);
    }
}

#[test]
fn what_is_told_after_an_outage_is_what_changed_and_not_the_whole_state() {
    for (outage, noticed) in [(20, false), (20, true), (300, false), (300, true)] {
        let mut pair = Pair::new();
        let (first, _) = pair.play(60, true);
        let (calm, _) = pair.play(60, true);
        pair.assert_equal();
        let entered: Vec<_> = pair.client.known().map(|known| (known.slot, known.entered)).collect();
        if noticed {
            pair.play(2, false);
            pair.room.suspend(SESSION);
        }
        pair.play(outage, false);
        let back = pair.resume();
        assert!(back.resumed.base.is_some());
        let (resumed, snapshots) = pair.play(60, true);
        let ratio = (resumed - calm.min(resumed)) as f64 / (first - calm) as f64;
        println!("outage {outage}: first {first} B, calm {calm} B, resumed {resumed} B: {ratio:.4} of a first state");
        assert!(ratio < 0.2, "{ratio}: {resumed} bytes in {snapshots} snapshots after an outage of {outage} ticks");
        pair.assert_equal();
        let after: Vec<_> = pair.client.known().map(|known| (known.slot, known.entered)).collect();
        assert_eq!(entered, after, "nobody entered again");
        assert_eq!(pair.client.counters().undecodable, 0);
    }
}

#[test]
fn a_client_without_its_copy_is_told_everything_and_so_is_one_whose_acknowledgements_were_lost() {
    let mut pair = Pair::new();
    let (first, _) = pair.play(60, true);
    pair.play(60, true);
    let back = pair.room.resume(SESSION, None, false).expect("it takes part");
    assert_eq!(back.resumed.base, None);
    let (world, coding) = Client::<Yard>::shared(&()).expect("a good schema");
    let (tick, rtt) = (pair.room.present(), Micros::from_millis(100));
    let start = Start { player: back.player, tick_rate_hz: 60, send_rate_hz: 60, tick, rtt };
    (pair.client, pair.ways) = (Client::new(world, coding, start), Default::default());
    pair.client.resume(&back.resumed, tick).expect("an honest room");
    let (again, _) = pair.play(60, true);
    assert!(again * 10 > first * 9, "{again} bytes, {first} at first");
    pair.assert_equal();
}

#[test]
fn reliable_events_of_an_outage_are_told_afterwards_each_once_and_in_order() {
    let mut pair = Pair::new();
    pair.play(100, true);
    pair.play(33, false);
    pair.room.suspend(SESSION);
    pair.play(400, false);
    pair.resume();
    pair.play(150, true);
    let told = &pair.words;
    assert!(told.windows(2).all(|pair| pair[1] == pair[0] + 1), "{told:?}");
    assert_eq!(told.first(), Some(&1));
    assert!(told.len() > 60, "{told:?}");
}

#[test]
fn a_player_who_is_away_stands_still_and_does_not_starve() {
    let mut pair = Pair::new();
    pair.play(100, true);
    let starved = pair.room.counters().inputs.starved;
    pair.room.suspend(SESSION);
    let snapshots = pair.room.counters().snapshots;
    pair.play(200, false);
    assert_eq!(pair.room.counters().inputs.starved, starved);
    assert_eq!(pair.room.counters().snapshots, snapshots, "nobody is there to be told");
    assert_eq!((pair.room.players(), pair.room.inputs().len()), (1, 1));
    assert!(pair.room.inputs()[0].substituted);
}

#[test]
fn a_client_with_no_input_to_send_answers_now_and_then_so_that_nothing_is_told_anew() {
    let mut pair = Pair::new();
    pair.play(60, true);
    let (calm, _) = pair.play(120, true);
    (pair.samples, pair.answers) = (false, 0);
    let (quiet, _) = pair.play(120, true);
    assert!((10..=16).contains(&pair.answers), "{} datagrams for 120 snapshots", pair.answers);
    assert!(quiet * 2 < calm * 3, "{quiet} bytes, {calm} with an input a tick");
}
