//! What work took, so that whoever asks for much of it can be made to wait.

use std::time::{Duration, Instant};

use crate::limits::WORK_PER_PIECE_MAX;
use crate::options::HandshakeBudget;

/// Measures pieces of work that follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    /// When the last piece ended; `None` in virtual time, where clocks stand still.
    last: Option<Instant>,
}

/// What a frame in a packet costs where no clock says it.
const FRAME_NOMINAL: Duration = Duration::from_micros(1);

impl Stopwatch {
    /// Goes by the machine's clock where handshakes do.
    pub(crate) fn new(budget: HandshakeBudget) -> Self {
        Self { last: matches!(budget, HandshakeBudget::Time(_)).then(Instant::now) }
    }

    /// What was done until here was no piece of work.
    pub(crate) fn begin(&mut self) {
        self.lap();
    }

    /// The time since the last look at the clock; zero in virtual time.
    pub(crate) fn lap(&mut self) -> Duration {
        let Some(last) = &mut self.last else { return Duration::ZERO };
        let now = Instant::now();
        now - std::mem::replace(last, now)
    }

    /// What a packet with `frames` frames is charged that took `lap`: the clock may have run on while the machine did
    /// something else.
    pub(crate) fn cost(&self, lap: Duration, frames: u64) -> Duration {
        let cost = if self.last.is_some() { lap } else { FRAME_NOMINAL * u32::try_from(frames).unwrap_or(u32::MAX) };
        cost.min(WORK_PER_PIECE_MAX)
    }
}
