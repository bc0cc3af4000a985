//! Bounds of what a room keeps for its clients, with what happens at the bound.

use downbeat_replica::Micros;

/// Ticks ahead of the present for which an input is taken; later ones are rejected and counted.
pub const INPUT_TICKS_AHEAD_MAX: u32 = 64;

/// Datagrams to one client that may await their acknowledgement; older ones count as lost.
pub const FLIGHTS_MAX: usize = 256;

/// How far behind the newest acknowledged datagram an older one must lie to count as lost.
pub const REORDER_TOLERANCE: u16 = 3;

/// Least bytes of a snapshot: room for the head and for an avatar, which must always fit. A room with less is refused.
pub const SNAPSHOT_BYTES_MIN: usize = 200;

/// Leaves in one datagram; more wait for the next, so that a client that acknowledges none costs no more than others.
pub const LEAVES_PER_DATAGRAM_MAX: usize = 64;

/// Without any acknowledgement, a datagram counts as lost after this time.
pub const LOST_AFTER: Micros = Micros::from_millis(500);

/// How far back lag compensation goes.
pub const REWIND_MAX: Micros = Micros::from_millis(250);

/// Bytes that a room sends to one client per second at most, before packet overhead.
pub const CLIENT_BYTES_PER_S: usize = 64 * 1_024;
