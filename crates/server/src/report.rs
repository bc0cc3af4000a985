//! What a server says of itself when it ends. A figure that was not measured is `null`, never 0.

use std::collections::BTreeMap;

use downbeat_host::Counters;
use hdrhistogram::Histogram;
use serde::Serialize;

/// How a quantity is distributed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: f64,
    /// 90 % are.
    pub p90: f64,
    /// 99 % are.
    pub p99: f64,
    /// 99.9 % are.
    pub p999: f64,
    /// All are.
    pub max: f64,
}

impl Percentiles {
    /// Of a histogram of nanoseconds, in microseconds; `None` when it is empty.
    pub(crate) fn of_nanos(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let max = histogram.max() as f64 / 1e3;
        (!histogram.is_empty()).then(|| Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }
}

/// Work of a tick by its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Phases {
    /// Reading the socket, decrypting, admission, and handing datagrams to rooms.
    pub receive: Option<Percentiles>,
    /// Taking inputs and stepping the games.
    pub step: Option<Percentiles>,
    /// Capturing the state.
    pub capture: Option<Percentiles>,
    /// The game says what each client is shown.
    pub interest: Option<Percentiles>,
    /// Choosing and encoding snapshots.
    pub encode: Option<Percentiles>,
    /// Encrypting and sending.
    pub flush: Option<Percentiles>,
}

/// How the process did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ServerFigures {
    /// Ticks that were not finished when the next was due.
    pub overruns: Option<u64>,
    /// Ticks left out because too many were due at once.
    pub ticks_left_out: Option<u64>,
    /// Beats in which rooms ticked although datagrams were left unread in the sockets, since to read them would have made
    /// the ticks late.
    pub beats_unread: Option<u64>,
    /// Steps by which send rates of rooms were lowered.
    pub send_rates_lowered: Option<u64>,
    /// Processor time of the shards' threads, divided by the sum of connected clients over all ticks.
    pub cpu_us_per_client_tick: Option<f64>,
    /// Memory of the process: the most of what it was after the warm-up and at the end.
    pub rss_bytes: Option<u64>,
    /// Datagrams that the kernel dropped because our buffer was full.
    pub kernel_drops: Option<u64>,
}

/// What became of the clients' inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputFigures {
    /// Ticks that ran on a real input.
    pub consumed: u64,
    /// Ticks that ran without one.
    pub starved: u64,
    /// Inputs whose first copy came after their tick.
    pub late: u64,
    /// Inputs too far in the future.
    pub rejected: u64,
}

/// What the rooms sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotFigures {
    /// Snapshots sent.
    pub sent: u64,
    /// Snapshots not sent because the connection could not take one.
    pub skipped: u64,
    /// Snapshots not sent because the room's send rate was lowered.
    pub left_out: u64,
    /// Records put off because the budget was used up.
    pub deferred: u64,
    /// Entities shown, summed over snapshots.
    pub shown: u64,
    /// Events that did not fit.
    pub events_dropped: u64,
    /// State values that were out of range and clamped.
    pub clamped: u64,
    /// Entities that held a NaN and kept their previous state, and avatars of players who had one, which became nobody's.
    pub refused: u64,
}

/// What crossed the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// UDP datagrams read.
    pub datagrams_in: u64,
    /// UDP datagrams sent.
    pub datagrams_out: u64,
    /// UDP payload bytes read.
    pub bytes_in: u64,
    /// UDP payload bytes sent.
    pub bytes_out: u64,
}

/// Why connections ended, by the label of the close code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Closes {
    /// By this server.
    pub by_server: BTreeMap<String, u64>,
    /// By the clients.
    pub by_client: BTreeMap<String, u64>,
    /// By nobody: `TIMED_OUT`, `RESET`, `TRANSPORT`.
    pub lost: BTreeMap<String, u64>,
}

/// What was counted from the first second to the last.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Seconds that the server ran.
    pub seconds: f64,
    /// Ticks of all rooms.
    pub ticks: u64,
    /// As in [`ServerFigures`].
    pub overruns: u64,
    /// As in [`ServerFigures`].
    pub ticks_left_out: u64,
    /// As in [`ServerFigures`].
    pub beats_unread: u64,
    /// As in [`ServerFigures`].
    pub send_rates_lowered: u64,
    /// As in [`ServerFigures`].
    pub kernel_drops: u64,
    /// Clients that were let in.
    pub admitted: u64,
    /// Clients that were sent to another shard, where they come in or not.
    pub redirected: u64,
    /// Sessions whose connection was lost and that waited for their client.
    pub sessions_suspended: u64,
    /// Of these, sessions that ended because it did not come back in time.
    pub sessions_expired: u64,
    /// Sessions that went on over another connection, whether or not the loss of the one before was noticed.
    pub sessions_resumed: u64,
    /// Attempts to resume that opened no session.
    pub resumes_refused: u64,
    /// Tickets that let nobody in, by what was wrong with them.
    pub tickets_refused: BTreeMap<String, u64>,
    /// Rooms that were opened.
    pub rooms_opened: u64,
    /// Rooms that failed.
    pub rooms_failed: u64,
    /// Why connections ended.
    pub closes: Closes,
    /// Datagrams of clients that were not let in yet.
    pub datagrams_early: u64,
    /// Datagrams of clients that did not decode.
    pub datagrams_malformed: u64,
    /// Datagrams of spectators that had inputs.
    pub spectator_inputs: u64,
    /// Acknowledgements of what was never sent.
    pub acks_forged: u64,
    /// Chat lines that were one too many, of their player or of their room.
    pub says_dropped: u64,
    /// Chat lines that a client was not told because it did not keep up, summed over clients.
    pub says_missed: u64,
    /// QUIC packets dropped unread because their connection sent too many.
    pub packets_dropped: u64,
    /// QUIC packets dropped unread because their connection sent too many bytes.
    pub packets_heavy: u64,
    /// QUIC packets dropped unread because those that their connection sent before took too long.
    pub packets_costly: u64,
    /// UDP datagrams that led to nothing: garbage, strangers.
    pub udp_ignored: u64,
    /// Attempts that were told to prove their address first (Retry).
    pub handshakes_retried: u64,
    /// Attempts refused because the server is full or draining.
    pub handshakes_refused: u64,
    /// Attempts refused because their address begins too many.
    pub handshakes_turned_away: u64,
    /// Handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Of these, handshakes given up because their packets took the time of many.
    pub handshakes_costly: u64,
    /// First packets and packets of handshakes dropped because too many wait, of their network or in all.
    pub handshake_packets_dropped: u64,
    /// As in [`InputFigures`].
    pub inputs: InputFigures,
    /// What the rooms sent.
    pub snapshots: SnapshotFigures,
    /// What crossed the sockets.
    pub traffic: Traffic,
}

/// How one shard did: `tick_us` and `cpu_us_per_client_tick` as in [`ServerReport`], the rest from the first second to the
/// last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ShardFigures {
    /// Most clients at a time.
    pub clients_peak: u64,
    /// Work of a beat in which rooms ticked.
    pub tick_us: Option<Percentiles>,
    /// Processor time of its thread, divided by the sum of its connected clients over all ticks.
    pub cpu_us_per_client_tick: Option<f64>,
    /// Ticks of its rooms.
    pub ticks: u64,
    /// As in [`ServerFigures`].
    pub overruns: u64,
    /// As in [`ServerFigures`].
    pub ticks_left_out: u64,
    /// As in [`ServerFigures`].
    pub kernel_drops: u64,
    /// Clients that were let in.
    pub admitted: u64,
    /// Clients that it sent to another shard.
    pub redirected: u64,
    /// Rooms that were opened.
    pub rooms_opened: u64,
    /// UDP datagrams that led to nothing: garbage, strangers, and any that were meant for another shard.
    pub udp_ignored: u64,
}

/// A server's own figures, of all its shards together. `totals`, `rooms` and `shards` apart they leave out the warm-up: the
/// 2 s after the last client joined, and what comes after the last client left. Each shard has a warm-up of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// Ticks per second.
    pub tick_rate_hz: u32,
    /// Snapshots per second.
    pub send_rate_hz: u32,
    /// Seconds that the figures are about.
    pub measured_seconds: f64,
    /// Most clients at a time.
    pub clients_peak: u64,
    /// Work of a beat in which rooms ticked (with one room: of its tick), with what was done since the one before.
    pub tick_us: Option<Percentiles>,
    /// Work of one room's tick, until all that it says was sent.
    pub room_tick_us: Option<Percentiles>,
    /// How late ticks began.
    pub tick_start_jitter_us: Option<Percentiles>,
    /// The same as in `tick_us` by its parts, microseconds.
    pub phases_us: Phases,
    /// How the process did.
    pub server: ServerFigures,
    /// What became of the inputs.
    pub inputs: Option<InputFigures>,
    /// What the rooms sent.
    pub snapshots: Option<SnapshotFigures>,
    /// What crossed the sockets.
    pub traffic: Option<Traffic>,
    /// From the first second to the last.
    pub totals: Totals,
    /// Each shard.
    pub shards: Vec<ShardFigures>,
    /// The rooms that took most, most first; [`ROOMS_REPORTED_MAX`](crate::limits::ROOMS_REPORTED_MAX) at most.
    pub rooms: Vec<RoomFigures>,
}

/// What one room did, from the first second to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RoomFigures {
    /// Which.
    pub room: u64,
    /// Ticks.
    pub ticks: u64,
    /// Ticks that were not finished when the next was due.
    pub overruns: u64,
    /// Ticks left out because too many were due at once.
    pub ticks_left_out: u64,
    /// Of a tick, what the game took: its step, and capturing the state. Microseconds.
    pub game_us_mean: f64,
    /// Of a tick, what its snapshots took: choosing, encoding and sending them. Microseconds.
    pub telling_us_mean: f64,
    /// Snapshots per second that it sent at the end.
    pub send_rate_hz: u32,
}

/// Figures while a server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Clients that take part.
    pub clients: u64,
    /// Rooms that are open.
    pub rooms: u64,
    /// Ticks of all rooms so far.
    pub ticks: u64,
    /// Ticks that were not finished when the next was due.
    pub overruns: u64,
    /// Ticks left out because too many were due at once.
    pub ticks_left_out: u64,
    /// Beats in which rooms ticked although datagrams were left unread.
    pub beats_unread: u64,
    /// Rooms whose send rate is lowered now.
    pub rooms_lowered: u64,
    /// Datagrams that the kernel dropped.
    pub kernel_drops: u64,
    /// Work of the last beat in which rooms ticked, on the shard where it was most.
    pub work_us: u64,
}

impl InputFigures {
    pub(crate) const fn between(then: &Counters, now: &Counters) -> Self {
        Self {
            consumed: now.inputs.consumed - then.inputs.consumed,
            starved: now.inputs.starved - then.inputs.starved,
            late: now.inputs.late - then.inputs.late,
            rejected: now.inputs.rejected - then.inputs.rejected,
        }
    }
}

impl SnapshotFigures {
    pub(crate) const fn between(then: &Counters, now: &Counters) -> Self {
        Self {
            sent: now.snapshots - then.snapshots,
            skipped: now.skipped - then.skipped,
            left_out: now.left_out - then.left_out,
            deferred: now.deferred - then.deferred,
            shown: now.shown - then.shown,
            events_dropped: now.events_dropped - then.events_dropped,
            clamped: now.clamped - then.clamped,
            refused: now.refused - then.refused,
        }
    }
}

impl Traffic {
    pub(crate) const fn between(then: &Self, now: &Self) -> Self {
        Self {
            datagrams_in: now.datagrams_in - then.datagrams_in,
            datagrams_out: now.datagrams_out - then.datagrams_out,
            bytes_in: now.bytes_in - then.bytes_in,
            bytes_out: now.bytes_out - then.bytes_out,
        }
    }
}
