//! Walks about, weaving, and never fires: the workload whose prediction must never fail.

use downbeat_arena::{Arena, Input};
use downbeat_client::View;
use downbeat_replica::Tick;
use downbeat_replica::glam::Vec3;

use super::route::Route;
use super::{along_yaw, living, yaw_along};
use crate::Brain;
use crate::dice::Dice;

/// The brain `wander` of the arena. It changes its direction at least once a second.
#[derive(Debug)]
pub(crate) struct Wander {
    dice: Dice,
    dt: f32,
    route: Route,
    /// How far its way turns off the straight one, in radians, and for how long yet.
    weave: f32,
    weave_left_s: f32,
}

impl Wander {
    pub(crate) fn new(seed: u64, tick_rate_hz: u32) -> Self {
        let dt = 1.0 / tick_rate_hz as f32;
        Self { dice: Dice::new(seed), dt, route: Route::default(), weave: 0.5, weave_left_s: 0.0 }
    }
}

impl Brain<Arena> for Wander {
    fn decide(&mut self, view: &View<'_, Arena>, _: Tick) -> Input {
        let Some(own) = living(view) else {
            self.route.reset();
            return Input::default();
        };
        let wish = self.route.follow(view.world, own.position, None, self.dt, &mut self.dice);
        if wish == Vec3::ZERO {
            return Input::default();
        }
        self.weave_left_s -= self.dt;
        if self.weave_left_s < 0.0 {
            self.weave = self.dice.between(0.15, 0.6).copysign(-self.weave);
            self.weave_left_s = self.dice.between(0.25, 0.8);
        }
        let mut yaw = yaw_along(wish) + self.weave;
        // Not into a wall for the sake of weaving.
        let knee = own.position + Vec3::Y * 0.5;
        if view.world.ray(knee, along_yaw(yaw), 1.0) < 1.0 {
            yaw = yaw_along(wish) + self.weave * 0.1;
        }
        let jump = self.route.is_stuck() || self.dice.chance(0.1 * self.dt);
        Input { forward: 1.0, yaw, jump, ..Input::default() }
    }
}
