//! Between two states: lanes with fractions, by what each field means.

use crate::schema::{Kind, Repr};

/// Writes the state at `t` (0..=1, beyond 1 extrapolates) between `from` and `to` as whole lanes and fractions.
/// All lanes are in the room's units.
pub fn interpolate(kind: &Kind, from: &[i32], to: &[i32], t: f32, lanes: &mut Vec<i32>, fractions: &mut Vec<f32>) {
    lanes.clear();
    fractions.clear();
    lanes.extend_from_slice(if t < 1.0 { from } else { to });
    fractions.resize(lanes.len(), 0.0);
    for field in kind.fields.iter().filter(|field| !field.discrete) {
        // A rotation whose largest component changes has no common basis in its lanes; it takes the nearer end.
        let rebased = matches!(field.repr, Repr::Quat { .. }) && from[field.lanes.start] != to[field.lanes.start];
        for i in field.lanes.clone() {
            if rebased {
                lanes[i] = if t < 0.5 { from[i] } else { to[i] };
                continue;
            }
            let lane = &kind.lanes[i];
            let turn = i64::from(lane.max) + 1;
            let mut way = i64::from(to[i]) - i64::from(from[i]);
            if lane.wraps {
                way = (way + turn / 2).rem_euclid(turn) - turn / 2;
            }
            let exact = f64::from(from[i]) + way as f64 * f64::from(t);
            let exact = if lane.wraps { exact.rem_euclid(turn as f64) } else { exact.clamp(0.0, f64::from(lane.max)) };
            lanes[i] = exact as i32;
            fractions[i] = (exact - f64::from(lanes[i])) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LaneReader, LaneWriter, Replicated, glam::Vec3};

    #[derive(Replicated, Clone, Debug, PartialEq)]
    struct Thing {
        #[field(position, range = -10.0..=10.0, step = 0.5)]
        position: Vec3,
        #[field(heading, bits = 8)]
        yaw: f32,
        #[field(range = 0..=9)]
        score: u8,
    }

    fn between(a: &Thing, b: &Thing, t: f32) -> Thing {
        let kind = Kind::of::<Thing>("Thing");
        let lanes_of = |thing: &Thing| {
            let mut lanes = Vec::new();
            thing.write(&mut LaneWriter::new(&mut lanes));
            lanes
        };
        let (mut lanes, mut fractions) = (Vec::new(), Vec::new());
        interpolate(&kind, &lanes_of(a), &lanes_of(b), t, &mut lanes, &mut fractions);
        Thing::read(&mut LaneReader::between(&lanes, &fractions))
    }

    #[test]
    fn positions_go_straight_angles_the_short_way_and_counts_in_steps() {
        let turn = std::f32::consts::TAU;
        let a = Thing { position: Vec3::new(0.0, 1.0, 2.0), yaw: 0.4 * turn, score: 1 };
        let b = Thing { position: Vec3::new(1.0, 1.0, -2.0), yaw: -0.4 * turn, score: 2 };
        let half = between(&a, &b, 0.5);
        assert!(half.position.distance(Vec3::new(0.5, 1.0, 0.0)) < 1e-5, "{half:?}");
        assert!((half.yaw.abs() - 0.5 * turn).abs() < 0.01 * turn, "across the seam, not through zero: {half:?}");
        assert_eq!(half.score, 1);
        let quarter = between(&a, &b, 0.1);
        assert!((quarter.position.x - 0.1).abs() < 1e-5, "finer than a step: {quarter:?}");
        assert_eq!(between(&a, &b, 1.0).score, 2);
    }
}
