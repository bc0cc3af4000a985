//! One way of a client's line: what is on it arrives late, twice, out of order or never, as its noise says.

use std::collections::VecDeque;

use downbeat_replica::Tick;

use crate::bytes::{Bytes, Noise};

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) sent: Tick,
    pub(crate) due: Tick,
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_true: bool,
}

/// One way of a client's line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) flights: VecDeque<Flight>,
    pub(crate) delay_ticks: u32,
    /// Further ticks that a datagram may take.
    jitter_ticks: u32,
    /// Of 16 datagrams so many are lost, and so many arrive twice.
    lost: u32,
    twice: u32,
    noise: Noise,
    /// Nothing arrives by itself.
    pub(crate) is_held: bool,
    /// Whatever is sent is lost until then.
    pub(crate) silent_until: Tick,
}

impl Line {
    pub(crate) fn set_weather(&mut self, bytes: &mut Bytes<'_>) {
        let weather = usize::from(bytes.byte());
        self.lost = [0, 1, 4, 12][weather & 3];
        self.jitter_ticks = [0, 1, 2, 4, 8, 16, 30, 40][weather >> 2 & 7];
        self.twice = [0, 2][weather >> 5 & 1];
        self.noise = Noise::new(bytes.byte().into());
    }

    pub(crate) fn send(&mut self, sent: Tick, bytes: &[u8]) {
        if sent < self.silent_until || self.noise.below(16) < self.lost {
            return;
        }
        for _ in 0..1 + u32::from(self.noise.below(16) < self.twice) {
            let delay_ticks = self.delay_ticks + self.noise.below(self.jitter_ticks + 1);
            let due = sent.offset(delay_ticks.into());
            self.flights.push_back(Flight { sent, due, bytes: bytes.to_vec(), is_true: true });
        }
    }

    /// All that is on its way is due, and nothing happens to what follows.
    pub(crate) fn clear_up(&mut self) {
        *self = Self { flights: std::mem::take(&mut self.flights), ..Self::default() };
        self.flights.iter_mut().for_each(|flight| flight.due = Tick::ZERO);
    }

    /// What is due.
    pub(crate) fn poll(&mut self, now: Tick) -> Option<Flight> {
        let due = self.flights.iter().position(|flight| flight.due <= now).filter(|_| !self.is_held)?;
        self.flights.remove(due)
    }
}
