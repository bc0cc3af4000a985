//! What the server's ticks took, by its metrics: read when the measurement begins, when an attack does, and at the end.
//!
//! Metrics count from the server's start, so a stretch of a run is the difference of two readings. Means are exact, since sums
//! are counted as well; percentiles are as exact as the bounds that the server counts between.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Bots;
use crate::herd::Herd;
use crate::hostile::report::{Both, Felt};

/// Work of the ticks of a beat (with one room: of a tick), and how late ticks began: of all shards together.
const WORK: &str = "downbeat_tick_work_seconds";
const LATE: &str = "downbeat_tick_start_jitter_seconds";

/// How long something took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// On average.
    pub mean: f64,
    /// At most, 99 times of 100; as exact as the server's histogram.
    pub p99: f64,
}

/// The metrics of a server in the same process, as Prometheus is told them.
#[derive(Clone)]
pub struct MetricsPage(Arc<dyn Fn() -> String + Send + Sync>);

impl MetricsPage {
    /// `render` writes the page, in well under a millisecond: the loop of the bots waits for it.
    #[must_use]
    pub fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    pub(crate) fn render(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsPage").finish_non_exhaustive()
    }
}

/// When metrics are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The measurement begins.
    Measuring,
    /// The attack begins.
    Attack,
    /// The run ends.
    End,
}

/// What was read at each moment; nothing where the metrics were out of reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    measuring: Option<Reading>,
    attack: Option<Reading>,
    end: Option<Reading>,
}

impl Marks {
    pub(crate) fn note(&mut self, moment: Moment, page: &str) {
        let place = match moment {
            Moment::Measuring => &mut self.measuring,
            Moment::Attack => &mut self.attack,
            Moment::End => &mut self.end,
        };
        *place = Some(Reading::of(page));
    }

    /// Work of a tick while it was measured.
    pub(crate) fn work(&self) -> Option<Work> {
        between(&self.measuring, &self.end, |reading| &reading.work)
    }

    /// How late ticks began while it was measured.
    pub(crate) fn late(&self) -> Option<Work> {
        between(&self.measuring, &self.end, |reading| &reading.late)
    }

    /// What the server felt of an attack.
    pub(crate) fn felt(&self) -> Felt {
        let work = |from, to| between(from, to, |reading| &reading.work);
        let before = work(&self.measuring, &self.attack);
        Felt { tick_us: Both { before, during: work(&self.attack, &self.end) } }
    }
}

fn between(from: &Option<Reading>, to: &Option<Reading>, of: impl Fn(&Reading) -> &Times) -> Option<Work> {
    let (from, to) = from.as_ref().zip(to.as_ref())?;
    of(to).since(of(from))
}

impl<G: Bots> Herd<'_, G> {
    /// The server's metrics are of interest now.
    pub(crate) fn mark(&mut self, moment: Moment) {
        if let Some(page) = &self.options.metrics {
            self.marks.note(moment, &page.render());
        } else if let Some(admin) = &self.admin {
            admin.mark(moment);
        }
    }

    /// The run is over: what was read of the server's metrics.
    pub(crate) fn close_marks(&mut self) {
        if let (None, Some(admin)) = (&self.options.metrics, &mut self.admin) {
            self.marks = admin.finish();
        } else {
            self.mark(Moment::End);
        }
    }
}

/// Of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Reading {
    work: Times,
    late: Times,
}

impl Reading {
    fn of(page: &str) -> Self {
        Self { work: Times::of(page, WORK), late: Times::of(page, LATE) }
    }
}

/// A cumulative histogram of seconds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Times {
    /// Counts up to each bound, which is in nanoseconds so that it can be a key.
    up_to: BTreeMap<u64, u64>,
    count: u64,
    sum: f64,
}

impl Times {
    fn of(page: &str, family: &str) -> Self {
        let mut times = Self::default();
        for line in page.lines().filter_map(|line| line.strip_prefix(family)) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let value: f64 = value.parse().unwrap_or_default();
            if name.starts_with("_bucket") {
                let bound = name.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
                let bound: f64 = bound.and_then(|bound| bound.parse().ok()).unwrap_or(f64::INFINITY);
                // What is above all bounds is the rest of the count.
                if bound.is_finite() {
                    *times.up_to.entry((bound * 1e9).round() as u64).or_default() += value as u64;
                }
            } else if name.starts_with("_count") {
                times.count += value as u64;
            } else if name.starts_with("_sum") {
                times.sum += value;
            }
        }
        times
    }

    /// Mean and 99th percentile of what came since `before`: as if what lies between two bounds were spread evenly. `None` if
    /// nothing did, or if another server counts now.
    fn since(&self, before: &Self) -> Option<Work> {
        let count = self.count.checked_sub(before.count).filter(|count| *count > 0)?;
        let mean = (self.sum - before.sum) / count as f64 * 1e6;
        let wanted = count as f64 * 0.99;
        let (mut low, mut below) = (0.0, 0.0);
        for (&bound, &up_to) in &self.up_to {
            let up_to = up_to.saturating_sub(before.up_to.get(&bound).copied().unwrap_or_default()) as f64;
            let bound = bound as f64 / 1e3;
            if up_to >= wanted && up_to > below {
                return Some(Work { mean, p99: low + (bound - low) * (wanted - below) / (up_to - below) });
            }
            (low, below) = (bound, up_to);
        }
        Some(Work { mean, p99: low })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of two shards that ticked so often within 100 and 1,000 µs, and began each tick 20 µs late.
    fn page(fast: u64, slow: u64) -> String {
        let all = fast + slow;
        let shard = |index: u32| {
            format!(
                "{WORK}_bucket{{shard=\"{index}\",le=\"0.0001\"}} {fast}\n\
                 {WORK}_bucket{{shard=\"{index}\",le=\"0.001\"}} {all}\n\
                 {WORK}_bucket{{shard=\"{index}\",le=\"+Inf\"}} {all}\n\
                 {WORK}_sum{{shard=\"{index}\"}} {sum}\n{WORK}_count{{shard=\"{index}\"}} {all}\n\
                 {LATE}_bucket{{shard=\"{index}\",le=\"0.00005\"}} {all}\n\
                 {LATE}_sum{{shard=\"{index}\"}} {late}\n{LATE}_count{{shard=\"{index}\"}} {all}\n",
                sum = fast as f64 * 5e-5 + slow as f64 * 5e-4,
                late = all as f64 * 2e-5,
            )
        };
        format!("# HELP {WORK} Work.\nother_count 7\n{}{}", shard(0), shard(1))
    }

    fn near(work: Option<Work>, mean: f64, p99: f64) {
        let work = work.expect("it was read");
        assert!((work.mean - mean).abs() < 1e-6 && (work.p99 - p99).abs() < 1e-6, "{work:?}");
    }

    #[test]
    fn what_is_read_at_different_moments_is_told_apart() {
        let mut marks = Marks::default();
        marks.note(Moment::Measuring, &page(50, 50));
        marks.note(Moment::Attack, &page(150, 50));
        marks.note(Moment::End, &page(150, 150));
        let felt = marks.felt().tick_us;
        near(felt.before, 50.0, 99.0);
        near(felt.during, 500.0, 991.0);
        near(marks.work(), 275.0, 982.0);
        near(marks.late(), 20.0, 49.5);
    }

    #[test]
    fn without_an_attack_or_without_metrics_nothing_is_said() {
        let mut marks = Marks::default();
        marks.note(Moment::Measuring, &page(1, 1));
        marks.note(Moment::End, &page(2, 2));
        assert_eq!(marks.felt(), Felt::default());
        assert!(marks.work().is_some());
        for moment in [Moment::Measuring, Moment::Attack, Moment::End] {
            marks.note(moment, "");
        }
        assert_eq!((marks.work(), marks.felt()), (None, Felt::default()));
    }

    #[test]
    fn a_server_that_was_started_again_under_way_has_nothing_to_compare() {
        let mut marks = Marks::default();
        marks.note(Moment::Measuring, &page(50, 50));
        marks.note(Moment::End, &page(20, 20));
        assert_eq!(marks.work(), None);
    }
}
