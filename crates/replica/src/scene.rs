//! Where everything is in one tick: what relevance asks.
//!
//! A thousand clients ask in every tick who is nearest to them, and most of the crowd is not even close. So the first
//! question of a tick sorts everybody into the cells of a grid, and each looks at those cells alone that it touches. The
//! grid lies over the two axes along which the crowd reaches farthest, and its cells follow the number of entities, so
//! that a game has nothing to set. Nothing is allocated once the memory has grown, and a game that never asks pays nothing.

use std::cell::{Ref, RefCell};

use glam::Vec3;

use crate::EntityId;

/// The entities of a room in one tick, ascending by index, with their positions.
#[derive(Debug, Default)]
pub struct Scene {
    ids: Vec<EntityId>,
    positions: Vec<Vec3>,
    grid: RefCell<Grid>,
    /// What a search works in, kept for its memory.
    near: RefCell<Vec<Near>>,
}

/// One that a search found, behind its key: the squared distance above, the index below. Bits of floats that are not
/// negative ascend as the floats do.
type Near = (u64, EntityId);

/// Who stands in which cell.
#[derive(Debug, Default)]
struct Grid {
    /// Whether it is that of the scene as it is now.
    is_current: bool,
    /// By axis of the grid: which axis of the world it is, where cells begin, how many they are and how many to a metre.
    /// What lies beyond is in the outermost.
    axes: [Axis; 2],
    /// Where each cell begins in `members`, and where the last one ends; rows are along the first axis.
    starts: Vec<u32>,
    members: Vec<(EntityId, Vec3)>,
    /// The box around all members.
    low: Vec3,
    high: Vec3,
}

#[derive(Clone, Copy, Debug, Default)]
struct Axis {
    of: usize,
    low: f32,
    length: f32,
    cells: usize,
    cells_per_m: f32,
}

/// Members of a cell, were they spread evenly.
const MEMBERS_PER_CELL: usize = 2;

/// A guessed circle holds this many times as many as are looked for, so that it seldom holds too few.
const SPARE: f32 = 1.3;

/// A search that found too few goes on with a radius that is this many times as large, at least and at most.
const WIDEN_MIN: f32 = std::f32::consts::SQRT_2;
const WIDEN_MAX: f32 = 4.0;

/// Positions that are looked at to learn where the crowd is, so that one who got far away does not stretch the cells.
const SAMPLES: usize = 64;
/// Samples at either end that say nothing: a sixteenth.
const STRAY: usize = SAMPLES / 16;

impl Scene {
    /// Empties the scene for the next tick.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.positions.clear();
        self.grid.get_mut().is_current = false;
    }

    /// Adds an entity. Ids ascend by index; positions are finite, in metres.
    pub fn push(&mut self, id: EntityId, position: Vec3) {
        debug_assert!(self.ids.last().is_none_or(|last| last.index() < id.index()));
        debug_assert!(position.is_finite(), "{id:?} is at {position}");
        self.ids.push(id);
        self.positions.push(position);
        self.grid.get_mut().is_current = false;
    }

    /// All entities, ascending.
    pub fn ids(&self) -> impl Iterator<Item = EntityId> {
        self.ids.iter().copied()
    }

    /// All entities with their positions in metres.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, Vec3)> {
        self.ids.iter().copied().zip(self.positions.iter().copied())
    }

    /// Where `id` is; `None` when it is not in the scene.
    #[must_use]
    pub fn position(&self, id: EntityId) -> Option<Vec3> {
        let at = self.ids.binary_search_by_key(&id.index(), |id| id.index()).ok()?;
        (self.ids[at] == id).then(|| self.positions[at])
    }

    /// Adds the entities within `radius` metres of `center` to `out`, ascending by index. What it costs follows the number
    /// of entities in the cells that the circle touches.
    pub fn within(&self, center: Vec3, radius: f32, out: &mut impl Extend<EntityId>) {
        let mut near = self.near.take();
        self.grid().gather(center, radius.abs(), |_| true, &mut near);
        self.tell(near, out);
    }

    /// Adds the `count` entities nearest to `center` that pass `filter` to `out`, ascending by index. Equal distances go
    /// to the lower index. What it costs follows `count` where the crowd is spread evenly, and the number of entities in
    /// the cells around `center` where it is not.
    pub fn nearest(
        &self,
        center: Vec3,
        count: usize,
        filter: impl Fn(EntityId) -> bool,
        out: &mut impl Extend<EntityId>,
    ) {
        if count == 0 {
            return;
        }
        // Who asks for everybody needs no search.
        if count >= self.ids.len() && center.is_finite() {
            return out.extend(self.ids().filter(|&id| filter(id)));
        }
        let mut near = self.near.take();
        let grid = self.grid();
        let far = grid.farthest(center);
        let mut radius = grid.radius_of(count) + grid.nearest(center);
        loop {
            // A NaN is not less than anything either.
            let is_all = !matches!(radius.partial_cmp(&far), Some(std::cmp::Ordering::Less));
            grid.gather(center, if is_all { f32::INFINITY } else { radius }, &filter, &mut near);
            if near.len() >= count || is_all {
                break;
            }
            let missing = (count as f32 * SPARE / near.len().max(1) as f32).sqrt();
            // A crowd that is but a point, with a few far away, has no radius to begin with.
            radius = (radius * missing.clamp(WIDEN_MIN, WIDEN_MAX)).max(far * 1e-3).max(f32::MIN_POSITIVE);
        }
        if near.len() > count {
            near.select_nth_unstable_by_key(count - 1, |&(key, _)| key);
            near.truncate(count);
        }
        self.tell(near, out);
    }

    fn tell(&self, mut near: Vec<Near>, out: &mut impl Extend<EntityId>) {
        near.sort_unstable_by_key(|(_, id)| id.index());
        out.extend(near.iter().map(|&(_, id)| id));
        self.near.replace(near);
    }

    /// The grid of this tick.
    fn grid(&self) -> Ref<'_, Grid> {
        if !self.grid.borrow().is_current {
            self.grid.borrow_mut().rebuild(&self.ids, &self.positions);
        }
        self.grid.borrow()
    }
}

impl Grid {
    fn rebuild(&mut self, ids: &[EntityId], positions: &[Vec3]) {
        self.is_current = true;
        let first = positions.first().copied().unwrap_or_default();
        (self.low, self.high) = (first, first);
        for at in positions {
            (self.low, self.high) = (self.low.min(*at), self.high.max(*at));
        }
        self.lay(positions);
        // Counted first, then each cell's places are taken from its end.
        self.starts.clear();
        self.starts.reserve(positions.len() / MEMBERS_PER_CELL + 2);
        self.starts.resize(self.axes[0].cells * self.axes[1].cells + 1, 0);
        for at in positions {
            let cell = self.cell(*at);
            self.starts[cell] += 1;
        }
        let mut end = 0;
        for start in &mut self.starts {
            end += *start;
            *start = end;
        }
        self.members.resize(positions.len(), (EntityId::default(), Vec3::ZERO));
        for (id, at) in ids.iter().zip(positions) {
            let cell = self.cell(*at);
            self.starts[cell] -= 1;
            self.members[self.starts[cell] as usize] = (*id, *at);
        }
    }

    /// Chooses the axes and the cells.
    fn lay(&mut self, positions: &[Vec3]) {
        let mut axes = [0, 1, 2].map(|of| Axis::over(of, positions));
        axes.sort_by(|a, b| b.length.total_cmp(&a.length));
        let [mut long, mut short, _] = axes;
        let cells = (positions.len() / MEMBERS_PER_CELL).max(1) as f32;
        // As many rows as make cells square. Of a point or a line it is one; a length beyond all floats is a NaN, and one.
        let rows = (cells * (short.length / long.length)).sqrt().max(1.0);
        short.divide(rows);
        long.divide(if long.length > 0.0 { cells / rows } else { 1.0 });
        self.axes = [long, short];
    }

    /// Collects who is within `radius` of `center` and passes `filter`.
    fn gather(&self, center: Vec3, radius: f32, filter: impl Fn(EntityId) -> bool, near: &mut Vec<Near>) {
        near.clear();
        near.reserve(self.members.len());
        // A hair wider, for sums are rounded, and squares of next to nothing are nothing.
        let wide = radius * 1.001 + 1e-18;
        let [along, across] =
            self.axes.map(|axis| axis.cell(center[axis.of] - wide)..=axis.cell(center[axis.of] + wide));
        for row in across {
            let row = row * self.axes[0].cells;
            let (first, last) = (self.starts[row + along.start()], self.starts[row + along.end() + 1]);
            for &(id, at) in &self.members[first as usize..last as usize] {
                let distance = at.distance_squared(center);
                if distance <= radius * radius && filter(id) {
                    near.push((u64::from(distance.to_bits()) << 32 | id.index() as u64, id));
                }
            }
        }
    }

    fn cell(&self, at: Vec3) -> usize {
        let [along, across] = &self.axes;
        across.cell(at[across.of]) * along.cells + along.cell(at[along.of])
    }

    /// The radius of a circle that holds a few more than `count`, in metres, were everybody spread evenly.
    fn radius_of(&self, count: usize) -> f32 {
        let share = count as f32 * SPARE / self.members.len().max(1) as f32;
        let [long, short] = self.axes.map(|axis| axis.length);
        let circle = (share * (long * short)).sqrt() / std::f32::consts::PI.sqrt();
        // Of those along a line.
        circle.max(share * long * 0.5)
    }

    /// How far the box around all is from `center`, in metres.
    fn nearest(&self, center: Vec3) -> f32 {
        center.distance(center.clamp(self.low, self.high))
    }

    /// Nobody is farther than this from `center`, in metres.
    fn farthest(&self, center: Vec3) -> f32 {
        (center - self.low).abs().max((self.high - center).abs()).length()
    }
}

impl Axis {
    /// The axis `of` of the world, as far as the crowd reaches along it.
    fn over(of: usize, positions: &[Vec3]) -> Self {
        let every = positions.len().div_ceil(SAMPLES).max(1);
        let mut samples = [0.0; SAMPLES];
        let mut count = 0;
        for (sample, at) in samples.iter_mut().zip(positions.iter().step_by(every)) {
            *sample = at[of];
            count += 1;
        }
        let samples = &mut samples[..count];
        samples.sort_unstable_by(f32::total_cmp);
        let stray = STRAY.min(count / 16);
        let (Some(low), Some(high)) = (samples.get(stray), samples.get(count.wrapping_sub(1 + stray))) else {
            return Self { of, cells: 1, ..Self::default() };
        };
        // Those left out reach as far beyond, where the crowd is spread evenly.
        let beyond = (high - low) * (1.0 / 14.0);
        Self { of, low: low - beyond, length: high - low + 2.0 * beyond, cells: 1, cells_per_m: 0.0 }
    }

    fn divide(&mut self, cells: f32) {
        // The cast saturates.
        self.cells = (cells as usize).max(1);
        self.cells_per_m = if self.length > 0.0 { self.cells as f32 / self.length } else { 0.0 };
    }

    /// The cell that `at` metres fall into.
    fn cell(&self, at: f32) -> usize {
        // The cast saturates at 0, where a NaN goes too. It never falls as `at` grows: a search relies on it.
        (((at - self.low) * self.cells_per_m) as usize).min(self.cells - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scene(positions: &[Vec3]) -> Scene {
        let mut scene = Scene::default();
        // Gaps in the numbers, and generations that do not ascend.
        for (i, &at) in (0..).zip(positions) {
            scene.push(EntityId::new(3 * i, 7 - i % 7), at);
        }
        scene
    }

    /// By looking at everybody.
    fn nearest(scene: &Scene, center: Vec3, count: usize, filter: impl Fn(EntityId) -> bool) -> Vec<EntityId> {
        let mut all: Vec<_> = scene.iter().filter(|(id, _)| filter(*id)).collect();
        all.sort_by(|(a, at), (b, bt)| {
            at.distance_squared(center).total_cmp(&bt.distance_squared(center)).then(a.index().cmp(&b.index()))
        });
        all.truncate(count);
        all.sort_by_key(|(id, _)| id.index());
        all.into_iter().map(|(id, _)| id).collect()
    }

    fn within(scene: &Scene, center: Vec3, radius: f32) -> Vec<EntityId> {
        scene.iter().filter(|(_, at)| at.distance_squared(center) <= radius * radius).map(|(id, _)| id).collect()
    }

    #[track_caller]
    fn check(scene: &Scene, center: Vec3, count: usize, radius: f32) {
        for every in [1, 3] {
            let filter = |id: EntityId| (id.index() / 3).is_multiple_of(every);
            let mut found = Vec::new();
            scene.nearest(center, count, filter, &mut found);
            assert_eq!(found, nearest(scene, center, count, filter), "the nearest {count} of {center}");
        }
        let mut found = Vec::new();
        scene.within(center, radius, &mut found);
        assert_eq!(found, within(scene, center, radius), "within {radius} of {center}");
    }

    #[test]
    fn the_nearest_are_found_and_ties_go_to_the_lower_id() {
        let scene = scene(&[5.0, 1.0, 3.0, 3.0, 9.0].map(|x| Vec3::new(x, 0.0, 0.0)));
        let mut near = Vec::new();
        scene.nearest(Vec3::ZERO, 2, |_| true, &mut near);
        assert_eq!(near.iter().map(|id| id.index()).collect::<Vec<_>>(), [3, 6]);
        assert_eq!(scene.position(EntityId::new(3, 6)), Some(Vec3::X));
        assert_eq!(scene.position(EntityId::new(3, 5)), None, "another generation");
    }

    #[test]
    fn a_scene_that_was_asked_is_asked_anew_once_it_changed() {
        let mut scene = scene(&[Vec3::X, Vec3::Y]);
        check(&scene, Vec3::ZERO, 1, 2.0);
        scene.push(EntityId::new(100, 0), Vec3::ZERO);
        check(&scene, Vec3::ZERO, 1, 2.0);
        scene.clear();
        check(&scene, Vec3::ZERO, 1, 2.0);
        scene.push(EntityId::new(0, 0), Vec3::NEG_X * 1e9);
        check(&scene, Vec3::ZERO, 1, 2.0);
    }

    #[test]
    fn a_filter_may_ask_the_scene_itself() {
        let scene = scene(&[Vec3::ZERO, Vec3::X, Vec3::X * 1.5, Vec3::X * 9.0]);
        let has_company = |id: EntityId| {
            let (mut near, at) = (Vec::new(), scene.position(id).expect("it is in the scene"));
            scene.within(at, 1.0, &mut near);
            near.len() > 1
        };
        check(&scene, Vec3::ZERO, 2, 1.0);
        let mut found = Vec::new();
        scene.nearest(Vec3::X * 9.0, 2, has_company, &mut found);
        assert_eq!(found.iter().map(|id| id.index()).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn a_crowd_at_one_point_and_one_far_away_are_found() {
        for far in [0.0, 1e-40, 1e-30, 1.0, 1e6, 1e18, 3e38] {
            let mut positions = vec![Vec3::new(4.0, 5.0, 6.0); 300];
            positions[17] = Vec3::new(-far, far, 6.0);
            let scene = scene(&positions);
            for center in [Vec3::ZERO, positions[0], positions[17], Vec3::splat(1e20), Vec3::splat(f32::MAX)] {
                for count in [0, 1, 32, 299, 300, 1_000] {
                    check(&scene, center, count, far);
                }
            }
        }
    }

    #[test]
    fn of_a_place_that_is_none_nobody_is_near() {
        let scene = scene(&[Vec3::ZERO, Vec3::X]);
        let mut found = Vec::new();
        scene.nearest(Vec3::NAN, 2, |_| true, &mut found);
        scene.within(Vec3::NAN, 2.0, &mut found);
        assert_eq!(found, []);
    }

    /// Worlds of many shapes: even ones, thin ones, clusters, and places that many share.
    fn worlds() -> impl Strategy<Value = Vec<Vec3>> {
        let side = prop_oneof![Just(0.0_f32), Just(0.5), Just(60.0), Just(4_000.0)];
        let shape =
            (side.clone(), side.clone(), side, prop_oneof![Just(0.0_f32), Just(1.0), Just(0.01)], any::<bool>());
        (shape, prop::collection::vec(([-1.0_f32..1.0, -1.0..1.0, -1.0..1.0], 0_u8..4), 0..400)).prop_map(
            |((x, y, z, spread, is_coarse), members)| {
                let member = |([u, v, w], cluster): ([f32; 3], u8)| {
                    let corner = Vec3::new(x, y, z) * (f32::from(cluster) - 1.5);
                    let at = corner + Vec3::new(x * u, y * v, z * w) * spread;
                    if is_coarse { at.round() } else { at }
                };
                members.into_iter().map(member).collect()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
        #[test]
        fn a_search_finds_what_looking_at_everybody_finds(
            positions in worlds(),
            center in [-1.0_f32..1.0, -1.0..1.0, -1.0..1.0],
            scale in prop_oneof![Just(0.0_f32), Just(1.0), Just(100.0), Just(20_000.0)],
            member in any::<prop::sample::Index>(),
            count in prop_oneof![0_usize..5, 0_usize..60, 0_usize..500],
            radius in prop_oneof![0.0_f32..1.0, 0.0_f32..50.0, 0.0_f32..9_000.0],
        ) {
            let scene = scene(&positions);
            let anywhere = Vec3::from(center) * scale;
            check(&scene, anywhere, count, radius);
            if !positions.is_empty() {
                let at = positions[member.index(positions.len())];
                check(&scene, at, count, radius);
                // To a radius that ends exactly at somebody.
                check(&scene, anywhere, count, at.distance(anywhere));
            }
        }
    }
}
