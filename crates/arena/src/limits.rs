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
