//! The game itself: a crowd that nobody steers, and one avatar for each player.

use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Inputs, NoEvents, PlayerId, Rewind, Scene, Setup,
    Tick, Viewer, Visible,
};
use rand::SeedableRng;
use rand_pcg::Pcg32;

use crate::crowd::{Crowd, signed_unit, somewhere};
use crate::motion::step_avatar;
use crate::{Avatar, Avatars, Config, Entity, Input, World};

/// Sets the players' luck apart from the crowd's.
const PLAYERS_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// A match of the scale game.
#[derive(Debug)]
pub struct Field {
    world: World,
    dt: f32,
    ids: EntityIds,
    crowd: Crowd,
    /// Ascending by the index of their ids, as everything is captured.
    avatars: Vec<Steered>,
    /// Those whom others may be shown, where they were captured: private avatars are in nobody's way.
    neighbours: Scene,
    /// Where players start.
    starts: Pcg32,
}

/// An avatar and who steers it.
#[derive(Debug)]
struct Steered {
    id: EntityId,
    player: PlayerId,
    avatar: Avatar,
}

impl Game for Field {
    const NAME: &'static str = "field";
    const MODEL: &'static [u8] = include_bytes!("../../../assets/models/field.bin");
    type Config = Config;
    type World = World;
    type Input = Input;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(config: &Config) -> Result<World, ConfigError> {
        World::new(config)
    }

    fn new(config: &Config, setup: Setup) -> Result<Self, ConfigError> {
        let world = World::new(config)?;
        let dt = setup.dt();
        let mut ids = EntityIds::default();
        let crowd = Crowd::new(&world, &mut ids, setup.seed, dt);
        let starts = Pcg32::seed_from_u64(setup.seed ^ PLAYERS_STREAM);
        Ok(Self { world, dt, ids, crowd, avatars: Vec::new(), neighbours: Scene::default(), starts })
    }

    fn join(&mut self, player: PlayerId, _name: &str) {
        let id = self.ids.spawn().expect("there are far more ids than walkers and players");
        let position = somewhere(self.world.reach, &mut self.starts);
        let yaw = std::f32::consts::PI * signed_unit(&mut self.starts);
        let place = self.avatars.partition_point(|steered| steered.id.index() < id.index());
        self.avatars.insert(place, Steered { id, player, avatar: Avatar { position, yaw, rise: 0.0 } });
    }

    fn leave(&mut self, player: PlayerId) {
        let Some(place) = self.avatars.iter().position(|steered| steered.player == player) else { return };
        self.ids.free(self.avatars.remove(place).id);
    }

    fn step(
        &mut self,
        _tick: Tick,
        inputs: &Inputs<'_, Input>,
        _past: &impl Rewind<Entity>,
        _events: &mut Events<NoEvents>,
    ) {
        self.crowd.step();
        let nothing = Input::default();
        for Steered { player, avatar, .. } in &mut self.avatars {
            let input = inputs.of(*player).map_or(&nothing, |input| &input.input);
            step_avatar(avatar, input, self.world.reach, self.dt);
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        self.neighbours.clear();
        self.crowd.capture(out, &mut self.neighbours);
        for Steered { id, player, avatar } in &mut self.avatars {
            let mut entity = Entity::Avatar(*avatar);
            out.put_avatar(*id, *player, &mut entity);
            if let Entity::Avatar(rounded) = entity {
                *avatar = rounded;
            }
            if self.world.avatars == Avatars::Public {
                self.neighbours.push(*id, avatar.position);
            }
        }
    }

    /// The nearest neighbours of the viewer's avatar, or of its camera; those of the origin for a viewer without either.
    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        let center = viewer.place(scene).unwrap_or(Vec3::ZERO);
        self.neighbours.nearest(center, self.world.visible, |id| Some(id) != viewer.avatar, out);
        viewer.avatar.into_iter().for_each(|own| out.add(own));
    }

    fn predict(context: &Context<'_, Self>, own: &mut Entity, input: &Input) {
        if let Entity::Avatar(avatar) = own {
            step_avatar(avatar, input, context.world.reach, context.dt);
        }
    }
}
