//! Honest clients against a live server: they get in, are served, and the server's figures say so.

mod common;

use common::{Player, config, hello, start};
use downbeat_field::{Config, Field};
use downbeat_transport::{Conditioner, FlowKey, SocketOptions};
use downbeat_wire::CloseCode;
use downbeat_wire::control::{ClientMessage, ServerMessage, frame};

fn walkers(walkers: u32) -> Config {
    Config { walkers, ..Config::default() }
}

#[test]
fn a_client_joins_plays_and_sees_what_moves() {
    let server = start::<Field>(&config::<Field>(), &walkers(50));
    let mut player = Player::join(server.probe(), &hello::<Field>());
    // Beyond the warm-up of the server's figures.
    assert!(player.until(|player| player.ticks() > 200));
    let counters = *player.client.counters();
    assert!(counters.snapshots >= 190, "{counters:?}");
    assert_eq!(counters.undecodable, 0);
    // What it predicted of itself is what the server says, to the bit.
    assert!(counters.confirmed > 100 && counters.mispredicted == 0, "{counters:?}");
    assert_eq!(player.client.visible(), 32);
    let now = player.probe.clock.now();
    let view = player.client.view(now);
    assert!(view.avatar.is_some());
    assert_eq!(view.others.len(), 32);
    let now = player.probe.clock.now();
    player.probe.driver.close(now, player.probe.conn, CloseCode::Bye, "");
    assert!(player.probe.until(|probe| probe.driver.is_idle()));

    let report = server.stop();
    let json = serde_json::to_value(&report).expect("plain data");
    println!("{}", serde_json::to_string_pretty(&json).expect("plain data"));
    assert_eq!(report.clients_peak, 1);
    assert_eq!(report.totals.admitted, 1);
    assert_eq!(report.totals.closes.by_client.get("BYE"), Some(&1));
    assert!(report.measured_seconds > 0.5, "{}", report.measured_seconds);
    let inputs = report.inputs.expect("it was measured");
    assert!(inputs.consumed > 30, "{inputs:?}");
    assert!(json["tick_us"]["p99"].as_f64().expect("it was measured") > 0.0);
    assert!(json["server"]["overruns"].is_u64());
}

#[test]
fn what_was_not_measured_is_null() {
    let server = start::<Field>(&config::<Field>(), &walkers(10));
    let json = serde_json::to_value(server.stop()).expect("plain data");
    for figure in ["tick_us", "tick_start_jitter_us", "inputs", "snapshots", "traffic"] {
        assert!(json[figure].is_null(), "{figure}: {}", json[figure]);
    }
    assert!(json["server"]["overruns"].is_null() && json["server"]["kernel_drops"].is_null());
    assert_eq!(json["totals"]["admitted"], 0);
}

#[test]
fn both_loopback_families_are_served_on_one_port() {
    let mut config = config::<Field>();
    config.listen = vec!["localhost:0".parse().expect("good")];
    let server = start::<Field>(&config, &walkers(10));
    let addresses = &server.addresses;
    assert!(addresses[0].is_ipv4());
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port() && address.ip().is_loopback()));
    for &address in addresses {
        let mut player = Player::join(common::Probe::new(address, server.fingerprint), &hello::<Field>());
        assert!(player.until(|player| player.ticks() > 20), "over {address}");
    }
    server.stop();
}

#[test]
fn players_of_a_room_hear_each_other() {
    let server = start::<Field>(&config::<Field>(), &walkers(10));
    let (mut ada, mut ben) = (server.probe(), server.probe());
    let from = ada.join(&hello::<Field>()).player.expect("a player");
    assert_eq!(ben.join(&hello::<Field>()).room, 1, "the fullest room");
    for text in ["hello\u{7} there", "", "again", "3", "4", "5", "one too many"] {
        ada.write(&frame(&ClientMessage::Say { text: text.to_owned() }));
    }
    ada.turn();
    let said = |text: &str| ServerMessage::Said { player: from, text: text.to_owned() };
    assert!(ben.until(|ben| ben.messages.contains(&said("4"))));
    assert_eq!(
        ben.messages[1..],
        ["hello there", "again", "3", "4"].map(said),
        "an empty line counts, and says nothing"
    );
    drop((ada, ben));
    assert_eq!(server.stop().totals.says_dropped, 2);
}

#[test]
fn rooms_open_and_close_with_their_players() {
    let mut config = config::<Field>();
    (config.players_max, config.rooms_max, config.spectators_max) = (2, 2, 1);
    let server = start::<Field>(&config, &walkers(10));
    let mut probes: Vec<_> = (0..4).map(|_| server.probe()).collect();
    let rooms: Vec<u64> = probes.iter_mut().map(|probe| probe.join(&hello::<Field>()).room).collect();
    assert_eq!(rooms, [1, 1, 2, 2]);
    assert_eq!(server.progress.read().rooms, 2);

    let mut fifth = server.probe();
    fifth.write(&hello::<Field>().to_bytes());
    assert_eq!(fifth.end().0, CloseCode::ServerFull);
    let mut sixth = server.probe();
    let mut claim = hello::<Field>();
    claim.room = Some(7);
    sixth.write(&claim.to_bytes());
    assert_eq!(sixth.end(), (CloseCode::NoSuchRoom, "room 7 does not exist".to_owned()));
    let mut seventh = server.probe();
    claim.room = Some(2);
    seventh.write(&claim.to_bytes());
    assert_eq!(seventh.end(), (CloseCode::NoSuchRoom, "room 2 is full".to_owned()));
    let mut watcher = server.probe();
    claim.spectator = true;
    let welcome = watcher.join(&claim);
    assert_eq!((welcome.room, welcome.player), (2, None));
    assert!(watcher.until(|watcher| watcher.datagrams_count > 5), "a spectator is shown the match");

    // Room 1 empties and closes; the next player goes where players are.
    for probe in &mut probes[..2] {
        let now = probe.clock.now();
        probe.driver.close(now, probe.conn, CloseCode::Bye, "");
        assert!(probe.until(|probe| probe.driver.is_idle()));
    }
    assert!(probes[2].until(|_| server.progress.read().rooms == 1));
    let mut next = server.probe();
    assert_eq!(next.join(&hello::<Field>()).room, 3, "ids of rooms are not used again");
    let report = server.stop();
    assert_eq!(report.totals.rooms_opened, 3);
    assert_eq!(report.totals.closes.by_server["SERVER_FULL"], 1);
    assert_eq!(report.totals.closes.by_server["NO_SUCH_ROOM"], 2);
}

#[test]
fn a_server_runs_over_a_bad_network_as_well() {
    let socket = downbeat_transport::KernelSocket::bind("127.0.0.1:0".parse().expect("good"), SocketOptions::default());
    let spec = "broadband".parse().expect("a preset");
    let socket = Conditioner::new(socket.expect("loopback"), &spec, 7, FlowKey::Remote);
    let server = common::start_over::<Field, _>(&config::<Field>(), &walkers(50), vec![socket]);
    let mut player = Player::join(server.probe(), &hello::<Field>());
    assert!(player.until(|player| player.ticks() > 100));
    let rtt = player.probe.driver.stats(player.probe.conn).expect("it is open").rtt_min;
    assert!(rtt.0 > 20_000, "15 ms each way: {rtt:?}");
    assert_eq!(player.client.counters().undecodable, 0);
    server.stop();
}
