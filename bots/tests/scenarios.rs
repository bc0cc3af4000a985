//! Groups, phases, gates and shares against a live server on loopback.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{HZ, TestServer};
use downbeat_arena::Arena;
use downbeat_bots::report::{Ended, GroupReport};
use downbeat_bots::scenario::{Group, Phase, PhaseKind};
use downbeat_bots::{Bots, BotsError, Gate, Options, Report, Scenario, Sight, Verdict, run, run_watched};
use downbeat_field::Field;
use downbeat_server::control::{Answer, Command};

fn group(name: &str, clients: usize, net: &str) -> Group {
    Group {
        name: name.to_owned(),
        clients,
        light: 0,
        brain: "wander".to_owned(),
        hostile: None,
        net: net.parse().expect("a network"),
        net_name: Some(net.to_owned()),
        seed: 0,
        break_every: None,
    }
}

fn phase(name: &str, kind: PhaseKind, seconds: f64) -> Phase {
    Phase { name: name.to_owned(), kind, seconds, group: None }
}

fn scenario(groups: Vec<Group>, phases: Vec<Phase>) -> Scenario {
    let name = "test".to_owned();
    Scenario { name, groups, phases, measure_from: None, lost_share_max: 1.0, gates: Vec::new() }
}

fn options(server: &TestServer, scenario: Scenario, seconds: f64) -> Options {
    Options { scenario: Some(scenario), seconds, ..Options::new(server.address, server.trust.clone()) }
}

fn play<G: Bots>(options: &Options) -> Result<Report, BotsError> {
    let report = run::<G>(options, &mut |progress| println!("{progress}"), &AtomicBool::new(false))?;
    println!("{}", report.table());
    Ok(report)
}

fn arena(players_max: u16) -> TestServer {
    TestServer::start::<Arena>(&Default::default(), players_max)
}

fn named<'a>(report: &'a Report, name: &str) -> &'a GroupReport {
    report.groups.iter().find(|group| group.name == name).expect("every group is in the report")
}

#[test]
fn groups_have_networks_of_their_own_and_see_each_other() {
    let server = arena(16);
    let near = group("near", 4, "none");
    let far = group("far", 4, "latency=60ms");
    let report = play::<Arena>(&options(&server, scenario(vec![near, far], vec![]), 5.0)).expect("all get in");
    assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
    let (near, far) = (named(&report, "near"), named(&report, "far"));
    assert_eq!((near.clients.connected, far.clients.connected, report.clients.connected), (4, 4, 8));
    assert_eq!(
        (near.net.as_str(), far.net.as_str(), report.net.as_str()),
        ("none", "latency=60ms", "none + latency=60ms")
    );
    let median = |group: &GroupReport| group.rtt_ms.expect("measured").p50;
    assert!(median(far) > 118.0 && median(near) < median(far) - 50.0, "{} {}", median(near), median(far));
    // What those who are near do is shown to some who are far and to some who are near.
    let visible = near.input_to_visible_ms.expect("they see each other");
    assert!(visible.max > 60.0 && far.input_to_visible_ms.is_some(), "{visible:?}");
    // The parts add up.
    let sum =
        |of: fn(&GroupReport) -> Option<u64>| report.groups.iter().map(|group| of(group).unwrap_or(0)).sum::<u64>();
    assert_eq!(Some(sum(|group| group.snapshots.received)), report.snapshots.received);
    assert_eq!(Some(sum(|group| group.inputs.sent)), report.inputs.sent);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
    assert_eq!(json["scenario"], "test");
    assert!(json["groups"][1]["prediction"]["per_client_minute"].is_number());
}

/// How many play in each second of a run.
fn levels(server: &TestServer, phases: Vec<Phase>, clients: usize) -> (Vec<usize>, Report) {
    let options = options(server, scenario(vec![group("all", clients, "none")], phases), 1.0);
    let mut levels = Vec::new();
    let mut told = |progress: &downbeat_bots::Progress| {
        println!("{progress}");
        levels.push(progress.playing);
    };
    let report = run::<Arena>(&options, &mut told, &AtomicBool::new(false)).expect("all get in");
    println!("{}", report.table());
    (levels, report)
}

#[test]
fn phases_bring_bots_in_and_out_and_what_is_owed_is_owed_to_those_who_are_there() {
    let server = arena(16);
    let phases = vec![
        phase("up", PhaseKind::Ramp { to: 4 }, 2.0),
        phase("flat", PhaseKind::Plateau, 2.0),
        phase("peak", PhaseKind::Spike { to: 12 }, 3.0),
        phase("down", PhaseKind::Storm { to: 2 }, 3.0),
    ];
    let (levels, report) = levels(&server, phases, 12);
    // Once a second, more or less: each level was there for three seconds, the first for two.
    let mut seen = levels.clone();
    seen.dedup();
    assert!(seen.ends_with(&[4, 12, 2]) || seen.ends_with(&[4, 12, 4, 2]), "{levels:?}");
    assert!(levels.windows(2).all(|pair| pair[1] >= pair[0] || pair[0] >= 4), "the ramp leads up: {levels:?}");
    assert_eq!((report.clients.connected, report.clients.lost), (12, 0), "{:?}", report.clients.reasons);
    assert_eq!(report.ended, Ended::Time);
    let snapshots = report.snapshots;
    let (received, expected) =
        (snapshots.received.expect("measured") as f64, snapshots.expected.expect("measured") as f64);
    let least = if common::is_valid(&report) { 0.95 } else { 0.5 };
    assert!((least..1.01).contains(&(received / expected)), "{received} of {expected}");
    // Those who come later than the beginning were not late since then.
    assert!(report.bots.late_us.is_some_and(|late| late.max < 3e6), "{:?}", report.bots.late_us);
    // From second 4 on: two seconds of four, of which none is left out; those of the peak are new for most of it.
    let most = (4.0 * 6.0 + 8.0 * 3.0) * f64::from(HZ);
    assert!(expected < most && expected > 4.0 * 3.0 * f64::from(HZ), "{expected} of {most}");
    // Who joins when, and nothing of what was before the measurement.
    let told: Vec<_> = report.phases.iter().map(|phase| (phase.join_ms.is_some(), phase.rtt_ms.is_some())).collect();
    assert_eq!(told, [(true, false), (false, false), (true, true), (false, true)]);
    // Every second is told, the last one too, and the run is as long as its phases.
    assert_eq!(levels.len(), report.series.rows.len(), "{levels:?}");
    assert!((10.0..10.5).contains(&report.total_seconds), "{}", report.total_seconds);
    assert!(report.table().to_string().contains("s in all, "));
    let phases: Vec<_> = report.phases.iter().map(|phase| (phase.kind.as_str(), phase.begin_s, phase.end_s)).collect();
    assert_eq!(phases, [("ramp", 0.0, 2.0), ("plateau", 2.0, 4.0), ("spike", 4.0, 7.0), ("storm", 7.0, 10.0)]);
}

#[test]
fn whose_time_has_not_come_when_a_run_is_stopped_did_not_fail_to_get_in() {
    let server = arena(16);
    let phases = vec![phase("some", PhaseKind::Storm { to: 3 }, 30.0), phase("rest", PhaseKind::Storm { to: 9 }, 30.0)];
    let options = options(&server, scenario(vec![group("all", 9, "none")], phases), 1.0);
    let (stop, mut seconds) = (AtomicBool::new(false), 0);
    let mut told = |_: &_| {
        seconds += 1;
        stop.store(seconds == 4, Ordering::Relaxed);
    };
    let report = run::<Arena>(&options, &mut told, &stop).expect("a report");
    assert_eq!((report.clients.asked, report.clients.connected, report.clients.lost), (3, 3, 0));
    assert_eq!(report.ended, Ended::Stopped);
    assert!(report.phases[0].rtt_ms.is_some() && report.phases[1].rtt_ms.is_none());
}

#[test]
fn those_who_leave_and_come_again_are_new_players_and_nobody_is_lost() {
    let server = arena(8);
    let phases = vec![
        phase("in", PhaseKind::Storm { to: 6 }, 1.0),
        phase("churn", PhaseKind::Churn { per_s: 4.0, away_s: 0.5 }, 5.0),
        phase("end", PhaseKind::Plateau, 1.0),
    ];
    let (_, report) = levels(&server, phases, 6);
    let clients = &report.clients;
    assert_eq!((clients.asked, clients.connected, clients.lost), (6, 6, 0), "{:?}", clients.reasons);
    assert!((16..=20).contains(&clients.rejoined), "{clients:?}");
    let totals = server.report().totals;
    assert_eq!(totals.admitted, 6 + clients.rejoined);
    assert_eq!(totals.closes.lost.len(), 0, "{:?}", totals.closes);
}

#[test]
fn whoever_comes_again_shows_a_ticket_that_nobody_has_shown() {
    let keys = common::Keys::new("scenarios");
    let config = downbeat_server::Config {
        rooms_max: 1,
        players_max: 8,
        tick_rate_hz: HZ,
        send_rate_hz: HZ,
        tickets: Some(keys.accepted()),
        ..downbeat_server::Config::new("arena")
    };
    let server = TestServer::with::<Arena>(config, &Default::default());
    let phases = vec![
        phase("in", PhaseKind::Storm { to: 4 }, 1.0),
        phase("churn", PhaseKind::Churn { per_s: 2.0, away_s: 0.7 }, 4.0),
        phase("end", PhaseKind::Plateau, 1.5),
    ];
    let asked = options(&server, scenario(vec![group("all", 4, "none")], phases), 1.0);
    let enough = Options { tokens: keys.tickets(12), ..asked.clone() };
    let report = play::<Arena>(&enough).expect("all get in");
    let clients = &report.clients;
    assert_eq!((clients.connected, clients.lost, clients.rejoined), (4, 0, 8), "{:?}", clients.reasons);
    let totals = server.report().totals;
    assert_eq!((totals.admitted, totals.tickets_refused.values().sum::<u64>()), (12, 0));
    let few = Options { tokens: keys.tickets(11), ..asked };
    let error = play::<Arena>(&few).expect_err("one is missing");
    assert!(error.is_misuse() && error.to_string().contains("11 tickets"), "{error}");
    assert!(error.to_string().contains("bots come 12 times"), "{error}");
}

#[test]
fn gates_are_judged_and_end_with_3_unless_something_worse_happened() {
    let server = arena(8);
    let gate = |path: &str, limit: &str| Gate { path: path.to_owned(), limit: limit.parse().expect("a limit") };
    let mut asked = scenario(vec![group("few", 2, "none")], vec![]);
    asked.gates =
        vec![gate("rtt_ms.p50", "< 1000"), gate("groups.few.rtt_ms.p50", "< 0.001"), gate("tick_us.p99", "< 1000000")];
    let mut report = play::<Arena>(&options(&server, asked, 3.0)).expect("all get in");
    let held: Vec<_> = report.gates.iter().map(|gate| (gate.held, gate.measured.is_some())).collect();
    assert_eq!(held, [(true, true), (false, true), (false, false)], "what was not measured did not hold");
    // The machine may be busy, which would be worse.
    report.bots.late_us = report.rtt_ms;
    report.bots.valid = true;
    assert_eq!(report.verdict().exit_code(), 3);
    let table = report.table().to_string();
    assert!(table.contains("tick_us.p99 is not measured, not < 1000000"), "{table}");
    report.clients.lost = 1;
    assert_eq!(report.verdict().exit_code(), 1);
    report.clients.lost = 0;
    report.bots.kernel_drops = Some(1);
    assert_eq!(report.verdict().exit_code(), 4);
}

#[test]
fn shares_of_a_run_are_the_bots_of_the_whole_run() {
    let server =
        TestServer::start::<Field>(&downbeat_field::Config { walkers: 10, visible: 4, ..Default::default() }, 32);
    let groups = || vec![group("a", 5, "none"), group("b", 4, "none")];
    let phases = || vec![phase("in", PhaseKind::Storm { to: 9 }, 1.0), phase("on", PhaseKind::Plateau, 2.0)];
    let names = |share: &str| {
        let share = share.parse().expect("a share");
        let options = Options { share, ..options(&server, scenario(groups(), phases()), 1.0) };
        let report = play::<Field>(&options).expect("all get in");
        assert_eq!(report.clients.connected, report.clients.asked);
        assert_eq!(report.share, (!share.is_whole()).then(|| share.to_string()));
        report.groups.iter().map(|group| group.clients.asked).collect::<Vec<_>>()
    };
    assert_eq!(names("1/1"), [5, 4]);
    let parts: Vec<_> = ["1/3", "2/3", "3/3"].iter().map(|share| names(share)).collect();
    assert_eq!(parts.iter().map(|part| part[0]).sum::<u64>(), 5, "{parts:?}");
    assert_eq!(parts.iter().map(|part| part[1]).sum::<u64>(), 4, "{parts:?}");
}

#[test]
fn spectators_are_served_and_look_around_without_inputs() {
    let server = arena(8);
    let watchers = Group { brain: "spectate".to_owned(), ..group("watchers", 2, "none") };
    let players = group("players", 3, "none");
    let asked = options(&server, scenario(vec![players, watchers], vec![]), 6.0);
    let mut most = 0;
    let mut watch = |sight: &Sight<'_, Arena>| {
        if sight.bot >= 3 {
            most = most.max(sight.client.known().count());
        }
    };
    let report = run_watched::<Arena>(&asked, &mut watch, &mut |_| {}, &AtomicBool::new(false)).expect("all get in");
    println!("{}", report.table());
    let watchers = named(&report, "watchers");
    assert_eq!((watchers.clients.connected, watchers.clients.lost), (2, 0));
    assert_eq!(watchers.inputs.sent, Some(0));
    assert!(watchers.snapshots.received > watchers.snapshots.expected.map(|due| due * 9 / 10));
    assert!(watchers.visible_entities_mean.is_some_and(|mean| mean > 0.5), "{watchers:?}");
    assert!(most >= 3, "they are shown the players");
    assert!(named(&report, "players").input_to_visible_ms.is_some());
}

#[test]
fn a_server_that_falls_silent_under_way_is_told_with_the_time_and_the_number() {
    let server =
        TestServer::start::<Field>(&downbeat_field::Config { walkers: 10, visible: 4, ..Default::default() }, 16);
    let line = common::Gate::to(server.address);
    let mut asked = options(&server, scenario(vec![Group { light: 1, ..group("all", 4, "none") }], vec![]), 60.0);
    asked.connect = line.address;
    line.shut_after(Duration::from_secs(4));
    let mut rows = Vec::new();
    let report =
        run::<Field>(&asked, &mut |progress| rows.push(progress.clone()), &AtomicBool::new(false)).expect("all got in");
    println!("{}", report.table());
    // Nobody waits for it, and nobody is told that all is well meanwhile.
    assert_eq!(report.ended, Ended::AllLost);
    assert!(report.seconds < 30.0, "{}", report.seconds);
    let last = rows.last().expect("it took a while");
    assert_eq!((last.playing, last.silent, last.row.rtt_ms, last.row.clients), (0, 4, None, 0), "{last}");
    assert!(last.to_string().contains("0/4 clients") && last.to_string().ends_with("4 silent"), "{last}");
    assert_eq!((report.clients.connected, report.clients.lost), (3, 3), "{:?}", report.clients.reasons);
    assert_eq!(report.light.map(|light| light.lost), Some(1));
    assert_eq!(report.verdict().exit_code(), 1);
    let reason = &report.clients.reasons[0];
    assert!(reason.joined && reason.clients == 4 && reason.why.contains("nothing was heard"), "{reason:?}");
    let (first, last) = (reason.first_s.expect("told"), reason.last_s.expect("told"));
    assert!(first > 3.0 && last - first < 2.0 && last < 20.0, "{reason:?}");
    assert!(report.table().to_string().contains("4 lost, from "), "{}", report.table());
}

#[test]
fn who_hears_nothing_counts_as_lost_while_the_run_goes_on_and_no_more_once_the_server_is_back() {
    for (share, expected) in [(0.5, Ended::TooManyLost), (1.0, Ended::Time)] {
        let server = arena(4);
        let line = common::Gate::to(server.address);
        let mut asked = scenario(vec![group("all", 3, "none")], vec![]);
        asked.lost_share_max = share;
        let asked = Options { connect: line.address, ..options(&server, asked, 12.0) };
        line.shut_after(Duration::from_secs(4));
        line.open_after(Duration::from_millis(7_500));
        let report = play::<Arena>(&asked).expect("all got in");
        assert_eq!(report.ended, expected, "{:?}", report.clients);
        assert_eq!(report.clients.lost, if expected == Ended::Time { 0 } else { 3 }, "{:?}", report.clients.reasons);
    }
}

#[test]
fn a_run_ends_when_more_are_lost_than_it_may_lose() {
    for (share, expected) in [(0.0, Ended::TooManyLost), (0.5, Ended::Time)] {
        let server = arena(4);
        server.control.watch();
        let mut asked = scenario(vec![group("all", 4, "none")], vec![]);
        asked.lost_share_max = share;
        let mut seconds = 0;
        let mut told = |_: &_| {
            seconds += 1;
            if seconds == 4 {
                let views = server.control.views();
                let session = views[0].players.first().expect("all are there").id.session;
                let kick = Command::Kick { session, reason: "a test".to_owned(), answer: Answer::none() };
                server.control.send(0, kick).expect("it runs");
            }
        };
        let report = run::<Arena>(&options(&server, asked, 8.0), &mut told, &AtomicBool::new(false)).expect("a report");
        assert_eq!((report.ended, report.clients.lost), (expected, 1), "{:?}", report.clients.reasons);
        assert_eq!(report.seconds < 7.0, expected == Ended::TooManyLost, "{}", report.seconds);
        assert_eq!(report.verdict().exit_code(), 1);
        assert!(report.clients.reasons[0].first_s.is_some_and(|at| at > 3.0), "{:?}", report.clients.reasons);
    }
}

#[test]
fn what_no_scenario_can_be_is_refused_before_anything_is_sent() {
    let nowhere = Options::new(([127, 0, 0, 1], 1).into(), downbeat_transport::Trust::danger_anybody());
    let said = |groups: Vec<Group>, phases: Vec<Phase>| {
        let options = Options { scenario: Some(scenario(groups, phases)), ..nowhere.clone() };
        play::<Arena>(&options).expect_err("it cannot be").to_string()
    };
    let ten = || vec![group("ten", 10, "none")];
    let up = || phase("up", PhaseKind::Ramp { to: 10 }, 1.0);
    let check = |said: String, part: &str| assert!(said.contains(part), "{said}");
    check(said(vec![], vec![]), "1 to 32");
    check(said(vec![group("ten", 1, "none"), group("ten", 1, "none")], vec![]), "two groups are called `ten`");
    check(said(vec![group("", 1, "none")], vec![]), "no name");
    check(said(vec![group("no", 0, "none")], vec![]), "1 to 4096");
    check(said(vec![group("a", 4_000, "none"), group("b", 97, "none")], vec![]), "4097 clients in all groups");
    check(said(vec![Group { light: 2, ..group("a", 2, "none") }], vec![]), "light");
    check(said(ten(), vec![phase("p", PhaseKind::Plateau, 1.0)]), "begin with a ramp or a storm");
    check(said(ten(), vec![phase("p", PhaseKind::Ramp { to: 11 }, 1.0)]), "there are 10 clients");
    check(said(ten(), vec![phase("p", PhaseKind::Ramp { to: 10 }, 0.01)]), "`seconds` is 0.01");
    let many = vec![group("many", 1_000, "none")];
    check(said(many, vec![phase("p", PhaseKind::Ramp { to: 1_000 }, 1.0)]), "1000 a second; 400 are possible");
    check(said(ten(), vec![up(), phase("p", PhaseKind::Ramp { to: 10 }, 1.0)]), "as many are there already");
    check(said(ten(), vec![up()]), "nothing would be measured");
    check(
        said(ten(), vec![phase("p", PhaseKind::Ramp { to: 4 }, 1.0), phase("q", PhaseKind::Plateau, 5.0)]),
        "6 of the 10 clients",
    );
    check(said(ten(), vec![up(), phase("up", PhaseKind::Plateau, 5.0)]), "two phases are called `up`");
    let churn = |per_s, away_s| vec![up(), phase("c", PhaseKind::Churn { per_s, away_s }, 5.0)];
    check(said(ten(), churn(0.0, 1.0)), "`per_second` is 0");
    check(said(ten(), churn(1.0, 0.0)), "`away` is 0");
    let strange = Phase { group: Some("nine".to_owned()), ..up() };
    check(said(ten(), vec![strange]), "there is no group `nine`; `ten` are allowed");
    let mut gated = scenario(ten(), vec![]);
    gated.gates = vec![Gate { path: "rtt_ms.p98".to_owned(), limit: "< 1".parse().expect("a limit") }];
    let error = play::<Arena>(&Options { scenario: Some(gated), ..nowhere.clone() }).expect_err("no such figure");
    check(error.to_string(), "there is no `p98`; `max`, `p50`");
    assert!(error.is_misuse());
    let watching = Options { clients: 2, light: 1, brain: "spectate".to_owned(), ..nowhere.clone() };
    assert!(matches!(play::<Arena>(&watching), Err(BotsError::LightSpectators)));
    let share = "3/4".parse().expect("a share");
    assert!(matches!(play::<Arena>(&Options { clients: 2, share, ..nowhere }), Err(BotsError::Share { .. })));
}
