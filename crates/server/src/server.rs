//! The process around rooms, from binding the sockets to the report at the end.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use downbeat_host::Schedule;
use downbeat_replica::codec::{Model, ModelError};
use downbeat_replica::{ConfigError, Game, Schema};
use downbeat_transport::{
    Driver, Fingerprint, Identity, IdentityError, KernelSocket, Secret, ServerOptions, Socket, SocketOptions,
};
use downbeat_wire::Micros;
use downbeat_wire::control;
use downbeat_wire::description::Description;
use downbeat_wire::limits::DESCRIPTION_BYTES_MAX;

use crate::config::{Config, Listen};
use crate::limits::{CONNECTIONS_SPARE, FAREWELL, RULES_BYTES_MAX};
use crate::notice::{Notice, Notify};
use crate::os;
use crate::progress::Progress;
use crate::report::ServerReport;
use crate::shard::{Rules, Shard, Told};
use crate::stop::{Stop, Urgency};

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {error}{}", next_step(error))]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate or the key cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The game's rules cannot be.
    #[error("{0}")]
    Game(#[from] ConfigError),
    /// The game's rules are too long to be told to clients.
    #[error("the game's configuration takes {bytes} bytes; clients can be told {RULES_BYTES_MAX}")]
    RulesTooLong {
        /// Their length.
        bytes: usize,
    },
    /// The game comes with a model that is none of its own.
    #[error(
        "the file in the game's `const MODEL` cannot be used: {0}; put in what `train` wrote for this schema, or nothing (`&[]`)"
    )]
    Model(#[from] ModelError),
    /// The game's schema or its model is too long to be told to clients.
    #[error(
        "the game's {what} takes {bytes} bytes; clients can be told {DESCRIPTION_BYTES_MAX}: make its kinds fewer or smaller"
    )]
    DescriptionTooLong {
        /// Which of them.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// There is no socket.
    #[error("there is no address to listen on")]
    NoSocket,
}

/// Why a server ended before it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("a socket failed: {0}")]
pub struct RunError(#[from] io::Error);

/// What to do when an address cannot be bound.
fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; is another server running there? Choose another port (--listen 127.0.0.1:4434), or any that is free \
             (--listen 127.0.0.1:0)"
        }
        io::ErrorKind::AddrNotAvailable => "; it is no address of this machine",
        io::ErrorKind::PermissionDenied => "; choose a port from 1024 on",
        _ => "",
    }
}

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
        let rules = rules::<G>(encoded)?;
        let identity = identity(config)?;
        let fingerprint = identity.fingerprint();
        let options = options(config, identity);
        let drivers = sockets.into_iter().map(|socket| Driver::server(&options, socket));
        let drivers = drivers.collect::<Result<Vec<_>, _>>()?;
        let seed = config.seed.unwrap_or_else(random);
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
        self.shard.pin();
        let mut schedule = Schedule::new(self.shard.clock.now(), self.shard.config.tick_rate_hz);
        while stop.urgency() == Urgency::None {
            self.tick(&mut schedule)?;
        }
        self.drain(&mut schedule, stop)?;
        self.say_farewell(stop)?;
        Ok(self.shard.report())
    }

    fn tick(&mut self, schedule: &mut Schedule) -> io::Result<()> {
        let due = schedule.due();
        self.wait(due, schedule.length())?;
        let began = self.shard.clock.now();
        self.shard.tick(due, began)?;
        self.shard.measure(due, began, schedule.following());
        let now = self.shard.clock.now();
        let left_out = schedule.advance(now);
        if left_out > 0 {
            self.shard.leave_out(now, left_out);
        }
        Ok(())
    }

    /// Sleeps until a tick is due. The sockets are looked into four times a tick, or every millisecond while handshakes
    /// are under way: looking on every arrival costs a fifth more, and inputs carry the kernel's stamp of their arrival.
    fn wait(&mut self, due: Micros, length: Micros) -> io::Result<()> {
        let clock = self.shard.clock;
        let pause = Micros(length.0 / LOOKS_PER_TICK);
        let mut looked_at = clock.now();
        loop {
            let now = clock.now();
            if now >= due {
                return Ok(());
            }
            // Counted back from the tick, so that a look never makes it late.
            let looks_left = due.since(looked_at).0.saturating_sub(1) / pause.0;
            let regular = due - Micros(looks_left * pause.0);
            let look_at = self.shard.next_look(looked_at).map_or(regular, |at| at.min(regular));
            if look_at + LOOK_BEFORE_TICK > due {
                sleep_until(now, due);
            } else if now < look_at {
                std::thread::sleep(Duration::from_micros(look_at.since(now).0));
            } else {
                self.shard.drain_sockets(now)?;
                looked_at = now;
            }
        }
    }

    fn drain(&mut self, schedule: &mut Schedule, stop: &Stop) -> io::Result<()> {
        let begin = self.shard.clock.now();
        self.shard.begin_drain(begin);
        let deadline = begin + Micros(self.shard.config.drain_deadline.as_micros() as u64);
        while self.shard.clients() > 0 && self.shard.clock.now() < deadline && stop.urgency() < Urgency::Now {
            self.tick(schedule)?;
        }
        Ok(())
    }

    /// Closes all connections, and answers those who did not hear it for a moment.
    fn say_farewell(&mut self, stop: &Stop) -> io::Result<()> {
        let begin = self.shard.clock.now();
        self.shard.shut_down(begin);
        self.shard.flush()?;
        while !self.shard.is_idle() && stop.urgency() < Urgency::Now {
            let now = self.shard.clock.now();
            if now.since(begin) > FAREWELL {
                break;
            }
            self.shard.drain_sockets(now)?;
            self.shard.flush()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// What every session is told or asked, from the game and its encoded configuration.
fn rules<G: Game>(config: Vec<u8>) -> Result<Rules, StartError> {
    let schema = Schema::of::<G>()?;
    let model = Model::of_game::<G>(&schema)?;
    let description = Description { schema: schema.to_bytes(), model: model.to_bytes() };
    for (what, bytes) in [("schema", description.schema.len()), ("model", description.model.len())] {
        if bytes > DESCRIPTION_BYTES_MAX {
            return Err(StartError::DescriptionTooLong { what, bytes });
        }
    }
    let told = Told::new(&description);
    Ok(Rules { schema_hash: schema.hash(), model_hash: model.hash(), config, told })
}

/// Sleeps most of the way to `due`, and spins the rest of it.
fn sleep_until(now: Micros, due: Micros) {
    match due.since(now).0.checked_sub(SPIN.0) {
        Some(us) if us > 0 => std::thread::sleep(Duration::from_micros(us)),
        _ => std::hint::spin_loop(),
    }
}

/// Looks into the sockets per tick, the one at its beginning included.
const LOOKS_PER_TICK: u64 = 4;

/// A look later than this before a tick is left to the tick.
const LOOK_BEFORE_TICK: Micros = Micros(500);

/// How long before a tick sleeping ends, since nobody wakes in time to the microsecond.
const SPIN: Micros = Micros(60);

/// Binds the addresses of `config`, as [`Server::start`] does.
///
/// # Errors
/// When an address cannot be bound.
pub fn bind(config: &Config, notify: &mut Notify) -> Result<Vec<KernelSocket>, StartError> {
    let mut sockets = Vec::new();
    for &listen in &config.listen {
        match listen {
            Listen::Address(address) => sockets.push(bind_one(address)?),
            Listen::Localhost(port) => {
                let mut port = port;
                let mut missing = Vec::new();
                for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                    match bind_one(SocketAddr::new(ip, port)) {
                        Ok(socket) => {
                            port = socket.local_addr().port();
                            sockets.push(socket);
                        }
                        // A port that is taken is no missing family.
                        Err(StartError::Bind { address, error }) if error.kind() != io::ErrorKind::AddrInUse => {
                            missing.push((address, error));
                        }
                        Err(error) => return Err(error),
                    }
                }
                if missing.len() == 2 {
                    let (address, error) = missing.remove(0);
                    return Err(StartError::Bind { address, error });
                }
                for (address, error) in missing {
                    notify(&Notice::FamilyMissing { address, error: error.to_string() });
                }
            }
        }
    }
    for socket in &sockets {
        let address = socket.local_addr();
        if !address.ip().to_canonical().is_loopback() {
            notify(&Notice::Unauthenticated { address });
        }
        warn_of_buffer(socket, notify);
    }
    Ok(sockets)
}

fn bind_one(address: SocketAddr) -> Result<KernelSocket, StartError> {
    KernelSocket::bind(address, SocketOptions::default()).map_err(|error| StartError::Bind { address, error })
}

#[cfg(target_os = "linux")]
fn warn_of_buffer(socket: &KernelSocket, notify: &mut Notify) {
    let bytes = socket.receive_buffer_bytes();
    if bytes < downbeat_transport::limits::KERNEL_BUFFER_BYTES {
        notify(&Notice::SmallReceiveBuffer { address: socket.local_addr(), bytes });
    }
}

#[cfg(not(target_os = "linux"))]
fn warn_of_buffer(_socket: &KernelSocket, _notify: &mut Notify) {}

fn options(config: &Config, identity: Identity) -> ServerOptions {
    let mut options = ServerOptions::new(identity);
    options.secret = Secret::random();
    options.connections_max = config.clients_max() + CONNECTIONS_SPARE;
    let rate_cap = &mut options.tuning.rate_cap_bytes_per_s;
    // Twice what snapshots may take: packets, control messages and resent ones come on top.
    *rate_cap = (*rate_cap).max(2 * u64::from(config.client_bytes_per_s));
    options
}

fn identity(config: &Config) -> Result<Identity, StartError> {
    let Some(tls) = &config.tls else {
        return Ok(Identity::self_signed(&["localhost", "127.0.0.1", "::1"])?);
    };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| StartError::Read { path: path.clone(), error });
    Ok(Identity::from_pem(&read(&tls.cert)?, &read(&tls.key)?)?)
}

fn random() -> u64 {
    getrandom::u64().expect("the operating system has randomness")
}
