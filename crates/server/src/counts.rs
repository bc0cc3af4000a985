//! What a shard counts from its first second on. There is one place for it: the report at the end and the metrics meanwhile
//! read the same numbers.

use std::time::Duration;

use downbeat_host::Counters;
use downbeat_transport::{CloseReason, DriverCounters};
use downbeat_wire::CloseCode;

use crate::report::Traffic;
use crate::ticket::TicketError;

/// All counts of a shard, or of several together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Beats in which the shard looked into its sockets: they go on as long as its thread does.
    pub(crate) beats: u64,
    /// Ticks of its rooms.
    pub(crate) ticks: u64,
    /// Time that it was not idle.
    pub(crate) worked: Duration,
    pub(crate) rooms_opened: u64,
    pub(crate) rooms_failed: u64,
    /// Rooms whose send rate is lowered, now.
    pub(crate) rooms_lowered: u64,
    pub(crate) counted: Counted,
    pub(crate) tallies: Tallies,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.beats += other.beats;
        self.ticks += other.ticks;
        self.worked += other.worked;
        self.rooms_opened += other.rooms_opened;
        self.rooms_failed += other.rooms_failed;
        self.rooms_lowered += other.rooms_lowered;
        self.counted.add(&other.counted);
        self.tallies.add(&other.tallies);
    }
}

/// What rooms, connections and overload amount to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) rooms: Counters,
    pub(crate) driver: DriverCounters,
    pub(crate) strain: Strain,
}

impl Counted {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rooms.add(&other.rooms);
        self.driver.add(&other.driver);
        self.strain.overruns += other.strain.overruns;
        self.strain.ticks_left_out += other.strain.ticks_left_out;
        self.strain.beats_unread += other.strain.beats_unread;
        self.strain.rates_lowered += other.strain.rates_lowered;
    }

    pub(crate) const fn kernel_drops(&self) -> u64 {
        self.driver.socket.kernel_drops
    }

    pub(crate) const fn traffic(&self) -> Traffic {
        let DriverCounters { datagrams_in, datagrams_out, bytes_in, bytes_out, .. } = self.driver;
        Traffic { datagrams_in, datagrams_out, bytes_in, bytes_out }
    }
}

/// What overload did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strain {
    /// Ticks that were not finished when the next was due.
    pub(crate) overruns: u64,
    pub(crate) ticks_left_out: u64,
    /// Beats that ticked although datagrams were left unread in the sockets.
    pub(crate) beats_unread: u64,
    /// Steps by which send rates were lowered.
    pub(crate) rates_lowered: u64,
}

/// Who came, and why they went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) admitted: u64,
    pub(crate) redirected: u64,
    /// Sessions whose connection was lost, and those of them that ended because nobody came back in time.
    pub(crate) suspended: u64,
    pub(crate) expired: u64,
    /// Sessions that went on over another connection, and attempts that opened none.
    pub(crate) resumed: u64,
    pub(crate) resumes_refused: u64,
    pub(crate) datagrams_early: u64,
    pub(crate) says_dropped: u64,
    pub(crate) says_missed: u64,
    tickets_refused: [u64; TicketError::ALL.len()],
    by_server: [u64; CODES],
    /// The last one: codes that are none of ours.
    by_client: [u64; CODES + 1],
    lost: [u64; LOSSES.len()],
}

const CODES: usize = CloseCode::ALL.len();

/// Ends that nobody decided.
const LOSSES: [&str; 3] = ["TIMED_OUT", "RESET", "TRANSPORT"];

fn codes() -> impl Iterator<Item = &'static str> {
    CloseCode::ALL.iter().map(|code| code.label())
}

/// What an end is called in metrics and logs.
pub(crate) fn label(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Local(code) => code.label(),
        CloseReason::ByPeer { code, .. } => CloseCode::from_code(*code).map_or("UNKNOWN", CloseCode::label),
        CloseReason::TimedOut => LOSSES[0],
        CloseReason::Reset => LOSSES[1],
        CloseReason::HandshakeFailed(_) | CloseReason::VersionMismatch | CloseReason::Transport(_) => LOSSES[2],
    }
}

impl Tallies {
    pub(crate) fn note_close(&mut self, reason: &CloseReason) {
        let place = |code| CloseCode::ALL.iter().position(|&known| known == code).expect("all codes are listed");
        let count = match reason {
            CloseReason::Local(code) => &mut self.by_server[place(*code)],
            CloseReason::ByPeer { code, .. } => &mut self.by_client[CloseCode::from_code(*code).map_or(CODES, place)],
            other => &mut self.lost[LOSSES.iter().position(|&loss| loss == label(other)).expect("all are listed")],
        };
        *count += 1;
    }

    pub(crate) fn note_ticket(&mut self, error: TicketError) {
        let place = TicketError::ALL.iter().position(|&known| known == error).expect("all errors are listed");
        self.tickets_refused[place] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.redirected += other.redirected;
        self.suspended += other.suspended;
        self.expired += other.expired;
        self.resumed += other.resumed;
        self.resumes_refused += other.resumes_refused;
        self.datagrams_early += other.datagrams_early;
        self.says_dropped += other.says_dropped;
        self.says_missed += other.says_missed;
        let add = |counts: &mut [u64], others: &[u64]| counts.iter_mut().zip(others).for_each(|(a, b)| *a += b);
        add(&mut self.tickets_refused, &other.tickets_refused);
        add(&mut self.by_server, &other.by_server);
        add(&mut self.by_client, &other.by_client);
        add(&mut self.lost, &other.lost);
    }

    /// Tickets that let nobody in, by what was wrong with them. None is left out because it never happened.
    pub(crate) fn tickets_refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TicketError::ALL.map(TicketError::label).into_iter().zip(self.tickets_refused)
    }

    /// Connections that this server closed, by close code; likewise.
    pub(crate) fn closed_by_server(&self) -> impl Iterator<Item = (&'static str, u64)> {
        codes().zip(self.by_server)
    }

    /// Connections that clients closed; likewise.
    pub(crate) fn closed_by_client(&self) -> impl Iterator<Item = (&'static str, u64)> {
        codes().chain(["UNKNOWN"]).zip(self.by_client)
    }

    /// Connections that ended otherwise; likewise.
    pub(crate) fn lost(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LOSSES.into_iter().zip(self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_and_every_refusal_is_counted_under_its_own_label() {
        let mut tallies = Tallies::default();
        let reasons = [
            CloseReason::Local(CloseCode::Flooding),
            CloseReason::ByPeer { code: 0, reason: String::new() },
            CloseReason::ByPeer { code: 9_999, reason: String::new() },
            CloseReason::Reset,
        ];
        reasons.iter().for_each(|reason| tallies.note_close(reason));
        tallies.note_ticket(TicketError::Expired);
        let mut sum = tallies;
        sum.add(&tallies);
        let counted = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            counts.filter(|(_, count)| *count > 0).collect::<Vec<_>>()
        };
        assert_eq!(counted(&mut sum.closed_by_server()), [("FLOODING", 2)]);
        assert_eq!(counted(&mut sum.closed_by_client()), [("BYE", 2), ("UNKNOWN", 2)]);
        assert_eq!(counted(&mut sum.lost()), [("RESET", 2)]);
        assert_eq!(counted(&mut sum.tickets_refused()), [("expired", 2)]);
    }
}
