//! What is replicated: field tables of walkers, avatars and the input.

use downbeat_replica::Replicated;
use downbeat_replica::glam::Vec3;

/// Health of the sound; the least is 0.
pub const HEALTH_MAX: u8 = 100;

/// Everything that clients can be shown.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub enum Entity {
    /// One of the crowd.
    Walker(Walker),
    /// A player's.
    Avatar(Avatar),
}

/// One of the crowd: walks, turns, hops and is hurt and healed as the seed has it.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub struct Walker {
    /// Of the feet, in metres; y is up and the ground is at 0.
    #[field(position, range = -512.0..=512.0, step = 0.01)]
    pub position: Vec3,
    /// Where it looks and walks, in radians about the y axis: 0 is +z, a quarter turn is +x.
    #[field(heading, bits = 10)]
    pub yaw: f32,
    /// `0..=`[`HEALTH_MAX`].
    #[field(range = 0..=HEALTH_MAX)]
    pub health: u8,
}

/// A player's avatar. Its owner predicts it, so its state is here to the last bit.
#[derive(Replicated, Clone, Copy, Debug, PartialEq)]
pub struct Avatar {
    /// As a walker's. The owner knows it to 1/16 cm: an avatar moves on from its rounded position, and rounded to a
    /// whole centimetre in every tick its speed would be wrong by up to a tenth.
    #[field(position, range = -512.0..=512.0, step = 0.01, owner_bits = 4)]
    pub position: Vec3,
    /// As a walker's.
    #[field(heading, bits = 10)]
    pub yaw: f32,
    /// Vertical speed in m/s while it is in the air; 0 on the ground.
    #[field(owner, range = -8.0..=8.0, step = 0.001)]
    pub rise: f32,
}

/// What a player does in a tick.
#[derive(downbeat_replica::Input, Clone, Copy, Debug, Default, PartialEq)]
pub struct Input {
    /// Along the avatar's heading; the length of (forward, right) is the part of full speed, at most 1.
    #[field(range = -1.0..=1.0, step = 0.125)]
    pub forward: f32,
    /// To the avatar's right.
    #[field(range = -1.0..=1.0, step = 0.125)]
    pub right: f32,
    /// Where the avatar looks and walks, in radians. A standing avatar ignores it.
    #[field(heading, bits = 10)]
    pub yaw: f32,
    /// Jumps, if it stands on the ground.
    #[field(action)]
    pub jump: bool,
}
