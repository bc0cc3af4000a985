//! Everything here is told the time. A real process reads it from one clock that starts at its epoch.

use std::time::{Duration, Instant};

use downbeat_wire::Micros;

/// The monotonic clock of a process, read in microseconds since its start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// Time since the epoch.
    #[must_use]
    pub fn now(&self) -> Micros {
        micros(self.epoch.elapsed())
    }
}

/// `duration` in whole microseconds, cut.
pub(crate) fn micros(duration: Duration) -> Micros {
    Micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// quinn-proto wants `Instant`s: one is taken once and never read again, so that virtual time is an offset to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch(Instant);

impl Epoch {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn instant(self, at: Micros) -> Instant {
        // A year from the epoch at most, so that timers on top of it cannot overflow.
        self.0 + Duration::from_micros(at.0.min(31_536_000_000_000))
    }

    /// `instant` rounded up: a timer that is handled at this time has expired.
    pub(crate) fn micros_after(self, instant: Instant) -> Micros {
        let since = instant.saturating_duration_since(self.0);
        Micros(since.as_secs().saturating_mul(1_000_000) + u64::from(since.subsec_nanos().div_ceil(1_000)))
    }
}
