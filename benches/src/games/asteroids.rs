//! 250 bodies tumble and collide in a walled cube and never come to rest.
//!
//! Each is a sphere of 1 to 4 m radius; all weigh the same, so that the mean square of their speeds stays what it was at
//! the beginning. Contacts are elastic. A contact also turns the spin by half a turn about its normal: rotations change
//! as they do among rough bodies, and no energy goes from one kind of motion into the other.

use downbeat_replica::glam::{Quat, Vec3};
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, EntityIds, Events, Game, Inputs, NoEvents, PlayerId, Replicated, Rewind,
    Setup, Tick,
};

use super::NoInput;
use super::chance::Chance;

/// Bodies in the cube.
pub const BODIES: usize = 250;

/// The walls stand this far from the origin, in metres.
pub const WALL: f32 = 50.0;

/// Radii, in metres.
pub const RADIUS: (f32, f32) = (1.0, 4.0);

/// Speed at the beginning in m/s, and the root of its mean square for ever.
pub const SPEED: f32 = 10.0;

/// Rate of tumbling, in rad/s.
pub const SPIN: f32 = 2.0;

/// Steps of the physics in a tick.
const SUBSTEPS: u32 = 4;

/// The kinds of entities.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub enum Entity {
    /// A body.
    Asteroid(Asteroid),
}

/// What is told of a body.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub struct Asteroid {
    /// Its centre, in metres.
    #[field(position, range = -50.0..=50.0, step = 0.01)]
    pub position: Vec3,
    /// How it has turned.
    #[field(bits = 9)]
    pub rotation: Quat,
}

/// The world of tumbling bodies.
#[derive(Debug)]
pub struct Asteroids {
    bodies: Vec<Body>,
    dt: f32,
}

#[derive(Clone, Debug, PartialEq)]
struct Body {
    id: EntityId,
    /// Not rounded: nobody predicts it.
    told: Asteroid,
    radius: f32,
    velocity: Vec3,
    /// Axis times rad/s.
    spin: Vec3,
}

impl Game for Asteroids {
    const NAME: &'static str = "asteroids";
    const MODEL: &'static [u8] = include_bytes!("../../../assets/models/asteroids.bin");
    type Config = ();
    type World = ();
    type Input = NoInput;
    type Entity = Entity;
    type Event = NoEvents;

    fn world((): &()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new((): &(), setup: Setup) -> Result<Self, ConfigError> {
        let mut chance = Chance::new(setup.seed);
        let mut ids = EntityIds::default();
        let mut bodies: Vec<Body> = Vec::new();
        while bodies.len() < BODIES {
            let radius = chance.between(RADIUS.0, RADIUS.1);
            let position = chance.point(WALL - radius);
            let is_free = |body: &Body| body.told.position.distance(position) > body.radius + radius;
            if bodies.iter().all(is_free) {
                let turned = chance.between(0.0, std::f32::consts::TAU);
                bodies.push(Body {
                    id: ids.spawn().expect("there are far more ids than bodies"),
                    told: Asteroid { position, rotation: Quat::from_axis_angle(chance.direction(), turned) },
                    radius,
                    velocity: chance.direction() * SPEED,
                    spin: chance.direction() * SPIN,
                });
            }
        }
        Ok(Self { bodies, dt: setup.dt() })
    }

    fn join(&mut self, _: PlayerId, _: &str) {}

    fn leave(&mut self, _: PlayerId) {}

    fn step(&mut self, _: Tick, _: &Inputs<'_, NoInput>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        for _ in 0..SUBSTEPS {
            self.bodies.iter_mut().for_each(|body| body.drift(self.dt / SUBSTEPS as f32));
            for i in 1..self.bodies.len() {
                let (before, rest) = self.bodies.split_at_mut(i);
                before.iter_mut().for_each(|other| collide(other, &mut rest[0]));
            }
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        self.bodies.iter().for_each(|body| out.put(body.id, &mut Entity::Asteroid(body.told)));
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &NoInput) {}
}

impl Body {
    /// Moves for `dt` seconds, back from the walls.
    fn drift(&mut self, dt: f32) {
        self.told.position += self.velocity * dt;
        self.told.rotation = (Quat::from_scaled_axis(self.spin * dt) * self.told.rotation).normalize();
        let reach = WALL - self.radius;
        for axis in 0..3 {
            let beyond = self.told.position[axis].abs() - reach;
            if beyond > 0.0 {
                self.told.position[axis] -= 2.0 * beyond.copysign(self.told.position[axis]);
                self.velocity[axis] = -self.velocity[axis];
                self.turn_spin(Vec3::AXES[axis]);
            }
        }
    }

    /// Half a turn about `normal`, a unit vector.
    fn turn_spin(&mut self, normal: Vec3) {
        self.spin = normal * (2.0 * normal.dot(self.spin)) - self.spin;
    }
}

/// Lets two bodies bounce off each other if they touch and come nearer.
fn collide(a: &mut Body, b: &mut Body) {
    let apart = b.told.position - a.told.position;
    let reach = a.radius + b.radius;
    if apart.length_squared() >= reach * reach {
        return;
    }
    let Some(normal) = apart.try_normalize() else { return };
    let closing = (a.velocity - b.velocity).dot(normal);
    if closing > 0.0 {
        a.velocity -= normal * closing;
        b.velocity += normal * closing;
        a.turn_spin(normal);
        b.turn_spin(normal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(seed: u64) -> Asteroids {
        Asteroids::new(&(), Setup { tick_rate_hz: 30, seed, players_max: 1 }).expect("nothing can be wrong")
    }

    fn step(world: &mut Asteroids, ticks: u32) {
        (0..ticks).for_each(|tick| world.step(Tick(tick), &Inputs::new(&[]), &(), &mut Events::default()));
    }

    /// Sums over all bodies: squares of speed, and of spin.
    fn energies(world: &Asteroids) -> (f32, f32) {
        world.bodies.iter().fold((0.0, 0.0), |(speed, spin), body| {
            (speed + body.velocity.length_squared(), spin + body.spin.length_squared())
        })
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        let (mut a, mut b, mut c) = (world(1), world(1), world(2));
        [&mut a, &mut b, &mut c].into_iter().for_each(|world| step(world, 300));
        assert_eq!(a.bodies, b.bodies);
        assert_ne!(a.bodies, c.bodies);
    }

    #[test]
    fn energy_stays_and_nobody_leaves_the_cube() {
        let mut world = world(3);
        let before = energies(&world);
        for _ in 0..60 {
            step(&mut world, 30);
            for body in &world.bodies {
                assert!(body.told.position.abs().max_element() <= WALL - body.radius + 1e-3, "{body:?}");
                assert!((body.spin.length() - SPIN).abs() < 1e-2, "{body:?}");
            }
        }
        let after = energies(&world);
        assert!((after.0 / before.0 - 1.0).abs() < 1e-3 && (after.1 / before.1 - 1.0).abs() < 1e-3, "{after:?}");
    }

    #[test]
    fn bodies_collide_and_all_that_is_told_of_them_changes() {
        let mut world = world(4);
        let mut contacts = 0;
        for _ in 0..300 {
            let before = world.bodies.clone();
            step(&mut world, 1);
            let changed = world.bodies.iter().zip(&before);
            contacts += changed.clone().filter(|(now, before)| now.spin != before.spin).count();
            assert!(changed.clone().all(|(now, before)| now.told.rotation != before.told.rotation));
        }
        assert!(contacts > 300, "{contacts} in ten seconds");
    }
}
