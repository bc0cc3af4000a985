//! A game sends a thin, steady stream that its server caps; what it cannot stand is a sender that takes one lost packet
//! for a full network. Cubic does: under random loss its window falls to two packets, and since a packet is admitted only
//! when a whole segment more fits, 60 small packets a second come to a halt.
//!
//! So the window follows what the stream may need, `rate x (shortest round trip + slack)`, and random loss changes
//! nothing. What does: more than 30 % lost over a second, or everything lost for several round trips, halves the rate;
//! a router's ECN mark takes an eighth, once a round trip. A second with little loss gives an eighth of the cap back.
//! Queues are bounded by the shortest round trip: once more than the slack is queued, the window is full.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};

/// Time beyond the shortest round trip that packets may be under way: jitter, delayed acknowledgements, detection of
/// losses, and the queue that we allow ourselves.
const SLACK: Duration = Duration::from_millis(150);

/// Segments in flight that are always allowed, whatever the rate. Admission wants room for a whole one, so this leaves
/// three for small packets.
const FLOOR_SEGMENTS: u64 = 4;

/// The rate is never taken below this: ten packets a second of 1,200 bytes.
const RATE_MIN_BYTES_PER_S: u64 = 12_000;

/// Loss is judged over this time.
const PERIOD: Duration = Duration::from_secs(1);

/// Bytes with a known fate that a period needs to be judged.
const JUDGED_BYTES_MIN: u64 = 1_500;

/// Builds a controller for each connection.
pub(crate) struct GamePace {
    cap_bytes_per_s: u64,
}

impl GamePace {
    pub(crate) fn new(cap_bytes_per_s: u64) -> Self {
        Self { cap_bytes_per_s: cap_bytes_per_s.max(RATE_MIN_BYTES_PER_S) }
    }
}

impl ControllerFactory for GamePace {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Pace::new(self.cap_bytes_per_s, now, current_mtu))
    }
}

/// Window and rate of one path.
#[derive(Clone, Debug)]
struct Pace {
    cap: u64,
    rate: u64,
    mtu: u64,
    rtt_min: Duration,
    rtt: Duration,
    in_flight: u64,
    period: Period,
    /// Marks on packets sent before this belong to a cut that was made already.
    cut_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Period {
    began: Instant,
    acked: u64,
    lost: u64,
}

impl Period {
    const fn new(began: Instant) -> Self {
        Self { began, acked: 0, lost: 0 }
    }
}

impl Pace {
    fn new(cap: u64, now: Instant, mtu: u16) -> Self {
        Self {
            cap,
            rate: cap,
            mtu: u64::from(mtu),
            rtt_min: Duration::from_millis(100),
            rtt: Duration::from_millis(100),
            in_flight: 0,
            period: Period::new(now),
            cut_at: None,
        }
    }

    fn scale_rate(&mut self, numerator: u64, denominator: u64) {
        self.rate = (self.rate * numerator / denominator).clamp(RATE_MIN_BYTES_PER_S, self.cap);
    }

    fn count_acked(&mut self, now: Instant, bytes: u64) {
        self.period.acked += bytes;
        self.judge(now);
    }

    fn judge(&mut self, now: Instant) {
        let Period { began, acked, lost } = self.period;
        // A path longer than a second is judged once per round trip: before that, fates are those of the last period.
        if now.saturating_duration_since(began) < PERIOD.max(self.rtt) || acked + lost < JUDGED_BYTES_MIN {
            return;
        }
        let share_percent = lost * 100 / (acked + lost);
        match share_percent {
            31.. => self.scale_rate(1, 2),
            0..=20 => self.rate = (self.rate + self.cap / 8).min(self.cap),
            _ => {}
        }
        self.period = Period::new(now);
    }
}

impl Controller for Pace {
    fn on_sent(&mut self, _now: Instant, bytes: u64, _last_packet_number: u64) {
        self.in_flight += bytes;
    }

    fn on_ack(&mut self, now: Instant, _sent: Instant, bytes: u64, _app_limited: bool, rtt: &RttEstimator) {
        self.rtt_min = rtt.min();
        self.rtt = rtt.get();
        self.count_acked(now, bytes);
    }

    fn on_end_acks(&mut self, _now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        // Ours also counted packets that nobody acknowledges; here the truth is told.
        self.in_flight = in_flight;
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(lost_bytes);
        self.period.lost += lost_bytes;
        let is_new = self.cut_at.is_none_or(|cut_at| sent > cut_at);
        if lost_bytes == 0 && is_new {
            self.scale_rate(7, 8);
            self.cut_at = Some(now);
        } else if is_persistent_congestion && is_new {
            self.scale_rate(1, 2);
            self.cut_at = Some(now);
        }
        self.judge(now);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
    }

    fn window(&self) -> u64 {
        let time = u64::try_from((self.rtt_min + SLACK).as_micros()).unwrap_or(u64::MAX);
        (self.rate.saturating_mul(time) / 1_000_000).max(FLOOR_SEGMENTS * self.mtu)
    }

    /// `ssthresh` carries the room in the window: quinn-proto keeps its own count of bytes in flight to itself, and this
    /// is the one number that reaches the driver through the trait. See [`has_room`].
    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window();
        metrics.ssthresh = Some(self.window().saturating_sub(self.in_flight));
        metrics.pacing_rate = Some(self.rate * 8);
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Bytes that a full segment may have beyond its largest datagram: header, packet number, tag, frame head.
const SEGMENT_OVERHEAD_BYTES: usize = 64;

/// Whether the window takes another full segment: the condition under which quinn-proto admits a packet.
pub(crate) fn has_room(controller: &dyn Controller, datagram_bytes_max: usize) -> bool {
    let segment = (datagram_bytes_max + SEGMENT_OVERHEAD_BYTES) as u64;
    controller.metrics().ssthresh.is_none_or(|room| room > segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1_200;

    /// Sends `packets` a second for `seconds`, losing those for which `lost` says so, and returns the rate then.
    fn run(pace: &mut Pace, start: Instant, seconds: u64, lost: impl Fn(u64) -> bool) -> u64 {
        for i in 0..seconds * 60 {
            let now = start + Duration::from_micros(i * 16_667);
            pace.on_sent(now, SEGMENT, i);
            if lost(i) {
                pace.on_congestion_event(now, now, false, SEGMENT);
            } else {
                pace.count_acked(now, SEGMENT);
                pace.on_end_acks(now, 0, true, None);
            }
        }
        pace.rate
    }

    #[test]
    fn random_loss_changes_nothing_and_heavy_loss_halves() {
        let start = Instant::now();
        let mut pace = Pace::new(500_000, start, 1_200);
        assert_eq!(run(&mut pace, start, 20, |i| i % 10 < 2), 500_000);
        let later = start + Duration::from_secs(20);
        assert!(run(&mut pace, later, 3, |i| i % 2 == 0) <= 250_000);
        let later = later + Duration::from_secs(3);
        assert_eq!(run(&mut pace, later, 20, |_| false), 500_000, "and comes back");
    }

    #[test]
    fn a_mark_takes_an_eighth_once_a_round_trip() {
        let start = Instant::now();
        let mut pace = Pace::new(400_000, start, 1_200);
        pace.on_congestion_event(start, start, false, 0);
        pace.on_congestion_event(start + Duration::from_millis(1), start, false, 0);
        assert_eq!(pace.rate, 350_000);
    }

    #[test]
    fn the_window_never_falls_below_its_floor() {
        let start = Instant::now();
        let mut pace = Pace::new(500_000, start, 1_200);
        run(&mut pace, start, 60, |_| true);
        assert_eq!(pace.rate, RATE_MIN_BYTES_PER_S);
        assert_eq!(pace.window(), FLOOR_SEGMENTS * 1_200);
    }
}
