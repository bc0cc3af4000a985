//! Bots on a server of two shards: they follow it to where they are sent, and play there as anywhere.

mod common;

use std::sync::atomic::AtomicBool;

use common::{Refusing, TestServer, assert_nothing_sent_was_missed, had_time};
use downbeat_bots::report::Snapshots;
use downbeat_bots::{BotsError, Options, Report, describe, run};
use downbeat_field::{Config as Rules, Field};
use downbeat_server::{Config, ServerReport};
use downbeat_wire::CloseCode;
use downbeat_wire::limits::REDIRECTS_MAX;

fn two_shards(rooms_max: u16, players_max: u16) -> TestServer {
    let rates = Config { tick_rate_hz: 20, send_rate_hz: 20, ..Config::new("field") };
    let config = Config { shards: 2, rooms_max, players_max, ..rates };
    TestServer::with::<Field>(config, &Rules { walkers: 20, visible: 4, ..Rules::default() })
}

fn play(server: &TestServer, clients: usize, room: Option<u64>) -> Report {
    let light = clients * 3 / 4;
    let options = Options { clients, light, seconds: 3.0, room, ..Options::new(server.address, server.trust.clone()) };
    let report = run::<Field>(&options, &mut |progress| println!("{progress}"), &AtomicBool::new(false));
    let report = report.expect("they get in");
    println!("{}", report.table());
    let (full, light) = (&report.clients, report.light.expect("there are light ones"));
    assert_eq!((full.connected + light.connected, full.lost + light.lost), (clients as u64, 0), "{full:?}, {light:?}");
    report
}

/// Ends a server that `clients` played on who tell `told`, and looks at what its shards say.
fn end(server: TestServer, told: &Report, clients: u64, rooms: u64) -> ServerReport {
    let report = server.report();
    assert_nothing_sent_was_missed(told, &report);
    if had_time(told, &report) {
        let Snapshots { received, expected, .. } = told.snapshots;
        assert!(received.is_some_and(|received| received * 10 > expected.unwrap_or(0) * 8), "{:?}", told.snapshots);
    }
    println!("{}", serde_json::to_string_pretty(&report.shards).expect("plain data"));
    assert_eq!((report.totals.admitted, report.totals.rooms_opened), (clients, rooms));
    assert!(report.shards.iter().all(|shard| shard.udp_ignored == 0), "nothing came to the wrong shard");
    assert!(report.totals.closes.lost.is_empty(), "{:?}", report.totals.closes);
    report
}

#[test]
fn all_play_in_one_room_although_half_of_them_land_elsewhere() {
    for room in [None, Some(1)] {
        let server = two_shards(4, 72);
        let told = play(&server, 72, room);
        let report = end(server, &told, 72, 1);
        assert_eq!((report.shards[0].admitted, report.shards[0].redirected), (72, 0));
        assert_eq!((report.shards[1].admitted, report.clients_peak), (0, 72));
        let redirected = report.totals.redirected;
        assert!((12..=60).contains(&redirected), "{redirected} of 72 landed where the room is not");
        // Figures of the shard that did nothing but send them on do not spoil those of the other.
        let cpu = (report.server.cpu_us_per_client_tick, report.shards[0].cpu_us_per_client_tick);
        assert!(cpu.0.is_some() && cpu.0 == cpu.1 && report.shards[1].cpu_us_per_client_tick.is_none(), "{cpu:?}");
    }
}

#[test]
fn one_big_room_works_and_so_do_many_small_ones() {
    let server = two_shards(1, 120);
    let told = play(&server, 120, None);
    end(server, &told, 120, 1);
    let server = two_shards(12, 10);
    let told = play(&server, 120, None);
    let report = end(server, &told, 120, 12);
    let rooms: Vec<_> = report.shards.iter().map(|shard| shard.rooms_opened).collect();
    assert!(rooms.iter().all(|&rooms| rooms >= 4), "the shards share the load: {rooms:?}");
}

#[test]
fn who_is_sent_elsewhere_again_and_again_gives_up_and_says_why() {
    let server = Refusing::start(CloseCode::Elsewhere, "7");
    let options = Options { clients: 1, ..Options::new(server.address, server.trust.clone()) };
    let played = run::<Field>(&options, &mut |_| {}, &AtomicBool::new(false)).map(drop);
    for error in [played, describe(&options).map(drop)].map(|ended| ended.expect_err("nobody lets it in")) {
        assert!(matches!(error, BotsError::NobodyIn { .. } | BotsError::Undescribed { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("ELSEWHERE (20)") && error.ends_with("so try again"), "{error}");
    }
    assert_eq!(server.refused(), 2 * (1 + REDIRECTS_MAX));
}
