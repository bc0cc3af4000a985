//! Whether a server lives: each of its shards goes on beating. Whoever restarts servers that hang asks for it.

use std::time::{Duration, Instant};

use crate::limits::HUNG_AFTER;

/// Remembers how often each shard had beaten, and since when it has not.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Vec<(u64, Instant)>);

impl Pulse {
    /// Whether each shard has beaten within [`HUNG_AFTER`], given how often each has so far. Ask it more often than that.
    pub fn is_alive(&mut self, beats: &[u64]) -> bool {
        self.is_alive_at(Instant::now(), beats)
    }

    fn is_alive_at(&mut self, now: Instant, beats: &[u64]) -> bool {
        self.0.resize(beats.len(), (0, now));
        for ((seen, at), &beats) in self.0.iter_mut().zip(beats) {
            if *seen != beats {
                (*seen, *at) = (beats, now);
            }
        }
        self.silence(now) < HUNG_AFTER
    }

    /// For how long the quietest shard has not beaten.
    fn silence(&self, now: Instant) -> Duration {
        self.0.iter().map(|(_, at)| now.saturating_duration_since(*at)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_that_hangs_is_enough() {
        let (mut pulse, begin) = (Pulse::default(), Instant::now());
        let mut alive = |quarters: u32, beats: &[u64]| pulse.is_alive_at(begin + HUNG_AFTER * quarters / 4, beats);
        assert!(alive(0, &[0, 0]), "they are given time to begin");
        assert!(alive(3, &[90, 90]));
        assert!(alive(6, &[180, 90]));
        assert!(!alive(7, &[240, 90]), "the second hangs");
        assert!(alive(8, &[246, 91]), "it has come back");
    }
}
