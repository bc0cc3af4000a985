//! A battle on hilly ground: 32 players, 50 projectiles in the air, 8 vehicles. Everything moves in every tick, and of
//! everything position, rotation, velocity and health are told.
//!
//! Players run at 5 m/s, turn at up to 3 rad/s, look up and down, jump, and are hurt and healed. Vehicles drive at
//! 15 m/s and lean with the ground. Projectiles leave a player's shoulder at 40 to 80 m/s, fall, point where they fly,
//! and are gone after 2 s or when they hit the ground; another one is fired in the same tick.

use downbeat_replica::glam::{Quat, Vec3};
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Inputs, NoEvents, PlayerId, Replicated, Rewind,
    Setup, Tick,
};

use super::NoInput;
use super::chance::Chance;

/// How many there are of each kind.
pub const PLAYERS: usize = 32;
/// See [`PLAYERS`].
pub const PROJECTILES: usize = 50;
/// See [`PLAYERS`].
pub const VEHICLES: usize = 8;

/// Speeds, in m/s.
const PLAYER_SPEED: f32 = 5.0;
const VEHICLE_SPEED: f32 = 15.0;
const PROJECTILE_SPEED: (f32, f32) = (40.0, 80.0);
const JUMP_SPEED: f32 = 4.5;

/// Turn rates in rad/s at most, and how much they stray in a second (standard deviation).
const PLAYER_TURN: (f32, f32) = (3.0, 2.0);
const VEHICLE_TURN: (f32, f32) = (1.0, 0.5);
const LOOK_TURN: (f32, f32) = (1.0, 1.0);
const LOOK_MAX: f32 = 1.2;

/// m/s².
const GRAVITY: f32 = 9.81;

/// How long a projectile lives at most, in seconds.
const LIFE_S: f32 = 2.0;

/// Beyond this, in metres from the origin, whoever walks or drives turns back.
const BORDER: f32 = 90.0;

/// Chances by second: that a player jumps, and that its health changes.
const JUMPS: f32 = 0.3;
const HURTS: f32 = 1.2;

const HEALTH_MAX: u8 = 100;

/// The kinds of entities.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub enum Entity {
    /// On foot.
    Player(Body),
    /// In the air.
    Projectile(Body),
    /// On wheels.
    Vehicle(Body),
}

/// What is told of anything.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub struct Body {
    /// In metres; y is up.
    #[field(position, range = -256.0..=256.0, step = 0.01)]
    pub position: Vec3,
    /// From looking along +z.
    #[field(bits = 9)]
    pub rotation: Quat,
    /// In m/s.
    #[field(velocity, range = -100.0..=100.0, step = 0.01)]
    pub velocity: Vec3,
    /// Of 127 at most.
    #[field(range = 0..=127)]
    pub health: u8,
}

/// The battle.
#[derive(Debug)]
pub struct Halo {
    dt: f32,
    chance: Chance,
    ids: EntityIds,
    walkers: Vec<Walker>,
    projectiles: Vec<Projectile>,
}

/// A player or a vehicle.
#[derive(Clone, Debug, PartialEq)]
struct Walker {
    id: EntityId,
    is_vehicle: bool,
    body: Body,
    yaw: f32,
    turn: f32,
    look: f32,
    look_turn: f32,
    /// Metres above the ground, and their change in m/s.
    height: f32,
    rise: f32,
}

#[derive(Clone, Debug, PartialEq)]
struct Projectile {
    id: EntityId,
    body: Body,
    left_s: f32,
}

impl Game for Halo {
    const NAME: &'static str = "halo";
    const MODEL: &'static [u8] = include_bytes!("../../../assets/models/halo.bin");
    type Config = ();
    type World = ();
    type Input = NoInput;
    type Entity = Entity;
    type Event = NoEvents;

    fn world((): &()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new((): &(), setup: Setup) -> Result<Self, ConfigError> {
        let mut halo = Self {
            dt: setup.dt(),
            chance: Chance::new(setup.seed),
            ids: EntityIds::default(),
            walkers: Vec::new(),
            projectiles: Vec::new(),
        };
        for i in 0..PLAYERS + VEHICLES {
            let walker = Walker::new(i >= PLAYERS, halo.fresh_id(), &mut halo.chance);
            halo.walkers.push(walker);
        }
        for _ in 0..PROJECTILES {
            // As if they had been fired one after the other.
            let life_s = halo.chance.between(0.1, LIFE_S);
            halo.fire(life_s);
        }
        Ok(halo)
    }

    fn join(&mut self, _: PlayerId, _: &str) {}

    fn leave(&mut self, _: PlayerId) {}

    fn step(&mut self, _: Tick, _: &Inputs<'_, NoInput>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        let Self { dt, chance, ids, walkers, projectiles, .. } = self;
        walkers.iter_mut().for_each(|walker| walker.step(*dt, chance));
        projectiles.iter_mut().for_each(|projectile| projectile.step(*dt));
        projectiles.retain(|projectile| {
            let flies = projectile.left_s > 0.0 && projectile.body.position.y > ground(projectile.body.position);
            if !flies {
                ids.free(projectile.id);
            }
            flies
        });
        while self.projectiles.len() < PROJECTILES {
            self.fire(LIFE_S);
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        // Ascending by index: those on the ground took the first.
        for walker in &self.walkers {
            let mut entity = if walker.is_vehicle { Entity::Vehicle(walker.body) } else { Entity::Player(walker.body) };
            out.put(walker.id, &mut entity);
        }
        self.projectiles.sort_unstable_by_key(|projectile| projectile.id.index());
        for projectile in &self.projectiles {
            out.put(projectile.id, &mut Entity::Projectile(projectile.body));
        }
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &NoInput) {}
}

impl Halo {
    fn fresh_id(&mut self) -> EntityId {
        self.ids.spawn().expect("there are far more ids than entities")
    }

    /// Fires a projectile of some player, at an angle at which it comes down about when its life is over.
    fn fire(&mut self, life_s: f32) {
        let id = self.fresh_id();
        let from = &self.walkers[self.chance.below(PLAYERS as u32) as usize].body;
        let speed = self.chance.between(PROJECTILE_SPEED.0, PROJECTILE_SPEED.1);
        let rise = self.chance.between(1.0, 1.5) * GRAVITY * LIFE_S / 2.0;
        let along = heading(self.chance.between(-std::f32::consts::PI, std::f32::consts::PI));
        let velocity = along * (speed * speed - rise * rise).sqrt() + Vec3::Y * rise;
        let position = from.position + Vec3::Y * 1.5;
        let body = Body { position, rotation: along_way(velocity), velocity, health: 1 };
        self.projectiles.push(Projectile { id, body, left_s: life_s });
    }
}

impl Projectile {
    fn step(&mut self, dt: f32) {
        let body = &mut self.body;
        body.velocity.y -= GRAVITY * dt;
        body.position += body.velocity * dt;
        body.rotation = along_way(body.velocity);
        self.left_s -= dt;
    }
}

impl Walker {
    fn new(is_vehicle: bool, id: EntityId, chance: &mut Chance) -> Self {
        let mut position = chance.point(BORDER * 0.7).with_y(0.0);
        position.y = ground(position);
        let health = (chance.below(u32::from(HEALTH_MAX)) + 1) as u8;
        let body = Body { position, rotation: Quat::IDENTITY, velocity: Vec3::ZERO, health };
        let yaw = chance.between(-std::f32::consts::PI, std::f32::consts::PI);
        Self { id, is_vehicle, body, yaw, turn: 0.0, look: 0.0, look_turn: 0.0, height: 0.0, rise: 0.0 }
    }

    fn step(&mut self, dt: f32, chance: &mut Chance) {
        let (speed, turn) = if self.is_vehicle { (VEHICLE_SPEED, VEHICLE_TURN) } else { (PLAYER_SPEED, PLAYER_TURN) };
        self.turn = strayed(self.turn, turn, dt, chance);
        let at = self.body.position;
        let forward = heading(self.yaw);
        if at.with_y(0.0).length() > BORDER && forward.dot(at) > 0.0 {
            // Whichever way is shorter.
            self.turn = turn.0.copysign(forward.x * at.z - forward.z * at.x);
        }
        self.yaw = wrapped(self.yaw + self.turn * dt);
        let mut to = at + heading(self.yaw) * (speed * dt);
        self.height = (self.height + self.rise * dt).max(0.0);
        self.rise = if self.height > 0.0 { self.rise - GRAVITY * dt } else { 0.0 };
        if !self.is_vehicle {
            self.look_turn = strayed(self.look_turn, LOOK_TURN, dt, chance);
            self.look = (self.look + self.look_turn * dt).clamp(-LOOK_MAX, LOOK_MAX);
            if self.height == 0.0 && chance.happens(JUMPS * dt) {
                self.rise = JUMP_SPEED;
            }
        }
        to.y = ground(to) + self.height;
        self.body.velocity = (to - at) / dt;
        self.body.position = to;
        let turned = Quat::from_rotation_y(self.yaw);
        self.body.rotation = if self.is_vehicle {
            Quat::from_rotation_arc(Vec3::Y, slope(to)) * turned
        } else {
            turned * Quat::from_rotation_x(self.look)
        };
        if chance.happens(HURTS * dt) {
            self.body.health = (chance.below(u32::from(HEALTH_MAX)) + 1) as u8;
        }
    }
}

/// A rate that strays at random within `±most`, by `stray` in a second.
fn strayed(rate: f32, (most, stray): (f32, f32), dt: f32, chance: &mut Chance) -> f32 {
    // Uniform in ±a deviates by a/√3, and n steps by √n times that.
    let step = stray * (3.0 * dt).sqrt();
    let rate = rate + chance.between(-step, step);
    if rate.abs() > most { 2.0 * most.copysign(rate) - rate } else { rate }
}

/// Height of the ground, in metres: hills of up to 5 m.
fn ground(at: Vec3) -> f32 {
    3.0 * libm::sinf(at.x * 0.06) * libm::cosf(at.z * 0.05) + 2.0 * libm::sinf(at.x * 0.023 + at.z * 0.031)
}

/// The ground's normal.
fn slope(at: Vec3) -> Vec3 {
    let rise = |by: Vec3| ground(at + by) - ground(at - by);
    Vec3::new(-rise(Vec3::X * 0.5), 1.0, -rise(Vec3::Z * 0.5)).normalize()
}

/// The direction of `yaw` on the plane.
fn heading(yaw: f32) -> Vec3 {
    let (sin, cos) = libm::sincosf(yaw);
    Vec3::new(sin, 0.0, cos)
}

/// The rotation of what points along `way`.
fn along_way(way: Vec3) -> Quat {
    let flat = way.with_y(0.0).length();
    Quat::from_rotation_y(libm::atan2f(way.x, way.z)) * Quat::from_rotation_x(-libm::atan2f(way.y, flat))
}

/// An angle of less than three half turns, in -π..=π.
fn wrapped(angle: f32) -> f32 {
    use std::f32::consts::{PI, TAU};
    if angle > PI {
        angle - TAU
    } else if angle < -PI {
        angle + TAU
    } else {
        angle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battle(seed: u64) -> Halo {
        Halo::new(&(), Setup { tick_rate_hz: 60, seed, players_max: 1 }).expect("nothing can be wrong")
    }

    fn step(halo: &mut Halo) {
        halo.step(Tick(1), &Inputs::new(&[]), &(), &mut Events::default());
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        let (mut a, mut b, mut c) = (battle(1), battle(1), battle(2));
        for _ in 0..600 {
            [&mut a, &mut b, &mut c].into_iter().for_each(step);
        }
        assert_eq!((&a.walkers, &a.projectiles), (&b.walkers, &b.projectiles));
        assert_ne!(a.walkers, c.walkers);
    }

    #[test]
    fn everything_moves_at_its_speed_and_stays_in_range() {
        let mut halo = battle(3);
        for _ in 0..3_600 {
            let before: Vec<_> = halo.walkers.iter().map(|walker| walker.body.position).collect();
            step(&mut halo);
            assert_eq!(halo.projectiles.len(), PROJECTILES);
            for (walker, before) in halo.walkers.iter().zip(before) {
                let flat = walker.body.velocity.with_y(0.0).length();
                let speed = if walker.is_vehicle { VEHICLE_SPEED } else { PLAYER_SPEED };
                assert!((flat - speed).abs() < 0.05, "{walker:?}");
                assert!(walker.turn.abs() <= PLAYER_TURN.0 + 1e-4, "{walker:?}");
                assert_ne!(walker.body.position, before);
                assert!(before.abs().max_element() < 150.0 && walker.body.velocity.abs().max_element() < 100.0);
            }
            for projectile in &halo.projectiles {
                assert!((30.0..90.0).contains(&projectile.body.velocity.length()), "{projectile:?}");
                assert!(projectile.body.position.abs().max_element() < 256.0, "{projectile:?}");
            }
        }
    }

    #[test]
    fn most_projectiles_live_their_two_seconds() {
        let mut halo = battle(4);
        let (mut gone, mut early) = (0, 0);
        for _ in 0..1_200 {
            let before = halo.projectiles.clone();
            step(&mut halo);
            let ended = before.iter().filter(|old| halo.projectiles.iter().all(|new| new.id != old.id));
            ended.for_each(|old| {
                gone += 1;
                early += u32::from(old.left_s > 0.5);
            });
        }
        assert!((400..1_000).contains(&gone), "{gone} in 20 s");
        assert!(early * 4 < gone, "{early} of {gone} hit the ground early");
    }
}
