//! Whether a server lives: each of its shards goes on beating. Whoever restarts servers that hang asks for it.

use std::time::Instant;

use crate::limits::HUNG_AFTER;

/// Remembers how often each shard had beaten, and since when it has not.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Vec<(u64, Instant)>);

impl Pulse {
    /// A shard that has not beaten for [`HUNG_AFTER`], given how often each has so far. Ask it more often than that.
    pub fn hung(&mut self, beats: &[u64]) -> Option<usize> {
        self.hung_at(Instant::now(), beats)
    }

    fn hung_at(&mut self, now: Instant, beats: &[u64]) -> Option<usize> {
        self.0.resize(beats.len(), (0, now));
        for ((seen, at), &beats) in self.0.iter_mut().zip(beats) {
            if *seen != beats {
                (*seen, *at) = (beats, now);
            }
        }
        self.0.iter().position(|(_, at)| now.saturating_duration_since(*at) > HUNG_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_that_hangs_is_enough() {
        let (mut pulse, begin) = (Pulse::default(), Instant::now());
        let mut hung = |quarters: u32, beats: &[u64]| pulse.hung_at(begin + HUNG_AFTER * quarters / 4, beats);
        assert_eq!(hung(0, &[0, 0]), None, "they are given time to begin");
        assert_eq!(hung(3, &[90, 90]), None);
        assert_eq!(hung(6, &[180, 90]), None);
        assert_eq!(hung(8, &[240, 90]), Some(1));
        assert_eq!(hung(9, &[246, 91]), None, "it has come back");
    }
}
