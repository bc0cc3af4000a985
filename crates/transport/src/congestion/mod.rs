//! A game sends a thin, steady stream. Cubic takes each lost packet for a full network: under random loss its window
//! falls to a few packets, and since a packet is admitted only when a whole segment more fits, many of 60 small packets
//! a second are withheld. A sender that ignores losses, on the other hand, starves everybody who does not.
//!
//! So the window grows by the law of the others (`cubic`), and a sign of congestion cuts it as it does theirs, at most
//! once a round trip. What a sign is depends on the rate:
//! - **above the thin rate** ([`THIN_BYTES_PER_S`]) every loss is one;
//! - **below it** a loss counts only while packets wait in a queue (`path`): without one it is the line's, not ours;
//! - an ECN mark, a queue of our own making (`trial`), and more than a quarter lost for seconds (`loss`) always count,
//!   down to the floor ([`FLOOR_BYTES_PER_S`]).
//!
//! `docs/congestion.md` has the formulas' sources and what was measured.

mod budget;
mod cubic;
mod loss;
mod path;
#[cfg(test)]
mod tests;
mod trial;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};

pub(crate) use self::budget::{Budget, Share, Standing, rate_bytes_per_s};
use self::cubic::{BETA_LOSS, BETA_MARK, Cubic};
use self::loss::Losses;
use self::path::Path;
use self::trial::Trial;

/// What a loss without a queue does not take: 64 KiB a second, a server's default for a client, with its packets' heads.
pub(crate) const THIN_BYTES_PER_S: u64 = 68_000;

/// What a thin stream may cost the network in lost bytes: this share of it. Above, the thin rate falls as losses rise.
const THIN_LOSS: f64 = 0.15;

/// How many times the jitter a queue must exceed to be an explanation of a loss, and to be a reason to slow down alone.
const JITTERS_AT_LOSS: u32 = 2;
const JITTERS_TO_ASK: u32 = 4;

/// A window that is as many times a thin stream's has left it behind.
const THIN_MARGIN: f64 = 1.1;

/// The rate is never taken below this: ten packets a second of 1,200 bytes.
pub(crate) const FLOOR_BYTES_PER_S: u64 = 12_000;

/// Time beyond a round trip that packets of a thin stream are under way: the peer's tick, delayed acknowledgements,
/// detection of losses.
const SLACK: Duration = Duration::from_millis(50);

/// A window is a rate only over a round trip; shorter ones than this are the acknowledgements' waiting time.
const ROUND_MIN: Duration = Duration::from_millis(25);

/// Segments that may always be in flight. Admission wants room for a whole one, so this leaves three for small packets.
/// What is less than that is kept by the rate.
const FLIGHT_SEGMENTS_MIN: u64 = 4;

/// Where the rate holds back, it grows by one part in as many in a round trip, once it does not double any more.
const STEPS_OF_RATE: f64 = 8.0;

/// RFC 6928 and RFC 9002 §7.2.
const INITIAL_SEGMENTS: u64 = 10;

/// Builds a controller for each connection.
pub(crate) struct GamePace {
    cap_bytes_per_s: u64,
}

impl GamePace {
    pub(crate) fn new(cap_bytes_per_s: u64) -> Self {
        Self { cap_bytes_per_s: cap_bytes_per_s.max(FLOOR_BYTES_PER_S) }
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
    cap: f64,
    segment: f64,
    cubic: Cubic,
    path: Path,
    losses: Losses,
    trial: Trial,
    rtt: Duration,
    in_flight: u64,
    told: Told,
    peak: Peak,
    /// Signs about packets sent before this belong to a cut that was made already.
    cut_at: Option<Instant>,
    /// When the window last changed by a jump.
    jumped_at: Instant,
    /// No sign took the rate below the thin one, or it has come back.
    is_thin_granted: bool,
    /// Newest packet of the acknowledgement that is being read: when it was sent.
    newest: Option<Instant>,
}

impl Pace {
    fn new(cap: u64, now: Instant, mtu: u16) -> Self {
        let mut pace = Self {
            cap: cap as f64,
            segment: f64::from(mtu),
            cubic: Cubic::new((INITIAL_SEGMENTS * u64::from(mtu)) as f64),
            path: Path::new(now),
            losses: Losses::new(now),
            trial: Trial::new(),
            rtt: Duration::from_millis(100),
            in_flight: 0,
            told: Told::default(),
            peak: Peak::new(now),
            cut_at: None,
            jumped_at: now,
            is_thin_granted: true,
            newest: None,
        };
        pace.bound();
        pace
    }

    /// A round trip, the unit of windows.
    fn round(&self) -> f64 {
        self.rtt.max(ROUND_MIN).as_secs_f64()
    }

    /// The window of a stream of `rate`: what is under way, the next packet, and the whole segment admission asks for.
    fn window_of(&self, rate: f64) -> f64 {
        rate * (self.rtt + SLACK).as_secs_f64() + 2.0 * self.segment
    }

    /// By what the window grows, where others grow by a segment. A window of less than what may always be in flight is kept by
    /// the rate, with packets that are as small as the rate makes them: a whole segment would double it.
    fn step(&self) -> f64 {
        if self.cubic.window < self.flight_min() as f64 { self.cubic.window / STEPS_OF_RATE } else { self.segment }
    }

    /// What losses without a queue leave.
    fn thin_rate(&self) -> f64 {
        let kept = (THIN_LOSS / self.losses.share()).min(1.0);
        (THIN_BYTES_PER_S as f64 * kept).min(self.cap)
    }

    fn thin_window(&self) -> f64 {
        self.window_of(self.thin_rate())
    }

    /// What may always be in flight. What is less than that is held back by the rate.
    fn flight_min(&self) -> u64 {
        (FLIGHT_SEGMENTS_MIN * self.segment as u64).max(self.window_of(FLOOR_BYTES_PER_S as f64) as u64)
    }

    /// Keeps the window between what is granted and the cap, and notes what is told of it. Round trips change, so this is
    /// done at every step.
    fn bound(&mut self) {
        let (thin_rate, round) = (self.thin_rate(), self.round());
        let thin = self.window_of(thin_rate);
        self.is_thin_granted |= self.cubic.window >= thin;
        let floor = if self.is_thin_granted { thin } else { FLOOR_BYTES_PER_S as f64 * round };
        self.cubic.raise_to(floor);
        self.cubic.lower_to(self.window_of(self.cap));
        // A window that is not above a thin stream's holds nothing back on a short line, so there the rate does; above, a
        // quarter more than a window each round trip may leave (RFC 9002 §7.7).
        let rate = self.cubic.window / round;
        let is_thin = self.cubic.window <= THIN_MARGIN * thin;
        let rate = (if is_thin { rate.min(thin_rate) } else { rate * 1.25 }).min(self.cap);
        self.told = Told { window: (self.cubic.window as u64).max(self.flight_min()), rate: rate as u64 };
    }

    /// Whether something about a packet sent at `sent` calls for a new cut; if so, it is made now.
    fn is_new(&mut self, now: Instant, sent: Instant) -> bool {
        let is_new = self.cut_at.is_none_or(|cut_at| sent > cut_at);
        if is_new {
            self.cut_at = Some(now);
        }
        is_new
    }

    fn cut(&mut self, now: Instant, beta: f64) {
        self.trial.withdraw();
        self.jumped_at = now;
        self.is_thin_granted = false;
        self.cubic.cut(now, self.cubic.window, beta, self.segment);
        self.bound();
    }

    /// Reacts to a loss as Cubic does, but without a queue not below the thin rate.
    fn react_to_loss(&mut self, now: Instant, sent: Instant) {
        let kept = if self.path.is_queued(JITTERS_AT_LOSS) { 0.0 } else { self.cubic.window.min(self.thin_window()) };
        let beta = BETA_LOSS.max(kept / self.cubic.window);
        if beta < 1.0 && self.is_new(now, sent) {
            let is_granted = self.is_thin_granted && kept > 0.0;
            self.cut(now, beta);
            self.is_thin_granted = is_granted;
        }
    }

    /// Nothing arrived for several round trips.
    fn restart(&mut self, now: Instant) {
        let threshold = (self.cubic.window * BETA_LOSS).max(self.thin_window());
        self.cut(now, BETA_LOSS);
        self.cubic.restart(self.cubic.window.min(self.thin_window()) / 2.0, threshold);
        self.bound();
    }

    /// Asks a queue whether it is ours, or takes in its answer.
    fn watch_queue(&mut self, now: Instant, sent: Instant, sample: Duration) {
        if let Some(before) = self.trial.learn(now, sent, sample) {
            self.cubic = before;
            self.jumped_at = now;
            self.bound();
        }
        // Who never has more under way than the smallest window has no queue to answer for. What the last jump
        // did is seen whole by packets that were sent two round trips later.
        let used = self.peak.value();
        let is_settled = sent > self.jumped_at + 2 * self.rtt;
        if used > self.flight_min()
            && is_settled
            && self.trial.may_ask(now)
            && self.path.is_queued(JITTERS_TO_ASK)
            && let (Some(base), Some(current)) = (self.path.base(), self.path.current())
        {
            self.ask(now, used as f64, current, base);
        }
    }

    /// Cuts for a queue: to a part of what was `used`, which may be less than the window.
    fn ask(&mut self, now: Instant, used: f64, current: Duration, base: Duration) {
        let before = self.cubic;
        (self.cut_at, self.jumped_at) = (Some(now), now);
        self.is_thin_granted = false;
        if before.is_doubling() {
            // What was sent since is as much again, and the round trip does not know it yet: this is no question.
            self.cubic.cut(now, used, 0.5, self.segment);
        } else {
            self.cubic.cut(now, used, trial::beta(current, base), self.segment);
            self.trial.ask(now, before, current, base);
        }
        // Admission asks for a whole segment more.
        self.cubic.window += self.segment;
        self.bound();
    }

    fn judge_losses(&mut self, now: Instant) {
        if self.losses.judge(now, self.rtt) {
            let threshold = self.cubic.window;
            self.cut(now, 0.5);
            self.cubic.restart(self.cubic.window, threshold.max(self.thin_window()));
            self.cut_at = Some(now);
        }
    }

    fn grow(&mut self, now: Instant, acked: u64) {
        if self.losses.is_heavy() || self.trial.is_open() {
            return;
        }
        // RFC 7661 §4.3: a window of which half is used is a tested one, and may grow. Below the thin rate it always may.
        let is_used = 2 * (self.in_flight + acked) >= self.cubic.window as u64;
        if is_used || self.cubic.window <= THIN_MARGIN * self.thin_window() {
            self.cubic.grow(now, self.rtt, self.step(), acked as f64);
        } else {
            self.cubic.rest();
        }
    }
}

impl Controller for Pace {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        self.in_flight += bytes;
        self.peak.learn(now, self.in_flight, self.rtt);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _app_limited: bool, rtt: &RttEstimator) {
        self.rtt = rtt.get();
        self.newest = self.newest.max(Some(sent));
        self.losses.count(bytes, 0);
        if self.cut_at.is_none_or(|cut_at| sent > cut_at) {
            self.grow(now, bytes);
        }
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        // Ours also counted packets that nobody acknowledges; here the truth is told.
        self.in_flight = in_flight;
        if let Some(sent) = self.newest.take() {
            let sample = now.saturating_duration_since(sent);
            self.path.learn(now, sample, self.rtt);
            self.watch_queue(now, sent, sample);
        }
        self.judge_losses(now);
        self.bound();
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(lost_bytes);
        self.losses.count(0, lost_bytes);
        match lost_bytes {
            0 if self.is_new(now, sent) => self.cut(now, BETA_MARK),
            0 => {}
            _ if is_persistent_congestion && self.is_new(now, sent) => self.restart(now),
            _ => self.react_to_loss(now, sent),
        }
        self.judge_losses(now);
        self.bound();
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.segment = f64::from(new_mtu);
        self.bound();
    }

    fn window(&self) -> u64 {
        self.told.window
    }

    /// `ssthresh` carries the room in the window: quinn-proto keeps its own count of bytes in flight to itself, and this
    /// is the one number that reaches the driver through the trait. See [`Budget`].
    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window();
        metrics.ssthresh = Some(self.window().saturating_sub(self.in_flight));
        metrics.pacing_rate = Some(self.told.rate * 8);
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

/// What others are told of the window. They ask often.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    window: u64,
    /// What the window stands for in bytes a second.
    rate: u64,
}

/// The most bytes that were in flight in the last one to two round trips.
#[derive(Clone, Copy, Debug)]
struct Peak {
    began: Instant,
    before: u64,
    now: u64,
}

impl Peak {
    const fn new(began: Instant) -> Self {
        Self { began, before: 0, now: 0 }
    }

    fn learn(&mut self, at: Instant, in_flight: u64, rtt: Duration) {
        if at.saturating_duration_since(self.began) >= rtt.max(ROUND_MIN) {
            (self.began, self.before, self.now) = (at, self.now, 0);
        }
        self.now = self.now.max(in_flight);
    }

    const fn value(&self) -> u64 {
        if self.before > self.now { self.before } else { self.now }
    }
}
