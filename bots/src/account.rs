//! From what was measured to the report, for all bots together and for each group.

use downbeat_wire::Micros;

use crate::accounting::{Accounting, Collector, Udp};
use crate::admin::Admin;
use crate::course::Window;
use crate::herd::Herd;
use crate::outliers::{Outlier, worst};
use crate::report::{Clients, GateResult, GroupClients, GroupReport, Light, Report, SCHEMA};
use crate::scenario::{Group, Scenario};
use crate::seats::Seat;
use crate::stage::Stage;
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
        let (figures, growth) = self.figures(&all, |seat| !seat.is_hostile);
        let planned = self.course.ends_at(joined).since(joined);
        let mut report = self.with_head(figures, (now.since(joined), planned), now.since(since));
        report.total_seconds = (now.as_secs_f64() * 1e3).round() / 1e3;
        report.series = self.course.series.clone();
        if self.options.scenario.is_some() {
            let groups = self.scenario.groups.iter().zip(&self.tallies).enumerate();
            let part = |(index, (group, tally))| {
                let is_one = |seat: &Seat| seat.group == index && !seat.is_hostile;
                let hostile = self.siege.as_ref().map_or(0, |siege| siege.bots_of(index));
                GroupReport::of(group, &self.figures(tally, is_one).0, hostile)
            };
            report.groups = groups.map(part).collect();
        }
        report.hostile = self.siege_report(now);
        if self.is_measured() {
            all.budget.sampling = self.sampling;
            report.budget = all.budget.budget(report.tick_rate_hz, self.latency());
            (report.server.tick_us, report.server.tick_start_jitter_us) = (self.marks.work(), self.marks.late());
            report.tell_tick();
            report.outliers = worst(self.each_bot());
            report.accounting = self.bytes_spent();
            self.judge_loop(&mut report, &growth, now.since(since));
        }
        report
    }

    const fn is_measured(&self) -> bool {
        matches!(self.course.window, Window::Measuring { .. })
    }

    /// What `tally` and the bots that `is_one` picks have to tell, and by how much their counters grew.
    fn figures(&self, tally: &Tally, is_one: impl Fn(&Seat) -> bool) -> (Report, Growth) {
        let bots: Vec<(&Seat, &Stage<G>)> =
            self.seats.iter().zip(&self.bots).filter(|(seat, _)| is_one(seat)).collect();
        let mut report = Report::default();
        let count = |is_light: bool, is: &dyn Fn(&Seat, &Stage<G>) -> bool| {
            bots.iter().filter(|(seat, bot)| seat.is_light == is_light && is(seat, bot)).count() as u64
        };
        let lost = |seat: &Seat, bot: &Stage<G>| bot.is_gone(seat);
        let numbers =
            |light| [count(light, &|seat, _| seat.asked), count(light, &|seat, _| seat.entered), count(light, &lost)];
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
        let (mut growth, mut light_growth) = (tally.left, tally.light);
        for (_, bot) in bots {
            if let Stage::Light { light, .. } = bot {
                light_growth.merge(&light.growth());
            }
            let Some(player) = bot.player() else { continue };
            if let (Some(base), Some(latest)) = (&player.base, &player.latest) {
                growth.add(base, latest, tick_rate_hz, send_rate_hz);
            }
        }
        growth.fill(&mut report, self.options.header_bytes());
        if let Some(light) = &mut report.light {
            light_growth.fill(light, send_rate_hz);
        }
        (report, growth)
    }

    /// The latency that is imitated, where it is the same for all bots.
    fn latency(&self) -> Option<Micros> {
        match self.scenario.nets().0.as_slice() {
            [only] if !only.is_perfect() => Some(only.latency),
            _ => None,
        }
    }

    /// What bytes were spent on, by the bots that kept account.
    fn bytes_spent(&self) -> Option<Accounting> {
        let mut collector = Collector::default();
        for (_, bot) in self.honest() {
            let Some(player) = bot.player() else { continue };
            let (Some(base), Some(latest)) = (&player.base, &player.latest) else { continue };
            let (Some(account), Some(sent)) = (player.client.account(), &player.sent) else { continue };
            let (old, new) = (&base.stats, &latest.stats);
            let udp = |datagrams: [u64; 2], bytes: [u64; 2]| Udp {
                datagrams: datagrams[1] - datagrams[0],
                bytes: bytes[1] - bytes[0],
            };
            let down = udp([old.datagrams_in, new.datagrams_in], [old.bytes_in, new.bytes_in]);
            let up = udp([old.datagrams_out, new.datagrams_out], [old.bytes_out, new.bytes_out]);
            collector.add(latest.at.since(base.at).as_secs_f64(), account, sent, (down, up));
        }
        collector.finish(&self.coding.schema, self.options.header_bytes())
    }

    /// The bots that are not hostile.
    fn honest(&self) -> impl Iterator<Item = (&Seat, &Stage<G>)> {
        self.seats.iter().zip(&self.bots).filter(|(seat, _)| !seat.is_hostile)
    }

    /// The figures of each bot that was measured.
    fn each_bot(&self) -> Vec<Outlier> {
        let (tick_rate_hz, send_rate_hz) = self.rates.unwrap_or_default();
        let is_named = self.options.scenario.is_some();
        let of_bot = |(seat, bot): (&Seat, &Stage<G>)| {
            let player = bot.player()?;
            let (base, latest) = (player.base.as_ref()?, player.latest.as_ref()?);
            let mut growth = Growth::default();
            growth.add(base, latest, tick_rate_hz, send_rate_hz);
            Some(Outlier {
                bot: seat.number as u64,
                group: is_named.then(|| self.scenario.groups[seat.group].name.clone()),
                rtt_ms: Some(player.path.rtt().unwrap_or(latest.stats.rtt).0 as f64 / 1e3),
                input_to_ack_ms: player.own.ack(),
                input_to_visible_ms: player.own.visible(),
                missing_ratio: growth.missing_ratio(),
                starved_ratio: growth.starved_ratio(),
                mispredictions: growth.mispredicted(),
                down_wire_bytes_per_s: growth.down_wire_bytes_per_s(self.options.header_bytes()),
            })
        };
        self.honest().filter_map(of_bot).collect()
    }

    /// What was asked for, around the figures.
    fn with_head(&self, figures: Report, (played, planned): (Micros, Micros), measured: Micros) -> Report {
        let (options, scenario) = (self.options, self.scenario);
        let seconds = |time: Micros| (time.as_secs_f64() * 1e3).round() / 1e3;
        let named = options.scenario.is_some();
        let mut clients = figures.clients;
        clients.reasons = self.reasons.list();
        Report {
            schema: SCHEMA.to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            args: options.args.clone(),
            connect: Some(options.connect.to_string()),
            profile: options.profile.clone(),
            game: G::NAME.to_owned(),
            brain: joined(scenario, |group| group.brain.clone()),
            net: joined(scenario, Group::net_words),
            scenario: named.then(|| scenario.name.clone()),
            scenario_file: options.scenario_file.as_ref().map(|path| path.display().to_string()),
            seed: options.seed,
            share: (!options.share.is_whole()).then(|| options.share.to_string()),
            tick_rate_hz: self.rates.map(|rates| rates.0),
            send_rate_hz: self.rates.map(|rates| rates.1),
            seconds: seconds(played),
            measured_seconds: seconds(measured),
            ended: self.course.ended,
            planned_seconds: seconds(planned),
            phases: self.phases.told.clone(),
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
        // Hostile bots take their part of it, and are not counted.
        let is_shared = ticks == 0.0 || report.light.is_some() || report.hostile.is_some();
        report.bots.cpu_us_per_bot_tick = cpu.filter(|_| !is_shared).map(|cpu| cpu.as_secs_f64() * 1e6 / ticks);
        let seconds = measured.as_secs_f64();
        report.bots.cpu_share = cpu.filter(|_| seconds > 0.0).map(|cpu| cpu.as_secs_f64() / seconds);
        if report.light.is_none() {
            let entered = self.seats.iter().filter(|seat| seat.entered).count() as u64;
            report.bots.rss_bytes_per_bot = self.course.rss_of_each(entered);
        }
        let told = self.admin.as_ref().map(Admin::sums).filter(|sums| sums.seconds > 0);
        report.server.overruns = told.map(|sums| sums.overruns);
        report.server.kernel_drops = told.map(|sums| sums.kernel_drops);
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
    fn of(group: &Group, figures: &Report, hostile_bots: u64) -> Self {
        let Clients { asked, connected, lost, .. } = figures.clients;
        Self {
            name: group.name.clone(),
            brain: group.brain.clone(),
            net: group.net_words(),
            clients: GroupClients { asked, connected, lost },
            hostile_bots,
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
