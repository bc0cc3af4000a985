//! How a server is asked to end, from another thread or from a signal handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A handle that ends a server. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU32>);

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Go on.
    None,
    /// Drain, then end.
    Drain,
    /// End at once.
    Now,
}

impl Stop {
    /// A handle that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the server to drain and end; asked a second time, it ends at once. Safe in a signal handler.
    pub fn request(&self) {
        // Beyond two there is nothing more to ask for.
        if self.0.load(Ordering::Relaxed) < 2 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks the server to end at once.
    pub(crate) fn end_now(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.urgency() > Urgency::None
    }

    pub(crate) fn urgency(&self) -> Urgency {
        match self.0.load(Ordering::Relaxed) {
            0 => Urgency::None,
            1 => Urgency::Drain,
            _ => Urgency::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_request_is_more_urgent() {
        let stop = Stop::new();
        let other = stop.clone();
        assert!(!stop.is_requested());
        other.request();
        assert_eq!(stop.urgency(), Urgency::Drain);
        (0..5).for_each(|_| other.request());
        assert_eq!(stop.urgency(), Urgency::Now);
    }
}
