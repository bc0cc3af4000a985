//! The tool that measures is itself measured: over links that are known, it must report what they are.

mod common;

use std::sync::atomic::AtomicBool;

use common::{HZ, TestServer, is_valid};
use downbeat_arena::Arena;
use downbeat_bots::report::{GateResult, GroupReport, PhaseReport, Reason, ServerSide};
use downbeat_bots::{AccountRow, Bots, BudgetParts, Options, Part, Percentiles, Report, RunStage, run};
use downbeat_field::Field;

/// Plays behind `net`.
fn play<G: Bots>(server: &TestServer, net: &str, clients: usize, seconds: f64) -> Report {
    let net = net.parse().expect("a link");
    let options = Options { net, clients, seconds, ..Options::new(server.address, server.trust.clone()) };
    let report = run::<G>(&options, &mut |_| {}, &AtomicBool::new(false)).expect("all get in");
    println!("{}", report.table());
    report
}

/// Whether nothing was dropped but on purpose.
fn is_complete(report: &Report) -> bool {
    report.bots.kernel_drops == Some(0) && report.bots.dropped == Some(0)
}

fn arena() -> TestServer {
    TestServer::start::<Arena>(&Default::default(), 16)
}

/// How far the sum is from the whole, as a share of it.
fn gap(parts: &BudgetParts) -> f64 {
    (parts.sum_ms / parts.mean_ms - 1.0).abs()
}

#[test]
fn forty_milliseconds_each_way_are_a_round_trip_of_eighty_and_what_the_loops_add_is_told() {
    let server = arena();
    let report = play::<Arena>(&server, "latency=40ms", 8, 5.0);
    let rtt = report.rtt_ms.expect("measured");
    // Whatever else takes time, the network takes its own.
    assert!(rtt.p50 >= 80.0, "{rtt:?}");
    // QUIC counts the wait for the tick's packet as well.
    assert!(report.quic_rtt_ms.is_some_and(|by_quic| by_quic.p50 > 80.0));
    let budget = report.budget;
    let [all, net, loops] = [budget.rtt_ms, budget.rtt_net_ms, budget.rtt_loops_ms].map(|ms| ms.expect("measured"));
    assert_eq!(net, 80.0);
    assert!((all - net - loops).abs() < 0.002 && loops >= 0.0, "{budget:?}");
    if is_valid(&report) {
        assert!(rtt.p50 <= 85.0 && loops < 5.0, "{rtt:?}, {budget:?}");
    }
}

#[test]
fn the_parts_of_the_budget_add_up_to_what_was_measured_as_a_whole() {
    for (net, send_rate_hz) in [("latency=40ms", HZ), ("latency=40ms,jitter=5ms,loss=2%", HZ / 3)] {
        let config = downbeat_server::Config {
            rooms_max: 1,
            players_max: 16,
            tick_rate_hz: HZ,
            send_rate_hz,
            ..downbeat_server::Config::new("arena")
        };
        let server = TestServer::with::<Arena>(config, &Default::default());
        let mut report = play::<Arena>(&server, net, 8, 6.0);
        let served = server.report();
        let (ack, visible) = (report.budget.input_to_ack, report.budget.input_to_visible);
        let (ack, visible) = (ack.expect("measured"), visible.expect("bots see each other"));
        println!("{ack:?}\n{visible:?}");
        let is_valid = is_valid(&report);
        // However late the bots: the parts are late, and so is the whole. But halves of links are no halves then.
        let off = if is_valid { 0.05 } else { 0.2 };
        assert!(gap(&ack) < off && gap(&visible) < off, "{net}: {ack:?} {visible:?}");
        if !is_valid {
            continue;
        }
        assert!(ack.samples > 1_000 && visible.samples > 1_000);
        for (parts, told) in [(ack, report.input_to_ack_ms), (visible, report.input_to_visible_ms)] {
            // Means and medians of these differ by little: nothing of them is rare and large.
            let median = told.expect("measured").p50;
            assert!((parts.mean_ms / median - 1.0).abs() < 0.1, "{} ms on average, median {median}", parts.mean_ms);
            assert!(
                parts.list().iter().all(|(_, ms)| *ms >= 0.0) && (40.0..43.0).contains(&parts.uplink_ms),
                "{parts:?}"
            );
        }
        assert!(visible.interpolation_ms.is_some_and(|wait| wait > 10.0), "{visible:?}");
        // Of a send rate of a third, two of three ticks wait for the third.
        let wait_ms = f64::from(HZ / send_rate_hz - 1) / 2.0 * 1e3 / f64::from(HZ);
        assert!((ack.snapshot_ms - wait_ms).abs() < 3.0, "{ack:?}");
        assert_eq!(ack.tick_ms, None, "nobody asked the server");
        report.add_server(&ServerSide {
            tick_us: served.tick_us.map(as_told),
            tick_start_jitter_us: served.tick_start_jitter_us.map(as_told),
            ..ServerSide::default()
        });
        let asked = report.budget.input_to_visible.expect("measured");
        assert!(asked.tick_ms.is_some_and(|ms| ms > 0.0) && asked.uplink_ms < visible.uplink_ms, "{asked:?}");
        assert!((asked.sum_ms - visible.sum_ms).abs() < 0.01);
    }
}

fn as_told(p: downbeat_server::Percentiles) -> Percentiles {
    Percentiles { p50: p.p50, p90: p.p90, p99: p.p99, p999: p.p999, max: p.max }
}

#[test]
fn injected_loss_is_reported_as_what_it_is() {
    let config = downbeat_field::Config { walkers: 20, visible: 4, ..Default::default() };
    let server = TestServer::start::<Field>(&config, 100);
    let report = play::<Field>(&server, "latency=5ms,loss=3%", 40, 7.0);
    let snapshots = report.snapshots;
    let loss = snapshots.net_loss.expect("there is a conditioner");
    assert!((loss.ratio - loss.dropped as f64 / loss.datagrams as f64).abs() < 1e-8, "{loss:?}");
    // Half a point, and more only where a busy machine sent so few that chance alone is that large: four standard errors.
    let off = 0.005_f64.max(4.0 * (0.03 * 0.97 / loss.datagrams as f64).sqrt());
    assert!(loss.datagrams > 2_000 && (loss.ratio - 0.03).abs() <= off, "what the links dropped: {loss:?}");
    let missing = snapshots.missing_ratio.expect("measured");
    let server_lags = report.snapshots.lost.expect("measured") > report.snapshots.expected.expect("measured") / 200;
    assert!(
        !is_complete(&report) || server_lags || (missing - 0.03).abs() <= off,
        "what the clients missed: {missing}"
    );
}

#[test]
fn a_run_is_told_second_by_second_with_its_warm_up_marked_curves_and_outliers() {
    let server = arena();
    let report = play::<Arena>(&server, "latency=10ms", 12, 5.0);
    let is_in_time = is_valid(&report);
    let rows = &report.series.rows;
    assert_eq!(report.series.every_s, 1.0);
    let counted = |stage| rows.iter().filter(|row| row.stage == stage).map(|row| row.seconds).sum::<f64>();
    // A row counts as what it began in, so either can be a row longer or shorter than the stage.
    assert!((0.7..4.0).contains(&counted(RunStage::WarmUp)) || !is_in_time, "{rows:?}");
    assert!(counted(RunStage::Measuring) > 1.5, "{rows:?}");
    assert!(rows.windows(2).all(|pair| (pair[1].t_s - pair[0].t_s - pair[1].seconds).abs() < 0.01));
    for row in rows.iter().filter(|row| row.stage == RunStage::Measuring) {
        let [rtt, ack, visible] =
            [row.rtt_ms, row.input_to_ack_ms, row.input_to_visible_ms].map(|told| told.expect("busy"));
        assert!(rtt.p50 >= 19.0 && ack.p50 >= 19.0 && visible.p50 >= 19.0, "{row:?}");
        assert!(row.clients == 12 && row.starved_ratio.is_some() && row.bots_late_us_p99.is_some());
        assert!(row.down_bytes_per_s > 12.0 * 100.0 && row.up_bytes_per_s > 12.0 * 100.0, "{row:?}");
        if is_in_time {
            assert!(ack.p50 > rtt.p50 && visible.p50 > ack.p50, "{row:?}");
            assert!((row.snapshots_per_s / 12.0 / f64::from(HZ) - 1.0).abs() < 0.25, "{row:?}");
            assert!(row.down_bytes_per_s > 12.0 * 1_000.0 && row.up_bytes_per_s > 12.0 * 1_000.0, "{row:?}");
        }
    }
    let down = report.bandwidth.down_wire_bytes_per_client_s.expect("measured") * 12.0;
    let rows_down = rows.iter().filter(|row| row.stage == RunStage::Measuring).map(|row| row.down_bytes_per_s);
    let (sum, count) = rows_down.fold((0.0, 0.0), |(sum, count), down| (sum + down, count + 1.0));
    assert!((sum / count / down - 1.0).abs() < 0.1, "the rows add up to the whole: {} and {down}", sum / count);

    let curves = &report.curves;
    for (curve, told) in [(&curves.rtt_ms, report.rtt_ms), (&curves.input_to_visible_ms, report.input_to_visible_ms)] {
        let (curve, told) = (curve.as_ref().expect("measured"), told.expect("measured"));
        assert_eq!(curve.len(), curves.percent.len());
        let at = |percent: f64| curve[curves.percent.iter().position(|p| *p == percent).expect("a point")];
        assert!((at(90.0) / told.p90 - 1.0).abs() < 0.01 && (at(99.0) / told.p99 - 1.0).abs() < 0.01);
        assert!((curve[curve.len() - 1] / told.max - 1.0).abs() < 0.01);
    }
    assert_eq!(report.outliers.len(), 10);
    let p99 = |bot: &downbeat_bots::Outlier| bot.input_to_visible_ms.expect("each sees others").p99;
    assert!(report.outliers.windows(2).all(|pair| p99(&pair[0]) >= p99(&pair[1])));
    assert!(p99(&report.outliers[0]) >= report.input_to_visible_ms.expect("measured").p99 * 0.98);
}

#[test]
fn accounts_add_up_and_fields_of_kinds_are_told_apart() {
    let server = arena();
    let options =
        Options { clients: 12, seconds: 4.0, explain: true, ..Options::new(server.address, server.trust.clone()) };
    let report = run::<Arena>(&options, &mut |_| {}, &AtomicBool::new(false)).expect("all get in");
    let is_valid = is_valid(&report);
    let accounting = report.accounting.expect("asked for");
    println!("{}", accounting.explained());
    assert_eq!(accounting.bots, 12);
    let bytes = |rows: &[AccountRow], is: &dyn Fn(&AccountRow) -> bool| {
        rows.iter().filter(|row| is(row)).map(|row| row.bytes_per_client_s).sum::<f64>()
    };
    let near = |sum: f64, whole: f64| (sum / whole - 1.0).abs() < 0.01;
    let framing = [Part::IpUdp, Part::Quic, Part::Reliable];
    for way in [&accounting.down, &accounting.up] {
        assert!(near(bytes(&way.rows, &|_| true), way.wire_bytes_per_client_s), "{way:?}");
        let told = bytes(&way.rows, &|row| !framing.contains(&row.part));
        assert!(near(told, way.datagram_bytes_per_client_s), "{told} of {}", way.datagram_bytes_per_client_s);
        assert!(!is_valid || (55.0..70.0).contains(&way.packets_per_client_s), "{way:?}");
    }
    let received = report.snapshots.received.expect("measured") as f64 / 12.0 / report.measured_seconds;
    let each = accounting.down.packets_per_client_s / received;
    assert!((0.9..1.25).contains(&each), "a packet each, and some without: {each}");
    let down = &accounting.down;
    let named =
        bytes(&down.rows, &|row| !framing.contains(&row.part) && row.part != Part::End && row.part != Part::Unread);
    assert!(named > 0.95 * down.datagram_bytes_per_client_s, "what has no name is little: {named}");
    let of_field = |kind: &str, field: &str| {
        let is = |row: &AccountRow| {
            row.part == Part::Field && row.kind.as_deref() == Some(kind) && row.field.as_deref() == Some(field)
        };
        bytes(&down.rows, &is)
    };
    assert!(of_field("Player", "position") > 100.0, "players run");
    assert!(of_field("Player", "position") > of_field("Player", "health"), "and are seldom hit");
    let wire = report.bandwidth.down_wire_bytes_per_client_s.expect("measured");
    assert!(near(down.wire_bytes_per_client_s, wire), "all bots kept account: {wire}");
}

#[test]
fn every_key_of_a_report_is_documented() {
    let server = arena();
    let net = "latency=1ms,loss=1%".parse().expect("a link");
    let options = Options {
        net,
        clients: 8,
        light: 2,
        brain: "hostile:malformed:wander".to_owned(),
        seconds: 4.0,
        explain: true,
        metrics: Some(server.metrics.clone()),
        ..Options::new(server.address, server.trust.clone())
    };
    let mut report = run::<Arena>(&options, &mut |_| {}, &AtomicBool::new(false)).expect("all get in");
    // What this run does not have.
    report.clients.reasons.push(Reason { why: "made up".to_owned(), ..Reason::default() });
    report.groups.push(GroupReport::default());
    report.phases.push(PhaseReport::default());
    report.gates.push(GateResult::default());
    let hostile = report.hostile.as_mut().expect("some are");
    let felt = hostile.server.tick_us;
    assert!(felt.before.is_some_and(|work| work.mean > 0.0 && work.p99 > 0.0) && felt.during.is_some(), "{felt:?}");
    assert!(report.server.tick_us.is_some_and(|work| work.mean > 0.0), "{:?}", report.server);
    assert!(!hostile.answer.closed.is_empty(), "{hostile:?}");
    // Two bots in a second are too few to compare.
    hostile.gains.metres_per_s.get_or_insert_default();
    hostile.gains.hits_per_shot.get_or_insert_default();
    let json = serde_json::from_str(&report.to_json()).expect("a JSON object");
    let mut keys = Vec::new();
    collect("", &json, &mut keys);
    assert!(keys.len() > 130, "{} keys", keys.len());
    let documented = include_str!("../../docs/report.md");
    let missing: Vec<_> = keys.iter().filter(|key| !documented.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/report.md says nothing of {missing:?}");
}

/// The keys of a value with the way to them; what all distributions have is documented once.
fn collect(path: &str, value: &serde_json::Value, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) if object.contains_key("p50") => keys.push(path.to_owned()),
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let path =
                    path.replace("input_to_ack.", "input_to_visible.").replace("accounting.up.", "accounting.down.");
                // Both halves have the same, and all gains; ends of connections are as those of other bots.
                let path = path.replace("hostile.answer.closed[].", "clients.reasons[].");
                let path = if path.starts_with("hostile.") { path.replace(".during", ".before") } else { path };
                let of = ["shots_per_s", "hits_per_s", "hits_per_shot"].map(|name| format!("hostile.gains.{name}."));
                let path = of.iter().fold(path, |path, of| path.replace(of, "hostile.gains.metres_per_s."));
                // A group has the fields of a report, and a name.
                let path = if path == "groups[].name" { path } else { path.trim_start_matches("groups[].").to_owned() };
                collect(&path, value, keys);
            }
        }
        serde_json::Value::Array(items) => {
            let path = format!("{path}[]");
            items.first().into_iter().for_each(|item| collect(&path, item, keys));
        }
        _ => keys.push(path.to_owned()),
    }
}
