//! Who may be told of whom. A client that is told of somebody behind a wall can be made to show him; one that is not has
//! nothing to show. But whoever comes around a corner must be told of before he is seen, by as much as latency hides.
//!
//! So not points are looked at but zones: boxes that hold whatever of a body can be anywhere before that much time has
//! passed. Two zones are hidden from each other when one wall stands between all of both. That needs no sampling: of a
//! convex solid, the places that are hidden from a point are convex, so that lines between the corners decide about all
//! lines between. And where walls stand on ground that nobody gets below, the upper corners do. Zones that no single wall
//! hides are cut in pieces, each of which may be hidden by another. Only at the smallest pieces the lines between corners are
//! trusted whatever walls block them: a slit that all of them miss is noticed when it has become wider, or is nearer.
//!
//! What was seen stays told of for a while, so that nobody flickers. Pairs are looked at anew in turns, not all at once.
//! What is told is the same both ways: nobody is watched by one of whom he knows nothing.

use downbeat_replica::{EntityId, Inputs, PlayerId, Tick, Visible};
use glam::Vec3;

use crate::advance::PUSH_MPS;
use crate::brush::{Brush, Mover};
use crate::limits::{REVEAL_S, SIGHT_HOLD_S, SIGHT_TESTS_HZ};
use crate::rules::ticks;
use crate::world::Grid;
use crate::{Input, Player, Rocket, Rules, World};

/// A pair of zones is cut in two this many times in a row at most. With five no player was missed that was seen, with three
/// one in some thousands, in maps of many doors, for half of the time.
const CUTS: u32 = 3;

/// What latency hides is rounded up to a whole number of this many equal parts of the longest.
const PATIENCES: usize = 8;

/// What latency hides falls by this many seconds in a second at most, so that a calm moment is not taken for a better line.
const PATIENCE_FALL: f32 = 0.02;

/// The speed of running may be exceeded by this share: in the air, one who knows how gains a little.
const HASTE: f32 = 1.05;

/// Faster than this beyond what was allowed for, in metres per second, one was thrown and is looked at at once.
const THROWN_MPS: f32 = 0.5;

/// What counts as touching, in metres: more than rounding moves anything.
const TOUCH_M: f32 = 0.02;

/// A rocket reaches this far around its path, in metres.
const ROCKET_M: f32 = 0.1;

/// Who was told of what until when.
#[derive(Debug)]
pub(crate) struct Sight {
    solids: Solids,
    dt: f32,
    /// Ticks from one look at a pair to the next.
    period: u32,
    /// Ticks for which the seen stay told of.
    hold: u32,
    now: Tick,
    /// Ascending by player.
    watchers: Vec<Watcher>,
    /// Who and what is there, by index.
    there: Vec<Option<EntityId>>,
}

/// A player, as one who sees and is seen.
#[derive(Debug)]
struct Watcher {
    player: PlayerId,
    id: EntityId,
    feet: Vec3,
    motion: Motion,
    /// What latency hides from it, in seconds.
    hidden_s: f32,
    /// Where it can be before as much has passed as latency hides from the more patient of two, by patience.
    zones: [Zone; PATIENCES],
    /// Whether it is not where it was expected, so that no earlier look counts.
    is_new: bool,
    /// What it is told of, by the index of the entity.
    told: Vec<Told>,
}

/// What is known of one whom a watcher sees or not.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    of: EntityId,
    /// Told of through this tick. Nobody plays in tick zero.
    until: Tick,
    /// The wall that hid it the last time.
    wall: u16,
}

/// How somebody moves.
#[derive(Clone, Copy, Debug, Default)]
struct Motion {
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
struct Zone {
    low: Vec3,
    high: Vec3,
}

/// The map, as far as it bounds where one gets and what one sees.
#[derive(Debug)]
struct Solids {
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

impl Sight {
    pub(crate) fn new(world: &World, dt: f32) -> Self {
        let period = (1.0 / (SIGHT_TESTS_HZ * dt)).ceil().max(1.0) as u32;
        let hold = u32::from(ticks(SIGHT_HOLD_S, dt));
        Self { solids: Solids::new(world), dt, period, hold, now: Tick(0), watchers: Vec::new(), there: Vec::new() }
    }

    /// Takes in what moment each player saw when it decided on its input of tick `now`: what lies in between, latency
    /// hides from it. Who claims much is told of others sooner, by no more than [`REVEAL_S`].
    pub(crate) fn note_views(&mut self, now: Tick, inputs: &Inputs<'_, Input>) {
        for watcher in &mut self.watchers {
            let given = inputs.of(watcher.player).filter(|given| !given.substituted);
            let hidden_s = given.map_or(0.0, |given| now.since(given.view.tick) as f32 * self.dt);
            watcher.hidden_s = hidden_s.max(watcher.hidden_s - PATIENCE_FALL * self.dt).clamp(0.0, REVEAL_S);
        }
    }

    /// Looks at what is due in tick `now`. `players` ascend.
    pub(crate) fn look<'a>(
        &mut self,
        world: &World,
        now: Tick,
        players: impl Iterator<Item = (PlayerId, EntityId, &'a Player)>,
        rockets: impl Iterator<Item = (EntityId, &'a Rocket)>,
    ) {
        self.now = now;
        self.there.clear();
        self.meet(world, players);
        self.reach(world);
        let until = now.offset(self.hold.into());
        for i in 0..self.watchers.len() {
            let (before, rest) = self.watchers.split_at_mut(i);
            let watcher = &mut rest[0];
            for other in before {
                let told = *watcher.told_of(other.id);
                let turn = u32::from(watcher.player.0) + u32::from(other.player.0);
                // Who is told of until the next turn anyway is left alone.
                let is_due = is_turn(now, turn, self.period) && told.until < now.offset(self.period.into());
                if is_due || watcher.is_new || other.is_new {
                    let patience = watcher.patience().max(other.patience());
                    let zones = [&watcher.zones, &other.zones].map(|zones| &zones[patience]);
                    let told = self.solids.looked(world, told, zones, until);
                    *watcher.told_of(other.id) = told;
                    *other.told_of(watcher.id) = Told { of: watcher.id, ..told };
                }
            }
        }
        for (id, rocket) in rockets {
            self.note(id);
            self.watch_rocket(world, id, rocket);
        }
    }

    /// Adds whom and what `player` is told of.
    pub(crate) fn tell(&self, player: PlayerId, out: &mut Visible) {
        let Ok(at) = self.watchers.binary_search_by_key(&player, |watcher| watcher.player) else { return };
        let told = self.watchers[at].told.iter().zip(&self.there);
        let told = told.filter(|(told, there)| told.until >= self.now && **there == Some(told.of));
        out.extend(told.map(|(told, _)| told.of));
    }

    /// Takes in that `id` is there.
    fn note(&mut self, id: EntityId) {
        if self.there.len() <= id.index() {
            self.there.resize(id.index() + 1, None);
        }
        self.there[id.index()] = Some(id);
    }

    /// Takes in who is there, and how each moves.
    fn meet<'a>(&mut self, world: &World, players: impl Iterator<Item = (PlayerId, EntityId, &'a Player)>) {
        let mut count = 0;
        for (player, id, body) in players {
            self.note(id);
            // Those who left, and one whose place another took.
            let is_gone = |watcher: &&Watcher| watcher.player < player || watcher.player == player && watcher.id != id;
            let gone = self.watchers[count..].iter().take_while(is_gone).count();
            self.watchers.drain(count..count + gone);
            if self.watchers.get(count).is_none_or(|watcher| watcher.player != player) {
                self.watchers.insert(count, Watcher::new(player, id));
            }
            let watcher = &mut self.watchers[count];
            let motion = Motion::of(world.rules(), body);
            watcher.is_new = watcher.motion.foresaw_not(&motion);
            (watcher.feet, watcher.motion) = (body.position, motion);
            count += 1;
        }
        self.watchers.truncate(count);
    }

    /// Finds the zones that are needed: of everybody those for each patience that somebody has.
    fn reach(&mut self, world: &World) {
        let mut is_needed = [false; PATIENCES];
        self.watchers.iter().for_each(|watcher| is_needed[watcher.patience()] = true);
        for patience in (0..PATIENCES).filter(|patience| is_needed[*patience]) {
            let ahead_s = self.ahead_s(patience);
            for watcher in &mut self.watchers {
                watcher.zones[patience] = self.solids.reach(world, watcher.feet, &watcher.motion, ahead_s, self.dt);
            }
        }
    }

    /// How far ahead zones look: what latency hides, and until the next turn.
    fn ahead_s(&self, patience: usize) -> f32 {
        REVEAL_S * ((patience + 1) as f32 / PATIENCES as f32) + (self.period - 1) as f32 * self.dt
    }

    /// A rocket flies straight: who knows of it once knows all there is to know until it bursts.
    fn watch_rocket(&mut self, world: &World, id: EntityId, rocket: &Rocket) {
        let zones: [_; PATIENCES] =
            std::array::from_fn(|patience| Zone::of_rocket(world, rocket, self.ahead_s(patience)));
        for watcher in &mut self.watchers {
            let turn = u32::from(watcher.player.0) + id.index() as u32;
            let told = *watcher.told_of(id);
            let is_fresh = told.until == Tick(0);
            if told.until >= self.now || !(watcher.is_new || is_fresh || is_turn(self.now, turn, self.period)) {
                continue;
            }
            let zones = [&watcher.zones, &zones].map(|zones| &zones[watcher.patience()]);
            let told = self.solids.looked(world, Told { until: Tick(1), ..told }, zones, ALWAYS);
            let until = if watcher.player == rocket.owner { ALWAYS } else { told.until };
            *watcher.told_of(id) = Told { until, ..told };
        }
    }
}

/// As long as it is there.
const ALWAYS: Tick = Tick(u32::MAX);

/// Whether it is the turn of a pair.
fn is_turn(now: Tick, turn: u32, period: u32) -> bool {
    now.0.wrapping_add(turn).is_multiple_of(period)
}

impl Watcher {
    /// Somebody of whom nothing is known; of its line the worst is assumed.
    fn new(player: PlayerId, id: EntityId) -> Self {
        Self {
            player,
            id,
            feet: Vec3::ZERO,
            motion: Motion::default(),
            hidden_s: REVEAL_S,
            zones: [Zone::default(); PATIENCES],
            is_new: true,
            told: Vec::new(),
        }
    }

    /// What latency hides from it, in whole parts of the longest, less one.
    fn patience(&self) -> usize {
        let parts = (self.hidden_s * (PATIENCES as f32 / REVEAL_S)).ceil() as usize;
        parts.clamp(1, PATIENCES) - 1
    }

    /// What is known of `id`; nothing of one whose index was another's.
    fn told_of(&mut self, id: EntityId) -> &mut Told {
        let at = id.index();
        if self.told.len() <= at {
            self.told.resize(at + 1, Told::default());
        }
        let told = &mut self.told[at];
        if told.of != id {
            *told = Told { of: id, ..Told::default() };
        }
        told
    }
}

impl Motion {
    fn of(rules: &Rules, body: &Player) -> Self {
        let Player { alive, deaths, velocity, grounded: is_grounded, .. } = *body;
        let push = if rules.contact { PUSH_MPS } else { 0.0 };
        let speed = velocity.with_y(0.0).length().max(rules.run_speed_mps) * HASTE + push;
        let rise = velocity.y.max(rules.jump_speed_mps);
        Self { alive, deaths, velocity, speed, rise, is_grounded }
    }

    /// Whether what was expected of `self` does not hold for what it became.
    fn foresaw_not(&self, now: &Self) -> bool {
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
    fn of_rocket(world: &World, rocket: &Rocket, ahead_s: f32) -> Self {
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
    fn apart(&self, other: &Self) -> f32 {
        (self.low - other.high).max(other.low - self.high).max(Vec3::ZERO).with_y(0.0).length()
    }
}

impl Solids {
    fn new(world: &World) -> Self {
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
    fn reach(&self, world: &World, feet: Vec3, motion: &Motion, ahead_s: f32, dt: f32) -> Zone {
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

    /// What is known of a pair after a look at it; what is seen is told of through the tick `until`.
    fn looked(&self, world: &World, told: Told, [a, b]: [&Zone; 2], until: Tick) -> Told {
        let rules = world.rules();
        let apart = a.apart(b);
        if apart > rules.sight_radius_m {
            return told;
        }
        // Those who could touch have to know of each other, or a client's own steps come as a surprise to it.
        if rules.contact && apart < 2.0 * rules.body_radius_m {
            return Told { until, ..told };
        }
        match self.hiding(a, b, told.wall) {
            Some(wall) => Told { wall, ..told },
            None => Told { until, ..told },
        }
    }

    /// The wall that hides two zones from each other, or one of several that together do. `hint` may be one of them.
    fn hiding(&self, a: &Zone, b: &Zone, hint: u16) -> Option<u16> {
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::advance::advance;
    use crate::order::mix;
    use crate::{Arena, Config, Map};
    use downbeat_replica::{Game, Setup};

    #[test]
    #[ignore = "prints what a look costs: --profile dist -- --ignored --nocapture a_tick_of_sight"]
    fn a_tick_of_sight() {
        let house = Map::parse(include_str!("../tests/maps/house.toml")).expect("the map is legal");
        for map in [Map::default(), house] {
            for players in [16, 64] {
                time(&Config { map: map.clone(), ..Config::default() }, players);
            }
        }
    }

    /// Lets players run about and looks at them.
    fn time(config: &Config, players: u16) {
        const TICKS: u32 = 1_200;
        let dt = 1.0 / 60.0;
        let setup = Setup { tick_rate_hz: 60, seed: 1, players_max: players };
        let mut arena = Arena::new(config, setup).expect("the rules are legal");
        (0..players).for_each(|player| arena.join(PlayerId(player), ""));
        let mut bodies: Vec<_> = arena.fighters.values().map(|fighter| (fighter.id, fighter.body.clone())).collect();
        let world = &arena.world;
        let mut sight = Sight::new(world, dt);
        let (mut spent_ns, mut longest_ns) = (0, 0);
        for tick in 1..=TICKS {
            for (i, (_, body)) in bodies.iter_mut().enumerate() {
                let luck = mix(u64::from(tick / 40) << 16 | i as u64);
                let yaw = (luck % 6_283) as f32 / 1_000.0;
                let input = Input { forward: 1.0, yaw, jump: luck.is_multiple_of(16), ..Input::default() };
                advance(world, body, &input, dt, std::iter::empty());
            }
            // A round trip of 50 ms and its delays.
            sight.watchers.iter_mut().for_each(|watcher| watcher.hidden_s = 0.08);
            let all = bodies.iter().map(|(id, body)| (body.player, *id, body));
            let start = Instant::now();
            sight.look(world, Tick(tick), all, std::iter::empty());
            let ns = start.elapsed().as_nanos();
            if tick > TICKS / 4 {
                spent_ns += ns;
                longest_ns = longest_ns.max(ns);
            }
        }
        println!(
            "{}, {players} players: {:.1} us a tick, {:.1} at most",
            config.map.name,
            spent_ns as f64 / f64::from(TICKS * 3 / 4) / 1e3,
            longest_ns as f64 / 1e3,
        );
        time_pairs(&sight, world);
    }

    /// Looks at each pair as it stands.
    fn time_pairs(sight: &Sight, world: &World) {
        let pairs = || {
            let zone = |watcher: &Watcher| watcher.zones[watcher.patience()];
            let all = sight.watchers.iter().enumerate();
            all.flat_map(move |(i, a)| sight.watchers[..i].iter().map(move |b| [zone(a), zone(b)]))
        };
        let look = |[a, b]: [Zone; 2]| {
            sight.solids.looked(world, Told { wall: u16::MAX, ..Told::default() }, [&a, &b], ALWAYS)
        };
        let is_seen = |told: Told| told.until == ALWAYS;
        for wanted in [true, false] {
            let chosen: Vec<_> = pairs().filter(|pair| is_seen(look(*pair)) == wanted).collect();
            let start = Instant::now();
            let same =
                (0..100).map(|_| chosen.iter().filter(|pair| is_seen(look(**pair)) == wanted).count()).sum::<usize>();
            let ns = start.elapsed().as_nanos() as f64 / same.max(1) as f64;
            println!("  {} pairs {}: {ns:.0} ns a look", chosen.len(), if wanted { "told of" } else { "hidden" });
        }
    }
}
