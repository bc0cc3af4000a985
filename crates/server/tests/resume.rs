//! A live server whose clients lose their connections and come back: as the same player, with what they knew, by a token that
//! opens their own session alone.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Player, Probe, Running, config, hello, start};
use downbeat_client::KnownEntity;
use downbeat_field::{Config as Rules, Field};
use downbeat_server::{Config, ServerReport};
use downbeat_transport::CloseReason;
use downbeat_wire::control::Hello;
use downbeat_wire::{CloseCode, Held, Resume, ResumeToken};

fn rules() -> Rules {
    Rules { walkers: 60, visible: 24, ..Rules::default() }
}

/// Seconds that a session waits.
fn waits(seconds: f64) -> Config {
    Config { resume_window: Duration::from_secs_f64(seconds), ..config::<Field>() }
}

fn join(server: &Running) -> Player {
    let mut player = Player::join(server.probe(), &hello::<Field>());
    assert!(player.until(|player| player.ticks() > 40), "{:?}", player.probe.closed);
    player
}

fn place(player: &Player) -> u16 {
    player.probe.welcome().and_then(|welcome| welcome.player).expect("it plays")
}

/// Since when each entity is known.
fn entered(player: &Player) -> BTreeMap<u16, u32> {
    player.client.known().map(|KnownEntity { slot, entered, .. }| (slot, entered.0)).collect()
}

/// Nobody else is on the other end of a token.
fn refused(server: &Running, token: ResumeToken) -> CloseCode {
    let mut stranger = server.probe_at(token.shard());
    let resume = Some(Resume { token, held: Some(Held { tick: 60, events_read: 0 }) });
    stranger.knock(&Hello { resume, ..hello::<Field>() });
    stranger.end().0
}

fn sessions(report: &ServerReport) -> [u64; 4] {
    let totals = &report.totals;
    [totals.sessions_suspended, totals.sessions_resumed, totals.sessions_expired, totals.resumes_refused]
}

#[test]
fn a_client_whose_connection_dies_under_load_goes_on_as_the_same_player_with_what_it_knew() {
    let server = start::<Field>(&waits(30.0), &rules());
    let others: Vec<_> = (0..6).map(|_| server.honest()).collect();
    let mut player = join(&server);
    let who = place(&player);
    for round in 0..3 {
        let (known, token) = (entered(&player), player.token());
        let snapshots = player.client.counters().snapshots;
        // The server still believes that the connection is alive.
        let resumed = player.resume(server.probe(), token);
        let base = resumed.base.expect("both ends know what they knew");
        assert!(base.at >= base.newest, "{base:?}");
        assert_eq!(place(&player), who, "round {round}");
        assert_ne!(player.token(), token, "it has another one");
        let ticks = player.ticks();
        assert!(player.until(|player| player.ticks() > ticks + 60), "{:?}", player.probe.closed);
        let kept = entered(&player).iter().filter(|(slot, since)| known.get(slot) == Some(since)).count();
        assert!(kept * 2 > known.len(), "of {} entities {kept} were not told anew", known.len());
        assert_eq!(player.client.counters().undecodable, 0);
        assert!(player.client.counters().snapshots > snapshots + 40);
        assert_eq!(refused(&server, token), CloseCode::SessionOver, "it was used, and the new one arrived");
    }
    assert_eq!(player.probe.closed, None, "strangers disturb nobody");
    others.into_iter().for_each(common::Honest::assert_undisturbed);
    let report = server.stop();
    assert_eq!(report.clients_peak, 7, "nobody took a second place");
    assert_eq!(sessions(&report), [0, 3, 0, 3]);
    assert_eq!(report.totals.closes.by_server["REPLACED"], 3);
    assert_eq!((report.totals.datagrams_malformed, report.totals.acks_forged), (0, 0));
}

#[test]
fn the_old_token_is_good_until_the_new_one_arrived_and_then_no_more() {
    let server = start::<Field>(&waits(30.0), &rules());
    let mut player = join(&server);
    let first = player.token();
    // Nothing of the client comes over these connections: the welcome may be lost each time.
    for _ in 0..3 {
        let mut probe = server.probe();
        probe.knock(&player.hello_again(first));
        assert!(probe.welcome().is_some(), "{:?}", probe.closed);
    }
    let resumed = player.resume(server.probe(), first);
    assert!(resumed.base.is_some());
    let second = player.token();
    assert!(player.until(|player| player.client.counters().snapshots > 60), "{:?}", player.probe.closed);
    assert_eq!(refused(&server, first), CloseCode::SessionOver);
    player.resume(server.probe(), second);
    assert!(player.until(|player| player.client.counters().snapshots > 100), "{:?}", player.probe.closed);
    assert_eq!(refused(&server, second), CloseCode::SessionOver);
    server.stop();
}

#[test]
fn a_client_that_goes_elsewhere_with_its_session_says_so_and_its_place_waits_until_the_window_is_over() {
    let server = start::<Field>(&Config { rooms_max: 1, players_max: 2, ..waits(2.0) }, &rules());
    let mut watcher = server.probe();
    watcher.join(&Hello { spectator: true, ..hello::<Field>() });
    let (mut first, mut second) = (join(&server), join(&server));
    let gone = first.token();
    let now = first.probe.clock.now();
    first.probe.driver.close(now, first.probe.conn, CloseCode::Replaced, "");
    assert!(first.probe.until(|probe| probe.driver.is_idle()));
    // Its place is its own.
    let mut third = server.probe();
    third.knock(&hello::<Field>());
    assert_eq!(third.end().0, CloseCode::ServerFull);
    assert!(second.until(|_| server.progress.read().clients == 3), "it is still counted");
    assert!(second.until(|_| server.progress.read().clients == 2), "its time is over");
    assert_eq!(refused(&server, gone), CloseCode::SessionOver);
    let fourth = join(&server);
    assert_eq!(place(&fourth), place(&first), "its place is free");
    let report = server.stop();
    assert_eq!(sessions(&report), [1, 0, 1, 1]);
}

#[test]
fn who_comes_back_within_the_window_goes_on_although_the_server_had_noticed() {
    let server = start::<Field>(&waits(30.0), &rules());
    let mut player = join(&server);
    let (who, token, known) = (place(&player), player.token(), entered(&player));
    let now = player.probe.clock.now();
    player.probe.driver.close(now, player.probe.conn, CloseCode::Replaced, "");
    assert!(player.probe.until(|probe| probe.driver.is_idle()));
    // More than the room remembers of anybody.
    let mut witness = join(&server);
    let ticks = witness.ticks();
    assert!(witness.until(|witness| witness.ticks() > ticks + 120));
    let resumed = player.resume(server.probe(), token);
    let base = resumed.base.expect("the session kept it");
    assert!(base.at > base.newest + 100, "{base:?}");
    assert_eq!(place(&player), who);
    let snapshots = player.client.counters().snapshots;
    assert!(player.until(|player| player.client.counters().snapshots > snapshots + 40), "{:?}", player.probe.closed);
    let kept = entered(&player).iter().filter(|(slot, since)| known.get(slot) == Some(since)).count();
    assert!(kept > 0, "{known:?}");
    assert_eq!(player.client.counters().undecodable, 0);
    let report = server.stop();
    assert_eq!(sessions(&report), [1, 1, 0, 0]);
}

#[test]
fn a_program_that_was_started_again_goes_on_with_nothing_but_the_token() {
    let server = start::<Field>(&waits(30.0), &rules());
    let player = join(&server);
    let (who, token) = (place(&player), player.token());
    drop(player);
    let mut again = Player::join(
        server.probe(),
        &Hello {
            resume: Some(Resume { token, held: None }),
            name: "Eve".to_owned(),
            spectator: true,
            room: Some(99),
            ..hello::<Field>()
        },
    );
    assert_eq!(place(&again), who);
    assert!(again.until(|player| player.ticks() > 40), "{:?}", again.probe.closed);
    assert_eq!(again.client.counters().undecodable, 0);
    server.stop();
}

#[test]
fn who_leaves_or_misbehaves_has_no_session_to_come_back_to() {
    let server = start::<Field>(&waits(30.0), &rules());
    let mut leaver = join(&server);
    let token = leaver.token();
    leaver.probe.leave();
    assert_eq!(refused(&server, token), CloseCode::SessionOver);
    let mut offender = join(&server);
    let token = offender.token();
    offender.probe.write(b"\xff\xff\xff\xff");
    assert_eq!(offender.probe.end().0, CloseCode::ControlTooLarge);
    assert_eq!(refused(&server, token), CloseCode::SessionOver);
    let report = server.stop();
    assert_eq!(sessions(&report), [0, 0, 0, 2]);
}

#[test]
fn forged_tokens_open_nothing_and_disturb_nobody() {
    let server = start::<Field>(&waits(30.0), &rules());
    let mut player = join(&server);
    let token = player.token();
    for place in 0..token.0.len() {
        let mut forged = token;
        forged.0[place] ^= 0x40;
        assert_eq!(refused(&server, forged), CloseCode::SessionOver, "byte {place}");
    }
    for held in [u32::MAX, 1, 0] {
        let mut probe = server.probe();
        let held = Some(Held { tick: held, events_read: u64::MAX });
        probe.knock(&Hello { resume: Some(Resume { token, held }), ..hello::<Field>() });
        let resumed = probe.welcome().and_then(|welcome| welcome.resumed).expect("it is its own session");
        assert_eq!(resumed.base, None, "nobody has that: all is told anew");
    }
    player.resume(server.probe(), token);
    let snapshots = player.client.counters().snapshots;
    assert!(player.until(|player| player.client.counters().snapshots > snapshots + 20), "{:?}", player.probe.closed);
    server.stop();
}

#[test]
fn where_nothing_can_be_resumed_no_token_is_told_and_the_lost_leave_at_once() {
    let server = start::<Field>(&waits(0.0), &rules());
    let mut player = join(&server);
    assert_eq!(player.probe.welcome().and_then(|welcome| welcome.resume), None);
    let now = player.probe.clock.now();
    player.probe.driver.close(now, player.probe.conn, CloseCode::Replaced, "");
    assert!(player.probe.until(|probe| probe.driver.is_idle()));
    let mut witness = join(&server);
    assert!(witness.until(|_| server.progress.read().clients == 1));
    let report = server.stop();
    assert_eq!(sessions(&report), [0; 4]);
}

#[test]
fn a_token_leads_to_its_shard_wherever_it_is_shown() {
    let config = Config { shards: 2, players_max: 2, ..waits(30.0) };
    let server = start::<Field>(&config, &rules());
    let mut players: Vec<_> = (0..4).map(|_| join(&server)).collect();
    for player in &mut players {
        let room = player.probe.welcome().map(|welcome| welcome.room);
        for shard in [0, 1] {
            let token = player.token();
            let resumed = player.resume(server.probe_at(shard), token);
            assert!(resumed.base.is_some());
            assert_eq!(player.probe.welcome().map(|welcome| welcome.room), room);
            let snapshots = player.client.counters().snapshots;
            assert!(player.until(|player| player.client.counters().snapshots > snapshots + 20));
        }
    }
    let mut nowhere = players[0].token();
    nowhere.0[0] = 2;
    let mut probe: Probe = server.probe();
    probe.knock(&Hello { resume: Some(Resume { token: nowhere, held: None }), ..hello::<Field>() });
    assert_eq!(probe.end().0, CloseCode::SessionOver);
    let report = server.stop();
    assert_eq!(report.totals.sessions_resumed, 8);
    assert!(report.totals.redirected >= 4, "half of them landed on the other shard");
}

#[test]
fn a_server_that_drains_waits_for_nobody_who_is_away() {
    let server = start::<Field>(&Config { drain_deadline: Duration::from_secs(20), ..waits(30.0) }, &rules());
    let mut away = join(&server);
    let mut stays = join(&server);
    let now = away.probe.clock.now();
    away.probe.driver.close(now, away.probe.conn, CloseCode::Replaced, "");
    assert!(away.probe.until(|probe| probe.driver.is_idle()));
    server.stop.request();
    assert!(stays.until(|_| server.progress.read().clients == 1), "nobody can come back");
    stays.probe.leave();
    assert!(matches!(stays.probe.closed, None | Some(CloseReason::Local(_))));
    server.stop();
}

#[test]
fn sessions_that_wait_count_for_their_address_but_let_their_clients_back_in() {
    let config = Config { address_exempt: Vec::new(), address_connections_max: 2, ..waits(30.0) };
    let server = start::<Field>(&config, &rules());
    let token = |probe: &Probe| probe.welcome().and_then(|welcome| welcome.resume).expect("it may come back").token;
    let lost: Vec<_> = (0..2)
        .map(|_| {
            let mut probe = server.probe();
            probe.join(&hello::<Field>());
            let now = probe.clock.now();
            probe.driver.close(now, probe.conn, CloseCode::Replaced, "");
            assert!(probe.until(|probe| probe.driver.is_idle()));
            token(&probe)
        })
        .collect();
    let mut third = server.probe();
    third.knock(&hello::<Field>());
    assert_eq!(third.end().0, CloseCode::TooManyConnections);
    for token in lost {
        let mut back = server.probe();
        let resume = Some(Resume { token, held: None });
        assert!(back.join(&Hello { resume, ..hello::<Field>() }).player.is_some());
        back.leave();
    }
    let mut third = server.probe();
    third.join(&hello::<Field>());
    server.stop();
}
