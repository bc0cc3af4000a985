//! Signs of congestion, one at a time, on a controller without a connection. What they do together on lines is in
//! `tests/congestion`.

use super::*;

const SEGMENT: u64 = 1_200;
const CAP: u64 = 500_000;

/// A controller, its clock, and what it would need of quinn-proto.
struct Bench {
    pace: Pace,
    now: Instant,
    rtt: Duration,
    sent: u64,
}

impl Bench {
    fn new(rtt_ms: u64) -> Self {
        let now = Instant::now();
        let mut pace = Pace::new(CAP, now, SEGMENT as u16);
        pace.rtt = Duration::from_millis(rtt_ms);
        pace.bound();
        Self { pace, now, rtt: Duration::from_millis(rtt_ms), sent: 0 }
    }

    /// 60 packets of a kilobyte a second for `seconds`; those for which `lost` says so are lost. `queued` more of a
    /// round trip than the line's own.
    fn play(&mut self, seconds: u64, queued: Duration, lost: impl Fn(u64) -> bool) {
        for _ in 0..seconds * 60 {
            self.sent += 1;
            let sent = self.now;
            self.pace.on_sent(sent, 1_000, self.sent);
            self.now += Duration::from_micros(16_667);
            let arrived = self.now + self.rtt + queued;
            if lost(self.sent) {
                self.pace.on_congestion_event(arrived, sent, false, 1_000);
            } else {
                self.pace.losses.count(1_000, 0);
                self.pace.newest = Some(sent);
                if self.pace.cut_at.is_none_or(|cut_at| sent > cut_at) {
                    self.pace.grow(arrived, 1_000);
                }
                self.pace.on_end_acks(arrived, 0, true, None);
            }
        }
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.pace, self.rtt, 1_100)
    }

    fn rate(&self) -> u64 {
        self.pace.metrics().pacing_rate.expect("always told") / 8
    }
}

#[test]
fn a_new_connection_may_send_a_thin_stream_and_ten_segments() {
    for rtt_ms in [1, 100, 1_000] {
        let bench = Bench::new(rtt_ms);
        let thin = THIN_BYTES_PER_S * rtt_ms / 1_000 + 2 * SEGMENT;
        assert!(bench.pace.window() >= thin.max(10 * SEGMENT), "{rtt_ms} ms");
    }
}

#[test]
fn losses_without_a_queue_leave_the_thin_rate() {
    let mut bench = Bench::new(100);
    bench.play(30, Duration::ZERO, |n| n.is_multiple_of(10));
    assert!(bench.rate() >= THIN_BYTES_PER_S, "{}", bench.rate());
    assert!(bench.pace.window() as f64 >= bench.pace.thin_window());
    bench.play(30, Duration::ZERO, |n| n.is_multiple_of(5));
    let kept = (THIN_BYTES_PER_S as f64 * THIN_LOSS / 0.2) as u64;
    assert!(bench.rate() >= kept * 95 / 100, "a fifth lost: {} of {kept}", bench.rate());
}

#[test]
fn losses_with_a_queue_go_below_the_thin_rate() {
    let mut bench = Bench::new(100);
    bench.play(5, Duration::ZERO, |_| false);
    bench.play(5, Duration::from_millis(80), |n| n.is_multiple_of(10));
    assert!(bench.rate() < THIN_BYTES_PER_S * 3 / 4, "{}", bench.rate());
}

#[test]
fn heavy_loss_reaches_the_floor_and_a_good_time_ends_it() {
    let mut bench = Bench::new(50);
    bench.play(12, Duration::ZERO, |n| n.is_multiple_of(2));
    assert_eq!(bench.rate(), FLOOR_BYTES_PER_S);
    assert_eq!(bench.pace.window(), FLIGHT_SEGMENTS_MIN * SEGMENT);
    bench.play(3, Duration::ZERO, |_| false);
    assert!(bench.rate() >= THIN_BYTES_PER_S, "{}", bench.rate());
}

#[test]
fn a_mark_takes_fifteen_percent_once_a_round_trip() {
    let mut bench = Bench::new(50);
    let before = bench.pace.cubic.window;
    let (now, sent) = (bench.now, bench.now - bench.rtt);
    bench.pace.on_congestion_event(now, sent, false, 0);
    bench.pace.on_congestion_event(now, sent, false, 0);
    let left = bench.pace.cubic.window / before;
    assert!((left - BETA_MARK).abs() < 1e-9, "{left}");
}

#[test]
fn a_dead_line_begins_again_with_half_a_thin_window() {
    let mut bench = Bench::new(100);
    let thin = bench.pace.thin_window();
    bench.pace.on_congestion_event(bench.now, bench.now, true, 1_000);
    assert!(bench.pace.cubic.window <= thin / 2.0 + 1.0);
    assert!(bench.pace.cubic.is_doubling(), "and doubles until it has it back");
}

#[test]
fn the_window_follows_a_longer_round_trip() {
    let mut bench = Bench::new(50);
    bench.pace.rtt = Duration::from_millis(800);
    bench.pace.bound();
    assert!(bench.pace.window() >= THIN_BYTES_PER_S * 8 / 10 + 2 * SEGMENT);
}

#[test]
fn the_window_never_exceeds_the_cap() {
    let mut bench = Bench::new(100);
    bench.pace.cubic.raise_to(1e9);
    bench.pace.bound();
    assert_eq!(bench.pace.window(), CAP * 150 / 1_000 + 2 * SEGMENT);
    assert!(bench.rate() <= CAP);
}

#[test]
fn a_new_budget_is_a_window() {
    let bench = Bench::new(50);
    let mut budget = Budget::default();
    for _ in 0..20 {
        assert!(budget.has_room(downbeat_wire::Micros(1), &bench.standing()));
        budget.spend(300);
    }
}

#[test]
fn a_budget_lets_the_rate_through_and_no_more() {
    let mut bench = Bench::new(50);
    bench.play(12, Duration::ZERO, |n| n.is_multiple_of(2));
    bench.pace.in_flight = 0;
    let mut budget = Budget::default();
    let mut bytes = 0;
    for tick in 0..600u64 {
        if budget.has_room(downbeat_wire::Micros(tick * 16_667), &bench.standing()) {
            budget.spend(460);
            bytes += 500;
        }
    }
    let most = FLOOR_BYTES_PER_S * 10 + bench.pace.window() + 500;
    assert!((FLOOR_BYTES_PER_S * 10..=most).contains(&bytes), "{bytes}");
}
