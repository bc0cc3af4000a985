//! Seeded chance.

use downbeat_replica::glam::Vec3;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg32;

/// A seeded source of chance.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Pcg32);

impl Chance {
    /// Equal seeds, equal draws.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg32::seed_from_u64(seed))
    }

    /// Uniform in `low..=high`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.0.next_u32() >> 8) as f32 / ((1 << 24) - 1) as f32)
    }

    /// A whole number below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(count)) >> 32) as u32
    }

    /// True with this probability.
    pub(crate) fn happens(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// A point of the cube that reaches `reach` from the origin.
    pub(crate) fn point(&mut self, reach: f32) -> Vec3 {
        Vec3::from_array(std::array::from_fn(|_| self.between(-reach, reach)))
    }

    /// A direction, all of them equally likely.
    pub(crate) fn direction(&mut self) -> Vec3 {
        loop {
            let point = self.point(1.0);
            if (0.01..=1.0).contains(&point.length_squared()) {
                return point.normalize();
            }
        }
    }
}
