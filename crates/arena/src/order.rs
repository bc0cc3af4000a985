//! Chance without state: numbers that are a pure function of the room's seed, the tick and the player.

use downbeat_replica::{PlayerId, Tick};

/// SplitMix64's finaliser over the three (Steele et al., "Fast splittable pseudorandom number generators", 2014).
pub(crate) fn draw(seed: u64, tick: Tick, player: PlayerId) -> u64 {
    let salt = u64::from(tick.0) << 16 | u64::from(player.0);
    mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A further number from one that was drawn.
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_player_comes_first_more_often_than_others() {
        let mut wins = [0_u32; 8];
        for tick in 0..8_000 {
            let first = (0..8).min_by_key(|&player| draw(7, Tick(tick), PlayerId(player))).expect("there are eight");
            wins[usize::from(first)] += 1;
        }
        assert!(wins.iter().all(|wins| (900..1_100).contains(wins)), "{wins:?}");
    }
}
