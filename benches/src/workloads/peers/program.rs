//! The programs of the other workspace, and how two of them are run against each other.

use std::io::{BufRead, BufReader};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::run::{Contestant, Run};
use crate::BenchError;

/// The processors of servers and of clients.
const SERVER_CPU: &str = "0";
const CLIENTS_CPU: &str = "1";

/// A server that has not said where it listens after this does not start.
const START_WITHIN: Duration = Duration::from_secs(10);

/// What joining, warm-up and farewell take at most, on top of what is measured.
const SLACK: Duration = Duration::from_secs(30);

/// Where the programs are, and how long they measure.
pub(super) struct Programs {
    folder: PathBuf,
    seconds: u32,
}

/// A program that is running. It does not outlive whoever started it.
struct Started {
    child: Child,
    lines: Receiver<String>,
}

/// What a server says first.
#[derive(Deserialize)]
struct Listening {
    listening: String,
}

impl Programs {
    /// The programs of `contestants` in `folder`.
    pub(super) fn find(folder: &Path, contestants: &[Contestant], seconds: u32) -> Result<Self, BenchError> {
        let programs = Self { folder: folder.to_owned(), seconds };
        let mut missing = Vec::new();
        for contestant in contestants {
            let name = contestant.name.as_str();
            if !programs.path(contestant).is_file() && !missing.contains(&name) {
                missing.push(name);
            }
        }
        if missing.is_empty() {
            return Ok(programs);
        }
        let names = missing.join(" ");
        Err(BenchError::Peers(format!(
            "{} has no programs for: {names}; build them with `benches/peers/build.sh {names}`, which takes minutes, or name \
             another folder (--programs)",
            folder.display()
        )))
    }

    fn path(&self, contestant: &Contestant) -> PathBuf {
        self.folder.join(format!("peer-{}", contestant.name))
    }

    /// A server with so many clients.
    pub(super) fn run(&self, contestant: &Contestant, visible: &str, clients: usize) -> Result<Run, BenchError> {
        let command = |role: &str, cpu: &str| {
            let mut command = Command::new(self.path(contestant));
            command.args([role, "--cpu", cpu, "--visible", visible, "--precision", &contestant.precision]);
            command.args(["--clients", &clients.to_string(), "--seconds", &self.seconds.to_string()]);
            command
        };
        let server = Started::new(command("server", SERVER_CPU))?;
        let told: Option<Listening> = server.lines.recv_timeout(START_WITHIN).ok().and_then(|line| parsed(&line));
        let told = told.ok_or_else(|| BenchError::Peers(format!("peer-{} does not listen", contestant.name)))?;
        let players = Started::new({
            let mut command = command("clients", CLIENTS_CPU);
            command.args(["--connect", &told.listening]);
            command
        })?;
        let patience = Duration::from_secs(self.seconds.into()) + SLACK;
        let played = players.last_line(patience);
        let served = server.last_line(patience);
        let run = Run { contestant: contestant.clone(), visible: visible.to_owned(), clients, served, played };
        eprintln!("{run}");
        Ok(run)
    }
}

impl Started {
    fn new(mut command: Command) -> Result<Self, BenchError> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| BenchError::Peers(format!("{command:?} does not start: {error}")))?;
        let stdout = child.stdout.take().expect("it was asked for");
        let (sender, lines) = channel();
        // Ends with the program's output.
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { child, lines })
    }

    /// Waits for the program's end, and reads its last line; `None` if that is not what was expected.
    fn last_line<T: DeserializeOwned>(&self, patience: Duration) -> Option<T> {
        let deadline = Instant::now() + patience;
        let next = || self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        iter::from_fn(next).last().and_then(|line| parsed(&line))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parsed<T: DeserializeOwned>(line: &str) -> Option<T> {
    serde_json::from_str(line).ok()
}
