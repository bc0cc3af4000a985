//! `peers`: the same crowd on other netcode libraries and on Downbeat, server and clients on a processor each.
//!
//! Every library comes as a program of the workspace `benches/peers`, which knows how to serve and how to play. Here they are
//! started in turn, so that what the machine does meanwhile falls on all of them, and their figures become rows.

mod program;
mod row;
mod run;

use std::path::PathBuf;

use serde::Serialize;

use self::program::Programs;
use self::row::{Ratio, Row, Step};
use self::run::Runs;
use super::Effort;
use crate::{BenchError, Report, markdown};

pub use self::run::Contestant;

/// What is compared, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The folder of the programs.
    pub programs: PathBuf,
    /// Who takes part.
    pub contestants: Vec<Contestant>,
    /// How many walkers each client is shown: `all`, or how many of the nearest.
    pub visible: Vec<String>,
    /// Clients of the comparison.
    pub clients: usize,
    /// Numbers of clients that are tried, ascending, until a server or its clients are too slow.
    pub ladder: Vec<usize>,
    /// How often everybody has a turn; as the effort has it when nothing is said.
    pub rounds: Option<u32>,
    /// Runs are kept here, one a line, and those that are there count.
    pub runs: Option<PathBuf>,
}

/// Who takes part if nothing is said.
pub const CONTESTANTS: [&str; 6] = ["downbeat", "renet", "renet:f32", "replicon", "lightyear", "naia"];

/// The clients that are tried if nothing is said. The libraries on netcode allow 256 or 1,024.
pub const LADDER: [usize; 9] = [50, 100, 150, 200, 250, 300, 400, 500, 600];

#[derive(Serialize)]
struct Figures {
    clients: usize,
    rows: Vec<Row>,
    ratios: Vec<Ratio>,
    steps: Vec<Step>,
}

/// Runs the programs, or gathers what they measured before.
///
/// # Errors
/// When a program is missing (says how to build it) or does not start.
pub fn peers(effort: Effort, contest: &Contest) -> Result<Report, BenchError> {
    let (rounds, seconds) = if effort.quick { (1, 2) } else { (3, 5) };
    let rounds = contest.rounds.unwrap_or(rounds);
    let mut runs = Runs::open(contest.runs.as_deref())?;
    if rounds > 0 {
        let programs = Programs::find(&contest.programs, &contest.contestants, seconds)?;
        for _ in 0..rounds {
            compare(contest, &programs, &mut runs)?;
            if !effort.quick {
                climb(contest, &programs, &mut runs)?;
            }
        }
    }
    let rows: Vec<Row> = row::rows(contest, runs.all());
    let ratios = row::ratios(&rows);
    let steps = row::steps(contest, runs.all());
    let tables = [markdown::table(&row::table(&rows)), markdown::table(&row::steps_table(&steps))];
    let text = tables.join("\n") + "\n" + &row::verdict(&ratios);
    let figures = Figures { clients: contest.clients, rows, ratios, steps };
    Ok(Report::new("peers", effort.seed, effort.quick, figures)?.with_text(text))
}

/// Everybody once with the clients of the comparison.
fn compare(contest: &Contest, programs: &Programs, runs: &mut Runs) -> Result<(), BenchError> {
    for visible in &contest.visible {
        for contestant in &contest.contestants {
            runs.add(programs.run(contestant, visible, contest.clients)?)?;
        }
    }
    Ok(())
}

/// More and more clients, until each contestant has too many.
fn climb(contest: &Contest, programs: &Programs, runs: &mut Runs) -> Result<(), BenchError> {
    for visible in &contest.visible {
        let mut climbing: Vec<&Contestant> = contest.contestants.iter().collect();
        for &clients in &contest.ladder {
            let mut left = Vec::new();
            for contestant in climbing {
                let run = programs.run(contestant, visible, clients)?;
                if run.is_served() {
                    left.push(contestant);
                }
                runs.add(run)?;
            }
            climbing = left;
        }
    }
    Ok(())
}
