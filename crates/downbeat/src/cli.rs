//! Commands and flags.

use std::path::PathBuf;

use std::str::FromStr;

use clap::{Args, CommandFactory, Parser, Subcommand};
use downbeat_bots::Share;
use downbeat_link::LinkSpec;
use downbeat_server::ticket::Role;
use downbeat_transport::Fingerprint;

use crate::telling::ProgressArg;

/// Authoritative multiplayer game server over QUIC, with its load-testing bots.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What there is for one game that is none of Downbeat's own: help is silent about what only those have.
    pub(crate) fn of_one_game(brains: &[&str]) -> clap::Command {
        let brains = format!("Who plays: {} [default: the first]; or hostile:KIND (hostile:list)", brains.join(", "));
        Self::command().mut_subcommands(|command| {
            command.mut_args(|arg| match arg.get_id().as_str() {
                "game" | "walkers" | "visible" | "avatars" => arg.hide(true),
                "brain" => arg.help(brains.clone()),
                "rules" => arg.help("A rule of the game; may be repeated"),
                _ => arg,
            })
        })
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 fine; 1 could not run, or not everybody was served; 2 wrong flags, variables or scenario; \
3 a gate of the scenario failed; 4 the run is invalid (the bots were late, \
or a kernel dropped datagrams: other programs use the processors, or there are too many bots).";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a dedicated server until SIGINT or SIGTERM
    Serve(Box<ServeArgs>),
    /// Play on a server with bots, and report what a player would feel
    Bots(Box<BotsArgs>),
    /// Start a server and bots in one process, and report
    Demo(Box<DemoArgs>),
    /// Train a game's model on matches that bots recorded
    Train(TrainArgs),
    /// Make a ticket, or the keys that tickets are signed with, to try a server that asks for them
    Token(TokenArgs),
    /// Measure how far a server is, without joining
    Ping(PingArgs),
    /// Check a configuration file without starting anything
    CheckConfig(CheckConfigArgs),
    /// Print the schema of a game or of a running server, or its hash
    Schema(Box<SchemaArgs>),
}

/// What a match is like: for every command that has a server in it.
#[derive(Args, Clone, Debug)]
pub(crate) struct MatchArgs {
    /// The game [default: the first there is; arena]
    #[arg(long, value_name = "NAME")]
    pub(crate) game: Option<String>,
    /// Ticks per second, 20 to 128 [default: 60]
    #[arg(long, value_name = "HZ")]
    pub(crate) tick_rate: Option<String>,
    /// Snapshots per second; divides the tick rate [default: the tick rate]
    #[arg(long, value_name = "HZ")]
    pub(crate) send_rate: Option<String>,
    /// A rule of the game, such as `walkers=500`; may be repeated
    #[arg(long = "rule", value_name = "KEY=VALUE")]
    pub(crate) rules: Vec<String>,
    /// field: walkers in the world [default: 200]
    #[arg(long, value_name = "N")]
    pub(crate) walkers: Option<String>,
    /// field: walkers that each client is shown [default: 32]
    #[arg(long, value_name = "K")]
    pub(crate) visible: Option<String>,
    /// field: whether others see a client's avatar, `private` or `public` [default: private]
    #[arg(long, value_name = "WHO")]
    pub(crate) avatars: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) rules: MatchArgs,
    /// Address to listen on; `localhost` is both families; may be repeated [default: localhost:4433]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "DOWNBEAT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Rooms at a time [default: 16]
    #[arg(long, value_name = "N")]
    pub(crate) rooms_max: Option<String>,
    /// Players of a room [default: the game's]
    #[arg(long, value_name = "N")]
    pub(crate) players_max: Option<String>,
    /// Decides everything random in the matches [default: chance]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<String>,
    /// Seconds to wait for clients to leave when asked to end [default: 0]
    #[arg(long, value_name = "S")]
    pub(crate) drain_deadline: Option<String>,
    /// Threads that rooms are spread over, or `auto`: one for each processor [default: 1]
    #[arg(long, value_name = "N|auto")]
    pub(crate) shards: Option<String>,
    /// The processor that the first shard stays on, the next one on the next [default: any]
    #[arg(long, value_name = "N")]
    pub(crate) cpu: Option<String>,
    /// Let in who shows a ticket that one of these keys signed (a JSON Web Key Set) [default: anybody, on loopback alone]
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket_keys: Option<String>,
    /// Let anybody in from other machines, too
    #[arg(long)]
    pub(crate) danger_no_auth: bool,
    /// The least important lines of the log: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Write the log for people (`text`) or for programs (`json`) [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Where operators look into the server (a page, an interface, metrics): an address with a port, 127.0.0.1:4480 if only
    /// the flag is given [default: nowhere]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = downbeat_server::config::ADMIN_ADDRESS)]
    pub(crate) admin: Option<String>,
    /// Write the server's own figures here at the end (JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// What bots do: for every command that has bots in it.
#[derive(Args, Debug)]
pub(crate) struct PlayArgs {
    /// How many bots, 1 to 4096
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = whole::<usize>, allow_negative_numbers = true)]
    pub(crate) clients: usize,
    /// How many of them are light: they play and acknowledge, but read no snapshots, and measure nothing
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<usize>)]
    pub(crate) light: usize,
    /// Break each bot's connection without a word every so many seconds: it resumes its session
    #[arg(long, value_name = "S")]
    pub(crate) break_every: Option<f64>,
    /// How long they play, in seconds [default: 10]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(crate) seconds: Option<f64>,
    /// Who plays: `fight` (arena alone), `wander`, `idle` or `spectate` [default: the game's first];
    /// `hostile:KIND` for some who cheat or attack beside honest ones (`hostile:list` names the kinds)
    #[arg(long, value_name = "NAME")]
    pub(crate) brain: Option<String>,
    /// The network that each bot is behind: none, lan, broadband, wifi, mobile, awful, or such as
    /// `latency=50ms,jitter=10ms,loss=2%,burst=3,reorder=1%,dup=1%,rate=10mbit,queue=100ms`
    #[arg(long, value_name = "PRESET|SPEC", default_value = "none")]
    pub(crate) net: String,
    /// How the run is told while it goes on, on the standard error
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) progress: ProgressArg,
    /// Write the report here (JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the report here as a page for people (HTML, self-contained)
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Tell what bytes are spent on, by message, kind of entity and field
    #[arg(long)]
    pub(crate) explain: bool,
    /// Record here what the first bot is told, for `train`
    #[arg(long, value_name = "FILE")]
    pub(crate) record_lanes: Option<PathBuf>,
}

impl PlayArgs {
    /// How long is played where nothing else says it.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(10.0)
    }
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BotsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<BotsAction>,
    /// The server [default: 127.0.0.1:4433]
    #[arg(long, value_name = "ADDR")]
    pub(crate) connect: Option<String>,
    /// Groups of bots, phases in which they come and go, and limits on figures (TOML; docs/bots.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["clients", "light", "brain", "net", "break_every"])]
    pub(crate) scenario: Option<PathBuf>,
    /// The game [default: the first there is; arena]
    #[arg(long, value_name = "NAME")]
    pub(crate) game: Option<String>,
    #[command(flatten)]
    pub(crate) play: PlayArgs,
    /// Decides everything random about the bots [default: 1]
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// The room to join [default: the server chooses]
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    pub(crate) room: Option<u64>,
    /// The ticket that lets a bot in, where the server asks for one. One ticket lets one in: for several bots, @FILE names a
    /// file with one a line (`downbeat token --count N`)
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) token: Option<String>,
    /// The server's admin interface, such as http://127.0.0.1:4480: its own figures come into the report
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// A token for it, or @FILE [default: the variable DOWNBEAT_ADMIN_TOKEN]
    #[arg(long, value_name = "TEXT|@FILE", requires = "admin")]
    pub(crate) admin_token: Option<String>,
    /// Ticks per second that the server must have
    #[arg(long, value_name = "HZ", value_parser = whole::<u32>)]
    pub(crate) tick_rate: Option<u32>,
    /// Snapshots per second that the server must send
    #[arg(long, value_name = "HZ", value_parser = whole::<u32>)]
    pub(crate) send_rate: Option<u32>,
    /// The processor to stay on [default: any]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    pub(crate) cpu: Option<usize>,
    /// Run only this part of the bots, such as 1/4: other processes run the others at the same time
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(crate) share: Share,
}

/// What there is about bots beside letting them play.
#[derive(Debug, Subcommand)]
pub(crate) enum BotsAction {
    /// Check a scenario without running it
    Check(CheckScenarioArgs),
    /// Compare the reports of two runs: figures, with the spread that seconds of a run have
    Compare(CompareArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The report of the run before, as --report wrote it
    #[arg(value_name = "OLD.json")]
    pub(crate) old: PathBuf,
    /// The report of the run since
    #[arg(value_name = "NEW.json")]
    pub(crate) new: PathBuf,
    /// End with exit code 3 if a figure became worse
    #[arg(long)]
    pub(crate) fail_on_worse: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CheckScenarioArgs {
    /// The file (TOML)
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The game [default: what the file says, or the first there is]
    #[arg(long, value_name = "NAME")]
    pub(crate) game: Option<String>,
}

/// Which server is believed.
#[derive(Args, Debug)]
pub(crate) struct TrustArgs {
    /// Believe the server with this certificate: SHA-256 in hex, as `serve` prints it
    #[arg(long, value_name = "HEX", group = "trust")]
    pub(crate) cert_sha256: Option<Fingerprint>,
    /// Believe servers with a certificate signed by one of these (PEM)
    #[arg(long, value_name = "FILE", group = "trust")]
    pub(crate) ca: Option<PathBuf>,
    /// Believe any server: for tests only
    #[arg(long, group = "trust")]
    pub(crate) danger_accept_any_cert: bool,
    /// What the server is called in its certificate [default: its address]
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) rules: MatchArgs,
    #[command(flatten)]
    pub(crate) play: PlayArgs,
    /// Decides everything random
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>)]
    pub(crate) seed: u64,
}

#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    /// Recordings, as `bots` and `demo` write them with --record-lanes
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// Write the model here
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The game [default: the first there is; arena]
    #[arg(long, value_name = "NAME")]
    pub(crate) game: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PingArgs {
    /// The server
    #[arg(value_name = "ADDR")]
    pub(crate) address: String,
    /// How many times, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>)]
    pub(crate) count: u32,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
    /// Without one of these, any server is believed: nothing is confided to it
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CheckConfigArgs {
    /// The file (TOML)
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// Make a new key of this kind instead: EdDSA, ES256 or HS256. Writes FILE (private, for whoever signs) and FILE.json (for
    /// the server's `tickets.keys`)
    #[arg(long, value_name = "ALG")]
    pub(crate) new_key: Option<String>,
    /// The private key (PEM)
    #[arg(long, value_name = "FILE", default_value = "ticket-key.pem")]
    pub(crate) key: PathBuf,
    /// What the key is called, where the server has several [default: what FILE.json calls it]
    #[arg(long, value_name = "KID")]
    pub(crate) kid: Option<String>,
    /// The account; with --count N, the accounts TEXT-1 to TEXT-N
    #[arg(long, value_name = "TEXT", default_value = "developer")]
    pub(crate) sub: String,
    /// For whom the ticket is
    #[arg(long, value_name = "TEXT", default_value = downbeat_server::config::AUDIENCE)]
    pub(crate) aud: String,
    /// How long it is good, in seconds, a day at most
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub(crate) seconds: u64,
    /// The room that it is for [default: any]
    #[arg(long, value_name = "N")]
    pub(crate) room: Option<u64>,
    /// player, spectator, moderator or admin
    #[arg(long, value_name = "ROLE", default_value = "player", value_parser = role)]
    pub(crate) role: Role,
    /// What the player is called [default: what it calls itself]
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// How many tickets to print, one a line
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u32,
}

fn role(text: &str) -> Result<Role, &'static str> {
    match text {
        "player" => Ok(Role::Player),
        "spectator" => Ok(Role::Spectator),
        "moderator" => Ok(Role::Moderator),
        "admin" => Ok(Role::Admin),
        _ => Err("player, spectator, moderator and admin are allowed"),
    }
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// The game [default: the first there is; arena]
    #[arg(long, value_name = "NAME")]
    pub(crate) game: Option<String>,
    /// Print the hash alone: 16 hex digits
    #[arg(long)]
    pub(crate) hash: bool,
    /// Print the text that the hash is taken of: for who writes a client from WIRE.md
    #[arg(long, conflicts_with = "hash")]
    pub(crate) text: bool,
    /// Ask this server for the schema of the game that it runs, whatever that is
    #[arg(long, value_name = "ADDR", conflicts_with = "game")]
    pub(crate) connect: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// Reads a number of nothing but digits.
fn whole<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a whole number, 0 or more")
}

/// Reads `--net`.
pub(crate) fn net(text: &str) -> Result<LinkSpec, crate::CliError> {
    text.parse().map_err(|error| crate::CliError::Usage(format!("--net {text}: {error}")))
}
