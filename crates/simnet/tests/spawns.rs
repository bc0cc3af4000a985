//! A player sees its own shot at once, once, and where it is; what the server did not let happen goes away.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use downbeat_client::View;
use downbeat_client::limits::{FADE_SPEED_MAX_MPS, SPAWN_UNTOLD_MAX};
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId,
    Replicated, Rewind, Setup, Tick, dt,
};
use downbeat_simnet::{Options, Player, Sim};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    #[field(action)]
    throw: bool,
}

#[derive(Replicated, Clone)]
struct Thrower {
    #[field(player, range = 0..=127)]
    player: PlayerId,
    #[field(owner, range = 0..=250)]
    tired: u8,
}

#[derive(Replicated, Clone)]
struct Ball {
    #[field(position, range = -256.0..=256.0, step = 0.015625, owner_bits = 3)]
    position: Vec3,
    #[field(range = 0..=127)]
    thrower: PlayerId,
    thrown: u32,
}

#[derive(Replicated, Clone)]
enum Entity {
    Thrower(Thrower),
    Ball(Ball),
}

/// What both know, and five things that no client foresees.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {
    /// Where balls end, on x.
    wall_m: f32,
    /// Where they end for the server.
    net_m: f32,
    /// In this tick everybody gets tired for 30 ticks.
    tiring: u32,
    /// In this tick player 0 throws a ball that is lost.
    losing: u32,
    /// The server's balls are blown sideways.
    wind_mps: f32,
    /// In tick 220 they are blown so far at once.
    gust_m: f32,
}

const CALM: Rules = Rules { wall_m: 200.0, net_m: 200.0, tiring: 0, losing: 0, wind_mps: 0.0, gust_m: 0.0 };
const SPEED_MPS: f32 = 30.0;

struct Range {
    rules: Rules,
    ids: EntityIds,
    throwers: BTreeMap<PlayerId, (EntityId, Thrower)>,
    balls: Vec<(EntityId, Ball)>,
}

/// Whether the thrower throws. Both ends ask.
fn throw(thrower: &mut Thrower, pad: &Pad) -> bool {
    thrower.tired = thrower.tired.saturating_sub(1);
    let throws = pad.throw && thrower.tired == 0;
    thrower.tired += if throws { 3 } else { 0 };
    throws
}

/// A ball in the tick in which it is thrown. Throwers stand a metre apart.
fn thrown(thrower: PlayerId, tick: Tick) -> Ball {
    let position = Vec3::new(SPEED_MPS * dt(60), 0.0, f32::from(thrower.0));
    Ball { position, thrower, thrown: tick.0 }
}

/// Whether the ball flies on.
fn fly(ball: &mut Ball, rules: &Rules) -> bool {
    ball.position.x += SPEED_MPS * dt(60);
    ball.position.x < rules.wall_m
}

impl Game for Range {
    const NAME: &'static str = "range";
    type Config = Rules;
    type World = Rules;
    type Input = Pad;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(rules: &Rules) -> Result<Rules, ConfigError> {
        Ok(rules.clone())
    }

    fn new(rules: &Rules, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { rules: rules.clone(), ids: EntityIds::default(), throwers: BTreeMap::new(), balls: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        let id = self.ids.spawn().expect("there are enough");
        self.throwers.insert(player, (id, Thrower { player, tired: 0 }));
    }

    fn leave(&mut self, player: PlayerId) {
        self.throwers.remove(&player);
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        let (rules, ids) = (&self.rules, &mut self.ids);
        self.balls.retain_mut(|(id, ball)| {
            ball.position.z += rules.wind_mps * dt(60) + if tick.0 == 220 { rules.gust_m } else { 0.0 };
            let flies = fly(ball, rules) && ball.position.x < rules.net_m;
            if !flies {
                ids.free(*id);
            }
            flies
        });
        for input in inputs.iter() {
            let (_, thrower) = self.throwers.get_mut(&input.player).expect("who plays has joined");
            let lost = tick.0 == rules.losing && input.player.0 == 0;
            if throw(thrower, &input.input) && !lost {
                self.balls.push((ids.spawn().expect("there are enough"), thrown(input.player, tick)));
            }
            thrower.tired += if tick.0 == rules.tiring { 30 } else { 0 };
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        let throwers =
            self.throwers.iter().map(|(player, (id, thrower))| (*id, Some(*player), Entity::Thrower(thrower.clone())));
        let balls = self.balls.iter().map(|(id, ball)| (*id, None, Entity::Ball(ball.clone())));
        let mut all: Vec<_> = throwers.chain(balls).collect();
        all.sort_by_key(|(id, ..)| id.index());
        for (id, player, entity) in &mut all {
            match player {
                Some(player) => out.put_avatar(*id, *player, entity),
                None => out.put(*id, entity),
            }
        }
        for (id, ball) in &mut self.balls {
            let same = all.iter().find(|(other, ..)| other == id);
            if let Some((_, _, Entity::Ball(rounded))) = same {
                *ball = rounded.clone();
            }
        }
    }

    fn predict(_: &Context<'_, Self>, own: &mut Entity, pad: &Pad) {
        let Entity::Thrower(own) = own else { return };
        throw(own, pad);
    }

    fn predict_spawn(context: &Context<'_, Self>, before: &Entity, _: &Entity, pad: &Pad) -> Option<Entity> {
        let Entity::Thrower(mut own) = before.clone() else { return None };
        throw(&mut own, pad).then(|| Entity::Ball(thrown(own.player, context.tick)))
    }

    fn predict_flight(context: &Context<'_, Self>, spawned: &mut Entity) -> bool {
        let Entity::Ball(ball) = spawned else { return false };
        fly(ball, context.world)
    }
}

/// What a player sees of the balls in a frame: its own as spawned, then its own among the others.
struct Frame {
    /// The tick that was played last.
    tick: u32,
    spawned: Vec<Ball>,
    told: Vec<Ball>,
}

/// The frames of player 0, from two seconds on, while two players throw in the same ticks.
fn frames(rules: &Rules, line: &str, seed: u64, count: u64, throws: fn(u32) -> bool) -> (Vec<Frame>, Sim<Range>) {
    let link: LinkSpec = line.parse().expect("the line is spelled right");
    let played = Rc::new(Cell::new(0));
    let player = |i, _| {
        let played = Rc::clone(&played);
        Box::new(move |tick: Tick, _: &View<'_, Range>| {
            if i == 0 {
                played.set(tick.0);
            }
            Pad { throw: throws(tick.0) }
        }) as Box<dyn Player<Range>>
    };
    let mut sim = Sim::<Range>::new(Options { link, ..Options::new(seed) }, rules, player).expect("it opens");
    sim.run(Micros(2_000_000));
    let frames = (1..=count).map(|frame| {
        sim.run(Micros(16_667));
        let now = Micros(2_000_000 + frame * 16_667);
        let view = sim.clients_mut().next().expect("there are two").view(now);
        let me = view.player.expect("it plays");
        let ball = |entity: &Entity| if let Entity::Ball(ball) = entity { Some(ball.clone()) } else { None };
        let balls = view.others.iter().filter_map(|other| ball(&other.entity));
        Frame {
            tick: played.get(),
            spawned: view.spawned.iter().filter_map(|own| ball(&own.entity)).collect(),
            told: balls.filter(|ball| ball.thrower == me).collect(),
        }
    });
    let frames = frames.collect();
    (frames, sim)
}

/// Now and then, some of them close together.
fn often(tick: u32) -> bool {
    tick.is_multiple_of(23) || (tick + 5).is_multiple_of(23)
}

/// Whenever the client is sure of nothing but this one.
fn once(tick: u32) -> bool {
    tick == 200
}

#[test]
fn a_shot_is_seen_at_once_and_never_twice_on_a_bad_line() {
    for seed in 1..6 {
        let line = "latency=75ms,jitter=20ms,loss=5%,burst=3";
        let rules = Rules { wall_m: 20.0, ..CALM };
        let (frames, sim) = frames(&rules, line, seed, 1_200, often);
        let mut ended: Vec<u32> = Vec::new();
        let mut before: &[Ball] = &[];
        let mut shots = 0;
        for frame in &frames {
            assert!(frame.told.is_empty(), "seed {seed}: the server's copy is shown, tick {}", frame.tick);
            for ball in &frame.spawned {
                let expected = (frame.tick - ball.thrown + 1) as f32 * SPEED_MPS * dt(60);
                assert!(
                    (ball.position.x - expected).abs() < 0.05,
                    "seed {seed}: {} m, not {expected}",
                    ball.position.x
                );
                assert!(!ended.contains(&ball.thrown), "seed {seed}: {} is back", ball.thrown);
                let same = frame.spawned.iter().filter(|other| other.thrown == ball.thrown).count();
                assert_eq!(same, 1, "seed {seed}: {} is seen {same} times", ball.thrown);
            }
            if often(frame.tick) {
                shots += 1;
                let seen = frame.spawned.iter().any(|ball| ball.thrown == frame.tick);
                assert!(seen, "seed {seed}: {} is not seen in its frame", frame.tick);
            }
            let gone = before.iter().filter(|ball| frame.spawned.iter().all(|other| other.thrown != ball.thrown));
            ended.extend(gone.map(|ball| ball.thrown));
            before = &frame.spawned;
        }
        let counters = sim.clients().next().expect("there are two").counters();
        assert!(shots > 60, "{shots}");
        assert!(counters.spawns_matched * 100 > counters.spawns * 85, "seed {seed}: {counters:?}");
        assert!(counters.spawns_matched + counters.spawns_withdrawn + 8 > counters.spawns, "seed {seed}: {counters:?}");
    }
}

/// The frames in which the shot of tick 200 is seen, by the tick played last.
fn seen(frames: &[Frame]) -> Vec<u32> {
    let seen = frames.iter().filter(|frame| frame.spawned.iter().chain(&frame.told).any(|ball| ball.thrown == 200));
    seen.map(|frame| frame.tick).collect()
}

#[test]
fn a_shot_that_is_not_fired_after_the_replay_is_withdrawn_as_soon_as_that_is_known() {
    // The thrower got tired three ticks before, of which it hears a round trip later: 6 ticks and a bit.
    let (frames, sim) = frames(&Rules { tiring: 197, ..CALM }, "latency=50ms", 1, 300, once);
    let seen = seen(&frames);
    assert_eq!(seen.first(), Some(&200));
    assert!((2..=8).contains(&seen.len()), "{seen:?}");
    assert_eq!(sim.clients().next().expect("there are two").counters().spawns_withdrawn, 1);
}

#[test]
fn a_shot_of_which_the_server_never_tells_disappears_in_time_though_another_flies_beside_it() {
    let (frames, sim) = frames(&Rules { losing: 200, ..CALM }, "latency=50ms", 1, 300, once);
    let seen = seen(&frames);
    // A round trip, and the wait.
    let most = 9 + (SPAWN_UNTOLD_MAX.as_secs_f64() * 60.0) as usize;
    assert!((most - 4..=most).contains(&seen.len()), "{} frames, {most} are allowed", seen.len());
    assert_eq!(sim.clients().next().expect("there are two").counters().spawns_withdrawn, 1);
}

#[test]
fn what_the_server_ends_is_gone_and_does_not_fly_again_in_the_past() {
    // The server's net stops it after 15 m, half a second.
    let (frames, _) = frames(&Rules { net_m: 15.0, ..CALM }, "latency=50ms", 1, 300, once);
    let seen = seen(&frames);
    let last = seen[seen.len() - 1];
    assert!((30..=40).contains(&(last - 200)), "{seen:?}");
    assert_eq!(seen.len() as u32, last - 200 + 1, "it was never gone in between");
    // What ends here first, at the wall, does not come back as the server's copy.
    let (frames, _) = self::frames(&Rules { wall_m: 3.0, ..CALM }, "latency=150ms", 1, 300, once);
    assert!(self::seen(&frames).len() <= 6, "{:?}", self::seen(&frames));
}

#[test]
fn where_the_server_disagrees_the_shot_closes_in_without_a_jump() {
    for (wind_mps, gust_m) in [(5.0, 0.0), (0.0, 1.5)] {
        let (frames, _) = frames(&Rules { wind_mps, gust_m, ..CALM }, "latency=100ms", 1, 300, once);
        assert!(frames.iter().all(|frame| frame.told.is_empty()));
        let path = frames.iter().filter_map(|frame| Some((frame.tick, frame.spawned.first()?.position.z)));
        let path: Vec<_> = path.collect();
        // Sideways it moves as the wind does and as an error fades, no faster.
        let most = (FADE_SPEED_MAX_MPS as f32 + wind_mps) * dt(60) + 0.02;
        for pair in path.windows(2) {
            let way = (pair[1].1 - pair[0].1).abs();
            assert!(way <= most, "{way} m in a frame, {most} are allowed, {pair:?}");
        }
        let (tick, z) = path[90];
        // It knows of the wind up to a round trip ago.
        let blown = (tick - 200) as f32 * wind_mps * dt(60) + gust_m;
        assert!((blown - wind_mps * 0.32 - 0.02..=blown + 0.02).contains(&z), "{z} m, blown {blown} m");
    }
}
