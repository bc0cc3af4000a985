//! How bodies move. What `predict` needs is here, and nothing else moves an avatar.

use downbeat_replica::glam::{Vec2, Vec3};

use crate::{Avatar, Input};

/// A running avatar's speed, in m/s.
pub const AVATAR_SPEED: f32 = 5.0;

/// Vertical speed at which an avatar jumps, in m/s: 1.3 m high, a second long.
const AVATAR_JUMP: f32 = 5.0;

/// m/s².
const GRAVITY: f32 = 9.8;

/// What lies below this height stands on the ground: less than any step in which heights are told.
const GROUND: f32 = 0.0002;

/// Advances an avatar by `dt` seconds on ground that reaches `reach` metres along x and z.
pub(crate) fn step_avatar(avatar: &mut Avatar, input: &Input, reach: f32, dt: f32) {
    let moves = Vec2::new(input.right, input.forward).clamp_length_max(1.0);
    // A player who does nothing, or of whom nothing is heard, leaves its avatar as it is.
    if moves != Vec2::ZERO {
        avatar.yaw = input.yaw;
        let forward = heading(avatar.yaw);
        let right = Vec3::new(-forward.z, 0.0, forward.x);
        avatar.position += (forward * moves.y + right * moves.x) * (AVATAR_SPEED * dt);
        avatar.position.x = avatar.position.x.clamp(-reach, reach);
        avatar.position.z = avatar.position.z.clamp(-reach, reach);
    }
    let jump = if input.jump { AVATAR_JUMP } else { 0.0 };
    fall(&mut avatar.position.y, &mut avatar.rise, jump, dt);
}

/// Advances the height of a body by `dt` seconds. One that stands on the ground leaves it at the speed `jump`.
#[inline]
pub(crate) fn fall(height: &mut f32, rise: &mut f32, jump: f32, dt: f32) {
    *rise = if *height > GROUND { *rise - GRAVITY * dt } else { jump };
    *height += *rise * dt;
    if *height <= GROUND {
        *height = 0.0;
        *rise = 0.0;
    }
}

/// The direction of `yaw`, a unit vector on the ground.
#[inline]
pub(crate) fn heading(yaw: f32) -> Vec3 {
    let (sin, cos) = libm::sincosf(yaw);
    Vec3::new(sin, 0.0, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 1.0 / 60.0;

    #[test]
    fn right_is_to_the_right_of_forward_seen_from_above() {
        let mut avatar = Avatar { position: Vec3::ZERO, yaw: 0.0, rise: 0.0 };
        step_avatar(&mut avatar, &Input { forward: 1.0, ..Input::default() }, 100.0, DT);
        assert!(avatar.position.z > 0.0, "{avatar:?}");
        let forward = avatar.position;
        let mut avatar = Avatar { position: Vec3::ZERO, yaw: 0.0, rise: 0.0 };
        step_avatar(&mut avatar, &Input { right: 1.0, ..Input::default() }, 100.0, DT);
        assert_eq!(avatar.position.normalize(), forward.cross(Vec3::Y).normalize());
    }

    #[test]
    fn diagonal_steps_are_no_faster() {
        let mut avatar = Avatar { position: Vec3::ZERO, yaw: 0.0, rise: 0.0 };
        step_avatar(&mut avatar, &Input { forward: 1.0, right: -1.0, ..Input::default() }, 100.0, DT);
        assert!((avatar.position.length() - AVATAR_SPEED * DT).abs() < 1e-6, "{avatar:?}");
    }

    #[test]
    fn a_jump_comes_down_after_a_second_and_stays_down() {
        let (mut height, mut rise) = (0.0, 0.0);
        fall(&mut height, &mut rise, AVATAR_JUMP, DT);
        let (mut ticks, mut top) = (1, height);
        while height > 0.0 {
            fall(&mut height, &mut rise, AVATAR_JUMP, DT);
            ticks += 1;
            top = height.max(top);
        }
        assert!((55..=65).contains(&ticks), "{ticks}");
        assert!((1.2..1.4).contains(&top), "{top}");
        fall(&mut height, &mut rise, 0.0, DT);
        assert_eq!((height, rise), (0.0, 0.0));
    }
}
