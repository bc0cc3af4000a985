//! `capacity`: clients that one core holds, shown to be served: each gets every snapshot, and what those bots know that read
//! theirs is what was so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use downbeat_bots::Report as Played;
use downbeat_field::{Config, Field};
use serde::Serialize;

use super::Effort;
use crate::live::{FieldJudge, Host, HostSpec, Load, Served, Work, World, faults, kernel_drops, lost, play};
use crate::statistics::rounded;
use crate::{BenchError, Report};

/// Clients that read what they are told, where there are more than that.
const FULL: usize = 50;

/// Clients that connect at the same time: few, so that a server that is about full need not lower its send rate for it.
const JOINING: usize = 2;

/// Least share of what bots were due that must be known to them as it was.
const EXACT_MIN: f64 = 0.99;

#[derive(Serialize)]
struct Figures {
    valid: bool,
    /// Why not.
    faults: Vec<String>,
    clients: usize,
    hz: u32,
    full_bots: usize,
    lost: u64,
    overruns: u64,
    server_cpu_us_per_client_tick: f64,
    /// How many clients would use up the core at what these cost; see [`extrapolated`].
    clients_extrapolated: u64,
    snapshots_per_client_s: f64,
    exact_ratio: f64,
    /// Records that did not fit into their snapshot.
    truncated: u64,
    /// Snapshots that a connection could not take.
    skipped: u64,
    inputs_starved: u64,
    tick_work_us: Work,
    /// The same by phase.
    phases_us: BTreeMap<String, Work>,
    kernel_drops: u64,
    /// Of the load's loop, and the share of its processor that it used.
    load_late_us_p99: f64,
    load_cpu_share: f64,
}

/// Plays the field of 200 walkers, of which each client is shown 32, with `clients` clients at `hz` ticks and snapshots per
/// second. The server has the first processor to itself, the load the second.
///
/// # Errors
/// When the server or the load cannot run. A run that says nothing has a report that says so.
pub fn capacity(effort: Effort, clients: usize, hz: u32) -> Result<Report, BenchError> {
    let rules = Config::default();
    let spec = HostSpec {
        world: World::Field(rules.clone()),
        tick_rate_hz: hz,
        rooms: 1,
        players: u16::try_from(clients)
            .map_err(|_| BenchError::Transport(format!("{clients} clients are too many")))?,
        seed: effort.seed,
    };
    let full = clients.min(FULL);
    let (seconds, seed) = (effort.of(60, 10), effort.seed);
    let load = Load { clients, full, joining: JOINING, brain: "wander", seconds, seed };
    let mut judge = FieldJudge::new(&rules, effort.seed, hz)?;
    let host = Host::start(&spec)?;
    let played = play::<Field>(&host, load, |sight| judge.look(sight))?;
    let served = host.finish()?;
    let figures = figures(&load, hz, judge.ratio(), &played, &served);
    let text = text(&figures);
    let invalid = (!figures.valid).then(|| figures.faults.join("; "));
    Ok(Report::new("capacity", effort.seed, effort.quick, figures)?.with_text(text).with_fault(invalid))
}

fn figures(load: &Load, hz: u32, exact_ratio: f64, played: &Played, served: &Served) -> Figures {
    let tick_us = 1e6 / f64::from(hz);
    let (snapshots, inputs) = (served.snapshots.unwrap_or_default(), served.inputs.unwrap_or_default());
    let work = Work::of(served.tick_us);
    let cpu = served.server.cpu_us_per_client_tick.unwrap_or(f64::NAN);
    let mut faults = faults(played, served);
    if exact_ratio < EXACT_MIN {
        faults.push(format!("bots knew {:.2} % of what they were due", 100.0 * exact_ratio));
    }
    if snapshots.deferred > 0 {
        faults.push(format!("{} records did not fit into their snapshots", snapshots.deferred));
    }
    if work.p999.is_nan() || work.p999 >= tick_us {
        faults.push(format!("a tick took {:.1} ms at p99.9, of {:.1} ms", work.p999 / 1e3, tick_us / 1e3));
    }
    Figures {
        valid: faults.is_empty(),
        faults,
        clients: load.clients,
        hz,
        full_bots: load.full,
        lost: lost(played),
        overruns: served.server.overruns.unwrap_or(0),
        server_cpu_us_per_client_tick: rounded(cpu, 3),
        clients_extrapolated: extrapolated(load.clients, tick_us, cpu, work.p99),
        snapshots_per_client_s: rounded(pace(load, played), 2),
        exact_ratio: (exact_ratio * 1e5).floor() / 1e5,
        truncated: snapshots.deferred,
        skipped: snapshots.skipped,
        inputs_starved: inputs.starved + inputs.late,
        tick_work_us: work,
        phases_us: served.phases_us.iter().map(|(phase, told)| (phase.clone(), Work::of(*told))).collect(),
        kernel_drops: kernel_drops(played, served),
        load_late_us_p99: played.bots.late_us.map_or(f64::NAN, |late| late.p99),
        load_cpu_share: rounded(played.bots.cpu_share.unwrap_or(f64::NAN), 3),
    }
}

/// Clients that would use up the core, were each further one to cost what these cost on average: as many as a tick has room
/// for by processor time, and by the work of all but a hundredth of the ticks, whichever is less.
fn extrapolated(clients: usize, tick_us: f64, cpu_us_per_client_tick: f64, work_us_p99: f64) -> u64 {
    (tick_us / cpu_us_per_client_tick).min(clients as f64 * tick_us / work_us_p99) as u64
}

/// Snapshots that one client received in a second, whether light or not.
fn pace(load: &Load, played: &Played) -> f64 {
    let full = played.snapshots.received.unwrap_or(0) as f64 / played.measured_seconds;
    let light = played.light.and_then(|light| light.received).unwrap_or(0) as f64 / played.measured_seconds;
    (full + light) / load.clients as f64
}

fn text(figures: &Figures) -> String {
    let Figures { clients, hz, tick_work_us: work, .. } = figures;
    let mut text = format!(
        "{clients} clients at {hz} Hz, {} of them reading all that they are told\n{:.2} us of server CPU per client and \
         tick; a core would hold {}\n{:.2} snapshots per client and second, {:.3} % of what bots were due is exact, {} \
         records cut, {} snapshots skipped, {} clients lost, {} overruns, {} inputs late or missing, {} kernel drops\n\n",
        figures.full_bots,
        figures.server_cpu_us_per_client_tick,
        figures.clients_extrapolated,
        figures.snapshots_per_client_s,
        100.0 * figures.exact_ratio,
        figures.truncated,
        figures.skipped,
        figures.lost,
        figures.overruns,
        figures.inputs_starved,
        figures.kernel_drops,
    );
    let us = |name: &str, work: &Work| {
        format!("{name:12}{:>9.0}{:>9.0}{:>9.0}{:>12.2}\n", work.p50, work.p99, work.p999, work.p50 / *clients as f64)
    };
    let _ = writeln!(text, "{:12}{:>9}{:>9}{:>9}{:>12}", "tick, us", "p50", "p99", "p99.9", "p50/client");
    text += &us("work", work);
    figures.phases_us.iter().for_each(|(phase, work)| text += &us(phase, work));
    let (late, share) = (figures.load_late_us_p99 / 1e3, 100.0 * figures.load_cpu_share);
    let _ = writeln!(text, "\nthe load was {late:.2} ms late at p99 and used {share:.0} % of its processor");
    text + &figures.faults.iter().map(|fault| format!("INVALID: {fault}\n")).collect::<String>()
}
