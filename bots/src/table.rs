//! The report for people: the same figures, with units and a word on what each means.

use std::fmt;
use std::fmt::Write;

use crate::percentiles::Percentiles;
use crate::report::{LATE_US_MAX, Report, Verdict};

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
        writeln!(f)?;
        verdict(f, report)
    }
}

fn head(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let clients = &report.clients;
    writeln!(
        f,
        "{} clients play {} ({}) for {:.1} s, {:.1} s of it measured",
        clients.asked, report.game, report.brain, report.seconds, report.measured_seconds
    )?;
    let rate = |rate: Option<u32>| rate.map_or(NONE.to_owned(), |rate| rate.to_string());
    writeln!(
        f,
        "{} ticks/s, {} snapshots/s, network {}, seed {}, profile {}",
        rate(report.tick_rate_hz),
        rate(report.send_rate_hz),
        report.net,
        report.seed,
        report.profile
    )
}

fn distributions(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    writeln!(f, "{:28}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "p50", "p90", "p99", "p99.9", "max")?;
    let rows: [(&str, &Option<Percentiles>, usize, &str); 9] = [
        ("round trip, ms", &report.rtt_ms, 2, "network and both ends, by QUIC"),
        ("input to ack, ms", &report.input_to_ack_ms, 1, "press a key -> the server's answer is here"),
        ("input to visible, ms", &report.input_to_visible_ms, 1, "press a key -> another player sees it"),
        ("snapshot interval, ms", &report.snapshot_interval_ms, 1, "time between updates"),
        ("interpolation delay, ms", &report.interpolation_delay_ms, 1, "how far in the past others are shown"),
        ("prediction error, m", &report.prediction_error_m, 3, "where I thought I was -> where I was"),
        ("server tick work, us", &report.tick_us, 0, "of the server's time for one tick"),
        ("tick start jitter, us", &report.tick_start_jitter_us, 0, "how unpunctual ticks begin"),
        ("bots late, us", &report.bots.late_us, 0, "how unpunctual the bots themselves were"),
    ];
    for (name, told, digits, meaning) in rows {
        write!(f, "{name:28}")?;
        let told = told.map(|told| [told.p50, told.p90, told.p99, told.p999, told.max]);
        for i in 0..5 {
            write!(f, "{:>9}", told.map_or(NONE.to_owned(), |told| format!("{:.digits$}", told[i])))?;
        }
        writeln!(f, "   {meaning}")?;
    }
    Ok(())
}

fn counts(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let count = |value: Option<u64>| value.map_or(NONE.to_owned(), |value| value.to_string());
    let real = |value: Option<f64>, digits: usize| value.map_or(NONE.to_owned(), |value| format!("{value:.digits$}"));
    let percent = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{:.2} %", 100.0 * value));
    let kilobytes = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{:.2} kB/s", value / 1e3));
    let mut row = |name: &str, value: String| writeln!(f, "{name:28}{value}");

    let s = &report.snapshots;
    let mut text = format!("{} of {} expected, {} lost", count(s.received), count(s.expected), count(s.lost));
    if let Some(dropped) = s.net_dropped.filter(|dropped| *dropped > 0) {
        write!(text, "; {dropped} more dropped by --net")?;
    }
    row("snapshots", text)?;
    row("interpolation ran dry", format!("{} (per frame and entity)", percent(report.interpolation.starved_ratio)))?;
    let p = &report.prediction;
    row(
        "predictions",
        format!(
            "{} wrong ({} per client and minute), {} replayed, {} ticks on a substitute",
            count(p.mispredicted),
            real(p.per_client_minute, 2),
            count(p.reconciled),
            count(p.substituted)
        ),
    )?;
    let i = &report.inputs;
    row(
        "inputs",
        format!(
            "{} sent, {} consumed, {} ticks starved, {} late, {} rejected",
            count(i.sent),
            count(i.consumed),
            count(i.starved),
            count(i.late),
            count(i.rejected)
        ),
    )?;
    row("entities in sight", real(report.visible_entities_mean, 1))?;
    let b = &report.bandwidth;
    let way =
        |wire, payload| format!("{} on the wire, {} of UDP payload, per client", kilobytes(wire), kilobytes(payload));
    row("down", way(b.down_wire_bytes_per_client_s, b.down_udp_payload_bytes_per_client_s))?;
    row("up", way(b.up_wire_bytes_per_client_s, b.up_udp_payload_bytes_per_client_s))?;
    let server = &report.server;
    let memory = server.rss_bytes.map_or(String::new(), |bytes| format!("{:.0} MB of memory, ", bytes as f64 / 1e6));
    row(
        "server",
        format!(
            "{} ticks overran, {} us of CPU per client and tick, {memory}{} datagrams dropped by the kernel",
            count(server.overruns),
            real(server.cpu_us_per_client_tick, 1),
            count(server.kernel_drops)
        ),
    )?;
    if let Some(clamped) = server.clamped.filter(|clamped| *clamped > 0) {
        row("MIND", format!("{clamped} values of the game's state were out of their field's range and were clamped"))?;
    }
    let bots = &report.bots;
    row(
        "bots",
        format!(
            "{} us of CPU per bot and tick, {} datagrams dropped by the kernel, {} by the bots, {} inputs held back",
            real(bots.cpu_us_per_bot_tick, 1),
            count(bots.kernel_drops),
            count(bots.dropped),
            count(bots.blocked)
        ),
    )?;
    row("machine", format!("{} ns to seal 1,200 bytes (250 is usual, less is faster)", real(report.reference_ns, 0)))
}

fn verdict(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let clients = &report.clients;
    let mut text = String::new();
    match report.verdict() {
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
        Verdict::Invalid(why) => writeln!(
            text,
            "INVALID: {}. The figures above are not the server's fault: other programs use the processors, or there are \
             more bots than one of them can play.",
            why.join("; ")
        )?,
    }
    for reason in &clients.reasons {
        let what = if reason.joined { "lost" } else { "did not get in" };
        writeln!(text, "  {} {what}: {}", reason.clients, reason.why)?;
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
