//! One run of one library, and where runs are kept.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::BenchError;

/// A library, and how it serialises states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contestant {
    /// Of the program, without `peer-`.
    pub name: String,
    /// `cm` or `f32`; as the program has it.
    pub precision: String,
}

impl FromStr for Contestant {
    type Err = String;

    /// Reads `renet` or `renet:f32`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, precision) = text.split_once(':').unwrap_or((text, "cm"));
        match precision {
            _ if !NAMES.contains(&name) => Err(format!("there is no peer `{name}`; there are: {}", NAMES.join(", "))),
            "cm" | "f32" => Ok(Self { name: name.to_owned(), precision: precision.to_owned() }),
            _ => Err(format!("states of `{name}` are told in `cm` or `f32`, not in `{precision}`")),
        }
    }
}

const NAMES: [&str; 5] = ["downbeat", "renet", "replicon", "lightyear", "naia"];

/// What a server prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Served {
    pub(super) version: String,
    pub(super) encryption: String,
    pub(super) delta: String,
    pub(super) connected: usize,
    pub(super) ticks: f64,
    pub(super) ticks_per_s: f64,
    pub(super) cpu_share: f64,
    pub(super) server_cpu_us_per_client_tick: f64,
    pub(super) down_wire_bytes_per_client_tick: f64,
    pub(super) up_wire_bytes_per_client_tick: f64,
    pub(super) down_datagrams_per_client_tick: f64,
    pub(super) up_datagrams_per_client_tick: f64,
    pub(super) kernel_drops: f64,
}

/// What clients print.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Played {
    pub(super) connected: usize,
    pub(super) states_per_s: f64,
    pub(super) delivered_ratio: f64,
    pub(super) cpu_share: f64,
    pub(super) kernel_drops: f64,
}

/// A server and its clients, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) contestant: Contestant,
    pub(super) visible: String,
    pub(super) clients: usize,
    /// `None` when not all clients got in.
    pub(super) served: Option<Served>,
    pub(super) played: Option<Played>,
}

/// A server keeps time if it makes this share of its ticks, and datagrams arrive if less than the rest is dropped.
const KEPT: f64 = 0.99;

impl Run {
    /// Whether every client got in and stayed, the server kept 60 Hz, and at least 99 % of the snapshots were delivered.
    pub(super) fn is_served(&self) -> bool {
        let (Some(served), Some(played)) = (&self.served, &self.played) else { return false };
        let client_ticks = self.clients as f64 * served.ticks;
        let datagrams = client_ticks * (served.down_datagrams_per_client_tick + served.up_datagrams_per_client_tick);
        served.connected.min(played.connected) >= self.clients
            && served.ticks_per_s >= 60.0 * KEPT
            && served.kernel_drops + played.kernel_drops <= datagrams * (1.0 - KEPT)
            && played.delivered_ratio >= self.delivered_min()
    }

    /// The share of the states that clients must have decoded. Those of bevy_replicon, and of lightyear which is made of it,
    /// leave out a state if a newer one came in the same frame, as jitter of a millisecond brings about.
    fn delivered_min(&self) -> f64 {
        match self.contestant.name.as_str() {
            "replicon" | "lightyear" => 0.95,
            _ => KEPT,
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contestant: Contestant { name, precision }, visible, clients, .. } = self;
        write!(f, "{name} ({precision}), {visible} visible, {clients} clients: ")?;
        let (Some(served), Some(played)) = (&self.served, &self.played) else {
            return write!(f, "did not run to its end");
        };
        write!(
            f,
            "{:.1} us and {:.0} B down per client and tick; {:.1} ticks/s, {:.1} % of the states; processors {:.0} % and {:.0} %{}",
            served.server_cpu_us_per_client_tick,
            served.down_wire_bytes_per_client_tick,
            served.ticks_per_s,
            100.0 * played.delivered_ratio,
            100.0 * served.cpu_share,
            100.0 * played.cpu_share,
            if self.is_served() { "" } else { "; not served" }
        )
    }
}

/// All runs: those of before, and those of this time.
pub(super) struct Runs {
    all: Vec<Run>,
    file: Option<PathBuf>,
}

impl Runs {
    pub(super) fn open(file: Option<&Path>) -> Result<Self, BenchError> {
        let text = match file {
            Some(path) if path.exists() => fs::read_to_string(path).map_err(|error| unusable(path, &error))?,
            _ => String::new(),
        };
        let read = |line| serde_json::from_str(line).map_err(|error| BenchError::Peers(format!("{line}: {error}")));
        let all = text.lines().map(read).collect::<Result<Vec<Run>, _>>()?;
        Ok(Self { all, file: file.map(Path::to_owned) })
    }

    pub(super) fn add(&mut self, run: Run) -> Result<(), BenchError> {
        if let Some(path) = &self.file {
            let line = serde_json::to_string(&run)? + "\n";
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(|error| unusable(path, &error))?;
        }
        self.all.push(run);
        Ok(())
    }

    pub(super) fn all(&self) -> &[Run] {
        &self.all
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> BenchError {
    BenchError::Peers(format!("runs cannot be kept in {}: {error}", path.display()))
}

#[cfg(test)]
pub(super) fn run(name: &str, visible: &str, clients: usize, cpu_us: f64, bytes: f64) -> Run {
    let served = Served {
        version: "1.0".to_owned(),
        encryption: "none".to_owned(),
        delta: "none".to_owned(),
        connected: clients,
        ticks: 300.0,
        ticks_per_s: 60.0,
        cpu_share: 0.5,
        server_cpu_us_per_client_tick: cpu_us,
        down_wire_bytes_per_client_tick: bytes,
        up_wire_bytes_per_client_tick: 80.0,
        down_datagrams_per_client_tick: 1.0,
        up_datagrams_per_client_tick: 1.0,
        kernel_drops: 0.0,
    };
    let played =
        Played { connected: clients, states_per_s: 1e6, delivered_ratio: 1.0, cpu_share: 0.5, kernel_drops: 0.0 };
    let contestant = name.parse().expect("it takes part");
    Run { contestant, visible: visible.to_owned(), clients, served: Some(served), played: Some(played) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_if_all_stayed_and_were_served_in_time() {
        let spoilt = |spoil: fn(&mut Served, &mut Played)| {
            let mut run = run("renet", "all", 100, 10.0, 500.0);
            spoil(run.served.as_mut().expect("set"), run.played.as_mut().expect("set"));
            run.is_served()
        };
        assert!(spoilt(|_, _| {}));
        assert!(spoilt(|served, _| served.kernel_drops = 500.0));
        assert!(!spoilt(|served, _| served.ticks_per_s = 59.0));
        assert!(!spoilt(|served, _| served.connected = 99));
        assert!(!spoilt(|_, played| played.connected = 99));
        assert!(!spoilt(|_, played| played.kernel_drops = 700.0));
        assert!(!spoilt(|_, played| played.delivered_ratio = 0.98));
        let lost = Run { served: None, ..run("renet", "all", 100, 10.0, 500.0) };
        assert!(!lost.is_served());
    }

    #[test]
    fn only_those_take_part_who_are_there() {
        let read = |text: &str| text.parse::<Contestant>().map(|contestant| contestant.precision);
        assert_eq!((read("renet"), read("renet:f32")), (Ok("cm".to_owned()), Ok("f32".to_owned())));
        assert!(read("quake").is_err_and(|why| why.contains("downbeat, renet")));
        assert!(read("renet:f64").is_err());
    }
}
