//! A match of `field` without a room around it: steps, captures and shows what a host would see.
#![allow(dead_code, reason = "each test file uses its part")]

use downbeat_field::{Avatar, Avatars, Config, Entity, Field, Input, Walker};
use downbeat_replica::{
    Capture, Captured, EntityId, Events, Game, Inputs, Kinds, LaneReader, PlayerId, PlayerInput, Scene, Schema, Setup,
    Tick, ViewTick, Viewer, Visible,
};
use rand::Rng;

pub(crate) const HZ: u32 = 60;
pub(crate) const DT: f32 = 1.0 / HZ as f32;

pub(crate) struct Match {
    pub(crate) field: Field,
    pub(crate) entities: Vec<Captured>,
    pub(crate) lanes: Vec<i32>,
    pub(crate) schema: Schema,
    tick: Tick,
}

impl Match {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let setup = Setup { tick_rate_hz: HZ, seed, players_max: 4_096 };
        Self {
            field: Field::new(config, setup).expect("the rules are legal"),
            entities: Vec::new(),
            lanes: Vec::new(),
            schema: Schema::of::<Field>().expect("the schema is legal"),
            tick: Tick(0),
        }
    }

    /// Steps with `inputs`, ascending by player, and captures.
    pub(crate) fn tick(&mut self, inputs: &[(u16, Input)]) {
        self.tick = self.tick.next();
        let inputs: Vec<_> = inputs
            .iter()
            .map(|&(player, input)| PlayerInput {
                player: PlayerId(player),
                input,
                view: ViewTick::default(),
                substituted: false,
            })
            .collect();
        self.field.step(self.tick, &Inputs::new(&inputs), &(), &mut Events::default());
        self.capture();
    }

    pub(crate) fn capture(&mut self) {
        let mut capture = Capture::new(&mut self.entities, &mut self.lanes, &|_, _| None);
        self.field.capture(&mut capture);
        assert_eq!((capture.clamped(), capture.refused()), (0, 0), "every state is within its range");
        assert!(self.entities.is_sorted_by_key(|entity| entity.id.index()));
    }

    pub(crate) fn lanes_of(&self, captured: &Captured) -> &[i32] {
        let count = self.schema.entities[captured.kind].lanes.len();
        &self.lanes[captured.first_lane..][..count]
    }

    pub(crate) fn read(&self, captured: &Captured) -> Entity {
        Entity::read(captured.kind, &mut LaneReader::new(self.lanes_of(captured))).expect("the kind exists")
    }

    pub(crate) fn walkers(&self) -> Vec<Walker> {
        let walker = |captured| match self.read(captured) {
            Entity::Walker(walker) => Some(walker),
            Entity::Avatar(_) => None,
        };
        self.entities.iter().filter_map(walker).collect()
    }

    pub(crate) fn captured_avatar(&self, player: u16) -> Captured {
        let own = |captured: &&Captured| captured.avatar == Some(PlayerId(player));
        *self.entities.iter().find(own).expect("the player has an avatar")
    }

    pub(crate) fn avatar(&self, player: u16) -> Avatar {
        match self.read(&self.captured_avatar(player)) {
            Entity::Avatar(avatar) => avatar,
            Entity::Walker(_) => panic!("a player steers an avatar"),
        }
    }

    /// The scene as a host builds it: from lanes.
    pub(crate) fn scene(&self) -> Scene {
        let mut scene = Scene::default();
        for captured in &self.entities {
            let kind = &self.schema.entities[captured.kind];
            scene.push(captured.id, kind.position(self.lanes_of(captured)));
        }
        scene
    }

    /// What `player` is shown, ascending; with `None`, what a spectator is.
    pub(crate) fn visible(&self, player: Option<u16>) -> Vec<EntityId> {
        let avatar = player.map(|player| self.captured_avatar(player).id);
        let mut visible = Visible::default();
        let viewer = Viewer { player: player.map(PlayerId), avatar, camera: None };
        self.field.relevance(&viewer, &self.scene(), &mut visible);
        visible.sorted().to_vec()
    }
}

pub(crate) fn config(walkers: u32, visible: u32, avatars: Avatars) -> Config {
    Config { walkers, visible, avatars }
}

/// Any input, as a server reads it.
pub(crate) fn any_input(rng: &mut impl Rng) -> Input {
    let luck = rng.next_u32();
    let axis = |bits: u32| (bits % 17) as f32 / 8.0 - 1.0;
    let yaw = (rng.next_u32() as i32) as f32 / 2_147_483_648.0 * std::f32::consts::PI;
    let input = Input { forward: axis(luck & 0xff), right: axis(luck >> 8 & 0xff), yaw, jump: luck >> 16 & 7 == 0 };
    downbeat_replica::Input::rounded(&input)
}
