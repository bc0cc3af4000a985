//! A session from handshake to close.

mod common;

use std::time::Duration;

use common::{World, client_options, server_options};
use downbeat_transport::{CloseReason, ControlError, Event, HandshakeBudget, SendError};
use downbeat_wire::{CloseCode, Micros};

#[test]
fn control_bytes_and_datagrams_cross_in_both_directions() {
    let mut world = World::new("lan");
    let conn = world.connect();
    world.client.driver.write_control(world.now, conn, b"hello before the handshake").expect("room");
    world.run(Micros::from_millis(300), |_| {});
    let peer = world.server.connected()[0];
    assert_eq!(world.client.connected(), [conn]);
    assert_eq!(world.server.control(peer), b"hello before the handshake");

    world.server.driver.write_control(world.now, peer, b"welcome").expect("room");
    world.server.driver.send_datagram(peer, b"snapshot").expect("room");
    world.client.driver.send_datagram(conn, b"input").expect("room");
    world.run(Micros::from_millis(100), |_| {});
    assert_eq!(world.client.control(conn), b"welcome");
    assert_eq!(world.client.datagrams(), [(conn, b"snapshot".to_vec())]);
    assert_eq!(world.server.datagrams(), [(peer, b"input".to_vec())]);
}

#[test]
fn a_datagram_is_stamped_with_its_arrival_not_with_its_reading() {
    let mut world = World::new("latency=30ms");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    let sent = world.now;
    world.server.driver.send_datagram(peer, b"x").expect("room");
    world.server.driver.flush(sent).expect("memory");
    // The link takes the datagram in soon after it was sent, and the client looks again 170 ms later.
    world.client.pump(sent + Micros::from_millis(1));
    world.client.pump(sent + Micros::from_millis(200));
    let at = world.client.events.iter().find_map(|(_, event)| match event {
        Event::Datagram { at, .. } => Some(*at),
        _ => None,
    });
    assert_eq!(at, Some(sent + Micros::from_millis(30)));
    assert!(world.client.driver.stats(conn).is_some());
}

#[test]
fn a_client_that_has_little_time_takes_in_one_packet_after_the_other() {
    let mut options = client_options();
    // By the machine's clock, so that packets take time at all.
    options.tuning.handshake_budget = HandshakeBudget::Time(Micros::from_millis(100));
    let mut world = World::with("latency=10ms", &server_options(), &options);
    world.join(8);
    for peer in world.server.connected() {
        world.server.driver.send_datagram(peer, b"x").expect("room");
    }
    world.server.driver.flush(world.now).expect("memory");
    world.client.pump(world.now + Micros::from_millis(1));
    world.client.driver.set_receive_time(Duration::ZERO);
    let now = world.now + Micros::from_millis(20);
    for taken_in in 1..=8 {
        assert!(world.client.driver.receive(now).expect("memory"));
        let is_urgent = world.client.driver.next_timeout() == Some(Micros(0));
        assert_eq!(is_urgent, taken_in < 8, "the rest is asked for at once");
        world.client.events.extend(std::iter::from_fn(|| world.client.driver.poll_event()).map(|event| (now, event)));
        assert_eq!(world.client.datagrams().len(), taken_in);
    }
}

#[test]
fn a_long_control_message_arrives_whole_and_in_order() {
    let mut world = World::new("wifi");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    world.client.driver.write_control(world.now, conn, b"hello").expect("room");
    world.run(Micros::from_millis(300), |_| {});
    let bytes: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let mut rest = &bytes[..];
    world.run(Micros::from_millis(5_000), |world| {
        let (now, next) = rest.split_at(rest.len().min(4_096));
        world.server.driver.write_control(world.now, peer, now).expect("room");
        rest = next;
    });
    assert!(world.client.control(conn) == bytes);
}

#[test]
fn close_codes_and_texts_arrive_and_each_end_hears_once() {
    let mut world = World::new("broadband");
    let conns = world.join(2);
    let peers = world.server.connected();
    world.server.driver.close(world.now, peers[0], CloseCode::Kicked, "for being rude");
    world.server.driver.close(world.now, peers[0], CloseCode::Bye, "twice");
    world.client.driver.close(world.now, conns[1], CloseCode::Bye, "dinner");
    assert_eq!(world.server.driver.send_datagram(peers[0], b"late"), Err(SendError::NotOpen));
    assert_eq!(world.server.driver.write_control(world.now, peers[0], b"late"), Err(ControlError::NotOpen));
    world.run(Micros::from_millis(5_000), |_| {});

    let by_peer = |code: CloseCode, reason: &str| CloseReason::ByPeer { code: code as u64, reason: reason.to_owned() };
    let mut at_client = world.client.closed();
    at_client.sort_by_key(|(conn, _)| *conn);
    assert_eq!(
        at_client,
        [(conns[0], by_peer(CloseCode::Kicked, "for being rude")), (conns[1], CloseReason::Local(CloseCode::Bye))]
    );
    let at_server = world.server.closed();
    assert_eq!(
        at_server,
        [(peers[0], CloseReason::Local(CloseCode::Kicked)), (peers[1], by_peer(CloseCode::Bye, "dinner"))]
    );
    assert!(world.server.driver.is_idle() && world.client.driver.is_idle(), "nothing is left after the drain");
    assert_eq!(world.server.driver.counters().open, 0);
}

#[test]
fn a_long_or_hostile_reason_is_cut_and_printable() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let text = format!("{}\u{1b}[31m\n{}", "ä".repeat(20), "ö".repeat(1_000));
    world.client.driver.close(world.now, conn, CloseCode::Internal, &text);
    world.run(Micros::from_millis(100), |_| {});
    let closed = world.server.closed();
    let CloseReason::ByPeer { code: 64, reason } = &closed[0].1 else { panic!("{closed:?}") };
    assert!(reason.starts_with("ääää") && reason.contains(" [31m öö") && reason.len() <= 256, "{reason}");
}

#[test]
fn silence_ends_in_a_timeout_at_both_ends() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    world.run(Micros::from_millis(30_000), |_| {});
    assert!(world.client.closed().is_empty(), "keep-alives keep a quiet connection");
    world.client.driver.socket_mut().set_spec(&"loss=100%".parse().expect("a link"));
    world.run(Micros::from_millis(14_000), |_| {});
    assert_eq!(world.client.closed(), [(conn, CloseReason::TimedOut)]);
    assert_eq!(world.server.closed(), [(peer, CloseReason::TimedOut)]);
}

#[test]
fn a_peer_that_does_not_read_is_closed_as_overloaded() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    world.client.driver.socket_mut().set_spec(&"loss=100%".parse().expect("a link"));
    let mut written = 0;
    let refused = loop {
        match world.server.driver.write_control(world.now, peer, &[0; 4_096]) {
            Ok(()) => written += 4_096,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, ControlError::Overloaded);
    assert!((65_536..=140_000).contains(&written), "{written}");
    world.run(Micros::from_millis(20), |_| {});
    assert_eq!(world.server.closed(), [(peer, CloseReason::Local(CloseCode::Overloaded))]);
    assert_eq!(world.server.driver.counters().overloaded, 1);
    assert!(world.client.driver.stats(conn).is_some());
}

#[test]
fn an_owner_that_does_not_listen_bounds_what_is_queued_for_it() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    // 1,000 datagrams and 90 kB of control bytes, and nobody asks for events.
    for _ in 0..1_000 {
        world.now = world.now + Micros::from_millis(5);
        let _ = world.client.driver.send_datagram(conn, &[1; 100]);
        let _ = world.client.driver.write_control(world.now, conn, &[2; 90]);
        world.client.driver.flush(world.now).expect("memory");
        world.client.pump(world.now);
        world.server.driver.receive(world.now).expect("memory");
        world.server.driver.flush(world.now).expect("memory");
    }
    let before = world.server.events.len();
    world.server.pump(world.now);
    let events = &world.server.events[before..];
    let datagrams = events.iter().filter(|(_, event)| matches!(event, Event::Datagram { .. })).count();
    let control: usize =
        events.iter().map(|(_, event)| if let Event::Control { bytes, .. } = event { bytes.len() } else { 0 }).sum();
    assert_eq!(datagrams, 64);
    assert!((65_536..=70_000).contains(&control), "{control}");
    assert!(world.server.driver.counters().events_dropped > 500);
    // Once it listens again, the control stream goes on where it stopped.
    world.run(Micros::from_millis(3_000), |_| {});
    let peer = world.server.connected()[0];
    assert_eq!(world.server.control(peer).len(), 90_000);
}

#[test]
fn a_loop_that_sleeps_until_the_next_timeout_misses_nothing() {
    let mut world = World::new("mobile");
    let conn = world.connect();
    world.client.driver.write_control(world.now, conn, b"hello").expect("room");
    let mut turns = 0;
    let mut next_tick = common::TICK;
    while world.now < Micros::from_millis(20_000) {
        let next = [world.client.driver.next_timeout(), world.server.driver.next_timeout(), Some(next_tick)];
        let next = next.into_iter().flatten().min().expect("the tick at least");
        // At once may lie in the past; time goes on by a microsecond at least.
        world.now = next.max(world.now + Micros(1));
        world.client.pump(world.now);
        world.server.pump(world.now);
        world.client.pump(world.now);
        turns += 1;
        if world.now >= next_tick {
            next_tick = next_tick + common::TICK;
            let _ = world.client.driver.send_datagram(conn, &[1; 60]);
            if let Some(&peer) = world.server.connected().first() {
                let _ = world.server.driver.send_datagram(peer, &[2; 200]);
            }
            world.server.driver.flush(world.now).expect("memory");
            world.client.driver.flush(world.now).expect("memory");
        }
    }
    // 1,200 ticks, as many arrivals in each direction, and few timers beside.
    assert!((2_500..7_000).contains(&turns), "{turns} turns");
    assert!(world.client.datagrams().len() > 1_100 && world.server.datagrams().len() > 1_100);
}

#[test]
fn what_must_arrive_does_whole_and_in_order_beside_the_control_stream() {
    let mut world = World::new("wifi");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    let bytes: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let mut rest = &bytes[..];
    world.client.driver.write_control(world.now, conn, b"hello").expect("room");
    world.run(Micros::from_millis(5_000), |world| {
        let (now, next) = rest.split_at(rest.len().min(2_048));
        world.server.driver.send_reliable(world.now, peer, now).expect("room");
        world.server.driver.write_control(world.now, peer, b"chat").expect("room");
        rest = next;
    });
    world.run(Micros::from_millis(2_000), |_| {});
    assert!(world.client.reliable(conn) == bytes);
    assert!(world.client.control(conn).len() > 1_000);
}

#[test]
fn a_client_that_does_not_read_what_must_arrive_is_closed() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    // Nobody asks the client for events any more: its queue, QUIC's buffers and ours fill up.
    let mut sent = 0;
    let refused = loop {
        world.now = world.now + Micros::from_millis(5);
        match world.server.driver.send_reliable(world.now, peer, &[1; 1_000]) {
            Ok(()) => sent += 1_000,
            Err(error) => break error,
        }
        world.server.driver.flush(world.now).expect("memory");
        world.client.driver.receive(world.now).expect("memory");
        world.client.driver.flush(world.now).expect("memory");
        world.server.driver.receive(world.now).expect("memory");
    };
    assert_eq!(refused, ControlError::Overloaded);
    assert!((150_000..=270_000).contains(&sent), "{sent}");
    world.client.pump(world.now);
    let queued = world.client.reliable(conn).len();
    assert!((65_536..=70_000).contains(&queued), "{queued}");
    world.run(Micros::from_millis(20), |_| {});
    assert_eq!(world.server.closed(), [(peer, CloseReason::Local(CloseCode::Overloaded))]);
    assert_eq!(world.server.driver.counters().overloaded, 1);
}

#[test]
fn datagrams_of_one_flush_arrive_in_order_and_are_bounded() {
    let mut world = World::new("none");
    let conn = world.join(1)[0];
    let mut sent = Vec::new();
    while let Some(space) = world.client.driver.datagram_space(conn) {
        let datagram = vec![sent.len() as u8; space.min(900)];
        world.client.driver.send_datagram(conn, &datagram).expect("there is room for it");
        sent.push(datagram);
        assert!(sent.len() < 1_000, "what waits for the window is bounded");
    }
    assert!(sent.len() > 5, "{} are taken at once", sent.len());
    world.run(Micros::from_millis(500), |_| {});
    let arrived: Vec<_> = world.server.datagrams().into_iter().map(|(_, datagram)| datagram).collect();
    assert_eq!(arrived, sent);
}
