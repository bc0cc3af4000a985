//! Whole runs against a live server on loopback.

mod common;

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{HZ, Refusing, TestServer, assert_nothing_sent_was_missed, had_time};
use downbeat_arena::Arena;
use downbeat_bots::report::Ended;
use downbeat_bots::{BotsError, Options, Report, Verdict, describe, run};
use downbeat_field::Field;
use downbeat_replica::Schema;
use downbeat_replica::codec::Model;
use downbeat_replica::recording::Reader;
use downbeat_wire::CloseCode;

fn arena(players_max: u16) -> TestServer {
    TestServer::start::<Arena>(&Default::default(), players_max)
}

fn options(server: &TestServer, clients: usize, seconds: f64) -> Options {
    Options { clients, seconds, ..Options::new(server.address, server.trust.clone()) }
}

fn play<G: downbeat_bots::Bots>(options: &Options) -> Result<Report, BotsError> {
    let report = run::<G>(options, &mut |progress| println!("{progress}"), &AtomicBool::new(false))?;
    println!("{}", report.table());
    Ok(report)
}

#[test]
fn a_server_tells_what_it_runs_to_who_does_not_have_the_game() {
    let server = arena(1);
    let (schema, model) = describe(&options(&server, 1, 1.0)).expect("it is told");
    println!("a schema of {} bytes, a model of {}", schema.to_bytes().len(), model.to_bytes().len());
    assert_eq!(schema, Schema::of::<Arena>().expect("good tables"));
    assert_eq!(model.hash(), Model::of_game::<Arena>(&schema).expect("its own").hash());

    let mut elsewhere = options(&server, 1, 1.0);
    elsewhere.room = Some(99);
    let error = describe(&elsewhere).expect_err("there is no such room");
    assert!(error.to_string().contains("room 99 does not exist"), "{error}");
}

#[test]
fn bots_whose_connections_break_go_on_with_their_sessions() {
    let server = arena(8);
    let impossible = Options { break_every: Some(0.0), ..options(&server, 1, 1.0) };
    assert!(matches!(play::<Arena>(&impossible), Err(BotsError::BreakEvery(_))));
    let asked = Options { break_every: Some(1.0), ..options(&server, 4, 6.0) };
    let report = play::<Arena>(&asked).expect("all get in");
    let clients = &report.clients;
    assert_eq!((clients.connected, clients.lost), (4, 0), "{:?}", clients.reasons);
    // The last ones may be on their way back when it ends.
    assert!(clients.broken >= 12 && clients.resumed + 4 >= clients.broken, "{clients:?}");
    assert_eq!(clients.resumed_anew, 0, "both ends know what they knew");
    // A line that bots break themselves is no loss of the server's, and whoever has just lost one is measured as all others are.
    assert_eq!(report.outliers.len(), 4);
    let told = report.snapshots;
    let is_little = told.lost.expect("measured") <= told.expected.expect("measured") / 50;
    assert!(is_little || !had_time(&report, &server.report()), "{told:?}");
}

#[test]
fn fighters_are_served_and_every_figure_is_measured() {
    let server = arena(16);
    let report = play::<Arena>(&options(&server, 8, 5.0)).expect("all get in");
    assert_eq!((report.clients.asked, report.clients.connected, report.clients.lost), (8, 8, 0));
    assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
    assert_eq!((report.tick_rate_hz, report.send_rate_hz), (Some(HZ), Some(HZ)));
    assert!((report.measured_seconds - 3.0).abs() < 0.2, "two of five seconds are warm-up");

    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("a JSON object");
    assert_eq!(json["schema"], "downbeat.report/1");
    for name in [
        "rtt_ms",
        "input_to_ack_ms",
        "input_to_visible_ms",
        "snapshot_interval_ms",
        "interpolation_delay_ms",
        "prediction_error_m",
    ] {
        for percentile in ["p50", "p90", "p99", "p999", "max"] {
            assert!(json[name][percentile].is_number(), "{name}.{percentile}");
        }
    }
    let expected = json["snapshots"]["expected"].as_f64().expect("measured");
    assert!((expected / (8.0 * 3.0 * f64::from(HZ)) - 1.0).abs() < 0.1, "{expected}");
    for name in ["down_wire_bytes_per_client_s", "up_udp_payload_bytes_per_client_s"] {
        assert!(json["bandwidth"][name].as_f64().is_some_and(|bytes| bytes > 500.0), "{name}");
    }
    assert!(json["interpolation"]["starved_ratio"].is_number());
    assert!(report.visible_entities_mean.is_some_and(|mean| mean >= 7.0));
    assert!(report.input_to_visible_ms.expect("bots see each other").p50 > 10.0, "interpolation takes its time");
    // Nobody asked the server.
    assert!(json["tick_us"].is_null() && json["server"]["overruns"].is_null() && json["inputs"]["late"].is_null());
}

#[test]
fn a_slow_network_is_measured_as_such_and_its_losses_are_not_the_servers() {
    let server = arena(16);
    let net = "latency=40ms,jitter=2ms,loss=3%".parse().expect("a link");
    let report = play::<Arena>(&Options { net, ..options(&server, 6, 5.0) }).expect("all get in");
    assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
    let rtt = report.rtt_ms.expect("measured").p50;
    assert!((79.0..95.0).contains(&rtt), "{rtt}");
    assert!(report.input_to_ack_ms.expect("measured").p50 > 80.0);
    let owed = 6.0 * report.measured_seconds * f64::from(HZ);
    let expected = report.snapshots.expected.expect("measured") as f64;
    assert!((0.93..0.99).contains(&(expected / owed)), "the 3 % that the link drops are not expected: {expected}");
}

#[test]
fn walkers_are_watched_without_avatars_to_see() {
    let config = downbeat_field::Config { walkers: 50, visible: 16, ..Default::default() };
    let server = TestServer::start::<Field>(&config, 100);
    let report = play::<Field>(&options(&server, 20, 4.0)).expect("all get in");
    assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
    assert_eq!(report.visible_entities_mean.map(f64::round), Some(16.0));
    assert_eq!(report.input_to_visible_ms, None, "private avatars are seen by nobody, so nothing was measured");
    assert_eq!((report.brain.as_str(), report.game.as_str()), ("wander", "field"));
}

#[test]
fn light_clients_play_in_time_and_are_reported_apart() {
    let config = downbeat_field::Config { walkers: 50, visible: 16, ..Default::default() };
    let server = TestServer::start::<Field>(&config, 100);
    let report = play::<Field>(&Options { light: 50, ..options(&server, 60, 5.0) }).expect("all get in");
    assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
    assert_eq!((report.clients.asked, report.clients.connected), (10, 10));
    let light = report.light.expect("there were some");
    assert_eq!((light.asked, light.connected, light.lost), (50, 50, 0));
    assert_eq!(light.net_dropped, Some(0));
    // What is measured is about the ten.
    let owed = 10.0 * report.measured_seconds * f64::from(HZ);
    assert!((report.snapshots.expected.expect("measured") as f64 / owed - 1.0).abs() < 0.02);
    assert!(report.bots.cpu_us_per_bot_tick.is_none() && report.bots.cpu_share.is_some());

    let served = server.report();
    assert_nothing_sent_was_missed(&report, &served);
    let had_time = had_time(&report, &served);
    let rate = light.snapshots_per_client_s.expect("measured");
    assert!(!had_time || (rate / f64::from(HZ) - 1.0).abs() < 0.05, "{light:?}");
    let totals = served.totals;
    assert_eq!((totals.datagrams_malformed, totals.acks_forged), (0, 0), "they are honest");
    let (played, late) = (totals.inputs.consumed, totals.inputs.starved + totals.inputs.late + totals.inputs.rejected);
    assert!(!had_time || played > 60 * 3 * u64::from(HZ) && late < played / 20, "{:?}", totals.inputs);
}

#[test]
fn light_clients_are_not_owed_what_the_network_drops() {
    let config = downbeat_field::Config { walkers: 20, visible: 4, ..Default::default() };
    let server = TestServer::start::<Field>(&config, 100);
    let net = "latency=5ms,loss=10%".parse().expect("a link");
    let report = play::<Field>(&Options { light: 20, net, ..options(&server, 22, 5.0) }).expect("all get in");
    let light = report.light.expect("there were some");
    let [received, expected, dropped] =
        [light.received, light.expected, light.net_dropped].map(|n| n.expect("measured"));
    let owed = 20.0 * report.measured_seconds * f64::from(HZ);
    assert!((0.98..1.02).contains(&((expected + dropped) as f64 / owed)), "{light:?}");
    assert!(received <= expected + 40, "{light:?}");
    if had_time(&report, &server.report()) {
        assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
        assert!((0.08..0.12).contains(&(dropped as f64 / owed)), "{light:?}");
    }
}

#[test]
fn below_the_tick_rate_packets_without_a_snapshot_are_not_taken_for_snapshots() {
    let config = downbeat_server::Config {
        rooms_max: 1,
        players_max: 16,
        tick_rate_hz: HZ,
        send_rate_hz: HZ / 3,
        ..downbeat_server::Config::new("arena")
    };
    let server = TestServer::with::<Arena>(config, &Default::default());
    let net = "latency=5ms,loss=10%".parse().expect("a link");
    let report = play::<Arena>(&Options { net, ..options(&server, 8, 6.0) }).expect("all get in");
    let told = report.snapshots;
    let [received, lost, dropped] = [told.received, told.lost, told.net_dropped].map(|n| n.expect("measured"));
    let owed = 8.0 * report.measured_seconds * f64::from(HZ / 3);
    assert!((0.95..1.03).contains(&((received + lost + dropped) as f64 / owed)), "{told:?}");
    if had_time(&report, &server.report()) {
        assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
        assert!((0.06..0.14).contains(&(dropped as f64 / owed)), "{told:?}");
    }
}

#[test]
fn those_who_find_the_server_full_are_counted_with_its_reason() {
    let server = arena(2);
    let report = play::<Arena>(&options(&server, 5, 1.0)).expect("two get in");
    assert_eq!((report.clients.connected, report.clients.lost), (2, 0));
    assert_eq!(report.verdict().exit_code(), 1);
    let reason = &report.clients.reasons[0];
    assert_eq!((reason.joined, reason.code, reason.clients), (false, Some(16), 3));
    assert!(reason.why.contains("SERVER_FULL"), "{}", reason.why);
}

#[test]
fn a_server_that_goes_down_under_way_loses_its_clients_and_ends_the_run() {
    let server = arena(8);
    server.stop_after(Duration::from_millis(1_500));
    let begun = Instant::now();
    let report = play::<Arena>(&Options { light: 2, ..options(&server, 5, 30.0) }).expect("all got in");
    assert!(begun.elapsed() < Duration::from_secs(10), "nobody is left to wait for");
    assert_eq!((report.clients.connected, report.clients.lost), (3, 3));
    assert_eq!(report.light.map(|light| (light.connected, light.lost)), Some((2, 2)));
    assert!(report.clients.reasons[0].why.contains("SHUTTING_DOWN"), "{:?}", report.clients.reasons);
    assert_eq!(report.verdict().exit_code(), 1);
    assert_eq!(report.rtt_ms, None, "the measurement had not begun");
}

#[test]
fn a_stop_ends_the_run_with_the_report_of_what_ran() {
    let server = arena(4);
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let mut seconds = 0;
    let mut told = |_: &_| {
        seconds += 1;
        stop.store(seconds == 4, Ordering::Relaxed);
    };
    let report = run::<Arena>(&options(&server, 2, 60.0), &mut told, &stop).expect("a report");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(report.rtt_ms.is_some() && report.measured_seconds < 5.0);
    let table = report.table().to_string();
    let seconds = report.seconds.round();
    assert!(table.contains(&format!("STOPPED after {seconds} of 60 s. Until then ")), "{table}");
    assert_eq!((report.ended, report.planned_seconds), (Ended::Stopped, 60.0));
    assert!(report.to_html().contains(&format!("\"state\":\"stopped\",\"why\":[\"after {seconds} of 60 s\"")));
}

#[test]
fn a_stop_before_the_measurement_is_nobodys_fault() {
    let server = arena(4);
    for seconds in [0, 1] {
        let stop = AtomicBool::new(seconds == 0);
        let mut told = |_: &_| stop.store(true, Ordering::Relaxed);
        let report = run::<Arena>(&options(&server, 2, 60.0), &mut told, &stop).expect("a report");
        let table = report.table().to_string();
        assert!(table.contains("STOPPED before anything was measured.\n"), "{table}");
        assert!(!table.contains("INVALID") && !table.contains("SERVED") && !table.contains("fault"), "{table}");
        assert_eq!((report.verdict().exit_code(), report.ended), (4, Ended::Stopped));
    }
}

#[test]
fn what_cannot_be_run_says_so_before_anything_is_sent() {
    let server = arena(4);
    let base = options(&server, 1, 1.0);
    let error = |options: Options| play::<Arena>(&options).expect_err("impossible").to_string();
    assert!(error(Options { brain: "chess".into(), ..base.clone() }).contains("fight, wander, idle"));
    let fighters = play::<Field>(&Options { brain: "fight".into(), ..base.clone() }).expect_err("nobody fights there");
    assert!(fighters.to_string().contains("no brain called `fight`; there are: wander, idle"), "{fighters}");
    assert!(error(Options { clients: 0, ..base.clone() }).contains("1 to"));
    assert!(error(Options { clients: 8, light: 8, ..base.clone() }).contains("8 of 8 clients are light"));
    assert!(error(Options { seconds: f64::NAN, ..base.clone() }).contains("allowed"));
    assert!(error(Options { report: Some("/no/such/folder/r.json".into()), ..base.clone() }).contains("no folder"));
    assert!(error(Options { tick_rate_hz: Some(30), ..base.clone() }).contains("60 ticks"));
    let stranger = downbeat_transport::Trust::pinned(downbeat_transport::Fingerprint([7; 32]));
    let text = error(Options { trust: stranger, ..base });
    assert!(text.contains("handshake failed") && text.ends_with("copy the fingerprint that it prints"), "{text}");
}

#[test]
fn who_is_refused_is_told_what_to_do_and_not_that_nobody_is_there() {
    let server = arena(4);
    let base = options(&server, 1, 1.0);
    let said = |error: BotsError, what: &str, next_step: &str| {
        let text = error.to_string();
        assert!(text.contains(what) && text.ends_with(next_step) && !text.contains("is a server running"), "{text}");
        assert_eq!(text.matches("the server runs").count(), usize::from(what.contains("the server runs")), "{text}");
    };
    let error = play::<Field>(&base).expect_err("it is another game");
    said(error, "the server runs another game (`arena`, not `field`)", "say which with --game NAME");
    let elsewhere = Options { room: Some(99), ..base };
    said(play::<Arena>(&elsewhere).expect_err("no such room"), "room 99", "leave --room out, and the server chooses");
    said(describe(&elsewhere).expect_err("no such room"), "room 99", "leave --room out, and the server chooses");
}

#[test]
fn a_server_of_another_version_is_told_with_what_to_do() {
    let codes = [CloseCode::VersionMismatch, CloseCode::SchemaMismatch, CloseCode::ModelMismatch];
    for (code, what) in codes.into_iter().zip(["protocol versions", "versions of the game", "models of the game"]) {
        let server = Refusing::start(code, code.reason());
        let options = Options { clients: 20, ..Options::new(server.address, server.trust.clone()) };
        let error = play::<Arena>(&options).expect_err("nobody gets in");
        let text = error.to_string();
        assert!(matches!(error, BotsError::NobodyIn { .. }) && !error.is_misuse(), "{text}");
        assert!(text.contains(what) && text.contains("update the older one"), "{text}");
        assert!((8..20).contains(&server.refused()), "not all of them have to try");
    }
}

#[test]
fn a_server_that_is_not_there_is_noticed() {
    // A socket that answers nothing.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let address = silent.local_addr().expect("bound");
    let options = Options { clients: 3, ..Options::new(address, downbeat_transport::Trust::danger_anybody()) };
    let error = play::<Arena>(&options).expect_err("nobody answers");
    assert!(matches!(error, BotsError::NobodyIn { .. }), "{error}");
    assert!(error.to_string().contains("timed out; is a server running there, and is UDP let through"), "{error}");
    let error = describe(&options).expect_err("nobody answers");
    assert!(error.to_string().contains("timed out; is a server running there"), "{error}");
}

#[test]
fn what_the_first_bot_is_told_can_be_recorded() {
    let server = TestServer::start::<Field>(&Default::default(), 4);
    let path = std::env::temp_dir().join(format!("downbeat-lanes-{}.bin", std::process::id()));
    let options = Options { seed: 5, record_lanes: Some(path.clone()), ..options(&server, 2, 2.0) };
    play::<Field>(&options).expect("all get in");
    let bytes = std::fs::read(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is ours");
    let schema = Schema::of::<Field>().expect("a schema");
    let mut reader = Reader::new(&schema, &bytes).expect("a recording");
    assert_eq!((reader.seed(), reader.tick_rate_hz()), (5, HZ));
    let (mut frames, mut walkers, mut avatars) = (0, 0, 0);
    while reader.next_frame().expect("it is whole").is_some() {
        frames += 1;
        walkers = walkers.max(reader.known().filter(|told| !told.avatar).count());
        avatars = avatars.max(reader.known().filter(|told| told.avatar).count());
    }
    assert!(frames > HZ && walkers > 1 && avatars == 1, "{frames} frames, {walkers} walkers, {avatars} avatars");
}
