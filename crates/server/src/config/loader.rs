//! Layers of settings, one for each place that says something; of two that set the same key, the nearer to the operator
//! wins: a flag, then a variable, then the file.

use std::path::Path;

use super::error::{ConfigError, Origin, Source};
use super::raw::{KEYS, PREFIX, Raw, variable};

/// A game that the process can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GameDefaults {
    /// Its name.
    pub name: &'static str,
    /// Places in a room, where nobody says otherwise.
    pub players_max: u16,
}

/// Reads a configuration from all places that it may stand in.
#[derive(Debug)]
pub struct Loader {
    pub(super) games: Vec<GameDefaults>,
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) rank: Rank,
    pub(super) raw: Raw,
    pub(super) source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    File,
    Environment,
    Flag,
}

impl Loader {
    /// Nothing is set yet. The first game is the default.
    #[must_use]
    pub fn new(games: &[GameDefaults]) -> Self {
        Self { games: games.to_vec(), layers: Vec::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or does not hold what it should.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        self.source(Source::read(path)?)
    }

    /// Takes `text` for the content of the file `path`.
    ///
    /// # Errors
    /// When it does not hold what it should.
    pub fn text(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        self.source(Source::File { path: path.to_owned(), text: text.to_owned() })
    }

    fn source(&mut self, source: Source) -> Result<(), ConfigError> {
        let raw = toml::from_str(source.text()).map_err(|error| source.syntax(&error))?;
        self.push(Rank::File, raw, source)
    }

    /// Takes in the variables that begin with `DOWNBEAT_`: the key in capitals, with `_` for a dot. `DOWNBEAT_CONFIG` is
    /// left to the caller, and others to nobody: a variable that means nothing is a mistake.
    ///
    /// # Errors
    /// When a variable means nothing, or its value is none.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<(), ConfigError> {
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || name == "DOWNBEAT_CONFIG" {
                continue;
            }
            let key = self.key_of(&name).ok_or_else(|| {
                let known: Vec<String> = KEYS.iter().map(|key| variable(key)).collect();
                let message =
                    format!("no such setting; there are {} and DOWNBEAT_GAME_<game>_<rule>", known.join(", "));
                ConfigError { origin: Origin::Named(name.clone()), message }
            })?;
            self.set(Rank::Environment, &name, &key, &value)?;
        }
        Ok(())
    }

    /// Sets `key` (`tick_rate`, `tls.cert`, `game.name`, `game.field.walkers`) to what `value` says, as the flag `flag`
    /// of a command line.
    ///
    /// # Errors
    /// When there is no such key, or the value is none.
    pub fn flag(&mut self, flag: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set(Rank::Flag, flag, key, value)
    }

    fn key_of(&self, name: &str) -> Option<String> {
        if let Some(key) = KEYS.iter().find(|key| variable(key) == name) {
            return Some((*key).to_owned());
        }
        let rest = name.strip_prefix("DOWNBEAT_GAME_")?.to_lowercase();
        self.games.iter().find_map(|game| {
            let rule = rest.strip_prefix(game.name)?.strip_prefix('_')?;
            Some(format!("game.{}.{rule}", game.name))
        })
    }

    fn set(&mut self, rank: Rank, name: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        let source = Source::Named(name.to_owned());
        // What is no TOML value is a text: nobody wants to quote on a command line.
        let quoted = quote(value);
        let is_value = toml::de::ValueDeserializer::parse(value).is_ok();
        let bare = is_value.then(|| toml::from_str::<Raw>(&format!("{key} = {value}")));
        let raw = match bare {
            Some(Ok(raw)) => raw,
            Some(Err(error)) => toml::from_str(&format!("{key} = {quoted}")).map_err(|_| source.syntax(&error))?,
            None => toml::from_str(&format!("{key} = {quoted}")).map_err(|error| source.syntax(&error))?,
        };
        self.push(rank, raw, source)
    }

    fn push(&mut self, rank: Rank, raw: Raw, source: Source) -> Result<(), ConfigError> {
        for (key, value) in raw.game.iter().flatten() {
            let error = |message| source.error(Some(key.span()), message);
            let (name, is_table) = (key.get_ref(), value.get_ref().is_table());
            if name == "name" {
                continue;
            }
            if !self.games.iter().any(|game| game.name == name) {
                return Err(error(format!("`game.{name}` is unknown; {} are allowed", self.allowed(true))));
            }
            if !is_table {
                return Err(error(format!("`game.{name}` is no table of rules")));
            }
        }
        self.layers.push(Layer { rank, raw, source });
        Ok(())
    }
}

/// `text` as a TOML string.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
