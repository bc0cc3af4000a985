//! What is told once a second while a run goes on.

use std::fmt;

use crate::percentiles::Recorder;

/// The last second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Seconds since the bots were started.
    pub elapsed_s: f64,
    /// What the run is at.
    pub stage: RunStage,
    /// Bots asked for.
    pub asked: usize,
    /// Bots in the game now.
    pub playing: usize,
    /// Bots that were lost or did not get in.
    pub failed: usize,
    /// Median round trip.
    pub rtt_ms: Option<f64>,
    /// Median time from an input to its acknowledgement.
    pub input_to_ack_ms: Option<f64>,
    /// Snapshots per second, of all bots.
    pub snapshots_per_s: f64,
    /// Mispredictions in this second.
    pub mispredictions: u64,
}

/// What a run is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunStage {
    /// Bots connect.
    #[default]
    Joining,
    /// All are in; nothing counts yet.
    WarmUp,
    /// Figures are taken.
    Measuring,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            RunStage::Joining => "joining",
            RunStage::WarmUp => "warm-up",
            RunStage::Measuring => "measuring",
        };
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        write!(
            f,
            "{:4.0} s  {stage:9}  {}/{} clients  rtt {} ms  input to ack {} ms  {:.0} snapshots/s  {} mispredictions",
            self.elapsed_s,
            self.playing,
            self.asked,
            ms(self.rtt_ms),
            ms(self.input_to_ack_ms),
            self.snapshots_per_s,
            self.mispredictions
        )?;
        if self.failed > 0 { write!(f, "  {} failed", self.failed) } else { Ok(()) }
    }
}

/// Collects a second.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(crate) rtt: Recorder,
    pub(crate) ack: Recorder,
    pub(crate) snapshots: u64,
}

impl Second {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rtt.add(&other.rtt);
        self.ack.add(&other.ack);
        self.snapshots += other.snapshots;
    }

    pub(crate) fn clear(&mut self) {
        self.rtt.clear();
        self.ack.clear();
        self.snapshots = 0;
    }
}
