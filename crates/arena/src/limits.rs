//! Bounds of a match and of a map; a configuration beyond them is refused.

/// Players of a room.
pub const PLAYERS_MAX: u16 = 128;

/// How far from the origin a map may reach on any axis, in metres: what positions can be told in, less a margin.
pub const REACH_M: f32 = 62.0;

/// Blocks and ramps of a map, together.
pub const SOLIDS_MAX: usize = 1_024;

/// Places to spawn at.
pub const SPAWNS_MAX: usize = 512;

/// Places of pick-ups.
pub const PICK_UPS_MAX: usize = 256;

/// Waypoints for bots.
pub const WAYPOINTS_MAX: usize = 1_024;

/// Rockets in flight; a launcher that would exceed it fails silently (its rocket is spent).
pub const ROCKETS_MAX: usize = 1_024;

/// Ammunition of one kind that a player can be told of.
pub const AMMO_MAX: u8 = 250;

/// Health that a player can be told of.
pub const HEALTH_MAX: u8 = 200;

/// Longest cooldown of a weapon, in ticks.
pub const COOLDOWN_TICKS_MAX: u16 = 1_023;

/// Longest wait for a respawn, in ticks.
pub const RESPAWN_TICKS_MAX: u16 = 4_095;

/// The longest time that is allowed for between where somebody is and where a client shows him, in seconds: half a
/// round trip and the delay of interpolation. Who has a slower line may see people appear at corners.
pub const REVEAL_S: f32 = 0.2;

/// How often it is looked whether one player may be told of another, at most, in hertz.
pub const SIGHT_TESTS_HZ: f32 = 15.0;

/// Who was told of somebody goes on being told for this long, in seconds, at least.
pub const SIGHT_HOLD_S: f32 = 0.5;
