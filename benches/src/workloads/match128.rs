//! `match128`: ten players of the arena who fight at 128 Hz: what a tick of theirs takes, and how many such matches a core
//! holds.
//!
//! The first figure is that of one match alone on its server. For the second, several run side by side, as many as bots on
//! one processor can play; what they cost on average says how many would use up the core.

use std::fmt::Write as _;

use downbeat_arena::Arena;
use serde::Serialize;

use super::Effort;
use crate::live::{Host, HostSpec, Load, Served, Work, World, faults, kernel_drops, lost, play};
use crate::statistics::rounded;
use crate::{BenchError, Report};

const PLAYERS: u16 = 10;
const HZ: u32 = 128;
const TICK_US: f64 = 1e6 / HZ as f64;

/// Matches that run side by side.
const MATCHES: u16 = 8;

/// Clients that connect at the same time.
const JOINING: usize = 4;

#[derive(Serialize)]
struct Figures {
    valid: bool,
    /// Why not.
    faults: Vec<String>,
    tick_p99_us: f64,
    /// Extrapolated from `cpu_us_per_match_tick`: as many as a tick's length has room for.
    matches_per_core: u64,
    players: u16,
    hz: u32,
    tick_work_us: Work,
    /// Of one match alone, its share of what a server costs that waits.
    cpu_us_per_match_tick_alone: f64,
    /// Matches that ran side by side, and what each of them cost.
    matches_run: u16,
    cpu_us_per_match_tick: f64,
    room_tick_us: Work,
    /// Corrections of the bots' own avatars by what only the server knew, hits and deaths among them: they do fight.
    mispredictions_per_client_minute: f64,
    snapshots_per_client_s: f64,
    inputs_starved: u64,
    lost: u64,
    kernel_drops: u64,
    load_late_us_p99: f64,
}

/// What came of some matches.
struct Outcome {
    played: downbeat_bots::Report,
    served: Served,
}

/// Plays one match alone, and several side by side.
///
/// # Errors
/// When the server or the load cannot run. A run that says nothing has a report that says so.
pub fn match128(effort: Effort) -> Result<Report, BenchError> {
    let alone = fight(effort, 1)?;
    let many = fight(effort, MATCHES)?;
    let outcomes = [&alone, &many];
    let faults: Vec<String> = outcomes.iter().flat_map(|outcome| faults(&outcome.played, &outcome.served)).collect();
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(|outcome| of(outcome)).sum::<u64>();
    let cpu = |outcome: &Outcome| outcome.served.server.cpu_us_per_client_tick.unwrap_or(f64::NAN) * f64::from(PLAYERS);
    let received = many.played.snapshots.received.unwrap_or(0) as f64 / many.played.measured_seconds;
    let figures = Figures {
        valid: faults.is_empty(),
        tick_p99_us: Work::of(alone.served.tick_us).p99,
        matches_per_core: (TICK_US / cpu(&many)) as u64,
        players: PLAYERS,
        hz: HZ,
        tick_work_us: Work::of(alone.served.tick_us),
        cpu_us_per_match_tick_alone: rounded(cpu(&alone), 1),
        matches_run: MATCHES,
        cpu_us_per_match_tick: rounded(cpu(&many), 1),
        room_tick_us: Work::of(many.served.room_tick_us),
        mispredictions_per_client_minute: rounded(alone.played.prediction.per_client_minute.unwrap_or(0.0), 1),
        snapshots_per_client_s: rounded(received / f64::from(MATCHES * PLAYERS), 2),
        inputs_starved: sum(|of| of.served.inputs.map_or(0, |inputs| inputs.starved + inputs.late)),
        lost: sum(|of| lost(&of.played)),
        kernel_drops: sum(|of| kernel_drops(&of.played, &of.served)),
        load_late_us_p99: outcomes
            .map(|of| of.played.bots.late_us.map_or(f64::NAN, |late| late.p99))
            .into_iter()
            .fold(0.0, f64::max),
        faults,
    };
    let text = text(&figures);
    let invalid = (!figures.valid).then(|| figures.faults.join("; "));
    Ok(Report::new("match128", effort.seed, effort.quick, figures)?.with_text(text).with_fault(invalid))
}

/// Plays `matches` side by side, every player a bot that fights.
fn fight(effort: Effort, matches: u16) -> Result<Outcome, BenchError> {
    let spec = HostSpec { world: World::Arena, tick_rate_hz: HZ, rooms: matches, players: PLAYERS, seed: effort.seed };
    let clients = usize::from(matches * PLAYERS);
    let (seconds, seed) = (effort.of(60, 5), effort.seed);
    let load = Load { clients, full: clients, joining: JOINING, brain: "fight", seconds, seed };
    let host = Host::start(&spec)?;
    let played = play::<Arena>(&host, load, |_| {})?;
    Ok(Outcome { played, served: host.finish()? })
}

fn text(figures: &Figures) -> String {
    let Figures { tick_work_us: work, room_tick_us: room, .. } = figures;
    let mut text = format!(
        "{} players fight at {} Hz\none match alone: {:.0} us of work in a tick at p99 ({:.0} at p50, {:.0} at p99.9), of \
         {TICK_US:.0}\n{} matches side by side: {:.1} us of CPU for a match and tick, {:.0} us of work for one at p99; a core \
         would hold {}\n{:.2} snapshots per client and second, {:.1} mispredictions per client and minute, {} clients lost, \
         {} inputs late or missing, {} kernel drops\n",
        figures.players,
        figures.hz,
        work.p99,
        work.p50,
        work.p999,
        figures.matches_run,
        figures.cpu_us_per_match_tick,
        room.p99,
        figures.matches_per_core,
        figures.snapshots_per_client_s,
        figures.mispredictions_per_client_minute,
        figures.lost,
        figures.inputs_starved,
        figures.kernel_drops,
    );
    let _ = writeln!(text, "the load was {:.2} ms late at p99", figures.load_late_us_p99 / 1e3);
    text + &figures.faults.iter().map(|fault| format!("INVALID: {fault}\n")).collect::<String>()
}
