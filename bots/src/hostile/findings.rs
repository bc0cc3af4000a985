//! What came of a run with hostile bots: from what was measured to the report.

use downbeat_wire::Micros;

use super::beside::Outcome;
use super::kind::Kind;
use super::ledger::{Ledger, Slice, Stretch};
use super::report::{Answer, Both, Gains, Hostile, Others};
use super::siege::{Halves, Middle, Siege};
use crate::Bots;
use crate::course::Window;
use crate::herd::Herd;
use crate::percentiles::Recorder;
use crate::reasons::Reasons;
use crate::report::Report;
use crate::tally::{Growth, Tally};

impl<G: Bots> Herd<'_, G> {
    /// Times of the honest bots so far: from an input to its answer, and to the eyes of another.
    pub(super) fn heard(&self) -> (Recorder, Recorder) {
        let mut all = Tally::default();
        self.tallies.iter().for_each(|tally| all.add(tally));
        (all.ack, all.visible)
    }

    /// What hostile bots gained, and what they did to the others.
    pub(crate) fn siege_report(&self, now: Micros) -> Option<Hostile> {
        let siege = self.siege.as_ref()?;
        let mut report = siege.blank();
        if self.options.scenario.is_some() {
            report.group = Some(self.scenario.groups[siege.group].name.clone());
        }
        let Window::Measuring { since, .. } = self.course.window else { return Some(report) };
        let Some(middle) = &siege.began else {
            report.before_seconds = now.since(since).as_secs_f64();
            return Some(report);
        };
        report.before_seconds = middle.at.since(since).as_secs_f64();
        report.during_seconds = now.since(middle.at).as_secs_f64();
        report.server = self.marks.felt();
        let during = |ledger: &Ledger| ledger.slices(Stretch::During).collect::<Vec<_>>();
        let mut hostile: Vec<Slice> = siege.gone_hostile.iter().flat_map(during).collect();
        let mut honest: Vec<Slice> = siege.gone_honest.iter().flat_map(during).collect();
        let mut halves = siege.left;
        report.answer.substituted = siege.substituted;
        for (index, (seat, bot)) in self.seats.iter().zip(&self.bots).enumerate() {
            let Some(player) = bot.player() else { continue };
            let slices = player.ledger.iter().flat_map(|ledger| during(ledger));
            if seat.is_hostile {
                hostile.extend(slices);
                report.answer.substituted += siege.substituted_of(index, player);
                continue;
            }
            if siege.like[seat.group] {
                honest.extend(slices);
            }
            siege.add_halves(&mut halves, (index, player), self.rates.unwrap_or_default());
        }
        report.others = others(middle, &self.heard(), &halves);
        let seconds = |slices: &[Slice]| slices.iter().map(|slice| slice.seconds).fold(0.0, std::ops::Add::add);
        (report.honest_bot_seconds, report.hostile_bot_seconds) = (seconds(&honest), seconds(&hostile));
        report.gains = Gains::of(&honest, &hostile);
        Some(report)
    }
}

impl Siege {
    fn blank(&self) -> Hostile {
        let Outcome { attempts, admitted, reasons, datagrams } = &self.outcome;
        let kind: Kind = self.plan.kind;
        Hostile {
            kind: kind.name().to_owned(),
            bots: self.hostile as u64,
            answer: Answer {
                expected: kind.answer().to_owned(),
                attempts: *attempts,
                admitted: *admitted,
                closed: Reasons::list(reasons),
                datagrams: self.datagrams + datagrams,
                substituted: 0,
            },
            ..Hostile::default()
        }
    }
}

fn others(middle: &Middle, (ack, visible): &(Recorder, Recorder), halves: &Halves) -> Others {
    let told = |growth: &Growth| {
        let mut report = Report::default();
        growth.fill(&mut report, 0);
        (report.snapshots, report.prediction.substituted)
    };
    let ((was, was_substituted), (is, is_substituted)) = (told(&halves.before), told(&halves.during));
    let ms = |before: &Recorder, all: &Recorder| Both {
        before: before.percentiles(1e3),
        during: all.since(before).percentiles(1e3),
    };
    Others {
        input_to_ack_ms: ms(&middle.ack, ack),
        input_to_visible_ms: ms(&middle.visible, visible),
        snapshots_expected: Both { before: was.expected, during: is.expected },
        snapshots_lost: Both { before: was.lost, during: is.lost },
        substituted: Both { before: was_substituted, during: is_substituted },
    }
}
