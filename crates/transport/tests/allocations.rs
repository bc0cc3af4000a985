//! Blocks are reused: what is allocated per client and tick in steady play is quinn-proto's.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{TICK, World};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises about `pointer` and `layout` are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_server_allocates_next_to_nothing_per_client_and_tick() {
    let mut world = World::new("none");
    let conns = world.join(32);
    let peers = world.server.connected();
    let (down, up) = ([1; 200], [2; 60]);
    let (mut counted, mut ticks) = (0, 0);
    for tick in 0..900 {
        world.now = world.now + TICK;
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        world.server.driver.receive(world.now).expect("memory");
        world.server.driver.handle_timeouts(world.now).expect("memory");
        while world.server.driver.poll_event().is_some() {}
        for &peer in &peers {
            assert!(world.server.driver.datagram_space(peer).is_some());
            world.server.driver.send_datagram(peer, &down).expect("room");
        }
        let read = ALLOCATIONS.load(Ordering::Relaxed) - before;
        // The network in memory copies each datagram it carries, once for each of 32.
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        world.server.driver.flush(world.now).expect("memory");
        let sent = (ALLOCATIONS.load(Ordering::Relaxed) - before).saturating_sub(peers.len() as u64);
        world.client.pump(world.now);
        world.client.events.clear();
        for &conn in &conns {
            world.client.driver.send_datagram(conn, &up).expect("room");
        }
        world.client.driver.flush(world.now).expect("memory");
        if tick >= 300 {
            counted += read + sent;
            ticks += 1;
        }
    }
    let each = counted as f64 / f64::from(ticks) / peers.len() as f64;
    println!("{each} allocations per client and tick");
    assert!(each < 0.2, "{each} allocations per client and tick");
}
