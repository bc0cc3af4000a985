//! What an attack costs the server: its metrics (`downbeat_tick_work_seconds`), read before the attack and behind it.

use std::collections::BTreeMap;

use super::report::{Both, Felt, Work};
use crate::RunStage;

/// The family of metrics that is read, of all shards together.
const FAMILY: &str = "downbeat_tick_work_seconds";

/// Follows a run by what it tells once a second, and reads the server's metrics when a stretch of it ends.
#[derive(Debug, Default)]
pub struct WorkWatch {
    measuring: Option<Reading>,
    attacking: Option<Reading>,
}

/// A cumulative histogram of seconds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Reading {
    /// Counts up to each bound, which is in nanoseconds so that it can be a key.
    up_to: BTreeMap<u64, u64>,
    count: u64,
    sum: f64,
}

impl WorkWatch {
    /// The run is at `stage`; `page` reads the metrics, as Prometheus is told them.
    pub fn note(&mut self, stage: RunStage, page: impl FnOnce() -> String) {
        let place = match stage {
            RunStage::Measuring => &mut self.measuring,
            RunStage::Attack => &mut self.attacking,
            RunStage::Joining | RunStage::WarmUp => return,
        };
        if place.is_none() {
            *place = Some(Reading::of(&page()));
        }
    }

    /// What the server felt, by the metrics at the end.
    #[must_use]
    pub fn finish(&self, page: &str) -> Felt {
        let work =
            |from: &Option<Reading>, to: Option<&Reading>| from.as_ref().zip(to).and_then(|(from, to)| to.since(from));
        let end = Reading::of(page);
        let before = work(&self.measuring, self.attacking.as_ref());
        Felt { tick_us: Both { before, during: work(&self.attacking, Some(&end)) } }
    }
}

impl Reading {
    fn of(page: &str) -> Self {
        let mut reading = Self::default();
        for line in page.lines().filter_map(|line| line.strip_prefix(FAMILY)) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let value: f64 = value.parse().unwrap_or_default();
            if name.starts_with("_bucket") {
                let bound = name.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
                let bound: f64 = bound.and_then(|bound| bound.parse().ok()).unwrap_or(f64::INFINITY);
                // What is above all bounds is the rest of the count.
                if bound.is_finite() {
                    *reading.up_to.entry((bound * 1e9).round() as u64).or_default() += value as u64;
                }
            } else if name.starts_with("_count") {
                reading.count += value as u64;
            } else if name.starts_with("_sum") {
                reading.sum += value;
            }
        }
        reading
    }

    /// Mean and 99th percentile of what came since `before`: as if what lies between two bounds were spread evenly.
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

    /// A page of two shards that ticked so often within 100 and 1,000 µs.
    fn page(fast: u64, slow: u64) -> String {
        let shard = |index: u32| {
            format!(
                "{FAMILY}_bucket{{shard=\"{index}\",le=\"0.0001\"}} {fast}\n\
                 {FAMILY}_bucket{{shard=\"{index}\",le=\"0.001\"}} {all}\n\
                 {FAMILY}_bucket{{shard=\"{index}\",le=\"+Inf\"}} {all}\n\
                 {FAMILY}_sum{{shard=\"{index}\"}} {sum}\n{FAMILY}_count{{shard=\"{index}\"}} {all}\n",
                all = fast + slow,
                sum = fast as f64 * 5e-5 + slow as f64 * 5e-4,
            )
        };
        format!("# HELP {FAMILY} Work.\nother_count 7\n{}{}", shard(0), shard(1))
    }

    #[test]
    fn what_is_read_between_stages_is_told_apart() {
        let mut watch = WorkWatch::default();
        watch.note(RunStage::WarmUp, || panic!("nothing is measured yet"));
        watch.note(RunStage::Measuring, || page(50, 50));
        watch.note(RunStage::Measuring, || panic!("it was read"));
        watch.note(RunStage::Attack, || page(150, 50));
        let felt = watch.finish(&page(150, 150)).tick_us;
        let (before, during) = (felt.before.expect("read"), felt.during.expect("read"));
        assert!((before.mean - 50.0).abs() < 1e-6 && (during.mean - 500.0).abs() < 1e-6, "{felt:?}");
        assert!((before.p99 - 99.0).abs() < 1e-6 && (during.p99 - 991.0).abs() < 1e-6, "{felt:?}");
    }

    #[test]
    fn without_an_attack_or_without_metrics_nothing_is_said() {
        assert_eq!(WorkWatch::default().finish(&page(1, 1)).tick_us, Both::default());
        let mut watch = WorkWatch::default();
        watch.note(RunStage::Measuring, String::new);
        watch.note(RunStage::Attack, String::new);
        assert_eq!(watch.finish("").tick_us, Both::default());
    }
}
