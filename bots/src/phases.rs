//! What each phase was like: what was measured up to its end, less what had been up to its beginning.

use downbeat_wire::Micros;

use crate::Bots;
use crate::course::Window;
use crate::herd::Herd;
use crate::percentiles::Recorder;
use crate::report::PhaseReport;
use crate::scenario::Scenario;
use crate::tally::{Tally, US_PER_MS};

/// The phases of a run, those that are over with their figures.
pub(crate) struct Phases {
    pub(crate) told: Vec<PhaseReport>,
    /// Which one is under way.
    current: usize,
    before: Samples,
}

/// What all groups have measured so far.
#[derive(Default)]
struct Samples {
    join: Recorder,
    rtt: Recorder,
    ack: Recorder,
    visible: Recorder,
    interval: Recorder,
}

impl Phases {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut begin_s = 0.0;
        let phase = |phase: &crate::scenario::Phase| {
            let end_s = begin_s + phase.seconds;
            let begin_s = std::mem::replace(&mut begin_s, end_s);
            let (name, kind) = (phase.name.clone(), phase.kind.name().to_owned());
            PhaseReport { name, kind, begin_s, end_s, ..PhaseReport::default() }
        };
        Self { told: scenario.phases.iter().map(phase).collect(), current: 0, before: Samples::default() }
    }
}

impl Phases {
    /// The phase at `at_s` seconds since the start; the last one, once all are over.
    pub(crate) fn at(&self, at_s: f64) -> Option<&PhaseReport> {
        self.told.iter().find(|phase| at_s < phase.end_s).or(self.told.last())
    }
}

impl<G: Bots> Herd<'_, G> {
    /// Tells of the phases that are over; when the run is, also of the one under way.
    pub(crate) fn close_phases(&mut self, now: Micros, is_over: bool) {
        while let Some(phase) = self.phases.told.get_mut(self.phases.current) {
            if now < Micros((phase.end_s * 1e6) as u64) && !is_over {
                return;
            }
            let samples = Samples::of(&self.tallies);
            let before = &self.phases.before;
            phase.join_ms = samples.join.since(&before.join).percentiles(US_PER_MS);
            if matches!(self.course.window, Window::Measuring { .. }) {
                phase.rtt_ms = samples.rtt.since(&before.rtt).percentiles(US_PER_MS);
                phase.input_to_ack_ms = samples.ack.since(&before.ack).percentiles(US_PER_MS);
                phase.input_to_visible_ms = samples.visible.since(&before.visible).percentiles(US_PER_MS);
                phase.snapshot_interval_ms = samples.interval.since(&before.interval).percentiles(US_PER_MS);
            }
            self.phases.before = samples;
            self.phases.current += 1;
            if is_over {
                // Those that were still to come have nothing to tell.
                self.phases.current = self.phases.told.len();
            }
        }
    }

    /// The measurement begins: what was measured before is forgotten, but for how long joining took.
    pub(crate) fn restart_phase(&mut self) {
        let join = std::mem::take(&mut self.phases.before.join);
        self.phases.before = Samples { join, ..Samples::default() };
    }
}

impl Samples {
    fn of(tallies: &[Tally]) -> Self {
        let mut all = Self::default();
        for tally in tallies {
            all.join.add(&tally.join);
            all.rtt.add(&tally.rtt);
            all.ack.add(&tally.ack);
            all.visible.add(&tally.visible);
            all.interval.add(&tally.interval);
        }
        all
    }
}
