//! From what was measured to the report, for all bots together and for each group.

use downbeat_wire::Micros;

use crate::course::Window;
use crate::herd::{Herd, Stage};
use crate::report::{Clients, GateResult, GroupClients, GroupReport, Light, PhaseReport, Report, SCHEMA};
use crate::scenario::{Group, Scenario};
use crate::seats::Seat;
use crate::tally::{Growth, Tally};
use crate::{Bots, machine};

impl<G: Bots> Herd<'_, G> {
    /// What came of the run.
    pub(crate) fn report(&self) -> Report {
        let now = self.clock.now();
        let (joined, since) = match self.course.window {
            Window::Joining => (now, now),
            Window::WarmUp { joined } => (joined, now),
            Window::Measuring { joined, since } => (joined, since),
        };
        let mut all = Tally::default();
        self.tallies.iter().for_each(|tally| all.add(tally));
        // Whoever has just come is late as all others are.
        all.late.add(&self.unsettled.late);
        all.blocked += self.unsettled.blocked;
        let (figures, growth) = self.figures(now, &all, |_| true);
        let mut report = self.with_head(figures, now.since(joined), now.since(since));
        if self.options.scenario.is_some() {
            let groups = self.scenario.groups.iter().zip(&self.tallies).enumerate();
            let part = |(index, (group, tally))| {
                GroupReport::of(group, &self.figures(now, tally, |seat: &Seat| seat.group == index).0)
            };
            report.groups = groups.map(part).collect();
        }
        if self.is_measured() {
            self.judge_loop(&mut report, &growth, now.since(since));
        }
        report
    }

    const fn is_measured(&self) -> bool {
        matches!(self.course.window, Window::Measuring { .. })
    }

    /// What `tally` and the bots that `is_one` picks have to tell, and by how much their counters grew.
    fn figures(&self, now: Micros, tally: &Tally, is_one: impl Fn(&Seat) -> bool) -> (Report, Growth) {
        let bots: Vec<(&Seat, &Stage<G>)> =
            self.seats.iter().zip(&self.bots).filter(|(seat, _)| is_one(seat)).collect();
        let mut report = Report::default();
        let count = |is_light: bool, is: &dyn Fn(&Seat, &Stage<G>) -> bool| {
            bots.iter().filter(|(seat, bot)| seat.is_light == is_light && is(seat, bot)).count() as u64
        };
        // Who had left and was not let in again is lost, too.
        let lost = |seat: &Seat, bot: &Stage<G>| bot.is_lost() || (seat.entered && matches!(bot, Stage::Refused));
        let numbers = |light| [count(light, &|_, _| true), count(light, &|seat, _| seat.entered), count(light, &lost)];
        let returns = &tally.returns;
        let [asked, connected, lost] = numbers(false);
        report.clients = Clients {
            asked,
            connected,
            lost,
            broken: returns.lost,
            rejoined: returns.rejoined,
            resumed: returns.resumed,
            resumed_anew: returns.anew,
            reasons: Vec::new(),
        };
        let [asked, connected, lost] = numbers(true);
        report.light = (asked > 0).then_some(Light { asked, connected, lost, ..Light::default() });
        if !self.is_measured() {
            report.join_ms = tally.join_ms();
            return (report, Growth::default());
        }
        tally.fill(&mut report);
        let (tick_rate_hz, send_rate_hz) = self.rates.unwrap_or_default();
        let (mut growth, mut light_us) = (tally.left, tally.light_us);
        for (seat, bot) in bots {
            match bot {
                Stage::Playing { player, .. } | Stage::Lost(player) => {
                    if let (Some(base), Some(latest)) = (&player.base, &player.latest) {
                        growth.add(base, latest, tick_rate_hz, send_rate_hz);
                    }
                }
                Stage::Light { .. } => light_us += now.since(seat.since).0,
                _ => {}
            }
        }
        let headers = if self.options.connect.ip().to_canonical().is_ipv4() { 28 } else { 48 };
        growth.fill(&mut report, headers);
        if let Some(light) = &mut report.light {
            let client_seconds = light_us as f64 / 1e6;
            light.received = Some(tally.light_snapshots);
            light.expected = Some((client_seconds * f64::from(send_rate_hz)).round() as u64);
            light.snapshots_per_client_s =
                (client_seconds > 0.0).then(|| tally.light_snapshots as f64 / client_seconds);
        }
        (report, growth)
    }

    /// What was asked for, around the figures.
    fn with_head(&self, figures: Report, played: Micros, measured: Micros) -> Report {
        let (options, scenario) = (self.options, self.scenario);
        let seconds = |time: Micros| (time.as_secs_f64() * 1e3).round() / 1e3;
        let named = options.scenario.is_some();
        let mut clients = figures.clients;
        clients.reasons = self.reasons.list();
        Report {
            schema: SCHEMA.to_owned(),
            profile: options.profile.clone(),
            game: G::NAME.to_owned(),
            brain: joined(scenario, |group| group.brain.clone()),
            net: joined(scenario, Group::net_words),
            scenario: named.then(|| scenario.name.clone()),
            seed: options.seed,
            share: (!options.share.is_whole()).then(|| options.share.to_string()),
            tick_rate_hz: self.rates.map(|rates| rates.0),
            send_rate_hz: self.rates.map(|rates| rates.1),
            seconds: seconds(played),
            measured_seconds: seconds(measured),
            ended: self.course.ended,
            phases: PhaseReport::all(scenario),
            gates: scenario.gates.iter().map(GateResult::of).collect(),
            clients,
            ..figures
        }
    }

    /// Whether the bots themselves kept up.
    fn judge_loop(&self, report: &mut Report, growth: &Growth, measured: Micros) {
        let counters = self.lines.counters();
        report.bots.kernel_drops = Some(counters.socket.kernel_drops);
        let dropped = counters.events_dropped + counters.socket.send_drops + self.lines.overflowed();
        report.bots.dropped = Some(dropped);
        let cpu = machine::thread_cpu().zip(self.course.cpu_base).map(|(now, base)| now.saturating_sub(base));
        let ticks = growth.bot_ticks(report.tick_rate_hz.unwrap_or(0));
        let is_shared = ticks == 0.0 || report.light.is_some();
        report.bots.cpu_us_per_bot_tick = cpu.filter(|_| !is_shared).map(|cpu| cpu.as_secs_f64() * 1e6 / ticks);
        let seconds = measured.as_secs_f64();
        report.bots.cpu_share = cpu.filter(|_| seconds > 0.0).map(|cpu| cpu.as_secs_f64() / seconds);
        report.bots.valid = report.faults().is_empty();
    }
}

/// What the groups say, each word once.
fn joined(scenario: &Scenario, word: impl Fn(&Group) -> String) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in scenario.groups.iter().map(word) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" + ")
}

impl GroupReport {
    /// The figures of `group`, as a report of it alone has them.
    fn of(group: &Group, figures: &Report) -> Self {
        let Clients { asked, connected, lost, .. } = figures.clients;
        Self {
            name: group.name.clone(),
            brain: group.brain.clone(),
            net: group.net_words(),
            clients: GroupClients { asked, connected, lost },
            light: figures.light,
            join_ms: figures.join_ms,
            rtt_ms: figures.rtt_ms,
            input_to_ack_ms: figures.input_to_ack_ms,
            input_to_visible_ms: figures.input_to_visible_ms,
            snapshot_interval_ms: figures.snapshot_interval_ms,
            interpolation_delay_ms: figures.interpolation_delay_ms,
            prediction_error_m: figures.prediction_error_m,
            snapshots: figures.snapshots,
            interpolation: figures.interpolation,
            prediction: figures.prediction,
            inputs: figures.inputs,
            visible_entities_mean: figures.visible_entities_mean,
            bandwidth: figures.bandwidth,
        }
    }
}

impl PhaseReport {
    fn all(scenario: &Scenario) -> Vec<Self> {
        let mut begin_s = 0.0;
        let phase = |phase: &crate::scenario::Phase| {
            let end_s = begin_s + phase.seconds;
            let begin_s = std::mem::replace(&mut begin_s, end_s);
            Self { name: phase.name.clone(), kind: phase.kind.name().to_owned(), begin_s, end_s }
        };
        scenario.phases.iter().map(phase).collect()
    }
}
