//! What a shard lets others see of itself while it runs: its counts once a second, and its clients' round trips, a few in
//! each beat.

use downbeat_replica::Game;
use downbeat_transport::Socket;

use super::Shard;
use crate::limits::BEATS_PER_TICK;

/// Whose turn it is to have its round trip looked at: each client's about once a second.
#[derive(Debug, Default)]
pub(super) struct Trips {
    /// Clients that are due, times beats of a second.
    due: u64,
}

impl Trips {
    /// How many clients are looked at in this beat.
    fn take(&mut self, clients: u64, beats_per_s: u64) -> u64 {
        self.due += clients;
        let count = self.due / beats_per_s;
        self.due %= beats_per_s;
        count
    }
}

impl<G: Game, S: Socket> Shard<G, S> {
    pub(super) fn look_at_trips(&mut self) {
        let beats_per_s = u64::from(self.config.tick_rate_hz) * BEATS_PER_TICK;
        for _ in 0..self.trips.take(self.sessions.len() as u64, beats_per_s) {
            let Some(link) = self.sessions.in_turn().and_then(|session| session.link) else { continue };
            if let Some(stats) = self.drivers[link.driver].stats(link.conn) {
                self.meter.board.rtt.note(stats.rtt.0);
            }
        }
    }

    /// Lets others see all that was counted.
    pub(super) fn leave_counts(&mut self) {
        self.shown.leave(self.counts(), &self.meter.board);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_looked_at_once_a_second_however_many_there_are() {
        for clients in [0, 1, 16, 239, 240, 1_000] {
            let mut trips = Trips::default();
            let looked: Vec<u64> = (0..2_400).map(|_| trips.take(clients, 240)).collect();
            assert_eq!(looked.iter().sum::<u64>(), 10 * clients);
            assert!(looked.iter().all(|&count| count <= clients.div_ceil(240)), "{clients}");
        }
    }
}
