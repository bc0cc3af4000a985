//! What a rocket does by itself: the part of its flight that the client of who launched it predicts to the bit. Whom it
//! meets and what its burst does, the server alone decides.

use downbeat_replica::Tick;
use glam::Vec3;

use crate::advance::aimed_pitch;
use crate::aim::look;
use crate::brush::SKIN;
use crate::rules::ticks;
use crate::{Input, Player, Rocket, World};

/// The rocket that `own` launches with `input` in `tick`, at its eyes.
pub(crate) fn launched(world: &World, own: &Player, input: &Input, tick: Tick) -> Rocket {
    let way = look(input.yaw, aimed_pitch(input));
    let velocity = way * world.rules().rocket.speed_mps;
    Rocket { position: world.eyes(own.position), velocity, owner: own.player, fired: tick.0 }
}

/// How a rocket's flight ends in a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// How far it comes, in metres.
    pub(crate) reach: f32,
    /// Where it bursts, from there.
    pub(crate) off: Vec3,
}

/// Whether the flight ends at a wall in this tick of `dt` seconds.
pub(crate) fn wall(world: &World, rocket: &Rocket, dt: f32) -> Option<End> {
    let step = rocket.velocity * dt;
    let wall = world.cast(rocket.position, step)?;
    // It bursts in front of the wall, so that the burst sees what it reaches.
    Some(End { reach: wall.fraction * step.length(), off: wall.normal * (2.0 * SKIN) })
}

/// Whether the flight ends in `tick` because it lasted long enough.
pub(crate) fn spent(world: &World, rocket: &Rocket, tick: Tick, dt: f32) -> Option<End> {
    let life = u32::from(ticks(world.rules().rocket.life_s, dt));
    let old = tick.0.wrapping_sub(rocket.fired) >= life;
    old.then(|| End { reach: (rocket.velocity * dt).length(), off: Vec3::ZERO })
}

impl Rocket {
    /// Flies on for a tick.
    pub(crate) fn fly(&mut self, dt: f32) {
        self.position += self.velocity * dt;
    }

    /// Comes to its end.
    pub(crate) fn burst(&mut self, end: End) {
        self.position = self.position + self.velocity.normalize_or_zero() * end.reach + end.off;
    }
}
