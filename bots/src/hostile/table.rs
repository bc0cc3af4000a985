//! What was found, for people.

use std::fmt;

use super::report::{Both, Hostile};
use crate::percentiles::Percentiles;
use crate::scrape::Work;

/// More than this, in percent, and beyond doubt, is an advantage that a server must not give.
const GAIN_MAX_PERCENT: f64 = 2.0;

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, bots, before_seconds, during_seconds, answer, others, .. } = self;
        let group = self.group.as_ref().map_or_else(String::new, |group| format!(" of group {group}"));
        writeln!(
            f,
            "{bots} hostile bots{group} ({kind}): all honest for {before_seconds:.1} s, then {during_seconds:.1} s of attack"
        )?;
        if self.gains.named().next().is_some() {
            writeln!(
                f,
                "{:28}{:>9}{:>9}{:>9}{:>9}   of {:.0} and {:.0} bot seconds",
                "what was gained",
                "honest",
                "hostile",
                "gain",
                "95 %",
                self.honest_bot_seconds,
                self.hostile_bot_seconds
            )?;
        }
        for (name, gain) in self.gains.named() {
            let note = if gain.in_noise {
                "in the noise"
            } else if gain.is_more_than(GAIN_MAX_PERCENT) {
                "MIND: an advantage"
            } else if gain.gain_percent < 0.0 {
                "a loss"
            } else {
                "within what is allowed"
            };
            writeln!(
                f,
                "{:28}{:>9.3}{:>9.3}{:>7.1} %{:>6.1} %   {note}",
                name.replace('_', " "),
                gain.honest,
                gain.hostile,
                gain.gain_percent,
                gain.uncertainty_percent
            )?;
        }
        both(f, "others: input to ack, ms", "p99", &p99(&others.input_to_ack_ms), 1)?;
        both(f, "others: input to visible, ms", "p99", &p99(&others.input_to_visible_ms), 1)?;
        both(f, "others: snapshots lost", "", &whole(&others.snapshots_lost), 0)?;
        both(f, "others: on a substitute", "ticks", &whole(&others.substituted), 0)?;
        let work = |told: Option<Work>, of: fn(Work) -> f64| told.map(of);
        let Both { before, during } = self.server.tick_us;
        for (unit, of) in [("mean", (|work| work.mean) as fn(Work) -> f64), ("p99", |work| work.p99)] {
            both(f, "server tick work, us", unit, &Both { before: work(before, of), during: work(during, of) }, 0)?;
        }
        writeln!(
            f,
            "{:28}{} attempts, {} let in, {} datagrams; {} ticks of theirs on a substitute (expected: {})",
            "answer", answer.attempts, answer.admitted, answer.datagrams, answer.substituted, answer.expected
        )?;
        for reason in &answer.closed {
            let what = if reason.joined { "sent away" } else { "refused" };
            writeln!(f, "{:28}{} {what}: {}", "", reason.clients, reason.why)?;
        }
        Ok(())
    }
}

fn p99(told: &Both<Percentiles>) -> Both<f64> {
    let p99 = |told: Option<Percentiles>| told.map(|told| told.p99);
    Both { before: p99(told.before), during: p99(told.during) }
}

fn whole(told: &Both<u64>) -> Both<f64> {
    Both { before: told.before.map(|count| count as f64), during: told.during.map(|count| count as f64) }
}

fn both(f: &mut fmt::Formatter<'_>, name: &str, unit: &str, told: &Both<f64>, digits: usize) -> fmt::Result {
    let (Some(before), Some(during)) = (told.before, told.during) else { return Ok(()) };
    writeln!(f, "{name:28}{before:>9.digits$} before,{during:>9.digits$} under attack   {unit}")
}
