//! What is shown of others is where they were at the shown moment: on their curve between snapshots, a little further when
//! the next does not arrive, and nowhere while they were out of sight.

use std::cell::RefCell;
use std::rc::Rc;

use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId, Replicated,
    Rewind, Scene, Setup, Tick, Viewer, Visible,
};
use downbeat_simnet::{Options, Player, Sim};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    held: bool,
}

#[derive(Replicated, Clone)]
struct Rider {
    #[field(position, range = -64.0..=64.0, step = 0.0009765625)]
    at: Vec3,
    #[field(velocity, range = -64.0..=64.0, step = 0.0009765625)]
    velocity: Vec3,
}

#[derive(Replicated, Clone)]
enum Entity {
    Rider(Rider),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {}

const RIDER: EntityId = EntityId::new(9, 0);
const RADIUS_M: f32 = 10.0;
const TURNS_PER_TICK: f64 = 1.0 / 120.0;

/// A rider on a circle who is out of sight for a while in each turn: 31 m/s, and 99 m/s² towards the middle.
fn rider(tick: f64) -> Rider {
    let (sin, cos) = libm::sincos(tick * TURNS_PER_TICK * std::f64::consts::TAU);
    let (sin, cos) = (sin as f32, cos as f32);
    let speed = RADIUS_M * (TURNS_PER_TICK * std::f64::consts::TAU * 60.0) as f32;
    Rider { at: Vec3::new(cos, 0.0, sin) * RADIUS_M, velocity: Vec3::new(-sin, 0.0, cos) * speed }
}

const fn is_out_of_sight(tick: u32) -> bool {
    tick % 120 >= 90
}

struct Ring {
    tick: u32,
    players: Vec<PlayerId>,
}

impl Game for Ring {
    const NAME: &'static str = "ring";
    type Config = Rules;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(_: &Rules, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { tick: 0, players: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.push(player);
    }

    fn leave(&mut self, player: PlayerId) {
        self.players.retain(|other| *other != player);
    }

    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        self.tick = tick.0;
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for &player in &self.players {
            out.put_avatar(EntityId::new(player.0.into(), 0), player, &mut Entity::Rider(rider(0.0)));
        }
        out.put(RIDER, &mut Entity::Rider(rider(self.tick.into())));
    }

    fn relevance(&self, _: &Viewer, _: &Scene, out: &mut Visible) {
        if !is_out_of_sight(self.tick) {
            out.add(RIDER);
        }
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Pad) {}
}

/// The moments at which the rider was looked at, and where it was shown.
type Looks = Rc<RefCell<Vec<(f64, Option<Vec3>)>>>;

struct Watcher(Looks);

impl Player<Ring> for Watcher {
    fn decide(&mut self, _: Tick, view: &View<'_, Ring>) -> Pad {
        let at = view.others.iter().map(|other| {
            let Entity::Rider(rider) = &other.entity;
            rider.at
        });
        self.0.borrow_mut().push((view.shown, at.into_iter().next()));
        Pad::default()
    }
}

fn watch(line: &str, send_rate_hz: u32) -> (Sim<Ring>, Looks) {
    let looks = Looks::default();
    let link: LinkSpec = line.parse().expect("the line is spelled right");
    let options = Options { link, clients: 1, send_rate_hz, ..Options::new(3) };
    let watcher = |_, _| Box::new(Watcher(Rc::clone(&looks))) as Box<dyn Player<Ring>>;
    let mut sim = Sim::<Ring>::new(options, &Rules::default(), watcher).expect("it opens");
    sim.run(Micros::from_millis(4_500));
    looks.borrow_mut().clear();
    (sim, looks)
}

#[test]
fn a_rider_is_shown_on_its_curve_and_nowhere_while_out_of_sight() {
    // Straight from one snapshot to the next it would be 3 to 31 mm off.
    for (line, send_rate_hz, error_max) in
        [("latency=30ms", 60, 0.002), ("latency=30ms,jitter=10ms,loss=10%", 60, 0.02), ("latency=30ms", 20, 0.002)]
    {
        let (mut sim, looks) = watch(line, send_rate_hz);
        sim.run(Micros::from_millis(10_000));
        let interval = 60 / send_rate_hz;
        let (mut seen, mut worst) = (0, 0.0_f32);
        for &(shown, at) in looks.borrow().iter() {
            let tick = shown as u32;
            // Whether it is there is told with a snapshot, and one may be lost.
            let sure = 4 * interval;
            if is_out_of_sight(tick) && is_out_of_sight(tick - sure) {
                assert_eq!(at, None, "{line}: {shown}");
            }
            if (tick - sure..=tick + sure).all(|tick| !is_out_of_sight(tick)) {
                let off = at.expect("it is in sight").distance(rider(shown).at);
                seen += 1;
                worst = worst.max(off);
            }
        }
        assert!(seen > 250 && worst < error_max, "{line} at {send_rate_hz}: {worst} m off, {seen} looks");
    }
}

#[test]
fn who_is_heard_of_no_more_goes_on_for_a_tenth_of_a_second_and_then_stands_still() {
    let (mut sim, looks) = watch("latency=30ms", 60);
    sim.set_link(&"latency=30ms,loss=100%".parse().expect("it is spelled right"));
    sim.run(Micros::from_millis(400));
    let looks = looks.borrow();
    let newest = f64::from(sim.clients().next().expect("there is one").newest().0);
    for &(shown, at) in looks.iter() {
        let Some(at) = at else { panic!("it is in sight at {shown}") };
        let beyond_s = ((shown - newest) / 60.0).clamp(0.0, 0.1) as f32;
        let told = rider(shown.min(newest));
        let expected = told.at + told.velocity * beyond_s;
        assert!(at.distance(expected) < 0.01, "{shown}, newest {newest}: {at} instead of {expected}");
    }
    assert!(looks.iter().any(|&(shown, _)| shown > newest + 12.0), "the view went beyond what is extrapolated");
}
