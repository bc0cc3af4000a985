//! How long packets are under way, without the time that they wait for a tick.
//!
//! A server acknowledges an input's packet in the packet of its tick, so QUIC's estimate holds the wait for that tick. QUIC
//! would take a delay off that its peer tells, but only as far as the shortest round trip allows (RFC 9002, 5.3), and the
//! shortest one waited likewise. The server tells by how much inputs come before their tick, so that can be taken off here:
//! what is left is the network, the loops of both ends, and the tick's work until its packet. Smoothed as QUIC does.
//!
//! The server cuts what is less than 1/16 tick off a margin. So the estimate is up to that much too long, and never too short.

use downbeat_wire::{Micros, Tick};

/// The estimate of one bot's path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    tick_us: f64,
    /// The last margins that the server told, in microseconds, with the ticks of the inputs that they are about.
    margins: [(Tick, f64); MARGINS],
    told: usize,
    rtt_us: Option<f64>,
}

/// Margins that are remembered, and by how many ticks an input may differ from the one that its margin is about.
const MARGINS: usize = 32;
const APART_MAX: i64 = 16;

/// What a new sample counts.
const GAIN: f64 = 1.0 / 8.0;

impl Path {
    /// Of a match of `tick_rate_hz`.
    pub(crate) fn new(tick_rate_hz: u32) -> Self {
        let tick_us = 1e6 / f64::from(tick_rate_hz.max(1));
        Self { tick_us, margins: [(Tick::ZERO, 0.0); MARGINS], told: 0, rtt_us: None }
    }

    /// The server says in the snapshot of `tick` that an input came `sixteenths` of a tick before its own. Returns that in
    /// microseconds.
    pub(crate) fn note_margin(&mut self, tick: Tick, sixteenths: i16) -> f64 {
        // It came in the tick before the snapshot, so the margin says whose it was.
        let about = tick.offset(i64::from(sixteenths.div_euclid(16)));
        let margin_us = f64::from(sixteenths) / 16.0 * self.tick_us;
        self.margins[self.told % MARGINS] = (about, margin_us);
        self.told += 1;
        margin_us
    }

    /// It took so long from sampling the input of `tick` to the snapshot that told of it first, which is `newer_by` ticks
    /// newer. While a clock changes its pace, so do margins: the one is taken off that is about the nearest input.
    pub(crate) fn note_ack(&mut self, tick: Tick, took: Micros, newer_by: f64) {
        let newest_first = (0..self.told.min(MARGINS)).map(|back| self.margins[(self.told - 1 - back) % MARGINS]);
        // What is told of later inputs is told earlier, so the first that is not about a later one is the nearest.
        let mut nearest = None;
        for (about, margin_us) in newest_first {
            nearest = Some((about, margin_us));
            if about <= tick {
                break;
            }
        }
        let Some((_, margin_us)) = nearest.filter(|(about, _)| about.since(tick).abs() <= APART_MAX) else { return };
        let sample = took.0 as f64 - newer_by * self.tick_us - margin_us;
        self.rtt_us = Some(self.rtt_us.map_or(sample, |before| before + GAIN * (sample - before)));
    }

    /// The round trip, once there is one.
    pub(crate) fn rtt(&self) -> Option<Micros> {
        self.rtt_us.map(|us| Micros(us.round().max(0.0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_input_waits_for_its_tick_and_its_snapshot_is_not_under_way() {
        let mut path = Path::new(50);
        path.note_ack(Tick(100), Micros(90_000), 0.0);
        assert_eq!(path.rtt(), None, "nothing is known of the wait");
        for (tick, newer_by) in (101..).zip([0, 1, 2, 0, 1, 2]) {
            assert_eq!(path.note_margin(Tick(tick), 4), 5_000.0);
            path.note_ack(Tick(tick), Micros(80_000 + 5_000 + 20_000 * newer_by), newer_by as f64);
        }
        assert_eq!(path.rtt(), Some(Micros(80_000)));
        (0..40).for_each(|_| path.note_ack(Tick(106), Micros(105_000), 0.0));
        assert!(path.rtt().is_some_and(|rtt| rtt.0 > 99_000), "it follows");
    }

    #[test]
    fn a_clock_that_changes_its_pace_does_not_change_the_path() {
        let mut path = Path::new(50);
        // Margins shrink from four ticks by 1/16 tick at a time; those of inputs to come are told early.
        let sixteenths = |tick: u32| 64 - (tick as i16 - 100);
        for tick in 100..160 {
            let about = (tick..tick + 5).rfind(|of| Tick(*of).since(Tick(tick)) == i64::from(sixteenths(*of) / 16));
            if let Some(of) = about {
                path.note_margin(Tick(tick), sixteenths(of));
            }
            let wait_us = 1_250 * sixteenths(tick) as u64;
            path.note_ack(Tick(tick), Micros(10_000 + wait_us), 0.0);
        }
        let rtt = path.rtt().expect("measured").0;
        assert!((9_000..11_500).contains(&rtt), "{rtt}");
    }
}
