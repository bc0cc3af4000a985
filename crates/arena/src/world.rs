//! The map and the rules, made ready for questions. Solids lie in a grid of columns, so that a question touches
//! those few that are near.

use downbeat_replica::ConfigError;
use glam::Vec3;

use crate::brush::{Brush, Contact, Mover, SKIN, Size, ray_to_capsule};
use crate::{Block, Config, Map, Rules};

/// What both ends know and what never changes during a match.
#[derive(Debug)]
pub struct World {
    rules: Rules,
    map: Map,
    pub(crate) body: Size,
    brushes: Vec<Brush>,
    grid: Grid,
}

/// Which brushes stand in which column.
#[derive(Debug)]
pub(crate) struct Grid {
    min: Vec3,
    columns: [usize; 2],
    /// Where the brushes of each column begin in `brushes`; one more for the end.
    starts: Vec<u32>,
    brushes: Vec<u16>,
}

/// Side of a column.
const COLUMN_M: f32 = 4.0;

/// How thick the walls around the bounds are: more than anything moves in a tick.
const SHELL_M: f32 = 8.0;

/// A body nearer to a solid than this is moved out to the skin.
const TOUCH: f32 = SKIN / 4.0;

/// Solids that a body is moved out of in a tick, at most.
const UNSTICK_MAX: usize = 4;

impl World {
    /// Builds the world of `config`.
    ///
    /// # Errors
    /// Says what is impossible and what is allowed.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        config.check()?;
        let (rules, map) = (config.rules.clone(), config.map.clone());
        let body = Size { radius: rules.body_radius_m, height: rules.body_height_m };
        let shell = shell(&map);
        let blocks = map.blocks.iter().chain(&shell).map(|block| Brush::of_block(block, body));
        let ramps = map.ramps.iter().map(|ramp| Brush::of_ramp(ramp, body));
        let brushes: Vec<_> = blocks.chain(ramps).collect();
        let grid = Grid::new(Vec3::from(map.min), Vec3::from(map.max), &brushes);
        let world = Self { rules, map, body, brushes, grid };
        for (kind, at) in
            world.map.spawns.iter().map(|at| ("spawn", at)).chain(world.map.waypoints.iter().map(|at| ("waypoint", at)))
        {
            let feet = Vec3::from(*at) + Vec3::Y * SKIN;
            if !world.is_free(feet) {
                let name = &world.map.name;
                return Err(ConfigError(format!(
                    "map {name:?}: the {kind} at {at:?} is inside a solid; a body of {} by {} m must have room there",
                    2.0 * body.radius,
                    body.height
                )));
            }
        }
        Ok(world)
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The map.
    #[must_use]
    pub const fn map(&self) -> &Map {
        &self.map
    }

    /// The lowest and the highest corner of all there is.
    #[must_use]
    pub fn bounds(&self) -> (Vec3, Vec3) {
        (Vec3::from(self.map.min), Vec3::from(self.map.max))
    }

    /// Metres from the feet to the eyes.
    #[must_use]
    pub const fn eye_height(&self) -> f32 {
        self.rules.eye_height_m
    }

    /// The eyes of a player whose feet are at `feet`.
    #[must_use]
    pub fn eyes(&self, feet: Vec3) -> Vec3 {
        feet + Vec3::Y * self.rules.eye_height_m
    }

    /// Where players spawn.
    pub fn spawns(&self) -> impl ExactSizeIterator<Item = Vec3> {
        self.map.spawns.iter().map(|&at| Vec3::from(at))
    }

    /// Where items appear.
    pub fn pick_ups(&self) -> impl ExactSizeIterator<Item = Vec3> {
        self.map.pick_ups.iter().map(|point| Vec3::from(point.at))
    }

    /// Places for bots to go by, on the ground.
    pub fn waypoints(&self) -> impl ExactSizeIterator<Item = Vec3> {
        self.map.waypoints.iter().map(|&at| Vec3::from(at))
    }

    /// Whether nothing solid lies between two points.
    #[must_use]
    pub fn line_of_sight(&self, from: Vec3, to: Vec3) -> bool {
        self.cast(from, to - from).is_none()
    }

    /// How far one can look from `from` along the unit vector `way`, `max` at most. Inside a solid: 0.
    #[must_use]
    pub fn ray(&self, from: Vec3, way: Vec3, max: f32) -> f32 {
        self.cast(from, way * max).map_or(max, |contact| contact.fraction * max)
    }

    /// How far along the unit vector `way` a player with its feet at `feet` is met, walls aside.
    #[must_use]
    pub fn ray_to_player(&self, from: Vec3, way: Vec3, feet: Vec3) -> Option<f32> {
        ray_to_capsule(from, way, feet, self.body)
    }

    /// Whether a player has room with its feet at `feet`.
    #[must_use]
    pub fn is_free(&self, feet: Vec3) -> bool {
        self.grid.near(feet, feet).all(|i| self.brushes[i].separation(feet).0 > 0.0)
    }

    /// The first solid that a point meets from `from` on `way`.
    pub(crate) fn cast(&self, from: Vec3, way: Vec3) -> Option<Contact> {
        let mut first: Option<Contact> = None;
        self.grid.along(from, way, |brushes, end| {
            for &i in brushes {
                let contact = self.brushes[usize::from(i)].sweep(Mover::Point, from, way);
                first = earlier(first, contact);
            }
            first.is_some_and(|first| first.fraction <= end)
        });
        first
    }

    /// The first solid that a body meets from `from` on `way`.
    pub(crate) fn sweep(&self, from: Vec3, way: Vec3) -> Option<Contact> {
        let to = from + way;
        let (low, high) = (from.min(to), from.max(to));
        let mut first: Option<Contact> = None;
        for i in self.grid.near(low, high) {
            let brush = &self.brushes[i];
            if brush.is_near(low, high) {
                first = earlier(first, brush.sweep(Mover::Body, from, way));
            }
        }
        first
    }

    /// A place near `at` where a body does not touch any solid: `at` itself, as a rule.
    pub(crate) fn unstick(&self, mut at: Vec3) -> Vec3 {
        for _ in 0..UNSTICK_MAX {
            let mut deepest = (TOUCH, Vec3::ZERO);
            for i in self.grid.near(at, at) {
                let brush = &self.brushes[i];
                if brush.is_near(at, at) {
                    let (outside, normal) = brush.separation(at);
                    if outside < deepest.0 {
                        deepest = (outside, normal);
                    }
                }
            }
            if deepest.1 == Vec3::ZERO {
                break;
            }
            at += deepest.1 * (SKIN - deepest.0);
        }
        at
    }
}

fn earlier(a: Option<Contact>, b: Option<Contact>) -> Option<Contact> {
    match (a, b) {
        (Some(first), Some(other)) if other.fraction < first.fraction => b,
        (None, _) => b,
        _ => a,
    }
}

/// Six thick walls around the bounds.
fn shell(map: &Map) -> [Block; 6] {
    std::array::from_fn(|side| {
        let (mut min, mut max) = (map.min.map(|low| low - SHELL_M), map.max.map(|high| high + SHELL_M));
        let axis = side / 2;
        if side % 2 == 0 {
            max[axis] = map.min[axis];
        } else {
            min[axis] = map.max[axis];
        }
        Block { min, max, turn_deg: 0.0 }
    })
}

impl Grid {
    pub(crate) fn new(min: Vec3, max: Vec3, brushes: &[Brush]) -> Self {
        let count = |length: f32| ((length / COLUMN_M).ceil() as usize).max(1);
        let columns = [count(max.x - min.x), count(max.z - min.z)];
        let mut grid = Self { min, columns, starts: Vec::new(), brushes: Vec::new() };
        let ranges: Vec<_> = brushes.iter().map(|brush| (grid.column(brush.min), grid.column(brush.max))).collect();
        for z in 0..columns[1] {
            for x in 0..columns[0] {
                grid.starts.push(grid.brushes.len() as u32);
                let here = ranges
                    .iter()
                    .enumerate()
                    .filter(|(_, (low, high))| (low[0]..=high[0]).contains(&x) && (low[1]..=high[1]).contains(&z));
                grid.brushes.extend(here.map(|(i, _)| i as u16));
            }
        }
        grid.starts.push(grid.brushes.len() as u32);
        grid
    }

    /// The column of a point; for what lies outside, the nearest.
    fn column(&self, at: Vec3) -> [usize; 2] {
        let of = |along: f32, columns: usize| ((along / COLUMN_M) as usize).min(columns - 1);
        [of(at.x - self.min.x, self.columns[0]), of(at.z - self.min.z, self.columns[1])]
    }

    fn brushes(&self, x: usize, z: usize) -> &[u16] {
        let column = z * self.columns[0] + x;
        &self.brushes[self.starts[column] as usize..self.starts[column + 1] as usize]
    }

    /// The brushes in the columns of a box, some of them twice.
    pub(crate) fn near(&self, low: Vec3, high: Vec3) -> impl Iterator<Item = usize> {
        let (low, high) = (self.column(low), self.column(high));
        (low[1]..=high[1])
            .flat_map(move |z| (low[0]..=high[0]).flat_map(move |x| self.brushes(x, z)))
            .map(|&i| usize::from(i))
    }

    /// Visits the columns along a way in order, with the share of the way at which it leaves them, until told that
    /// it is enough (Amanatides and Woo, "A fast voxel traversal algorithm", 1987).
    pub(crate) fn along(&self, from: Vec3, way: Vec3, mut is_enough: impl FnMut(&[u16], f32) -> bool) {
        let mut at = self.column(from);
        let from = [from.x - self.min.x, from.z - self.min.z];
        let way = [way.x, way.z];
        // The share of the way at which the next column begins, along each axis.
        let share = |axis: usize, at: usize| {
            let edge = (at + usize::from(way[axis] > 0.0)) as f32 * COLUMN_M;
            if way[axis] == 0.0 { f32::INFINITY } else { (edge - from[axis]) / way[axis] }
        };
        loop {
            let next = [share(0, at[0]), share(1, at[1])];
            let axis = usize::from(next[1] < next[0]);
            if is_enough(self.brushes(at[0], at[1]), next[axis]) || next[axis] > 1.0 {
                return;
            }
            let on = if way[axis] > 0.0 { at[axis] + 1 } else { at[axis].wrapping_sub(1) };
            if on >= self.columns[axis] {
                return;
            }
            at[axis] = on;
        }
    }
}
