//! What a server needs before it can run: sockets, a certificate, and a game whose rules can be told. All that can be wrong
//! is found here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use downbeat_replica::codec::{Model, ModelError};
use downbeat_replica::{ConfigError, Game, Schema};
use downbeat_transport::{Identity, IdentityError, KernelSocket, Secret, ServerOptions, Socket, SocketOptions};
use downbeat_wire::description::Description;
use downbeat_wire::limits::DESCRIPTION_BYTES_MAX;

use crate::config::{Config, Listen};
use crate::limits::{CONNECTIONS_SPARE, RULES_BYTES_MAX};
use crate::notice::{Notice, Notify};
use crate::shard::{Rules, Told};

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

/// What every session is told or asked, from the game and its encoded configuration.
pub(crate) fn rules<G: Game>(config: Vec<u8>) -> Result<Rules, StartError> {
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

pub(crate) fn options(config: &Config, identity: Identity) -> ServerOptions {
    let mut options = ServerOptions::new(identity);
    options.secret = Secret::random();
    options.connections_max = config.clients_max() + CONNECTIONS_SPARE;
    let rate_cap = &mut options.tuning.rate_cap_bytes_per_s;
    // Twice what snapshots may take: packets, control messages and resent ones come on top.
    *rate_cap = (*rate_cap).max(2 * u64::from(config.client_bytes_per_s));
    options
}

pub(crate) fn identity(config: &Config) -> Result<Identity, StartError> {
    let Some(tls) = &config.tls else {
        return Ok(Identity::self_signed(&["localhost", "127.0.0.1", "::1"])?);
    };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| StartError::Read { path: path.clone(), error });
    Ok(Identity::from_pem(&read(&tls.cert)?, &read(&tls.key)?)?)
}

pub(crate) fn random() -> u64 {
    getrandom::u64().expect("the operating system has randomness")
}
