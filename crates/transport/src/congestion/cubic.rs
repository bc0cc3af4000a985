//! How the window grows between two cuts, and what a cut leaves: RFC 9438 (CUBIC), the law of nearly everybody we share
//! a line with. Growing as they do is what makes the shares even.

use std::time::{Duration, Instant};

/// RFC 9438 §4.6: what a cut for a loss leaves of the window.
pub(super) const BETA_LOSS: f64 = 0.7;

/// RFC 8511 (ABE): what a cut for an ECN mark leaves. Routers mark before queues are full, so less is needed.
pub(super) const BETA_MARK: f64 = 0.85;

/// RFC 9438 §5.1: steepness in segments per second cubed.
const C: f64 = 0.4;

/// RFC 9438 §4.3: growth in segments per round trip with which Reno would have the same mean window.
const ALPHA: f64 = 3.0 * (1.0 - BETA_LOSS) / (1.0 + BETA_LOSS);

/// A window in bytes that grows by CUBIC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cubic {
    pub(super) window: f64,
    /// Below this the window doubles each round trip.
    threshold: f64,
    /// The window that was too large last time, and to which it returns fastest.
    w_max: f64,
    /// Seconds from the last cut until the window is `w_max` again.
    k: f64,
    /// When the curve began; `None` = with the next acknowledgement, at its flat part.
    epoch: Option<Instant>,
    w_epoch: f64,
}

impl Cubic {
    pub(super) const fn new(window: f64) -> Self {
        Self { window, threshold: f64::INFINITY, w_max: window, k: 0.0, epoch: None, w_epoch: window }
    }

    /// Whether no limit was met yet.
    pub(super) fn is_doubling(&self) -> bool {
        self.window < self.threshold
    }

    /// `acked` bytes arrived and the window had been needed.
    pub(super) fn grow(&mut self, now: Instant, rtt: Duration, segment: f64, acked: f64) {
        if self.is_doubling() {
            self.window += acked;
            return;
        }
        let epoch = *self.epoch.get_or_insert_with(|| {
            (self.w_max, self.w_epoch, self.k) = (self.window, self.window, 0.0);
            now
        });
        let t = now.saturating_duration_since(epoch).as_secs_f64();
        let rtt = rtt.as_secs_f64().max(0.001);
        let x = t + rtt - self.k;
        let cubic = (self.w_max + C * x * x * x * segment).min(1.5 * self.window);
        let reno = self.w_epoch + ALPHA * t / rtt * segment;
        // RFC 9438 §4.2: towards the target within a round trip.
        let missing = (cubic.max(reno) - self.window).max(0.0);
        self.window += (missing * acked / self.window).min(acked);
    }

    /// The window was not needed: time that passes does not count (RFC 9438 §5.8).
    pub(super) const fn rest(&mut self) {
        self.epoch = None;
    }

    /// The window was too large: `beta` of `of` is left.
    pub(super) fn cut(&mut self, now: Instant, of: f64, beta: f64, segment: f64) {
        let of = of.min(self.window);
        // RFC 9438 §4.7, fast convergence: who has to give way before it has regained all makes room for newcomers.
        self.w_max = if of < self.w_max { of * (1.0 + beta) / 2.0 } else { of };
        self.window = of * beta;
        self.threshold = self.window;
        self.w_epoch = self.window;
        self.epoch = Some(now);
        self.k = libm::cbrt((self.w_max - self.window).max(0.0) / segment / C);
    }

    /// The path was dead: start small, and quickly back to `threshold`.
    pub(super) const fn restart(&mut self, window: f64, threshold: f64) {
        self.window = window;
        self.threshold = threshold;
        self.epoch = None;
    }

    /// `time` passed in which the window was another: it does not count.
    pub(super) fn skip(&mut self, time: Duration) {
        self.epoch = self.epoch.map(|epoch| epoch + time);
    }

    /// The window is at least this.
    pub(super) const fn raise_to(&mut self, window: f64) {
        self.window = self.window.max(window);
    }

    /// The window is at most this.
    pub(super) const fn lower_to(&mut self, window: f64) {
        self.window = self.window.min(window);
    }
}
