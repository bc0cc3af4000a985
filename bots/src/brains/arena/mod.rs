//! How the arena is played.
//!
//! | module | holds |
//! |---|---|
//! | `route` | the way over the map, from waypoint to waypoint |
//! | `aim` | a hand that is neither fast nor steady |
//! | `fight`, `wander` | the brains |

mod aim;
mod fight;
mod route;
mod wander;

use downbeat_arena::{Arena, Entity, Player};
use downbeat_client::View;
use downbeat_replica::glam::{Vec2, Vec3};

pub(crate) use fight::Fight;
pub(crate) use wander::Wander;

/// The living avatar.
fn living<'a>(view: &'a View<'_, Arena>) -> Option<&'a Player> {
    match &view.avatar {
        Some(Entity::Player(own)) => Some(own).filter(|own| own.alive),
        _ => None,
    }
}

/// The yaw of one who looks along `way`.
fn yaw_along(way: Vec3) -> f32 {
    libm::atan2f(-way.x, -way.z)
}

/// The horizontal unit vector along `yaw`.
fn along_yaw(yaw: f32) -> Vec3 {
    let (sin, cos) = libm::sincosf(yaw);
    Vec3::new(-sin, 0.0, -cos)
}

/// The `(right, forward)` of one who looks along `yaw` and wants to run along `wish`, a horizontal vector.
fn keys(wish: Vec3, yaw: f32) -> Vec2 {
    let forward = along_yaw(yaw);
    let right = Vec3::new(-forward.z, 0.0, forward.x);
    let keys = Vec2::new(wish.dot(right), wish.dot(forward));
    // Keys are on or off: the larger of the two is pressed in full.
    keys / keys.abs().max_element().max(1e-6)
}

/// `angle` between -pi and pi.
fn wrapped(angle: f32) -> f32 {
    let turns = angle / std::f32::consts::TAU;
    (turns - (turns + 0.5).floor()) * std::f32::consts::TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_run_where_they_are_meant_to_whatever_the_view() {
        for (yaw, wish) in [(0.0, Vec3::NEG_Z), (1.2, Vec3::X), (-2.0, Vec3::new(0.6, 0.0, 0.8))] {
            let keys = keys(wish, yaw);
            let forward = along_yaw(yaw);
            let right = Vec3::new(-forward.z, 0.0, forward.x);
            let run = (right * keys.x + forward * keys.y).normalize();
            assert!(run.distance(wish) < 1e-5, "{run} {wish}");
        }
        assert_eq!(keys(Vec3::NEG_Z, 0.0), Vec2::new(0.0, 1.0));
        assert!((wrapped(yaw_along(along_yaw(2.5)) - 2.5)).abs() < 1e-5);
    }
}
