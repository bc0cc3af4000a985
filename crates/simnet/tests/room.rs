//! What a room promises each client, whatever the game: how far back it builds and rewinds, who is told first, and that no
//! budget is ever exceeded.

use downbeat_client::{Client, Start};
use downbeat_field::{Config as FieldRules, Field};
use downbeat_host::limits::SNAPSHOT_BYTES_MIN;
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::bits::BitWriter;
use downbeat_replica::range::Decoder;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId, Replicated,
    Rewind, Setup, Tick, ViewTick,
};
use downbeat_wire::packet::{Acks, DownHead, UpHead};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    held: bool,
}

/// Words that change in each tick: what cannot be foreseen costs as many bits as it has.
#[derive(Replicated, Clone)]
struct Noise {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    f: u32,
    g: u32,
    h: u32,
    i: u32,
    j: u32,
    k: u32,
    l: u32,
    m: u32,
    n: u32,
}

#[derive(Replicated, Clone)]
enum Entity {
    Own(Noise),
    Thing(Noise),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {
    things: u32,
}

struct Hiss {
    rules: Rules,
    rng: Pcg64,
    players: Vec<PlayerId>,
    /// For each age in ticks, whether the first thing could be seen so far back.
    rewound: Vec<bool>,
}

impl Hiss {
    fn noise(&mut self) -> Noise {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = std::array::from_fn(|_| self.rng.random());
        Noise { a, b, c, d, e, f, g, h, i, j, k, l, m, n }
    }
}

impl Game for Hiss {
    const NAME: &'static str = "hiss";
    type Config = Rules;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(rules: &Rules, setup: Setup) -> Result<Self, ConfigError> {
        let rng = Pcg64::seed_from_u64(setup.seed);
        Ok(Self { rules: rules.clone(), rng, players: Vec::new(), rewound: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.push(player);
    }

    fn leave(&mut self, player: PlayerId) {
        self.players.retain(|other| *other != player);
    }

    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, past: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        let seen = |age: i64| past.at(THING, ViewTick { tick: tick.offset(-age), sixteenths: 8 }).is_some();
        self.rewound = (0..40).map(seen).collect();
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for player in self.players.clone() {
            let mut own = Entity::Own(self.noise());
            out.put_avatar(EntityId::new(player.0.into(), 0), player, &mut own);
        }
        for thing in 0..self.rules.things {
            let mut noise = Entity::Thing(self.noise());
            out.put(EntityId::new(THING.index() as u32 + thing, 0), &mut noise);
        }
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Pad) {}
}

const THING: EntityId = EntityId::new(100, 0);
const SESSION: SessionId = SessionId(7);

/// Takes one datagram of up to `space` bytes.
struct Out {
    space: Option<usize>,
    sent: Option<Vec<u8>>,
}

impl Net for Out {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        self.space
    }

    fn send(&mut self, _: SessionId, datagram: &[u8]) {
        assert!(self.sent.replace(datagram.to_vec()).is_none(), "one datagram a snapshot");
    }

    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {
        unreachable!("there are no events");
    }
}

fn options(rates: (u32, u32), snapshot_bytes: usize) -> RoomOptions {
    RoomOptions {
        tick_rate_hz: rates.0,
        send_rate_hz: rates.1,
        seed: 5,
        players_max: 2,
        spectators_max: 2,
        client_bytes_per_s: snapshot_bytes * rates.1 as usize,
    }
}

fn tick<G: Game>(room: &mut Room<G>, space: usize) -> Option<Vec<u8>> {
    let now = Micros(u64::from(room.present().0) * 16_667);
    let mut out = Out { space: Some(space), sent: None };
    room.tick(now, &mut out);
    out.sent
}

#[test]
fn the_past_is_shown_for_a_quarter_of_a_second_and_no_longer() {
    for (tick_rate_hz, ages) in [(60, 15), (30, 7), (128, 32)] {
        let mut room =
            Room::<Hiss>::new(&Rules { things: 1 }, options((tick_rate_hz, tick_rate_hz), 1_000)).expect("fine");
        room.join(SESSION, "Ada", false).expect("there is a place");
        (0..100).for_each(|_| drop(tick(&mut room, 1_000)));
        let expected: Vec<bool> = (0..40).map(|age| age <= ages).collect();
        assert_eq!(room.game().rewound, expected, "at {tick_rate_hz} Hz");
    }
}

/// A spectator's datagram that acknowledges one snapshot.
fn acknowledge(sequence: u16, newest: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = BitWriter::new(&mut bytes);
    UpHead { sequence, acks: Some(Acks { newest, before: 0 }) }.encode(&mut out);
    out.golomb(0, 2);
    out.finish();
    bytes
}

#[test]
fn a_snapshot_is_built_on_as_long_as_clients_remember_it_and_no_longer() {
    // Clients keep 32 snapshots, rooms 64 ticks.
    for (send_rate_hz, ages) in [(60, 32), (30, 31), (20, 21)] {
        let rules = Rules { things: 1 };
        let mut room = Room::<Hiss>::new(&rules, options((60, send_rate_hz), 1_000)).expect("fine");
        room.join(SESSION, "Ada", true).expect("there is a place");
        let mut built_on = Vec::new();
        let interval = 60 / send_rate_hz;
        let first = 10;
        for number in 1..first + 40 {
            (1..interval).for_each(|_| assert_eq!(tick(&mut room, 1_000), None));
            let datagram = tick(&mut room, 1_000).expect("a snapshot is due");
            let head = DownHead::decode(room.present(), &mut Decoder::new(&datagram)).expect("our own");
            assert_eq!(head.tick.0, number * interval);
            if head.known.bits() != 0 {
                built_on.push(number - first);
            }
            if number == first {
                room.receive(SESSION, Micros(0), &acknowledge(1, first as u16)).expect("it was sent");
            }
        }
        assert_eq!(built_on, (1..=ages).collect::<Vec<_>>(), "at {send_rate_hz} Hz");
    }
}

/// Which entities a client on a perfect line is told in each of the last snapshots, with room for `space` bytes: by slot.
fn told(things: u32, spectator: bool, space: usize) -> Vec<Vec<u16>> {
    let mut room = Room::<Hiss>::new(&Rules { things }, options((60, 60), 1_000)).expect("fine");
    let (world, coding) = Client::<Hiss>::shared(&Rules { things }).expect("fine");
    let start = Start {
        player: room.join(SESSION, "Ada", spectator).expect("there is a place"),
        tick_rate_hz: 60,
        send_rate_hz: 60,
        tick: Tick::ZERO,
        rtt: Micros(0),
    };
    let mut client = Client::<Hiss>::new(world, coding, start);
    let (mut told, mut up) = (Vec::new(), Vec::new());
    for i in 0..120 {
        let now = Micros(u64::from(room.present().0) * 16_667);
        // Room for all at first, so that everybody is known.
        let datagram = tick(&mut room, if i < 20 { 1_000 } else { space }).expect("a snapshot");
        client.receive(now, &datagram).expect("our own");
        client.transmit(&mut up);
        room.receive(SESSION, now, &up).expect("honest");
        let truth = room.told(SESSION);
        let is_new = |slot: u16, lanes: &[i32]| truth.iter().any(|told| told.slot == slot && told.lanes == lanes);
        let new = client.known().filter(|entity| is_new(entity.slot, &entity.lanes)).map(|entity| entity.slot);
        told.push(new.collect());
    }
    told.split_off(60)
}

#[test]
fn of_two_that_change_alike_under_a_budget_for_one_both_are_told_in_turn() {
    let told = told(2, true, 110);
    let count: usize = told.iter().map(Vec::len).sum();
    // Now and then both are small enough, or the one whose turn it is too large.
    assert!(count < told.len() * 3 / 2, "{told:?}");
    for slot in 0..2 {
        assert!(
            told.windows(3).all(|some| some.iter().any(|told| told.contains(&slot))),
            "slot {slot} waits: {told:?}"
        );
    }
}

#[test]
fn the_own_avatar_is_told_whatever_else_waits() {
    let told = told(3, false, 140);
    let own = told[0][0];
    assert!(told.iter().all(|told| told.contains(&own)), "{told:?}");
    let others = told.iter().filter(|told| told.len() > 1).count();
    assert!(others < told.len(), "there was room for all: {told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_datagram_exceeds_its_space_and_no_client_its_budget(
        seed in any::<u64>(), walkers in 0..400_u32, visible in 1..300_u32, budget in SNAPSHOT_BYTES_MIN..1_400,
        send in prop::sample::select(vec![(60, 60), (60, 20), (30, 10)]), loss in 0..60_u32, tight in any::<bool>(),
    ) {
        let rules = FieldRules { walkers, visible, ..FieldRules::default() };
        let mut room = Room::<Field>::new(&rules, RoomOptions { seed, ..options(send, budget) }).expect("fine");
        let (world, coding) = Client::<Field>::shared(&rules).expect("fine");
        let start = Start {
            player: room.join(SESSION, "Ada", false).expect("there is a place"),
            tick_rate_hz: send.0,
            send_rate_hz: send.1,
            tick: Tick::ZERO,
            rtt: Micros(0),
        };
        let mut client = Client::<Field>::new(world, coding, start);
        let mut rng = Pcg64::seed_from_u64(seed);
        let (mut up, mut total, mut snapshots) = (Vec::new(), 0, 0);
        for _ in 0..240 {
            let now = Micros(u64::from(room.present().0) * 1_000_000 / u64::from(send.0));
            let most = if tight { 260 } else { 1_200 };
            let space = rng.random_range(SNAPSHOT_BYTES_MIN..=most);
            let skipped = rng.random_range(0..100) < 5;
            let mut out = Out { space: (!skipped).then_some(space), sent: None };
            room.tick(now, &mut out);
            snapshots += usize::from(room.present().0.is_multiple_of(send.0 / send.1));
            let Some(datagram) = out.sent else { continue };
            prop_assert!(datagram.len() <= space, "{} bytes in {space}", datagram.len());
            total += datagram.len();
            // What one quiet moment leaves over is kept for one more.
            prop_assert!(datagram.len() <= 2 * budget && total <= (snapshots + 1) * budget, "{total} in {snapshots}");
            if rng.random_range(0..100) >= loss {
                client.receive(now, &datagram).expect("nothing is out of order");
                client.transmit(&mut up);
                room.receive(SESSION, now, &up).expect("honest");
            }
        }
        prop_assert!(snapshots > 0 && total > 0);
    }
}
