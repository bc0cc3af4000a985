//! The process of the server. It is told what to run by its arguments, says on its first line where it listens, ends when
//! its standard input does, which the system closes whatever becomes of its owner, and leaves its figures on its last line.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use downbeat_arena::{Arena, Config as ArenaConfig};
use downbeat_bots::Percentiles;
use downbeat_field::{Config as FieldConfig, Field};
use downbeat_replica::Game;
use downbeat_server::{Config, Listen, Notice, Server, Stop};
use downbeat_transport::{Fingerprint, Trust};
use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::statistics::rounded;

/// What a server is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// The game and its rules.
    pub world: World,
    /// Ticks per second, and snapshots.
    pub tick_rate_hz: u32,
    /// Rooms at most.
    pub rooms: u16,
    /// Players of a room at most. A room is filled before the next is opened.
    pub players: u16,
    /// Decides everything random.
    pub seed: u64,
}

/// A game and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// The crowd.
    Field(FieldConfig),
    /// The shooter, by its default rules.
    Arena,
}

/// Is the server that `spec` describes, as JSON.
///
/// # Errors
/// When it cannot start, or its socket fails.
pub fn host(spec: &str) -> Result<(), BenchError> {
    let spec: HostSpec = serde_json::from_str(spec)?;
    match &spec.world {
        World::Field(rules) => serve::<Field>(&spec, rules),
        World::Arena => serve::<Arena>(&spec, &ArenaConfig::default()),
    }
}

fn serve<G: Game>(spec: &HostSpec, rules: &G::Config) -> Result<(), BenchError> {
    let config = Config {
        listen: vec![Listen::Address(([127, 0, 0, 1], 0).into())],
        rooms_max: spec.rooms,
        players_max: spec.players,
        spectators_max: 0,
        tick_rate_hz: spec.tick_rate_hz,
        send_rate_hz: spec.tick_rate_hz,
        seed: Some(spec.seed),
        cpu: Some(0),
        ..Config::new(G::NAME)
    };
    let notify = |notice: &Notice| match notice {
        Notice::RoomOpened { .. } | Notice::RoomClosed { .. } | Notice::Draining { .. } => {}
        _ => eprintln!("server: {notice}"),
    };
    let server = Server::<G>::start(&config, rules, Box::new(notify)).map_err(|error| failed(&error))?;
    say(&format!("{} {}", server.local_addrs()[0], server.fingerprint()))?;
    let stop = Stop::new();
    let asked = stop.clone();
    std::thread::spawn(move || {
        // Nothing is ever written there.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        asked.request();
    });
    let report = server.run(&stop).map_err(|error| failed(&error))?;
    say(&serde_json::to_string(&report)?)
}

fn say(line: &str) -> Result<(), BenchError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> BenchError {
    BenchError::Transport(error.to_string())
}

/// What a server said of itself at its end: those of its figures that are used here.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Served {
    pub(crate) tick_us: Option<Percentiles>,
    /// Of one room.
    pub(crate) room_tick_us: Option<Percentiles>,
    /// By phase; what was not measured is left out.
    pub(crate) phases_us: BTreeMap<String, Option<Percentiles>>,
    pub(crate) server: ServerFigures,
    pub(crate) inputs: Option<InputFigures>,
    pub(crate) snapshots: Option<SnapshotFigures>,
}

/// How long something took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Work {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Work {
    /// Not numbers when it was not measured.
    pub(crate) fn of(told: Option<Percentiles>) -> Self {
        let of = |value: fn(&Percentiles) -> f64| told.as_ref().map_or(f64::NAN, |told| rounded(value(told), 1));
        Self { p50: of(|told| told.p50), p99: of(|told| told.p99), p999: of(|told| told.p999) }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct ServerFigures {
    pub(crate) overruns: Option<u64>,
    pub(crate) ticks_left_out: Option<u64>,
    pub(crate) send_rates_lowered: Option<u64>,
    pub(crate) cpu_us_per_client_tick: Option<f64>,
    pub(crate) kernel_drops: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct InputFigures {
    pub(crate) starved: u64,
    pub(crate) late: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct SnapshotFigures {
    pub(crate) skipped: u64,
    pub(crate) deferred: u64,
}

/// A server in a process of its own.
pub(crate) struct Host {
    /// Its standard input is closed when this is dropped, and that ends it.
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    pub(crate) trust: Trust,
}

impl Host {
    /// Starts it, by this program's command `host`.
    pub(crate) fn start(spec: &HostSpec) -> Result<Self, BenchError> {
        let spec = serde_json::to_string(spec)?;
        let mut child = Command::new(std::env::current_exe().map_err(|error| failed(&error))?)
            .args(["host", &spec])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        out.read_line(&mut line).map_err(|error| failed(&error))?;
        // It has said why on the standard error.
        let (address, fingerprint) = line.trim().split_once(' ').ok_or_else(|| failed(&"the server did not start"))?;
        let fingerprint: Fingerprint = fingerprint.parse().map_err(|error| failed(&error))?;
        Ok(Self {
            address: address.parse().map_err(|error| failed(&error))?,
            trust: Trust::pinned(fingerprint),
            child,
            out,
        })
    }

    /// Ends it, and reads what it measured.
    pub(crate) fn finish(mut self) -> Result<Served, BenchError> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.out.read_line(&mut line).map_err(|error| failed(&error))?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Waiting closes the input.
        let _ = self.child.wait();
    }
}
