//! How long to wait for what comes over a line that delays and loses. Each datagram brings all that is new and repeats what
//! those before it brought, so what is lost comes with the first later one that is not: later by as many datagrams as went
//! missing in a row, and by what the line delays that one.
//!
//! So the lateness of a moment is `K x spacing + J`. J is measured: the lateness of each datagram that came, in a window. K is
//! modelled (Gilbert 1960, Elliott 1963), since the long runs that matter are too rare to be counted in any window that
//! is short enough to follow the line: `P(K >= k) = share x goes_on^(k-1)`. The wait is the shortest by which no more than
//! a given share come too late.

use crate::losses::{Losses, RUN_MAX};
use crate::window::Window;

/// What was measured of a line, and how long to wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    late: Window,
    losses: Losses,
    /// Ticks from one datagram to the next.
    spacing: f32,
    /// How long a moment lasts, in ticks. One that comes late by a part of that is missed for that part of it.
    lasts: f32,
    /// Share of moments that may be missed.
    misses: f32,
    wait: f32,
    repeats: usize,
    /// Measurements since the wait was found.
    stale: usize,
    /// By how much earlier than the latest, in ticks, all must come for what was before to be over; and how many came so.
    over: f32,
    early: usize,
}

/// Share of inputs of which every copy may be lost: so few that it does not count beside those that come too late.
const NEVER_COME: f32 = 0.0005;

/// The wait is found again after so many measurements, or at once when something goes missing.
const STALE: usize = 16;

/// So many that come so much earlier in a row are the rule.
const EARLY: usize = 16;

/// Halvings of the range in which the wait is found: to 1/100 tick, where nothing is later than 40.
const HALVINGS: usize = 12;

impl Waits {
    /// Nothing was measured yet. The moments of snapshots last from one to the next; inputs have to be there at once.
    /// A change of more than `over` ticks for the better is no jitter: the line is another one, or the server stood still.
    pub(crate) fn new(spacing: f32, lasts: f32, misses: f32, over: f32) -> Self {
        let (late, losses) = (Window::new(), Losses::new());
        Self { late, losses, spacing, lasts, misses, wait: 0.0, repeats: 1, stale: 0, over, early: 0 }
    }

    /// A datagram came `late` ticks late, after `missing` others that did not.
    pub(crate) fn note(&mut self, late: f32, missing: u32) {
        self.early = if self.late.most().is_some_and(|most| late + self.over < most) { self.early + 1 } else { 0 };
        // One that comes so much earlier than even the earliest is no luck.
        let is_earliest = self.late.least().is_some_and(|least| late + self.over < least);
        if self.early == EARLY || is_earliest {
            (self.late, self.early) = (Window::new(), 0);
        }
        self.late.push(late);
        self.losses.note(missing);
        self.stale += 1;
        if self.stale >= STALE || missing > 0 || self.late.len() < 2 * STALE || late > self.wait {
            self.find();
            self.stale = 0;
        }
    }

    /// From now on there are so many ticks from one datagram to the next, and a moment that lasts, lasts as long.
    pub(crate) fn set_spacing(&mut self, ticks: f32) {
        self.lasts *= ticks / self.spacing;
        self.spacing = ticks;
        self.stale = STALE;
    }

    /// What was missing before the last datagrams was never sent.
    pub(crate) fn take_back_losses(&mut self, datagrams: usize) {
        self.losses.take_back(datagrams);
    }

    /// Datagrams that were measured.
    pub(crate) fn len(&self) -> usize {
        self.late.len()
    }

    /// How long to wait, in ticks.
    pub(crate) const fn wait(&self) -> f32 {
        self.wait
    }

    /// How often to repeat an input: as often as it may be lost, and no more often than still comes in time.
    pub(crate) const fn repeats(&self) -> usize {
        self.repeats
    }

    /// The least lateness: that of the fastest datagrams.
    pub(crate) fn least(&self) -> f32 {
        self.late.least().unwrap_or(0.0)
    }

    fn find(&mut self) {
        let (Some(mut low), Some(most)) = (self.late.least(), self.late.most()) else { return };
        let mut high = most + RUN_MAX as f32 * self.spacing;
        if self.missed(most) <= self.misses {
            high = most;
        }
        for _ in 0..HALVINGS {
            let middle = f32::midpoint(low, high);
            if self.missed(middle) > self.misses { low = middle } else { high = middle }
        }
        self.wait = high;
        let model = self.losses.model();
        let in_time = ((self.wait - self.least()) / self.spacing) as i32;
        let enough = (1..in_time).find(|&repeats| model.residual(repeats) <= NEVER_COME);
        self.repeats = enough.unwrap_or(in_time).max(1) as usize;
    }

    /// Share of moments that come later than `wait`.
    fn missed(&self, wait: f32) -> f32 {
        let model = self.losses.model();
        let mut missed = (1.0 - model.share) * self.late.beyond(wait, self.lasts);
        let mut lost = model.share;
        for run in 1..=RUN_MAX {
            let beyond = self.late.beyond(wait - run as f32 * self.spacing, self.lasts);
            if beyond >= 1.0 {
                // And all that are lost in longer runs.
                return missed + lost;
            }
            missed += lost * (1.0 - model.goes_on) * beyond;
            lost *= model.goes_on;
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of 60 datagrams a second in virtual time.
    struct Line {
        waits: Waits,
        state: u64,
        missing: u32,
    }

    impl Line {
        fn new() -> Self {
            Self { waits: Waits::new(1.0, 0.0, MISSES, 15.0), state: 1, missing: 0 }
        }

        /// Between 0 and 1.
        fn draw(&mut self) -> f32 {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.state >> 40) as f32 / (1 << 24) as f32
        }

        /// `count` datagrams are sent, up to `jitter` ticks late, of which a burst of `burst` is lost with each `starts`.
        fn send(&mut self, count: u32, jitter: f32, starts: f32, burst: f32) {
            for _ in 0..count {
                let [begins, goes_on, late] = [self.draw(), self.draw(), self.draw()];
                let lost = if self.missing > 0 { goes_on >= 1.0 / burst } else { begins < starts };
                if lost {
                    self.missing += 1;
                } else {
                    self.waits.note(late * jitter, std::mem::take(&mut self.missing));
                }
            }
        }
    }

    const MISSES: f32 = 0.0025;

    /// Starts of bursts of three at 5 % of loss.
    const STARTS: f32 = 0.05 / 0.95 / 3.0;

    #[test]
    fn bursts_are_waited_for_and_repeated_over_as_their_model_says() {
        let mut line = Line::new();
        line.send(6_000, 0.0, STARTS, 3.0);
        // 5 % x (2/3)^k is less than 1/400 from k = 8 on.
        assert!((6.0..=11.0).contains(&line.waits.wait()), "{}", line.waits.wait());
        assert!((6..=11).contains(&line.waits.repeats()), "{}", line.waits.repeats());
    }

    #[test]
    fn jitter_is_waited_for_and_nothing_is_repeated_for_it() {
        let mut line = Line::new();
        line.send(2_000, 2.4, 0.0, 1.0);
        assert!((2.3..=2.4).contains(&line.waits.wait()), "{}", line.waits.wait());
        assert_eq!(line.waits.repeats(), 1);
    }

    #[test]
    fn what_is_late_by_a_part_of_its_time_is_missed_for_that_part() {
        let waited = |lasts| {
            let mut line = Line { waits: Waits::new(1.0, lasts, MISSES, 15.0), ..Line::new() };
            line.send(2_000, 1.0, 0.0, 1.0);
            line.waits.wait()
        };
        // The mean of what exceeds w is (1 - w)^2 / 2.
        assert!((waited(1.0) - (1.0 - (2.0 * MISSES).sqrt())).abs() < 0.03, "{}", waited(1.0));
        assert!(waited(0.0) > 0.99);
    }

    #[test]
    fn a_line_that_calms_down_is_waited_for_as_before() {
        let mut line = Line::new();
        line.send(2_000, 0.3, 0.0, 1.0);
        let calm = line.waits.wait();
        line.send(600, 3.0, STARTS, 3.0);
        assert!(line.waits.wait() > 4.0, "ten bad seconds count: {}", line.waits.wait());
        line.send(1_100, 0.3, 0.0, 1.0);
        assert!((line.waits.wait() - calm).abs() < 0.05, "{} instead of {calm}", line.waits.wait());
        assert_eq!(line.waits.repeats(), 1);
    }

    #[test]
    fn an_outage_is_not_waited_for() {
        let mut line = Line::new();
        line.send(600, 0.3, 0.0, 1.0);
        let calm = line.waits.wait();
        line.waits.note(0.2, 120);
        assert!((line.waits.wait() - calm).abs() < 0.05, "{} instead of {calm}", line.waits.wait());
    }
}
