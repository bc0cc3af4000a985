//! Bounds of what clients can make the process do, with what happens at the bound.

use downbeat_wire::Micros;

/// Sessions of one shard at a time; more are refused as
/// [`Overloaded`](downbeat_wire::CloseCode::Overloaded).
pub const SESSIONS_MAX: usize = 1 << 16;

/// Connections beyond the places of all rooms, so that those who are too many can be told so.
pub const CONNECTIONS_SPARE: usize = 256;

/// Longest work between two looks at the socket inside a tick.
pub const DRAIN_INTERVAL: Micros = Micros::from_millis(1);

/// Acknowledgements of what was never sent that are forgiven one connection; the next one closes it.
pub const FORGED_ACKS_FORGIVEN: u32 = 3;

/// Control messages per second and client in the long run; beyond the burst the connection is closed as flooding.
pub const MESSAGES_PER_S: u32 = 20;

/// Control messages at once.
pub const MESSAGES_BURST: u32 = 60;

/// Chat lines per second and client in the long run; beyond the burst they are dropped and counted.
pub const SAYS_PER_S: u32 = 1;

/// Chat lines at once.
pub const SAYS_BURST: u32 = 5;

/// Chat lines per second and room in the long run; beyond the burst they are dropped and counted. Leaving and coming back
/// brings a client a burst of its own again, but not the room.
pub const ROOM_SAYS_PER_S: u32 = 10;

/// Chat lines of a room at once.
pub const ROOM_SAYS_BURST: u32 = 20;

/// Control bytes that wait for a client when it is told no more chat. A line that it misses is counted.
pub const CHAT_BACKLOG_BYTES_MAX: usize = 4 * 1_024;

/// Bytes of schemas and models that a shard tells in a second, to all who ask: what a few newcomers need at a time. More
/// take turns.
pub const DESCRIPTIONS_BYTES_PER_S: u64 = 1_000_000;

/// Parts of a schema or model that one client is told in a tick.
pub const PARTS_PER_TICK: usize = 4;

/// Bytes of a match's rules that a welcome carries; a server whose rules are longer does not start.
pub const RULES_BYTES_MAX: usize = 60 * 1_024;

/// How long a server that stops repeats its closes to those who did not hear them.
pub const FAREWELL: Micros = Micros::from_millis(500);

/// Figures begin this long after the last client joined.
pub const WARM_UP: Micros = Micros::from_millis(2_000);

/// From one notice of ticks that were left out to the next.
pub const SLOWED_PAUSE: Micros = Micros::from_millis(1_000);
