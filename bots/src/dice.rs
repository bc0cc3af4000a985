//! Chance that is the same on every machine.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg32;

/// A seeded source of chance.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Pcg32);

impl Dice {
    /// Equal seeds, equal throws.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg32::seed_from_u64(seed))
    }

    /// A whole number below `count`; 0 when there is none.
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        // The bias of at most count / 2^32 is of no concern here.
        ((u64::from(self.0.next_u32()) * u64::from(count)) >> 32) as u32
    }

    /// A real number in `low..high`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f32) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// -1 or 1.
    pub(crate) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// About normally distributed, with mean 0 and standard deviation 1; never beyond ±3.5.
    pub(crate) fn normal(&mut self) -> f32 {
        // Irwin-Hall: four uniform numbers have a variance of a third.
        (0..4).map(|_| self.between(-1.0, 1.0)).sum::<f32>() * 0.866_025_4
    }
}

/// splitmix64: neighbouring inputs give unrelated outputs.
pub(crate) const fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
