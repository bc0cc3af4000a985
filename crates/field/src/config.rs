//! What an operator may set, and what follows from it for both ends.

use downbeat_replica::ConfigError;
use downbeat_replica::limits::SLOTS_MAX;
use serde::{Deserialize, Serialize};

/// Most walkers of a match.
pub const WALKERS_MAX: u32 = 20_000;

/// Most neighbours that a client can be shown: its slots, but for its own avatar's.
pub const VISIBLE_MAX: u32 = SLOTS_MAX as u32 - 1;

/// Room that one walker has on the ground, in m². The nearest 32 are then within some 25 m, and one of them is
/// replaced by another about three times a second.
const AREA_PER_WALKER: f32 = 64.0;

/// The ground reaches this far from the origin at least and at most, in metres; entities can be told up to 512.
const REACH_MIN: f32 = 32.0;
const REACH_MAX: f32 = 508.0;

/// The rules: `[game.field]` of a server that hosts `field`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Walkers of the match, `0..=`[`WALKERS_MAX`].
    pub walkers: u32,
    /// How many neighbours a client is shown, `1..=`[`VISIBLE_MAX`].
    pub visible: u32,
    /// Who is shown the players' avatars.
    pub avatars: Avatars,
}

impl Default for Config {
    fn default() -> Self {
        Self { walkers: 200, visible: 32, avatars: Avatars::Private }
    }
}

/// Who is shown the players' avatars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Avatars {
    /// Each player its own alone, so that the bytes of a client do not depend on how many clients there are.
    #[default]
    Private,
    /// Everybody: an avatar is a neighbour like any walker.
    Public,
}

/// The checked rules.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub(crate) walkers: usize,
    pub(crate) visible: usize,
    pub(crate) avatars: Avatars,
    pub(crate) reach: f32,
}

impl World {
    /// Checks the rules.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let &Config { walkers, visible, avatars } = config;
        if walkers > WALKERS_MAX {
            return Err(ConfigError(format!("walkers is {walkers}; at most {WALKERS_MAX} are allowed")));
        }
        if !(1..=VISIBLE_MAX).contains(&visible) {
            return Err(ConfigError(format!("visible is {visible}; 1 to {VISIBLE_MAX} are allowed")));
        }
        let reach = (libm::sqrtf(walkers as f32 * AREA_PER_WALKER) / 2.0).clamp(REACH_MIN, REACH_MAX);
        Ok(Self { walkers: walkers as usize, visible: visible as usize, avatars, reach })
    }

    /// How far the ground reaches from the origin along x and z, in metres. It grows with the number of walkers, so
    /// that a crowd of any size is equally dense until, at some 16,000, the world is full. Walkers and players start
    /// anywhere on the ground and stay on it.
    #[must_use]
    pub const fn reach(&self) -> f32 {
        self.reach
    }
}
