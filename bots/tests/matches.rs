//! The arena's brains in whole matches: room and clients joined in virtual time, without a network.

use std::collections::VecDeque;
use std::sync::Arc;

use downbeat_arena::{Arena, Config, Entity, Event};
use downbeat_bots::{Bots, Brain};
use downbeat_client::{Client, Start};
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
}

impl Net for Outbox {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_150)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.sent.push_back((self.now + LATENCY, session, datagram.to_vec()));
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

fn play(brain: &str, bots: u16, seconds: u32, seed: u64) -> Outcome {
    let config = Config::default();
    let (world, schema) = Client::<Arena>::shared(&config).expect("the default rules are fine");
    let options = RoomOptions {
        tick_rate_hz: HZ,
        send_rate_hz: HZ,
        seed,
        players_max: bots,
        spectators_max: 0,
        client_bytes_per_s: 80_000,
    };
    let mut room: Room<Arena> = Room::new(&config, options).expect("the options are fine");
    let mut seats: Vec<Seat> = (0..bots)
        .map(|i| {
            let player = room.join(SessionId(i.into()), &format!("bot-{i}"), false).expect("there is room");
            let start = Start { player, tick_rate_hz: HZ, send_rate_hz: HZ, tick: Tick::ZERO, rtt: LATENCY + LATENCY };
            let client = Client::new(Arc::clone(&world), Arc::clone(&schema), start);
            let brain = Arena::brain(brain, seed * 1_000 + u64::from(i), HZ).expect("the arena has it");
            Seat { client, brain, up: VecDeque::new() }
        })
        .collect();

    let mut outcome = Outcome::default();
    let mut outbox = Outbox::default();
    let (mut samples, mut path, mut living) = (0_u64, 0.0_f64, 0_u64);
    let mut straight: Vec<(f32, u32)> = vec![(f32::NAN, 0); bots.into()];
    let mut places: Vec<Option<Vec3>> = vec![None; bots.into()];
    // Steps of a millisecond; the room's tick falls on the nearest.
    let mut next_tick = Micros(TICK_US);
    for step in 0..u64::from(seconds) * 1_000 {
        let now = Micros::from_millis(step);
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
            let seat = &mut seats[session.0 as usize];
            let received = seat.client.receive(at, &datagram).expect("the room speaks well");
            outcome.error_max_m = outcome.error_max_m.max(received.prediction_error_m.unwrap_or(0.0));
        }
        for (i, seat) in seats.iter_mut().enumerate() {
            let Some(tick) = seat.client.poll_input(now) else { continue };
            let view = seat.client.view(now);
            let input = seat.brain.decide(&view, tick);
            if let Some(Entity::Player(own)) = &view.avatar {
                samples += 1;
                living += u64::from(own.alive);
                if let Some(before) = places[i].filter(|_| own.alive) {
                    path += f64::from((own.position - before).with_y(0.0).length());
                }
                places[i] = own.alive.then_some(own.position);
                let alive = |e: &&Sighting<Entity>| matches!(&e.entity, Entity::Player(_));
                outcome.visible_players_mean += view.others.iter().filter(alive).count() as f64;
                let (yaw, since) = &mut straight[i];
                if *yaw != input.yaw || !own.alive {
                    (*yaw, *since) = (input.yaw, 0);
                }
                *since += 1;
                outcome.straight_ticks_max = outcome.straight_ticks_max.max(*since);
            }
            for event in &view.events {
                match event {
                    Event::Shot(_) => outcome.shots += 1,
                    Event::Hit(_) => outcome.hits += 1,
                    Event::Died(_) => outcome.deaths += 1,
                    Event::Explosion(_) => {}
                }
            }
            outcome.fires += u64::from(input.fire);
            seat.client.input(now, tick, &input);
            let mut datagram = Vec::new();
            seat.client.transmit(&mut datagram);
            seat.up.push_back((now + LATENCY, datagram));
        }
    }
    outcome.deaths /= u64::from(bots);
    outcome.speed_mean_mps = path / (samples as f64 / f64::from(HZ));
    outcome.visible_players_mean /= samples as f64;
    outcome.alive_share = living as f64 / samples as f64;
    outcome
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
