//! The way over the map. Maps name places to go by but no ways between them; a bot looks for itself whether it can walk
//! to one, as a player would, and only when it chooses.

use std::collections::VecDeque;

use downbeat_arena::World;
use downbeat_replica::glam::Vec3;

use crate::dice::Dice;

/// Places nearer than the first are no destination; farther than the second are too far to judge. Metres.
const LEG_M: (f32, f32) = (2.5, 20.0);

/// A place is reached within this distance, seen from above.
const REACHED_M: f32 = 0.9;

/// Places that were destinations last and are not chosen again.
const RECENT: usize = 6;

/// Places that are judged for one choice.
const JUDGED_MAX: usize = 10;

/// Distance of two points at which the ground is looked at.
const PACE_M: f32 = 0.4;

/// How much the ground may rise from one to the next, and fall.
const RISE_MAX_M: f32 = 0.45;
const FALL_MAX_M: f32 = 4.0;

/// One who moves less than this in [`PATIENCE_S`] is stuck.
const STUCK_M: f32 = 0.8;
const PATIENCE_S: f32 = 0.5;

/// Where a bot is going.
#[derive(Debug, Default)]
pub(crate) struct Route {
    leg: Option<Vec3>,
    recent: VecDeque<Vec3>,
    seconds_left: f32,
    /// Where the bot was when its progress was last judged, and how long ago.
    judged: (Vec3, f32),
    stuck: bool,
}

impl Route {
    /// The direction to run in from `feet` (a horizontal unit vector, zero when there is no way), `dt` after the last
    /// call. With a `goal`, ways that lead there are preferred.
    pub(crate) fn follow(&mut self, world: &World, feet: Vec3, goal: Option<Vec3>, dt: f32, dice: &mut Dice) -> Vec3 {
        self.seconds_left -= dt;
        self.judge(feet, dt);
        let arrived = self.leg.is_some_and(|leg| (leg - feet).with_y(0.0).length() < REACHED_M);
        if arrived || self.seconds_left < 0.0 || self.stuck {
            self.leg = None;
        }
        let leg = match self.leg {
            Some(leg) => leg,
            None => {
                let leg = self.choose(world, feet, goal, dice);
                self.leg = Some(leg);
                self.seconds_left = 0.5 + leg.distance(feet) / 3.0;
                self.recent.push_back(leg);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
                leg
            }
        };
        (leg - feet).with_y(0.0).normalize_or_zero()
    }

    /// Whether something is in the way that was not expected: a jump may help.
    pub(crate) const fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Forgets the way: the bot is somewhere else now.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn judge(&mut self, feet: Vec3, dt: f32) {
        let (place, seconds) = self.judged;
        self.stuck = false;
        if seconds + dt < PATIENCE_S {
            self.judged.1 += dt;
            return;
        }
        self.stuck = place.distance(feet) < STUCK_M;
        self.judged = (feet, 0.0);
    }

    fn choose(&self, world: &World, feet: Vec3, goal: Option<Vec3>, dice: &mut Dice) -> Vec3 {
        let near = |place: Vec3| (LEG_M.0..LEG_M.1).contains(&place.distance(feet));
        let direct = |goal: &Vec3| near(*goal) && !self.recent.contains(goal) && is_walkable(world, feet, *goal);
        if let Some(goal) = goal.filter(direct) {
            return goal;
        }
        let mut rated: Vec<(f32, Vec3)> = world
            .waypoints()
            .filter(|&place| near(place) && !self.recent.contains(&place))
            .map(|place| (goal.map_or(0.0, |goal| goal.distance(place)) + dice.between(0.0, 10.0), place))
            .collect();
        rated.sort_by(|a, b| a.0.total_cmp(&b.0));
        let way = rated.iter().take(JUDGED_MAX).find(|(_, place)| is_walkable(world, feet, *place));
        way.map_or_else(|| astray(feet, dice), |(_, place)| *place)
    }
}

/// Somewhere near: out of a corner that no way leads out of.
fn astray(feet: Vec3, dice: &mut Dice) -> Vec3 {
    let (sin, cos) = libm::sincosf(dice.between(0.0, std::f32::consts::TAU));
    feet + Vec3::new(sin, 0.0, cos) * 4.0
}

/// Whether one can run straight from `from` to `to`: neither walls nor edges that are too high.
pub(crate) fn is_walkable(world: &World, from: Vec3, to: Vec3) -> bool {
    let way = (to - from).with_y(0.0);
    let paces = (way.length() / PACE_M).ceil().max(1.0);
    let mut ground = from.y;
    for pace in 1..=paces as u32 {
        let above = (from + way * (pace as f32 / paces)).with_y(ground + HEAD_M);
        let depth = world.ray(above, Vec3::NEG_Y, HEAD_M + FALL_MAX_M);
        let rise = HEAD_M - depth;
        if depth <= 0.0 || rise > RISE_MAX_M || rise <= -FALL_MAX_M {
            return false;
        }
        // Steps and slopes reach into a body that stands at them, but not above its knees. One who falls is still up.
        let knees = ground + rise.max(0.0) + KNEE_M;
        ground += rise;
        if !world.is_free(above.with_y(knees)) {
            return false;
        }
    }
    (ground - to.y).abs() < 1.0
}

/// From where the ground is looked for, above the last ground.
const HEAD_M: f32 = 0.9;

/// How far a body is lifted over steps.
const KNEE_M: f32 = 0.4;

#[cfg(test)]
mod tests {
    use super::*;
    use downbeat_arena::{Arena, Config, Map};
    use downbeat_replica::Game;

    /// A platform of 2 m with a ramp, three stairs of 0.35 m, a wall.
    const MAP: &str = r#"
        name = "course"
        min = [-20.0, 0.0, -20.0]
        max = [20.0, 10.0, 20.0]
        blocks = [
            { min = [0.0, 0.0, 0.0], max = [6.0, 2.0, 6.0] },
            { min = [-10.0, 0.0, 0.0], max = [-9.4, 0.35, 4.0] },
            { min = [-9.4, 0.0, 0.0], max = [-8.8, 0.7, 4.0] },
            { min = [-8.8, 0.0, 0.0], max = [-5.0, 1.05, 4.0] },
            { min = [-15.0, 0.0, -10.0], max = [15.0, 3.0, -9.5] },
        ]
        ramps = [{ min = [6.0, 0.0, 2.0], max = [11.0, 2.0, 4.0], rise = "-x" }]
        spawns = [[0.0, 0.0, -5.0]]
    "#;

    #[test]
    fn ramps_and_stairs_are_walked_and_walls_are_not() {
        let map = Map::parse(MAP).expect("the map is fine");
        let world = Arena::world(&Config { map, ..Config::default() }).expect("the default rules are fine");
        let can = |from: [f32; 3], to: [f32; 3]| is_walkable(&world, from.into(), to.into());
        assert!(can([13.0, 0.0, 3.0], [3.0, 2.0, 3.0]), "up the ramp");
        assert!(can([3.0, 2.0, 3.0], [13.0, 0.0, 3.0]), "and down");
        assert!(can([3.0, 2.0, 3.0], [3.0, 0.0, -5.0]), "down the edge");
        assert!(!can([3.0, 0.0, -5.0], [3.0, 2.0, 3.0]), "but not up");
        assert!(can([-13.0, 0.0, 2.0], [-7.0, 1.05, 2.0]), "up the stairs");
        assert!(!can([0.0, 0.0, -5.0], [0.0, 0.0, -13.0]), "through the wall");
        assert!(!can([13.0, 0.0, 3.0], [3.0, 0.0, 3.0]), "the end must be where it was thought to be");
    }

    #[test]
    fn a_way_on_is_found_from_nearly_every_waypoint() {
        let world = Arena::world(&Config::default()).expect("the default map is fine");
        let places: Vec<Vec3> = world.waypoints().collect();
        let open = |from: &&Vec3| {
            places.iter().any(|to| (LEG_M.0..LEG_M.1).contains(&from.distance(*to)) && is_walkable(&world, **from, *to))
        };
        let found = places.iter().filter(open).count();
        assert!(found * 20 >= places.len() * 19, "{found} of {}", places.len());
    }
}
