//! The process around rooms, from binding the sockets to the report at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use downbeat_replica::Game;
use downbeat_transport::{Driver, Fingerprint, KernelSocket, Socket};
use downbeat_wire::control;

use crate::config::Config;
use crate::limits::RULES_BYTES_MAX;
use crate::notice::Notify;
use crate::os;
use crate::progress::Progress;
use crate::report::ServerReport;
use crate::shard::Shard;
use crate::start::{self, StartError, bind};
use crate::stop::Stop;

/// Why a server ended before it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("a socket failed: {0}")]
pub struct RunError(#[from] io::Error);

/// A game server that listens. [`run`](Self::run) serves until it is told to stop.
pub struct Server<G: Game, S = KernelSocket> {
    shard: Shard<G, S>,
    fingerprint: Fingerprint,
    seed: u64,
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
    /// A server over sockets that were made elsewhere; [`Config::listen`] is not looked at. One driver serves each.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn over(config: &Config, game: &G::Config, sockets: Vec<S>, notify: Notify) -> Result<Self, StartError> {
        if sockets.is_empty() {
            return Err(StartError::NoSocket);
        }
        let encoded = control::encode(game);
        if encoded.len() > RULES_BYTES_MAX {
            return Err(StartError::RulesTooLong { bytes: encoded.len() });
        }
        let rules = start::rules::<G>(encoded)?;
        let identity = start::identity(config)?;
        let fingerprint = identity.fingerprint();
        let options = start::options(config, identity);
        let drivers = sockets.into_iter().map(|socket| Driver::server(&options, socket));
        let drivers = drivers.collect::<Result<Vec<_>, _>>()?;
        let seed = config.seed.unwrap_or_else(start::random);
        let shard = Shard::new(config.clone(), game.clone(), rules, seed, drivers, notify)?;
        Ok(Self { shard, fingerprint, seed })
    }

    /// Where it can be reached.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shard.drivers.iter().map(Driver::local_addr).collect()
    }

    /// What its certificate is known by.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Hash of the game's schema, as clients name it in their hello.
    pub const fn schema_hash(&self) -> u64 {
        self.shard.rules.schema_hash
    }

    /// Hash of the game's model, likewise.
    pub const fn model_hash(&self) -> u64 {
        self.shard.rules.model_hash
    }

    /// What decides everything random in its first room.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Figures that other threads may read while it runs.
    pub fn progress(&self) -> Arc<Progress> {
        self.shard.progress()
    }

    /// Serves on this thread until `stop` is requested; then tells the clients, waits for the drain deadline or until
    /// they have left, closes what is left, and returns within a second after that.
    ///
    /// # Errors
    /// When a socket is of no use any more.
    pub fn run(mut self, stop: &Stop) -> Result<ServerReport, RunError> {
        os::sleep_precisely();
        self.shard.run(stop)?;
        Ok(self.shard.report())
    }
}
