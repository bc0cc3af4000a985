//! When two runs can be compared, and what a difference is worth.

use downbeat_bots::report::{BotsFigures, Clients, Ended};
use downbeat_bots::series::{Series, SeriesRow, Spread};
use downbeat_bots::{Change, Comparison, Percentiles, ReadError, Report, RunStage, compare};

/// A run whose round trip is about `rtt` ms, a little different from second to second.
fn run(rtt: f64) -> Report {
    let row = |n: u32| {
        let at = rtt + f64::from(n % 3) - 1.0;
        let rtt_ms = Some(Spread { p50: at, p99: at + 5.0 });
        SeriesRow { seconds: 1.0, stage: RunStage::Measuring, clients: 8, rtt_ms, ..SeriesRow::default() }
    };
    let percentiles = |p50: f64, p99: f64| Some(Percentiles { p50, p90: p50, p99, p999: p99, max: p99 });
    Report {
        schema: "downbeat.report/1".to_owned(),
        game: "arena".to_owned(),
        brain: "fight".to_owned(),
        net: "none".to_owned(),
        profile: "release".to_owned(),
        tick_rate_hz: Some(60),
        send_rate_hz: Some(60),
        measured_seconds: 30.0,
        reference_ns: Some(200.0),
        clients: Clients { asked: 8, connected: 8, ..Clients::default() },
        rtt_ms: percentiles(rtt, rtt + 5.0),
        tick_us: percentiles(300.0, 500.0),
        bots: BotsFigures { late_us: percentiles(10.0, 200.0), valid: true, ..BotsFigures::default() },
        series: Series { every_s: 1.0, rows: (0..30).map(row).collect() },
        ..Report::default()
    }
}

fn change(comparison: &Comparison, name: &str) -> Change {
    comparison.rows.iter().find(|row| row.name == name).expect("both have it").change
}

#[test]
fn a_difference_counts_when_it_is_beyond_what_seconds_differ_by() {
    let same = compare(&run(40.0), &run(40.2));
    assert_eq!((same.exit_code(true), change(&same, "round trip p50, ms")), (0, Change::Same));
    let slower = compare(&run(40.0), &run(41.0));
    assert_eq!((slower.exit_code(false), change(&slower, "round trip p50, ms")), (0, Change::Worse));
    assert_eq!(change(&compare(&run(41.0), &run(40.0)), "round trip p99, ms"), Change::Better);
    assert_eq!(slower.exit_code(true), 3, "for who asks");
    assert_eq!(change(&slower, "server tick work p50, us"), Change::Unjudged, "it has no seconds");
    assert!(!slower.rows.iter().any(|row| row.name.contains("visible")), "what was not measured is not compared");
    let text = slower.to_string();
    assert!(text.contains("WORSE") && text.contains("+2.5 %") && !text.contains("NOT COMPARABLE"), "{text}");
}

#[test]
fn more_snapshots_are_better() {
    let with = |rate: f64| {
        let mut report = run(40.0);
        let rows = report.series.rows.iter_mut().zip([0.1, -0.1].into_iter().cycle());
        rows.for_each(|(row, off)| row.snapshots_per_s = 8.0 * (rate + off));
        report
    };
    assert_eq!(change(&compare(&with(50.0), &with(60.0)), "snapshots per client and second"), Change::Better);
    assert_eq!(change(&compare(&with(60.0), &with(50.0)), "snapshots per client and second"), Change::Worse);
}

/// A run as the other, but for what its rows are about.
fn with_rows(report: &Report, alter: impl Fn(usize, &mut SeriesRow)) -> Report {
    let mut report = report.clone();
    report.series.rows.iter_mut().enumerate().for_each(|(n, row)| alter(n, row));
    report
}

#[test]
fn what_is_too_little_to_matter_is_the_same_however_sure_it_is() {
    let name = "snapshots per client and second";
    // No second differs from another: each difference is beyond the spread, which is none.
    let with = |rate: f64| with_rows(&run(40.0), |_, row| row.snapshots_per_s = 8.0 * rate);
    assert_eq!(change(&compare(&with(60.0), &with(59.99)), name), Change::Same);
    assert_eq!(change(&compare(&with(59.99), &with(60.0)), name), Change::Same);
    assert_eq!(change(&compare(&with(60.0), &with(59.0)), name), Change::Worse);
}

#[test]
fn clients_that_were_lost_are_told_and_make_a_run_worse() {
    let mut other = run(40.0);
    (other.clients.lost, other.clients.asked, other.clients.connected) = (3, 8, 7);
    let comparison = compare(&run(40.0), &other);
    assert_eq!((change(&comparison, "lost"), change(&comparison, "did not get in")), (Change::Worse, Change::Worse));
    assert_eq!((comparison.exit_code(false), comparison.exit_code(true)), (0, 3));
    assert_eq!(change(&compare(&other, &run(40.0)), "lost"), Change::Better);
    assert!(comparison.to_string().contains("new: NOT SERVED"), "{comparison}");
    other.ended = Ended::AllLost;
    let comparison = compare(&run(40.0), &other);
    assert_eq!((comparison.exit_code(true), comparison.obstacles.len()), (1, 1), "{comparison}");
    assert!(comparison.to_string().contains("new: NOT SERVED, all clients were lost"), "{comparison}");
}

#[test]
fn what_a_client_costs_is_divided_by_those_who_were_there() {
    // From 4 to 12 clients, of which 2 are light; each takes 1 kB/s, and then 1.1.
    let ramp = |each: f64| {
        let mut report = with_rows(&run(40.0), |n, row| {
            let clients = 4.0 + 8.0 * n as f64 / 29.0;
            (row.clients_mean, row.light_mean) = (Some(clients), Some(2.0));
            row.stage = if n < 15 { RunStage::Measuring } else { RunStage::Attack };
            row.down_bytes_per_s = each * (clients - 2.0) * if n % 2 == 0 { 0.99 } else { 1.01 };
        });
        report.bandwidth.down_wire_bytes_per_client_s = Some(each);
        report
    };
    let comparison = compare(&ramp(1_000.0), &ramp(1_100.0));
    let row = comparison.rows.iter().find(|row| row.name.starts_with("down")).expect("both have it");
    assert_eq!(row.change, Change::Worse);
    let [spread, _] = row.spreads.expect("there are seconds");
    // Twice 10 / sqrt(30), of all thirty seconds.
    assert!((3.5..3.9).contains(&spread), "it is not that of the ramp: {spread}");
}

#[test]
fn runs_are_called_by_their_files_and_their_times() {
    let at = |time: &str| Report { started_at: Some(time.to_owned()), version: Some("0.1.0".to_owned()), ..run(40.0) };
    let (early, late) = (at("2026-11-22T09:59:59Z"), at("2026-11-22T10:00:00Z"));
    let told = |old, new| compare(old, new).of_files("a.json".as_ref(), "b.json".as_ref()).to_string();
    let text = told(&early, &late);
    assert!(text.contains("old: a.json, began 2026-11-22T09:59:59Z, downbeat 0.1.0, "), "{text}");
    assert!(text.contains("new: b.json, began 2026-11-22T10:00:00Z") && !text.contains("MIND"), "{text}");
    assert!(told(&late, &early).contains("MIND: the run that is called old began after the other"));
    let nothing = Report { schema: "downbeat.report/1".to_owned(), ..Report::default() };
    let text = compare(&nothing, &nothing).to_string();
    assert!(text.contains("There is no figure that both have") && !text.contains("difference"), "{text}");
}

#[test]
fn runs_that_differ_in_what_was_played_are_not_compared() {
    type Alter = fn(&mut Report);
    let alters: [(Alter, &str); 15] = [
        (|r| r.schema = "downbeat.report/2".into(), "schema: downbeat.report/1 and downbeat.report/2"),
        (|r| r.game = "field".into(), "game: arena and field"),
        (|r| r.game = String::new(), "game: arena and unknown"),
        (|r| r.ended = Ended::Stopped, "end: its time was over and it was stopped"),
        (|r| r.measured_seconds = 28.0, "measured: 30.0 s and 28.0 s"),
        (|r| r.brain = "idle".into(), "brain: fight and idle"),
        (|r| r.net = "wifi".into(), "network: none and wifi"),
        (|r| r.scenario = Some("evening".into()), "scenario: none and evening"),
        (|r| r.tick_rate_hz = Some(30), "ticks per second: 60 and 30"),
        (|r| r.send_rate_hz = None, "snapshots per second: 60 and unknown"),
        (|r| r.clients.asked = 9, "clients: 8 and 9"),
        (|r| r.light = Some(downbeat_bots::report::Light { asked: 4, ..Default::default() }), "light clients: 0 and 4"),
        (|r| r.profile = "dist".into(), "profile: release and dist"),
        (|r| r.reference_ns = Some(260.0), "machine: 200 ns and 260 ns"),
        (|r| r.bots.kernel_drops = Some(3), "the new run is invalid: the kernel dropped 3"),
    ];
    for (alter, why) in alters {
        let mut other = run(40.0);
        alter(&mut other);
        let comparison = compare(&run(40.0), &other);
        assert_eq!((comparison.exit_code(true), comparison.obstacles.len()), (1, 1), "{comparison}");
        assert!(comparison.obstacles[0].starts_with(why), "{comparison}");
        assert!(comparison.to_string().starts_with("NOT COMPARABLE"));
    }
    let mut other = run(40.0);
    (other.seed, other.reference_ns) = (7, Some(230.0));
    assert_eq!(compare(&run(40.0), &other).exit_code(false), 0, "another seed and a little faster is fine");
}

#[test]
fn a_report_is_read_back_and_nothing_else_is_taken_for_one() {
    let path = std::env::temp_dir().join(format!("downbeat-compare-{}.json", std::process::id()));
    run(40.0).write(&path).expect("it can be written");
    assert_eq!(Report::read(&path).expect("as written"), run(40.0));
    // Fields that this version does not know, or that one before it did not.
    let write = |text: &str| std::fs::write(&path, text).expect("it can be written");
    write(r#"{"schema": "downbeat.report/1", "game": "arena", "novelty": 3}"#);
    assert_eq!(Report::read(&path).expect("fields may be added").game, "arena");
    write(r#"{"schema": "downbeat.report/2", "game": {"name": "arena"}}"#);
    assert_eq!(Report::read(&path).expect("its schema is told").schema, "downbeat.report/2");
    for (text, why) in
        [("[]", "its `schema` is not"), ("{", "EOF"), (r#"{"schema": "downbeat.report/1", "game": 3}"#, "string")]
    {
        write(text);
        let error = Report::read(&path).expect_err("it is none");
        assert!(matches!(error, ReadError::NoReport { .. }) && error.to_string().contains(why), "{error}");
    }
    std::fs::remove_file(&path).expect("it is ours");
    assert!(matches!(Report::read(&path), Err(ReadError::File { .. })));
}
