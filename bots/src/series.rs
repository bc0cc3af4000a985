//! A mean over a minute hides the second in which all stood still, so a report tells every second.
//!
//! It must not grow with the run: beyond [`ROWS_MAX`] rows, neighbours become one, and from then on each row covers twice
//! the time.

use serde::{Deserialize, Serialize};

use crate::progress::RunStage;

/// Rows of a series at most: of a run of up to ten minutes, each is about one second.
pub const ROWS_MAX: usize = 600;

/// A run, second by second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What a row is about, in seconds: 1, or 2, 4, … of a run that is longer than [`ROWS_MAX`] seconds. The last row of a
    /// stage may be shorter.
    pub every_s: f64,
    /// From the first to the last.
    pub rows: Vec<SeriesRow>,
}

/// A second of a run. What was not measured in it is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesRow {
    /// When it ended, in seconds since the bots were started.
    pub t_s: f64,
    /// How long it is, in seconds.
    pub seconds: f64,
    /// What the run was at when it began: only what is `measuring` counts in the other figures.
    pub stage: RunStage,
    /// Clients in the game at its end that hear of the server, light ones included.
    pub clients: u64,
    /// Clients in the game on average over the row, light ones included: what figures of one client are divided by.
    pub clients_mean: Option<f64>,
    /// The light ones of them.
    pub light_mean: Option<f64>,
    /// Round trip.
    pub rtt_ms: Option<Spread>,
    /// From an input to its acknowledgement.
    pub input_to_ack_ms: Option<Spread>,
    /// From an input to its effect on another screen.
    pub input_to_visible_ms: Option<Spread>,
    /// Snapshots of all clients, light ones included.
    pub snapshots_per_s: f64,
    /// Share of entities and frames that were shown before their state had arrived.
    pub starved_ratio: Option<f64>,
    /// Wrong predictions of all clients.
    pub mispredictions: u64,
    /// Bytes on the wire towards all clients that are not light, IP and UDP headers included.
    pub down_bytes_per_s: f64,
    /// Bytes on the wire from them, likewise.
    pub up_bytes_per_s: f64,
    /// Lateness of the bots' loop, in microseconds for 99 % of the wake-ups.
    pub bots_late_us_p99: Option<f64>,
    /// The server's work for one tick, where it is asked.
    pub server_tick_us: Option<Spread>,
}

/// A distribution in short, in the unit that its name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the samples are at most this.
    pub p50: f64,
    /// 99 %.
    pub p99: f64,
}

impl Series {
    /// Adds the next second.
    pub(crate) fn push(&mut self, row: SeriesRow) {
        self.every_s = self.every_s.max(1.0);
        add(&mut self.rows, row, self.every_s);
        if self.rows.len() > ROWS_MAX {
            self.every_s *= 2.0;
            let rows = std::mem::take(&mut self.rows);
            rows.into_iter().for_each(|row| add(&mut self.rows, row, self.every_s));
        }
    }
}

/// Adds a row to those before it; to the last of them, while that is shorter than `every_s` seconds.
fn add(rows: &mut Vec<SeriesRow>, row: SeriesRow, every_s: f64) {
    match rows.last_mut() {
        Some(last) if last.stage == row.stage && last.seconds + row.seconds <= every_s + SLACK_S => {
            *last = joined(last, &row);
        }
        _ => rows.push(row),
    }
}

/// Two neighbours as one: rates and medians are means by time, of the rare the worse counts.
fn joined(a: &SeriesRow, b: &SeriesRow) -> SeriesRow {
    let seconds = a.seconds + b.seconds;
    let mean = |x: f64, y: f64| if seconds > 0.0 { (x * a.seconds + y * b.seconds) / seconds } else { y };
    let means = |x: Option<f64>, y: Option<f64>| x.zip(y).map_or(x.or(y), |(x, y)| Some(mean(x, y)));
    let spread = |x: Option<Spread>, y: Option<Spread>| {
        x.zip(y).map_or(x.or(y), |(x, y)| Some(Spread { p50: mean(x.p50, y.p50), p99: x.p99.max(y.p99) }))
    };
    SeriesRow {
        t_s: b.t_s,
        seconds,
        stage: b.stage,
        clients: b.clients,
        clients_mean: means(a.clients_mean, b.clients_mean),
        light_mean: means(a.light_mean, b.light_mean),
        rtt_ms: spread(a.rtt_ms, b.rtt_ms),
        input_to_ack_ms: spread(a.input_to_ack_ms, b.input_to_ack_ms),
        input_to_visible_ms: spread(a.input_to_visible_ms, b.input_to_visible_ms),
        snapshots_per_s: mean(a.snapshots_per_s, b.snapshots_per_s),
        starved_ratio: means(a.starved_ratio, b.starved_ratio),
        mispredictions: a.mispredictions + b.mispredictions,
        down_bytes_per_s: mean(a.down_bytes_per_s, b.down_bytes_per_s),
        up_bytes_per_s: mean(a.up_bytes_per_s, b.up_bytes_per_s),
        bots_late_us_p99: worse(a.bots_late_us_p99, b.bots_late_us_p99),
        server_tick_us: spread(a.server_tick_us, b.server_tick_us),
    }
}

/// The larger of two, as far as they were measured.
fn worse(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).map(|(a, b)| a.max(b)).or(a).or(b)
}

/// By how much seconds may be longer than they are: loops are late.
const SLACK_S: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64, stage: RunStage) -> SeriesRow {
        let spread = |at: f64| Some(Spread { p50: at, p99: 2.0 * at });
        let rtt_ms = spread((n % 10) as f64);
        // Every second one is not measured.
        let bots_late_us_p99 = (n % 2 == 1).then_some(900.0);
        SeriesRow {
            t_s: n as f64,
            seconds: 1.01,
            stage,
            clients: n,
            rtt_ms,
            mispredictions: 1,
            bots_late_us_p99,
            ..SeriesRow::default()
        }
    }

    fn middle_late(series: &Series) -> Option<f64> {
        series.rows[series.rows.len() / 2].bots_late_us_p99
    }

    fn series(seconds: u64) -> Series {
        let mut series = Series::default();
        let stage = |n: u64| if n <= 2 { RunStage::WarmUp } else { RunStage::Measuring };
        (1..=seconds).for_each(|n| series.push(second(n, stage(n))));
        series
    }

    #[test]
    fn ten_minutes_are_told_by_the_second() {
        let series = series(600);
        assert_eq!((series.every_s, series.rows.len()), (1.0, 600));
        assert!(series.rows[..2].iter().all(|row| row.stage == RunStage::WarmUp));
        assert_eq!(series.rows[2].stage, RunStage::Measuring);
    }

    #[test]
    fn longer_runs_are_thinned_and_lose_neither_counts_nor_the_worst() {
        for (seconds, every_s) in [(601, 2.0), (1_300, 4.0), (86_400, 256.0)] {
            let series = series(seconds);
            assert_eq!(series.every_s, every_s);
            assert!((150..=ROWS_MAX).contains(&series.rows.len()), "{}", series.rows.len());
            assert_eq!(series.rows.iter().map(|row| row.mispredictions).sum::<u64>(), seconds);
            assert!(series.rows.windows(2).all(|pair| pair[0].t_s < pair[1].t_s));
            let last = series.rows.last().expect("not empty");
            assert_eq!((last.t_s, last.clients), (seconds as f64, seconds));
            let middle = series.rows[series.rows.len() / 2].rtt_ms.expect("measured");
            assert!(middle.p99 > middle.p50 && middle.p50 < 9.0);
            if every_s >= 16.0 {
                assert_eq!(middle.p99, 18.0, "the worst second of ten is in every row");
                assert!((middle.p50 - 4.5).abs() < 1.0, "and the median is the mean of theirs: {}", middle.p50);
            }
            assert_eq!(series.rows[0].stage, RunStage::WarmUp);
            assert_eq!(middle_late(&series), Some(900.0), "also where the second beside it has none");
            assert_eq!(series.rows.iter().filter(|row| row.stage == RunStage::WarmUp).count(), 1);
        }
    }
}
