//! What an operator decides at the door while the server runs: who may begin handshakes, with which certificate, and how much
//! those who are in may send.

mod common;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{World, client_options, identity, server_options};
use downbeat_transport::{CloseReason, Identity, Trust, Turnstile};
use downbeat_wire::{CloseCode, Micros};

/// Lets a few through of each kind.
#[derive(Debug, Default)]
struct Few {
    unproven: AtomicU32,
    proven: AtomicU32,
}

impl Turnstile for Few {
    fn pass(&self, address: IpAddr, is_proven: bool) -> bool {
        assert_eq!(address, IpAddr::from([10, 0, 0, 2]));
        let (count, most) = if is_proven { (&self.proven, 2) } else { (&self.unproven, 3) };
        count.fetch_add(1, Ordering::Relaxed) < most
    }
}

#[test]
fn who_begins_too_many_handshakes_proves_its_address_and_is_refused_then() {
    let mut options = server_options();
    options.turnstile = Some(Arc::new(Few::default()));
    let mut world = World::with("lan", &options, &client_options());
    world.join(8);
    let counters = world.server.driver.counters();
    assert_eq!((counters.accepted, counters.retried, counters.turned_away), (3 + 2, 5, 3), "{counters:?}");
    assert_eq!((counters.refused, world.client.connected().len()), (0, 5));
    let closed = world.client.closed();
    assert_eq!(closed.len(), 3);
    assert!(
        closed.iter().all(|(_, reason)| matches!(reason, CloseReason::Transport(_) | CloseReason::HandshakeFailed(_))),
        "{closed:?}"
    );
}

#[test]
fn a_new_certificate_is_shown_to_newcomers_and_connections_go_on() {
    let options = server_options();
    let mut world = World::with("lan", &options, &client_options());
    let old = world.join(1)[0];
    let new = Identity::reproducible([8; 32], &["localhost"]).expect("a good name");
    options.identity.replace(new.clone());
    assert_eq!(options.identity.fingerprint(), new.fingerprint());
    world.join(1);
    let closed = world.client.closed();
    assert!(matches!(&closed[..], [(conn, CloseReason::HandshakeFailed(_))] if *conn != old), "{closed:?}");
    let mut believing = client_options();
    believing.trust = Trust::pinned(new.fingerprint());
    let mut other = World::with("lan", &options, &believing);
    other.join(1);
    assert_eq!(other.client.connected().len(), 1);
    // And the old connection still carries.
    world.client.driver.send_datagram(old, b"still here").expect("it is open");
    world.run(Micros::from_millis(100), |_| {});
    assert_eq!(world.server.datagrams().len(), 1);
    assert_ne!(identity().fingerprint(), new.fingerprint());
}

#[test]
fn bytes_beyond_the_rate_are_dropped_unread_and_end_their_connection_when_they_do_not_stop() {
    let mut options = server_options();
    options.upload_bytes_per_s = 100_000;
    let mut world = World::with("lan", &options, &client_options());
    let conn = world.join(1)[0];
    let send = |world: &mut World, datagrams: usize| {
        (0..datagrams).for_each(|_| _ = world.client.driver.send_datagram(conn, &[7; 1_000]));
    };
    // 60 kB a second is fine for as long as one likes.
    world.run(Micros::from_millis(5_000), |world| send(world, 1));
    assert_eq!(world.server.driver.counters().packets_heavy, 0);
    world.server.driver.set_upload_bytes_per_s(30_000);
    world.run(Micros::from_millis(4_000), |world| send(world, 1));
    assert!(world.server.driver.counters().packets_heavy > 10);
    let closed = world.client.closed();
    assert!(
        matches!(&closed[..], [(_, CloseReason::ByPeer { code, reason })]
            if *code == CloseCode::Flooding as u64 && reason == "more than 30000 bytes per second"),
        "{closed:?}"
    );
}

#[test]
fn the_number_of_connections_can_be_changed_and_those_there_are_stay() {
    let mut options = server_options();
    options.connections_max = 4;
    let mut world = World::with("lan", &options, &client_options());
    world.join(4);
    world.server.driver.set_connections_max(2);
    world.join(1);
    assert_eq!((world.client.connected().len(), world.server.driver.counters().open), (4, 4));
    world.server.driver.set_connections_max(6);
    world.join(2);
    assert_eq!(world.client.connected().len(), 6);
}
