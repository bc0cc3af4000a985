//! Bounds of what a room keeps for its clients, with what happens at the bound.

use downbeat_replica::Micros;

/// Ticks ahead of the present for which an input is taken; later ones are rejected and counted.
pub const INPUT_TICKS_AHEAD_MAX: u32 = 64;

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
