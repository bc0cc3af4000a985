//! How a body moves: it walks along the ground, or flies.
//!
//! On the ground only the horizontal velocity counts; the ground gives the height. So slopes neither slow nor
//! launch anybody, and one who stands has a velocity of exactly zero and is not moved at all. Positions are
//! rounded after each tick, which may bring a body closer to a wall than its skin; the next move begins by
//! restoring it.

use glam::Vec3;

use crate::World;
use crate::brush::SKIN;

/// Ground is what is not steeper than this; ramps are never steeper, so what is not ground is a wall or a ceiling.
const GROUND: f32 = 0.7;

/// Solids that a body slides along in a tick, at most.
const SLIDES_MAX: usize = 5;

/// A way shorter than this is no way, in metres.
const NO_WAY: f32 = 1e-5;

/// To climb a step, a body looks at least this far ahead.
const CLIMB_AHEAD_M: f32 = 0.01;

/// A body in motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Motion {
    /// Where the feet are.
    pub(crate) at: Vec3,
    pub(crate) velocity: Vec3,
    pub(crate) grounded: bool,
}

impl Motion {
    /// Moves for `dt` seconds.
    pub(crate) fn advance(&mut self, world: &World, dt: f32) {
        self.at = world.unstick(self.at);
        if self.grounded {
            self.walk(world, dt);
            self.settle(world);
        } else {
            self.fly(world, dt);
        }
    }

    /// Moves by `way` (horizontal) and keeps the velocity.
    pub(crate) fn shove(&mut self, world: &World, way: Vec3) {
        let velocity = std::mem::replace(&mut self.velocity, way);
        self.at = world.unstick(self.at);
        self.walk(world, 1.0);
        self.velocity = velocity;
    }

    /// Moves horizontally, up slopes and steps, along walls.
    fn walk(&mut self, world: &World, dt: f32) {
        let mut way = self.velocity.with_y(0.0) * dt;
        let mut ground = Vec3::Y;
        let mut wall: Option<Vec3> = None;
        for _ in 0..SLIDES_MAX {
            if way.length_squared() < NO_WAY * NO_WAY {
                return;
            }
            let Some(contact) = world.sweep(self.at, way) else {
                self.at += way;
                return;
            };
            self.at += way * contact.fraction;
            way *= 1.0 - contact.fraction;
            if contact.normal.y >= GROUND {
                ground = contact.normal;
                way = along_ground(way, ground);
                continue;
            }
            if let Some(left) = self.climb(world, way.with_y(0.0)) {
                way = left;
                continue;
            }
            let normal = contact.normal.with_y(0.0).normalize_or_zero();
            way = along_ground(clip(way.with_y(0.0), normal), ground);
            self.velocity = clip(self.velocity, normal);
            // In a corner, or under a ceiling, there is no way on.
            if normal == Vec3::ZERO || wall.is_some_and(|wall| way.dot(wall) < -NO_WAY) {
                self.velocity = Vec3::ZERO;
                return;
            }
            wall = Some(normal);
        }
    }

    /// Tries to step up onto what blocks `way`. Gives what is left of the way.
    fn climb(&mut self, world: &World, way: Vec3) -> Option<Vec3> {
        let length = way.length();
        if length < NO_WAY {
            return None;
        }
        let ahead = way * f32::max(CLIMB_AHEAD_M / length, 1.0);
        let height = world.rules().step_height_m;
        let up = Vec3::Y * (height * free(world, self.at, Vec3::Y * height));
        let fraction = free(world, self.at + up, ahead);
        let above = self.at + up + ahead * fraction;
        let down = world.sweep(above, -up)?;
        let to = above - up * down.fraction;
        if down.normal.y < GROUND || to.y <= self.at.y + SKIN {
            return None;
        }
        self.at = to;
        Some(if length < CLIMB_AHEAD_M { Vec3::ZERO } else { way * (1.0 - fraction) })
    }

    /// Keeps to the ground: down slopes and steps. Where there is none, the flight begins.
    fn settle(&mut self, world: &World) {
        let down = Vec3::NEG_Y * (world.rules().step_height_m + 2.0 * SKIN);
        self.velocity.y = 0.0;
        match world.sweep(self.at, down) {
            Some(contact) if contact.normal.y >= GROUND => self.at += down * contact.fraction,
            _ => self.grounded = false,
        }
    }

    /// Falls and slides along what is met, until it lands.
    fn fly(&mut self, world: &World, dt: f32) {
        let before = self.velocity;
        self.velocity.y -= world.rules().gravity_mps2 * dt;
        let mut way = (before + self.velocity) * (0.5 * dt);
        let mut left = dt;
        let mut walls = [Vec3::ZERO; SLIDES_MAX];
        for met in 0..SLIDES_MAX {
            let Some(contact) = world.sweep(self.at, way) else {
                self.at += way;
                return;
            };
            self.at += way * contact.fraction;
            way *= 1.0 - contact.fraction;
            left *= 1.0 - contact.fraction;
            let normal = contact.normal;
            if normal.y >= GROUND && self.velocity.y <= 0.0 {
                self.velocity.y = 0.0;
                self.grounded = true;
                self.walk(world, left);
                return self.settle(world);
            }
            walls[met] = normal;
            way = slide(way, &walls[..=met]);
            self.velocity = slide(self.velocity, &walls[..=met]);
            if way.length_squared() < NO_WAY * NO_WAY {
                return;
            }
        }
    }
}

/// The share of `way` that is free.
fn free(world: &World, at: Vec3, way: Vec3) -> f32 {
    world.sweep(at, way).map_or(1.0, |contact| contact.fraction)
}

/// `way` without what goes into the plane.
fn clip(way: Vec3, normal: Vec3) -> Vec3 {
    way - normal * way.dot(normal).min(0.0)
}

/// The same horizontal way, up or down the slope of `ground`.
fn along_ground(way: Vec3, ground: Vec3) -> Vec3 {
    way.with_y(-(ground.x * way.x + ground.z * way.z) / ground.y)
}

/// `way` along all the walls that were met: along the last, or the edge of the last and another, or nowhere.
fn slide(way: Vec3, walls: &[Vec3]) -> Vec3 {
    let (&last, others) = walls.split_last().expect("a wall was met");
    let along = clip(way, last);
    let Some(other) = others.iter().find(|wall| along.dot(**wall) < -1e-6) else { return along };
    let edge = last.cross(*other).normalize_or_zero();
    let along = edge * way.dot(edge);
    if others.iter().all(|wall| along.dot(*wall) >= -1e-6) { along } else { Vec3::ZERO }
}
