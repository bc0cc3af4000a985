//! What a run with hostile bots found: stable names, plain data.

use serde::{Deserialize, Serialize};

use super::gains::Gain;
use super::ledger::Slice;
use crate::percentiles::Percentiles;
use crate::report::Reason;
use crate::scrape::Work;

/// What hostile bots gained, and what they did to others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hostile {
    /// What they did: one of [`Kind`](super::Kind).
    pub kind: String,
    /// The group of the scenario that they are of, where there is one.
    pub group: Option<String>,
    /// How many there were.
    pub bots: u64,
    /// How long everybody was honest, in seconds.
    pub before_seconds: f64,
    /// How long the attack was on, in seconds.
    pub during_seconds: f64,
    /// Seconds of honest bots that gains are about, added up over bots: those of the run, or of the groups that play alike.
    pub honest_bot_seconds: f64,
    /// Seconds of hostile bots likewise, without those in which they were not let in.
    pub hostile_bot_seconds: f64,
    /// What they gained; nothing for kinds that do not play.
    pub gains: Gains,
    /// What the honest bots felt.
    pub others: Others,
    /// What the server felt, where it is in reach.
    pub server: Felt,
    /// What the hostile bots were told.
    pub answer: Answer,
}

impl Hostile {
    /// What the honest bots received while the attack was on, and what was owed to them.
    pub(crate) fn snapshots(&self) -> Option<(Option<u64>, Option<u64>)> {
        let expected = self.others.snapshots_expected.during?;
        Some((Some(expected.saturating_sub(self.others.snapshots_lost.during?)), Some(expected)))
    }
}

/// What hostile bots gained over honest ones in the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gains {
    /// How far they ran.
    pub metres_per_s: Option<Gain>,
    /// How often they did what [`Bots::acts`](crate::Bots::acts) counts: shots, as a rule.
    pub shots_per_s: Option<Gain>,
    /// How often they hit somebody ([`Bots::is_hit`](crate::Bots::is_hit)).
    pub hits_per_s: Option<Gain>,
    /// How well they aimed.
    pub hits_per_shot: Option<Gain>,
}

impl Gains {
    /// Those that there are, and what they are called.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, Gain)> {
        let Self { metres_per_s, shots_per_s, hits_per_s, hits_per_shot } = *self;
        let all = [
            ("metres_per_s", metres_per_s),
            ("shots_per_s", shots_per_s),
            ("hits_per_s", hits_per_s),
            ("hits_per_shot", hits_per_shot),
        ];
        all.into_iter().filter_map(|(name, gain)| Some((name, gain?)))
    }

    /// Compares what bots did in the same time.
    pub(crate) fn of(honest: &[Slice], hostile: &[Slice]) -> Self {
        let gain = |of: fn(&Slice) -> (f64, f64)| Gain::of(honest, hostile, of);
        Self {
            metres_per_s: gain(|slice| (slice.metres, slice.seconds)),
            shots_per_s: gain(|slice| (slice.acts as f64, slice.seconds)),
            hits_per_s: gain(|slice| (slice.hits as f64, slice.seconds)),
            hits_per_shot: gain(|slice| (slice.hits as f64, slice.acts as f64)),
        }
    }
}

/// A figure before the attack and while it was on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Both<T> {
    /// While everybody was honest.
    pub before: Option<T>,
    /// While the attack was on.
    pub during: Option<T>,
}

impl<T> Default for Both<T> {
    fn default() -> Self {
        Self { before: None, during: None }
    }
}

/// What the honest bots felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// As [`Report::input_to_ack_ms`](crate::Report::input_to_ack_ms).
    pub input_to_ack_ms: Both<Percentiles>,
    /// As [`Report::input_to_visible_ms`](crate::Report::input_to_visible_ms), of honest bots by honest bots.
    pub input_to_visible_ms: Both<Percentiles>,
    /// Snapshots that were expected.
    pub snapshots_expected: Both<u64>,
    /// Snapshots that were expected and not received.
    pub snapshots_lost: Both<u64>,
    /// Inputs of which the server ran a substitute.
    pub substituted: Both<u64>,
}

/// What the server felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Felt {
    /// Its work for one tick, of all rooms together.
    pub tick_us: Both<Work>,
}

/// What the hostile bots were told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What is expected, in words.
    pub expected: String,
    /// Connections or handshakes that they began while the attack was on.
    pub attempts: u64,
    /// Those of them that were let into the game.
    pub admitted: u64,
    /// Ends of connections by code, the most frequent first.
    pub closed: Vec<Reason>,
    /// Datagrams that they sent while the attack was on, those apart that were never taken by their own connection.
    pub datagrams: u64,
    /// Ticks of theirs, while the attack was on, that the server ran on a substitute.
    pub substituted: u64,
}
