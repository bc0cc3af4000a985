//! The rules of a game, which only the game can check: its table is read when its type is known.

use std::any::TypeId;

use downbeat_replica::Game;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::error::{ConfigError, Source};
use super::loader::Layer;

/// What was said about the rules of the chosen game, by every place in turn.
#[derive(Debug)]
pub struct GameTable {
    pub(super) game: &'static str,
    pub(super) layers: Vec<Layer>,
}

impl GameTable {
    /// The rules of `G`, its defaults where nobody says otherwise, checked by the game itself.
    ///
    /// # Errors
    /// When a rule is unknown or impossible: says where it was set.
    pub fn rules<G: Game>(&self) -> Result<G::Config, ConfigError> {
        let mut rules = G::Config::default();
        let mut merged = Table::new();
        for layer in &self.layers {
            let entries = layer.raw.game.iter().flatten();
            let Some((_, table)) = entries.into_iter().find(|(key, _)| key.get_ref() == self.game) else { continue };
            let Value::Table(table) = table.get_ref() else { continue };
            if TypeId::of::<G::Config>() == TypeId::of::<()>() {
                let Some(rule) = table.keys().next() else { continue };
                return Err(layer.source.error(None, format!("`{rule}` is no rule: {} has none", self.game)));
            }
            if let Source::File { text, .. } = &layer.source {
                // Read from the text itself, so that an error knows its line.
                read_located::<G::Config>(text, self.game).map_err(|error| layer.source.syntax(&error))?;
            }
            merge(&mut merged, table);
            rules = Table::try_into(merged.clone()).map_err(|error| layer.source.syntax(&error))?;
        }
        match G::world(&rules) {
            Ok(_) => Ok(rules),
            Err(error) => Err(self.locate(error.0)),
        }
    }

    /// Finds where the rule was set that the game complains of: its message begins with the rule's name.
    fn locate(&self, message: String) -> ConfigError {
        let word = message.split_whitespace().next().unwrap_or_default();
        let rule = word.trim_matches(|c: char| !c.is_alphanumeric()).rsplit('.').next().unwrap_or_default();
        let mut about = None;
        for layer in self.layers.iter().rev() {
            let mut entries = layer.raw.game.iter().flatten();
            let Some((key, table)) = entries.find(|(key, _)| key.get_ref() == self.game) else { continue };
            let Value::Table(table) = table.get_ref() else { continue };
            about.get_or_insert((layer, key.span()));
            if !sets(table, rule) {
                continue;
            }
            let span = match &layer.source {
                Source::File { text, .. } => span_of(text, self.game, rule).unwrap_or(key.span()),
                Source::Named(_) => key.span(),
            };
            return layer.source.error(Some(span), message);
        }
        match about {
            Some((layer, span)) => layer.source.error(Some(span), message),
            None => ConfigError { origin: super::Origin::Default, message },
        }
    }
}

fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn sets(table: &Table, rule: &str) -> bool {
    table.iter().any(|(key, value)| key == rule || value.as_table().is_some_and(|table| sets(table, rule)))
}

fn table_of<'a>(document: &'a DeTable<'_>, game: &str) -> Option<&'a Spanned<DeValue<'a>>> {
    document.get("game")?.get_ref().as_table()?.get(game)
}

fn read_located<C: for<'de> Deserialize<'de>>(text: &str, game: &str) -> Result<(), toml::de::Error> {
    let document = DeTable::parse(text)?;
    let Some(table) = table_of(document.get_ref(), game) else { return Ok(()) };
    C::deserialize(table.clone().into_deserializer()).map(drop)
}

fn span_of(text: &str, game: &str, rule: &str) -> Option<std::ops::Range<usize>> {
    fn find(table: &DeTable<'_>, rule: &str) -> Option<std::ops::Range<usize>> {
        table.iter().find_map(|(key, value)| {
            if key.get_ref() == rule { Some(key.span()) } else { find(value.get_ref().as_table()?, rule) }
        })
    }
    let document = DeTable::parse(text).ok()?;
    find(table_of(document.get_ref(), game)?.get_ref().as_table()?, rule)
}
