//! Attempts that proved their address and wait for handshake budget or for a place.
//!
//! A flood from one network must not keep the others out, so each network has a few that wait before everybody else's
//! many. And where more come than can be served, the queue would grow until all wait for longer than their client does:
//! then whoever waited for a while is told nothing, tries again, and the others are served in time.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use downbeat_wire::Micros;

use crate::limits::{ATTEMPT_AGE_MS_MAX, CROWD_AGE_MS_MAX, CROWD_PATIENCE_MS};
use crate::limits::{NETWORK_ATTEMPTS_MAX, VALIDATED_ATTEMPTS_MAX};

/// Attempts in the order of their arrival, by how many their network has.
pub(crate) struct Attempts<T> {
    few: VecDeque<Attempt<T>>,
    many: VecDeque<Attempt<T>>,
    by_network: HashMap<IpAddr, u32>,
}

struct Attempt<T> {
    at: Micros,
    network: IpAddr,
    incoming: T,
}

impl<T> Default for Attempts<T> {
    fn default() -> Self {
        Self { few: VecDeque::new(), many: VecDeque::new(), by_network: HashMap::new() }
    }
}

impl<T> Attempts<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.is_empty()
    }

    /// Lets an attempt wait; gives back the oldest when there are too many.
    pub(crate) fn push(&mut self, at: Micros, network: IpAddr, incoming: T) -> Option<T> {
        let is_full = self.few.len() + self.many.len() >= VALIDATED_ATTEMPTS_MAX;
        let displaced = if is_full { self.many.pop_front().or_else(|| self.few.pop_front()) } else { None };
        let displaced = displaced.map(|attempt| self.forget(attempt));
        let count = self.by_network.entry(network).or_default();
        *count += 1;
        let queue = if *count <= NETWORK_ATTEMPTS_MAX { &mut self.few } else { &mut self.many };
        queue.push_back(Attempt { at, network, incoming });
        displaced
    }

    /// The next to be served.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let attempt = self.few.pop_front().or_else(|| self.many.pop_front())?;
        Some(self.forget(attempt))
    }

    /// One that waited for too long.
    pub(crate) fn pop_stale(&mut self, now: Micros) -> Option<T> {
        let age = |attempt: &Attempt<T>| now.since(attempt.at);
        let stale = [&mut self.few, &mut self.many].into_iter().find_map(|queue| {
            let (oldest, newest) = (age(queue.front()?), age(queue.back()?));
            // In a rush that is over, those who wait are only served: nobody comes after them.
            let is_flooded = newest < Micros::from_millis(CROWD_PATIENCE_MS);
            let age_max = if is_flooded { CROWD_AGE_MS_MAX } else { ATTEMPT_AGE_MS_MAX };
            if oldest > Micros::from_millis(age_max) { queue.pop_front() } else { None }
        });
        stale.map(|attempt| self.forget(attempt))
    }

    fn forget(&mut self, attempt: Attempt<T>) -> T {
        if let Some(count) = self.by_network.get_mut(&attempt.network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&attempt.network);
            }
        }
        attempt.incoming
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Micros {
        Micros::from_millis(ms)
    }

    fn network(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_crowded_network_waits_behind_the_others() {
        let mut attempts = Attempts::default();
        for n in 0..500 {
            assert_eq!(attempts.push(at(0), network(1), n), None);
        }
        attempts.push(at(1), network(2), 1_000);
        let served: Vec<u32> = (0..12).filter_map(|_| attempts.pop()).collect();
        assert_eq!(served, [0, 1, 2, 3, 4, 5, 6, 7, 1_000, 8, 9, 10]);
    }

    #[test]
    fn who_waits_for_long_is_passed_over_while_others_come() {
        let mut attempts = Attempts::default();
        for n in 0..3 {
            attempts.push(at(u64::from(n) * 200), network(n), n);
        }
        assert_eq!(attempts.pop_stale(at(1_100)), None, "nobody comes after them");
        attempts.push(at(1_050), network(3), 3);
        let stale: Vec<u32> = std::iter::from_fn(|| attempts.pop_stale(at(1_100))).collect();
        assert_eq!(stale, [0, 1, 2]);
        assert_eq!(attempts.pop_stale(at(4_000)), None);
        assert_eq!(attempts.pop_stale(at(4_100)), Some(3));
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut attempts = Attempts::default();
        for n in 0..VALIDATED_ATTEMPTS_MAX as u32 {
            assert_eq!(attempts.push(at(0), network(n), n), None);
        }
        assert_eq!(attempts.push(at(0), network(1), 7_777), Some(0));
        while attempts.pop().is_some() {}
        assert!(attempts.is_empty() && attempts.by_network.is_empty());
    }
}
