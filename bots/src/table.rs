//! The report for people: the same figures, with units and a word on what each means.

mod parts;

use std::fmt;
use std::fmt::Write;

use crate::digits::told;
use crate::percentiles::Percentiles;
use crate::report::{Ended, LATE_US_MAX, Report, Verdict};

impl Report {
    /// The report as a table.
    #[must_use]
    pub fn table(&self) -> Table<'_> {
        Table(self)
    }
}

/// Prints a [`Report`] as a table.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(&'a Report);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        head(f, report)?;
        writeln!(f)?;
        distributions(f, report)?;
        writeln!(f)?;
        counts(f, report)?;
        parts::phases(f, report)?;
        parts::groups(f, report)?;
        gates(f, report)?;
        writeln!(f)?;
        if let Some(hostile) = &report.hostile {
            writeln!(f, "{hostile}")?;
        }
        verdict(f, report)
    }
}

fn head(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let clients = &report.clients;
    writeln!(
        f,
        "{} clients{} play {} ({}) {}, {:.1} s of it measured",
        clients.asked,
        report.share.as_ref().map_or_else(String::new, |share| format!(" (share {share})")),
        report.game,
        report.brain,
        // Phases say how long a run lasts; without any, it is told from when the last has joined.
        if report.phases.is_empty() {
            format!("for {:.1} s", report.seconds)
        } else {
            format!("for {:.1} s in all", report.total_seconds)
        },
        report.measured_seconds
    )?;
    if let Some(name) = &report.scenario {
        writeln!(f, "scenario {name}")?;
    }
    if let Some(light) = &report.light {
        writeln!(f, "and {} light clients, which load the server and measure nothing", light.asked)?;
    }
    let rate = |rate: Option<u32>| rate.map_or(NONE.to_owned(), |rate| rate.to_string());
    writeln!(
        f,
        "{} ticks/s, {} snapshots/s, network {}, seed {}, profile {}",
        rate(report.tick_rate_hz),
        rate(report.send_rate_hz),
        report.net,
        report.seed,
        report.profile
    )?;
    let when = report.started_at.as_ref().map(|at| format!("began {at}"));
    let version = report.version.as_ref().map(|version| format!("downbeat {version}"));
    let server = report.connect.as_ref().map(|address| format!("server {address}"));
    let told: Vec<String> = [when, version, server].into_iter().flatten().collect();
    if told.is_empty() { Ok(()) } else { writeln!(f, "{}", told.join(", ")) }
}

fn distributions(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let rows: [(&str, &Option<Percentiles>, usize, &str); 10] = [
        ("joining, ms", &report.join_ms, 1, "from the first packet to the welcome"),
        ("round trip, ms", &report.rtt_ms, 2, "network, loops of both ends, and a tick's work"),
        ("input to ack, ms", &report.input_to_ack_ms, 1, "press a key -> the server's answer is here"),
        ("input to visible, ms", &report.input_to_visible_ms, 1, "press a key -> another player sees it"),
        ("snapshot interval, ms", &report.snapshot_interval_ms, 1, "time between updates"),
        ("interpolation delay, ms", &report.interpolation_delay_ms, 1, "how far in the past others are shown"),
        ("prediction error, m", &report.prediction_error_m, 3, "where I thought I was -> where I was"),
        ("server tick work, us", &report.tick_us, 0, "of the server's time for one tick"),
        ("tick start jitter, us", &report.tick_start_jitter_us, 0, "how unpunctual ticks begin"),
        ("bots late, us", &report.bots.late_us, 0, "how unpunctual the bots themselves were"),
    ];
    if rows.iter().any(|(_, told, ..)| told.is_some()) {
        writeln!(f, "{:28}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "p50", "p90", "p99", "p99.9", "max")?;
    }
    for (name, told, digits, meaning) in rows {
        let Some(told) = told else { continue };
        write!(f, "{name:28}")?;
        for value in [told.p50, told.p90, told.p99, told.p999, told.max] {
            write!(f, "{value:>9.digits$}")?;
        }
        writeln!(f, "   {meaning}")?;
    }
    Ok(())
}

/// A row of figures, of those that were measured.
fn row<const N: usize>(f: &mut fmt::Formatter<'_>, name: &str, told: [Option<String>; N]) -> fmt::Result {
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() { Ok(()) } else { writeln!(f, "{name:28}{}", told.join(", ")) }
}

fn count(value: Option<u64>, what: &str) -> Option<String> {
    value.map(|value| format!("{value} {what}"))
}

fn counts(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let s = &report.snapshots;
    // The stretch of time that is measured can begin just before one and end just after one.
    let arrived = s.received.zip(s.expected).map(|(got, due)| format!("{} of {due} expected", got.min(due)));
    let dropped = s.net_dropped.filter(|dropped| *dropped > 0);
    row(f, "snapshots", [arrived, count(s.lost, "lost"), count(dropped, "more dropped by --net")])?;
    if let Some(light) = &report.light {
        let arrived = light.received.zip(light.expected);
        let arrived = arrived.map(|(got, due)| format!("{} of {due} snapshots expected", got.min(due)));
        let pace = light.snapshots_per_client_s.map(|rate| format!("{rate:.2} per client and second"));
        row(f, "light clients", [arrived, pace])?;
    }
    let c = &report.clients;
    let some = |value: u64, what: &str| count(Some(value).filter(|value| *value > 0), what);
    let [broken, resumed] = [some(c.broken, "connections broke"), some(c.resumed, "went on over another one")];
    row(f, "sessions", [broken, resumed, some(c.rejoined, "times a client came again")])?;
    let dry = report.interpolation.starved_ratio;
    row(f, "interpolation ran dry", [dry.map(|dry| format!("{:.2} % (per frame and entity)", 100.0 * dry))])?;
    let p = &report.prediction;
    let wrong = p.mispredicted.zip(p.per_client_minute);
    let wrong = wrong.map(|(wrong, rate)| format!("{wrong} wrong ({rate:.2} per client and minute)"));
    let replayed = count(p.reconciled, "replayed");
    row(f, "predictions", [wrong, replayed, count(p.substituted, "ticks on a substitute")])?;
    let i = &report.inputs;
    let mut consumed = count(i.consumed, "consumed");
    if let Some(text) = consumed.as_mut().filter(|_| i.consumed > i.sent) {
        text.push_str(" (some were sent just before the time that is measured)");
    }
    let [starved, late] = [count(i.starved, "ticks starved"), count(i.late, "late")];
    row(f, "inputs", [count(i.sent, "sent"), consumed, starved, late, count(i.rejected, "rejected")])?;
    row(f, "entities in sight", [report.visible_entities_mean.map(|mean| format!("{mean:.1}"))])?;
    let b = &report.bandwidth;
    let way = |wire: Option<f64>, payload: Option<f64>| {
        wire.zip(payload).map(|(wire, payload)| {
            let [wire, payload] = [wire / 1e3, payload / 1e3];
            format!("{wire:.2} kB/s on the wire, {payload:.2} kB/s of UDP payload, per client")
        })
    };
    row(f, "down", [way(b.down_wire_bytes_per_client_s, b.down_udp_payload_bytes_per_client_s)])?;
    row(f, "up", [way(b.up_wire_bytes_per_client_s, b.up_udp_payload_bytes_per_client_s)])?;
    let server = &report.server;
    let cpu = server.cpu_us_per_client_tick.map(|us| format!("{us:.1} us of CPU per client and tick"));
    let memory = server.rss_bytes.map(|bytes| format!("{:.0} MB of memory", bytes as f64 / 1e6));
    let drops = |drops| count(drops, "datagrams dropped by the kernel");
    // The whole distribution has a row of its own, where it is known.
    let tick = server.tick_us.filter(|_| report.tick_us.is_none());
    let tick = tick.map(|work| format!("{:.0} us of work a tick, {:.0} at p99", work.mean, work.p99));
    row(f, "server", [tick, count(server.overruns, "ticks overran"), cpu, memory, drops(server.kernel_drops)])?;
    mistakes(f, report)?;
    let bots = &report.bots;
    let memory = bots.rss_bytes_per_bot.map(|bytes| format!("{:.0} kB of memory per bot", bytes as f64 / 1e3));
    let cpu = bots.cpu_us_per_bot_tick.map(|us| format!("{us:.1} us of CPU per bot and tick"));
    let share = bots.cpu_share.filter(|_| cpu.is_none());
    let cpu = cpu.or(share.map(|share| format!("{:.0} % of a processor", 100.0 * share)));
    let [dropped, held] = [count(bots.dropped, "by the bots"), count(bots.blocked, "inputs held back")];
    row(f, "bots", [cpu, memory, drops(bots.kernel_drops), dropped, held])?;
    let sealing = report.reference_ns;
    let sealing = sealing.map(|ns| format!("{ns:.0} ns to seal 1,200 bytes (250 is usual, less is faster)"));
    row(f, "machine", [sealing])
}

/// A row for each gate.
fn gates(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    if report.gates.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{:46}{:>14}{:>12}", "gate", "limit", "measured")?;
    for gate in &report.gates {
        let measured = gate.measured.map_or(NONE.to_owned(), told);
        let word = if gate.held { "held" } else { "FAILED" };
        writeln!(f, "{:46}{:>14}{measured:>12}   {word}", gate.path, gate.limit)?;
    }
    Ok(())
}

/// What is probably wrong with the game, although everybody was served.
fn mistakes(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let server = &report.server;
    let clamped = server.clamped.filter(|clamped| *clamped > 0);
    row(f, "MIND", [count(clamped, "values of the game's state were out of their field's range and were clamped")])?;
    let refused = server.refused.filter(|refused| *refused > 0);
    row(
        f,
        "MIND",
        [count(refused, "states held a NaN and were refused: clients kept the state before, or saw nothing")],
    )?;
    // Without an avatar there is nothing to predict.
    let unled = report.snapshots.received.is_some_and(|got| got > 0) && report.prediction.mispredicted.is_none();
    let unled = unled.then(|| "the bots have no avatar: `out.put_avatar` was never called for them".to_owned());
    row(f, "MIND", [unled])
}

fn verdict(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let clients = &report.clients;
    let mut text = String::new();
    match report.stopped() {
        Some(when) if report.measured_seconds > 0.0 => write!(text, "STOPPED {when}. Until then ")?,
        Some(when) => writeln!(text, "STOPPED {when}.")?,
        None => {}
    }
    match report.verdict() {
        // All was said.
        Verdict::Invalid(_) if report.ended == Ended::Stopped && report.measured_seconds == 0.0 => {}
        Verdict::Served => {
            let ratio = report.snapshots.received.zip(report.snapshots.expected);
            let percent = ratio.map_or(0.0, |(received, expected)| 100.0 * received as f64 / expected.max(1) as f64);
            writeln!(
                text,
                "SERVED: all {} clients got in, stayed, and received {:.1} % of what was due.",
                clients.asked,
                percent.min(100.0)
            )?;
        }
        Verdict::NotServed(why) => {
            writeln!(text, "NOT SERVED: {}.", why.join("; "))?;
            let faults = report.faults();
            if !faults.is_empty() {
                writeln!(text, "  That may be the bots' own fault: {}.", faults.join("; "))?;
            }
        }
        Verdict::GatesFailed(why) => writeln!(text, "GATES FAILED: {}.", why.join("; "))?,
        Verdict::Invalid(why) => writeln!(
            text,
            "INVALID: {}. The figures above are not the server's fault: other programs use the processors, or there are \
             more bots than one of them can play.",
            why.join("; ")
        )?,
    }
    for reason in &clients.reasons {
        let what = if reason.joined { "lost" } else { "did not get in" };
        let when = reason.first_s.zip(reason.last_s);
        let when = when.map_or_else(String::new, |(first, last)| format!(", from {first:.1} s to {last:.1} s"));
        writeln!(text, "  {} {what}{when}: {}", reason.clients, reason.why)?;
    }
    if let Some(late) = report.bots.late_us.filter(|late| late.p99 <= LATE_US_MAX) {
        writeln!(
            text,
            "The bots kept up: {:.2} ms late at p99, {:.0} ms are allowed.",
            late.p99 / 1e3,
            LATE_US_MAX / 1e3
        )?;
    }
    f.write_str(&text)
}

/// Stands where nothing was measured.
const NONE: &str = "-";
