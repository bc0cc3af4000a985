//! Hostile bots against a live server on loopback: each gets the answer that its kind names, gains nothing, and disturbs
//! nobody.

mod common;

use std::sync::atomic::AtomicBool;

use common::{HZ, Keys, TestServer};
use downbeat_arena::Arena;
use downbeat_bots::hostile::report::Hostile;
use downbeat_bots::hostile::{Kind, Way};
use downbeat_bots::report::GroupReport;
use downbeat_bots::scenario::{Group, Phase, PhaseKind, Scenario};
use downbeat_bots::{BotsError, Gate, Options, Report, Verdict, run};
use downbeat_field::Field;
use downbeat_link::LinkSpec;
use downbeat_replica::Game;
use downbeat_server::{Config, ServerReport};
use downbeat_wire::CloseCode;

/// Bots of a run, and those of them that are hostile.
const BOTS: u64 = 24;
const HOSTILE: u64 = 6;

/// A gain of more than this, in percent and beyond doubt, is none of chance's: a few bot seconds are all that is compared.
const GAIN_MAX_PERCENT: f64 = 15.0;

fn config<G: Game>() -> Config {
    // Attackers come from another address than those who play.
    let address_exempt = vec!["127.0.0.1".parse().expect("an address")];
    let players_max = 36;
    Config { rooms_max: 1, players_max, tick_rate_hz: HZ, send_rate_hz: HZ, address_exempt, ..Config::new(G::NAME) }
}

fn play(server: &TestServer, options: Options) -> Result<Report, BotsError> {
    let base = Options::new(server.address, server.trust.clone());
    let options = Options { connect: base.connect, trust: base.trust, clients: BOTS as usize, seconds: 7.0, ..options };
    let report = run::<Arena>(&options, &mut |_| {}, &AtomicBool::new(false))?;
    println!("{}", report.table());
    Ok(report)
}

/// What is the same for every kind.
#[track_caller]
fn check(kind: Kind, report: &Report) -> Hostile {
    let honest = BOTS - HOSTILE;
    assert_eq!((report.clients.asked, report.clients.connected, report.clients.lost), (honest, honest, 0));
    assert!(!matches!(report.verdict(), Verdict::NotServed(_)), "{:?}", report.verdict());
    let hostile = report.hostile.clone().expect("there were some");
    assert_eq!((hostile.kind.as_str(), hostile.bots), (kind.name(), HOSTILE));
    assert!((hostile.before_seconds / hostile.during_seconds - 1.0).abs() < 0.4, "{hostile:?}");
    let others = &hostile.others;
    for figure in [others.input_to_ack_ms, others.input_to_visible_ms] {
        assert!(figure.before.is_some() && figure.during.is_some(), "{others:?}");
    }
    assert!(others.snapshots_expected.during.is_some_and(|owed| owed > honest * u64::from(HZ)), "{others:?}");
    for (name, gain) in hostile.gains.named() {
        assert!(!gain.is_more_than(GAIN_MAX_PERCENT), "{name}: {gain:?}");
    }
    assert_eq!(hostile.gains.metres_per_s.is_some(), kind.way() == Way::Plays, "{:?}", hostile.gains);
    assert!(hostile.answer.attempts >= HOSTILE);
    hostile
}

/// Plays, and says what came of it on either side.
#[track_caller]
fn attack(kind: Kind) -> (Hostile, ServerReport) {
    let server = TestServer::with::<Arena>(config::<Arena>(), &Default::default());
    let brain = format!("hostile:{}:wander", kind.name());
    let report = play(&server, Options { brain, ..Options::new(server.address, server.trust.clone()) });
    let hostile = check(kind, &report.expect("all get in"));
    let server = server.report();
    assert_eq!((server.totals.rooms_failed, server.totals.kernel_drops), (0, 0));
    (hostile, server)
}

/// Each is closed with `code`, comes back, and is closed again.
#[track_caller]
fn is_closed(kind: Kind, code: CloseCode) -> ServerReport {
    let (hostile, server) = attack(kind);
    let closed: u64 = hostile.answer.closed.iter().map(|reason| reason.clients).sum();
    assert!(closed > HOSTILE, "{:?}", hostile.answer);
    let all = hostile.answer.closed.iter().all(|reason| reason.joined && reason.code == Some(u64::from(code as u32)));
    assert!(all, "{:?}", hostile.answer.closed);
    assert!(hostile.answer.admitted > HOSTILE && kind.answer().contains(code.label()), "{:?}", hostile.answer);
    assert!(server.totals.closes.by_server[code.label()] >= closed, "{:?}", server.totals.closes);
    server
}

/// Nobody is sent away for it.
#[track_caller]
fn plays_on(kind: Kind) -> (Hostile, ServerReport) {
    let (hostile, server) = attack(kind);
    assert_eq!(hostile.answer.closed, [], "{:?}", hostile.answer);
    assert!(server.totals.closes.by_server.is_empty(), "{:?}", server.totals.closes);
    (hostile, server)
}

#[test]
fn several_inputs_for_one_tick_are_one() {
    let (hostile, server) = plays_on(Kind::Extra);
    assert!(
        hostile.answer.datagrams as f64 > 2.0 * hostile.hostile_bot_seconds * f64::from(HZ),
        "{:?}",
        hostile.answer
    );
    let all = server.totals.inputs;
    assert!(all.consumed <= server.totals.ticks * BOTS, "a tick runs on one input: {all:?}");
}

#[test]
fn a_clock_at_double_speed_runs_no_faster() {
    let (_, server) = plays_on(Kind::Fast);
    assert!(server.totals.inputs.consumed <= server.totals.ticks * BOTS, "{:?}", server.totals.inputs);
}

#[test]
fn inputs_of_the_future_are_refused() {
    let (hostile, server) = plays_on(Kind::Future);
    let refused = server.totals.inputs.rejected as f64;
    assert!(refused > 8.0 * hostile.hostile_bot_seconds * f64::from(HZ), "{:?}", server.totals.inputs);
}

#[test]
fn inputs_that_are_banked_are_worth_no_more() {
    plays_on(Kind::Bank);
}

#[test]
fn a_lag_switch_costs_the_ticks_in_which_it_was_silent() {
    let (hostile, server) = plays_on(Kind::Lag);
    assert!(hostile.answer.substituted > u64::from(HZ) / 2, "{:?}", hostile.answer);
    assert!(server.totals.inputs.late > u64::from(HZ) / 2, "{:?}", server.totals.inputs);
}

#[test]
fn lies_about_what_was_shown_disturb_nobody() {
    plays_on(Kind::ViewBack);
    plays_on(Kind::ViewAhead);
}

#[test]
fn late_acknowledgements_disturb_nobody() {
    plays_on(Kind::LateAcks);
}

#[test]
fn forged_acknowledgements_close() {
    let server = is_closed(Kind::ForgedAcks, CloseCode::ForgedAck);
    assert!(server.totals.acks_forged > 0);
}

#[test]
fn malformed_datagrams_close() {
    let server = is_closed(Kind::Malformed, CloseCode::MalformedDatagram);
    assert!(server.totals.datagrams_malformed > 10);
}

#[test]
fn oversized_datagrams_close() {
    let server = is_closed(Kind::Oversized, CloseCode::MalformedDatagram);
    assert!(server.totals.datagrams_malformed > 10);
}

#[test]
fn old_datagrams_again_change_nothing() {
    let (hostile, _) = plays_on(Kind::Replay);
    assert!(
        hostile.answer.datagrams as f64 > 1.1 * hostile.hostile_bot_seconds * f64::from(HZ),
        "{:?}",
        hostile.answer
    );
}

#[test]
fn floods_of_messages_close() {
    is_closed(Kind::ControlFlood, CloseCode::Flooding);
}

#[test]
fn who_does_not_read_holds_nobody_up() {
    let (hostile, _) = attack(Kind::SlowReader);
    assert!(hostile.answer.admitted >= HOSTILE, "{:?}", hostile.answer);
}

#[test]
fn handshakes_that_nobody_ends_must_prove_their_address_or_are_turned_away() {
    let (hostile, server) = attack(Kind::HalfOpen);
    assert!(hostile.answer.attempts > 100 && hostile.answer.admitted == 0, "{:?}", hostile.answer);
    assert!(server.totals.handshakes_retried > 20, "{:?}", server.totals);
}

#[test]
fn a_storm_of_clients_that_come_and_go_is_bounded() {
    let (hostile, server) = attack(Kind::Reconnect);
    let Hostile { answer, .. } = hostile;
    assert!(answer.attempts > 10 && answer.admitted > 1, "{answer:?}");
    let refused: u64 = answer.closed.iter().filter(|reason| !reason.joined).map(|reason| reason.clients).sum();
    assert!(refused > 0, "every second one keeps its place for a while, and there are four: {answer:?}");
    assert!(server.totals.sessions_suspended > 0);
}

#[test]
fn tickets_of_those_who_play_let_nobody_in() {
    let keys = Keys::new("hostile");
    let config = Config { tickets: Some(keys.accepted()), ..config::<Arena>() };
    let server = TestServer::with::<Arena>(config, &Default::default());
    let tokens = keys.tickets(BOTS as usize);
    let base = Options::new(server.address, server.trust.clone());
    let brain = "hostile:ticket-replay:wander".to_owned();
    let report = play(&server, Options { brain, tokens, ..base }).expect("the others get in");
    let Hostile { answer, .. } = check(Kind::TicketReplay, &report);
    assert!(answer.attempts > 10 && answer.admitted == 0, "{answer:?}");
    let code = Some(u64::from(CloseCode::Unauthorized as u32));
    assert!(answer.closed.iter().any(|reason| reason.code == code && reason.clients > 5), "{answer:?}");
    assert!(server.report().totals.tickets_refused.values().sum::<u64>() > 5);
}

#[test]
fn who_was_sent_away_comes_back_with_a_ticket_that_nobody_has_shown() {
    let keys = Keys::new("redials");
    let config = Config { tickets: Some(keys.accepted()), ..config::<Arena>() };
    let server = TestServer::with::<Arena>(config, &Default::default());
    let base = Options::new(server.address, server.trust.clone());
    let brain = "hostile:malformed:wander".to_owned();
    let report = play(&server, Options { brain, tokens: keys.tickets(60), ..base }).expect("all get in");
    let answer = report.hostile.expect("some are").answer;
    assert!(answer.admitted > HOSTILE, "{answer:?}");
    assert_eq!(server.report().totals.tickets_refused.values().sum::<u64>(), 0);
}

#[test]
fn fighters_are_compared_by_what_they_shoot_and_hit_too() {
    let server = TestServer::with::<Arena>(config::<Arena>(), &Default::default());
    let base = Options::new(server.address, server.trust.clone());
    let report = play(&server, Options { brain: "hostile:extra".to_owned(), ..base }).expect("all get in");
    assert_eq!(report.brain, "fight", "the game's first");
    let hostile = check(Kind::Extra, &report);
    assert!(hostile.gains.shots_per_s.is_some(), "{:?}", hostile.gains);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("a JSON object");
    let shots = &json["hostile"]["gains"]["shots_per_s"];
    for name in ["honest", "hostile", "gain_percent", "uncertainty_percent"] {
        assert!(shots[name].is_number(), "{name}: {shots}");
    }
    assert!(json["hostile"]["others"]["input_to_ack_ms"]["during"]["p99"].is_number());
    assert!(json["hostile"]["server"]["tick_us"]["before"].is_null(), "nobody asked the server");
}

#[test]
fn what_cannot_be_says_so_before_anything_is_sent() {
    let server = TestServer::start::<Field>(&Default::default(), 4);
    let base = Options::new(server.address, server.trust.clone());
    let error = |brain: &str, clients| {
        let options = Options { brain: brain.to_owned(), clients, ..base.clone() };
        run::<Field>(&options, &mut |_| {}, &AtomicBool::new(false)).expect_err("impossible").to_string()
    };
    let unknown = error("hostile:aimbot", 4);
    assert!(Kind::ALL.into_iter().all(|kind| unknown.contains(kind.name())), "{unknown}");
    assert!(error("hostile:lag:fight", 4).contains("no brain called `fight`"));
    assert!(error("hostile:lag", 1).contains("--clients 2 or more"));
    assert!(error("hostile:ticket-replay", 4).contains("--token @FILE"));
}

fn group(name: &str, clients: usize, brain: &str) -> Group {
    Group {
        name: name.to_owned(),
        clients,
        light: 0,
        brain: brain.to_owned(),
        hostile: None,
        net: LinkSpec::PERFECT,
        net_name: None,
        seed: 0,
        break_every: None,
    }
}

fn phase(name: &str, kind: PhaseKind, seconds: f64) -> Phase {
    Phase { name: name.to_owned(), kind, seconds, group: None }
}

fn scenario(groups: Vec<Group>, phases: Vec<Phase>) -> Scenario {
    Scenario { name: "raid".to_owned(), groups, phases, measure_from: None, lost_share_max: 1.0, gates: Vec::new() }
}

fn play_scenario(server: &TestServer, scenario: Scenario) -> Result<Report, BotsError> {
    let options = Options { scenario: Some(scenario), ..Options::new(server.address, server.trust.clone()) };
    let report = run::<Arena>(&options, &mut |_| {}, &AtomicBool::new(false))?;
    println!("{}", report.table());
    Ok(report)
}

fn named<'a>(report: &'a Report, name: &str) -> &'a GroupReport {
    report.groups.iter().find(|group| group.name == name).expect("every group is in the report")
}

#[test]
fn a_group_of_a_scenario_is_hostile_in_the_second_half_of_what_is_measured() {
    let server = TestServer::with::<Arena>(config::<Arena>(), &Default::default());
    let groups = vec![group("honest", 10, "wander"), group("cheats", 6, "hostile:forged-acks:wander")];
    let others = group("others", 2, "idle");
    let phases = vec![phase("in", PhaseKind::Ramp { to: 18 }, 1.0), phase("on", PhaseKind::Plateau, 9.0)];
    let gate = |path: &str, limit: &str| Gate { path: path.to_owned(), limit: limit.parse().expect("a limit") };
    let gates =
        vec![gate("hostile.gains.metres_per_s.at_least_percent", "< 50"), gate("hostile.answer.attempts", "< 2")];
    let scenario = Scenario { gates, ..scenario([groups, vec![others]].concat(), phases) };
    let report = play_scenario(&server, scenario).expect("all get in");
    assert_eq!((report.clients.asked, report.clients.connected, report.clients.lost), (12, 12, 0));
    let told = ["honest", "cheats", "others"].map(|name| named(&report, name));
    assert_eq!(told.map(|group| (group.clients.asked, group.hostile_bots)), [(10, 0), (0, 6), (2, 0)]);
    assert!(told[1].rtt_ms.is_none() && told[0].rtt_ms.is_some(), "figures are about honest bots");
    let hostile = report.hostile.as_ref().expect("there were some");
    assert_eq!((hostile.kind.as_str(), hostile.group.as_deref(), hostile.bots), ("forged-acks", Some("cheats"), 6));
    let halves = hostile.before_seconds / hostile.during_seconds;
    assert!((halves - 1.0).abs() < 0.3, "{halves}: {hostile:?}");
    assert!((hostile.before_seconds + hostile.during_seconds - report.measured_seconds).abs() < 0.1, "{hostile:?}");
    // Those who stand about are not who cheats are compared with.
    let compared = hostile.honest_bot_seconds / hostile.during_seconds;
    assert!((8.5..10.5).contains(&compared), "{compared} bots: {hostile:?}");
    let metres = hostile.gains.metres_per_s.expect("they run");
    assert!((metres.gain_percent - metres.uncertainty_percent - metres.at_least_percent).abs() < 1e-9);
    let held: Vec<_> = report.gates.iter().map(|gate| (gate.held, gate.measured.is_some())).collect();
    assert_eq!(held, [(true, true), (false, true)]);
    let closed: u64 = hostile.answer.closed.iter().map(|reason| reason.clients).sum();
    assert!(closed > 6 && hostile.answer.attempts >= closed, "{:?}", hostile.answer);
}

#[test]
fn who_comes_and_goes_under_attack_is_counted_in_the_half_in_which_it_was_there() {
    let server = TestServer::with::<Arena>(config::<Arena>(), &Default::default());
    let groups = vec![group("honest", 5, "wander"), group("cheats", 3, "hostile:malformed:wander")];
    let churn = PhaseKind::Churn { per_s: 2.0, away_s: 0.5 };
    let phases = vec![phase("in", PhaseKind::Storm { to: 8 }, 1.0), phase("churn", churn, 10.0)];
    let report = play_scenario(&server, scenario(groups, phases)).expect("all get in");
    assert_eq!((report.clients.connected, report.clients.lost), (5, 0), "{:?}", report.clients.reasons);
    assert!(report.clients.rejoined > 3, "{:?}", report.clients);
    let others = report.hostile.as_ref().expect("there were some").others;
    let (before, during) = others.snapshots_expected.before.zip(others.snapshots_expected.during).expect("measured");
    let all = report.snapshots.expected.expect("measured");
    // Whoever was there across the middle is measured in two parts, each of which may be one snapshot short.
    assert!(before > 0 && during > 0 && (before + during).abs_diff(all) <= 10, "{before} + {during} of {all}");
    let totals = server.report().totals;
    assert!(totals.closes.by_server["MALFORMED_DATAGRAM"] > 3, "{:?}", totals.closes);
    assert!(totals.closes.lost.is_empty(), "{:?}", totals.closes);
}

#[test]
fn a_group_that_attacks_beside_the_match_takes_no_places_in_it() {
    let server = TestServer::with::<Arena>(config::<Arena>(), &Default::default());
    let groups = vec![group("raid", 2, "hostile:half-open"), group("honest", 3, "wander")];
    let phases = vec![phase("in", PhaseKind::Storm { to: 3 }, 1.0), phase("on", PhaseKind::Plateau, 5.0)];
    let report = play_scenario(&server, scenario(groups, phases)).expect("all get in");
    assert_eq!((report.clients.asked, report.clients.connected), (3, 3));
    assert_eq!((named(&report, "raid").clients.asked, named(&report, "raid").hostile_bots), (0, 2));
    let Hostile { answer, gains, bots, .. } = report.hostile.expect("there were some");
    assert!(bots == 2 && answer.attempts > 50 && answer.admitted == 0 && gains.metres_per_s.is_none(), "{answer:?}");
}

#[test]
fn hostile_groups_of_which_nothing_could_be_told_say_so() {
    let nowhere = Options::new(([127, 0, 0, 1], 1).into(), downbeat_transport::Trust::danger_anybody());
    let error = |groups: Vec<Group>| {
        let options = Options { scenario: Some(scenario(groups, Vec::new())), ..nowhere.clone() };
        let error = run::<Arena>(&options, &mut |_| {}, &AtomicBool::new(false)).expect_err("impossible");
        assert!(error.is_misuse(), "{error}");
        error.to_string()
    };
    let says = |groups: Vec<Group>, why: &str| {
        let error = error(groups);
        assert!(error.contains(why), "{error}");
    };
    let cheats = || group("cheats", 4, "hostile:lag:fight");
    let unknown = error(vec![group("cheats", 4, "hostile:aimbot")]);
    assert!(Kind::ALL.into_iter().all(|kind| unknown.contains(kind.name())), "{unknown}");
    says(vec![cheats()], "nobody would be honest");
    says(vec![cheats(), group("watchers", 4, "spectate")], "nobody would be honest");
    says(vec![cheats(), group("walkers", 4, "wander")], "nobody would play as group `cheats` does");
    let far = Group { net: "latency=50ms".parse().expect("a network"), ..group("far", 4, "fight") };
    says(vec![cheats(), far], "the network `none`");
    says(vec![cheats(), group("more", 4, "hostile:fast"), group("honest", 4, "fight")], "`cheats` and `more` are both");
    says(vec![Group { light: 4, ..cheats() }, group("honest", 4, "fight")], "light ones are never hostile");
    says(vec![group("raid", 4, "hostile:ticket-replay"), group("honest", 4, "fight")], "--token @FILE");
    // The game's first brain is `fight`, and of a share some are honest.
    for fine in [vec![cheats(), group("honest", 4, "")], vec![group("some", 4, "hostile:lag:50%:wander")]] {
        let options = Options { scenario: Some(scenario(fine, Vec::new())), ..nowhere.clone() };
        downbeat_bots::check::<Arena>(&options).expect("it can be");
    }
}
