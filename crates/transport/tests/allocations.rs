//! Blocks are reused: what is allocated in steady play is quinn-proto's. Each allocation is charged to whose code asked for
//! it, by a look at the stack.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;

use common::{TICK, World};

thread_local! {
    /// Allocations of quinn-proto and of everybody else. `None` while nobody counts, or while the stack is looked at.
    static COUNT: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

struct Counting;

fn note() {
    let Some((theirs, ours)) = COUNT.take() else { return };
    let trace = Backtrace::force_capture().to_string();
    let is_theirs = is_of_quic(&trace);
    if !is_theirs {
        // The test fails for it.
        eprintln!("{trace}");
    }
    COUNT.set(Some(if is_theirs { (theirs + 1, ours) } else { (theirs, ours + 1) }));
}

/// Whether the innermost function of either side is quinn-proto's. Its file says whose a function is where it is known, its
/// name elsewhere.
fn is_of_quic(trace: &str) -> bool {
    let mut frames = trace.lines().map(str::trim_start).peekable();
    while let Some(name) = frames.next() {
        let place = frames.next_if(|line| line.starts_with("at "));
        let is_theirs = place.unwrap_or(name).contains(if place.is_some() { "/quinn-proto-" } else { "quinn_proto::" });
        if is_theirs || place.is_some_and(|place| place.contains("transport/src/")) {
            return is_theirs;
        }
    }
    false
}

// SAFETY: every call goes to the system's allocator unchanged. What the counter beside it allocates is not counted, so it
// does not call itself without end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promises about `pointer`, `layout` and `size` are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises about `pointer` and `layout` are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls `f` and returns what was allocated meanwhile: by quinn-proto, and by everybody else.
fn counted(f: impl FnOnce()) -> (u64, u64) {
    COUNT.set(Some((0, 0)));
    f();
    COUNT.take().expect("it was set")
}

#[test]
fn a_server_allocates_nothing_of_its_own_in_steady_play() {
    let mut world = World::new("none");
    let conns = world.join(32);
    let peers = world.server.connected();
    let (down, up) = ([1; 200], [2; 60]);
    let (mut theirs, mut ours, mut ticks) = (0, 0, 0);
    for tick in 0..900 {
        world.now = world.now + TICK;
        let now = world.now;
        let server = &mut world.server.driver;
        let mut steps = || {
            server.receive(now).expect("memory");
            server.handle_timeouts(now).expect("memory");
            while server.poll_event().is_some() {}
            for &peer in &peers {
                assert!(server.datagram_space(peer).is_some());
                server.send_datagram(peer, &down).expect("room");
            }
            server.flush(now).expect("memory");
        };
        if tick < 300 {
            steps();
        } else {
            let found = counted(steps);
            // The network in memory copies each datagram that it carries.
            (theirs, ours, ticks) = (theirs + found.0, ours + found.1 - peers.len() as u64, ticks + 1);
        }
        world.client.pump(now);
        world.client.events.clear();
        for &conn in &conns {
            world.client.driver.send_datagram(conn, &up).expect("room");
        }
        world.client.driver.flush(now).expect("memory");
    }
    let each = f64::from(ticks) * peers.len() as f64;
    println!(
        "allocations per client and tick: {} of quinn-proto, {} of ours",
        theirs as f64 / each,
        ours as f64 / each
    );
    assert_eq!(ours, 0);
}
