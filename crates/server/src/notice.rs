//! What an operator is told while the server runs. Rare things alone: nothing here happens once a tick or a client.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::control::Act;
use downbeat_transport::Fingerprint;
use tracing::{debug, error, info, warn};

/// Something that is worth a line in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// One of the two loopback families is missing on this system, and is left out.
    FamilyMissing {
        /// What could not be bound.
        address: SocketAddr,
        /// What the system says.
        error: String,
    },
    /// The kernel grants less buffer than bursts may need.
    SmallReceiveBuffer {
        /// The socket.
        address: SocketAddr,
        /// What was granted.
        bytes: usize,
    },
    /// Others than this machine can connect, and nobody is asked who they are.
    Unauthenticated {
        /// The address that others reach.
        address: SocketAddr,
    },
    /// The ticket keys were read again, because their file changed.
    KeysRead {
        /// How many there are.
        count: usize,
    },
    /// The file of ticket keys changed, and cannot be used: the keys are as they were.
    KeysRefused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// Another certificate was read, because its files changed: new connections get it.
    CertificateRead {
        /// What it is known by.
        fingerprint: Fingerprint,
    },
    /// The files of the certificate changed, and cannot be used: it is as it was.
    CertificateRefused {
        /// What is wrong with them.
        error: String,
    },
    /// The bans were read again, because their file changed.
    BansRead {
        /// How many there are.
        count: usize,
    },
    /// The file of bans changed, and cannot be used: the bans are as they were.
    BansRefused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// The orchestrator says what it takes the server for.
    OrchestratorState {
        /// `Ready`, `Allocated`, `Reserved`, `Shutdown`, ….
        state: String,
    },
    /// The orchestrator does not do what it is asked, from now on.
    OrchestratorFailing {
        /// What is wrong.
        error: String,
    },
    /// The orchestrator does what it is asked again.
    OrchestratorBack,
    /// The configuration was read again.
    Reloaded {
        /// Keys that are followed from now on.
        changed: Vec<String>,
        /// Keys that changed and are as they were until the server is started again.
        needs_restart: Vec<String>,
    },
    /// The configuration was read again, and cannot be used: all is as it was.
    ReloadRefused {
        /// What is wrong with it.
        error: String,
    },
    /// The configuration was read again, and a shard does not answer: it may go on by the one before.
    ReloadUnfinished {
        /// Which.
        shard: u8,
    },
    /// The thread could not be bound to its processor.
    NotPinned {
        /// What the system says.
        error: String,
    },
    /// A room was opened.
    RoomOpened {
        /// Which.
        room: u64,
    },
    /// A room was closed because it was empty.
    RoomClosed {
        /// Which.
        room: u64,
    },
    /// A room was closed because an operator asked for it.
    RoomEnded {
        /// Which.
        room: u64,
        /// How many were sent away.
        clients: usize,
    },
    /// A room's game panicked; its clients were sent away, and the other rooms go on.
    RoomFailed {
        /// Which.
        room: u64,
    },
    /// No room can be opened any more.
    RoomRefused {
        /// What the game says.
        error: String,
    },
    /// Ticks take longer than they may: the match ran slower for a moment. Told once a second at most.
    Slowed {
        /// Ticks that were left out since that was told last.
        ticks: u64,
    },
    /// The shard is overloaded: a room sends fewer snapshots. Told once a second at most.
    SendRateLowered {
        /// Which.
        room: u64,
        /// Snapshots per second from here on.
        send_rate_hz: u32,
    },
    /// There is time again: a room sends more snapshots.
    SendRateRaised {
        /// Which.
        room: u64,
        /// Snapshots per second from here on.
        send_rate_hz: u32,
    },
    /// The admin interface can be reached from other machines, and what goes over it can be read on the way.
    AdminUnencrypted {
        /// The address that others reach.
        address: SocketAddr,
    },
    /// Others on this machine can read a secret: tokens of the admin interface, or what signs records.
    SecretReadable {
        /// Its file.
        path: PathBuf,
    },
    /// Somebody did something through the admin interface.
    Act(Act),
    /// Records cannot be delivered at the moment; they wait. Told once, until they can be again.
    RecordsDelayed {
        /// `file` or `webhook`.
        sink: &'static str,
        /// What is wrong.
        error: String,
    },
    /// They can be delivered again.
    RecordsDelivered {
        /// `file` or `webhook`.
        sink: &'static str,
    },
    /// So many records wait that others were lost; or the server ended while they did.
    RecordsLost {
        /// `file` or `webhook`.
        sink: &'static str,
        /// How many, since that was told last.
        count: u64,
    },
    /// The server was asked to end and waits for its clients.
    Draining {
        /// How many are connected.
        clients: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FamilyMissing { address, error } => write!(f, "not listening on {address}: {error}"),
            Self::SmallReceiveBuffer { address, bytes } => write!(
                f,
                "{address} has a receive buffer of {bytes} bytes, bursts may overflow it; raise net.core.rmem_max"
            ),
            Self::Unauthenticated { address } => {
                write!(f, "{address} can be reached from other machines, and nobody is authenticated")
            }
            Self::KeysRead { count: 1 } => f.write_str("the ticket keys changed: there is 1"),
            Self::KeysRead { count } => write!(f, "the ticket keys changed: there are {count}"),
            Self::KeysRefused { path, error } => {
                write!(f, "{} changed and cannot be used, the ticket keys are as they were: {error}", path.display())
            }
            Self::CertificateRead { fingerprint } => {
                write!(f, "the certificate changed, new connections get the one with SHA-256 {fingerprint}")
            }
            Self::CertificateRefused { error } => {
                write!(f, "the certificate's files changed and cannot be used, it is as it was: {error}")
            }
            Self::BansRead { count: 1 } => f.write_str("the bans changed: there is 1"),
            Self::BansRead { count } => write!(f, "the bans changed: there are {count}"),
            Self::BansRefused { path, error } => {
                write!(f, "{} changed and cannot be used, the bans are as they were: it {error}", path.display())
            }
            Self::OrchestratorState { state } => write!(f, "the orchestrator says: {state}"),
            Self::OrchestratorFailing { error } => error.fmt(f),
            Self::OrchestratorBack => f.write_str("the orchestrator does what it is asked again"),
            Self::Reloaded { changed, needs_restart } => {
                let list = |keys: &[String]| if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
                write!(f, "the configuration was read again: {} changed", list(changed))?;
                if needs_restart.is_empty() { Ok(()) } else { write!(f, "; {} need a restart", list(needs_restart)) }
            }
            Self::ReloadRefused { error } => write!(f, "the configuration is as it was: {error}"),
            Self::ReloadUnfinished { shard } => {
                write!(f, "the configuration was read again, and shard {shard} did not follow: a restart makes it")
            }
            Self::NotPinned { error } => {
                write!(f, "the shard is not bound to its processor: {error}; `lscpu` lists those there are")
            }
            Self::RoomOpened { room } => write!(f, "room {room} opened"),
            Self::RoomClosed { room } => write!(f, "room {room} closed, it was empty"),
            Self::RoomEnded { room, clients } => {
                write!(f, "room {room} closed by an operator; clients sent away: {clients}")
            }
            Self::RoomFailed { room } => write!(f, "room {room} failed and was closed"),
            Self::RoomRefused { error } => write!(f, "no room can be opened: {error}"),
            Self::Slowed { ticks: 1 } => f.write_str("overloaded: 1 tick was left out"),
            Self::Slowed { ticks } => write!(f, "overloaded: {ticks} ticks were left out"),
            Self::SendRateLowered { room, send_rate_hz } => {
                write!(f, "overloaded: room {room} sends {send_rate_hz} snapshots per second")
            }
            Self::SendRateRaised { room, send_rate_hz } => {
                write!(f, "room {room} sends {send_rate_hz} snapshots per second again")
            }
            Self::AdminUnencrypted { address } => {
                write!(f, "the admin interface at {address} can be reached from other machines, and is not encrypted")
            }
            Self::SecretReadable { path } => {
                write!(f, "others on this machine can read {}: chmod 600", path.display())
            }
            Self::Act(act) => act.fmt(f),
            Self::RecordsDelayed { sink, error } => write!(f, "records wait for the {sink}: {error}"),
            Self::RecordsDelivered { sink } => write!(f, "the {sink} takes records again"),
            Self::RecordsLost { sink, count: 1 } => write!(f, "1 record for the {sink} was lost"),
            Self::RecordsLost { sink, count } => write!(f, "{count} records for the {sink} were lost"),
            Self::Draining { clients: 1 } => f.write_str("draining, 1 client is connected"),
            Self::Draining { clients } => write!(f, "draining, {clients} clients are connected"),
        }
    }
}

impl Notice {
    /// Tells the log, under a name that does not change.
    pub fn log(&self) {
        match self {
            Self::FamilyMissing { .. } => info!(event = "family_missing", "{self}"),
            Self::SmallReceiveBuffer { bytes, .. } => warn!(event = "small_receive_buffer", bytes, "{self}"),
            Self::Unauthenticated { .. } => warn!(event = "unauthenticated", "{self}"),
            Self::KeysRead { count } => info!(event = "keys_read", count, "{self}"),
            Self::KeysRefused { .. } => error!(event = "keys_refused", "{self}"),
            Self::CertificateRead { .. } => info!(event = "certificate_read", "{self}"),
            Self::CertificateRefused { .. } => error!(event = "certificate_refused", "{self}"),
            Self::BansRead { count } => info!(event = "bans_read", count, "{self}"),
            Self::BansRefused { .. } => error!(event = "bans_refused", "{self}"),
            Self::Reloaded { .. } => info!(event = "reloaded", "{self}"),
            Self::ReloadRefused { .. } => error!(event = "reload_refused", "{self}"),
            Self::ReloadUnfinished { .. } => error!(event = "reload_unfinished", "{self}"),
            Self::NotPinned { .. } => warn!(event = "not_pinned", "{self}"),
            // Which room opens or closes is nothing that an operator has to act on.
            Self::RoomOpened { room } => debug!(event = "room_opened", room, "{self}"),
            Self::RoomClosed { room } => debug!(event = "room_closed", room, "{self}"),
            Self::RoomEnded { room, clients } => info!(event = "room_ended", room, clients, "{self}"),
            Self::RoomFailed { room } => error!(event = "room_failed", room, "{self}"),
            Self::RoomRefused { .. } => error!(event = "room_refused", "{self}"),
            Self::Slowed { ticks } => warn!(event = "slowed", ticks, "{self}"),
            Self::SendRateLowered { room, send_rate_hz } => {
                warn!(event = "send_rate_lowered", room, send_rate_hz, "{self}");
            }
            Self::SendRateRaised { room, send_rate_hz } => {
                info!(event = "send_rate_raised", room, send_rate_hz, "{self}");
            }
            Self::AdminUnencrypted { .. } => warn!(event = "admin_unencrypted", "{self}"),
            Self::SecretReadable { .. } => warn!(event = "secret_readable", "{self}"),
            Self::Act(Act { by, what, to, room, text }) => {
                let account = to.as_ref().and_then(|who| who.account.as_deref());
                info!(event = "act", by, what, account, room, text, "{self}");
            }
            Self::OrchestratorState { state } => info!(event = "orchestrator_state", state, "{self}"),
            Self::OrchestratorFailing { error } => warn!(event = "orchestrator_failing", error, "{self}"),
            Self::OrchestratorBack => info!(event = "orchestrator_back", "{self}"),
            Self::RecordsDelayed { sink, .. } => warn!(event = "records_delayed", sink, "{self}"),
            Self::RecordsDelivered { sink } => info!(event = "records_delivered", sink, "{self}"),
            Self::RecordsLost { sink, count } => error!(event = "records_lost", sink, count, "{self}"),
            Self::Draining { clients } => info!(event = "draining", clients, "{self}"),
        }
    }
}

/// Takes notices, one at a time. It is called on the shards' threads, so it must not block.
pub type Notify = Box<dyn FnMut(&Notice) + Send>;
