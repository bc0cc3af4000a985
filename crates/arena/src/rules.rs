//! The rules of a match, in SI units, each with the range that makes sense.

use downbeat_replica::ConfigError;
use serde::{Deserialize, Serialize};

use crate::limits::{AMMO_MAX, HEALTH_MAX};

/// `[game.arena.rules]`. What is left out keeps its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Top speed of running.
    pub run_speed_mps: f32,
    /// How fast one gains speed on the ground.
    pub ground_acceleration_mps2: f32,
    /// And in the air.
    pub air_acceleration_mps2: f32,
    /// Share of the speed that the ground takes each second.
    pub friction_per_s: f32,
    /// Below this speed friction takes as much as at it, so that one comes to a stop.
    pub stop_speed_mps: f32,
    /// Downwards.
    pub gravity_mps2: f32,
    /// Upward speed of a jump.
    pub jump_speed_mps: f32,
    /// Highest edge that one walks up without a jump.
    pub step_height_m: f32,
    /// Radius of a player's body.
    pub body_radius_m: f32,
    /// Height of a player's body.
    pub body_height_m: f32,
    /// Height of the eyes, where shots come from.
    pub eye_height_m: f32,
    /// Whether players push each other apart.
    pub contact: bool,
    /// Health at the start, and the most one can have.
    pub health_max: u8,
    /// How long the dead lie.
    pub respawn_delay_s: f32,
    /// How long it takes to change the weapon.
    pub switch_delay_s: f32,
    /// Players and rockets farther than this from a viewer are not shown to it.
    pub sight_radius_m: f32,
    /// The rifle.
    pub rifle: RifleRules,
    /// The rocket launcher.
    pub rocket: RocketRules,
    /// The pick-ups.
    pub pick_up: PickUpRules,
}

/// `[game.arena.rules.rifle]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RifleRules {
    /// Health that a hit costs.
    pub damage: u8,
    /// From shot to shot.
    pub cooldown_s: f32,
    /// Rounds at a spawn.
    pub ammo_start: u8,
    /// Most rounds one can carry.
    pub ammo_max: u8,
    /// How far it carries.
    pub range_m: f32,
    /// Whether targets are hit where the shooter saw them rather than where they are.
    pub lag_compensation: bool,
}

/// `[game.arena.rules.rocket]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RocketRules {
    /// Health that a burst costs at its centre; nothing at its edge.
    pub damage: u8,
    /// Share of it that the launcher itself takes.
    pub own_damage_share: f32,
    /// Reach of the burst.
    pub splash_radius_m: f32,
    /// Speed that a burst gives at its centre.
    pub knock_back_mps: f32,
    /// Speed of flight.
    pub speed_mps: f32,
    /// It bursts after this time if it met nothing.
    pub life_s: f32,
    /// From launch to launch.
    pub cooldown_s: f32,
    /// Rockets at a spawn.
    pub ammo_start: u8,
    /// Most rockets one can carry.
    pub ammo_max: u8,
}

/// `[game.arena.rules.pick_up]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PickUpRules {
    /// How near one must come.
    pub radius_m: f32,
    /// How long a place stays empty.
    pub respawn_s: f32,
    /// Health that a pack restores.
    pub health: u8,
    /// Rounds in a box.
    pub rifle_ammo: u8,
    /// Rockets in a crate.
    pub rockets: u8,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            run_speed_mps: 6.5,
            ground_acceleration_mps2: 80.0,
            air_acceleration_mps2: 14.0,
            friction_per_s: 8.0,
            stop_speed_mps: 2.0,
            gravity_mps2: 18.0,
            jump_speed_mps: 6.5,
            step_height_m: 0.4,
            body_radius_m: 0.35,
            body_height_m: 1.8,
            eye_height_m: 1.6,
            contact: false,
            health_max: 100,
            respawn_delay_s: 2.5,
            switch_delay_s: 0.3,
            sight_radius_m: 80.0,
            rifle: RifleRules::default(),
            rocket: RocketRules::default(),
            pick_up: PickUpRules::default(),
        }
    }
}

impl Default for RifleRules {
    fn default() -> Self {
        Self { damage: 20, cooldown_s: 0.15, ammo_start: 120, ammo_max: 120, range_m: 120.0, lag_compensation: true }
    }
}

impl Default for RocketRules {
    fn default() -> Self {
        Self {
            damage: 90,
            own_damage_share: 0.5,
            splash_radius_m: 3.5,
            knock_back_mps: 11.0,
            speed_mps: 24.0,
            life_s: 5.0,
            cooldown_s: 0.8,
            ammo_start: 24,
            ammo_max: 24,
        }
    }
}

impl Default for PickUpRules {
    fn default() -> Self {
        Self { radius_m: 1.0, respawn_s: 15.0, health: 40, rifle_ammo: 40, rockets: 6 }
    }
}

impl Rules {
    /// Finds the first rule out of its range.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let (rifle, rocket, pick_up) = (&self.rifle, &self.rocket, &self.pick_up);
        let reals = [
            ("run_speed_mps", self.run_speed_mps, 0.5, 20.0),
            ("ground_acceleration_mps2", self.ground_acceleration_mps2, 1.0, 1_000.0),
            ("air_acceleration_mps2", self.air_acceleration_mps2, 0.0, 1_000.0),
            ("friction_per_s", self.friction_per_s, 0.0, 20.0),
            ("stop_speed_mps", self.stop_speed_mps, 0.1, 20.0),
            ("gravity_mps2", self.gravity_mps2, 1.0, 100.0),
            ("jump_speed_mps", self.jump_speed_mps, 0.0, 30.0),
            ("step_height_m", self.step_height_m, 0.0, 1.0),
            ("body_radius_m", self.body_radius_m, 0.1, 1.0),
            ("body_height_m", self.body_height_m, 2.0 * self.body_radius_m, 3.0),
            ("eye_height_m", self.eye_height_m, 0.1, self.body_height_m),
            ("respawn_delay_s", self.respawn_delay_s, 0.0, 30.0),
            ("switch_delay_s", self.switch_delay_s, 0.0, 5.0),
            ("sight_radius_m", self.sight_radius_m, 1.0, 1_000.0),
            ("rifle.cooldown_s", rifle.cooldown_s, 0.0, 5.0),
            ("rifle.range_m", rifle.range_m, 1.0, 1_000.0),
            ("rocket.own_damage_share", rocket.own_damage_share, 0.0, 1.0),
            ("rocket.splash_radius_m", rocket.splash_radius_m, 0.1, 20.0),
            ("rocket.knock_back_mps", rocket.knock_back_mps, 0.0, 40.0),
            ("rocket.speed_mps", rocket.speed_mps, 1.0, 60.0),
            ("rocket.life_s", rocket.life_s, 0.1, 30.0),
            ("rocket.cooldown_s", rocket.cooldown_s, 0.0, 5.0),
            ("pick_up.radius_m", pick_up.radius_m, 0.1, 5.0),
            ("pick_up.respawn_s", pick_up.respawn_s, 0.1, 600.0),
        ];
        for (name, value, min, max) in reals {
            // A NaN is in no range.
            if !(min..=max).contains(&value) {
                return Err(ConfigError(format!("rules.{name} is {value}; {min} to {max} is allowed")));
            }
        }
        let wholes = [
            ("health_max", self.health_max, 1, HEALTH_MAX),
            ("rifle.ammo_max", rifle.ammo_max, 0, AMMO_MAX),
            ("rifle.ammo_start", rifle.ammo_start, 0, rifle.ammo_max),
            ("rocket.ammo_max", rocket.ammo_max, 0, AMMO_MAX),
            ("rocket.ammo_start", rocket.ammo_start, 0, rocket.ammo_max),
        ];
        for (name, value, min, max) in wholes {
            if !(min..=max).contains(&value) {
                return Err(ConfigError(format!("rules.{name} is {value}; {min} to {max} is allowed")));
            }
        }
        Ok(())
    }
}

/// Whole ticks that last at least `seconds`, at `dt` seconds a tick.
pub(crate) fn ticks(seconds: f32, dt: f32) -> u16 {
    // A hair less, so that 0.15 s at 60 Hz are nine ticks and not ten.
    (seconds / dt - 0.001).ceil() as u16
}
