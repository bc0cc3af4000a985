//! A game that does what it is told: entities come, go, change, hide and turn into others when a script says so, and
//! every way in which a field can be told occurs.

use std::cell::RefCell;
use std::collections::BTreeMap;

use downbeat_replica::glam::{Quat, Vec3};
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Hearers, Input, Inputs, PlayerId, Replicated,
    Rewind, Scene, Setup, Tick, Viewer, Visible,
};

#[derive(Input, Clone, Default)]
pub(crate) struct Pad {
    #[field(range = -3..=3)]
    pub(crate) push: i8,
    #[field(action)]
    pub(crate) turn: bool,
}

#[derive(Replicated, Clone)]
pub(crate) struct Own {
    #[field(position, range = -500.0..=500.0, step = 0.125, owner_bits = 3)]
    at: Vec3,
    #[field(owner, range = 0..=1000)]
    secret: u16,
    target: Option<EntityId>,
}

#[derive(Replicated, Clone)]
pub(crate) struct Thing {
    #[field(position, range = -500.0..=500.0, step = 0.125)]
    at: Vec3,
    #[field(heading, bits = 7)]
    yaw: f32,
    target: Option<EntityId>,
    #[field(range = 0..=3)]
    state: u8,
    on: bool,
}

#[derive(Replicated, Clone)]
pub(crate) struct Rock {
    weight: u32,
    #[field(bits = 9)]
    rotation: Quat,
    #[field(bits = 6)]
    up: Vec3,
}

#[derive(Replicated, Clone)]
pub(crate) enum Entity {
    Own(Own),
    Thing(Thing),
    Rock(Rock),
}

#[derive(Replicated, Clone)]
pub(crate) struct Boom {
    #[field(range = -500.0..=500.0, step = 0.5)]
    at: Vec3,
    by: Option<EntityId>,
}

#[derive(Replicated, Clone)]
pub(crate) struct Word {
    letter: u8,
}

#[derive(Replicated, Clone)]
pub(crate) enum Fact {
    Boom(Boom),
    Word(Word),
}

/// What the script says, to be done in the next step. Entities are named by their place in the order of ids.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Spawn(u32),
    Despawn(usize),
    /// The entity gets some state of its kind.
    Change(usize, u32),
    /// A little further, as it goes.
    Walk(usize),
    /// It names another.
    Aim(usize, usize),
    /// The same id is another kind.
    Turn(usize),
    /// It is not captured, or captured again.
    Hide(usize),
    /// The avatar belongs to another player, or to none.
    Hand(usize, Option<PlayerId>),
    /// The player dies and comes back as another entity.
    Reborn(PlayerId),
    /// Who looks (a spectator: `None`) sees the ids whose bits are set.
    Look(Option<PlayerId>, u32),
    Happen(usize, u8),
}

struct Puppet {
    owner: Option<PlayerId>,
    is_hidden: bool,
    entity: Entity,
}

pub(crate) struct Puppets {
    acts: RefCell<Vec<Act>>,
    ids: EntityIds,
    puppets: BTreeMap<EntityId, Puppet>,
    views: BTreeMap<Option<PlayerId>, u32>,
}

/// So few that a few snapshots of the least size tell them all.
const PUPPETS_MAX: usize = 24;

impl Puppets {
    /// To be done in the next step.
    pub(crate) fn tell(&self, act: Act) {
        self.acts.borrow_mut().push(act);
    }

    fn nth(&self, n: usize) -> Option<EntityId> {
        self.puppets.keys().nth(n % self.puppets.len().max(1)).copied()
    }

    fn thing(&self, seed: u32) -> Entity {
        // Odd multiples of a word spread its bits well enough.
        let real = |i: u32| (seed.wrapping_mul(0x9e37_79b9).rotate_left(i * 7) & 0xffff) as f32 / 65_535.0 * 2.0 - 1.0;
        let at = Vec3::new(real(0), real(1), real(2)) * 500.0;
        if seed & 3 == 0 {
            let rotation = Quat::from_rotation_y(real(0) * 3.0) * Quat::from_rotation_x(real(1));
            let up = Vec3::new(real(2), 1.0, real(3)).normalize();
            return Entity::Rock(Rock { weight: seed >> 2, rotation, up });
        }
        let target = self.nth(seed as usize >> 8);
        Entity::Thing(Thing { at, yaw: real(3) * 9.0, target, state: (seed >> 4 & 3) as u8, on: seed >> 6 & 1 == 1 })
    }

    fn act(&mut self, act: Act, events: &mut Events<Fact>) {
        match act {
            Act::Spawn(_) if self.puppets.len() >= PUPPETS_MAX => {}
            Act::Spawn(seed) => self.spawn(None, self.thing(seed)),
            Act::Despawn(n) => {
                let Some(id) = self.nth(n) else { return };
                self.puppets.remove(&id);
                self.ids.free(id);
            }
            Act::Change(n, seed) => {
                let fresh = self.thing(seed);
                let Some(puppet) = self.puppet(n) else { return };
                match (&mut puppet.entity, fresh) {
                    (Entity::Own(own), _) => own.at.y = (seed % 1_000) as f32 / 2.0,
                    (Entity::Thing(thing), Entity::Thing(fresh)) => *thing = fresh,
                    (Entity::Rock(rock), Entity::Rock(fresh)) => *rock = fresh,
                    (Entity::Thing(thing), _) => thing.yaw += 0.3,
                    (Entity::Rock(rock), _) => rock.weight += 1,
                }
            }
            Act::Walk(n) => match self.puppet(n).map(|puppet| &mut puppet.entity) {
                Some(Entity::Thing(thing)) => thing.at += Vec3::new(0.25, 0.0, 0.5),
                Some(Entity::Rock(rock)) => rock.rotation *= Quat::from_rotation_y(0.1),
                _ => {}
            },
            Act::Aim(n, at) => {
                let to = self.nth(at).filter(|_| at != 0);
                match self.puppet(n).map(|puppet| &mut puppet.entity) {
                    Some(Entity::Own(own)) => own.target = to,
                    Some(Entity::Thing(thing)) => thing.target = to,
                    _ => {}
                }
            }
            Act::Turn(n) => {
                let (thing, rock) = (self.thing(0x1235), self.thing(0x1234));
                let Some(puppet) = self.puppet(n) else { return };
                puppet.entity = if matches!(puppet.entity, Entity::Thing(_)) { rock } else { thing };
            }
            Act::Hide(n) => self.puppet(n).into_iter().for_each(|puppet| puppet.is_hidden ^= true),
            Act::Hand(n, owner) => {
                // A player has at most one avatar.
                self.puppets.values_mut().filter(|puppet| puppet.owner == owner).for_each(|puppet| puppet.owner = None);
                self.puppet(n).into_iter().for_each(|puppet| puppet.owner = owner);
            }
            Act::Reborn(player) => self.join(player, ""),
            Act::Look(who, bits) => {
                self.views.insert(who, bits);
            }
            Act::Happen(n, letter) => self.happen(n, letter, events),
        }
    }

    fn happen(&mut self, n: usize, letter: u8, events: &mut Events<Fact>) {
        let by = self.nth(n);
        let hearers = match (letter & 3, by) {
            (0, Some(id)) => Hearers::Viewers(id),
            (1, _) => Hearers::Player(PlayerId(u16::from(letter >> 2 & 1))),
            _ => Hearers::All,
        };
        for _ in 0..1 + (letter >> 3) {
            events.emit(hearers, Fact::Boom(Boom { at: Vec3::splat(f32::from(letter)), by }));
            events.emit(hearers, Fact::Word(Word { letter }));
        }
    }

    fn puppet(&mut self, n: usize) -> Option<&mut Puppet> {
        let id = self.nth(n)?;
        self.puppets.get_mut(&id)
    }

    fn spawn(&mut self, owner: Option<PlayerId>, entity: Entity) {
        let id = self.ids.spawn().expect("there is room");
        self.puppets.insert(id, Puppet { owner, is_hidden: false, entity });
    }
}

fn push(own: &mut Own, pad: &Pad) {
    own.at.x += f32::from(pad.push) * if pad.turn { -0.1 } else { 0.1 };
    own.secret = (own.secret + 1) % 1_000;
}

impl Game for Puppets {
    const NAME: &'static str = "puppets";
    type Config = ();
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = Fact;

    fn world((): &()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new((): &(), _: Setup) -> Result<Self, ConfigError> {
        let acts = RefCell::default();
        Ok(Self { acts, ids: EntityIds::default(), puppets: BTreeMap::new(), views: BTreeMap::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        // The script may have given it an avatar before.
        self.leave(player);
        self.spawn(Some(player), Entity::Own(Own { at: Vec3::ZERO, secret: 0, target: None }));
    }

    fn leave(&mut self, player: PlayerId) {
        let gone: Vec<_> = self.puppets.iter().filter(|(_, puppet)| puppet.owner == Some(player)).collect();
        for id in gone.into_iter().map(|(id, _)| *id).collect::<Vec<_>>() {
            self.puppets.remove(&id);
            self.ids.free(id);
        }
    }

    fn step(&mut self, _: Tick, inputs: &Inputs<'_, Pad>, past: &impl Rewind<Entity>, events: &mut Events<Fact>) {
        for act in std::mem::take(self.acts.get_mut()) {
            self.act(act, events);
        }
        for input in inputs.iter() {
            let own = self.puppets.iter_mut().find(|(_, puppet)| puppet.owner == Some(input.player));
            if let Some((&id, Puppet { entity: Entity::Own(own), .. })) = own {
                push(own, &input.input);
                let _ = past.at(id, input.view);
            }
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for (&id, puppet) in self.puppets.iter_mut().filter(|(_, puppet)| !puppet.is_hidden) {
            match puppet.owner {
                Some(player) => out.put_avatar(id, player, &mut puppet.entity),
                None => out.put(id, &mut puppet.entity),
            }
        }
    }

    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        let bits = self.views.get(&viewer.player).copied().unwrap_or(u32::MAX);
        scene.ids().filter(|id| bits >> (id.index() % 32) & 1 == 1).for_each(|id| out.add(id));
    }

    fn predict(_: &Context<'_, Self>, own: &mut Entity, input: &Pad) {
        if let Entity::Own(own) = own {
            push(own, input);
        }
    }
}
