//! The one clock of a session: arrivals, inputs and frames are all stamped by it.

use std::time::{Duration, Instant};

use downbeat_wire::Micros;

/// Microseconds since the session began to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Micros {
        micros(self.0.elapsed())
    }

    pub(crate) fn instant(self, at: Micros) -> Instant {
        self.0 + Duration::from_micros(at.0)
    }
}

pub(crate) fn micros(duration: Duration) -> Micros {
    Micros(duration.as_micros() as u64)
}
