//! A thousand clients ask in every tick who is nearest to them, and most of the crowd is not even close.
//!
//! So everybody is sorted into the cells of a grid once a tick. People are spread evenly, so that the radius within
//! which there are enough of them is guessed well: a search looks at the cells that it touches, row by row, and
//! selects from some fifty instead of thousands. Nothing is allocated once the memory has grown.

use std::cell::RefCell;

use downbeat_replica::glam::Vec3;
use downbeat_replica::{EntityId, Visible};

/// Cells in a square that holds as many as are looked for; fewer where that would be less than one person a cell.
const CELLS: usize = 16;

/// A guessed circle holds this many times as many as are looked for, so that it seldom holds too few.
const SPARE: f32 = 1.3;

/// Finds nearest neighbours.
#[derive(Debug)]
pub(crate) struct Sight {
    /// The ground reaches this far from the origin, in metres.
    reach: f32,
    /// How many are looked for.
    count: usize,
    /// Side of a cell, in metres, and cells to a row.
    side: f32,
    columns: usize,
    /// Where each cell begins in `people`, and where the last one ends; rows are along x.
    starts: Vec<u32>,
    people: Vec<(EntityId, Vec3)>,
    /// Those a search has found so far, behind their keys: squared distance above, index below.
    near: RefCell<Vec<(u64, EntityId)>>,
}

impl Sight {
    /// Of an empty ground.
    pub(crate) fn new(reach: f32, count: usize) -> Self {
        let (starts, people) = (Vec::new(), Vec::new());
        let mut sight = Self { reach, count, side: 0.0, columns: 0, starts, people, near: RefCell::default() };
        sight.rebuild(0, std::iter::empty);
        sight
    }

    /// Takes in where all are now that can be found.
    pub(crate) fn rebuild<I: Iterator<Item = (EntityId, Vec3)>>(&mut self, all: usize, people: impl Fn() -> I) {
        let in_cell = (self.count as f32 / CELLS as f32).max(1.0);
        self.side = self.side_of(in_cell, all).min(2.0 * self.reach);
        self.columns = (2.0 * self.reach / self.side) as usize + 1;
        self.starts.clear();
        self.starts.resize(self.columns * self.columns + 1, 0);
        for (_, at) in people() {
            let cell = self.cell(at);
            self.starts[cell] += 1;
        }
        let mut end = 0;
        for start in &mut self.starts {
            end += *start;
            *start = end;
        }
        self.people.resize(end as usize, (EntityId::default(), Vec3::ZERO));
        for (id, at) in people() {
            let cell = self.cell(at);
            self.starts[cell] -= 1;
            self.people[self.starts[cell] as usize] = (id, at);
        }
    }

    /// Adds those nearest to `center` but for `own`. Equal distances go to the lower index.
    pub(crate) fn nearest(&self, center: Vec3, own: Option<EntityId>, out: &mut Visible) {
        let near = &mut *self.near.borrow_mut();
        let square = self.side_of(self.count as f32 * SPARE, self.people.len());
        let mut radius = square / libm::sqrtf(std::f32::consts::PI);
        loop {
            self.gather(center, radius, own, near);
            // Far beyond the ground there is nobody, however few were found.
            if near.len() >= self.count || radius > 4.0 * self.reach {
                break;
            }
            // Near a border, half of the circle is empty.
            radius *= std::f32::consts::SQRT_2;
        }
        if near.len() > self.count {
            near.select_nth_unstable_by_key(self.count - 1, |&(key, _)| key);
            near.truncate(self.count);
        }
        near.iter().for_each(|&(_, id)| out.add(id));
    }

    fn gather(&self, center: Vec3, radius: f32, own: Option<EntityId>, near: &mut Vec<(u64, EntityId)>) {
        near.clear();
        // A hair wider, for sums are rounded.
        let wide = radius * 1.001;
        let across = self.column(center.x - wide)..=self.column(center.x + wide);
        for row in self.column(center.z - wide)..=self.column(center.z + wide) {
            let row = row * self.columns;
            let (first, last) = (self.starts[row + across.start()], self.starts[row + across.end() + 1]);
            for &(id, at) in &self.people[first as usize..last as usize] {
                let distance = at.distance_squared(center);
                if distance <= radius * radius && Some(id) != own {
                    // Bits of floats that are not negative ascend as the floats do.
                    near.push((u64::from(distance.to_bits()) << 32 | id.index() as u64, id));
                }
            }
        }
    }

    /// Side of a square that holds `count` of `all`, in metres.
    fn side_of(&self, count: f32, all: usize) -> f32 {
        2.0 * self.reach * libm::sqrtf(count / all.max(1) as f32)
    }

    fn cell(&self, at: Vec3) -> usize {
        self.column(at.z) * self.columns + self.column(at.x)
    }

    /// The column, or row, that `at` metres fall into; the outermost for what lies beyond.
    fn column(&self, at: f32) -> usize {
        // The cast saturates at 0.
        (((at + self.reach) / self.side) as usize).min(self.columns - 1)
    }
}
