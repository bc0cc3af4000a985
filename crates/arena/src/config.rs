//! What an operator sets: `[game.arena]` of the server's configuration. Clients are sent a copy, map and all.

use downbeat_replica::ConfigError;
use serde::{Deserialize, Serialize};

use crate::{Map, Rules};

/// The map and the rules. The default is the map "yard" and the default rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the match is played.
    #[serde(default)]
    pub map: Map,
    /// How.
    #[serde(default)]
    pub rules: Rules,
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.rules.check()?;
        self.map.check()
    }
}
