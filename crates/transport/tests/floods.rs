//! Peers that ask for more than their share: none of them keeps the others out or makes the driver hold without bound.

mod common;

use std::net::SocketAddr;

use common::{CLIENT, End, SERVER, World, client_options, server_options};
use downbeat_transport::limits::CLOSED_LINGER_MS;
use downbeat_transport::{CloseReason, Driver, HandshakeBudget, MemorySocket, Socket};
use downbeat_wire::{CloseCode, Micros};

const FLOODER: ([u8; 4], u16) = ([10, 6, 6, 6], 666);

/// A client with random ids of its own: attempts with the same ones would be taken for one.
fn client(seed: u8, socket: MemorySocket) -> End<MemorySocket> {
    let mut options = client_options();
    options.tuning.seed = Some([seed; 32]);
    End::new(Driver::client(&options, socket).expect("good options"))
}

/// Begins handshakes, proves its address, and says nothing after that.
struct Flooder {
    end: End<MemorySocket>,
    inbox: MemorySocket,
}

impl Flooder {
    fn new(world: &World) -> Self {
        let socket = world.network.bind(FLOODER.into());
        Self { end: client(3, socket), inbox: world.network.bind(FLOODER.into()) }
    }

    fn turn(&mut self, world: &World) {
        self.end.driver.connect(world.now, SERVER.into(), "localhost").expect("a good address");
        self.end.driver.flush(world.now).expect("memory");
        let mut retries = Vec::new();
        let mut keep = |payload: &[u8]| retries.extend((payload[0] & 0xf0 == 0xf0).then(|| payload.to_vec()));
        while self.inbox.recv_batch(world.now, &mut |datagram| keep(datagram.payload)).expect("memory") > 0 {}
        for retry in retries {
            world.network.inject(world.now, SERVER.into(), FLOODER.into(), 0, &retry);
        }
        self.end.pump(world.now);
    }
}

/// Lets time pass while a thousand handshakes a second are begun for nothing.
fn flood(world: &mut World, flooder: &mut Flooder, probes: &mut [End<MemorySocket>], time: Micros) {
    let end = world.now + time;
    while world.now < end {
        flooder.turn(world);
        world.run(Micros::from_millis(1), |_| {});
        probes.iter_mut().for_each(|probe| probe.pump(world.now));
        if (world.now.0 / 1_000).is_multiple_of(16) {
            world.server.driver.flush(world.now).expect("memory");
            world.client.driver.flush(world.now).expect("memory");
            probes.iter_mut().for_each(|probe| probe.driver.flush(world.now).expect("memory"));
        }
    }
}

#[test]
fn handshakes_begun_for_nothing_keep_nobody_out() {
    let mut world = World::new("lan");
    let mut flooder = Flooder::new(&world);
    flood(&mut world, &mut flooder, &mut [], Micros::from_millis(2_000));
    let most = server_options().half_open_max as u64;
    assert!(world.server.driver.counters().half_open * 10 > most * 9, "{:?}", world.server.driver.counters());

    // Others get in as if nothing was, and most of those do at once who share the flooder's address.
    let honest = world.connect();
    let probe = |port: u16| {
        let socket = world.network.bind(SocketAddr::from((FLOODER.0, port)));
        let mut end = client(port as u8, socket);
        end.driver.connect(world.now, SERVER.into(), "localhost").expect("a good address");
        end
    };
    let mut probes: Vec<_> = (700..710).map(probe).collect();
    flood(&mut world, &mut flooder, &mut probes, Micros::from_millis(500));
    assert_eq!(world.client.connected(), [honest]);
    flood(&mut world, &mut flooder, &mut probes, Micros::from_millis(2_500));
    let joined = probes.iter().filter(|probe| !probe.connected().is_empty()).count();
    assert!(joined >= 7, "{joined}: {:?}", world.server.driver.counters());
    assert!(world.server.driver.counters().handshakes_evicted > 1_000);
    assert!(world.client.closed().is_empty());
}

#[test]
fn forged_addresses_hold_few_places_and_the_rest_prove_theirs() {
    let mut world = World::new("none");
    let mut first = Vec::new();
    // First packets alone, from anywhere.
    for i in 0..200 {
        world.connect();
        world.client.driver.flush(world.now).expect("memory");
        let mut inbox = world.network.bind(SERVER.into());
        inbox.recv_batch(world.now, &mut |datagram| first.push(datagram.payload.to_vec())).expect("memory");
        let from = SocketAddr::from(([172, 16, 0, i], 5_000));
        first.drain(..).for_each(|packet| world.network.inject(world.now, from, SERVER.into(), 0, &packet));
    }
    for _ in 0..40 {
        world.now = world.now + Micros::from_millis(5);
        world.server.pump(world.now);
        world.server.driver.flush(world.now).expect("memory");
    }
    let counters = world.server.driver.counters();
    assert_eq!(counters.half_open, server_options().unproven_max as u64);
    assert_eq!(counters.retried, 200 - counters.half_open);
}

#[test]
fn closed_connections_are_forgotten_soon_however_slow_their_path() {
    let mut world = World::new("latency=700ms");
    world.connect();
    world.run(Micros::from_millis(5_000), |_| {});
    let peer = world.server.connected()[0];
    let slow = world.server.driver.stats(peer).expect("open").rtt;
    assert!(slow > Micros::from_millis(1_000), "three times that is QUIC's own time: {slow:?}");
    world.server.driver.close(world.now, peer, CloseCode::Kicked, "");
    world.run(Micros::from_millis(CLOSED_LINGER_MS - 50), |_| {});
    assert!(!world.server.driver.is_idle());
    world.run(Micros::from_millis(100), |_| {});
    assert!(world.server.driver.is_idle());
    // Its place is free for others.
    let (before, _) = (world.client.connected().len(), world.connect());
    world.run(Micros::from_millis(5_000), |_| {});
    assert_eq!(world.client.connected().len(), before + 1);
}

/// The next datagram that is under way to the server, taken away from it.
fn intercept(world: &mut World) -> Vec<u8> {
    world.client.pump(world.now + Micros(400));
    let mut inbox = world.network.bind(SERVER.into());
    let mut packets = Vec::new();
    inbox.recv_batch(world.now, &mut |datagram| packets.push(datagram.payload.to_vec())).expect("memory");
    packets.pop().expect("it was sent")
}

#[test]
fn packets_beyond_the_rate_are_dropped_unread_and_end_their_connection_when_they_do_not_stop() {
    let mut world = World::new("lan");
    let conns = world.join(2);
    let peers = world.server.connected();
    // Five packets a millisecond.
    let flood = |world: &mut World, ms: u64| {
        for _ in 0..ms {
            for _ in 0..5 {
                let _ = world.client.driver.send_datagram(conns[0], b"again");
                world.client.driver.flush(world.now).expect("memory");
            }
            world.run(Micros::from_millis(1), |_| {});
            world.server.driver.flush(world.now).expect("memory");
        }
    };
    flood(&mut world, 300);
    assert_eq!(world.server.driver.counters().packets_dropped, 0, "a burst is forgiven");
    flood(&mut world, 3_000);
    assert!(world.server.driver.counters().packets_dropped > 2_000, "{:?}", world.server.driver.counters());
    assert_eq!(world.server.closed(), [(peers[0], CloseReason::Local(CloseCode::Flooding))]);
    world.client.driver.send_datagram(conns[1], b"undisturbed").expect("room");
    world.run(Micros::from_millis(100), |_| {});
    assert!(world.server.datagrams().contains(&(peers[1], b"undisturbed".to_vec())));
}

#[test]
fn packets_that_take_long_are_dropped_unread_and_end_their_connection_when_they_do_not_stop() {
    let mut world = World::new("lan");
    let conns = world.join(2);
    let peers = world.server.connected();
    // Few packets, of hundreds of frames each.
    let flood = |world: &mut World, ms: u64| {
        world.run(Micros::from_millis(ms), |world| {
            (0..300).for_each(|_| _ = world.client.driver.send_datagram(conns[0], &[0]));
        });
    };
    flood(&mut world, 200);
    assert_eq!(world.server.driver.counters().packets_costly, 0, "a burst is forgiven");
    flood(&mut world, 3_000);
    let counters = world.server.driver.counters();
    assert!(counters.packets_costly > 5 && counters.packets_dropped == 0, "{counters:?}");
    assert_eq!(world.server.closed(), [(peers[0], CloseReason::Local(CloseCode::Flooding))]);
    world.client.driver.send_datagram(conns[1], b"undisturbed").expect("room");
    world.run(Micros::from_millis(100), |_| {});
    assert!(world.server.datagrams().contains(&(peers[1], b"undisturbed".to_vec())));
}

#[test]
fn what_others_send_to_a_connection_neither_ends_it_nor_takes_the_place_of_its_packets() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    world.client.driver.send_datagram(conn, b"overheard").expect("room");
    world.client.driver.flush(world.now).expect("memory");
    let overheard = intercept(&mut world);
    let mut forged = overheard.clone();
    forged[20] ^= 1;
    // From elsewhere, and as if it came from the client: forged packets, and old ones again.
    for _ in 0..3_000 {
        for _ in 0..4 {
            for (from, packet) in [(FLOODER, &forged), (FLOODER, &overheard), (CLIENT, &forged), (CLIENT, &overheard)] {
                world.network.inject(world.now, from.into(), SERVER.into(), 0, packet);
            }
        }
        let _ = world.client.driver.send_datagram(conn, b"honest");
        world.client.driver.flush(world.now).expect("memory");
        world.run(Micros::from_millis(1), |_| {});
        world.server.driver.flush(world.now).expect("memory");
    }
    assert!(world.server.closed().is_empty(), "{:?}", world.server.closed());
    let counters = world.server.driver.counters();
    assert_eq!((counters.packets_dropped, counters.packets_costly), (0, 0));
    let heard = world.server.datagrams().iter().filter(|(_, payload)| payload == b"honest").count();
    assert!(heard > 2_900, "{heard}");
}

#[test]
fn handshakes_that_send_without_end_leave_the_others_their_share() {
    let mut world = World::new("lan");
    let mut attacker = client(3, world.network.bind(FLOODER.into()));
    let mut packets = Vec::new();
    for _ in 0..4 {
        attacker.driver.connect(world.now, SERVER.into(), "localhost").expect("a good address");
        attacker.driver.flush(world.now).expect("memory");
        packets.push(intercept(&mut world));
    }
    let flood = |world: &mut World, ms: usize| {
        for turn in 0..ms {
            for n in 0..200 {
                world.network.inject(world.now, FLOODER.into(), SERVER.into(), 0, &packets[n % packets.len()]);
            }
            world.run(Micros::from_millis(1), |_| {});
            if turn % 16 == 0 {
                world.server.driver.flush(world.now).expect("memory");
                world.client.driver.flush(world.now).expect("memory");
            }
        }
    };
    flood(&mut world, 200);
    assert_eq!(world.server.driver.counters().half_open, 4);
    let honest = world.connect();
    flood(&mut world, 150);
    assert_eq!(world.client.connected(), [honest], "{:?}", world.server.driver.counters());
}

/// A first packet to `id` that says nothing.
fn first_packet(version: u8, id: &[u8]) -> Vec<u8> {
    let head = [&[0xc0, 0, 0, 0, version, id.len() as u8], id, &[8], &[5; 8][..]].concat();
    [head, vec![0; 1_200]].concat()
}

#[test]
fn first_packets_of_one_address_delay_nobody_elses() {
    let mut world = World::new("lan");
    let packet = first_packet(1, &[9; 8]);
    let flood = |world: &mut World, ms: usize| {
        for turn in 0..ms {
            (0..20).for_each(|_| world.network.inject(world.now, FLOODER.into(), SERVER.into(), 0, &packet));
            world.run(Micros::from_millis(1), |_| {});
            if turn % 16 == 0 {
                world.server.driver.flush(world.now).expect("memory");
                world.client.driver.flush(world.now).expect("memory");
            }
        }
    };
    flood(&mut world, 1_000);
    let honest = world.connect();
    flood(&mut world, 150);
    assert_eq!(world.client.connected(), [honest], "{:?}", world.server.driver.counters());
}

#[test]
fn first_packets_of_ever_new_networks_keep_nobody_out() {
    // All have to prove their address, so that a client has to come back.
    let mut server = server_options();
    server.unproven_max = 0;
    let mut world = World::with("none", &server, &client_options());
    let mut forged = 0_u32;
    // Ten thousand a second, of which eight thousand are looked at.
    let mut flood = |world: &mut World, probes: &mut [End<MemorySocket>], ms: u64| {
        for _ in 0..ms {
            for _ in 0..10 {
                forged += 1;
                let id @ [_, a, b, c] = forged.to_be_bytes();
                let packet = first_packet(1, &[id, id].concat());
                world.network.inject(world.now, SocketAddr::from(([5, a, b, c], 5_000)), SERVER.into(), 0, &packet);
            }
            world.run(Micros::from_millis(1), |_| {});
            probes.iter_mut().for_each(|probe| probe.pump(world.now));
            if (world.now.0 / 1_000).is_multiple_of(16) {
                world.server.driver.flush(world.now).expect("memory");
                probes.iter_mut().for_each(|probe| probe.driver.flush(world.now).expect("memory"));
            }
        }
    };
    flood(&mut world, &mut [], 5_000);
    let mut probes = Vec::new();
    for n in 1..=16 {
        let mut end = client(n, world.network.bind(SocketAddr::from(([10, 7, 7, n], 700))));
        end.driver.connect(world.now, SERVER.into(), "localhost").expect("a good address");
        end.driver.flush(world.now).expect("memory");
        probes.push(end);
        flood(&mut world, &mut probes, 1);
    }
    let joined = |probes: &[End<MemorySocket>]| probes.iter().filter(|probe| !probe.connected().is_empty()).count();
    flood(&mut world, &mut probes, 16 * 10);
    assert!(joined(&probes) >= 8, "{}: {:?}", joined(&probes), world.server.driver.counters());
    // Their last packet has the form of a first one, and does not wait with those.
    assert_eq!(world.server.connected().len(), joined(&probes));
    // Who was turned away comes again after a second.
    flood(&mut world, &mut probes, 4_000);
    assert!(joined(&probes) >= 15, "{}: {:?}", joined(&probes), world.server.driver.counters());
}

#[test]
fn first_packets_are_looked_at_in_bounded_numbers_whatever_they_are_addressed_to() {
    let mut world = World::new("lan");
    let conn = world.join(1)[0];
    world.client.driver.send_datagram(conn, b"overheard").expect("room");
    world.client.driver.flush(world.now).expect("memory");
    let ours = intercept(&mut world)[1..9].to_vec();
    // An id that the server issued; and another version, which is answered.
    for packet in [first_packet(1, &ours), first_packet(77, &[9; 8])] {
        world.server.driver.flush(world.now).expect("memory");
        let before = world.server.driver.counters();
        (0..1_500).for_each(|_| world.network.inject(world.now, FLOODER.into(), SERVER.into(), 0, &packet));
        (0..4).for_each(|_| world.server.pump(world.now));
        let after = world.server.driver.counters();
        let (answered, ignored) = (after.datagrams_out - before.datagrams_out, after.ignored - before.ignored);
        assert!(answered + ignored <= 128, "{answered} {ignored}");
        world.run(Micros::from_millis(500), |_| {});
    }
    assert!(world.server.closed().is_empty());
}

#[test]
fn arrivals_hold_one_call_for_a_moment_only_and_none_is_lost() {
    let mut server = server_options();
    server.tuning.handshake_budget = HandshakeBudget::Time(Micros::from_millis(2));
    let mut world = World::with("lan", &server, &client_options());
    let conn = world.join(1)[0];
    world.client.driver.send_datagram(conn, b"overheard").expect("room");
    world.client.driver.flush(world.now).expect("memory");
    let mut forged = intercept(&mut world);
    forged.resize(1_400, 0);
    let before = world.server.driver.counters().datagrams_in;
    // Fewer than one call reads at most, and several milliseconds of work.
    (0..1_900).for_each(|_| world.network.inject(world.now, FLOODER.into(), SERVER.into(), 0, &forged));
    let mut calls = 1;
    while world.server.driver.receive(world.now).expect("memory") {
        calls += 1;
    }
    assert!((2..200).contains(&calls), "{calls}");
    assert_eq!(world.server.driver.counters().datagrams_in - before, 1_900);
}

#[test]
fn what_waits_for_a_slow_peer_is_known() {
    let mut world = World::new("lan");
    world.join(1);
    let peer = world.server.connected()[0];
    let conn = world.client.connected()[0];
    world.client.driver.write_control(world.now, conn, b"opens the stream").expect("room");
    world.run(Micros::from_millis(100), |_| {});
    assert_eq!(world.server.driver.control_backlog(peer), 0);
    for _ in 0..10 {
        world.server.driver.write_control(world.now, peer, &[0; 10_000]).expect("room");
    }
    let waits = world.server.driver.control_backlog(peer);
    assert!((30_000..40_000).contains(&waits), "{waits}");
    world.run(Micros::from_millis(3_000), |_| {});
    assert_eq!(world.server.driver.control_backlog(peer), 0);
}
