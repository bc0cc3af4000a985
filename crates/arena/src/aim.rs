//! Look angles and directions. Trigonometry is libm's, the same on every machine.

use glam::Vec3;

/// The unit vector in which one looks at `yaw` and `pitch` (radians): yaw 0 is towards −z, to the left is positive.
#[must_use]
pub fn look(yaw: f32, pitch: f32) -> Vec3 {
    let (sin_yaw, cos_yaw) = libm::sincosf(yaw);
    let (sin_pitch, cos_pitch) = libm::sincosf(pitch);
    Vec3::new(-sin_yaw * cos_pitch, sin_pitch, -cos_yaw * cos_pitch)
}

/// The yaw and pitch at which one at `from` looks at `to`.
#[must_use]
pub fn angles_towards(from: Vec3, to: Vec3) -> (f32, f32) {
    let way = to - from;
    let flat = (way.x * way.x + way.z * way.z).sqrt();
    let yaw = if flat > 0.0 { libm::atan2f(-way.x, -way.z) } else { 0.0 };
    (yaw, libm::atan2f(way.y, flat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_angles_towards_a_point_look_at_it() {
        for to in [Vec3::new(3.0, 1.0, -2.0), Vec3::new(-4.0, -1.0, 5.0), Vec3::new(0.0, 0.5, -1.0)] {
            let (yaw, pitch) = angles_towards(Vec3::ZERO, to);
            assert!(look(yaw, pitch).distance(to.normalize()) < 1e-6, "{to}");
        }
    }
}
