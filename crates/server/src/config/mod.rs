//! What an operator may set. Four places can say it: flags, then the environment, then a file, then the defaults.
//! [`Loader`] reads them; what comes out was checked, and has its units in its types.

mod admin;
mod agones;
mod check;
mod diff;
mod error;
mod game;
mod listen;
mod loader;
mod prefix;
mod raw;

use std::path::PathBuf;
use std::time::Duration;

use tracing::Level;

pub use admin::{Admin, Secret};
pub use agones::{Agones, Orchestrator, WhenEmpty};
pub(crate) use check::is_token;
pub use diff::{Changes, diff};
pub use error::{ConfigError, Origin, Source};
pub use game::GameTable;
pub use listen::Listen;
pub use loader::{GameDefaults, Loader};
pub use prefix::Prefix;

/// The checked configuration of a server. `assets/config/server.toml` says what each option means.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where to listen: at least one address.
    pub listen: Vec<Listen>,
    /// The name of the game.
    pub game: String,
    /// Ticks per second, [`TICK_RATE_HZ`].
    pub tick_rate_hz: u32,
    /// Snapshots per second; divides the tick rate.
    pub send_rate_hz: u32,
    /// Most rooms at a time.
    pub rooms_max: u16,
    /// Most players of a room.
    pub players_max: u16,
    /// Most spectators of a room.
    pub spectators_max: u16,
    /// Decides everything random in the matches; without one, chance does.
    pub seed: Option<u64>,
    /// How long a server that was asked to end waits for its clients to leave.
    pub drain_deadline: Duration,
    /// How long a connection may be silent before its hello.
    pub hello_timeout: Duration,
    /// How long the session of a lost connection waits for its client; zero for not at all.
    pub resume_window: Duration,
    /// What becomes of a session whose account comes in again.
    pub second_login: SecondLogin,
    /// Snapshot bytes per second and client at most.
    pub client_bytes_per_s: u32,
    /// Connections at a time of one address, or of one IPv6 network of 64 bits.
    pub address_connections_max: u32,
    /// Addresses that may have any number.
    pub address_exempt: Vec<Prefix>,
    /// Handshakes per second that one address may begin in the long run.
    pub handshakes_per_s: u32,
    /// Handshakes that it may begin at once.
    pub handshakes_burst: u32,
    /// UDP payload bytes per second that a client may send.
    pub upload_bytes_per_s: u32,
    /// Datagrams per second that a client may send in the long run.
    pub datagrams_per_s: u32,
    /// Datagrams that it may send at once.
    pub datagrams_burst: u32,
    /// Datagrams per second that do not decode and are forgiven.
    pub malformed_per_s: u32,
    /// What whoever joins is told, cleaned as chat is.
    pub motd: Option<String>,
    /// The file of bans; without one they are forgotten at the end.
    pub bans: Option<PathBuf>,
    /// Who starts and ends the process, and is told how it is.
    pub orchestrator: Orchestrator,
    /// What it is told, if that is Agones.
    pub agones: Agones,
    /// Whose tickets let clients in; without it anybody may come.
    pub tickets: Option<TicketKeys>,
    /// Whether anybody may come from other machines, too.
    pub danger_no_auth: bool,
    /// What is told while it runs.
    pub log: LogOptions,
    /// Where records of what happened are kept.
    pub results: ResultsOptions,
    /// Certificate and key; without them a self-signed certificate is made in memory.
    pub tls: Option<TlsFiles>,
    /// Where operators look into the server; nowhere without.
    pub admin: Option<Admin>,
    /// Threads that rooms are spread over, [`SHARDS`].
    pub shards: u8,
    /// The processor that the first shard is bound to; the next one is bound to the next.
    pub cpu: Option<u16>,
}

/// Whose tickets are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketKeys {
    /// A JSON Web Key Set. It is read again when it changes.
    pub keys: PathBuf,
    /// For whom tickets must be.
    pub audience: String,
}

/// What is told on the standard error while a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The least important lines that are told. This can be changed while the server runs ([`log::set_level`]).
    ///
    /// [`log::set_level`]: crate::log::set_level
    pub level: Level,
    /// For whom they are written.
    pub format: LogFormat,
    /// Whether clients' addresses are in them.
    pub addresses: bool,
}

/// Where records of who came and went, of what operators did and of matches go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsOptions {
    /// A file that they are added to, a JSON object a line.
    pub file: Option<PathBuf>,
    /// Who is sent them.
    pub webhook: Option<WebhookOptions>,
    /// How many wait for each of them at most; more are lost, and counted.
    pub waiting_max: u32,
}

/// Who is sent records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookOptions {
    /// `http:` or `https:`.
    pub url: String,
    /// The file of the secret that requests are signed with.
    pub secret: PathBuf,
    /// Where those are kept for the next start that were not taken when the server ended.
    pub spool: Option<PathBuf>,
}

/// For whom a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: a JSON object a line.
    Json,
}

/// What becomes of two logins of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondLogin {
    /// The first one ends.
    Replace,
    /// The second one is not let in, unless the connection of the first was lost.
    Refuse,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Tick rates that are allowed.
pub const TICK_RATE_HZ: std::ops::RangeInclusive<u32> = 20..=128;

/// Numbers of shards that are allowed.
pub const SHARDS: std::ops::RangeInclusive<u8> = 1..=64;

/// For whom tickets are where nothing else is said.
pub const AUDIENCE: &str = "downbeat";

/// Where the admin interface is if it is asked for without saying where.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:4480";

/// The port of everything that names none.
pub const PORT: u16 = 4433;

/// Places in a room of a game that does not say how many it likes.
pub const PLAYERS_MAX: u16 = 64;

impl Config {
    /// The defaults, for a game.
    #[must_use]
    pub fn new(game: &str) -> Self {
        Self {
            listen: vec![Listen::Localhost(PORT)],
            game: game.to_owned(),
            tick_rate_hz: 60,
            send_rate_hz: 60,
            rooms_max: 16,
            players_max: PLAYERS_MAX,
            spectators_max: 8,
            seed: None,
            drain_deadline: Duration::ZERO,
            hello_timeout: Duration::from_secs(3),
            resume_window: Duration::from_secs(30),
            second_login: SecondLogin::Replace,
            client_bytes_per_s: 65_536,
            address_connections_max: 32,
            address_exempt: Prefix::loopback(),
            handshakes_per_s: 10,
            handshakes_burst: 50,
            upload_bytes_per_s: 100_000,
            datagrams_per_s: 300,
            datagrams_burst: 300,
            malformed_per_s: 10,
            motd: None,
            bans: None,
            orchestrator: Orchestrator::None,
            agones: Agones::default(),
            tickets: None,
            danger_no_auth: false,
            results: ResultsOptions { file: None, webhook: None, waiting_max: 10_000 },
            log: LogOptions { level: Level::INFO, format: LogFormat::Text, addresses: false },
            tls: None,
            admin: None,
            shards: 1,
            cpu: None,
        }
    }

    /// Most clients of all rooms together.
    #[must_use]
    pub fn clients_max(&self) -> usize {
        usize::from(self.rooms_max) * (usize::from(self.players_max) + usize::from(self.spectators_max))
    }
}
