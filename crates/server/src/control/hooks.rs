//! What an operator may ask for that is not the shards' to do. Whoever can do it puts a hook here before the server runs;
//! where there is none, the answer is that it cannot be done.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::command::Who;
use crate::config::Prefix;

/// Whether a hook did what was asked.
pub type Done = Result<(), HookError>;

/// Something that may be there, or not.
pub type Hook<T> = Option<Arc<T>>;

/// What can be asked for beside the shards. Hooks are called on a thread that may wait, never on a shard's.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Reads the configuration again. Says what changed and what could not.
    pub reload: Hook<dyn Fn() -> Result<serde_json::Value, HookError> + Send + Sync>,
    /// Changes which log lines are told, to a filter such as `info` or `downbeat_server=debug`.
    pub log_level: Hook<dyn Fn(&str) -> Done + Send + Sync>,
    /// Keeps the list of those who may not come in.
    pub bans: Hook<dyn Bans>,
}

/// Something that somebody did through the admin interface, once it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Whose token it was.
    pub by: String,
    /// What was done: `kick`, `mute`, `unmute`, `ban`, `unban`, `broadcast`, `open room`, `close room`, `drain`, `reload`, `log level`.
    pub what: &'static str,
    /// To whom, if it was done to somebody.
    pub to: Option<Who>,
    /// The room that it was about.
    pub room: Option<u64>,
    /// What was given as reason or text.
    pub text: String,
}

/// The list of those who may not come in.
pub trait Bans: Send + Sync {
    /// Puts somebody on the list, or changes how long it stays there. Returns once that is as safe as it gets: where bans
    /// are kept in a file, it is written.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn add(&self, whom: Banned, time: Option<Duration>, reason: &str) -> Result<Ban, HookError>;

    /// Takes somebody off the list; false when it was not on it.
    ///
    /// # Errors
    /// When that cannot be kept.
    fn remove(&self, id: u64) -> Result<bool, HookError>;

    /// Everybody who is on it.
    fn list(&self) -> Vec<Ban>;
}

/// Who may not come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Banned {
    /// An account, as tickets name it.
    Account(String),
    /// An address, or a block of them.
    Network(#[serde(serialize_with = "as_text")] Prefix),
}

impl Banned {
    /// Whether it means `who`.
    #[must_use]
    pub fn includes(&self, who: &Who) -> bool {
        match self {
            Self::Account(account) => who.account.as_deref() == Some(account),
            Self::Network(prefix) => who.address.is_some_and(|address| prefix.contains(address)),
        }
    }
}

fn as_text<S: Serializer>(prefix: &Prefix, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(prefix)
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Names the entry.
    pub id: u64,
    /// Who may not come in.
    pub whom: Banned,
    /// Until when, in seconds since 1970 (UTC); for ever without.
    pub until: Option<u64>,
    /// Why.
    pub reason: String,
}

/// Why a hook did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// What was asked for cannot be: says what is allowed.
    #[error("{0}")]
    Asked(String),
    /// It cannot be done now: says what to do about it.
    #[error("{0}")]
    Failed(String),
}

impl Act {
    /// Something that was done by the bearer of a token.
    #[must_use]
    pub const fn new(by: String, what: &'static str) -> Self {
        Self { by, what, to: None, room: None, text: String::new() }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did `{}`", self.by, self.what)?;
        // Never what a client wrote, such as its name.
        if let Some(who) = &self.to {
            write!(f, " to client {}", who.id)?;
            if let Some(account) = &who.account {
                write!(f, ", account {account}")?;
            }
        }
        if let Some(room) = self.room {
            write!(f, ", room {room}")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("reload", &self.reload.is_some())
            .field("log_level", &self.log_level.is_some())
            .field("bans", &self.bans.is_some())
            .finish()
    }
}
