//! Maps: blocks and ramps in a closed box, read from TOML (`assets/maps/*.toml`).

use downbeat_replica::ConfigError;
use glam::Vec3;
use serde::{Deserialize, Serialize};

use crate::Item;
use crate::limits::{PICK_UPS_MAX, REACH_M, SOLIDS_MAX, SPAWNS_MAX, WAYPOINTS_MAX};

/// A map. Nothing leaves its bounds: they are walls, floor and ceiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// What it is called.
    pub name: String,
    /// Lowest corner of the box that is the world, in metres.
    pub min: [f32; 3],
    /// Highest corner.
    pub max: [f32; 3],
    /// Walls, crates, platforms.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// Slopes to walk up on.
    #[serde(default)]
    pub ramps: Vec<Ramp>,
    /// Where players appear: the place of their feet.
    pub spawns: Vec<[f32; 3]>,
    /// Where items appear.
    #[serde(default)]
    pub pick_ups: Vec<PickUpPoint>,
    /// Places that bots find their way by, at the height of the feet.
    #[serde(default)]
    pub waypoints: Vec<[f32; 3]>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Lowest corner, before it is turned.
    pub min: [f32; 3],
    /// Highest corner.
    pub max: [f32; 3],
    /// How far it is turned about the vertical through its middle.
    #[serde(default)]
    pub turn_deg: f32,
}

/// A wedge that fills the lower half of a box: from nothing on one side to its full height on the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Lowest corner.
    pub min: [f32; 3],
    /// Highest corner.
    pub max: [f32; 3],
    /// The way up.
    pub rise: Rise,
}

/// The way up a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rise {
    /// Towards greater x.
    #[serde(rename = "+x")]
    EastX,
    /// Towards smaller x.
    #[serde(rename = "-x")]
    WestX,
    /// Towards greater z.
    #[serde(rename = "+z")]
    SouthZ,
    /// Towards smaller z.
    #[serde(rename = "-z")]
    NorthZ,
}

/// A place where an item appears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PickUpPoint {
    /// Which item.
    pub item: Item,
    /// Where, in metres.
    pub at: [f32; 3],
}

impl Default for Map {
    fn default() -> Self {
        Self::parse(include_str!("../../../assets/maps/yard.toml")).expect("a test reads the embedded map")
    }
}

impl Map {
    /// Reads a map from TOML.
    ///
    /// # Errors
    /// Says where the text is wrong, or which part of the map is impossible and what is allowed.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let map: Self = toml::from_str(text).map_err(|error| ConfigError(format!("map: {error}")))?;
        map.check()?;
        Ok(map)
    }

    /// Finds what is impossible, as far as it does not depend on the rules.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let (min, max) = (Vec3::from(self.min), Vec3::from(self.max));
        let fail = |what: String| Err(ConfigError(format!("map {:?}: {what}", self.name)));
        let reach = -REACH_M..=REACH_M;
        if !self.min.iter().chain(&self.max).all(|side| reach.contains(side)) || (max - min).min_element() < 3.0 {
            return fail(format!(
                "bounds {min} to {max}: every side is at least 3 m long and lies within ±{REACH_M} m"
            ));
        }
        let counts = [
            ("blocks and ramps", self.blocks.len() + self.ramps.len(), 0, SOLIDS_MAX),
            ("spawns", self.spawns.len(), 1, SPAWNS_MAX),
            ("pick_ups", self.pick_ups.len(), 0, PICK_UPS_MAX),
            ("waypoints", self.waypoints.len(), 0, WAYPOINTS_MAX),
        ];
        for (name, count, least, most) in counts {
            if !(least..=most).contains(&count) {
                return fail(format!("{count} {name}; {least} to {most} are allowed"));
            }
        }
        let blocks = self.blocks.iter().map(|block| ("blocks", block.min, block.max));
        let ramps = self.ramps.iter().map(|ramp| ("ramps", ramp.min, ramp.max));
        for (kind, low, high) in blocks.chain(ramps) {
            let (low, high) = (Vec3::from(low), Vec3::from(high));
            let within = low.cmpge(Vec3::splat(-2.0 * REACH_M)).all() && high.cmple(Vec3::splat(2.0 * REACH_M)).all();
            if !within || !high.cmpge(low + Vec3::splat(0.05)).all() {
                return fail(format!("one of the {kind}, {low} to {high}: every side is at least 0.05 m long"));
            }
        }
        if let Some(ramp) = self.ramps.iter().find(|ramp| !ramp.is_walkable()) {
            return fail(format!("the ramp from {:?} to {:?} is steeper than 45 degrees", ramp.min, ramp.max));
        }
        if let Some(block) = self.blocks.iter().find(|block| !(-360.0..=360.0).contains(&block.turn_deg)) {
            return fail(format!("turn_deg of a block is {}; -360 to 360 is allowed", block.turn_deg));
        }
        let spawns = self.spawns.iter().map(|&at| ("spawns", at));
        let pick_ups = self.pick_ups.iter().map(|point| ("pick_ups", point.at));
        let waypoints = self.waypoints.iter().map(|&at| ("waypoints", at));
        for (kind, at) in spawns.chain(pick_ups).chain(waypoints) {
            let at = Vec3::from(at);
            if !(at.cmpge(min).all() && at.cmple(max).all()) {
                return fail(format!("one of the {kind}, at {at}, is not within the bounds {min} to {max}"));
            }
        }
        Ok(())
    }
}

impl Ramp {
    fn is_walkable(&self) -> bool {
        self.slope() <= 1.0
    }

    /// Metres that it rises by the metre.
    pub(crate) fn slope(&self) -> f32 {
        let run = match self.rise {
            Rise::EastX | Rise::WestX => self.max[0] - self.min[0],
            Rise::SouthZ | Rise::NorthZ => self.max[2] - self.min[2],
        };
        (self.max[1] - self.min[1]) / run
    }
}
