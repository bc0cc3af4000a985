//! The arena's brains in whole matches: room and clients joined in virtual time, without a network.

use std::collections::VecDeque;
use std::sync::Arc;

use downbeat_arena::{Arena, Config, Entity, Event, Input};
use downbeat_bots::{Bots, Brain};
use downbeat_client::{Client, Start, View};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{Micros, Sighting, Tick};

const HZ: u32 = 60;
const TICK_US: u64 = 1_000_000 / HZ as u64;

/// Each way of the line takes this long.
const LATENCY: Micros = Micros::from_millis(15);

struct Seat {
    client: Client<Arena>,
    brain: Box<dyn Brain<Arena>>,
    up: VecDeque<(Micros, Vec<u8>)>,
}

#[derive(Default)]
struct Outbox {
    now: Micros,
    sent: VecDeque<(Micros, SessionId, Vec<u8>)>,
    reliable: VecDeque<(Micros, SessionId, Vec<u8>)>,
}

impl Net for Outbox {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_150)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.sent.push_back((self.now + LATENCY, session, datagram.to_vec()));
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        self.reliable.push_back((self.now + LATENCY, session, bytes.to_vec()));
    }
}

/// What came of a match.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Of all bots, all the time, dead or alive.
    speed_mean_mps: f64,
    visible_players_mean: f64,
    shots: u64,
    hits: u64,
    deaths: u64,
    fires: u64,
    /// Longest time in which a bot did not change its direction, in ticks.
    straight_ticks_max: u32,
    error_max_m: f32,
    alive_share: f64,
}

/// Watches a match.
struct Watch {
    outcome: Outcome,
    samples: u64,
    living: u64,
    path_m: f64,
    /// Where each bot was, if it lived.
    places: Vec<Option<Vec3>>,
    /// How long each has looked the same way.
    straight: Vec<(f32, u32)>,
}

impl Watch {
    fn new(bots: u16) -> Self {
        let (places, straight) = (vec![None; bots.into()], vec![(f32::NAN, 0); bots.into()]);
        Self { outcome: Outcome::default(), samples: 0, living: 0, path_m: 0.0, places, straight }
    }

    fn note(&mut self, bot: usize, view: &View<'_, Arena>, input: &Input) {
        let outcome = &mut self.outcome;
        outcome.fires += u64::from(input.fire);
        for event in &view.events {
            match event {
                Event::Shot(_) => outcome.shots += 1,
                Event::Hit(_) => outcome.hits += 1,
                Event::Died(_) => outcome.deaths += 1,
                Event::Explosion(_) => {}
            }
        }
        let Some(Entity::Player(own)) = &view.avatar else { return };
        self.samples += 1;
        self.living += u64::from(own.alive);
        if let Some(before) = self.places[bot].filter(|_| own.alive) {
            self.path_m += f64::from((own.position - before).with_y(0.0).length());
        }
        self.places[bot] = own.alive.then_some(own.position);
        let is_player = |other: &&Sighting<Entity>| matches!(other.entity, Entity::Player(_));
        outcome.visible_players_mean += view.others.iter().filter(is_player).count() as f64;
        let (yaw, since) = &mut self.straight[bot];
        if *yaw != input.yaw || !own.alive {
            (*yaw, *since) = (input.yaw, 0);
        }
        *since += 1;
        outcome.straight_ticks_max = outcome.straight_ticks_max.max(*since);
    }

    fn end(mut self) -> Outcome {
        // Everybody hears of each death.
        self.outcome.deaths /= self.places.len() as u64;
        self.outcome.speed_mean_mps = self.path_m * f64::from(HZ) / self.samples as f64;
        self.outcome.visible_players_mean /= self.samples as f64;
        self.outcome.alive_share = self.living as f64 / self.samples as f64;
        self.outcome
    }
}

fn seats(room: &mut Room<Arena>, brain: &str, bots: u16, seed: u64) -> Vec<Seat> {
    let (world, coding) = Client::<Arena>::shared(&Config::default()).expect("the default rules are fine");
    let seat = |i| {
        let player = room.join(SessionId(u32::from(i)), &format!("bot-{i}"), false).expect("there is room");
        let start = Start { player, tick_rate_hz: HZ, send_rate_hz: HZ, tick: Tick::ZERO, rtt: LATENCY + LATENCY };
        let client = Client::new(Arc::clone(&world), Arc::clone(&coding), start);
        let brain = Arena::brain(brain, seed * 1_000 + u64::from(i), HZ).expect("the arena has it");
        Seat { client, brain, up: VecDeque::new() }
    };
    (0..bots).map(seat).collect()
}

fn play(brain: &str, bots: u16, seconds: u32, seed: u64) -> Outcome {
    let options = RoomOptions {
        tick_rate_hz: HZ,
        send_rate_hz: HZ,
        seed,
        players_max: bots,
        spectators_max: 0,
        client_bytes_per_s: 80_000,
    };
    let mut room: Room<Arena> = Room::new(&Config::default(), options).expect("the options are fine");
    let mut seats = seats(&mut room, brain, bots, seed);
    let mut watch = Watch::new(bots);
    let mut outbox = Outbox::default();
    // Steps of a millisecond; the room's tick falls on the nearest.
    let mut next_tick = Micros(TICK_US);
    for now in (0..u64::from(seconds) * 1_000).map(Micros::from_millis) {
        for (i, seat) in seats.iter_mut().enumerate() {
            while seat.up.front().is_some_and(|(at, _)| *at <= now) {
                let (at, datagram) = seat.up.pop_front().expect("seen");
                room.receive(SessionId(i as u32), at, &datagram).expect("bots are honest");
            }
        }
        if now >= next_tick {
            next_tick = next_tick + Micros(TICK_US);
            outbox.now = now;
            room.tick(now, &mut outbox);
        }
        while outbox.sent.front().is_some_and(|(at, ..)| *at <= now) {
            let (at, session, datagram) = outbox.sent.pop_front().expect("seen");
            let received = seats[session.0 as usize].client.receive(at, &datagram).expect("the room speaks well");
            let error_m = received.prediction_error_m.unwrap_or(0.0);
            watch.outcome.error_max_m = watch.outcome.error_max_m.max(error_m);
        }
        while outbox.reliable.front().is_some_and(|(at, ..)| *at <= now) {
            let (at, session, bytes) = outbox.reliable.pop_front().expect("seen");
            seats[session.0 as usize].client.receive_reliable(at, &bytes).expect("the room speaks well");
        }
        for (i, seat) in seats.iter_mut().enumerate() {
            let Some(tick) = seat.client.poll_input(now) else { continue };
            let view = seat.client.view(now);
            let input = seat.brain.decide(&view, tick);
            watch.note(i, &view, &input);
            seat.client.input(now, tick, &input);
            let mut datagram = Vec::new();
            seat.client.transmit(&mut datagram);
            seat.up.push_back((now + LATENCY, datagram));
        }
    }
    watch.end()
}

#[test]
fn sixteen_fighters_run_see_each_other_and_hit() {
    let outcome = play("fight", 16, 20, 1);
    println!("{outcome:?}");
    assert!(outcome.speed_mean_mps >= 3.0, "{outcome:?}");
    assert!(outcome.visible_players_mean >= 8.0, "{outcome:?}");
    assert!(outcome.hits > 50 && outcome.deaths > 3, "{outcome:?}");
    assert!(outcome.hits * 2 < outcome.fires, "nobody aims like a machine: {outcome:?}");
}

#[test]
fn wanderers_keep_moving_and_turning_never_fire_and_predict_perfectly() {
    let outcome = play("wander", 8, 15, 2);
    println!("{outcome:?}");
    assert!(outcome.speed_mean_mps >= 3.0, "{outcome:?}");
    assert_eq!((outcome.fires, outcome.shots, outcome.deaths), (0, 0, 0), "{outcome:?}");
    assert!(outcome.straight_ticks_max <= HZ, "{outcome:?}");
    assert!(outcome.error_max_m <= 0.01, "{outcome:?}");
}

#[test]
fn equal_seeds_play_equal_matches() {
    assert_eq!(play("fight", 4, 5, 3), play("fight", 4, 5, 3));
    assert_ne!(play("fight", 4, 5, 3), play("fight", 4, 5, 4));
}
