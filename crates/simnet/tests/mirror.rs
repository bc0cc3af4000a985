//! A program that does not have the game follows a match by what the server tells of it: whatever the line does, its copy
//! converges, never holds what never was, and it hears of each event that arrives exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use downbeat_arena::{Arena, Config};
use downbeat_client::{Client, Mirror, Start};
use downbeat_field::Field;
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::codec::{Model, ModelError};
use downbeat_replica::{Coding, Micros, PlayerId, Schema, Tick, ToldEvent};
use downbeat_simnet::{Player, WanderPlayer};

const PLAYERS: u32 = 6;
const SPECTATORS: u32 = 2;
const TICK_RATE_HZ: u32 = 60;
const PACKET_OVERHEAD_BYTES: usize = 50;

/// Schema and model of the arena as they come over a network.
fn told_coding() -> Arc<Coding> {
    let ours = Coding::of::<Arena>().expect("the arena can be coded");
    let schema = Schema::from_bytes(&ours.schema.to_bytes()).expect("it is a schema");
    let model = Model::from_bytes(&schema, &ours.model.to_bytes()).expect("it is a model of it");
    let told = Coding::new(schema, model).expect("they belong together");
    assert_eq!(told.model_hash, ours.model_hash);
    Arc::new(told)
}

#[derive(Default)]
struct Outbox {
    datagrams: BTreeMap<SessionId, Vec<u8>>,
    reliable: BTreeMap<SessionId, Vec<u8>>,
}

impl Net for Outbox {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_162)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.datagrams.insert(session, datagram.to_vec());
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        self.reliable.insert(session, bytes.to_vec());
    }
}

/// One who plays on a line without delay, so that the match has what a match has.
struct Fighter {
    session: SessionId,
    client: Client<Arena>,
    whim: WanderPlayer,
}

impl Fighter {
    fn play(&mut self, now: Micros, room: &mut Room<Arena>, outbox: &Outbox) {
        if let Some(datagram) = outbox.datagrams.get(&self.session) {
            self.client.receive(now, datagram).expect("a room of ours sends nothing wrong");
        }
        while let Some(tick) = self.client.poll_input(now) {
            let input = self.whim.decide(tick, &self.client.view(now));
            self.client.input(now, tick, &input);
        }
        let mut datagram = Vec::new();
        self.client.transmit(&mut datagram);
        room.receive(self.session, now, &datagram).expect("clients of ours send nothing wrong");
    }
}

/// A slot, the kind and the lanes of who is in it.
type Seen = (u16, usize, Vec<i32>);

/// The kind, the moment and the lanes, but for those that name entities: each spectator has slots of its own.
type Heard = (usize, Tick, Vec<i32>);

/// A mirror at the end of a line, and what the room would have it know.
struct Spectator {
    session: SessionId,
    mirror: Mirror,
    up: Pipe<Vec<u8>>,
    down: Pipe<Vec<u8>>,
    /// The room's truth, by tick.
    truth: BTreeMap<Tick, Vec<Seen>>,
    /// When each state was first so.
    ever: BTreeMap<Seen, Tick>,
    converged: bool,
    /// The events of each datagram that arrived, by its tick.
    heard: BTreeMap<Tick, Vec<Heard>>,
    again: u32,
    reliable: Vec<Heard>,
}

impl Spectator {
    fn new(session: SessionId, coding: Arc<Coding>, send_rate_hz: u32, link: &LinkSpec, seed: u64) -> Self {
        Self {
            session,
            mirror: Mirror::new(coding, TICK_RATE_HZ, send_rate_hz, Tick::ZERO),
            up: Pipe::new(link, seed),
            down: Pipe::new(link, seed + 1),
            truth: BTreeMap::new(),
            ever: BTreeMap::new(),
            converged: false,
            heard: BTreeMap::new(),
            again: 0,
            reliable: Vec::new(),
        }
    }

    fn watch(&mut self, now: Micros, room: &mut Room<Arena>, outbox: &Outbox) {
        let told = room.told(self.session).into_iter().map(|told| (told.slot, told.kind, told.lanes));
        let told: BTreeSet<Seen> = told.collect();
        for seen in &told {
            self.ever.entry(seen.clone()).or_insert(room.present());
        }
        self.truth.insert(room.present(), told.into_iter().collect());
        if let Some(bytes) = outbox.reliable.get(&self.session) {
            let events = self.mirror.receive_reliable(bytes).expect("a room of ours sends nothing wrong");
            self.reliable.extend(events.iter().map(|event| heard(&self.mirror, event)));
        }
        if let Some(datagram) = outbox.datagrams.get(&self.session) {
            self.down.send(now, datagram.clone(), datagram.len() + PACKET_OVERHEAD_BYTES);
        }
        while let Some((_, datagram)) = self.down.poll(now) {
            self.receive(&datagram);
            let mut answer = Vec::new();
            self.mirror.transmit(&mut answer);
            let bytes = answer.len() + PACKET_OVERHEAD_BYTES;
            self.up.send(now, answer, bytes);
        }
        while let Some((at, answer)) = self.up.poll(now) {
            room.receive(self.session, at, &answer).expect("a mirror sends nothing wrong");
        }
    }

    fn receive(&mut self, datagram: &[u8]) {
        // What cannot be decoded, since it was overtaken by what it needs, is as good as lost.
        let Ok(tick) = self.mirror.receive(datagram) else {
            assert!(self.mirror.events().is_empty(), "a datagram that does not decode tells nothing");
            return;
        };
        let events: Vec<Heard> = self.mirror.events().iter().map(|event| heard(&self.mirror, event)).collect();
        if self.heard.contains_key(&tick) {
            assert!(events.is_empty(), "a datagram that arrives again tells nothing");
            self.again += 1;
            return;
        }
        self.heard.insert(tick, events);
        let newest = self.mirror.newest();
        let known: Vec<Seen> = self.mirror.known().map(|known| (known.slot, known.kind, known.lanes)).collect();
        for seen in &known {
            assert!(self.ever.get(seen).is_some_and(|&first| first <= newest), "{seen:?} never was");
        }
        self.converged = known == self.truth[&newest];
    }
}

fn heard(mirror: &Mirror, event: &ToldEvent) -> Heard {
    let mut lanes = event.lanes.clone();
    mirror.coding().schema.events[event.kind].entity_lanes().for_each(|lane| lanes[lane] = 0);
    (event.kind, event.tick, lanes)
}

struct Match {
    room: Room<Arena>,
    fighters: Vec<Fighter>,
    /// On a perfect line, and on a bad one.
    spectators: [Spectator; SPECTATORS as usize],
    /// The game's own client, which gets what the first spectator gets.
    witness: Client<Arena>,
    witnessed: usize,
}

impl Match {
    fn new(seed: u64, send_rate_hz: u32, link: &LinkSpec) -> Self {
        let options = RoomOptions {
            tick_rate_hz: TICK_RATE_HZ,
            send_rate_hz,
            seed,
            players_max: PLAYERS as u16,
            spectators_max: SPECTATORS as u16,
            client_bytes_per_s: 1 << 20,
        };
        let config = Config::default();
        let mut room = Room::<Arena>::new(&config, options).expect("it opens");
        let (world, coding) = Client::<Arena>::shared(&config).expect("the configuration is fine");
        let client = |player: Option<PlayerId>| {
            let start =
                Start { player, tick_rate_hz: TICK_RATE_HZ, send_rate_hz, tick: Tick::ZERO, rtt: Micros::default() };
            Client::new(Arc::clone(&world), Arc::clone(&coding), start)
        };
        let fighters = (0..PLAYERS).map(|i| {
            let session = SessionId(i);
            let player = room.join(session, "bot", false).expect("there is a place for each");
            Fighter { session, client: client(player), whim: WanderPlayer::new(seed ^ u64::from(i)) }
        });
        let fighters = fighters.collect();
        let coding = told_coding();
        let mut spectator = |i: u32, link: &LinkSpec| {
            let session = SessionId(PLAYERS + i);
            assert_eq!(room.join(session, "mirror", true), Ok(None));
            Spectator::new(session, Arc::clone(&coding), send_rate_hz, link, seed + 2 * u64::from(i))
        };
        let spectators = [spectator(0, &LinkSpec::PERFECT), spectator(1, link)];
        Self { room, fighters, spectators, witness: client(None), witnessed: 0 }
    }

    fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            let now = Micros(u64::from(self.room.present().0) * 1_000_000 / u64::from(TICK_RATE_HZ));
            let mut outbox = Outbox::default();
            self.room.tick(now, &mut outbox);
            self.fighters.iter_mut().for_each(|fighter| fighter.play(now, &mut self.room, &outbox));
            if let Some(datagram) = outbox.datagrams.get(&self.spectators[0].session) {
                self.witness.receive(now, datagram).expect("the line is perfect");
            }
            self.witnessed += self.witness.view(now).events.len();
            self.spectators.iter_mut().for_each(|spectator| spectator.watch(now, &mut self.room, &outbox));
        }
    }
}

#[test]
fn a_mirror_converges_holds_nothing_that_never_was_and_hears_each_event_once() {
    let lines = ["awful", "latency=60ms,jitter=30ms,loss=20%,burst=4,reorder=10%,dup=10%"];
    for (seed, (line, send_rate_hz)) in lines.iter().flat_map(|line| [(line, 60), (line, 20)]).enumerate() {
        let link: LinkSpec = line.parse().expect("the line is spelled right");
        let mut game = Match::new(seed as u64, send_rate_hz, &link);
        game.run(1_200);
        game.spectators[1].up.set_spec(&LinkSpec::PERFECT);
        game.spectators[1].down.set_spec(&LinkSpec::PERFECT);
        game.run(90);

        let [perfect, lossy] = &game.spectators;
        assert!(perfect.converged && lossy.converged, "{line} at {send_rate_hz} Hz");
        let newest = Tick(1_290);
        assert_eq!([perfect.mirror.newest(), lossy.mirror.newest()], [newest; 2]);
        let known: Vec<_> = perfect.mirror.known().collect();
        assert!(known.len() > PLAYERS as usize);
        assert_eq!(known, game.witness.known().collect::<Vec<_>>(), "the game's own client knows the same");

        let snapshots = (1_290 / (TICK_RATE_HZ / send_rate_hz)) as usize;
        assert_eq!(perfect.heard.len(), snapshots);
        assert!((snapshots / 2..snapshots * 19 / 20).contains(&lossy.heard.len()), "{} arrived", lossy.heard.len());
        for (tick, events) in &lossy.heard {
            assert_eq!(Some(events), perfect.heard.get(tick), "{line} at {send_rate_hz} Hz: events of {tick:?}");
        }
        let count = |spectator: &Spectator| spectator.heard.values().map(Vec::len).sum::<usize>();
        assert!(count(lossy) > 50 && count(lossy) < count(perfect), "{} of {}", count(lossy), count(perfect));
        assert!(lossy.again > 0, "{line} at {send_rate_hz} Hz doubles some");
        assert!(!perfect.reliable.is_empty());
        assert_eq!(perfect.reliable, lossy.reliable);
        // The last ones wait for their moment.
        let end = Micros::from_millis(30_000);
        let witnessed = game.witnessed + game.witness.view(end).events.len();
        assert_eq!(witnessed, count(perfect), "{line} at {send_rate_hz} Hz");

        let counters = game.room.counters();
        assert_eq!((counters.malformed, counters.forged_acks), (0, 0), "{counters:?}");
    }
}

#[test]
fn a_model_of_another_game_is_refused() {
    let arena = Coding::of::<Arena>().expect("it can be coded");
    let field = Coding::of::<Field>().expect("it can be coded");
    let (found, expected) = (field.schema.hash(), arena.schema.hash());
    let refused = Coding::new(arena.schema, field.model).err();
    assert_eq!(refused, Some(ModelError::OtherSchema { found, expected }));
}
