//! What it takes to read what a server tells.

use crate::codec::{Model, ModelError};
use crate::{ConfigError, Game, Schema};

/// A game's tables and its model.
#[derive(Clone, Debug)]
pub struct Coding {
    /// What is replicated.
    pub schema: Schema,
    /// How it is coded.
    pub model: Model,
    /// The model's hash, which both ends compare.
    pub model_hash: u64,
}

impl Coding {
    /// These two, as a server told them.
    ///
    /// # Errors
    /// When the model is for another schema.
    pub fn new(schema: Schema, model: Model) -> Result<Self, ModelError> {
        model.check(&schema)?;
        Ok(Self { model_hash: model.hash(), schema, model })
    }

    /// Those of `G`.
    ///
    /// # Errors
    /// When the schema cannot be, or the game's model is not one of it.
    pub fn of<G: Game>() -> Result<Self, ConfigError> {
        let schema = Schema::of::<G>()?;
        let model = Model::of_game::<G>(&schema).map_err(|error| {
            ConfigError(format!("Game::MODEL of {}: {error}. An empty one works too: records are larger then", G::NAME))
        })?;
        Ok(Self { model_hash: model.hash(), schema, model })
    }
}
