//! How a server is asked to end, from another thread or from a signal handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A handle that ends a server. Clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    requests: AtomicU32,
    drain: AtomicBool,
    /// Milliseconds and one; 0 where none was given.
    deadline: AtomicU64,
}

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
        if self.0.requests.load(Ordering::Relaxed) < 2 {
            self.0.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks the server to drain and end, within `deadline` if it is given and otherwise within what is configured. Asking
    /// again changes nothing, and hastens nothing: a drain that an operator began lasts through the first
    /// [`request`](Self::request) of whoever ends processes. False if it was to end already.
    pub fn drain(&self, deadline: Option<Duration>) -> bool {
        if self.is_requested() {
            return false;
        }
        let ms =
            deadline.map_or(0, |deadline| u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
        self.0.deadline.store(ms, Ordering::Relaxed);
        !self.0.drain.swap(true, Ordering::Release)
    }

    /// How long a drain may take, if whoever began it said so.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let ms = self.0.deadline.load(Ordering::Relaxed).checked_sub(1)?;
        self.0.drain.load(Ordering::Acquire).then_some(Duration::from_millis(ms))
    }

    /// Asks the server to end at once.
    pub(crate) fn end_now(&self) {
        self.0.requests.store(2, Ordering::Relaxed);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.urgency() > Urgency::None
    }

    pub(crate) fn urgency(&self) -> Urgency {
        match self.0.requests.load(Ordering::Relaxed) {
            0 if !self.0.drain.load(Ordering::Acquire) => Urgency::None,
            0 | 1 => Urgency::Drain,
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

    #[test]
    fn a_drain_is_begun_once_and_one_request_does_not_cut_it_short() {
        let stop = Stop::new();
        assert_eq!(stop.deadline(), None);
        assert!(stop.drain(Some(Duration::ZERO)));
        assert!(!stop.drain(Some(Duration::from_secs(9))));
        assert_eq!((stop.urgency(), stop.deadline()), (Urgency::Drain, Some(Duration::ZERO)));
        stop.request();
        assert_eq!(stop.urgency(), Urgency::Drain);
        stop.request();
        assert_eq!(stop.urgency(), Urgency::Now);
        let stop = Stop::new();
        stop.request();
        assert!(!stop.drain(Some(Duration::ZERO)), "it drains already, as configured");
        assert_eq!(stop.deadline(), None);
    }
}
