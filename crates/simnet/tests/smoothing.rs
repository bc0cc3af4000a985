//! What a correction moves is not seen to jump: the picture follows, slowly where little is wrong, fast where much is. A
//! teleport does jump. And what a client must play again after an outage is bounded.

use std::cell::Cell;

use downbeat_client::View;
use downbeat_client::limits::{FADE_SPEED_MAX_MPS, HISTORY_TICKS};
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId, Replicated,
    Rewind, Setup, Tick, dt,
};
use downbeat_simnet::{Options, Player, Sim};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    run: bool,
}

#[derive(Replicated, Clone)]
struct Body {
    #[field(position, range = -256.0..=256.0, step = 0.001953125)]
    at: Vec3,
}

#[derive(Replicated, Clone)]
enum Entity {
    Body(Body),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {
    /// How far everybody is shoved in tick 120, which no client foresees.
    shove_m: f32,
    /// From tick 120 on nobody runs, which no client foresees.
    mud: bool,
}

struct Shove {
    rules: Rules,
    bodies: Vec<(PlayerId, Body)>,
}

/// What the arena's players run at.
const SPEED_MPS: f32 = 6.5;

thread_local! {
    /// Calls of `predict`.
    static PREDICTED: Cell<usize> = const { Cell::new(0) };
}

fn run(body: &mut Body, pad: &Pad) {
    body.at.z += if pad.run { SPEED_MPS * dt(60) } else { 0.0 };
}

impl Game for Shove {
    const NAME: &'static str = "shove";
    type Config = Rules;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(rules: &Rules, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { rules: rules.clone(), bodies: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.bodies.push((player, Body { at: Vec3::ZERO }));
    }

    fn leave(&mut self, player: PlayerId) {
        self.bodies.retain(|(other, _)| *other != player);
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        for (player, body) in &mut self.bodies {
            body.at.x += if tick.0 == 120 { self.rules.shove_m } else { 0.0 };
            if let Some(given) = inputs.of(*player).filter(|_| !self.rules.mud || tick.0 < 120) {
                run(body, &given.input);
            }
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for (player, body) in &mut self.bodies {
            let mut entity = Entity::Body(body.clone());
            out.put_avatar(EntityId::new(player.0.into(), 0), *player, &mut entity);
            let Entity::Body(rounded) = entity;
            *body = rounded;
        }
    }

    fn predict(_: &Context<'_, Self>, own: &mut Entity, pad: &Pad) {
        PREDICTED.set(PREDICTED.get() + 1);
        let Entity::Body(own) = own;
        run(own, pad);
    }
}

fn link(spec: &str) -> LinkSpec {
    spec.parse().expect("the line is spelled right")
}

fn sim(rules: &Rules, line: &str, held: bool) -> Sim<Shove> {
    let options = Options { link: link(line), clients: 1, ..Options::new(1) };
    let player = |_, _| Box::new(move |_: Tick, _: &View<'_, Shove>| Pad { run: held }) as Box<dyn Player<Shove>>;
    Sim::new(options, rules, player).expect("it opens")
}

/// Where the avatar is and how far from there it is drawn.
fn look(sim: &mut Sim<Shove>, now: Micros) -> (Vec3, Vec3) {
    let view = sim.clients_mut().next().expect("there is one").view(now);
    let Some(Entity::Body(body)) = view.avatar else { panic!("an avatar is predicted") };
    (body.at, view.avatar_offset)
}

/// The offset on the axis of the shove and where the avatar is, at frames so many milliseconds apart, around the shove.
fn frames(shove_m: f32, apart_ms: u64) -> Vec<(u64, f32, f32)> {
    let mut sim = sim(&Rules { shove_m, mud: false }, "latency=20ms", false);
    sim.run(Micros::from_millis(1_900));
    let times = (1..).map(|i| 1_900 + i * apart_ms).take_while(|ms| *ms < 3_400);
    let look = times.map(|ms| {
        sim.run(Micros::from_millis(apart_ms));
        let (at, offset) = look(&mut sim, Micros::from_millis(ms));
        (ms, offset.x, at.x)
    });
    look.collect()
}

#[test]
fn small_corrections_fade_slowly_and_large_ones_fast_and_neither_is_seen_to_jump() {
    for shove_m in [0.05_f32, 0.4, 1.9] {
        let frames = frames(shove_m, 1);
        let first = frames.iter().position(|(_, offset, _)| *offset != 0.0).expect("it is corrected");
        let drawn: Vec<_> = frames.iter().map(|(_, offset, at)| offset + at).collect();
        let step_max = FADE_SPEED_MAX_MPS as f32 / 1_000.0 + 0.001;
        assert!(drawn.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= step_max), "{shove_m} m");
        let halved = frames[first..].iter().position(|(_, offset, _)| offset.abs() < shove_m / 2.0);
        let halved_ms = halved.expect("it fades");
        let expected = if shove_m < 0.1 { 160..200 } else { 60..130 };
        assert!(expected.contains(&halved_ms), "{shove_m} m halved after {halved_ms} ms");
        assert!((drawn[drawn.len() - 1] - shove_m).abs() < 0.02, "{shove_m} m: it gets there");
    }
}

#[test]
fn fading_does_not_depend_on_the_rate_of_frames() {
    for shove_m in [0.2, 1.9] {
        let fine = frames(shove_m, 1);
        for apart_ms in [4, 7, 16, 33] {
            let coarse = frames(shove_m, apart_ms);
            for (ms, offset, at) in coarse {
                let &(_, same, there) = fine.iter().find(|(fine, ..)| *fine == ms).expect("every millisecond is there");
                assert!((offset - same).abs() < 1e-4 && at == there, "{ms} ms: {offset} and {same} m");
            }
        }
    }
}

#[test]
fn a_teleport_is_shown_at_once() {
    let frames = frames(2.5, 1);
    assert!(frames.iter().all(|(_, offset, _)| *offset == 0.0));
    assert!((frames[frames.len() - 1].2 - 2.5).abs() < 0.01, "it was moved");
}

/// The longest way that the picture of the avatar goes in a frame at 60 Hz, what running takes beyond a tick apart (when the
/// clock jumps, a frame samples many), and how far it was at most from where it is,
/// while `during` is done to the line.
fn longest_way(sim: &mut Sim<Shove>, frames: u32, mut during: impl FnMut(&mut Sim<Shove>, u32)) -> (f32, f32, usize) {
    let (mut longest, mut farthest, mut busiest) = (0.0_f32, 0.0_f32, 0);
    let mut before: Option<Vec3> = None;
    let mut inputs = 0;
    for frame in 0..frames {
        during(sim, frame);
        PREDICTED.set(0);
        sim.run(Micros(16_667));
        // From the moment that the avatar is there on.
        let now = Micros(2_000_000 + u64::from(frame + 1) * 16_667);
        let (at, offset) = look(sim, now);
        busiest = busiest.max(PREDICTED.get());
        let sampled = sim.clients().map(|client| client.counters().inputs).sum::<u64>();
        let ran = (sampled - inputs).saturating_sub(1) as f32 * SPEED_MPS * dt(60);
        inputs = sampled;
        longest = longest.max(before.map_or(0.0, |before| before.distance(at + offset)) - ran);
        farthest = farthest.max(offset.length());
        before = Some(at + offset);
    }
    (longest, farthest, busiest)
}

#[test]
fn who_runs_into_mud_is_not_seen_to_jump_though_much_was_predicted_wrong() {
    // Each word of the server takes back a tick of running; the prediction stays nearly four metres ahead.
    let mut sim = sim(&Rules { shove_m: 0.0, mud: true }, "latency=300ms", true);
    sim.run(Micros(2_000_000));
    let (longest, farthest, _) = longest_way(&mut sim, 240, |_, _| {});
    assert!(farthest > 0.5, "the prediction was wrong: {farthest} m");
    assert!(longest < 0.25, "{longest} m in a frame");
}

#[test]
fn an_outage_of_two_seconds_is_caught_up_with_bounded_work_and_without_a_jump() {
    // On the first line all is lost, on the second all arrives late, and at once.
    for cut in ["latency=40ms,loss=100%", "latency=2s"] {
        let mut sim = sim(&Rules::default(), "latency=40ms", true);
        sim.run(Micros(2_000_000));
        let whole = link("latency=40ms");
        let (longest, farthest, busiest) = longest_way(&mut sim, 480, |sim, frame| match frame {
            60 => sim.set_link(&link(cut)),
            180 => sim.set_link(&whole),
            _ => {}
        });
        // Each tick that is told is stepped twice at most, and what is remembered once.
        let most = 3 * HISTORY_TICKS;
        assert!(busiest <= most, "{cut}: {busiest} calls of predict in a frame, {most} are allowed");
        assert!(farthest > 2.0, "{cut}: the prediction went astray: {farthest} m");
        assert!(longest < 0.25, "{cut}: {longest} m in a frame");
        let (_, offset) = look(&mut sim, Micros(2_000_000 + 480 * 16_667));
        assert!(offset.length() < 0.01, "{cut}: {offset} m are left");
        let client = sim.clients().next().expect("there is one");
        assert_eq!(client.counters().mispredicted, 0, "{cut}: all of it was substituted inputs");
        println!("{cut}: {busiest} calls of predict in the busiest frame, {farthest} m off, {longest} m in a frame");
    }
}
