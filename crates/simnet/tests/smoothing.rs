//! What a correction moves is not seen to jump: the picture follows, half of the way every 50 ms. A teleport does jump.

use downbeat_client::View;
use downbeat_link::LinkSpec;
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Input, Inputs, Micros, NoEvents, PlayerId, Replicated,
    Rewind, Setup, Tick,
};
use downbeat_simnet::{Options, Player, Sim};
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    held: bool,
}

#[derive(Replicated, Clone)]
struct Body {
    #[field(position, range = -64.0..=64.0, step = 0.001953125)]
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
}

struct Shove {
    rules: Rules,
    bodies: Vec<(PlayerId, Body)>,
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

    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        let shove = if tick.0 == 120 { self.rules.shove_m } else { 0.0 };
        self.bodies.iter_mut().for_each(|(_, body)| body.at.x += shove);
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for (player, body) in &self.bodies {
            out.put_avatar(EntityId::new(player.0.into(), 0), *player, &mut Entity::Body(body.clone()));
        }
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Pad) {}
}

/// The picture's offset in each millisecond from the tick of the shove on, and where the avatar is then.
fn offsets(shove_m: f32) -> Vec<(f32, f32)> {
    let link: LinkSpec = "latency=20ms".parse().expect("the line is spelled right");
    let options = Options { link, clients: 1, ..Options::new(1) };
    let idle = |_, _| Box::new(|_: Tick, _: &View<'_, Shove>| Pad::default()) as Box<dyn Player<Shove>>;
    let mut sim = Sim::<Shove>::new(options, &Rules { shove_m }, idle).expect("it opens");
    sim.run(Micros::from_millis(1_900));
    let offsets = (1_901..2_600).map(|ms| {
        sim.run(Micros::from_millis(1));
        let view = sim.clients_mut().next().expect("there is one").view(Micros::from_millis(ms));
        let Some(Entity::Body(body)) = view.avatar else { panic!("an avatar is predicted") };
        (view.avatar_offset.x, body.at.x)
    });
    offsets.collect()
}

#[test]
fn a_correction_fades_by_half_every_50_ms() {
    let offsets = offsets(1.5);
    let first = offsets.iter().position(|(offset, _)| *offset != 0.0).expect("it is corrected");
    assert_eq!(offsets[first - 1], (0.0, 0.0));
    // What is drawn does not jump.
    let (offset, at) = offsets[first];
    assert!((at - 1.5).abs() < 0.01 && (offset + at).abs() < 0.05, "{:?}", offsets[first]);
    for (halvings, &(later, _)) in offsets[first..].iter().step_by(50).take(6).enumerate() {
        let expected = offset / (1 << halvings) as f32;
        assert!((later - expected).abs() < 0.001, "{later} instead of {expected} after {} ms", halvings * 50);
    }
}

#[test]
fn a_teleport_is_shown_at_once() {
    let offsets = offsets(2.5);
    assert!(offsets.iter().all(|(offset, _)| *offset == 0.0));
    assert!((offsets[offsets.len() - 1].1 - 2.5).abs() < 0.01, "it was moved");
}
