//! What is counted besides the ticks: who came, and why they went.

use std::collections::BTreeMap;

use downbeat_transport::CloseReason;
use downbeat_wire::CloseCode;

use crate::report::Closes;

/// Counts of a shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) admitted: u64,
    pub(crate) redirected: u64,
    pub(crate) datagrams_early: u64,
    pub(crate) says_dropped: u64,
    pub(crate) says_missed: u64,
    by_server: BTreeMap<&'static str, u64>,
    by_client: BTreeMap<&'static str, u64>,
    lost: BTreeMap<&'static str, u64>,
}

impl Tallies {
    pub(crate) fn note_close(&mut self, reason: &CloseReason) {
        let (map, label) = match reason {
            CloseReason::Local(code) => (&mut self.by_server, code.label()),
            CloseReason::ByPeer { code, .. } => {
                (&mut self.by_client, CloseCode::from_code(*code).map_or("UNKNOWN", CloseCode::label))
            }
            CloseReason::TimedOut => (&mut self.lost, "TIMED_OUT"),
            CloseReason::Reset => (&mut self.lost, "RESET"),
            CloseReason::HandshakeFailed(_) | CloseReason::VersionMismatch | CloseReason::Transport(_) => {
                (&mut self.lost, "TRANSPORT")
            }
        };
        *map.entry(label).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.redirected += other.redirected;
        self.datagrams_early += other.datagrams_early;
        self.says_dropped += other.says_dropped;
        self.says_missed += other.says_missed;
        let maps = [&mut self.by_server, &mut self.by_client, &mut self.lost];
        for (map, other) in maps.into_iter().zip([&other.by_server, &other.by_client, &other.lost]) {
            for (label, count) in other {
                *map.entry(label).or_default() += count;
            }
        }
    }

    pub(crate) fn closes(&self) -> Closes {
        let owned = |map: &BTreeMap<&'static str, u64>| map.iter().map(|(&label, &n)| (label.to_owned(), n)).collect();
        Closes { by_server: owned(&self.by_server), by_client: owned(&self.by_client), lost: owned(&self.lost) }
    }
}
