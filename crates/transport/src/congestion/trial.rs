//! A queue is ours to drain only if it is made by us: beside a sender that fills every queue, giving way means to starve.
//! So a cut for a queue is a question. If we are alone, a window of 0.7 takes the round trip down in proportion, to the
//! line's own at most; who shares the queue sees less. An answer short of [`ANSWER`] of that means company, and for a
//! while queues count no more than they do for the others: until they overflow. (Copa and Nimbus switch likewise; they
//! look at the queue's minimum over five round trips, or its spectrum.)

use std::time::{Duration, Instant};

use super::cubic::Cubic;

/// Share of the expected drain that means "alone". With half the queue ours, half of it is seen.
const ANSWER: f64 = 0.72;

/// What is left of the window while the question is open: as much as the line alone holds, but at least this. More would
/// drain the queue of others along with ours, and tell nothing.
const BETA_QUEUE_MIN: f64 = 0.7;

/// A little less than the line holds: packets come in lumps.
const BELOW_BASE: f64 = 0.97;

/// And at most this, so that something can be seen.
const BETA_QUEUE_MAX: f64 = 0.95;

/// What is left of the window by a question at `current` round trip.
pub(super) fn beta(current: Duration, base: Duration) -> f64 {
    (BELOW_BASE * base.as_secs_f64() / current.as_secs_f64()).clamp(BETA_QUEUE_MIN, BETA_QUEUE_MAX)
}

/// Time for which queues are ignored once company was found, at first and at most; it doubles.
const COMPANY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// Answers in a row that must say the same: one may fall into a change of the line or of the load.
const ANSWERS: u32 = 2;

/// Time beyond two round trips that an answer may take: delayed acknowledgements, the receiver's tick.
const PATIENCE: Duration = Duration::from_millis(100);

/// Whose queue it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    open: Option<Question>,
    company_until: Option<Instant>,
    company: Duration,
    /// Answers in a row that told of company.
    answers: u32,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    asked: Instant,
    before: Cubic,
    /// The round trip then.
    round_trip: Duration,
    base: Duration,
    /// Shortest round trip of packets that were sent after the queue had time to drain.
    after: Option<Duration>,
}

impl Trial {
    pub(super) const fn new() -> Self {
        Self { open: None, company_until: None, company: COMPANY.0, answers: 0 }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a queue may be answered by a cut.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.open.is_none() && self.company_until.is_none_or(|until| now >= until)
    }

    /// Remembers what there was before a cut.
    pub(super) const fn ask(&mut self, now: Instant, before: Cubic, round_trip: Duration, base: Duration) {
        self.open = Some(Question { asked: now, before, round_trip, base, after: None });
    }

    /// Something else cut the window: there will be no answer.
    pub(super) const fn withdraw(&mut self) {
        self.open = None;
    }

    /// Takes in a round trip. Gives back what there was before the cut if the queue turns out to be another's.
    pub(super) fn learn(&mut self, now: Instant, sent: Instant, sample: Duration) -> Option<Cubic> {
        let question = self.open.as_mut()?;
        if sent >= question.asked + question.round_trip {
            question.after = Some(question.after.map_or(sample, |least| least.min(sample)));
        }
        let after = question.after.filter(|_| now >= question.asked + 2 * question.round_trip + PATIENCE)?;
        let (before, base) = (question.round_trip.as_secs_f64(), question.base.as_secs_f64());
        let drain = before - (beta(question.round_trip, question.base) * before).max(base);
        let is_alone = before - after.as_secs_f64() >= ANSWER * drain;
        let mut restored = question.before;
        restored.skip(now.saturating_duration_since(question.asked));
        self.open = None;
        if is_alone {
            (self.company, self.answers) = (COMPANY.0, 0);
            return None;
        }
        self.answers += 1;
        if self.answers < ANSWERS {
            return Some(restored);
        }
        self.answers = 0;
        self.company_until = Some(now + self.company);
        self.company = (self.company * 2).min(COMPANY.1);
        Some(restored)
    }
}
