//! What is counted besides the ticks: who came, and why they went.

use std::collections::BTreeMap;

use downbeat_transport::CloseReason;
use downbeat_wire::CloseCode;

use crate::report::Closes;
use crate::ticket::TicketError;

/// Counts of a shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) admitted: u64,
    pub(crate) redirected: u64,
    pub(crate) datagrams_early: u64,
    pub(crate) says_dropped: u64,
    pub(crate) says_missed: u64,
    tickets_refused: BTreeMap<&'static str, u64>,
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

    pub(crate) fn note_ticket(&mut self, error: TicketError) {
        *self.tickets_refused.entry(error.label()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.redirected += other.redirected;
        self.datagrams_early += other.datagrams_early;
        self.says_dropped += other.says_dropped;
        self.says_missed += other.says_missed;
        let maps = [&mut self.tickets_refused, &mut self.by_server, &mut self.by_client, &mut self.lost];
        let others = [&other.tickets_refused, &other.by_server, &other.by_client, &other.lost];
        for (map, other) in maps.into_iter().zip(others) {
            for (label, count) in other {
                *map.entry(label).or_default() += count;
            }
        }
    }

    /// Tickets that let nobody in, by what was wrong with them.
    pub(crate) fn tickets_refused(&self) -> BTreeMap<String, u64> {
        owned(&self.tickets_refused)
    }

    pub(crate) fn closes(&self) -> Closes {
        Closes { by_server: owned(&self.by_server), by_client: owned(&self.by_client), lost: owned(&self.lost) }
    }
}

fn owned(map: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    map.iter().map(|(&label, &count)| (label.to_owned(), count)).collect()
}
