//! A complete game: tag on a square meadow. `cargo run --release -p downbeat --example tag -- demo`

/// How it is played by bots; `impl Bots for Tag {}` would do, and have them press random buttons.
mod chase;

use std::collections::BTreeMap;

use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Hearers, Input, Inputs, PlayerId, Replicated,
    Rewind, Setup, Tick,
};
use serde::{Deserialize, Serialize};

/// What a player does in a tick. `Default` is doing nothing.
#[derive(Input, Clone, Default)]
struct Pad {
    #[field(range = -1.0..=1.0, step = 0.25)]
    x: f32,
    #[field(range = -1.0..=1.0, step = 0.25)]
    z: f32,
    #[field(action)]
    dash: bool,
}

/// What clients are told of a player: ranges and steps decide how many bits it costs.
#[derive(Replicated, Clone)]
struct Runner {
    #[field(position, range = -32.0..=32.0, step = 0.015625)]
    position: Vec3,
    #[field(player, range = 0..=127)]
    player: PlayerId,
    is_it: bool,
    #[field(owner, range = 0..=120)]
    dash_cooldown: u8,
}

/// All kinds of entities.
#[derive(Replicated, Clone)]
enum Thing {
    Runner(Runner),
}

/// A fact of one moment, for those who see it happen.
#[derive(Replicated, Clone)]
struct Tagged {
    #[field(range = 0..=127)]
    whom: PlayerId,
}

#[derive(Replicated, Clone)]
enum Fact {
    Tagged(Tagged),
}

/// The rules an operator may change: `[game.tag]` of the server's configuration.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rules {
    extra_speed_mps: f32,
}

struct Tag {
    rules: Rules,
    dt: f32,
    ids: EntityIds,
    runners: BTreeMap<PlayerId, (EntityId, Runner)>,
    truce: Tick, // until then nobody is tagged: no tagging back at once
}

/// One tick of one runner: the server steps with it, clients predict with it.
fn run(runner: &mut Runner, pad: &Pad, rules: &Rules, dt: f32) {
    runner.dash_cooldown = runner.dash_cooldown.saturating_sub(1);
    let mut stride = (6.0 + rules.extra_speed_mps) * dt;
    if pad.dash && runner.dash_cooldown == 0 {
        (runner.dash_cooldown, stride) = (120, stride + 2.0);
    }
    let way = Vec3::new(pad.x, 0.0, pad.z).clamp_length_max(1.0) * stride;
    runner.position = (runner.position + way).clamp(Vec3::splat(-32.0), Vec3::splat(32.0));
}

impl Game for Tag {
    const NAME: &'static str = "tag";
    type Config = Rules;
    type World = Rules;
    type Input = Pad;
    type Entity = Thing;
    type Event = Fact;

    fn world(rules: &Rules) -> Result<Rules, ConfigError> {
        let fine = (0.0..=20.0).contains(&rules.extra_speed_mps);
        fine.then(|| rules.clone()).ok_or(ConfigError("extra_speed_mps: 0 to 20 is allowed".into()))
    }

    fn new(rules: &Rules, setup: Setup) -> Result<Self, ConfigError> {
        let (ids, runners) = (EntityIds::default(), BTreeMap::new());
        Ok(Self { rules: Self::world(rules)?, dt: setup.dt(), ids, runners, truce: Tick::ZERO })
    }

    fn join(&mut self, player: PlayerId, _name: &str) {
        let id = self.ids.spawn().expect("a room has fewer players than ids");
        let position = Vec3::new(f32::from(player.0 % 8) * 4.0 - 14.0, 0.0, f32::from(player.0 / 8) * 4.0 - 14.0);
        let runner = Runner { position, player, is_it: self.runners.is_empty(), dash_cooldown: 0 };
        self.runners.insert(player, (id, runner));
    }

    fn leave(&mut self, player: PlayerId) {
        let Some((id, gone)) = self.runners.remove(&player) else { return };
        self.ids.free(id);
        if let Some((_, heir)) = self.runners.values_mut().next() {
            heir.is_it |= gone.is_it;
        }
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Pad>, _: &impl Rewind<Thing>, events: &mut Events<Fact>) {
        for input in inputs.iter() {
            let (_, runner) = self.runners.get_mut(&input.player).expect("who plays has joined");
            run(runner, &input.input, &self.rules, self.dt);
        }
        let Some(it) = self.runners.values().find(|(_, r)| r.is_it).map(|(_, r)| r.clone()) else { return };
        let reach = |r: &Runner| r.player != it.player && r.position.distance(it.position) < 1.5;
        let caught = self.runners.values().find(|(_, r)| reach(r)).map(|(_, r)| r.player);
        if let Some(whom) = caught.filter(|_| tick >= self.truce) {
            self.runners.values_mut().for_each(|(_, r)| r.is_it = r.player == whom);
            self.truce = tick.offset(60);
            events.emit_reliable(Hearers::All, Fact::Tagged(Tagged { whom }));
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Thing>) {
        for (player, (id, runner)) in &mut self.runners {
            let mut thing = Thing::Runner(runner.clone());
            out.put_avatar(*id, *player, &mut thing);
            let Thing::Runner(rounded) = thing;
            *runner = rounded;
        }
    }

    fn predict(context: &Context<'_, Self>, own: &mut Thing, pad: &Pad) {
        let Thing::Runner(runner) = own;
        run(runner, pad, context.world, context.dt);
    }
}

fn main() -> std::process::ExitCode {
    downbeat::main_with::<Tag>()
}
