//! When two runs can be compared, and what a difference is worth.

use downbeat_bots::report::{BotsFigures, Clients};
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
    assert_eq!((same.exit_code(), change(&same, "round trip p50, ms")), (0, Change::Same));
    let slower = compare(&run(40.0), &run(41.0));
    assert_eq!((slower.exit_code(), change(&slower, "round trip p50, ms")), (0, Change::Worse));
    assert_eq!(change(&compare(&run(41.0), &run(40.0)), "round trip p99, ms"), Change::Better);
    assert_eq!(change(&slower, "server tick work p50, us"), Change::Unjudged, "it has no seconds");
    assert!(!slower.rows.iter().any(|row| row.name.contains("visible")), "what was not measured is not compared");
    let text = slower.to_string();
    assert!(text.contains("WORSE") && text.contains("+2.5 %") && !text.contains("NOT COMPARABLE"), "{text}");
}

#[test]
fn more_snapshots_are_better() {
    let with = |rate: f64| {
        let mut report = run(40.0);
        report.measured_seconds = 30.0;
        report.snapshots.received = Some((rate * 240.0) as u64);
        let rows = report.series.rows.iter_mut().zip([0.1, -0.1].into_iter().cycle());
        rows.for_each(|(row, off)| row.snapshots_per_s = 8.0 * (rate + off));
        report
    };
    assert_eq!(change(&compare(&with(50.0), &with(60.0)), "snapshots per client and second"), Change::Better);
    assert_eq!(change(&compare(&with(60.0), &with(50.0)), "snapshots per client and second"), Change::Worse);
}

#[test]
fn runs_that_differ_in_what_was_played_are_not_compared() {
    type Alter = fn(&mut Report);
    let alters: [(Alter, &str); 12] = [
        (|r| r.schema = "downbeat.report/2".into(), "schema: downbeat.report/1 and downbeat.report/2"),
        (|r| r.game = "field".into(), "game: arena and field"),
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
        assert_eq!((comparison.exit_code(), comparison.obstacles.len()), (1, 1), "{comparison}");
        assert!(comparison.obstacles[0].starts_with(why), "{comparison}");
        assert!(comparison.to_string().starts_with("NOT COMPARABLE"));
    }
    let mut other = run(40.0);
    (other.seed, other.reference_ns) = (7, Some(230.0));
    assert_eq!(compare(&run(40.0), &other).exit_code(), 0, "another seed and a little faster is fine");
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
