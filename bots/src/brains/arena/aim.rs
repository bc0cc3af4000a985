//! A hand that is neither fast nor steady. Bots that aim like machines end every fight at once, and then nobody moves.

use downbeat_replica::glam::Vec2;

use super::wrapped;
use crate::dice::Dice;

/// How far off the hand is when it turns to a new target and after [`SETTLED_S`] on it: standard deviation, radians.
const ERROR_FRESH: f32 = 0.12;
const ERROR_SETTLED: f32 = 0.05;
const SETTLED_S: f32 = 1.5;

/// The error is drawn anew after this long, in seconds.
const ERROR_LASTS_S: (f32, f32) = (0.15, 0.45);

/// Fastest turn in radians per second, and the share of the rest of a turn that is made in a second.
const TURN_MAX: f32 = 9.0;
const EAGERNESS: f32 = 14.0;

/// Where one looks: yaw and pitch.
#[derive(Debug, Default)]
pub(crate) struct Aim {
    pub(crate) angles: Vec2,
    error: Vec2,
    error_left_s: f32,
    on_target_s: f32,
}

impl Aim {
    /// Another target: the hand is unsteady again.
    pub(crate) fn startle(&mut self) {
        self.on_target_s = 0.0;
        self.error_left_s = 0.0;
    }

    /// Turns towards a target at `wanted` (yaw, pitch) for `dt` seconds, with a hand's error.
    pub(crate) fn track(&mut self, wanted: Vec2, dt: f32, dice: &mut Dice) {
        self.on_target_s += dt;
        self.error_left_s -= dt;
        if self.error_left_s < 0.0 {
            let settled = (self.on_target_s / SETTLED_S).min(1.0);
            let spread = ERROR_FRESH + (ERROR_SETTLED - ERROR_FRESH) * settled;
            self.error = Vec2::new(dice.normal(), dice.normal() * 0.6) * spread;
            self.error_left_s = dice.between(ERROR_LASTS_S.0, ERROR_LASTS_S.1);
        }
        self.turn(wanted + self.error, dt);
    }

    /// Turns towards `wanted` for `dt` seconds.
    pub(crate) fn turn(&mut self, wanted: Vec2, dt: f32) {
        let rest = Vec2::new(wrapped(wanted.x - self.angles.x), wanted.y - self.angles.y);
        let step = (rest * (EAGERNESS * dt).min(1.0)).clamp_length_max(TURN_MAX * dt);
        self.angles = Vec2::new(wrapped(self.angles.x + step.x), self.angles.y + step.y);
    }

    /// How far one looks past `wanted`, in radians.
    pub(crate) fn off(&self, wanted: Vec2) -> f32 {
        Vec2::new(wrapped(wanted.x - self.angles.x), wanted.y - self.angles.y).length()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_takes_its_time_and_ends_near_the_target() {
        let (mut aim, mut dice, dt) = (Aim::default(), Dice::new(1), 1.0 / 60.0);
        let wanted = Vec2::new(3.0, 0.2);
        for _ in 0..12 {
            aim.track(wanted, dt, &mut dice);
        }
        assert!(aim.off(wanted) > 0.5, "0.2 s are too short to turn around");
        let mut off: Vec<f32> = (0..1_200)
            .map(|_| {
                aim.track(wanted, dt, &mut dice);
                aim.off(wanted)
            })
            .collect();
        off.sort_by(f32::total_cmp);
        assert!((0.01..0.06).contains(&off[600]), "neither a machine nor a drunkard: {}", off[600]);
    }
}
