//! A run from its options to its report.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use downbeat_replica::Coding;
use downbeat_transport::{ClientOptions, Clock};

use crate::admin::Admin;
use crate::herd::Herd;
use crate::hostile::{Among, Plan};
use crate::join::next_step;
use crate::line::Lines;
use crate::machine::{self, reference_ns};
use crate::options::{BotsError, Options};
use crate::output::{check_output, is_same_file};
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::report::{Reason, Report};
use crate::scenario::{Part, Scenario, ScenarioError};
use crate::seats::Seat;
use crate::tickets;
use crate::watch::Watch;
use crate::{Bots, origin};

/// Runs bots on this thread until their time is over or `stop` is set, and tells `progress` once a second.
///
/// # Errors
/// When the options are impossible, the report could not be written, or nobody got into the game. A run in which only
/// some got in has a report that says so.
pub fn run<G: Bots>(
    options: &Options,
    progress: &mut dyn FnMut(&Progress),
    stop: &AtomicBool,
) -> Result<Report, BotsError> {
    run_watched::<G>(options, &mut |_| {}, progress, stop)
}

/// As [`run`], and shows `watch` what bots are told.
///
/// # Errors
/// As [`run`].
pub fn run_watched<G: Bots>(
    options: &Options,
    watch: &mut Watch<'_, G>,
    progress: &mut dyn FnMut(&Progress),
    stop: &AtomicBool,
) -> Result<Report, BotsError> {
    let options = check::<G>(options)?;
    let coding = Coding::of::<G>().map_err(|error| BotsError::Game(error.to_string()))?;
    if let Some(cpu) = options.cpu {
        machine::pin(cpu).map_err(|error| BotsError::Pin { cpu, error })?;
    }
    machine::sleep_precisely();
    let scenario = options.scenario.clone().unwrap_or_else(|| Scenario::of(&options));
    let client = ClientOptions::new(options.trust.clone());
    let (nets, _) = scenario.nets();
    let seed = options.seed.wrapping_add(options.share.stream());
    let lines = Lines::open(&nets, own_address(options.connect), &client, seed)?;
    play::<G>((&options, &scenario), lines, coding, watch, progress, stop)
}

/// Refuses options that cannot be run; gives them back with what was left open filled in.
///
/// # Errors
/// Says which option is impossible and what is allowed.
pub fn check<G: Bots>(options: &Options) -> Result<Options, BotsError> {
    let mut options = options.clone();
    find_hostile(&mut options)?;
    let first = G::BRAINS.first().copied().unwrap_or("wander");
    let groups = options.scenario.iter_mut().flat_map(|scenario| &mut scenario.groups).map(|group| &mut group.brain);
    for brain in groups.chain([&mut options.brain]).filter(|brain| brain.is_empty()) {
        first.clone_into(brain);
    }
    options.check()?;
    let scenario = options.scenario.clone().unwrap_or_else(|| Scenario::of(&options));
    tickets::check(&options, &scenario)?;
    for (index, group) in scenario.groups.iter().enumerate() {
        if group.light > 0 && group.is_watching() {
            return Err(BotsError::LightSpectators);
        }
        if G::brain(&group.brain, options.seed, 60).is_none() {
            let group = options.scenario.is_some().then_some(index);
            let name = scenario.groups[index].brain.clone();
            return Err(BotsError::Brain { name, game: G::NAME, known: G::BRAINS.join(", "), group });
        }
    }
    if Seat::all(&scenario, options.share).iter().all(|seat| seat.is_light) {
        return Err(BotsError::Share { share: options.share, clients: scenario.clients() });
    }
    check_outputs(&options)?;
    Ok(options)
}

/// Refuses files that cannot be written, and those that are named twice.
fn check_outputs(options: &Options) -> Result<(), BotsError> {
    let paths: Vec<_> = options.report.iter().chain(&options.html).chain(&options.record_lanes).collect();
    for (index, path) in paths.iter().enumerate() {
        check_output(path).map_err(BotsError::Output)?;
        if paths[..index].iter().any(|other| is_same_file(other, path)) {
            return Err(BotsError::SameFile(path.to_path_buf()));
        }
    }
    Ok(())
}

/// Reads what `hostile:KIND` says, where it is said.
fn find_hostile(options: &mut Options) -> Result<(), BotsError> {
    if let Some(scenario) = &mut options.scenario {
        for (index, group) in scenario.groups.iter_mut().enumerate() {
            let at = |message| ScenarioError { part: Part::Group(index), key: Some("brain"), message };
            group.find_hostile().map_err(at)?;
        }
        return Ok(());
    }
    if let Some((plan, brain)) = Plan::parse(&options.brain, Among::Run).map_err(BotsError::Hostile)? {
        (options.hostile, options.brain) = (Some(plan), brain.to_owned());
    }
    Ok(())
}

/// Any port, on loopback if the server is there.
pub(crate) fn own_address(server: SocketAddr) -> SocketAddr {
    let is_here = server.ip().to_canonical().is_loopback();
    match server {
        SocketAddr::V4(_) if is_here => (Ipv4Addr::LOCALHOST, 0).into(),
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) if is_here => (Ipv6Addr::LOCALHOST, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn play<G: Bots>(
    (options, scenario): (&Options, &Scenario),
    lines: Lines,
    coding: Coding,
    watch: &mut Watch<'_, G>,
    progress: &mut dyn FnMut(&Progress),
    stop: &AtomicBool,
) -> Result<Report, BotsError> {
    let started_at = origin::now();
    let mut herd: Herd<'_, G> = Herd::new((options, scenario), Clock::start(), lines, Arc::new(coding), watch);
    herd.admin = options.admin.as_ref().map(Admin::follow).transpose()?;
    let played = herd.play(progress, stop);
    herd.close_marks();
    herd.lift_siege();
    let mut report = herd.report();
    // Also when the run failed: a server need not wait for bots that are gone.
    let bye = herd.say_bye();
    let recorded = herd.recorder.take().map_or(Ok(()), Recorder::finish);
    played?;
    bye?;
    recorded.map_err(BotsError::Recording)?;
    if report.clients.connected == 0 && !report.clients.reasons.is_empty() {
        let Reason { code, why, .. } = report.clients.reasons.swap_remove(0);
        let next_step = next_step(code, &why);
        return Err(BotsError::NobodyIn { remote: options.connect, why, next_step });
    }
    report.started_at = Some(started_at);
    report.reference_ns = Some(reference_ns());
    report.round();
    report.judge_gates();
    Ok(report)
}
