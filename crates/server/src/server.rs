//! The process around rooms, from binding the sockets to the report at the end.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ScopedJoinHandle};

use downbeat_replica::Game;
use downbeat_transport::{Driver, Fingerprint, KernelSocket, Socket};

use crate::bans::Bans;
use crate::config::{Config, Orchestrator};
use crate::control::{self, Control, Hooks};
use crate::directory::Directory;
use crate::files::{Files, is_open_to_others};
use crate::http::{Answered, Api, Facts, Http, Tokens};
use crate::limits::RULES_BYTES_MAX;
use crate::log;
use crate::metrics::Metrics;
use crate::notice::{Notice, Notify};
use crate::orchestrator::{Orchestrated, follow_agones};
use crate::os;
use crate::progress::Progress;
use crate::records::{Recorder, Sink};
use crate::reload::{Followers, ReadAgain, Reload};
use crate::report::ServerReport;
use crate::shard::{Common, Figures, Shard};
use crate::start::{self, StartError, bind};
use crate::stop::Stop;
use crate::turnstile::Turnstile;

/// Why a server ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A socket is of no use any more.
    #[error("a socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The system has no thread left for a shard.
    #[error("no thread for a shard is to be had: {0}; start with fewer (--shards)")]
    Thread(io::Error),
}

/// A game server that listens. [`run`](Self::run) serves until it is told to stop.
pub struct Server<G: Game, S = KernelSocket> {
    common: Common<G>,
    shards: Vec<Shard<G, S>>,
    notify: Arc<Mutex<Notify>>,
    hooks: Hooks,
    sinks: Vec<Sink>,
    turnstile: Arc<Turnstile>,
    http: Option<Http>,
}

impl<G: Game> Server<G> {
    /// Binds the addresses of `config` and opens the first room.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: &Config, game: &G::Config, mut notify: Notify) -> Result<Self, StartError> {
        let sockets = bind(config, &mut notify)?;
        Self::over(config, game, sockets, notify)
    }
}

impl<G: Game, S: Socket> Server<G, S> {
    /// A server over sockets that were made elsewhere; [`Config::listen`] is not looked at. Each shard gets as many, the
    /// first shard the first of them; where there are several, datagrams must find their shard's by their connection ids
    /// (see [`bind`]). One driver serves each socket.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn over(config: &Config, game: &G::Config, sockets: Vec<S>, mut notify: Notify) -> Result<Self, StartError> {
        let count = config.shards.max(1);
        if sockets.is_empty() || !sockets.len().is_multiple_of(count.into()) {
            return Err(StartError::NoSocket);
        }
        let encoded = downbeat_wire::control::encode(game);
        if encoded.len() > RULES_BYTES_MAX {
            return Err(StartError::RulesTooLong { bytes: encoded.len() });
        }
        let rules = start::rules::<G>(encoded)?;
        let directory = Arc::new(Directory::new(count, config.rooms_max.into()));
        let (recorder, sinks) = Recorder::new(&config.results)?;
        if let Some(webhook) = config.results.webhook.as_ref().filter(|webhook| is_open_to_others(&webhook.secret)) {
            notify(&Notice::SecretReadable { path: webhook.secret.clone() });
        }
        let metrics = Metrics::new(config, rules.schema_hash, Arc::clone(&directory), Arc::clone(&recorder));
        let common = Common {
            config: config.clone(),
            game: game.clone(),
            metrics: Arc::new(metrics),
            recorder,
            rules: Arc::new(rules),
            seed: config.seed.unwrap_or_else(start::random),
            files: Arc::new(Files::read(config)?),
            directory,
            progress: Arc::new(Progress::new(count)),
            control: Arc::new(Control::new(count)),
        };
        let turnstile = Arc::new(Turnstile::new(config));
        let mut options = start::options(config, common.files.identity.clone(), Arc::clone(&turnstile));
        let http = config.admin.as_ref().map(|admin| Http::bind(admin, &mut notify)).transpose()?;
        let notify = Arc::new(Mutex::new(notify));
        let each = sockets.len() / usize::from(count);
        let mut sockets = sockets.into_iter();
        let mut shards = Vec::new();
        for index in 0..count {
            options.shard = downbeat_transport::Shard::new(index, count).expect("the index is below the count");
            let drivers = sockets.by_ref().take(each).map(|socket| Driver::server(&options, socket));
            let drivers = drivers.collect::<Result<_, _>>()?;
            shards.push(Shard::new(&common, index, drivers, in_turn(&notify))?);
        }
        let bans: Arc<dyn control::Bans> = common.files.bans.clone();
        let hooks = Hooks { bans: Some(bans), log_level: Some(Arc::new(log::set_level_named)), ..Hooks::default() };
        Ok(Self { common, shards, notify, hooks, turnstile, http, sinks })
    }

    /// Where it can be reached.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        // All shards share them.
        self.shards[0].drivers.iter().map(Driver::local_addr).collect()
    }

    /// What its certificate is known by.
    pub fn fingerprint(&self) -> Fingerprint {
        self.common.files.fingerprint()
    }

    /// Who may not come in.
    pub fn bans(&self) -> Arc<Bans> {
        Arc::clone(&self.common.files.bans)
    }

    /// Hash of the game's schema, as clients name it in their hello.
    pub fn schema_hash(&self) -> u64 {
        self.common.rules.schema_hash
    }

    /// Hash of the game's model, likewise.
    pub fn model_hash(&self) -> u64 {
        self.common.rules.model_hash
    }

    /// What decides everything random in its first room.
    pub const fn seed(&self) -> u64 {
        self.common.seed
    }

    /// The way into it while it runs.
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.common.control)
    }

    /// Where the admin interface is, if there is one, and the file of the token that was made for this run, if one was.
    pub fn admin(&self) -> Option<(SocketAddr, Option<&Path>)> {
        self.http.as_ref().map(|http| (http.address(), http.issued()))
    }

    /// What operators may ask for that is not the shards' to do; to be filled in before it runs.
    pub const fn hooks(&mut self) -> &mut Hooks {
        &mut self.hooks
    }

    /// Lets the configuration be read again while it runs, by `read`: what can change live does. Whoever asks the admin
    /// interface for it gets the same.
    pub fn reload_with(&mut self, read: ReadAgain<G::Config>) -> Arc<Reload> {
        let followers = Followers {
            files: Arc::clone(&self.common.files),
            turnstile: Arc::clone(&self.turnstile),
            directory: Arc::clone(&self.common.directory),
            control: Arc::clone(&self.common.control),
            metrics: Arc::clone(&self.common.metrics),
        };
        let (config, game) = (self.common.config.clone(), self.common.game.clone());
        let reload = Arc::new(Reload::new(config, &game, read, followers, in_turn(&self.notify)));
        let hook = Arc::clone(&reload);
        self.hooks.reload = Some(Arc::new(move || hook.asked()));
        reload
    }

    /// Figures that other threads may read while it runs.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.common.progress)
    }

    /// What a monitoring system may ask for while it runs.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.common.metrics)
    }
}

impl<G: Game, S: Socket + Send> Server<G, S> {
    /// Serves until `stop` is requested: the first shard on this thread, each other one on a thread of its own. Then tells the
    /// clients, waits for the drain deadline or until they have left, closes what is left, and returns within a second after
    /// that. A shard that fails ends the others at once, by requesting `stop` itself.
    ///
    /// # Errors
    /// When a socket is of no use any more.
    pub fn run(mut self, stop: &Stop) -> Result<ServerReport, RunError> {
        let (files, notify) = (&self.common.files, &self.notify);
        let is_over = &AtomicBool::new(false);
        let admin = self
            .http
            .take()
            .map(|http| http.open(|tokens| self.api(stop, tokens)))
            .transpose()
            .map_err(RunError::Thread)?;
        let sinks = std::mem::take(&mut self.sinks);
        let (first, others) = self.shards.split_first_mut().expect("a server has a shard");
        thread::scope(|scope| {
            let _end = EndAll(stop);
            let _over = Over(is_over);
            let follow = || files.follow(is_over, in_turn(notify));
            thread::Builder::new().name("files".to_owned()).spawn_scoped(scope, follow).map_err(RunError::Thread)?;
            let _open = match admin {
                Some((open, serve)) => {
                    let builder = thread::Builder::new().name("admin".to_owned());
                    builder.spawn_scoped(scope, serve).map_err(RunError::Thread)?;
                    Some(open)
                }
                None => None,
            };
            if self.common.config.orchestrator == Orchestrator::Agones {
                let server = Orchestrated {
                    options: &self.common.config.agones,
                    metrics: &self.common.metrics,
                    control: &self.common.control,
                    directory: &self.common.directory,
                    stop,
                    is_over,
                };
                let follow = move || follow_agones(&server, in_turn(notify));
                thread::Builder::new()
                    .name("agones".to_owned())
                    .spawn_scoped(scope, follow)
                    .map_err(RunError::Thread)?;
            }
            for sink in sinks {
                let name = format!("results {}", sink.name());
                let run = || sink.run(is_over, stop, in_turn(notify));
                thread::Builder::new().name(name).spawn_scoped(scope, run).map_err(RunError::Thread)?;
            }
            let serve_other = |(index, shard): (usize, _)| {
                let builder = thread::Builder::new().name(format!("shard {}", index + 1));
                builder.spawn_scoped(scope, || serve(shard, stop)).map_err(RunError::Thread)
            };
            let others: Result<Vec<_>, _> = others.iter_mut().enumerate().map(serve_other).collect();
            let others = others.inspect_err(|_| stop.end_now())?;
            let ended = serve(first, stop);
            others.into_iter().map(join).fold(ended, Result::and)
        })?;
        // The sockets of all shards are open until here: the kernel counts the shards by them.
        let figures: Vec<_> = self.shards.iter().map(Shard::figures).collect();
        Ok(Figures::report(&figures, &self.common.config, self.common.directory.clients_peak()))
    }

    /// What the admin interface works with.
    fn api(&self, stop: &Stop, tokens: Tokens) -> Api {
        let Common { config, control, rules, .. } = &self.common;
        let facts = Facts {
            version: env!("CARGO_PKG_VERSION"),
            game: config.game.clone(),
            schema: format!("{:016x}", rules.schema_hash),
            tick_rate_hz: config.tick_rate_hz,
            send_rate_hz: config.send_rate_hz,
            rooms_max: config.rooms_max,
            players_max: config.players_max,
            shards: config.shards,
        };
        Api {
            control: Arc::clone(control),
            facts,
            tokens,
            metrics: Arc::clone(&self.common.metrics),
            recorder: Arc::clone(&self.common.recorder),
            hooks: self.hooks.clone(),
            stop: stop.clone(),
            notify: Mutex::new(in_turn(&self.notify)),
            answered: Answered::default(),
            pulse: Mutex::default(),
            history: Mutex::default(),
        }
    }
}

/// Runs a shard to its end; if that is no good end, the others end at once.
fn serve<G: Game, S: Socket>(shard: &mut Shard<G, S>, stop: &Stop) -> Result<(), RunError> {
    let _end = EndAll(stop);
    os::sleep_precisely();
    Ok(shard.run(stop).inspect_err(|_| stop.end_now())?)
}

fn join(thread: ScopedJoinHandle<'_, Result<(), RunError>>) -> Result<(), RunError> {
    // Outside of rooms nothing is caught: a panic there is the process's.
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Tells those who watch files that all shards have ended.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends all shards when the one that holds it panics.
struct EndAll<'a>(&'a Stop);

impl Drop for EndAll<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end_now();
        }
    }
}

/// Shards tell notices one at a time. They are rare, and telling one must not block: nobody waits long.
fn in_turn(notify: &Arc<Mutex<Notify>>) -> Notify {
    let notify = Arc::clone(notify);
    Box::new(move |notice| {
        // One that panicked may be called again: it is the caller's, and holds nothing of ours.
        let mut notify = notify.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        notify(notice);
    })
}
