//! Bounds of what a room keeps for its clients, with what happens at the bound.

use downbeat_replica::Micros;

pub use downbeat_replica::limits::INPUT_TICKS_AHEAD_MAX;

/// Least bytes of a snapshot: room for the head and for an avatar, which must always fit. A room with less is refused.
pub const SNAPSHOT_BYTES_MIN: usize = 200;

/// How far back lag compensation goes.
pub const REWIND_MAX: Micros = Micros::from_millis(250);

/// Bytes that a room sends to one client per second at most, before packet overhead.
pub const CLIENT_BYTES_PER_S: usize = 64 * 1_024;

/// Snapshots' worth of that rate that are kept for a client when less was sent: the next one's own, and what one quiet moment
/// left over. More is forgotten, so that nobody is sent a burst.
pub const SNAPSHOTS_KEPT_MAX: usize = 2;

/// Ticks per second of a room: a datagram tells 12 bits of a tick, which must last longer than a connection lives in silence.
pub const TICK_RATE_HZ_MAX: u32 = 200;

/// Datagrams of a client from which is learned how late its snapshots come: four seconds of them at 60 a second.
pub const LEADS_REMEMBERED: usize = 256;

/// So many of them may be worse than what a shot is rewound by.
pub const LEADS_LEFT_OUT: usize = 2;

/// All of them are looked at again after so many new ones.
pub const LEADS_LOOKED_AT_EVERY: usize = 16;

/// Ticks by which a client's view of the others may lie farther back than the lateness of its snapshots explains: its
/// clock moves at most 5 % faster than time, so that it lags when the line gets better.
pub const VIEW_TOLERANCE_TICKS: u32 = 3;

/// Bytes of reliable events that are kept of each session's last, for a client that comes back and has not read them. Of
/// more, the oldest events are lost to it, and it is told so.
pub const RELIABLE_KEPT_BYTES: usize = 16 * 1_024;

/// From one time that the states are kept which a client knows, whose acknowledgements do not come any more, to the next. If
/// they come and go faster than that, a client that loses its connection then is told everything anew.
pub const KEPT_EVERY: Micros = Micros::from_millis(1_000);

/// An overloaded room sends each client every such snapshot at least.
pub const SEND_EVERY_MAX: u32 = 4;

/// Ticks that are made up for at once after a stall. What was missed beyond that is not: the schedule moves, and the
/// match was slower for a moment.
pub const CATCH_UP_TICKS_MAX: u64 = 4;
