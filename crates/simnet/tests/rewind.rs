//! What a shooter saw is what the server tests the shot against; and only those hear of it who should.

use std::cell::RefCell;
use std::rc::Rc;

use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Hearers, Input, Inputs, Micros, PlayerId, Replicated,
    Rewind, Scene, Setup, Tick, Viewer, Visible,
};
use downbeat_simnet::{Options, Player, Sim};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Trigger {
    #[field(action)]
    fire: bool,
}

#[derive(Replicated, Clone)]
struct Body {
    #[field(position, range = -2048.0..=2048.0, step = 0.015625)]
    at: Vec3,
    #[field(velocity, range = -64.0..=63.984375, step = 0.015625)]
    velocity: Vec3,
}

#[derive(Replicated, Clone)]
enum Entity {
    Body(Body),
}

/// Where the shooter's target was, as far as the server knows.
#[derive(Replicated, Clone)]
struct Shot {
    #[field(range = 0..=7)]
    shooter: PlayerId,
    /// The tick of the input that fired.
    tick: u32,
    #[field(range = -2048.0..=2048.0, step = 0.001)]
    x: f32,
}

#[derive(Replicated, Clone)]
enum Event {
    Shot(Shot),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {}

const TARGET: EntityId = EntityId::new(100, 0);
const HIDDEN: EntityId = EntityId::new(101, 0);

/// Now and then the target is somewhere else at once. It runs 45 m to and fro.
const JUMP_EVERY: u32 = 275;
const JUMP_M: f32 = 300.0;

/// A target that runs to and fro, and players who stand and fire.
struct Range {
    players: Vec<PlayerId>,
    x: f32,
    step_m: f32,
}

impl Game for Range {
    const NAME: &'static str = "range";
    type Config = Rules;
    type World = ();
    type Input = Trigger;
    type Entity = Entity;
    type Event = Event;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(_: &Rules, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { players: Vec::new(), x: 0.0, step_m: 0.0 })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.push(player);
    }

    fn leave(&mut self, player: PlayerId) {
        self.players.retain(|other| *other != player);
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Trigger>, past: &impl Rewind<Entity>, out: &mut Events<Event>) {
        self.step_m = if (tick.0 / 90).is_multiple_of(2) { 0.5 } else { -0.5 };
        self.x += if tick.0.is_multiple_of(JUMP_EVERY) { JUMP_M } else { self.step_m };
        for input in inputs.iter().filter(|input| input.input.fire) {
            let Some(Entity::Body(seen)) = past.at(TARGET, input.view) else { continue };
            let shot = |x| Event::Shot(Shot { shooter: input.player, tick: tick.0, x });
            out.emit_reliable(Hearers::Player(input.player), shot(seen.at.x));
            // Nobody is shown the hidden one, so nobody may hear this.
            out.emit_reliable(Hearers::Viewers(HIDDEN), shot(2_000.0));
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for &player in &self.players {
            let mut body = Entity::Body(Body { at: Vec3::ZERO, velocity: Vec3::ZERO });
            out.put_avatar(EntityId::new(player.0.into(), 0), player, &mut body);
        }
        for (id, y) in [(TARGET, 1.0), (HIDDEN, 2.0)] {
            let mut body = Entity::Body(Body { at: Vec3::new(self.x, y, 0.0), velocity: Vec3::X * self.step_m * 60.0 });
            out.put(id, &mut body);
        }
    }

    fn relevance(&self, _: &Viewer, scene: &Scene, out: &mut Visible) {
        scene.ids().filter(|id| *id != HIDDEN).for_each(|id| out.add(id));
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Trigger) {}
}

/// What the players saw when they fired, and what they were told of it.
#[derive(Default)]
struct Log {
    fired: Vec<(u16, u32, f32)>,
    /// Who was told, and of what.
    told: Vec<(u16, Shot)>,
}

struct Shooter(Rc<RefCell<Log>>);

impl Player<Range> for Shooter {
    fn decide(&mut self, tick: Tick, view: &View<'_, Range>) -> Trigger {
        let me = view.player.map_or(u16::MAX, |player| player.0);
        let target = view.others.iter().map(|other| {
            let Entity::Body(body) = &other.entity;
            body.at
        });
        let target = target.into_iter().find(|at| at.y > 0.5);
        let mut log = self.0.borrow_mut();
        log.told.extend(view.events.iter().map(|Event::Shot(shot)| (me, shot.clone())));
        let fire = tick.0 % 10 == 7 && tick.0 > 120 && target.is_some();
        if let Some(target) = target.filter(|_| fire) {
            log.fired.push((me, tick.0, target.x));
        }
        Trigger { fire }
    }
}

/// Three shooters for 15 s over this line, with so many snapshots a second.
fn fight(line: &str, send_rate_hz: u32) -> Log {
    let log = Rc::new(RefCell::new(Log::default()));
    let link: LinkSpec = line.parse().expect("the line is spelled right");
    let options = Options { link, clients: 3, send_rate_hz, ..Options::new(11) };
    let player = |_, _| Box::new(Shooter(Rc::clone(&log))) as Box<dyn Player<Range>>;
    let mut sim = Sim::<Range>::new(options, &Rules::default(), player).expect("it opens");
    sim.run(Micros::from_millis(15_000));
    drop(sim);
    Rc::into_inner(log).expect("the players are gone").into_inner()
}

#[test]
fn a_shot_is_tested_against_what_its_shooter_saw_and_told_to_nobody_else() {
    let lines = [
        ("latency=5ms", 60),
        ("latency=40ms,jitter=5ms", 60),
        ("latency=40ms,jitter=5ms,loss=5%", 60),
        ("latency=20ms,jitter=5ms", 20),
    ];
    for (line, send_rate_hz) in lines {
        let log = fight(line, send_rate_hz);
        assert!(log.told.len() > 60, "{line}: {} shots were told", log.told.len());
        let mut errors = Vec::new();
        for (me, shot) in &log.told {
            assert_eq!(shot.shooter.0, *me, "{line}: a shot of another was told");
            let seen = log.fired.iter().find(|(who, tick, _)| (who, tick) == (me, &shot.tick));
            let (.., seen) = seen.expect("nothing is fired that was not fired");
            let side = |x: f32| (x / JUMP_M).round() as u32;
            assert_eq!(side(shot.x), (shot.tick - 1) / JUMP_EVERY, "{line}: a shot hit where nobody was any more");
            if side(*seen) == side(shot.x) {
                errors.push((seen - shot.x).abs());
            }
        }
        errors.sort_unstable_by(f32::total_cmp);
        let worst = errors[(errors.len() - 1) * 98 / 100];
        // A sixteenth of a tick, half a metre each; who turned while a snapshot was lost was seen to turn elsewhere.
        assert!(worst < 0.5 / 16.0 + 0.02, "{line} at {send_rate_hz}: {errors:?}");
    }
}
