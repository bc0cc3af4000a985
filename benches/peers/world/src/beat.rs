//! 60 Hz by absolute deadlines: a late tick does not delay those after it.

use std::thread;
use std::time::{Duration, Instant};

/// The length of a tick.
pub const TICK: Duration = Duration::from_nanos(16_666_667);

/// A schedule that is further behind than this is begun anew: the ticks between are left out.
const BEHIND_MAX: Duration = Duration::from_millis(250);

/// Waits for one tick after the other.
#[derive(Debug)]
pub struct Beat {
    due: Instant,
}

impl Default for Beat {
    fn default() -> Self {
        Self { due: Instant::now() }
    }
}

impl Beat {
    /// Sleeps until the next tick is due.
    pub fn wait(&mut self) {
        let now = Instant::now();
        self.due += TICK;
        if now > self.due + BEHIND_MAX {
            self.due = now;
        }
        thread::sleep(self.due.saturating_duration_since(now));
    }
}
