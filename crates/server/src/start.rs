//! What a server needs before it can run: sockets, a certificate, and a game whose rules can be told. All that can be wrong
//! is found here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use downbeat_replica::codec::{Model, ModelError};
use downbeat_replica::{ConfigError, Game, Schema};
use downbeat_transport::{IdentityError, KernelSocket, LiveIdentity, Secret, ServerOptions, Socket, SocketOptions};
use downbeat_wire::description::Description;
use downbeat_wire::limits::DESCRIPTION_BYTES_MAX;

use crate::bans::BansError;
use crate::config::{Config, Listen};
use crate::doorman::KeyFileError;
use crate::files::Files;
use crate::http::{Tokens, TokensError};
use crate::limits::{CONNECTIONS_SPARE, RULES_BYTES_MAX};
use crate::notice::{Notice, Notify};
use crate::records::{self, RecordsError};
use crate::shard::{Rules, Told};
use crate::turnstile::Turnstile;

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
    /// The system does not let shards share a port.
    #[error("{shards} shards cannot share {address}: {error}; start with --shards 1")]
    NotShared {
        /// How many.
        shards: u8,
        /// What they were to share.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The ticket keys cannot be used.
    #[error("the ticket keys {path}: {error}")]
    TicketKeys {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        error: KeyFileError,
    },
    /// The bans cannot be used.
    #[error("the bans {path}: {error}")]
    Bans {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        error: BansError,
    },
    /// The address of the admin interface cannot be bound.
    #[error("the admin interface cannot listen on {address}: {error}{}", next_step_admin(error))]
    BindAdmin {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The tokens of the admin interface cannot be used.
    #[error(transparent)]
    AdminTokens(#[from] TokensError),
    /// Anybody could come in.
    #[error(
        "{address} can be reached from other machines, and nobody is asked for a ticket: set `tickets.keys`, listen on \
         loopback alone, or let anybody in with --danger-no-auth"
    )]
    Open {
        /// The address that others reach.
        address: SocketAddr,
    },
    /// Records cannot be kept.
    #[error("records cannot be kept: {0}")]
    Records(#[from] RecordsError),
    /// There is no socket, or not as many for one shard as for another.
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

/// The same for the admin interface.
fn next_step_admin(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; is another server running there? Choose another port (--admin 127.0.0.1:4481), or any that is free \
             (--admin 127.0.0.1:0)"
        }
        _ => next_step(error),
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

/// Binds the addresses of `config`, as [`Server::start`](crate::Server::start) does: a socket of each for the first shard,
/// then for the second, and so on. The sockets of an address share its port, and the kernel hands each datagram to the one
/// whose shard its connection id names, until the first of them is closed.
///
/// # Errors
/// When an address cannot be bound, or the shards cannot share it.
pub fn bind(config: &Config, notify: &mut Notify) -> Result<Vec<KernelSocket>, StartError> {
    let mut groups = Vec::new();
    for &listen in &config.listen {
        match listen {
            Listen::Address(address) => groups.push(bind_group(address, config.shards, steer)?),
            Listen::Localhost(port) => groups.extend(bind_localhost(port, config.shards, notify)?),
        }
    }
    for group in &groups {
        let address = group[0].local_addr();
        if is_open(config, address) {
            keep_closed(config, address)?;
            notify(&Notice::Unauthenticated { address });
        }
        warn_of_buffer(&group[0], notify);
    }
    // From groups by address to a row for each shard.
    let mut groups: Vec<_> = groups.into_iter().map(Vec::into_iter).collect();
    Ok((0..config.shards.max(1))
        .flat_map(|_| groups.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>())
        .collect())
}

/// Whether anybody could come in over this address.
fn is_open(config: &Config, address: SocketAddr) -> bool {
    config.tickets.is_none() && !address.ip().to_canonical().is_loopback()
}

/// Refuses an address that anybody could come in over, unless that is wanted.
fn keep_closed(config: &Config, address: SocketAddr) -> Result<(), StartError> {
    let is_refused = is_open(config, address) && !config.danger_no_auth;
    if is_refused { Err(StartError::Open { address }) } else { Ok(()) }
}

/// Both families' loopback on one port, as far as the system has them.
fn bind_localhost(port: u16, shards: u8, notify: &mut Notify) -> Result<Vec<Vec<KernelSocket>>, StartError> {
    let mut port = port;
    let (mut groups, mut missing) = (Vec::new(), Vec::new());
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        match bind_group(SocketAddr::new(ip, port), shards, steer) {
            Ok(group) => {
                port = group[0].local_addr().port();
                groups.push(group);
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
    Ok(groups)
}

/// Asks the kernel to hand out a group's datagrams by their connection ids.
type Steer = fn(&KernelSocket, u8) -> io::Result<()>;

fn steer(socket: &KernelSocket, shards: u8) -> io::Result<()> {
    socket.steer_by_connection_id(shards)
}

/// Binds the sockets of one address, the first shard's first: the kernel counts them in this order.
fn bind_group(address: SocketAddr, shards: u8, steer: Steer) -> Result<Vec<KernelSocket>, StartError> {
    let alone = bind_one(address, SocketOptions::default())?;
    if shards <= 1 {
        return Ok(vec![alone]);
    }
    // A shared port is given to whoever of this user asks for it. One that is ours alone is nobody else's, and is a port
    // even if any was asked for.
    let address = alone.local_addr();
    drop(alone);
    let options = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    let not_shared = |error| StartError::NotShared { shards, address, error };
    let sockets: io::Result<Vec<_>> = (0..shards).map(|_| KernelSocket::bind(address, options)).collect();
    let sockets = sockets.map_err(not_shared)?;
    steer(&sockets[0], shards).map_err(not_shared)?;
    Ok(sockets)
}

fn bind_one(address: SocketAddr, options: SocketOptions) -> Result<KernelSocket, StartError> {
    KernelSocket::bind(address, options).map_err(|error| StartError::Bind { address, error })
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

pub(crate) fn options(config: &Config, identity: LiveIdentity, turnstile: Arc<Turnstile>) -> ServerOptions {
    let mut options = ServerOptions::new(identity);
    options.secret = Secret::random();
    options.connections_max = connections_max(config);
    options.upload_bytes_per_s = config.upload_bytes_per_s;
    options.turnstile = Some(turnstile);
    let rate_cap = &mut options.tuning.rate_cap_bytes_per_s;
    // Twice what snapshots may take: packets, control messages and resent ones come on top.
    *rate_cap = (*rate_cap).max(2 * u64::from(config.client_bytes_per_s));
    options
}

/// Connections at a time of one driver: the places of all rooms, and a few.
pub(crate) fn connections_max(config: &Config) -> usize {
    config.clients_max() + CONNECTIONS_SPARE
}

/// Reads the files that `config` names, as a server does before it starts: keys of tickets, certificate and key, bans, tokens
/// of the admin interface, the secret of the webhook.
///
/// # Errors
/// When one of them cannot be used, or anybody could come in.
pub fn check_files(config: &Config) -> Result<(), StartError> {
    for listen in &config.listen {
        if let Listen::Address(address) = *listen {
            keep_closed(config, address)?;
        }
    }
    Files::read(config)?;
    records::check(&config.results)?;
    if let Some(path) = config.admin.as_ref().and_then(|admin| admin.tokens.as_ref()) {
        Tokens::none().read(path)?;
    }
    Ok(())
}

pub(crate) fn random() -> u64 {
    getrandom::u64().expect("the operating system has randomness")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    #[test]
    fn shards_that_the_kernel_does_not_steer_to_do_not_start_and_the_error_says_what_does() {
        let refuses: Steer = |_, _| Err(io::Error::new(io::ErrorKind::Unsupported, "no such option"));
        let error = bind_group(ANY.into(), 2, refuses).err().expect("it is refused").to_string();
        assert!(error.starts_with("2 shards cannot share 127.0.0.1:"), "{error}");
        assert!(error.ends_with(": no such option; start with --shards 1"), "{error}");
        assert_eq!(bind_group(ANY.into(), 1, refuses).map_or(0, |group| group.len()), 1, "one needs no steering");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_that_another_server_shares_is_taken_all_the_same() {
        let group = bind_group(ANY.into(), 2, steer).expect("loopback has a free port");
        assert_eq!(group[0].local_addr(), group[1].local_addr());
        for shards in [1, 2] {
            let error = bind_group(group[0].local_addr(), shards, steer).err().expect("it is taken").to_string();
            assert!(error.contains("is another server running there?"), "{error}");
        }
    }
}
