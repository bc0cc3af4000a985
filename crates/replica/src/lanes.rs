//! Lanes: an entity's state as a row of `i32`, every one of them in `0..=max` (but those that name entities).

use crate::EntityId;

/// Collects the lanes of one value and notes what did not fit.
#[derive(Debug)]
pub struct LaneWriter<'a> {
    lanes: &'a mut Vec<i32>,
    clamped: u32,
    not_a_number: bool,
}

impl<'a> LaneWriter<'a> {
    /// Appends to `lanes`.
    pub const fn new(lanes: &'a mut Vec<i32>) -> Self {
        Self { lanes, clamped: 0, not_a_number: false }
    }

    /// Appends a lane in `0..=max`; what lies outside is clamped and counted.
    #[inline]
    pub fn int(&mut self, value: i64, max: i32) {
        let held = value.clamp(0, i64::from(max));
        self.clamped += u32::from(held != value);
        self.lanes.push(held as i32);
    }

    /// Appends a real number, rounded to the nearest lane value. NaN is noted; the caller refuses it.
    #[inline]
    pub fn real(&mut self, value: f64, max: i32) {
        self.not_a_number |= value.is_nan();
        // The cast saturates, so that infinities clamp like everything else out of range.
        self.int((value + 0.5).floor() as i64, max);
    }

    /// Appends a lane that names an entity, or none.
    pub fn entity(&mut self, id: Option<EntityId>) {
        self.lanes.push(id.map_or(0, EntityId::to_lane));
    }

    /// Values that were out of range so far.
    #[must_use]
    pub const fn clamped(&self) -> u32 {
        self.clamped
    }

    /// Whether a NaN was among the values.
    #[must_use]
    pub const fn saw_nan(&self) -> bool {
        self.not_a_number
    }
}

/// Reads a value back from its lanes. Between two states the lanes are not whole: each has a fraction too.
#[derive(Clone, Debug)]
pub struct LaneReader<'a> {
    lanes: &'a [i32],
    fractions: &'a [f32],
    at: usize,
}

impl<'a> LaneReader<'a> {
    /// Reads exact lanes.
    #[must_use]
    pub const fn new(lanes: &'a [i32]) -> Self {
        Self { lanes, fractions: &[], at: 0 }
    }

    /// Reads lanes between two states, each `lane + fraction`.
    #[must_use]
    pub const fn between(lanes: &'a [i32], fractions: &'a [f32]) -> Self {
        Self { lanes, fractions, at: 0 }
    }

    /// The next lane as a whole number; 0 behind the last one.
    #[inline]
    pub fn int(&mut self) -> i32 {
        let lane = self.lanes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        lane
    }

    /// The next lane as a real number.
    #[inline]
    pub fn real(&mut self) -> f64 {
        let fraction = self.fractions.get(self.at).copied().unwrap_or(0.0);
        f64::from(self.int()) + f64::from(fraction)
    }
}
