//! What is told once a second while a run goes on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::percentiles::Recorder;
use crate::player::Marks;
use crate::series::{SeriesRow, Spread};

/// The last second of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Seconds since the bots were started.
    pub elapsed_s: f64,
    /// How much of the planned time is over, in seconds: since the beginning where phases say how long a run lasts, else since
    /// the last bot joined.
    pub played_s: f64,
    /// What the run is at.
    pub stage: RunStage,
    /// The phase of the scenario, where it has any.
    pub phase: Option<String>,
    /// Bots asked for.
    pub asked: usize,
    /// Bots in the game now that hear of the server.
    pub playing: usize,
    /// Bots in the game that have heard nothing for two seconds.
    pub silent: usize,
    /// Bots that were lost or did not get in.
    pub failed: usize,
    /// All that is told of this second in the report's series.
    pub row: SeriesRow,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStage {
    /// Bots connect.
    #[default]
    Joining,
    /// All are in; nothing counts yet.
    WarmUp,
    /// Figures are taken.
    Measuring,
    /// Figures are taken while hostile bots attack.
    Attack,
}

impl RunStage {
    /// As people read it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::WarmUp => "warm-up",
            Self::Measuring => "measuring",
            Self::Attack => "attack",
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.stage.name();
        let ms = |value: Option<Spread>| value.map_or("-".to_owned(), |value| format!("{:.1}", value.p50));
        let phase = self.phase.as_ref().map_or_else(String::new, |phase| format!("{phase}  "));
        write!(
            f,
            "{:4.0} s  {stage:9}  {phase}{}/{} clients  rtt {} ms  input to ack {} ms  {:.0} snapshots/s  {} mispredictions",
            self.elapsed_s,
            self.playing,
            self.asked,
            ms(self.row.rtt_ms),
            ms(self.row.input_to_ack_ms),
            self.row.snapshots_per_s,
            self.row.mispredictions
        )?;
        if self.silent > 0 {
            write!(f, "  {} silent", self.silent)?;
        }
        if self.failed > 0 { write!(f, "  {} failed", self.failed) } else { Ok(()) }
    }
}

/// Who is in the game.
#[derive(Clone, Copy, Debug)]
pub(crate) struct There {
    /// Now, light ones included.
    pub(crate) clients: usize,
    /// Light ones, on average over the second.
    pub(crate) light_mean: f64,
}

/// Collects a second.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(crate) rtt: Recorder,
    pub(crate) ack: Recorder,
    pub(crate) visible: Recorder,
    pub(crate) late: Recorder,
    pub(crate) snapshots: u64,
}

/// What the bots' counters grew by in a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grown {
    shown: u64,
    starved: u64,
    mispredicted: u64,
    down_bytes: u64,
    up_bytes: u64,
    /// Time in the game, of all that are not light.
    played_us: u64,
}

impl Grown {
    /// Adds a bot that grew from `old` to `new`, with `headers` bytes of IP and UDP.
    pub(crate) fn add(&mut self, old: &Marks, new: &Marks, headers: u64) {
        self.shown += new.client.shown - old.client.shown;
        self.starved += new.client.starved - old.client.starved;
        self.mispredicted += new.client.mispredicted - old.client.mispredicted;
        self.played_us += new.at.since(old.at).0;
        let (old, new) = (&old.stats, &new.stats);
        // A connection that was just made has counted less than the one before it.
        let bytes = |bytes: [u64; 2], datagrams: [u64; 2]| {
            bytes[1].saturating_sub(bytes[0]) + headers * datagrams[1].saturating_sub(datagrams[0])
        };
        self.down_bytes += bytes([old.bytes_in, new.bytes_in], [old.datagrams_in, new.datagrams_in]);
        self.up_bytes += bytes([old.bytes_out, new.bytes_out], [old.datagrams_out, new.datagrams_out]);
    }
}

impl Second {
    pub(crate) fn add(&mut self, other: &Self) {
        // Each by its name, so that none is forgotten.
        let Self { rtt, ack, visible, late, snapshots } = other;
        self.rtt.add(rtt);
        self.ack.add(ack);
        self.visible.add(visible);
        self.late.add(late);
        self.snapshots += snapshots;
    }

    /// The second as a row, which began in `stage`, took `seconds`, and ended at `t_s` with those who are `there`.
    pub(crate) fn row(&self, stage: RunStage, (t_s, seconds): (f64, f64), there: &There, grown: &Grown) -> SeriesRow {
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let thousandth = |value: f64| (value * 1e3).round() / 1e3;
        let There { clients, light_mean } = *there;
        let full_mean = per_second(grown.played_us) / 1e6;
        SeriesRow {
            t_s: thousandth(t_s),
            seconds: thousandth(seconds),
            stage,
            clients: clients as u64,
            clients_mean: Some(thousandth(full_mean + light_mean)),
            light_mean: Some(thousandth(light_mean)),
            rtt_ms: self.rtt.spread(1e3),
            input_to_ack_ms: self.ack.spread(1e3),
            input_to_visible_ms: self.visible.spread(1e3),
            snapshots_per_s: thousandth(per_second(self.snapshots)),
            starved_ratio: (grown.shown > 0).then(|| grown.starved as f64 / grown.shown as f64),
            mispredictions: grown.mispredicted,
            down_bytes_per_s: per_second(grown.down_bytes).round(),
            up_bytes_per_s: per_second(grown.up_bytes).round(),
            bots_late_us_p99: self.late.spread(1.0).map(|late| late.p99),
            server_tick_us: None,
        }
    }

    /// Begins the next one.
    pub(crate) fn clear(&mut self) {
        [&mut self.rtt, &mut self.ack, &mut self.visible, &mut self.late].into_iter().for_each(Recorder::clear);
        self.snapshots = 0;
    }
}
