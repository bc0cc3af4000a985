//! An operator changes the configuration and does not want to send everybody away for it. So it is read again as a whole, by
//! whoever knows where it stands; what can change does, and the rest is told. What cannot be used changes nothing: all of it
//! is read and checked before anything is touched.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use downbeat_wire::control::encode;
use serde::{Deserialize, Serialize};

use crate::config::{self, Config, ConfigError};
use crate::control::{Answer, Command, Control, HookError, Refused};
use crate::directory::Directory;
use crate::files::Files;
use crate::limits::{COMMAND_PATIENCE, COMMAND_RETRIED_EVERY};
use crate::metrics::Metrics;
use crate::notice::{Notice, Notify};
use crate::start::StartError;
use crate::turnstile::Turnstile;

/// Reads the configuration and the rules of the game again, from where they were read at first.
pub type ReadAgain<C> = Box<dyn FnMut() -> Result<(Config, C), ConfigError> + Send>;

/// Follows a configuration that was read again.
pub type Follow = Box<dyn FnMut(&Config) + Send>;

/// Reads the configuration of a running server again. Whoever calls it waits until all shards have followed.
pub struct Reload {
    state: Mutex<State>,
    followers: Followers,
}

struct State {
    read: Box<dyn FnMut() -> Result<Fresh, ConfigError> + Send>,
    running: Config,
    rules: Vec<u8>,
    notify: Notify,
    also: Vec<Follow>,
}

struct Fresh {
    config: Config,
    /// The game's rules, encoded.
    rules: Vec<u8>,
}

/// What follows a configuration besides the shards.
pub(crate) struct Followers {
    pub(crate) files: Arc<Files>,
    pub(crate) turnstile: Arc<Turnstile>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) control: Arc<Control>,
    pub(crate) metrics: Arc<Metrics>,
}

/// What became of the changes, key by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys that are followed from now on.
    pub changed: Vec<String>,
    /// Keys that are as they were until the server is started again.
    pub needs_restart: Vec<String>,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that it names cannot be used.
    #[error(transparent)]
    Files(#[from] StartError),
    /// A shard did not take it, and goes on by the configuration before. The others follow.
    #[error("shard {shard} did not follow, all else did: {why}; a restart makes it follow")]
    Shard {
        /// Which.
        shard: u8,
        /// Why.
        why: Refused,
    },
}

impl Reload {
    pub(crate) fn new<C: Serialize + 'static>(
        config: Config,
        rules: &C,
        mut read: ReadAgain<C>,
        followers: Followers,
        notify: Notify,
    ) -> Self {
        let read = Box::new(move || read().map(|(config, rules)| Fresh { config, rules: encode(&rules) }));
        let state = State { read, running: config, rules: encode(rules), notify, also: Vec::new() };
        Self { state: Mutex::new(state), followers }
    }

    /// From now on `follow` is called with each configuration that the server follows.
    pub fn also(&self, follow: Follow) {
        self.lock().also.push(follow);
    }

    /// Reads the configuration and the files that it names again, and follows what can change.
    ///
    /// # Errors
    /// When something cannot be used; then nothing changed. When a shard does not answer; then all others have followed.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        let mut state = self.lock();
        let reloaded = self.follow(&mut state);
        let notice = match &reloaded {
            Ok(Reloaded { changed, needs_restart }) => {
                Notice::Reloaded { changed: changed.clone(), needs_restart: needs_restart.clone() }
            }
            Err(ReloadError::Shard { shard, .. }) => Notice::ReloadUnfinished { shard: *shard },
            Err(error) => Notice::ReloadRefused { error: error.to_string() },
        };
        (state.notify)(&notice);
        reloaded
    }

    /// As the admin interface asks for it.
    pub(crate) fn asked(&self) -> Result<serde_json::Value, HookError> {
        match self.reload() {
            Ok(reloaded) => Ok(serde_json::to_value(reloaded).expect("texts are JSON")),
            Err(error @ ReloadError::Shard { .. }) => Err(HookError::Failed(error.to_string())),
            Err(error) => Err(HookError::Asked(error.to_string())),
        }
    }

    fn follow(&self, state: &mut State) -> Result<Reloaded, ReloadError> {
        let fresh = (state.read)()?;
        let (changes, config) = config::diff(&state.running, &fresh.config);
        self.followers.files.reread(&config)?;
        self.followers.directory.set_rooms_max(config.rooms_max.into());
        self.followers.metrics.follow(&config);
        self.followers.turnstile.follow(&state.running, &config);
        state.also.iter_mut().for_each(|follow| follow(&config));
        // From here on it is the configuration that is run by, whether or not each shard is quick to follow.
        state.running = config;
        self.configure_shards(&state.running)?;
        let names = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut reloaded = Reloaded { changed: names(changes.live), needs_restart: names(changes.restart) };
        // The rules of another game cannot be compared, and need no word of their own.
        if state.running.game == fresh.config.game && state.rules != fresh.rules {
            reloaded.needs_restart.push(format!("game.{}", state.running.game));
        }
        Ok(reloaded)
    }

    /// Tells all shards, and waits until they have followed. One that does not keeps none of the others from it.
    fn configure_shards(&self, config: &Config) -> Result<(), ReloadError> {
        let (config, deadline) = (Arc::new(config.clone()), Instant::now() + COMMAND_PATIENCE);
        let (followed, answers) = channel();
        let shards = self.followers.control.shards();
        let mut waiting: Vec<u8> = Vec::new();
        let mut first = Ok(());
        for shard in 0..shards {
            match self.configure(shard, &config, &followed, deadline) {
                Ok(()) => waiting.push(shard),
                Err(why) => first = first.and(Err(ReloadError::Shard { shard, why })),
            }
        }
        drop(followed);
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok(shard) => waiting.retain(|other| *other != shard),
                Err(error) => {
                    let why = if error == RecvTimeoutError::Timeout { Refused::Busy } else { Refused::Gone };
                    return first.and(Err(ReloadError::Shard { shard: waiting[0], why }));
                }
            }
        }
        first
    }

    fn configure(
        &self,
        shard: u8,
        config: &Arc<Config>,
        followed: &Sender<u8>,
        deadline: Instant,
    ) -> Result<(), Refused> {
        loop {
            let (config, followed) = (Arc::clone(config), followed.clone());
            let answer = Answer::new(move |()| _ = followed.send(shard));
            match self.followers.control.send(shard, Command::Configure { config, answer }) {
                Err(Refused::Busy) if Instant::now() < deadline => thread::sleep(COMMAND_RETRIED_EVERY),
                sent => return sent,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
