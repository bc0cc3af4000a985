//! `scaling`: what a client and tick costs the server when one thing grows: clients, entities, or rooms.
//!
//! Machines change their pace from minute to minute. So all points are measured in turn, round after round, each for a few
//! seconds, and a point's figures are the medians of its rounds.

mod plot;
mod table;

use std::path::Path;

use downbeat_field::{Config, Field};
use serde::Serialize;

use super::Effort;
use crate::live::{Host, HostSpec, Load, Served, Work, World, faults, play};
use crate::statistics::{median, rounded};
use crate::{BenchError, Report, page};

/// Ticks and snapshots per second.
const HZ: u32 = 60;

/// Clients that read what they are told.
const FULL: usize = 16;

/// Clients that connect at the same time.
const JOINING: usize = 4;

/// A round that says nothing is tried again as often as this.
const TRIES: u32 = 3;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Axis {
    Clients,
    Entities,
    Rooms,
}

/// A server and its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    axis: Axis,
    clients: u16,
    rooms: u16,
    /// Walkers of a room.
    walkers: u32,
}

impl Point {
    /// All of them: 200 walkers are watched by more and more clients, 256 clients watch more and more walkers, and there
    /// are more and more rooms of ten clients and 64 walkers. Each client is shown 32.
    fn all() -> Vec<Self> {
        let clients = [64, 128, 256, 512, 1_000].map(|clients| (Axis::Clients, clients, 1, 200));
        let entities = [100, 300, 1_000, 3_000, 10_000].map(|walkers| (Axis::Entities, 256, 1, walkers));
        let rooms = [1, 3, 10, 30, 100].map(|rooms| (Axis::Rooms, 10 * rooms, rooms, 64));
        let points = [clients, entities, rooms].into_iter().flatten();
        points.map(|(axis, clients, rooms, walkers)| Self { axis, clients, rooms, walkers }).collect()
    }
}

/// A point and what it costs.
#[derive(Clone, Debug, Serialize)]
struct Row {
    axis: Axis,
    clients: u16,
    /// Walkers of all rooms.
    entities: u32,
    rooms: u16,
    cpu_us_per_client_tick: f64,
    /// The least and the most of the rounds.
    cpu_us_least: f64,
    cpu_us_most: f64,
    /// Against the first point of the axis.
    ratio_to_first: f64,
    /// Work of a tick; nothing where rooms grow.
    tick_work_us_p99: Option<f64>,
    /// Median work by phase, for a client and tick; likewise.
    phases_us: Option<Phases>,
    /// Rounds that count.
    rounds: usize,
}

impl Row {
    /// What its axis counts.
    fn size(&self) -> u32 {
        match self.axis {
            Axis::Clients => self.clients.into(),
            Axis::Entities => self.entities,
            Axis::Rooms => self.rooms.into(),
        }
    }
}

/// Work of a tick by what it is for, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Phases {
    receive: f64,
    /// Step and capture: what the game takes, whoever watches.
    world: f64,
    interest: f64,
    encode: f64,
    flush: f64,
}

#[derive(Serialize)]
struct Figures {
    hz: u32,
    visible: u32,
    /// Of each round, in seconds.
    seconds: u32,
    rows: Vec<Row>,
}

/// Measures all points. Writes the tables into the page at `page`, if there is one, and the plots into a folder of its name.
///
/// # Errors
/// When the server or the load cannot run, the page cannot be written, or a point has no round that says anything.
pub fn scaling(effort: Effort, page: Option<&Path>) -> Result<Report, BenchError> {
    let (seconds, rounds) = if effort.quick { (3, 1) } else { (5, 5) };
    let points = Point::all();
    let mut measured: Vec<Vec<Served>> = vec![Vec::new(); points.len()];
    for round in 0..rounds {
        for (point, measured) in points.iter().zip(&mut measured) {
            eprintln!("round {} of {rounds}: {point:?}", round + 1);
            measured.extend(measure(point, effort.seed, seconds)?);
        }
    }
    let rows = rows(&points, &measured)?;
    let text = table::markdown(&rows);
    if let Some(page) = page {
        plot::write(&page.with_extension(""), &rows)?;
        page::put(page, "scaling", &text)?;
    }
    let figures = Figures { hz: HZ, visible: Config::default().visible, seconds, rows };
    Ok(Report::new("scaling", effort.seed, effort.quick, figures)?.with_text(text))
}

/// One round of a point; nothing if it said nothing however often it was tried.
fn measure(point: &Point, seed: u64, seconds: u32) -> Result<Option<Served>, BenchError> {
    let rules = Config { walkers: point.walkers, ..Config::default() };
    let players = point.clients / point.rooms;
    let spec = HostSpec { world: World::Field(rules), tick_rate_hz: HZ, rooms: point.rooms, players, seed };
    let clients = usize::from(point.clients);
    let load = Load { clients, full: clients.min(FULL), joining: JOINING, brain: "wander", seconds, seed };
    for _ in 0..TRIES {
        let host = Host::start(&spec)?;
        let played = play::<Field>(&host, load, |_| {})?;
        let served = host.finish()?;
        let faults = faults(&played, &served);
        if faults.is_empty() {
            return Ok(Some(served));
        }
        eprintln!("again: {}", faults.join("; "));
    }
    Ok(None)
}

fn rows(points: &[Point], measured: &[Vec<Served>]) -> Result<Vec<Row>, BenchError> {
    let mut rows: Vec<Row> = Vec::new();
    for (point, rounds) in points.iter().zip(measured) {
        let cpu: Vec<f64> = rounds.iter().filter_map(|served| served.server.cpu_us_per_client_tick).collect();
        if cpu.is_empty() {
            return Err(BenchError::Invalid(format!("{point:?}: no round counts; other programs use the processors")));
        }
        let middle = median(cpu.iter().copied());
        let first = rows.iter().find(|row| row.axis == point.axis).map_or(middle, |row| row.cpu_us_per_client_tick);
        let work = |served: &Served| Work::of(served.tick_us).p99;
        // Rooms tick apart from each other, so with several a beat's phases are not those of a tick.
        let has_phases = point.axis != Axis::Rooms;
        rows.push(Row {
            axis: point.axis,
            clients: point.clients,
            entities: point.walkers * u32::from(point.rooms),
            rooms: point.rooms,
            cpu_us_per_client_tick: rounded(middle, 2),
            cpu_us_least: rounded(cpu.iter().copied().fold(f64::INFINITY, f64::min), 2),
            cpu_us_most: rounded(cpu.iter().copied().fold(0.0, f64::max), 2),
            ratio_to_first: rounded(middle / first, 2),
            tick_work_us_p99: has_phases.then(|| rounded(median(rounds.iter().map(work)), 0)),
            phases_us: has_phases.then(|| Phases::of(rounds, point.clients)),
            rounds: cpu.len(),
        });
    }
    Ok(rows)
}

impl Phases {
    fn of(rounds: &[Served], clients: u16) -> Self {
        let phase = |name: &str| {
            let told = |served: &Served| Work::of(served.phases_us.get(name).copied().flatten()).p50;
            median(rounds.iter().map(told)) / f64::from(clients)
        };
        Self {
            receive: rounded(phase("receive"), 2),
            world: rounded(phase("step") + phase("capture"), 2),
            interest: rounded(phase("interest"), 2),
            encode: rounded(phase("encode"), 2),
            flush: rounded(phase("flush"), 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_medians_of_their_rounds_and_are_held_against_the_first_of_their_axis() {
        let points = Point::all();
        let served = |cpu: f64| {
            let mut served = Served::default();
            served.server.cpu_us_per_client_tick = Some(cpu);
            served
        };
        let cost = |i: usize| if i == 2 { [7.0, 5.0, 30.0] } else { [4.0, 5.0, 6.0] };
        let measured: Vec<_> = (0..points.len()).map(|i| cost(i).map(served).to_vec()).collect();
        let rows = rows(&points, &measured).expect("every point has rounds");
        assert_eq!(rows.len(), 15);
        assert_eq!((rows[2].cpu_us_per_client_tick, rows[2].ratio_to_first), (7.0, 1.4));
        assert_eq!((rows[2].cpu_us_least, rows[2].cpu_us_most, rows[2].rounds), (5.0, 30.0, 3));
        assert_eq!((rows[14].rooms, rows[14].clients, rows[14].entities), (100, 1_000, 6_400));
        assert!(rows[10].phases_us.is_none() && rows[9].phases_us.is_some());
        assert!(self::rows(&points, &vec![Vec::new(); 15]).is_err(), "a point without a round has no figures");
    }
}
