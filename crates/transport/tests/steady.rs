//! Many clients in steady play: what leaves per tick, and what survives bad links.

mod common;

use common::{TICK, World};
use downbeat_wire::Micros;

/// Lets everybody play for `time`: one datagram per client and tick each way. Returns what was sent: (down, up).
fn play(world: &mut World, time: Micros, conns: &[downbeat_transport::ConnId], down: usize, up: usize) -> (u64, u64) {
    let (mut sent_down, mut sent_up) = (0, 0);
    let peers: Vec<_> = world.server.connected();
    let (down, up) = (vec![1; down], vec![2; up]);
    world.run(time, |world| {
        for &peer in &peers {
            if world.server.driver.datagram_space(peer).is_some_and(|space| space >= down.len()) {
                sent_down += u64::from(world.server.driver.send_datagram(peer, &down).is_ok());
            }
        }
        for &conn in conns {
            sent_up += u64::from(world.client.driver.send_datagram(conn, &up).is_ok());
        }
    });
    (sent_down, sent_up)
}

#[test]
fn sixty_four_clients_share_one_socket() {
    let mut world = World::new("broadband");
    let conns = world.join(64);
    assert_eq!(world.client.connected().len(), 64);
    assert_eq!(world.server.connected().len(), 64);
    for (n, conn) in conns.iter().enumerate() {
        world.client.driver.write_control(world.now, *conn, &[n as u8; 10]).expect("room");
        world.client.driver.send_datagram(*conn, &[n as u8; 20]).expect("room");
    }
    world.run(Micros::from_millis(200), |_| {});
    let datagrams = world.server.datagrams();
    assert!(datagrams.len() >= 62, "0.1 % of 64 are lost");
    for (peer, datagram) in &datagrams {
        assert_eq!(world.server.control(*peer), vec![datagram[0]; 10], "both came from the same client");
    }
    assert_eq!(world.client.driver.counters().half_open, 0);
    assert_eq!(world.client.driver.counters().open, 64);
}

#[test]
fn one_packet_leaves_per_client_and_tick_with_acknowledgements_merged() {
    let mut world = World::new("latency=15ms,jitter=3ms");
    let conns = world.join(32);
    play(&mut world, Micros::from_millis(2_000), &conns, 200, 60);
    let before = (world.server.driver.counters(), world.client.driver.counters());
    let (down, up) = play(&mut world, Micros::from_millis(10_000), &conns, 200, 60);
    let after = (world.server.driver.counters(), world.client.driver.counters());
    let ticks = 10_000_000 / TICK.0;
    assert!(down >= 32 * (ticks - 1) && up >= 32 * (ticks - 1), "nobody is ever blocked: {down} {up}");
    let server = (after.0.datagrams_out - before.0.datagrams_out) as f64 / down as f64;
    let client = (after.1.datagrams_out - before.1.datagrams_out) as f64 / up as f64;
    assert!((1.0..1.01).contains(&server), "server: {server} packets per client and tick");
    assert!((1.0..1.01).contains(&client), "client: {client} packets per client and tick");
}

#[test]
fn slow_ticks_merge_acknowledgements_too() {
    let mut world = World::new("latency=15ms,jitter=3ms");
    let conns = world.join(8);
    let peers = world.server.connected();
    let before = world.server.driver.counters();
    let mut ticks = 0u32;
    // 20 Hz down, 60 Hz up.
    for _ in 0..200 {
        let end = world.now + Micros::from_millis(50);
        while world.now < end {
            world.now = world.now + Micros::from_millis(1);
            world.server.pump(world.now);
            world.client.pump(world.now);
            if world.now.0.is_multiple_of(17_000) {
                for &conn in &conns {
                    world.client.driver.send_datagram(conn, &[0; 60]).expect("room");
                }
                world.client.driver.flush(world.now).expect("memory");
            }
        }
        for &peer in &peers {
            world.server.driver.send_datagram(peer, &[0; 200]).expect("room");
        }
        world.server.driver.flush(world.now).expect("memory");
        ticks += 1;
    }
    let packets = world.server.driver.counters().datagrams_out - before.datagrams_out;
    let each = packets as f64 / f64::from(8 * ticks);
    assert!((1.0..1.05).contains(&each), "{each} packets per client and tick");
}

#[test]
fn groups_that_are_flushed_apart_get_one_packet_per_client_and_tick_each() {
    const GROUPS: u64 = 4;
    // Inputs that come in twos would be acknowledged at once.
    let mut world = World::new("latency=45ms,jitter=20ms");
    let conns = world.join(32);
    let peers = world.server.connected();
    for (n, &peer) in peers.iter().enumerate() {
        world.server.driver.set_group(peer, (n as u64 % GROUPS) as u16);
    }
    let play = |world: &mut World, beats: u64| {
        for beat in 0..beats {
            world.now = world.now + Micros(TICK.0 / GROUPS);
            world.server.pump(world.now);
            world.client.pump(world.now);
            let group = beat % GROUPS;
            for &peer in peers.iter().skip(group as usize).step_by(GROUPS as usize) {
                world.server.driver.send_datagram(peer, &[1; 200]).expect("room");
            }
            world.server.driver.flush_group(world.now, group as u16).expect("memory");
            if group == 1 {
                for &conn in &conns {
                    world.client.driver.send_datagram(conn, &[2; 60]).expect("room");
                }
                world.client.driver.flush(world.now).expect("memory");
            }
        }
    };
    play(&mut world, 100 * GROUPS);
    let before = world.server.driver.counters().datagrams_out;
    play(&mut world, 600 * GROUPS);
    let packets = world.server.driver.counters().datagrams_out - before;
    let each = packets as f64 / (32.0 * 600.0);
    assert!((1.0..1.01).contains(&each), "{each} packets per client and tick");
}

#[test]
fn what_takes_two_packets_leaves_with_one_flush() {
    let mut world = World::new("none");
    let conns = world.join(4);
    let peers = world.server.connected();
    for tick in 0..20 {
        world.now = world.now + TICK;
        for &peer in &peers {
            for half in 0..2 {
                world.server.driver.send_datagram(peer, &[tick * 2 + half; 800]).expect("room");
            }
        }
        world.server.driver.flush(world.now).expect("memory");
        world.client.events.clear();
        world.client.pump(world.now);
        for &conn in &conns {
            let mine = world.client.datagrams().into_iter().filter(|(of, _)| *of == conn);
            let halves: Vec<_> = mine.map(|(_, datagram)| datagram[0]).collect();
            assert_eq!(halves, [tick * 2, tick * 2 + 1]);
        }
        world.client.driver.flush(world.now).expect("memory");
        world.server.pump(world.now);
    }
}

#[test]
fn a_path_that_takes_more_is_found_under_way() {
    let mut world = World::new("latency=15ms");
    let conns: Vec<_> = (0..4).map(|_| world.connect()).collect();
    world.run(Micros::from_millis(100), |_| {});
    let peers = world.server.connected();
    play(&mut world, Micros::from_millis(2_000), &conns, 200, 60);
    for peer in peers {
        let mtu = world.server.driver.stats(peer).expect("open").mtu;
        assert!(mtu > 1_400, "{mtu} bytes after two seconds");
    }
}

fn survives(net: &str) {
    let mut world = World::new(net);
    let conns = (0..8).map(|_| world.connect()).collect::<Vec<_>>();
    world.run(Micros::from_millis(4_000), |_| {});
    assert_eq!(world.client.connected().len(), 8, "{net}: all join within four seconds");
    let before = (world.server.datagrams().len(), world.client.datagrams().len());
    let dropped = |world: &World| {
        conns.iter().fold((0, 0), |(out, inward), &conn| {
            let conditioned = world.client.driver.conditioned(conn).expect("still open");
            (out + conditioned.out.dropped(), inward + conditioned.inward.dropped())
        })
    };
    let dropped_before = dropped(&world);
    let (down, up) = play(&mut world, Micros::from_millis(30_000), &conns, 400, 80);
    world.run(Micros::from_millis(300), |_| {});
    let owed = 8 * 30_000_000 / TICK.0;
    let (lost_up, lost_down) = {
        let after = dropped(&world);
        (after.0 - dropped_before.0, after.1 - dropped_before.1)
    };
    let got_up = (world.server.datagrams().len() - before.0) as u64;
    let got_down = (world.client.datagrams().len() - before.1) as u64;
    println!(
        "{net}: owed {owed}; down sent {down} got {got_down} dropped {lost_down}; up sent {up} got {got_up} dropped {lost_up}"
    );
    assert!(down * 1_000 >= owed * 995, "{net}: {down} of {owed} were admitted");
    assert!(up * 1_000 >= owed * 995, "{net}: {up} of {owed} were admitted");
    // Dropped packets were not all datagrams, so this is the least that must have come.
    assert!(got_down + lost_down >= down && got_up + lost_up >= up, "{net}: nothing is lost by accident");
    assert!(world.client.closed().is_empty() && world.server.closed().is_empty());
}

#[test]
fn every_preset_keeps_delivering() {
    for net in ["none", "lan", "broadband", "wifi", "mobile", "awful"] {
        survives(net);
    }
}

#[test]
fn the_rows_of_the_feel_table_keep_delivering() {
    for net in [
        "latency=25ms,jitter=2ms",
        "latency=50ms,jitter=10ms,loss=2%",
        "latency=75ms,jitter=20ms,loss=5%,burst=3",
        "latency=50ms,jitter=10ms,loss=20%",
        "latency=50ms,jitter=5ms,reorder=5%",
    ] {
        survives(net);
    }
}

#[test]
fn a_narrow_link_blocks_senders_instead_of_queueing_seconds() {
    // 8 clients x 60 Hz x 440 B = 1.7 Mbit/s each way into 0.2 Mbit/s each.
    let mut world = World::new("latency=20ms,rate=100kbit,queue=400ms");
    let conns = world.join(8);
    let (down, _) = play(&mut world, Micros::from_millis(20_000), &conns, 400, 20);
    let owed = 8 * 20_000_000 / TICK.0;
    assert!(down < owed * 9 / 10, "senders were told to skip: {down} of {owed}");
    assert!(world.client.closed().is_empty());
    let rtt = world.server.driver.stats(world.server.connected()[0]).expect("open").rtt;
    assert!(rtt < Micros::from_millis(700), "{rtt:?}");
}
