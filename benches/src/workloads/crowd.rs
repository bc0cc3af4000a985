//! `crowd`: what 10,000 entities cost a room, and somebody who joins it.

use std::time::Duration;

use downbeat_field::{Config, Field};
use downbeat_host::{SessionId, limits};
use serde::Serialize;

use super::{Effort, RUNS, WARM_UP_S, idler, walker};
use crate::games::watched::Watched;
use crate::statistics::{median, percentile, rounded};
use crate::{BenchError, Options, Report, Stage, Totals, allocations};

const WALKERS: u32 = 10_000;
const VISIBLE: u32 = 32;
const CLIENTS: u16 = 64;

/// A first state that takes longer than this is not going to be complete.
const FIRST_STATE_S_MAX: u32 = 120;

#[derive(Serialize)]
struct Figures {
    /// Median tick of the room without the game's step: the median of the runs'.
    tick_us: f64,
    tick_us_p99: f64,
    /// The same in processor time, to which nothing adds that others do on this machine.
    tick_cpu_us_p99: f64,
    /// Per tick in steady state: taking in the clients' datagrams, and the tick with the game's step.
    allocations: f64,
    allocations_receive: f64,
    allocations_tick: f64,
    first_state_ms: f64,
    /// Entities of the first state, the own avatar among them: all there are, or as many as a client has slots for.
    first_state_entities: usize,
    /// The share of its datagrams that confirmed its own avatar meanwhile.
    first_state_own_share: f64,
    bytes_per_update: f64,
}

/// Plays the crowd.
///
/// # Errors
/// When a copy was wrong, or no allocator counts.
pub fn crowd(effort: Effort) -> Result<Report, BenchError> {
    let steady = steady(effort)?;
    let first = first_state(effort)?;
    let per_tick = |count: fn(&Totals) -> u64| count(&steady.totals) as f64 / steady.totals.ticks as f64;
    let (receive, tick) = (per_tick(|totals| totals.receive_allocations), per_tick(|totals| totals.tick_allocations));
    let of = |time: fn(&Times) -> f64, percent| {
        let run = |run: &Vec<Times>| percentile(&run.iter().map(time).collect::<Vec<_>>(), percent);
        rounded(median(steady.runs.iter().map(run)), 1)
    };
    let figures = Figures {
        tick_us: of(|times| times.wall, 50),
        tick_us_p99: of(|times| times.wall, 99),
        tick_cpu_us_p99: of(|times| times.cpu, 99),
        allocations: rounded(receive + tick, 3),
        allocations_receive: rounded(receive, 3),
        allocations_tick: rounded(tick, 3),
        first_state_ms: rounded(first.ms, 1),
        first_state_entities: first.entities,
        first_state_own_share: rounded(first.own_share, 3),
        bytes_per_update: rounded(steady.totals.bytes_per_update(), 4),
    };
    Ok(Report::new("crowd", effort.seed, effort.quick, figures)?)
}

/// Microseconds of a tick.
struct Times {
    wall: f64,
    cpu: f64,
}

struct Steady {
    /// Each tick, by run.
    runs: Vec<Vec<Times>>,
    totals: Totals,
}

fn steady(effort: Effort) -> Result<Steady, BenchError> {
    if !allocations::is_counting() {
        return Err(BenchError::Invalid("no allocator counts".to_owned()));
    }
    let options = Options::new(effort.seed, CLIENTS);
    let mut stage = Stage::<Field>::new(&options, &world(), walker)?;
    stage.run(options.ticks(WARM_UP_S));
    let before = *stage.totals();
    let run = |stage: &mut Stage<Field>| {
        let tick = |_| {
            stage.tick();
            let us = |time: Duration| time.as_nanos() as f64 / 1e3;
            Times { wall: us(stage.last_tick()), cpu: us(stage.last_tick_cpu().unwrap_or_default()) }
        };
        (0..effort.of(300, 60)).map(tick).collect()
    };
    let runs = (0..RUNS).map(|_| run(&mut stage)).collect();
    let totals = stage.totals().since(&before);
    stage.exact_since()?;
    stage.verify(true)?;
    Ok(Steady { runs, totals })
}

struct FirstState {
    ms: f64,
    entities: usize,
    own_share: f64,
}

/// Lets somebody into the running crowd who sees everything, with the bytes that a room gives a client by default, and
/// waits until all of it has been told.
fn first_state(effort: Effort) -> Result<FirstState, BenchError> {
    let options = Options {
        judged: 0,
        players_max: CLIENTS + 1,
        client_bytes_per_s: limits::CLIENT_BYTES_PER_S,
        ..Options::new(effort.seed, CLIENTS)
    };
    let mut stage = Stage::<Watched>::new(&options, &world(), |_| idler())?;
    stage.run(options.ticks(WARM_UP_S));
    let joined = stage.now();
    let ticks_before = stage.totals().ticks;
    let index = stage.join(idler(), true);
    stage.tick();
    // The own avatar is among what is told, and not among what is visible.
    let entities = stage.room().told(SessionId(index as u32)).len();
    while stage.client(index).visible() + 1 < entities {
        if stage.totals().ticks - ticks_before > u64::from(options.ticks(FIRST_STATE_S_MAX)) {
            let told = stage.client(index).visible();
            return Err(BenchError::Gate(format!("after {FIRST_STATE_S_MAX} s, {told} of {entities} were told")));
        }
        stage.tick();
    }
    stage.verify(false)?;
    // The first datagram shows the avatar, the others confirm it.
    let counters = stage.client(index).counters();
    let own_share = counters.confirmed as f64 / counters.snapshots.saturating_sub(1) as f64;
    Ok(FirstState { ms: stage.now().since(joined).0 as f64 / 1e3, entities, own_share })
}

fn world() -> Config {
    Config { walkers: WALKERS, visible: VISIBLE, ..Config::default() }
}
