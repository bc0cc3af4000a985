//! Garbage, strangers and floods.

mod common;

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::{CLIENT, SERVER, World, client_options, identity, server_options};
use downbeat_transport::{
    ClientIds, ClientOptions, CloseReason, ConnectError, Driver, Event, Fingerprint, HandshakeBudget, Identity,
    MemorySocket, Socket, Trust,
};
use downbeat_wire::Micros;
use proptest::prelude::*;

#[test]
fn garbage_is_ignored_and_counted_and_disturbs_nobody() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let peer = world.server.connected()[0];
    let mut noise = 1u64;
    let before = world.server.driver.counters();
    let mut injected = 0;
    world.run(Micros::from_millis(5_000), |world| {
        for length in [0, 1, 5, 17, 21, 40, 100, 1_200, 1_500, 9_000] {
            let payload: Vec<u8> = (0..length)
                .map(|_| {
                    noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (noise >> 56) as u8
                })
                .collect();
            let from = SocketAddr::from(([10, 0, 0, 9], 1_000 + (noise >> 50) as u16 % 1_000));
            world.network.inject(world.now, from, SERVER.into(), 0, &payload);
            injected += 1;
        }
        world.server.driver.send_datagram(peer, b"down").expect("room");
        world.client.driver.send_datagram(conn, b"up").expect("room");
    });
    let after = world.server.driver.counters();
    assert!(after.ignored - before.ignored > injected * 9 / 10, "{} of {injected}", after.ignored - before.ignored);
    assert!(world.client.datagrams().len() >= 297 && world.server.datagrams().len() >= 297);
    assert!(world.server.closed().is_empty());
    assert_eq!(after.accepted, before.accepted);
}

#[test]
fn damaged_copies_of_real_packets_disturb_nobody() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let mut noise = 1u64;
    // A wiretap between the two: each packet is also delivered with one byte changed.
    let spy: SocketAddr = ([10, 0, 0, 66], 1).into();
    let mut tap = world.network.bind(spy);
    for round in 0..500u64 {
        world.now = world.now + Micros::from_millis(16);
        world.client.driver.send_datagram(conn, &round.to_le_bytes()).expect("room");
        world.client.driver.flush(world.now).expect("memory");
        // Carried from the client's inbox at the server to the tap and back.
        let mut packets = Vec::new();
        let mut server_side = world.network.bind(SERVER.into());
        world.client.pump(world.now + Micros(300));
        server_side.recv_batch(world.now, &mut |d| packets.push(d.payload.to_vec())).expect("memory");
        for mut packet in packets {
            world.network.inject(world.now, CLIENT.into(), SERVER.into(), 0, &packet);
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (noise >> 33) as usize % packet.len();
            packet[at] ^= 1 << (noise >> 61);
            world.network.inject(world.now, CLIENT.into(), SERVER.into(), 0, &packet);
        }
        world.server.pump(world.now + Micros(400));
        world.server.driver.flush(world.now + Micros(400)).expect("memory");
    }
    tap.recv_batch(world.now, &mut |_| {}).expect("memory");
    assert!(world.server.closed().is_empty(), "{:?}", world.server.closed());
    assert!(world.server.datagrams().len() >= 495, "{}", world.server.datagrams().len());
}

fn closed_reason(server: &downbeat_transport::ServerOptions, client: &ClientOptions, name: &str) -> CloseReason {
    let mut world = World::with("lan", server, client);
    world.client.driver.connect(world.now, SERVER.into(), name).expect("a good address");
    world.run(Micros::from_millis(7_000), |_| {});
    assert!(world.server.events.is_empty(), "the server's owner hears nothing of handshakes that fail");
    let counters = world.server.driver.counters();
    assert_eq!((counters.half_open, counters.open), (0, 0));
    world.client.closed()[0].1.clone()
}

#[test]
fn a_certificate_that_is_not_pinned_is_a_readable_error() {
    let mut client = client_options();
    client.trust = Trust::pinned(Fingerprint([0xab; 32]));
    let CloseReason::HandshakeFailed(text) = closed_reason(&server_options(), &client, "localhost") else {
        panic!("a failed handshake");
    };
    let expected = format!(
        "the server's certificate is not the pinned one: expected fingerprint {}, found {}",
        "ab".repeat(32),
        identity().fingerprint()
    );
    assert_eq!(text, expected);
}

#[test]
fn roots_and_names_are_checked() {
    let roots = Trust::roots_pem(identity().certificate_pem().as_bytes()).expect("our own PEM");
    let mut client = client_options();
    client.trust = roots;
    let text = closed_reason(&server_options(), &client, "elsewhere").to_string();
    assert!(text.starts_with("handshake failed: ") && text.contains("elsewhere"), "{text}");

    let mut world = World::with("lan", &server_options(), &client);
    world.join(1);
    assert_eq!(world.client.connected().len(), 1);

    let stranger = Identity::self_signed(&["localhost"]).expect("a good name");
    client.trust = Trust::roots_pem(stranger.certificate_pem().as_bytes()).expect("our own PEM");
    let text = closed_reason(&server_options(), &client, "localhost").to_string();
    assert!(text.starts_with("handshake failed: "), "{text}");
}

#[test]
fn another_protocol_is_refused_by_tls() {
    let mut client = client_options();
    client.alpn = b"h3".to_vec();
    let reason = closed_reason(&server_options(), &client, "localhost");
    assert_eq!(reason, CloseReason::HandshakeFailed("the peer does not speak our protocol".to_owned()));
}

#[test]
fn nobody_there_is_a_timeout() {
    let mut world = World::new("loss=100%");
    let conn = world.connect();
    world.run(Micros::from_millis(5_100), |_| {});
    assert_eq!(world.client.closed(), [(conn, CloseReason::TimedOut)]);
}

#[test]
fn addresses_and_names_that_cannot_be_are_refused_at_once() {
    let mut world = World::new("lan");
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 1));
    let now = world.now;
    let driver = &mut world.client.driver;
    assert_eq!(driver.connect(now, nowhere, "localhost"), Err(ConnectError::Remote(nowhere)));
    assert_eq!(driver.connect(now, SERVER.into(), "no name"), Err(ConnectError::ServerName("no name".to_owned())));
    assert_eq!(world.server.driver.connect(now, CLIENT.into(), "localhost"), Err(ConnectError::NotAClient));
}

#[test]
fn a_draining_or_full_server_refuses_and_says_so() {
    let mut server = server_options();
    server.connections_max = 2;
    let mut world = World::with("lan", &server, &client_options());
    world.join(3);
    assert_eq!(world.client.connected().len(), 2);
    let refused = CloseReason::HandshakeFailed("the server refuses connections at the moment".to_owned());
    assert_eq!(world.client.closed()[0].1, refused);
    world.server.driver.set_accepting(false);
    let late = world.connect();
    world.run(Micros::from_millis(500), |_| {});
    assert_eq!(world.client.closed()[1], (late, refused));
    assert_eq!(world.server.driver.counters().refused, 2);
    assert_eq!(world.server.driver.counters().open, 2, "those who play play on");
}

#[test]
fn a_server_under_load_asks_for_proof_of_address_and_all_join() {
    let mut server = server_options();
    server.unproven_max = 0;
    let mut world = World::with("wifi", &server, &client_options());
    world.join(20);
    assert_eq!(world.client.connected().len(), 20);
    let counters = world.server.driver.counters();
    assert!(counters.retried >= 20);
    assert_eq!(counters.connected, 20);
}

/// Time that this thread was busy; where the system does not say, the time that passed.
fn busy() -> Duration {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = text.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| EPOCH.elapsed(), Duration::from_nanos)
}

#[test]
fn a_flood_of_handshakes_is_bounded_work_and_all_who_stay_join() {
    let mut server = server_options();
    server.tuning.handshake_budget = HandshakeBudget::Time(Micros::from_millis(2));
    let mut client = client_options();
    client.tuning.handshake_budget = HandshakeBudget::Time(Micros::from_millis(60_000));
    client.tuning.handshake_timeout = Micros::from_millis(30_000);
    client.tuning.idle_timeout = Micros::from_millis(30_000);
    let mut world = World::with("lan", &server, &client);
    world.join(4);
    for _ in 0..2_000 {
        world.connect();
    }
    let mut slowest = 0;
    for _ in 0..1_200 {
        world.now = world.now + Micros::from_millis(16);
        world.client.pump(world.now);
        world.client.driver.flush(world.now).expect("memory");
        // Virtual time stands still while this one works: what it takes is real.
        let began = busy();
        world.server.driver.receive(world.now).expect("memory");
        slowest = slowest.max((busy() - began).as_micros());
        world.server.driver.handle_timeouts(world.now).expect("memory");
        while world.server.driver.poll_event().is_some() {}
        world.server.driver.flush(world.now).expect("memory");
        if world.client.connected().len() == 2_004 {
            break;
        }
    }
    println!("slowest receive: {slowest} us; {:?}", world.server.driver.counters());
    assert_eq!(world.client.connected().len(), 2_004);
    // 2 ms of handshakes, one step more, 2,000 packets read and 128 looked at. The rest is what a debug build costs.
    assert!(slowest < 60_000, "{slowest} us");
}

#[test]
fn half_open_handshakes_are_capped_and_given_up() {
    let mut server = server_options();
    server.half_open_max = 4;
    let mut world = World::with("none", &server, &client_options());
    // Twenty clients that vanish after their first packet.
    for _ in 0..20 {
        world.connect();
    }
    world.client.driver.flush(world.now).expect("memory");
    let mut most = 0;
    for _ in 0..10_000 {
        world.now = world.now + Micros::from_millis(1);
        world.server.pump(world.now);
        world.server.driver.flush(world.now).expect("memory");
        most = most.max(world.server.driver.counters().half_open);
    }
    assert_eq!(most, 4);
    let counters = world.server.driver.counters();
    assert_eq!((counters.half_open, counters.accepted, counters.handshakes_failed), (0, 20, 20));
    assert_eq!(counters.handshakes_evicted, 16, "for those who waited; the last were given up in their own time");
    assert!(world.server.driver.is_idle() && world.server.events.is_empty());
}

#[test]
fn ids_by_address_take_no_bytes_and_one_connection_per_server() {
    let mut client = client_options();
    client.ids = ClientIds::Address;
    let mut world = World::with("mobile", &server_options(), &client);
    let conn = world.join(1)[0];
    assert_eq!(world.client.connected(), [conn]);
    let second = world.client.driver.connect(world.now, SERVER.into(), "localhost");
    assert_eq!(second, Err(ConnectError::RemoteTaken(SERVER.into())));
    let peer = world.server.connected()[0];
    for _ in 0..60 {
        world.run(Micros::from_millis(17), |world| {
            let _ = world.server.driver.send_datagram(peer, &[5; 30]);
        });
    }
    assert!(world.client.datagrams().len() > 50);
    assert!(world.client.driver.conditioned(conn).expect("open").inward.sent > 50);
}

#[test]
fn clients_that_change_their_address_play_on() {
    let mut world = World::new("broadband");
    let conns = world.join(2);
    let peers = world.server.connected();
    let inward = |world: &World| -> Vec<u64> {
        conns.iter().map(|&conn| world.client.driver.conditioned(conn).expect("open").inward.sent).collect()
    };
    for port in 6_000..6_005 {
        world.client.driver.socket_mut().socket_mut().rebind((CLIENT.0, port).into());
        let before = (world.server.datagrams().len(), world.client.datagrams().len());
        let inward_before = inward(&world);
        world.run(Micros::from_millis(1_000), |world| {
            for (&conn, &peer) in conns.iter().zip(&peers) {
                let _ = world.client.driver.send_datagram(conn, b"up");
                let _ = world.server.driver.send_datagram(peer, b"down");
            }
        });
        assert!(peers.iter().all(|&peer| world.server.driver.remote(peer) == Some((CLIENT.0, port).into())));
        assert!(world.server.datagrams().len() - before.0 > 100);
        assert!(world.client.datagrams().len() - before.1 > 90);
        // With new connection ids too, each one's datagrams travel on its own link.
        let grown: Vec<u64> = inward(&world).iter().zip(inward_before).map(|(after, before)| after - before).collect();
        assert!(grown.iter().all(|sent| (50..75).contains(sent)), "{grown:?}");
    }
    assert!(world.server.closed().is_empty() && world.client.closed().is_empty());
}

#[test]
fn a_restarted_server_with_the_same_secret_ends_old_connections_at_once() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    let socket = world.network.bind(SERVER.into());
    world.server = common::End::new(Driver::server(&server_options(), socket).expect("good options"));
    world.run(Micros::from_millis(500), |world| {
        let _ = world.client.driver.send_datagram(conn, &[0; 100]);
    });
    assert_eq!(world.client.closed(), [(conn, CloseReason::Reset)]);
}

fn hears_nothing_after_the_end(world: &World, of: downbeat_transport::ConnId) -> bool {
    let of_conn = world.client.events.iter().filter(|(_, event)| match event {
        Event::Connected { conn, .. }
        | Event::Datagram { conn, .. }
        | Event::Control { conn, .. }
        | Event::Reliable { conn, .. }
        | Event::Closed { conn, .. } => *conn == of,
    });
    let ends: Vec<bool> = of_conn.map(|(_, event)| matches!(event, Event::Closed { .. })).collect();
    ends.iter().position(|&is_end| is_end).is_none_or(|at| at + 1 == ends.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any order of calls on connections in any state: no panic, and each connection ends once.
    #[test]
    fn no_sequence_of_calls_breaks_a_driver(calls in proptest::collection::vec((0u8..10, 0usize..4, 0usize..1_500), 1..120)) {
        let mut world = World::new("wifi");
        let conns: Vec<_> = (0..4).map(|_| world.connect()).collect();
        for (call, which, size) in calls {
            let (now, conn) = (world.now, conns[which]);
            let peer = world.server.connected().get(which).copied();
            let (client, server) = (&mut world.client.driver, &mut world.server.driver);
            match (call, peer) {
                (0, _) => { let _ = client.write_control(now, conn, &vec![1; size * 10]); }
                (1, _) => { let _ = client.send_datagram(conn, &vec![1; size]); }
                (2, Some(peer)) => { let _ = server.write_control(now, peer, &vec![1; size * 10]); }
                (3, Some(peer)) => { let _ = server.send_datagram(peer, &vec![1; size]); }
                (4, Some(peer)) if size < 100 => server.close(now, peer, downbeat_wire::CloseCode::Kicked, "x"),
                (5, _) if size < 100 => client.close(now, conn, downbeat_wire::CloseCode::Bye, "x"),
                (6, _) => { let _ = (client.datagram_space(conn), client.stats(conn), client.remote(conn)); }
                (7, _) => client.flush(now).expect("memory"),
                _ => world.run(Micros::from_millis(1 + size as u64 / 10), |_| {}),
            }
        }
        world.run(Micros::from_millis(20_000), |_| {});
        for conn in conns {
            prop_assert!(world.client.closed().iter().filter(|(c, _)| *c == conn).count() <= 1);
            prop_assert!(hears_nothing_after_the_end(&world, conn));
        }
    }
}

#[test]
fn sockets_in_memory_name_their_address() {
    let world = World::new("none");
    let socket: &MemorySocket = world.server.driver.socket();
    assert_eq!(socket.local_addr(), SERVER.into());
}
