//! Ways between the waypoints of a map, for bots. Which ways there are is found by walking them, so that a map
//! lists places alone and a way is never one that a body cannot take. Build it once and share it.

use glam::Vec3;

use crate::World;
use crate::brush::SKIN;
use crate::movement::Motion;

/// Waypoints farther apart than this have no direct way.
const WAY_M: f32 = 12.0;

/// As near as this is there, in metres.
const THERE_M: f32 = 0.4;

/// Length of a step while trying a way, in seconds.
const STEP_S: f32 = 1.0 / 30.0;

/// Waypoints, and the ways between them.
#[derive(Clone, Debug)]
pub struct Nav {
    places: Vec<Vec3>,
    /// Of each place: where one gets from it, and how far that is.
    ways: Vec<Vec<(usize, f32)>>,
}

impl Nav {
    /// Walks from each waypoint to those around it.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let places: Vec<_> = world.waypoints().collect();
        let ways = places.iter().enumerate().map(|(i, &from)| {
            let near = places.iter().enumerate().filter(|&(j, to)| j != i && to.distance(from) <= WAY_M);
            near.filter(|&(_, &to)| is_walkable(world, from, to)).map(|(j, to)| (j, to.distance(from))).collect()
        });
        Self { ways: ways.collect(), places }
    }

    /// The waypoints.
    #[must_use]
    pub fn places(&self) -> &[Vec3] {
        &self.places
    }

    /// Where to walk in turn to get from `from` to `to`; the last is `to`. Empty when there is no way.
    #[must_use]
    pub fn route(&self, world: &World, from: Vec3, to: Vec3) -> Vec<Vec3> {
        if is_walkable(world, from, to) {
            return vec![to];
        }
        let (Some(first), Some(last)) = (self.nearest(world, from), self.nearest(world, to)) else { return Vec::new() };
        let mut route = self.shortest(first, last);
        if !route.is_empty() {
            route.push(to);
        }
        route
    }

    /// The nearest waypoint in sight, or else the nearest at all.
    fn nearest(&self, world: &World, at: Vec3) -> Option<usize> {
        let rate = |place: Vec3| (!world.line_of_sight(world.eyes(at), world.eyes(place)), place.distance_squared(at));
        let rated = self.places.iter().enumerate().map(|(i, &place)| (i, rate(place)));
        rated.min_by(|(_, a), (_, b)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map(|(i, _)| i)
    }

    /// Dijkstra's algorithm, over few enough places to look at all of them for the nearest.
    fn shortest(&self, first: usize, last: usize) -> Vec<Vec3> {
        let mut reached = vec![(f32::INFINITY, first); self.places.len()];
        let mut open: Vec<usize> = (0..self.places.len()).collect();
        reached[first].0 = 0.0;
        while let Some(at) = (0..open.len()).min_by(|&a, &b| reached[open[a]].0.total_cmp(&reached[open[b]].0)) {
            let place = open.swap_remove(at);
            let so_far = reached[place].0;
            if place == last || so_far == f32::INFINITY {
                break;
            }
            for &(to, length) in &self.ways[place] {
                if so_far + length < reached[to].0 {
                    reached[to] = (so_far + length, place);
                }
            }
        }
        if reached[last].0 == f32::INFINITY {
            return Vec::new();
        }
        let mut route = vec![self.places[last]];
        let mut at = last;
        while at != first {
            at = reached[at].1;
            route.push(self.places[at]);
        }
        route.reverse();
        route
    }
}

/// Whether one gets straight from `from` to `to` on foot. Falling down is a way too.
fn is_walkable(world: &World, from: Vec3, to: Vec3) -> bool {
    let speed = world.rules().run_speed_mps;
    let mut motion = Motion { at: from + Vec3::Y * SKIN, velocity: Vec3::ZERO, grounded: true };
    let steps = (from.distance(to) / (speed * STEP_S)) as u32 * 3 / 2 + 20;
    for _ in 0..steps {
        let left = (to - motion.at).with_y(0.0);
        if left.length() < THERE_M {
            return (motion.at.y - to.y).abs() < world.rules().step_height_m;
        }
        if motion.grounded {
            motion.velocity = left * (speed / left.length()).min(1.0 / STEP_S);
        }
        motion.advance(world, STEP_S);
    }
    false
}
