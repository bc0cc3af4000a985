//! How many lines of one kind are told: what somebody can make happen a thousand times a second must neither fill a disk nor
//! hide what else happens. A kind is a place in the code.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use downbeat_wire::Micros;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::guard::Rate;
use crate::limits::{LOG_LINES_BURST, LOG_LINES_PER_S};

/// Who says which lines are one too many.
#[derive(Debug)]
pub(super) struct Limit {
    begun: Instant,
    kinds: Mutex<HashMap<Identifier, Kind>>,
    left_out: AtomicU64,
}

#[derive(Debug)]
struct Kind {
    /// What its field `event` says.
    name: String,
    rate: Rate,
    left_out: u64,
}

impl Default for Limit {
    fn default() -> Self {
        Self { begun: Instant::now(), kinds: Mutex::default(), left_out: AtomicU64::new(0) }
    }
}

impl Limit {
    /// Whether a line is told.
    fn take(&self, event: &Event<'_>) -> bool {
        let now = Micros(self.begun.elapsed().as_micros() as u64);
        let mut kinds = self.kinds();
        let begin = || Kind { name: name(event), rate: Rate::default(), left_out: 0 };
        let kind = kinds.entry(event.metadata().callsite()).or_insert_with(begin);
        let is_told = kind.rate.take(now, LOG_LINES_PER_S, LOG_LINES_BURST);
        if !is_told {
            kind.left_out += 1;
            self.note_left_out();
        }
        is_told
    }

    /// A line was left out.
    pub(super) fn note_left_out(&self) {
        self.left_out.fetch_add(1, Relaxed);
    }

    /// Kinds of which lines were left out since this was last asked, and how many.
    pub(super) fn poll_kinds(&self) -> Vec<(String, u64)> {
        let mut kinds = self.kinds();
        let left_out = kinds.values_mut().filter(|kind| kind.left_out > 0);
        let mut taken: Vec<_> = left_out.map(|kind| (kind.name.clone(), std::mem::take(&mut kind.left_out))).collect();
        taken.sort();
        taken
    }

    /// Lines left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a [`Limit`] is to a subscriber.
pub(super) struct Limited(pub(super) Arc<Limit>);

impl<S: Subscriber> Layer<S> for Limited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // How much was left out is told whatever it is.
        event.metadata().target() == super::writer::TARGET || self.0.take(event)
    }
}

/// What an event is called: its field `event`, or its place in the code.
fn name(event: &Event<'_>) -> String {
    struct Name(Option<String>);
    impl Visit for Name {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "event" {
                self.0 = Some(value.to_owned());
            }
        }

        fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
    }
    let mut name = Name(None);
    event.record(&mut name);
    name.0.unwrap_or_else(|| event.metadata().name().to_owned())
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_cut_and_counted_and_others_are_told() {
        let limit = Arc::new(Limit::default());
        let told = Arc::new(AtomicU64::new(0));
        struct Count(Arc<AtomicU64>);
        impl<S: Subscriber> Layer<S> for Count {
            fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let subscriber =
            tracing_subscriber::registry().with(Limited(Arc::clone(&limit))).with(Count(Arc::clone(&told)));
        tracing::subscriber::with_default(subscriber, || {
            (0..1_000).for_each(|i| tracing::info!(event = "flood", i, "again"));
            assert!((20..500).contains(&told.load(Relaxed)), "{told:?}");
            let before = told.load(Relaxed);
            tracing::info!(event = "rare", "once");
            assert_eq!(told.load(Relaxed), before + 1);
        });
        let left_out = 1_001 - told.load(Relaxed);
        assert_eq!(limit.poll_kinds(), [("flood".to_owned(), left_out)]);
        assert_eq!((limit.poll_kinds().len(), limit.left_out()), (0, left_out));
    }
}
