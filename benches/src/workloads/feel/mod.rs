//! `feel`: what a player on a bad line feels, held against what the line allows.
//!
//! For each link 20 matches are played in virtual time, twice: by bots that fight, for everything a player feels, and by
//! bots that wander, for what prediction must never get wrong. Figures are those of a whole match, of all its clients; a
//! row gives their median over the seeds, and the worst.

mod play;
mod row;
mod table;
mod target;
mod watch;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use downbeat_client::Mechanism;
use downbeat_link::LinkSpec;
use serde::Serialize;

use self::play::{Match, Measured, play};
use self::row::Row;
use self::table::{FEEL, Table, WITHOUT};
use super::Effort;
use crate::{BenchError, Report};

/// One way, both ways alike.
pub(crate) const LINKS: [&str; 6] = [
    "lan",
    "latency=25ms,jitter=2ms",
    "latency=50ms,jitter=10ms,loss=2%",
    "latency=75ms,jitter=20ms,loss=5%,burst=3",
    "latency=50ms,jitter=10ms,loss=20%",
    "latency=50ms,jitter=5ms,reorder=5%",
];

const CLIENTS: u16 = 8;
const SEEDS: u32 = 20;
const SECONDS: u32 = 60;

#[derive(Serialize)]
struct Figures {
    clients: u16,
    seconds: u32,
    seeds: u32,
    rows: Vec<Row>,
}

/// Plays all rows, or one of them (from 1), and writes the table into the page at `page`, if there is one.
///
/// # Errors
/// When a world could not be set up, or the page not be written.
pub fn feel(effort: Effort, row: Option<u8>, page: Option<&Path>) -> Result<Report, BenchError> {
    let chosen = LINKS.iter().enumerate().filter(|(i, _)| row.is_none_or(|row| usize::from(row) == i + 1));
    let rows: Vec<_> = chosen.map(|(_, link)| (parsed(link), None)).collect();
    play_rows(&FEEL, effort, &rows, page)
}

/// The same for two rows, from which one mechanism after the other is left off.
///
/// # Errors
/// As [`feel`].
pub fn without(effort: Effort, page: Option<&Path>) -> Result<Report, BenchError> {
    let links = LINKS[2..4].iter().map(|link| parsed(link));
    let left_off = || std::iter::once(None).chain(Mechanism::ALL.map(Some));
    let rows: Vec<_> = links.flat_map(|link| left_off().map(move |without| (link, without))).collect();
    play_rows(&WITHOUT, effort, &rows, page)
}

fn parsed(link: &str) -> LinkSpec {
    link.parse().expect("the links are spelled right")
}

fn play_rows(
    table: &Table,
    effort: Effort,
    rows: &[(LinkSpec, Option<Mechanism>)],
    page: Option<&Path>,
) -> Result<Report, BenchError> {
    let (seconds, seeds) = if effort.quick { (10, 3) } else { (SECONDS, SEEDS) };
    let mut matches = Vec::new();
    for &(link, without) in rows {
        for seed in (effort.seed..).take(seeds as usize) {
            matches.extend(["fight", "wander"].map(|brain| Match { link, seed, seconds, brain, without }));
        }
    }
    let measured = play_all(&matches)?;
    let played = measured.chunks(2 * seeds as usize);
    let rows: Vec<Row> =
        rows.iter().zip(played).map(|((link, without), played)| Row::new(link, *without, played)).collect();
    let text = table.markdown(&rows);
    if let Some(page) = page {
        table.write_into(page, &text)?;
    }
    let figures = Figures { clients: CLIENTS, seconds, seeds, rows };
    Ok(Report::new("feel", effort.seed, effort.quick, figures)?.with_text(text))
}

/// Plays the matches on all cores. What comes of them is in their order, whoever played which.
fn play_all(matches: &[Match]) -> Result<Vec<Measured>, BenchError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(played) = matches.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(play(played));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, Into::into);
    let done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a match does not panic")).collect()
    });
    let mut measured = done.into_iter().collect::<Result<Vec<_>, BenchError>>()?;
    measured.sort_by_key(|measured| matches.iter().position(|played| *played == measured.of));
    Ok(measured)
}
