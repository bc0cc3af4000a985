//! A match: who and what is in it, and the order of a tick.

use std::collections::BTreeMap;

use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Inputs, PlayerId, Results, Rewind, Scene, Setup,
    Tick, Viewer, Visible,
};
use glam::Vec3;
use serde::Serialize;

use crate::advance::{Neighbour, advance};
use crate::flight::{launched, spent, wall};
use crate::limits::PLAYERS_MAX;
use crate::order::draw;
use crate::sight::Sight;
use crate::{Config, Entity, Event, Input, PickUp, Player, Rocket, Weapon, World};

/// A match of the arena.
#[derive(Debug)]
pub struct Arena {
    pub(crate) world: World,
    pub(crate) dt: f32,
    pub(crate) seed: u64,
    pub(crate) tick: Tick,
    pub(crate) ids: EntityIds,
    pub(crate) fighters: BTreeMap<PlayerId, Fighter>,
    pub(crate) rockets: Vec<Flight>,
    pub(crate) places: Vec<Place>,
    pub(crate) strikes: Vec<Strike>,
    /// Scores of those who left, until they are told.
    left: Vec<(PlayerId, Score)>,
    sight: Sight,
}

/// A player in the match.
#[derive(Debug)]
pub(crate) struct Fighter {
    pub(crate) id: EntityId,
    pub(crate) body: Player,
}

/// A rocket in the match.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) id: EntityId,
    pub(crate) rocket: Rocket,
    /// Whether it burst in this tick; it is gone in the next.
    pub(crate) burst: bool,
}

/// A pick-up point in the match.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: EntityId,
    pub(crate) pick_up: PickUp,
    /// Ticks until the item is back.
    pub(crate) empty: u32,
}

/// A rifle shot as the server judged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// Who fired.
    pub shooter: PlayerId,
    /// Who was hit; `None` when it went past everybody.
    pub victim: Option<PlayerId>,
}

/// What a player achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Score {
    score: i16,
    deaths: u16,
}

/// A weapon that went off in this tick.
pub(crate) struct Firing<'a> {
    pub(crate) player: PlayerId,
    pub(crate) weapon: Weapon,
    pub(crate) input: &'a downbeat_replica::PlayerInput<Input>,
}

impl Game for Arena {
    const NAME: &'static str = "arena";
    const MODEL: &'static [u8] = include_bytes!("../../../assets/models/arena.bin");
    type Config = Config;
    type World = World;
    type Input = Input;
    type Entity = Entity;
    type Event = Event;

    fn world(config: &Config) -> Result<World, ConfigError> {
        World::new(config)
    }

    fn new(config: &Config, setup: Setup) -> Result<Self, ConfigError> {
        if !(1..=PLAYERS_MAX).contains(&setup.players_max) {
            return Err(ConfigError(format!(
                "an arena of {} players at most; 1 to {PLAYERS_MAX} is allowed",
                setup.players_max
            )));
        }
        let world = World::new(config)?;
        let mut ids = EntityIds::default();
        let places = world.map().pick_ups.iter().map(|point| Place {
            id: ids.spawn().expect("a map has fewer pick-ups than there are ids"),
            pick_up: PickUp { position: Vec3::from(point.at), item: point.item, available: true },
            empty: 0,
        });
        let places = places.collect();
        let sight = Sight::new(&world, setup.dt());
        Ok(Self {
            world,
            dt: setup.dt(),
            seed: setup.seed,
            tick: Tick(0),
            ids,
            fighters: BTreeMap::new(),
            rockets: Vec::new(),
            places,
            strikes: Vec::new(),
            left: Vec::new(),
            sight,
        })
    }

    fn join(&mut self, player: PlayerId, _name: &str) {
        let Some(id) = self.ids.spawn() else { return };
        let body = self.newcomer(player);
        if let Some(before) = self.fighters.insert(player, Fighter { id, body }) {
            self.ids.free(before.id);
        }
    }

    fn leave(&mut self, player: PlayerId) {
        if let Some(Fighter { id, body }) = self.fighters.remove(&player) {
            self.ids.free(id);
            self.left.push((player, Score { score: body.score, deaths: body.deaths }));
        }
    }

    fn results(&mut self, out: &mut Results) {
        self.left.drain(..).for_each(|(player, score)| out.tell("score", Some(player), &score));
    }

    fn step(&mut self, tick: Tick, inputs: &Inputs<'_, Input>, past: &impl Rewind<Entity>, events: &mut Events<Event>) {
        self.tick = tick;
        self.sight.note_views(tick, inputs);
        self.clear_burst_rockets();
        let firings = self.advance_players(inputs);
        self.fire(&firings, past, events);
        self.fly_rockets(events);
        self.serve_pick_ups();
        self.respawn_the_dead();
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        let mut all: Vec<(EntityId, Slot<'_>)> = Vec::new();
        all.extend(
            self.fighters.iter_mut().map(|(&player, fighter)| (fighter.id, Slot::Player(player, &mut fighter.body))),
        );
        all.extend(self.rockets.iter_mut().map(|flight| (flight.id, Slot::Rocket(&mut flight.rocket))));
        all.extend(self.places.iter_mut().map(|place| (place.id, Slot::PickUp(&mut place.pick_up))));
        all.sort_unstable_by_key(|(id, _)| id.index());
        for (id, slot) in all {
            slot.capture(id, out);
        }
        let players = self.fighters.iter().map(|(&player, fighter)| (player, fighter.id, &fighter.body));
        let rockets = self.rockets.iter().map(|flight| (flight.id, &flight.rocket));
        self.sight.look(&self.world, self.tick, players, rockets);
    }

    /// Players are told of pick-ups wherever they are, of themselves, and of whom they could see in the time that latency
    /// hides. Spectators see it all; with a camera as far as a player could, through walls, or what the player sees whom it
    /// follows.
    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        let follows = viewer.camera.and_then(|camera| camera.follows);
        match (viewer.player.or_else(|| self.steers(follows?)), viewer.camera) {
            (Some(player), _) => self.sight.tell(player, out),
            (None, Some(camera)) => scene.within(camera.position, self.world.rules().sight_radius_m, out),
            (None, None) => return scene.ids().for_each(|id| out.add(id)),
        }
        out.extend(self.places.iter().map(|place| place.id));
        viewer.avatar.into_iter().for_each(|own| out.add(own));
    }

    fn predict(context: &Context<'_, Self>, own: &mut Entity, input: &Input) {
        let Entity::Player(own) = own else { return };
        let others = context.others.iter().filter_map(|other| match &other.entity {
            Entity::Player(other) if other.alive => Some(Neighbour { player: other.player, feet: other.position }),
            _ => None,
        });
        let me = own.player;
        advance(context.world, own, input, context.dt, others.filter(|other| other.player != me));
    }

    fn predict_spawn(context: &Context<'_, Self>, before: &Entity, own: &Entity, input: &Input) -> Option<Entity> {
        let (Entity::Player(before), Entity::Player(own)) = (before, own) else { return None };
        if own.rockets == before.rockets {
            return None;
        }
        // The server flies it on in the tick of the launch; one that bursts at once is not worth showing.
        let mut rocket = Entity::Rocket(launched(context.world, own, input, context.tick));
        Self::predict_flight(context, &mut rocket).then_some(rocket)
    }

    fn predict_flight(context: &Context<'_, Self>, spawned: &mut Entity) -> bool {
        let Entity::Rocket(rocket) = spawned else { return false };
        let end =
            wall(context.world, rocket, context.dt).or_else(|| spent(context.world, rocket, context.tick, context.dt));
        match end {
            Some(end) => rocket.burst(end),
            None => rocket.fly(context.dt),
        }
        end.is_none()
    }
}

/// An entity of the match, whichever table it is in.
enum Slot<'a> {
    Player(PlayerId, &'a mut Player),
    Rocket(&'a mut Rocket),
    PickUp(&'a mut PickUp),
}

impl Slot<'_> {
    /// Reports the entity and takes back what it was rounded to.
    fn capture(self, id: EntityId, out: &mut Capture<'_, Entity>) {
        match self {
            Self::Player(player, body) => {
                let mut entity = Entity::Player(body.clone());
                out.put_avatar(id, player, &mut entity);
                if let Entity::Player(rounded) = entity {
                    *body = rounded;
                }
            }
            Self::Rocket(rocket) => {
                let mut entity = Entity::Rocket(rocket.clone());
                out.put(id, &mut entity);
                if let Entity::Rocket(rounded) = entity {
                    *rocket = rounded;
                }
            }
            Self::PickUp(pick_up) => {
                let mut entity = Entity::PickUp(pick_up.clone());
                out.put(id, &mut entity);
                if let Entity::PickUp(rounded) = entity {
                    *pick_up = rounded;
                }
            }
        }
    }
}

impl Arena {
    /// The rifle shots of the tick that was stepped last: for tests and tools that judge what shooters saw.
    #[must_use]
    pub fn strikes(&self) -> &[Strike] {
        &self.strikes
    }

    /// The avatar of `player`, if it takes part.
    #[must_use]
    pub fn avatar(&self, player: PlayerId) -> Option<&Player> {
        self.fighters.get(&player).map(|fighter| &fighter.body)
    }

    /// Everybody looks, moves and pulls the trigger, by its own input. Gives what went off, in an order that
    /// differs from tick to tick, so that nobody is always first.
    fn advance_players<'a>(&mut self, inputs: &Inputs<'a, Input>) -> Vec<Firing<'a>> {
        let crowd: Vec<_> = if self.world.rules().contact { self.crowd().collect() } else { Vec::new() };
        let idle = Input::default();
        let mut firings = Vec::new();
        for (&player, fighter) in &mut self.fighters {
            let given = inputs.of(player);
            let input = given.map_or(&idle, |given| &given.input);
            let others = crowd.iter().copied().filter(|other| other.player != player);
            let fired = advance(&self.world, &mut fighter.body, input, self.dt, others);
            if let (Some(weapon), Some(input)) = (fired, given) {
                firings.push(Firing { player, weapon, input });
            }
        }
        firings.sort_by_key(|firing| draw(self.seed, self.tick, firing.player));
        firings
    }

    /// Where the living are.
    pub(crate) fn crowd(&self) -> impl Iterator<Item = Neighbour> {
        let living = self.fighters.iter().filter(|(_, fighter)| fighter.body.alive);
        living.map(|(&player, fighter)| Neighbour { player, feet: fighter.body.position })
    }

    /// Who steers the entity `id`.
    fn steers(&self, id: EntityId) -> Option<PlayerId> {
        self.fighters.iter().find(|(_, fighter)| fighter.id == id).map(|(&player, _)| player)
    }

    /// The players, in an order that differs from tick to tick.
    pub(crate) fn shuffled(&self) -> Vec<PlayerId> {
        let mut players: Vec<_> = self.fighters.keys().copied().collect();
        players.sort_by_key(|&player| draw(self.seed, self.tick, player));
        players
    }
}
