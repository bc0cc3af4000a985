//! The scale game with one player who sees everything: what a whole world costs to join.

use downbeat_field::{Config, Entity, Field, Input, World};
use downbeat_replica::limits::SLOTS_MAX;
use downbeat_replica::{
    Capture, ConfigError, Context, Events, Game, Inputs, NoEvents, PlayerId, Rewind, Scene, Setup, Tick, Viewer,
    Visible,
};

/// [`Field`], but whoever takes the last place sees everything: as much as a client has slots for.
#[derive(Debug)]
pub struct Watched {
    field: Field,
    overseer: PlayerId,
}

impl Game for Watched {
    const NAME: &'static str = Field::NAME;
    const MODEL: &'static [u8] = Field::MODEL;
    type Config = Config;
    type World = World;
    type Input = Input;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(config: &Config) -> Result<World, ConfigError> {
        Field::world(config)
    }

    fn new(config: &Config, setup: Setup) -> Result<Self, ConfigError> {
        let overseer = PlayerId(setup.players_max.saturating_sub(1));
        Ok(Self { field: Field::new(config, setup)?, overseer })
    }

    fn join(&mut self, player: PlayerId, name: &str) {
        self.field.join(player, name);
    }

    fn leave(&mut self, player: PlayerId) {
        self.field.leave(player);
    }

    fn step(
        &mut self,
        tick: Tick,
        inputs: &Inputs<'_, Input>,
        past: &impl Rewind<Entity>,
        events: &mut Events<NoEvents>,
    ) {
        self.field.step(tick, inputs, past, events);
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        self.field.capture(out);
    }

    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        if viewer.player == Some(self.overseer) {
            // The own avatar needs a slot too, and is shown in any case.
            scene.ids().take(SLOTS_MAX - 1).for_each(|id| out.add(id));
        } else {
            self.field.relevance(viewer, scene, out);
        }
    }

    fn predict(context: &Context<'_, Self>, own: &mut Entity, input: &Input) {
        let Context { world, tick, dt, others } = *context;
        Field::predict(&Context { world, tick, dt, others }, own, input);
    }
}
