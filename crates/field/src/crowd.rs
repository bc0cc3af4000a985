//! A walker goes its way from the position that clients are told, but 2.5 cm a tick rounded to whole centimetres is
//! another speed, and a slow turn rounded to yaw steps is none. So what rounding cuts off is kept here and added to
//! the next step; paths are as smooth as if nothing was rounded.

use std::f32::consts::{PI, TAU};

use downbeat_replica::glam::Vec3;
use downbeat_replica::{Capture, EntityId, EntityIds, Scene};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg32;

use crate::motion::{fall, heading};
use crate::{Entity, HEALTH_MAX, Walker, World};

/// A walker's speed is drawn from here up to [`WALKER_SPEED_MAX`], in m/s, and kept.
pub const WALKER_SPEED_MIN: f32 = 1.5;
/// See [`WALKER_SPEED_MIN`].
pub const WALKER_SPEED_MAX: f32 = 6.0;

/// Turn rates stay within this, in rad/s.
pub const TURN_MAX: f32 = 2.0;

/// Share of the walkers whose health changes in a tick.
pub const HEALTH_ODDS: f32 = 0.02;

/// A turn rate strays by this much in a second (standard deviation, in rad/s).
const TURN_STRAY: f32 = 1.0;

/// Within this of the border, in metres, a walker turns back: twice the circle of the fastest and a bit.
const BORDER: f32 = 8.0;

/// How often a standing walker hops in a second, and at what vertical speed in m/s.
const HOPS_PER_SECOND: f32 = 0.1;
const HOP: f32 = 3.5;

/// Most that health changes at a time.
const HEALTH_CHANGE_MAX: u32 = 20;

/// All walkers. Nothing that players do reaches them: the crowd of a seed is always the same.
#[derive(Debug)]
pub(crate) struct Crowd {
    walkers: Vec<Wanderer>,
    rng: Pcg32,
    pace: Pace,
}

/// What all walkers have in common, by tick.
#[derive(Clone, Copy, Debug)]
struct Pace {
    dt: f32,
    /// Largest change of a turn rate in a tick, in rad/s.
    stray: f32,
    /// Chances in 65,536.
    hop: u32,
    health: u32,
    /// Beyond this, in metres, walkers turn back.
    border: f32,
}

/// A walker, and what nobody is told of it.
#[derive(Debug)]
struct Wanderer {
    id: EntityId,
    body: Walker,
    /// What rounding cut off in the last capture.
    rest: Vec3,
    rest_yaw: f32,
    /// In m/s along the ground.
    speed: f32,
    /// In rad/s.
    turn: f32,
    /// In m/s upwards.
    rise: f32,
}

impl Crowd {
    pub(crate) fn new(world: &World, ids: &mut EntityIds, seed: u64, dt: f32) -> Self {
        let mut rng = Pcg32::seed_from_u64(seed);
        let walkers = (0..world.walkers)
            .map(|_| Wanderer {
                id: ids.spawn().expect("there are far more ids than walkers"),
                body: Walker {
                    position: somewhere(world.reach - BORDER, &mut rng),
                    yaw: PI * signed_unit(&mut rng),
                    health: (rng.next_u32() % (u32::from(HEALTH_MAX) + 1)) as u8,
                },
                rest: Vec3::ZERO,
                rest_yaw: 0.0,
                speed: WALKER_SPEED_MIN + (WALKER_SPEED_MAX - WALKER_SPEED_MIN) * signed_unit(&mut rng).abs(),
                turn: TURN_MAX * signed_unit(&mut rng),
                rise: 0.0,
            })
            .collect();
        let chance = |odds: f32| (odds * 65_536.0) as u32;
        // Uniform in ±a deviates by a/√3, and n steps by √n times that.
        let stray = TURN_STRAY * libm::sqrtf(3.0 * dt);
        let (hop, health) = (chance(HOPS_PER_SECOND * dt), chance(HEALTH_ODDS));
        Self { walkers, rng, pace: Pace { dt, stray, hop, health, border: world.reach - BORDER } }
    }

    pub(crate) fn step(&mut self) {
        let (pace, rng) = (self.pace, &mut self.rng);
        for walker in &mut self.walkers {
            let luck = rng.next_u32();
            walker.walk(&pace, signed_unit(rng), luck >> 16 < pace.hop);
            if luck & 0xffff < pace.health {
                walker.body.health = changed(walker.body.health, rng.next_u32());
            }
        }
    }

    /// Reports all walkers, and to `scene` where they are.
    pub(crate) fn capture(&mut self, out: &mut Capture<'_, Entity>, scene: &mut Scene) {
        for walker in &mut self.walkers {
            let mut entity = Entity::Walker(walker.body);
            out.put(walker.id, &mut entity);
            if let Entity::Walker(rounded) = entity {
                walker.rest += walker.body.position - rounded.position;
                walker.rest_yaw += wrapped(walker.body.yaw - rounded.yaw);
                walker.body = rounded;
            }
            scene.push(walker.id, walker.body.position);
        }
    }
}

impl Wanderer {
    #[inline]
    fn walk(&mut self, pace: &Pace, whim: f32, hop: bool) {
        self.turn = reflected(self.turn + pace.stray * whim);
        let body = &mut self.body;
        let mut position = body.position + std::mem::take(&mut self.rest);
        if position.x.abs().max(position.z.abs()) > pace.border {
            self.turn = homeward(position, heading(body.yaw), pace.border).unwrap_or(self.turn);
        }
        body.yaw = wrapped(body.yaw + std::mem::take(&mut self.rest_yaw) + self.turn * pace.dt);
        position += heading(body.yaw) * (self.speed * pace.dt);
        fall(&mut position.y, &mut self.rise, if hop { HOP } else { 0.0 }, pace.dt);
        body.position = position;
    }
}

/// The turn rate that brings back a walker who is at the border and about to leave.
fn homeward(position: Vec3, forward: Vec3, border: f32) -> Option<f32> {
    let leaves = |at: f32, forward: f32| at.abs() > border && at * forward > 0.0;
    if !leaves(position.x, forward.x) && !leaves(position.z, forward.z) {
        return None;
    }
    // Turning left or right, whichever brings the origin ahead sooner.
    let side = position.x * forward.z - position.z * forward.x;
    Some(if side > 0.0 { -TURN_MAX } else { TURN_MAX })
}

/// Another health, by -`HEALTH_CHANGE_MAX..=HEALTH_CHANGE_MAX`; a change beyond the range goes the other way.
fn changed(health: u8, luck: u32) -> u8 {
    let by = ((luck >> 1) % HEALTH_CHANGE_MAX + 1) as i32;
    let by = if luck & 1 == 0 { by } else { -by };
    let health = i32::from(health);
    let there = health + by;
    (if (0..=i32::from(HEALTH_MAX)).contains(&there) { there } else { health - by }) as u8
}

/// A point on the ground within `reach` along x and z.
pub(crate) fn somewhere(reach: f32, rng: &mut Pcg32) -> Vec3 {
    let (x, z) = (signed_unit(rng), signed_unit(rng));
    Vec3::new(x * reach, 0.0, z * reach)
}

/// Uniform in -1..=1.
pub(crate) fn signed_unit(rng: &mut Pcg32) -> f32 {
    (rng.next_u32() as i32) as f32 / 2_147_483_648.0
}

/// A turn rate that went beyond its range, thrown back into it.
fn reflected(turn: f32) -> f32 {
    let over = turn.abs() - TURN_MAX;
    if over > 0.0 { (TURN_MAX - over).copysign(turn) } else { turn }
}

/// An angle of less than three half turns, in -π..=π.
fn wrapped(angle: f32) -> f32 {
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
    use crate::Config;

    fn crowd(walkers: u32) -> (Crowd, World) {
        let world = World::new(&Config { walkers, ..Config::default() }).expect("the rules are legal");
        (Crowd::new(&world, &mut EntityIds::default(), 7, 1.0 / 60.0), world)
    }

    fn step_and_capture(crowd: &mut Crowd) {
        crowd.step();
        let (mut captured, mut lanes) = (Vec::new(), Vec::new());
        crowd.capture(&mut Capture::new(&mut captured, &mut lanes, &|_, _| None), &mut Scene::default());
    }

    #[test]
    fn speeds_and_turn_rates_fill_their_range_and_stay_in_it() {
        let (mut crowd, _) = crowd(500);
        let (mut slowest, mut fastest) = (f32::MAX, 0_f32);
        let mut turns = [0_u32; 4];
        for _ in 0..1_200 {
            step_and_capture(&mut crowd);
            for walker in &crowd.walkers {
                (slowest, fastest) = (slowest.min(walker.speed), fastest.max(walker.speed));
                assert!(walker.turn.abs() <= TURN_MAX, "{walker:?}");
                turns[((walker.turn + TURN_MAX) as usize).min(3)] += 1;
            }
        }
        assert!((WALKER_SPEED_MIN..1.6).contains(&slowest), "{slowest}");
        assert!((5.9..=WALKER_SPEED_MAX).contains(&fastest), "{fastest}");
        assert!(turns.iter().all(|&count| count > 500 * 1_200 / 8), "{turns:?}");
    }

    #[test]
    fn what_rounding_cuts_off_is_less_than_half_a_step() {
        let (mut crowd, _) = crowd(200);
        for _ in 0..600 {
            step_and_capture(&mut crowd);
            for walker in &crowd.walkers {
                assert!(walker.rest.abs().max_element() <= 0.0051, "{walker:?}");
                assert!(walker.rest_yaw.abs() <= PI / 1_024.0 + 1e-5, "{walker:?}");
            }
        }
    }

    #[test]
    fn walkers_that_run_at_a_border_or_into_a_corner_turn_back() {
        let (mut crowd, world) = crowd(64);
        let edge = world.reach - BORDER;
        for (i, walker) in crowd.walkers.iter_mut().enumerate() {
            walker.speed = WALKER_SPEED_MAX;
            walker.body.yaw = wrapped(i as f32 * 0.1);
            walker.body.position = Vec3::new(edge, 0.0, if i % 2 == 0 { edge } else { 0.0 });
        }
        for _ in 0..300 {
            step_and_capture(&mut crowd);
            for walker in &crowd.walkers {
                let at = walker.body.position;
                assert!(at.x.abs().max(at.z.abs()) < world.reach, "{walker:?}");
            }
        }
    }

    #[test]
    fn health_always_changes_and_stays_in_range() {
        for health in 0..=HEALTH_MAX {
            for luck in 0..400 {
                let there = changed(health, luck);
                assert!(there != health && there <= HEALTH_MAX);
            }
        }
    }
}
