//! Wall time says little on a machine that others use, too; the number of instructions is the same on every run. So a match
//! of the field is played under callgrind once for each hot call, and what that call took is held against a file. Who makes
//! one of them longer must say so, by accepting the new numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::workloads::{Effort, played};
use crate::{BenchError, Report};

/// More than this above the file fails.
const TOLERANCE: f64 = 0.05;

/// A call that is counted.
struct Part {
    name: &'static str,
    /// What callgrind finds it by.
    function: &'static str,
    /// What the instructions are divided by.
    per: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    Tick,
    Update,
    InputDatagram,
}

const PARTS: [Part; 4] = [
    Part { name: "tick", function: "*benches*counted*tick*", per: Unit::Tick },
    Part { name: "encode, per update", function: "*Room*tell_clients*", per: Unit::Update },
    Part { name: "decode, per update", function: "*benches*counted*decode*", per: Unit::Update },
    Part { name: "input datagram", function: "*benches*counted*take_inputs*", per: Unit::InputDatagram },
];

/// What was played: how often each thing happened.
#[derive(Clone, Copy, Debug)]
pub struct Played {
    /// Ticks of the room.
    pub ticks: u64,
    /// Updates that clients were told.
    pub updates: u64,
    /// Input datagrams.
    pub inputs: u64,
}

#[derive(Serialize)]
struct Figures {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    what: &'static str,
    instructions: u64,
    /// What the file says; nothing when it does not know the part.
    accepted: Option<u64>,
}

/// Counts, and holds the counts against the file at `path`; or writes them there, if they are to be accepted.
///
/// # Errors
/// When callgrind cannot be run, or a part takes more than 5 % more than the file says.
pub fn instructions(effort: Effort, path: &Path, accept: bool) -> Result<Report, BenchError> {
    let played = played(effort.seed)?;
    let accepted = std::fs::read_to_string(path).map(|text| parse(&text)).unwrap_or_default();
    let mut rows = Vec::new();
    for part in &PARTS {
        let count = match part.per {
            Unit::Tick => played.ticks,
            Unit::Update => played.updates,
            Unit::InputDatagram => played.inputs,
        };
        let instructions = count_in(part.function, effort.seed)? / count.max(1);
        rows.push(Row { what: part.name, instructions, accepted: accepted.get(part.name).copied() });
    }
    let text = table(&rows);
    if accept {
        let page = |error| BenchError::Page(format!("{}: {error}", path.display()));
        std::fs::write(path, file(&rows)).map_err(page)?;
    } else {
        judge(&rows, path)?;
    }
    Ok(Report::new("instructions", effort.seed, effort.quick, Figures { rows })?.with_text(text))
}

/// Fails if a part grew by more than may be.
fn judge(rows: &[Row], path: &Path) -> Result<(), BenchError> {
    let mut faults = Vec::new();
    for Row { what, instructions, accepted } in rows {
        match accepted {
            Some(accepted) if *instructions as f64 > *accepted as f64 * (1.0 + TOLERANCE) => {
                let percent = (*instructions as f64 / *accepted as f64 - 1.0) * 100.0;
                faults.push(format!("{what}: {instructions} instructions instead of {accepted} (+{percent:.1} %)"));
            }
            Some(_) => {}
            None => faults.push(format!("{what}: not in {}", path.display())),
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(BenchError::Gate(format!(
        "{}; if that is worth it, accept it with `scripts/instructions.sh --accept` and say why in the commit",
        faults.join("; ")
    )))
}

/// Instructions inside of `function`, in a match that is played by another process.
fn count_in(function: &str, seed: u64) -> Result<u64, BenchError> {
    let failed = |why: String| BenchError::Instructions(why);
    let own = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(own)
        .args(["played", "--seed", &seed.to_string()])
        .output()
        .map_err(|error| failed(format!("valgrind: {error}; install it (Debian: `apt-get install valgrind`)")))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let count = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match count.filter(|&count| output.status.success() && count > 0) {
        Some(count) => Ok(count),
        None => Err(failed(format!("no instructions of `{function}` were seen: {}", told.trim_end()))),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:24} {:>12} {:>12} {:>8}\n", "instructions", "counted", "accepted", "change");
    for Row { what, instructions, accepted } in rows {
        let change = accepted.map(|accepted| (*instructions as f64 / accepted as f64 - 1.0) * 100.0);
        let accepted = accepted.map_or_else(|| "-".to_owned(), |accepted| accepted.to_string());
        let change = change.map_or_else(|| "-".to_owned(), |change| format!("{change:+.1} %"));
        let _ = writeln!(text, "{what:24} {instructions:>12} {accepted:>12} {change:>8}");
    }
    text
}

fn file(rows: &[Row]) -> String {
    let mut text =
        "# Instructions by callgrind, profile dist; `scripts/instructions.sh` compares, `--accept` writes.\n"
            .to_owned();
    for Row { what, instructions, .. } in rows {
        let _ = writeln!(text, "{what} = {instructions}");
    }
    text
}

fn parse(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter_map(|(name, count)| Some((name.trim().to_owned(), count.trim().parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instructions: u64, accepted: Option<u64>) -> Vec<Row> {
        vec![Row { what: "tick", instructions, accepted }]
    }

    #[test]
    fn a_part_that_grew_by_more_than_a_twentieth_fails_and_says_how_to_accept_it() {
        let path = Path::new("instructions.txt");
        assert!(judge(&row(1_050, Some(1_000)), path).is_ok());
        let error = judge(&row(1_051, Some(1_000)), path).expect_err("it grew");
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("--accept"), "{error}");
        assert!(judge(&row(1, None), path).is_err(), "a part without a number is not compared with anything");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let rows = row(1_234, None);
        assert_eq!(parse(&file(&rows)), BTreeMap::from([("tick".to_owned(), 1_234)]));
    }
}
