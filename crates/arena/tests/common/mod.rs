//! A match as the server runs it, without the server: steps, rounds to lanes, remembers lanes.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use downbeat_arena::{Arena, Config, Entity, Event, Input, Player, Rocket, World};
use downbeat_replica::glam::Vec3;
use downbeat_replica::{
    Capture, Captured, Context, EntityId, Events, Game, Hearers, Input as _, Inputs, Kinds, LaneReader, LaneWriter,
    PlayerId, PlayerInput, Rewind, Setup, Tick, ViewTick,
};

/// Seconds per tick of all tests.
pub(crate) const DT: f32 = 1.0 / 60.0;

pub(crate) struct Match {
    pub(crate) arena: Arena,
    pub(crate) world: World,
    pub(crate) tick: Tick,
    pub(crate) entities: Vec<Captured>,
    pub(crate) lanes: Vec<i32>,
    pub(crate) events: Vec<(Hearers, Event)>,
    pub(crate) clamped: u32,
    /// By how many ticks what players see lies behind.
    pub(crate) behind: u32,
}

impl Match {
    pub(crate) fn new(config: &Config, players: u16) -> Self {
        Self::seeded(config, players, 1)
    }

    pub(crate) fn seeded(config: &Config, players: u16, seed: u64) -> Self {
        Self::at_rate(config, players, seed, 60)
    }

    pub(crate) fn at_rate(config: &Config, players: u16, seed: u64, tick_rate_hz: u32) -> Self {
        let setup = Setup { tick_rate_hz, seed, players_max: 128 };
        let mut arena = Arena::new(config, setup).expect("the configuration is legal");
        (0..players).for_each(|player| arena.join(PlayerId(player), "somebody"));
        let world = Arena::world(config).expect("the configuration is legal");
        let (tick, entities, lanes) = (Tick(100), Vec::new(), Vec::new());
        let mut room = Self { arena, world, tick, entities, lanes, events: Vec::new(), clamped: 0, behind: 6 };
        room.capture();
        room
    }

    /// Steps with `input` of each player.
    pub(crate) fn step(&mut self, input: impl Fn(u16) -> Input) {
        self.step_past(input, &());
    }

    pub(crate) fn step_past(&mut self, input: impl Fn(u16) -> Input, past: &impl Rewind<Entity>) {
        self.tick = Tick(self.tick.0 + 1);
        let view = ViewTick { tick: Tick(self.tick.0 - self.behind), sixteenths: 0 };
        let inputs: Vec<_> = self
            .players()
            .keys()
            .map(|&player| PlayerInput { player, input: input(player.0).rounded(), view, substituted: false })
            .collect();
        let mut events = Events::default();
        self.arena.step(self.tick, &Inputs::new(&inputs), past, &mut events);
        self.events = events.drain().collect();
        self.events.extend(events.drain_reliable());
        self.capture();
    }

    pub(crate) fn run(&mut self, ticks: u32, input: impl Fn(u16) -> Input) {
        (0..ticks).for_each(|_| self.step(&input));
    }

    fn capture(&mut self) {
        let previous = |_, _| None;
        let mut capture = Capture::new(&mut self.entities, &mut self.lanes, &previous);
        self.arena.capture(&mut capture);
        assert_eq!(capture.refused(), 0, "a state holds a NaN");
        self.clamped = capture.clamped();
        assert!(self.entities.is_sorted_by_key(|entity| entity.id.index()));
    }

    pub(crate) fn entity(&self, captured: &Captured) -> Entity {
        Entity::read(captured.kind, &mut LaneReader::new(&self.lanes[captured.first_lane..])).expect("a known kind")
    }

    pub(crate) fn players(&self) -> BTreeMap<PlayerId, (EntityId, Player)> {
        let avatars = self.entities.iter().filter_map(|captured| {
            let Entity::Player(player) = self.entity(captured) else { return None };
            Some((captured.avatar.expect("players are avatars"), (captured.id, player)))
        });
        avatars.collect()
    }

    pub(crate) fn player(&self, player: u16) -> Player {
        self.players()[&PlayerId(player)].1.clone()
    }

    pub(crate) fn id(&self, player: u16) -> EntityId {
        self.players()[&PlayerId(player)].0
    }

    pub(crate) fn rockets(&self) -> Vec<Rocket> {
        let all = self.entities.iter().map(|captured| self.entity(captured));
        all.filter_map(|entity| if let Entity::Rocket(rocket) = entity { Some(rocket) } else { None }).collect()
    }

    pub(crate) fn has_event(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| wanted(event))
    }
}

/// One tick of prediction, rounded as a client rounds it.
pub(crate) fn predict(world: &World, own: &mut Player, input: &Input) {
    let context = Context::<Arena> { world, tick: Tick(0), dt: DT, others: &[] };
    let mut entity = Entity::Player(own.clone());
    Arena::predict(&context, &mut entity, input);
    *own = rounded(&entity);
}

pub(crate) fn lanes(entity: &Entity) -> Vec<i32> {
    let mut lanes = Vec::new();
    entity.write(&mut LaneWriter::new(&mut lanes));
    lanes
}

fn rounded(entity: &Entity) -> Player {
    let lanes = lanes(entity);
    match Entity::read(entity.kind(), &mut LaneReader::new(&lanes)) {
        Some(Entity::Player(player)) => player,
        _ => unreachable!("it was a player"),
    }
}

/// A small world: an empty room of 40 x 40 m with `solids` (TOML of blocks and ramps) and spawns where told.
pub(crate) fn room(solids: &str, spawns: &[Vec3]) -> Config {
    let spawns: Vec<_> = spawns.iter().map(|at| format!("[{:?}, {:?}, {:?}]", at.x, at.y, at.z)).collect();
    let text = format!(
        "name = 'room'\nmin = [-20.0, 0.0, -20.0]\nmax = [20.0, 12.0, 20.0]\nspawns = [{}]\n{solids}",
        spawns.join(", ")
    );
    let map = downbeat_arena::Map::parse(&text).expect("the map is legal");
    Config { map, ..Config::default() }
}

/// A fixed generator for tests: SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }

    /// Somebody who runs about, turns, jumps and shoots. Holds an input for a while, as people do.
    pub(crate) fn input(&mut self, before: &Input) -> Input {
        if self.roll(12) != 0 {
            return Input { yaw: before.yaw + (self.roll(9) as f32 - 4.0) * 0.02, ..before.clone() };
        }
        use downbeat_arena::Select;
        Input {
            forward: self.roll(17) as f32 / 8.0 - 1.0,
            right: self.roll(17) as f32 / 8.0 - 1.0,
            yaw: self.roll(6_283) as f32 / 1_000.0,
            pitch: self.roll(2_000) as f32 / 1_000.0 - 1.0,
            jump: self.roll(4) == 0,
            fire: self.roll(3) == 0,
            select: [Select::Keep, Select::Keep, Select::Rifle, Select::Rocket][self.roll(4) as usize],
        }
    }
}
