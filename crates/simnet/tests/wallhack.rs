//! A wallhack has nothing to read. What a client is sent is a function of what it may know: two matches that differ in what
//! is hidden from a viewer alone send it the same bytes, tick by tick, whatever is lost on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use downbeat_arena::{Arena, Map, Select};
use downbeat_client::{Client, Start};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Hearers, Input, Inputs, Kinds, LaneReader,
    Micros, PlayerId, Replicated, Rewind, Scene, Setup, Tick, Viewer, Visible,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

const HZ: u32 = 60;

/// Somebody in a match, whose inputs depend on nothing but the tick.
struct Seat<G: Game> {
    session: SessionId,
    client: Client<G>,
    up: Pipe<Vec<u8>>,
    down: Pipe<Vec<u8>>,
    input: fn(Tick) -> G::Input,
}

/// What a viewer was sent, and what it knew and heard.
#[derive(Default)]
struct Watched {
    datagrams: Vec<Vec<u8>>,
    /// The most others that it knew of at a time.
    known_max: usize,
    events: usize,
}

impl Watched {
    /// Bytes that differ, those that only one has among them.
    fn difference(&self, other: &Self) -> usize {
        assert_eq!(self.datagrams.len(), other.datagrams.len());
        let pairs = self.datagrams.iter().zip(&other.datagrams);
        pairs.map(|(a, b)| a.len().abs_diff(b.len()) + a.iter().zip(b).filter(|(a, b)| a != b).count()).sum()
    }
}

/// A guest of a match: when it comes and goes, and what it does.
struct Guest<G: Game> {
    name: &'static str,
    from: u32,
    to: u32,
    input: fn(Tick) -> G::Input,
}

#[derive(Default)]
struct Outbox(BTreeMap<SessionId, Vec<u8>>, usize, Vec<u8>);

impl Net for Outbox {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(self.1)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.0.insert(session, datagram.to_vec());
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        if session == SessionId(0) {
            self.2.extend_from_slice(bytes);
        }
    }
}

/// Plays `ticks` ticks with a viewer on a bad line, and `guests`.
fn watch<G: Game>(
    config: &G::Config,
    seed: u64,
    ticks: u32,
    space: usize,
    input: fn(Tick) -> G::Input,
    guests: &[Guest<G>],
) -> Watched {
    let options = RoomOptions {
        tick_rate_hz: HZ,
        send_rate_hz: HZ,
        seed,
        players_max: 16,
        spectators_max: 0,
        client_bytes_per_s: 1 << 20,
    };
    let mut room = Room::<G>::new(config, options).expect("the configuration is legal");
    let (world, schema) = Client::<G>::shared(config).expect("the configuration is legal");
    let bad: LinkSpec = "latency=40ms,jitter=15ms,loss=10%,burst=2".parse().expect("it is spelled right");
    let sit = |room: &mut Room<G>, index: u32, name: &str, link: LinkSpec, input| {
        let session = SessionId(index);
        let player = room.join(session, name, false).expect("there is a place");
        let tick = room.present();
        let start = Start { player, tick_rate_hz: HZ, send_rate_hz: HZ, tick, rtt: link.latency + link.latency };
        let client = Client::<G>::new(Arc::clone(&world), Arc::clone(&schema), start);
        let pipe = |end| Pipe::new(&link, u64::from(index) << 1 | end);
        Seat { session, client, up: pipe(0), down: pipe(1), input }
    };
    let mut seats = vec![sit(&mut room, 0, "viewer", bad, input)];
    let mut watched = Watched::default();
    let (mut outbox, mut datagram) = (Outbox(BTreeMap::new(), space, Vec::new()), Vec::new());
    let tick_length = 1_000_000 / u64::from(HZ);
    for quarter in 0_u64.. {
        let now = Micros(quarter * tick_length / 4);
        for seat in &mut seats {
            while let Some((at, datagram)) = seat.up.poll(now) {
                room.receive(seat.session, at, &datagram).expect("clients of ours send nothing wrong");
            }
            while let Some((at, datagram)) = seat.down.poll(now) {
                seat.client.receive(at, &datagram).expect("rooms of ours send nothing wrong");
            }
        }
        if quarter.is_multiple_of(4) {
            let next = room.present().0 + 1;
            if next > ticks {
                return watched;
            }
            for (index, guest) in (1..).zip(guests) {
                if guest.from == next {
                    let seat = sit(&mut room, index, guest.name, LinkSpec::PERFECT, guest.input);
                    seats.push(seat);
                }
                if guest.to == next {
                    room.leave(SessionId(index));
                    seats.retain(|seat| seat.session != SessionId(index));
                }
            }
            room.tick(now, &mut outbox);
            watched.datagrams.push([&outbox.0[&SessionId(0)][..], &std::mem::take(&mut outbox.2)].concat());
            for seat in &mut seats {
                let datagram = outbox.0.remove(&seat.session).expect("each is sent one");
                let bytes = datagram.len();
                seat.down.send(now, datagram, bytes);
            }
        }
        for seat in &mut seats {
            let mut is_sampled = false;
            while let Some(tick) = seat.client.poll_input(now) {
                let view = seat.client.view(now);
                if seat.session == SessionId(0) {
                    watched.known_max = watched.known_max.max(view.others.len());
                    watched.events += view.events.len();
                }
                seat.client.input(now, tick, &(seat.input)(tick));
                is_sampled = true;
            }
            if is_sampled {
                seat.client.transmit(&mut datagram);
                seat.up.send(now, datagram.clone(), datagram.len());
            }
        }
    }
    watched
}

/// A stage with a curtain: what happens before it depends on the seed, and what behind it on a secret.
struct Curtain {
    rules: Rules,
    tick: Tick,
    ids: EntityIds,
    players: BTreeMap<PlayerId, (EntityId, Prop)>,
    shown: Troupe,
    hidden: Troupe,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {
    /// Decides what happens behind the curtain, and how many are there.
    secret: u64,
    /// How many come and go there in a second.
    hidden_changes: u32,
    /// Whether one of those behind it can be seen.
    has_hole: bool,
    /// Whom props name for their owners alone; 0 for nobody. Those that are the viewer's, and all others.
    own_rivals: usize,
    rivals: usize,
}

/// Props that come, change and go.
struct Troupe {
    rng: Pcg64,
    size: usize,
    /// How many come and go in a second.
    changes: u32,
    props: Vec<(EntityId, Entity)>,
}

#[derive(Input, Clone, Default)]
struct Step {
    #[field(range = -1.0..=1.0, step = 0.125)]
    x: f32,
}

#[derive(Replicated, Clone)]
struct Prop {
    #[field(position, range = -512.0..=512.0, step = 0.015625)]
    at: Vec3,
    #[field(range = 0..=1000)]
    mood: u16,
    #[field(owner)]
    rival: Option<EntityId>,
}

#[derive(Replicated, Clone)]
struct Lamp {
    #[field(range = 0..=1000)]
    glow: u16,
    is_on: bool,
}

#[derive(Replicated, Clone)]
enum Entity {
    Prop(Prop),
    Lamp(Lamp),
}

#[derive(Replicated, Clone)]
struct Line {
    #[field(range = 0..=65535)]
    words: u16,
}

#[derive(Replicated, Clone)]
enum Event {
    Line(Line),
}

impl Troupe {
    fn step(&mut self, ids: &mut EntityIds, events: &mut Events<Event>) {
        let rng = &mut self.rng;
        while self.props.len() < self.size || rng.random_range(0..HZ) < self.changes {
            let mood = rng.random_range(0..=1_000);
            let entity = if rng.random() {
                Entity::Prop(Prop { at: Vec3::ZERO, mood, rival: None })
            } else {
                Entity::Lamp(Lamp { glow: mood, is_on: rng.random() })
            };
            self.props.push((ids.spawn().expect("there are enough"), entity));
        }
        while self.props.len() > self.size {
            let (id, _) = self.props.swap_remove(rng.random_range(0..self.props.len()));
            ids.free(id);
        }
        for (id, entity) in &mut self.props {
            match (entity, rng.random_range(0..8)) {
                (Entity::Prop(prop), ..6) => prop.at += Vec3::new(rng.random_range(-0.5..0.5), 0.0, 0.1),
                (Entity::Prop(prop), _) => prop.at = Vec3::ZERO,
                (Entity::Lamp(lamp), 0) => lamp.glow = rng.random_range(0..=1_000),
                (Entity::Lamp(lamp), 1) => lamp.is_on = !lamp.is_on,
                _ => {}
            }
            if rng.random_range(0..60) == 0 {
                events.emit(Hearers::Viewers(*id), Event::Line(Line { words: rng.random() }));
            }
        }
    }
}

impl Game for Curtain {
    const NAME: &'static str = "curtain";
    type Config = Rules;
    type World = ();
    type Input = Step;
    type Entity = Entity;
    type Event = Event;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(rules: &Rules, setup: Setup) -> Result<Self, ConfigError> {
        let troupe = |seed, size, changes| Troupe { rng: Pcg64::seed_from_u64(seed), size, changes, props: Vec::new() };
        let secret = rules.secret;
        Ok(Self {
            rules: rules.clone(),
            tick: Tick::ZERO,
            ids: EntityIds::default(),
            players: BTreeMap::new(),
            shown: troupe(setup.seed, 20, 3),
            hidden: troupe(secret, (secret % 50) as usize, rules.hidden_changes),
        })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        let id = self.ids.spawn().expect("there are enough");
        self.players.insert(player, (id, Prop { at: Vec3::ZERO, mood: 0, rival: None }));
    }

    fn leave(&mut self, player: PlayerId) {
        let (id, _) = self.players.remove(&player).expect("it joined");
        self.ids.free(id);
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Step>, _: &impl Rewind<Entity>, events: &mut Events<Event>) {
        self.tick = tick;
        self.hidden.step(&mut self.ids, events);
        self.shown.step(&mut self.ids, events);
        for (player, (id, prop)) in &mut self.players {
            prop.at.x += inputs.of(*player).map_or(0.0, |given| given.input.x);
            if prop.at.x.abs() > 100.0 {
                prop.at.x = 0.0;
                events.emit(Hearers::Viewers(*id), Event::Line(Line { words: player.0 }));
            }
            if player.0 > 0 {
                events.emit(Hearers::Player(*player), Event::Line(Line { words: 7 }));
            }
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        let mut all: BTreeMap<usize, (EntityId, Option<PlayerId>, Entity)> = BTreeMap::new();
        let props = self.shown.props.iter().chain(&self.hidden.props);
        all.extend(props.map(|(id, entity)| (id.index(), (*id, None, entity.clone()))));
        let players = self.players.iter();
        all.extend(players.map(|(player, (id, prop))| (id.index(), (*id, Some(*player), Entity::Prop(prop.clone())))));
        for (id, player, mut entity) in all.into_values() {
            let rivals = if player == Some(PlayerId(0)) { self.rules.own_rivals } else { self.rules.rivals };
            if let Entity::Prop(prop) = &mut entity
                && rivals > 0
            {
                let rival = (self.tick.0 as usize / 10 + rivals) % self.shown.props.len();
                prop.rival = Some(self.shown.props[rival].0);
            }
            match player {
                Some(player) => out.put_avatar(id, player, &mut entity),
                None => out.put(id, &mut entity),
            }
        }
    }

    fn relevance(&self, _: &Viewer, _: &Scene, out: &mut Visible) {
        out.extend(self.shown.props.iter().map(|(id, _)| *id));
        if self.rules.has_hole {
            out.extend(self.hidden.props.first().map(|(id, _)| *id));
        }
    }

    fn predict(_: &Context<'_, Self>, own: &mut Entity, input: &Step) {
        if let Entity::Prop(prop) = own {
            prop.at.x += input.x;
        }
    }
}

fn pace(tick: Tick) -> Step {
    Step { x: if tick.0 % 90 < 60 { 0.5 } else { 0.0 } }
}

fn curtain(rules: &Rules, space: usize, guests: &[Guest<Curtain>]) -> Watched {
    watch(rules, 11, 3_600, space, pace, guests)
}

#[test]
fn what_is_hidden_changes_no_byte_of_what_a_viewer_is_sent() {
    let guests = [
        Guest { name: "a", from: 20, to: 900, input: pace },
        Guest { name: "another", from: 30, to: 0, input: |_| Step { x: -1.0 } },
        Guest { name: "late", from: 1_000, to: 3_000, input: |_| Step::default() },
    ];
    // With room for everything, and with so little that entities wait for their turn.
    for space in [1_162, 90] {
        let nothing = curtain(&Rules::default(), space, &[]);
        assert!(nothing.known_max >= 15 && nothing.events > 200, "{} {}", nothing.known_max, nothing.events);
        assert!(nothing.datagrams.iter().map(Vec::len).sum::<usize>() > 50_000);
        for (secret, hidden_changes) in [(1, 0), (37, 2), (2_749, 9), (1_234_567_891, 10)] {
            let guests = if secret == 37 { &guests[..1] } else { &guests[..] };
            let something = curtain(&Rules { secret, hidden_changes, ..Rules::default() }, space, guests);
            assert_eq!(nothing.difference(&something), 0, "bytes differ by secret {secret}, {space} bytes of space");
            assert_eq!(nothing.events, something.events);
        }
    }
}

#[test]
fn whom_a_state_names_for_its_owner_alone_changes_no_byte_for_others() {
    let sent = |rivals, own_rivals| curtain(&Rules { rivals, own_rivals, ..Rules::default() }, 1_162, &[]);
    let nobody = sent(0, 0);
    assert_eq!(sent(1, 0).difference(&nobody), 0);
    assert_eq!(sent(7, 0).difference(&nobody), 0);
    assert!(sent(0, 7).difference(&nobody) > 1_000, "the owner is told");
}

#[test]
fn what_is_hidden_changes_no_byte_even_when_indices_are_used_again() {
    let nothing = curtain(&Rules::default(), 1_162, &[]);
    let something = curtain(&Rules { secret: 37, hidden_changes: 37, ..Rules::default() }, 1_162, &[]);
    assert_eq!(nothing.difference(&something), 0);
}

#[test]
fn one_that_can_be_seen_is_noticed() {
    let hole = |secret| curtain(&Rules { secret, hidden_changes: 1, has_hole: true, ..Rules::default() }, 1_162, &[]);
    let nothing = curtain(&Rules { secret: 37, hidden_changes: 1, ..Rules::default() }, 1_162, &[]);
    assert!(hole(37).difference(&nothing) > 10_000);
    assert!(hole(38).difference(&hole(37)) > 10_000);
}

/// Two halls with a wall of `height` in between: a small one for the viewer, and a large one.
fn halls(height: f32) -> downbeat_arena::Config {
    let map = format!(
        "name = 'halls'\nmin = [-40.0, 0.0, -20.0]\nmax = [40.0, 12.0, 20.0]\n\
         blocks = [{{ min = [-20.0, 0.0, -20.0], max = [-19.0, {height:?}, 20.0] }}]\n\
         spawns = [[-38.0, 0.0, 0.0], [38.0, 0.0, -18.0], [38.0, 0.0, 18.0], [8.0, 0.0, 0.0]]"
    );
    let mut config = downbeat_arena::Config {
        map: Map::parse(&map).expect("the map is legal"),
        ..downbeat_arena::Config::default()
    };
    // Deaths are told to everybody, by the rules.
    (config.rules.rifle.damage, config.rules.rocket.damage) = (0, 0);
    config
}

/// Runs to and fro, and fires now and then.
fn roam(tick: Tick, speed: f32) -> downbeat_arena::Input {
    downbeat_arena::Input {
        forward: speed,
        yaw: (tick.0 / 50) as f32 * 1.3,
        jump: tick.0.is_multiple_of(70),
        fire: speed != 0.0 && tick.0 % 40 < 3,
        select: if tick.0.is_multiple_of(200) { Select::Rocket } else { Select::Keep },
        ..downbeat_arena::Input::default()
    }
}

fn hall(height: f32, seed: u64, guests: &[Guest<Arena>]) -> Watched {
    watch(&halls(height), seed, 2_400, 1_162, |tick| roam(tick, 1.0), guests)
}

/// A seed with which a viewer begins in the small hall.
fn seed() -> u64 {
    let begins_there = |seed: &u64| {
        let setup = Setup { tick_rate_hz: HZ, seed: *seed, players_max: 16 };
        let mut arena = Arena::new(&halls(10.0), setup).expect("the rules are legal");
        arena.join(PlayerId(0), "viewer");
        let (mut entities, mut lanes) = (Vec::new(), Vec::new());
        arena.capture(&mut Capture::new(&mut entities, &mut lanes, &|_, _| None));
        let player = downbeat_arena::Entity::read(entities[0].kind, &mut LaneReader::new(&lanes));
        matches!(player, Some(downbeat_arena::Entity::Player(player)) if player.position.x < -20.0)
    };
    (0..).find(begins_there).expect("one of four spawns is there")
}

#[test]
fn players_behind_a_wall_change_no_byte_whatever_they_do() {
    let seed = seed();
    let alone = hall(10.0, seed, &[]);
    assert!(alone.events > 20, "the viewer hears its own shots: {}", alone.events);
    let still = Guest { name: "still", from: 50, to: 0, input: |tick| roam(tick, 0.0) };
    let busy = [
        Guest { name: "busy", from: 40, to: 2_000, input: |tick| roam(tick, 1.0) },
        Guest { name: "guest", from: 500, to: 1_500, input: |tick| roam(tick, -0.5) },
        Guest { name: "latecomer", from: 1_600, to: 0, input: |tick| roam(Tick(tick.0 + 33), 1.0) },
    ];
    assert_eq!(alone.difference(&hall(10.0, seed, &[still])), 0);
    assert_eq!(alone.difference(&hall(10.0, seed, &busy)), 0);
    // Over a low wall they are seen.
    assert!(hall(1.0, seed, &busy).difference(&hall(1.0, seed, &[])) > 10_000);
}
