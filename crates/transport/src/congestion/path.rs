//! What a round trip says about queues: it is the line's own time, plus jitter, plus the queue. The smallest of some
//! neighbouring round trips has little jitter in it; less the smallest of minutes, it is the queue (RFC 6817, LEDBAT:
//! base delay and filtered current delay; Copa calls the second the standing round trip).

use std::time::{Duration, Instant};

/// The shortest round trip is looked for over one to two times this long: a line may become longer for good.
const BASE_SPAN: Duration = Duration::from_secs(60);

/// Neighbouring round trips are those of one to two times this long, or one to two smoothed round trips: three packets
/// at 20 Hz.
const STANDING_SPAN_MIN: Duration = Duration::from_millis(75);

/// A queue is one from here: twice a game tick less a bit. Acknowledgements that wait for a tick look like 0 to 17 ms.
const QUEUE_MIN: Duration = Duration::from_millis(25);

/// Round trips of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    base: Least,
    standing: Least,
    /// RFC 3550 §6.4.1: smoothed difference of neighbouring samples.
    jitter: Duration,
    /// The newest samples, the last one first.
    newest: [Option<Duration>; 3],
}

impl Path {
    pub(super) const fn new(now: Instant) -> Self {
        Self { base: Least::new(now), standing: Least::new(now), jitter: Duration::ZERO, newest: [None; 3] }
    }

    /// Takes in the round trip of the newest packet of an acknowledgement.
    pub(super) fn learn(&mut self, now: Instant, sample: Duration, smoothed: Duration) {
        self.base.learn(now, sample, BASE_SPAN);
        self.standing.learn(now, sample, smoothed.max(STANDING_SPAN_MIN));
        // At first nothing is known: the guess fades within two dozen samples.
        self.jitter = match self.newest[0] {
            None => sample / 4,
            Some(last) => (self.jitter * 15 + last.abs_diff(sample)) / 16,
        };
        self.newest.rotate_right(1);
        self.newest[0] = Some(sample);
    }

    /// The shortest round trip of the last minutes.
    pub(super) fn base(&self) -> Option<Duration> {
        self.base.value()
    }

    /// The round trip now: the shortest of the last three. Unlike the standing one it does not lag behind a queue that grows.
    pub(super) fn current(&self) -> Option<Duration> {
        self.newest.into_iter().flatten().min()
    }

    /// The shortest of the newest round trips.
    pub(super) fn standing(&self) -> Option<Duration> {
        self.standing.value()
    }

    /// Whether packets wait in a queue: longer than jitter, times `jitters`, could be.
    pub(super) fn is_queued(&self, jitters: u32) -> bool {
        let (Some(base), Some(standing)) = (self.base(), self.standing()) else { return false };
        standing.saturating_sub(base) > QUEUE_MIN + self.jitter * jitters
    }
}

/// The least value of the last one to two spans.
#[derive(Clone, Copy, Debug)]
struct Least {
    began: Instant,
    before: Option<Duration>,
    now: Option<Duration>,
}

impl Least {
    const fn new(began: Instant) -> Self {
        Self { began, before: None, now: None }
    }

    fn learn(&mut self, at: Instant, sample: Duration, span: Duration) {
        if at.saturating_duration_since(self.began) >= span {
            (self.began, self.before, self.now) = (at, self.now, None);
        }
        self.now = Some(self.now.map_or(sample, |least| least.min(sample)));
    }

    fn value(&self) -> Option<Duration> {
        match (self.before, self.now) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        }
    }
}
