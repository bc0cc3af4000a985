//! Where somebody can be in some time, and whether walls hide that from where another can be.
//!
//! Not points are looked at but zones: boxes that hold whatever of a body can be anywhere before that much time has
//! passed. Two zones are hidden from each other when one wall stands between all of both. That needs no sampling: of a
//! convex solid, the places that are hidden from a point are convex, so that lines between the corners decide about all
//! lines between. And where walls stand on ground that nobody gets below, the upper corners do. Zones that no single wall
//! hides are cut in pieces, each of which may be hidden by another. Only at the smallest pieces the lines between corners are
//! trusted whatever walls block them: a slit that all of them miss is noticed when it has become wider, or is nearer.

use glam::Vec3;

use crate::advance::PUSH_MPS;
use crate::brush::{Brush, Mover};
use crate::world::Grid;
use crate::{Player, Rocket, Rules, World};

/// A pair of zones is cut in two this many times in a row at most. With five no player was missed that was seen, with three
/// one in some thousands, in maps of many doors, for half of the time.
const CUTS: u32 = 3;

/// The speed of running may be exceeded by this share: in the air, one who knows how gains a little.
const HASTE: f32 = 1.05;

/// Faster than this beyond what was allowed for, in metres per second, one was thrown and is looked at at once.
const THROWN_MPS: f32 = 0.5;

/// What counts as touching, in metres: more than rounding moves anything.
const TOUCH_M: f32 = 0.02;

/// A rocket reaches this far around its path, in metres.
const ROCKET_M: f32 = 0.1;

/// How somebody moves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Motion {
    alive: bool,
    deaths: u16,
    /// Metres per second.
    velocity: Vec3,
    /// The fastest that it gets along the ground, and upwards, in metres per second.
    speed: f32,
    rise: f32,
    is_grounded: bool,
}

/// A box that something does not leave in some time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Zone {
    low: Vec3,
    high: Vec3,
}

/// The map, as far as it bounds where one gets and what one sees.
#[derive(Debug)]
pub(crate) struct Solids {
    all: Vec<Solid>,
    all_grid: Grid,
    /// Those that are high enough to hide anybody.
    walls: Vec<Brush>,
    wall_grid: Grid,
}

#[derive(Clone, Copy, Debug)]
struct Solid {
    low: Vec3,
    high: Vec3,
    /// Whether it fills its box.
    is_box: bool,
    /// Height that one gains on it by the metre; zero of a block.
    slope: f32,
}

impl Motion {
    pub(crate) fn of(rules: &Rules, body: &Player) -> Self {
        let Player { alive, deaths, velocity, grounded: is_grounded, .. } = *body;
        let push = if rules.contact { PUSH_MPS } else { 0.0 };
        let speed = velocity.with_y(0.0).length().max(rules.run_speed_mps) * HASTE + push;
        let rise = velocity.y.max(rules.jump_speed_mps);
        Self { alive, deaths, velocity, speed, rise, is_grounded }
    }

    /// Whether what was expected of `self` does not hold for what it became.
    pub(crate) fn foresaw_not(&self, now: &Self) -> bool {
        let is_another_life = (self.alive, self.deaths) != (now.alive, now.deaths);
        is_another_life || now.speed > self.speed + THROWN_MPS || now.rise > self.rise + THROWN_MPS
    }

    /// The highest ground that one on `feet` gets to within `ahead_s` seconds and `way` metres, in metres: up ramps and
    /// steps on foot, and onto what a flight ends on. It does not end while one rises.
    fn ground<I: Iterator<Item = Solid>>(
        &self,
        rules: &Rules,
        feet: Vec3,
        ahead_s: f32,
        way: f32,
        solids: impl Fn() -> I,
    ) -> f32 {
        let leap = if self.is_grounded { rules.jump_speed_mps } else { self.velocity.y.max(0.0) };
        let is_landing = leap < rules.gravity_mps2 * ahead_s;
        let landing = feet.y + if is_landing { risen(leap, rules.gravity_mps2, ahead_s) } else { 0.0 };
        let mut ground = if self.is_grounded { feet.y } else { f32::MIN };
        let (mut slope_gain, mut slope_top) = (0.0_f32, f32::MIN);
        for ramp in solids().filter(Solid::is_ramp) {
            slope_gain = slope_gain.max((way * ramp.slope).min(ramp.high.y - ramp.low.y));
            slope_top = slope_top.max(ramp.high.y);
        }
        // From step to step, until there is none that is low enough.
        loop {
            let reach = ground.max(landing) + slope_gain + rules.step_height_m + TOUCH_M;
            let tops = solids().filter(|solid| !solid.is_ramp()).map(|solid| solid.high.y);
            let top = tops.filter(|&top| top <= reach).fold(ground, f32::max);
            if top <= ground {
                return ground.max(slope_top.min(ground.max(landing) + slope_gain));
            }
            ground = top;
        }
    }

    /// How far one gets along an axis, in metres, who moves along it at `along` m/s and does its best.
    fn way(&self, rules: &Rules, along: f32, time_s: f32, dt: f32) -> f32 {
        // Friction helps to turn back. What a tick brings counts for all of it.
        let most = rules.ground_acceleration_mps2.max(rules.air_acceleration_mps2) + rules.friction_per_s * self.speed;
        let from = (along + most * dt).min(self.speed);
        let gaining_s = ((self.speed - from) / most).min(time_s);
        let way = from * gaining_s + 0.5 * most * gaining_s * gaining_s + self.speed * (time_s - gaining_s);
        way.max(0.0)
    }
}

impl Zone {
    pub(crate) fn of_rocket(world: &World, rocket: &Rocket, ahead_s: f32) -> Self {
        let way = rocket.velocity * ahead_s;
        let free = world.cast(rocket.position, way).map_or(1.0, |contact| contact.fraction);
        let end = rocket.position + way * free;
        let around = Vec3::splat(ROCKET_M);
        Self { low: rocket.position.min(end) - around, high: rocket.position.max(end) + around }
    }

    /// The middle of the upper side.
    fn top(&self) -> Vec3 {
        ((self.low + self.high) * 0.5).with_y(self.high.y)
    }

    fn top_corners(&self) -> [Vec3; 4] {
        let Self { low, high } = *self;
        [(low.x, low.z), (high.x, high.z), (low.x, high.z), (high.x, low.z)].map(|(x, z)| Vec3::new(x, high.y, z))
    }

    /// The longer side along the ground, in metres.
    fn width(&self) -> f32 {
        let size = self.high - self.low;
        size.x.max(size.z)
    }

    /// Two halves, cut across the longer side.
    fn halves(&self) -> [Self; 2] {
        let (size, middle) = (self.high - self.low, (self.low + self.high) * 0.5);
        if size.x > size.z {
            [Self { high: self.high.with_x(middle.x), ..*self }, Self { low: self.low.with_x(middle.x), ..*self }]
        } else {
            [Self { high: self.high.with_z(middle.z), ..*self }, Self { low: self.low.with_z(middle.z), ..*self }]
        }
    }

    /// How far apart two are along the ground, in metres.
    pub(crate) fn apart(&self, other: &Self) -> f32 {
        (self.low - other.high).max(other.low - self.high).max(Vec3::ZERO).with_y(0.0).length()
    }
}

impl Solids {
    pub(crate) fn new(world: &World) -> Self {
        let map = world.map();
        let blocks = map.blocks.iter().map(|block| {
            let brush = Brush::of_block(block, world.body);
            (Solid { low: brush.low, high: brush.high, is_box: block.turn_deg == 0.0, slope: 0.0 }, brush)
        });
        let ramps = map.ramps.iter().map(|ramp| {
            let brush = Brush::of_ramp(ramp, world.body);
            (Solid { low: brush.low, high: brush.high, is_box: false, slope: ramp.slope() }, brush)
        });
        let (all, brushes): (Vec<_>, Vec<_>) = blocks.chain(ramps).unzip();
        let (min, max) = world.bounds();
        let all_grid = Grid::new(min, max, &brushes);
        // Nobody's head is lower than this.
        let heads = min.y + world.body.height;
        let walls: Vec<_> = brushes.into_iter().filter(|brush| brush.high.y > heads).collect();
        let wall_grid = Grid::new(min, max, &walls);
        Self { all, all_grid, walls, wall_grid }
    }

    /// Where a body on `feet` can be within `ahead_s` seconds.
    pub(crate) fn reach(&self, world: &World, feet: Vec3, motion: &Motion, ahead_s: f32, dt: f32) -> Zone {
        let (rules, body) = (world.rules(), world.body);
        let around = Vec3::new(body.radius, 0.0, body.radius);
        if !motion.alive {
            return Zone { low: feet - around, high: feet + around + Vec3::Y * body.height };
        }
        let forth = |along: f32| motion.way(rules, along, ahead_s, dt);
        let velocity = motion.velocity;
        let mut low = feet - Vec3::new(forth(-velocity.x), 0.0, forth(-velocity.z));
        let mut high = feet + Vec3::new(forth(velocity.x), 0.0, forth(velocity.z));
        let (least, most) = (low - around, high + around);
        let near = || self.all_grid.near(least, most).map(|i| self.all[i]);
        let way = motion.speed * ahead_s;
        let rise = |mps: f32| risen(mps, rules.gravity_mps2, ahead_s);
        // Below what lies under all of the zone nobody falls.
        let is_floor =
            |solid: &Solid| solid.is_box && solid.high.y <= feet.y + TOUCH_M && solid.is_all_over(least, most);
        let (floor, _) = world.bounds();
        low.y = near().filter(is_floor).map(|solid| solid.high.y).fold(floor.y, f32::max);
        let ground = motion.ground(rules, feet, ahead_s, way, || near().filter(|solid| solid.is_over(least, most)));
        high.y = (ground + rise(rules.jump_speed_mps)).max(feet.y + rise(motion.velocity.y.max(0.0)));
        // A wall that is too high to get over and too long to get around in time ends the way.
        for solid in near().filter(|solid| solid.is_box) {
            if solid.high.y > high.y + rules.step_height_m && solid.low.y <= low.y + body.height {
                solid.block(feet, way, body.radius, &mut low, &mut high);
            }
        }
        Zone { low: low - around, high: high + around + Vec3::Y * body.height }
    }

    /// The wall that hides two zones from each other, or one of several that together do. `hint` may be one of them.
    pub(crate) fn hiding(&self, a: &Zone, b: &Zone, hint: u16) -> Option<u16> {
        let hint = self.blocking(a.top(), b.top(), (a, b), hint)?;
        let hint = self.blocking_corners(a, b, hint)?;
        self.hiding_pieces(a, b, hint, CUTS)
    }

    /// The same of pieces of zones. Those that are cut no further are hidden when the lines between their corners are
    /// blocked, by whatever walls.
    fn hiding_pieces(&self, a: &Zone, b: &Zone, hint: u16, cuts: u32) -> Option<u16> {
        let hint = self.blocking(a.top(), b.top(), (a, b), hint)?;
        if hides(&self.walls[usize::from(hint)], a, b) {
            return Some(hint);
        }
        if cuts == 0 {
            return self.blocking_corners(a, b, hint);
        }
        let [one, other] =
            if a.width() > b.width() { a.halves().map(|half| (half, *b)) } else { b.halves().map(|half| (*a, half)) };
        let hint = self.hiding_pieces(&one.0, &one.1, hint, cuts - 1)?;
        self.hiding_pieces(&other.0, &other.1, hint, cuts - 1)
    }

    /// A wall that blocks the last of the lines between upper corners, when all are blocked.
    fn blocking_corners(&self, a: &Zone, b: &Zone, mut hint: u16) -> Option<u16> {
        for from in a.top_corners() {
            for to in b.top_corners() {
                hint = self.blocking(from, to, (a, b), hint)?;
            }
        }
        Some(hint)
    }

    /// A wall on the way, `hint` if it is one.
    fn blocking(&self, from: Vec3, to: Vec3, (a, b): (&Zone, &Zone), hint: u16) -> Option<u16> {
        let is_blocking = |i: u16| {
            let wall = self.walls.get(usize::from(i));
            wall.is_some_and(|wall| is_rooted(wall, a, b) && wall.sweep(Mover::Point, from, to - from).is_some())
        };
        let mut found = Some(hint).filter(|&hint| is_blocking(hint));
        if found.is_none() {
            self.wall_grid.along(from, to - from, |walls, _| {
                found = walls.iter().copied().find(|&i| is_blocking(i));
                found.is_some()
            });
        }
        found
    }
}

/// Whether lines between two zones cannot pass below `wall`: there is ground.
fn is_rooted(wall: &Brush, a: &Zone, b: &Zone) -> bool {
    wall.low.y <= a.low.y.min(b.low.y) + TOUCH_M
}

/// Whether no line between two zones passes by `wall`. It does not when those between the upper corners do not.
fn hides(wall: &Brush, a: &Zone, b: &Zone) -> bool {
    let is_between = |from: Vec3, to: Vec3| wall.sweep(Mover::Point, from, to - from).is_some();
    let corners = b.top_corners();
    is_rooted(wall, a, b) && a.top_corners().iter().all(|from| corners.iter().all(|to| is_between(*from, *to)))
}

/// How high above the ground one is at most, in metres, who leaves it at `rise_mps`.
fn risen(rise_mps: f32, gravity_mps2: f32, time_s: f32) -> f32 {
    let time_s = time_s.min(rise_mps / gravity_mps2);
    rise_mps * time_s - 0.5 * gravity_mps2 * time_s * time_s
}

impl Solid {
    /// Whether the solid covers any of a rectangle on the ground.
    fn is_over(&self, low: Vec3, high: Vec3) -> bool {
        self.low.x <= high.x && self.low.z <= high.z && self.high.x >= low.x && self.high.z >= low.z
    }

    fn is_ramp(&self) -> bool {
        self.slope > 0.0
    }

    /// Whether it covers all of it.
    fn is_all_over(&self, low: Vec3, high: Vec3) -> bool {
        self.low.x <= low.x && self.low.z <= low.z && self.high.x >= high.x && self.high.z >= high.z
    }

    /// Cuts off what one at `feet` cannot get to since the solid is in between, and its ends are out of reach.
    fn block(&self, feet: Vec3, way: f32, radius: f32, low: &mut Vec3, high: &mut Vec3) {
        let (from, to) = (self.low - radius, self.high + radius);
        for (axis, side) in [(0, 2), (2, 0)] {
            let past = |gap: f32| (way * way - gap * gap).max(0.0).sqrt();
            let is_beside = |gap: f32| from[side] <= feet[side] - past(gap) && to[side] >= feet[side] + past(gap);
            let (before, behind) = (from[axis] - feet[axis], feet[axis] - to[axis]);
            if before >= -TOUCH_M && is_beside(before) {
                high[axis] = high[axis].min(from[axis].max(feet[axis]));
            } else if behind >= -TOUCH_M && is_beside(behind) {
                low[axis] = low[axis].max(to[axis].min(feet[axis]));
            }
        }
    }
}
