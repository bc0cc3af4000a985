//! What a run is asked to be, and why it could not be one.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use downbeat_link::LinkSpec;
use downbeat_transport::{ConnectError, IdentityError, Trust};

use crate::admin::AdminOptions;
use crate::hostile::{Kind, Plan};
use crate::output::OutputError;
use crate::scenario::{Scenario, ScenarioError, Share};
use crate::scrape::MetricsPage;

/// What bots are to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub connect: SocketAddr,
    /// What the server calls itself in its certificate; its address when nothing is said.
    pub server_name: Option<String>,
    /// Which servers are believed.
    pub trust: Trust,
    /// How many bots.
    pub clients: usize,
    /// How many of them, the last to join, are light: they send inputs and acknowledgements like the others, but read no
    /// more than the heads of snapshots. They are for load, and measure nothing.
    pub light: usize,
    /// How many connect at the same time.
    pub joining: usize,
    /// How long they play once the last has joined, in seconds. Warm-up (2 s, or half of short runs) is part of it.
    pub seconds: f64,
    /// The brain: one of [`Bots::BRAINS`](crate::Bots::BRAINS); the first of them when empty. Or `hostile:KIND`, with what
    /// [`Plan::parse`] knows behind it.
    pub brain: String,
    /// How some are hostile: [`check`](crate::check) finds that in [`Self::brain`].
    pub hostile: Option<Plan>,
    /// The network that each bot is behind.
    pub net: LinkSpec,
    /// The network as it is called in the report, such as `broadband`; as it is spelled out when nothing is said.
    pub net_name: Option<String>,
    /// Decides everything random about the bots and their networks.
    pub seed: u64,
    /// Ticks per second that the server must have; any when nothing is said.
    pub tick_rate_hz: Option<u32>,
    /// Snapshots per second likewise.
    pub send_rate_hz: Option<u32>,
    /// Bot `i` is called by this and `i`.
    pub name: String,
    /// The room they ask for; the server chooses when nothing is said.
    pub room: Option<u64>,
    /// The tickets that let them in, where the server asks for them: whoever comes shows the next, also who comes again. A single one is
    /// shown by all.
    pub tokens: Vec<String>,
    /// Groups and phases. Takes the place of [`Self::clients`], [`Self::light`], [`Self::brain`], [`Self::hostile`], [`Self::net`],
    /// [`Self::net_name`] and [`Self::break_every`], and, if it has phases, of [`Self::seconds`].
    pub scenario: Option<Scenario>,
    /// Which part of the bots this process runs.
    pub share: Share,
    /// How often the connection of each bot breaks without a word, in seconds; it resumes its session then. Light bots keep
    /// theirs.
    pub break_every: Option<f64>,
    /// Where the server tells of itself; what it tells comes into the report.
    pub admin: Option<AdminOptions>,
    /// The server's metrics, where it is in the same process. Elsewhere [`Self::admin`] has them.
    pub metrics: Option<MetricsPage>,
    /// The CPU that the loop stays on.
    pub cpu: Option<usize>,
    /// The command line that asks for this, for the report: see [`without_secrets`](crate::without_secrets).
    pub args: Vec<String>,
    /// The file of the scenario, for the report.
    pub scenario_file: Option<PathBuf>,
    /// The build profile, for the report.
    pub profile: String,
    /// Where the caller will write the report: tried before the run, not written by it.
    pub report: Option<PathBuf>,
    /// Where the caller will write the report as a page: likewise.
    pub html: Option<PathBuf>,
    /// Whether some of the bots keep account of what bytes are spent on.
    pub explain: bool,
    /// Where the first bot that gets in keeps what it is told, for training models
    /// ([`recording`](downbeat_replica::recording)); with [`Self::seed`] as that of the match.
    pub record_lanes: Option<PathBuf>,
}

impl Options {
    /// Sixteen bots for ten seconds against the server at `connect`, on a perfect network.
    #[must_use]
    pub fn new(connect: SocketAddr, trust: Trust) -> Self {
        Self {
            connect,
            server_name: None,
            trust,
            clients: 16,
            light: 0,
            joining: JOINING,
            seconds: 10.0,
            brain: String::new(),
            hostile: None,
            net: LinkSpec::PERFECT,
            net_name: None,
            seed: 1,
            tick_rate_hz: None,
            send_rate_hz: None,
            name: "bot".to_owned(),
            room: None,
            tokens: Vec::new(),
            scenario: None,
            share: Share::WHOLE,
            break_every: None,
            admin: None,
            metrics: None,
            cpu: None,
            args: Vec::new(),
            scenario_file: None,
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            report: None,
            html: None,
            explain: false,
            record_lanes: None,
        }
    }

    /// Bytes of the IP and UDP headers of a datagram.
    pub(crate) fn header_bytes(&self) -> u64 {
        if self.connect.ip().to_canonical().is_ipv4() { 28 } else { 48 }
    }

    /// Refuses what cannot be run.
    pub(crate) fn check(&self) -> Result<(), BotsError> {
        if !(SECONDS_MIN..=SECONDS_MAX).contains(&self.seconds) {
            return Err(BotsError::Seconds(self.seconds));
        }
        if let (Some(ticks), Some(sends)) = (self.tick_rate_hz, self.send_rate_hz)
            && !ticks.is_multiple_of(sends.max(1))
        {
            return Err(BotsError::Rates { ticks, sends });
        }
        if let Some(scenario) = &self.scenario {
            scenario.check()?;
            scenario.check_hostile()?;
            return self.check_tickets(scenario.hostile().map(|(_, plan)| plan));
        }
        if !(1..=CLIENTS_MAX).contains(&self.clients) {
            return Err(BotsError::Clients(self.clients));
        }
        if self.light >= self.clients {
            return Err(BotsError::Light { light: self.light, clients: self.clients });
        }
        if self.hostile.is_some() && self.clients - self.light < 2 {
            return Err(BotsError::Hostile(
                "one bot cannot be hostile and honest: give --clients 2 or more".to_owned(),
            ));
        }
        self.check_tickets(self.hostile)?;
        if let Some(every) = self.break_every.filter(|every| !(BREAK_EVERY_MIN..=SECONDS_MAX).contains(every)) {
            return Err(BotsError::BreakEvery(every));
        }
        Ok(())
    }

    /// Who uses tickets again must have some.
    fn check_tickets(&self, hostile: Option<Plan>) -> Result<(), BotsError> {
        if hostile.is_some_and(|plan| plan.kind == Kind::TicketReplay) && self.tokens.is_empty() {
            let why = "ticket-replay needs the tickets of a server that asks for them: give --token @FILE";
            return Err(BotsError::Hostile(why.to_owned()));
        }
        Ok(())
    }
}

/// Bots of one process at most.
pub const CLIENTS_MAX: usize = 4_096;

/// A handshake costs both ends about a millisecond, and those who play already must not feel it.
const JOINING: usize = 8;

/// Shortest and longest run, in seconds.
const SECONDS_MIN: f64 = 0.1;
pub(crate) const SECONDS_MAX: f64 = 86_400.0;

/// A connection lasts so many seconds at least.
pub(crate) const BREAK_EVERY_MIN: f64 = 0.5;

impl BotsError {
    /// Whether the options themselves are impossible, whatever server there is.
    #[must_use]
    pub const fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::Clients(_)
                | Self::Light { .. }
                | Self::Seconds(_)
                | Self::BreakEvery(_)
                | Self::Share { .. }
                | Self::LightSpectators
                | Self::Tickets { .. }
                | Self::Scenario(_)
                | Self::Brain { .. }
                | Self::Hostile(_)
                | Self::Output(_)
                | Self::SameFile(_)
                | Self::Rates { .. }
                | Self::Pin { .. }
        )
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BotsError {
    /// A number of bots that one process cannot be.
    #[error("{0} clients: 1 to {CLIENTS_MAX} are allowed")]
    Clients(usize),
    /// Nobody would measure anything.
    #[error("{light} of {clients} clients are light: at least one must not be, since light ones measure nothing")]
    Light {
        /// So many.
        light: usize,
        /// Of so many.
        clients: usize,
    },
    /// A duration that makes no run.
    #[error("{0} seconds: {SECONDS_MIN} to {SECONDS_MAX} are allowed")]
    Seconds(f64),
    /// Connections that would break all the time, or never.
    #[error("connections break every {0} seconds: {BREAK_EVERY_MIN} to {SECONDS_MAX} are allowed")]
    BreakEvery(f64),
    /// Nobody of this share would measure anything.
    #[error("share {share} of {clients} clients: none of them plays in full; take fewer shares")]
    Share {
        /// Which share.
        share: Share,
        /// Of so many clients.
        clients: usize,
    },
    /// A ticket is good once.
    #[error("{have} tickets (--token @FILE) are not enough: bots come {needed} times, and a ticket lets one in once")]
    Tickets {
        /// As many as there are.
        have: usize,
        /// How often bots come, over all shares.
        needed: usize,
    },
    /// Who watches has no inputs to load a server with.
    #[error("light clients play: they cannot be spectators")]
    LightSpectators,
    /// No server has such rates.
    #[error("{sends} snapshots a second do not divide {ticks} ticks a second, so no server has these rates")]
    Rates {
        /// Ticks per second.
        ticks: u32,
        /// Snapshots per second.
        sends: u32,
    },
    /// The scenario cannot be run.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A brain that the game does not have.
    #[error("`{game}` has no brain called `{name}`; there are: {known}")]
    Brain {
        /// The group that asked for it, where there is a scenario.
        group: Option<usize>,
        /// What was asked for.
        name: String,
        /// The game.
        game: &'static str,
        /// What there is.
        known: String,
    },
    /// Hostile bots that cannot be.
    #[error("hostile bots: {0}")]
    Hostile(String),
    /// The report, the page or the recording has nowhere to go.
    #[error(transparent)]
    Output(OutputError),
    /// Two of them would go into the same file.
    #[error("`{}` is named twice: the report, the page and the recording each need a file of their own", .0.display())]
    SameFile(PathBuf),
    /// The recording could not be written to its end.
    #[error(transparent)]
    Recording(OutputError),
    /// The thread cannot stay on the CPU.
    #[error("cannot stay on CPU {cpu}: {error}; `lscpu` lists those there are")]
    Pin {
        /// Which one.
        cpu: usize,
        /// Why.
        error: io::Error,
    },
    /// No socket, or no longer.
    #[error("the bots' socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The trust cannot be used.
    #[error(transparent)]
    Trust(#[from] IdentityError),
    /// Connecting cannot even begin.
    #[error("cannot connect: {0}")]
    Connect(#[from] ConnectError),
    /// The game's own tables are impossible.
    #[error("the game cannot be played: {0}")]
    Game(String),
    /// Nobody got in.
    #[error("no bot got into the game at {remote}: {why}{next_step}")]
    NobodyIn {
        /// The server.
        remote: SocketAddr,
        /// The most frequent reason.
        why: String,
        /// What to do about it, behind a semicolon; empty where the reason says it.
        next_step: &'static str,
    },
    /// The server did not tell what it runs.
    #[error("the server at {remote} cannot be described: {why}{next_step}")]
    Undescribed {
        /// The server.
        remote: SocketAddr,
        /// Why.
        why: String,
        /// What to do about it, as in [`Self::NobodyIn`].
        next_step: &'static str,
    },
    /// The server's admin interface does not tell.
    #[error("{url} does not tell how the server is: {why}")]
    Admin {
        /// Its address.
        url: String,
        /// Why.
        why: String,
    },
    /// The server is not what was asked for.
    #[error("the server runs at {told} {what} per second, not {asked}")]
    Rate {
        /// Ticks or snapshots.
        what: &'static str,
        /// What was asked for.
        asked: u32,
        /// What the server says.
        told: u32,
    },
}
