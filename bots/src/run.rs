//! A run from its options to its report.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use downbeat_replica::Coding;
use downbeat_transport::{ClientOptions, Clock, Conditioner, Driver, FlowKey, KernelSocket, SocketOptions};

use crate::Bots;
use crate::herd::{Herd, Stage, Window};
use crate::join::next_step;
use crate::line::Line;
use crate::machine::{self, reference_ns};
use crate::options::{BotsError, Options};
use crate::output::check_output;
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::report::{Clients, Light, Reason, Report, SCHEMA};
use crate::tally::Growth;
use crate::watch::Watch;

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
    let socket = KernelSocket::bind(own_address(options.connect), SocketOptions::default())?;
    let client = ClientOptions::new(options.trust.clone());
    // Without a network to imitate, nothing stands between the driver and the kernel.
    if options.net.is_perfect() {
        let driver = Driver::client(&client, socket)?;
        return play::<G, _>(&options, driver, coding, watch, progress, stop);
    }
    let line = Conditioner::new(socket, &options.net, options.seed, FlowKey::ConnectionId);
    play::<G, _>(&options, Driver::client(&client, line)?, coding, watch, progress, stop)
}

/// Refuses options that cannot be run; gives them back with what was left open filled in.
///
/// # Errors
/// Says which option is impossible and what is allowed.
pub fn check<G: Bots>(options: &Options) -> Result<Options, BotsError> {
    let mut options = options.clone();
    if options.brain.is_empty() {
        G::BRAINS.first().copied().unwrap_or("wander").clone_into(&mut options.brain);
    }
    options.check()?;
    if G::brain(&options.brain, options.seed, 60).is_none() {
        return Err(BotsError::Brain { name: options.brain, game: G::NAME, known: G::BRAINS.join(", ") });
    }
    for path in options.report.iter().chain(&options.record_lanes) {
        check_output(path)?;
    }
    Ok(options)
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

fn play<G: Bots, S: Line>(
    options: &Options,
    driver: Driver<S>,
    coding: Coding,
    watch: &mut Watch<'_, G>,
    progress: &mut dyn FnMut(&Progress),
    stop: &AtomicBool,
) -> Result<Report, BotsError> {
    let mut herd: Herd<'_, G, S> = Herd::new(options, Clock::start(), driver, Arc::new(coding), watch);
    let played = herd.play(progress, stop);
    let mut report = herd.report();
    // Also when the run failed: a server need not wait for bots that are gone.
    let bye = herd.say_bye();
    let recorded = herd.recorder.take().map_or(Ok(()), Recorder::finish);
    played?;
    bye?;
    recorded?;
    if report.clients.connected == 0 && !report.clients.reasons.is_empty() {
        let Reason { code, why, .. } = report.clients.reasons.swap_remove(0);
        let next_step = next_step(code, &why);
        return Err(BotsError::NobodyIn { remote: options.connect, why, next_step });
    }
    report.reference_ns = Some(reference_ns());
    Ok(report)
}

impl<G: Bots, S: Line> Herd<'_, G, S> {
    /// What came of the run.
    fn report(&self) -> Report {
        let now = self.clock.now();
        let (joined, since) = match self.window {
            Window::Joining => (now, now),
            Window::WarmUp { joined } => (joined, now),
            Window::Measuring { joined, since } => (joined, since),
        };
        let mut report = self.blank(now.since(joined).as_secs_f64(), now.since(since).as_secs_f64());
        if !matches!(self.window, Window::Measuring { .. }) {
            return report;
        }
        self.tally.fill(&mut report);
        let (tick_rate_hz, send_rate_hz) = self.rates.unwrap_or_default();
        let mut growth = Growth::default();
        for bot in &self.bots {
            let (Stage::Playing { player, .. } | Stage::Lost(player)) = bot else { continue };
            if let (Some(base), Some(latest)) = (&player.base, &player.latest) {
                growth.add(base, latest, tick_rate_hz, send_rate_hz);
            }
        }
        let headers = if self.options.connect.ip().to_canonical().is_ipv4() { 28 } else { 48 };
        growth.fill(&mut report, headers);
        let counters = self.driver.counters();
        report.bots.kernel_drops = Some(counters.socket.kernel_drops);
        let dropped = counters.events_dropped + counters.socket.send_drops + self.driver.socket().overflowed();
        report.bots.dropped = Some(dropped);
        let cpu = machine::thread_cpu().zip(self.tally.cpu_base).map(|(now, base)| now.saturating_sub(base));
        let ticks = growth.bot_ticks(tick_rate_hz);
        let is_shared = ticks == 0.0 || self.options.light > 0;
        report.bots.cpu_us_per_bot_tick = cpu.filter(|_| !is_shared).map(|cpu| cpu.as_secs_f64() * 1e6 / ticks);
        let seconds = now.since(since).as_secs_f64();
        report.bots.cpu_share = cpu.filter(|_| seconds > 0.0).map(|cpu| cpu.as_secs_f64() / seconds);
        if let Some(light) = report.light.as_mut().filter(|_| seconds > 0.0) {
            light.received = Some(self.tally.light_snapshots);
            let clients = self.tally.light_clients as f64;
            light.expected = Some((clients * seconds * f64::from(send_rate_hz)).round() as u64);
            light.snapshots_per_client_s =
                (clients > 0.0).then(|| self.tally.light_snapshots as f64 / clients / seconds);
        }
        report.bots.valid = report.faults().is_empty();
        report
    }

    /// The report of a run in which nothing was measured.
    fn blank(&self, seconds: f64, measured_seconds: f64) -> Report {
        let options = self.options;
        let round = |seconds: f64| (seconds * 1e3).round() / 1e3;
        let net = options.net_name.clone().unwrap_or_else(|| options.net.to_string());
        let count = |is: fn(&Stage<G>) -> bool| self.bots.iter().filter(|bot| is(bot)).count() as u64;
        let lost = count(|bot| matches!(bot, Stage::Lost(_)));
        let connected = lost + count(|bot| matches!(bot, Stage::Playing { .. }) || bot.is_coming_back());
        let light_lost = count(|bot| matches!(bot, Stage::LightLost));
        let light = Light {
            asked: options.light as u64,
            connected: light_lost + count(|bot| matches!(bot, Stage::Light { .. })),
            lost: light_lost,
            ..Light::default()
        };
        Report {
            schema: SCHEMA.to_owned(),
            profile: options.profile.clone(),
            game: G::NAME.to_owned(),
            brain: options.brain.clone(),
            net,
            seed: options.seed,
            tick_rate_hz: self.rates.map(|rates| rates.0),
            send_rate_hz: self.rates.map(|rates| rates.1),
            seconds: round(seconds),
            measured_seconds: round(measured_seconds),
            clients: Clients {
                asked: options.full() as u64,
                connected,
                lost,
                broken: self.tally.returns.lost,
                resumed: self.tally.returns.resumed,
                resumed_anew: self.tally.returns.anew,
                reasons: self.reasons.list(),
            },
            light: (options.light > 0).then_some(light),
            ..Report::default()
        }
    }
}
