//! Counts allocations of this thread, and whose code asked for them. The counting allocator itself is the binary's: it is
//! the one place that needs unsafe code.

use std::backtrace::Backtrace;
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    /// `None` while nobody wants to know, or while the stack is looked at.
    static OWNERS: Cell<Option<Owners>> = const { Cell::new(None) };
}

/// Allocations by the code that asked for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// quinn-proto, and what it calls: TLS, ciphers.
    pub quic: u64,
    /// Everybody else.
    pub others: u64,
}

/// Notes an allocation of so many bytes. Called by the allocator.
pub fn note(bytes: usize) {
    // A thread that ends may allocate after its counters are gone; nobody asks for them any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes as i64));
    let _ = OWNERS.try_with(|owners| {
        // Taken, since looking allocates, too.
        let Some(mut found) = owners.take() else { return };
        if is_of_quic(&Backtrace::force_capture().to_string()) {
            found.quic += 1;
        } else {
            found.others += 1;
        }
        owners.set(Some(found));
    });
}

/// Notes that so many bytes were given back. Called by the allocator; does not allocate.
pub fn note_release(bytes: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get() - bytes as i64));
}

/// Allocations of this thread so far; 0 for ever where no counting allocator is installed.
#[must_use]
pub fn count() -> u64 {
    COUNT.with(Cell::get)
}

/// Bytes that this thread asked for so far, less those it gave back.
#[must_use]
pub fn live_bytes() -> i64 {
    LIVE.with(Cell::get)
}

/// Whether a counting allocator is installed.
#[must_use]
pub fn is_counting() -> bool {
    let before = count();
    drop(std::hint::black_box(Box::new(0_u8)));
    count() > before
}

/// Calls `f` and tells whose code allocated on this thread meanwhile. It takes a tenth of a millisecond for each, and needs
/// the names of functions in the binary.
pub fn attribute<T>(f: impl FnOnce() -> T) -> (T, Owners) {
    // The first look reads the names, which takes a second.
    drop(Backtrace::force_capture().to_string());
    OWNERS.set(Some(Owners::default()));
    let result = f();
    (result, OWNERS.take().unwrap_or_default())
}

/// Whether the innermost function of either side is quinn-proto's. Its file says whose a function is where it is known, its
/// name elsewhere.
fn is_of_quic(trace: &str) -> bool {
    let mut frames = trace.lines().map(str::trim_start).peekable();
    while let Some(name) = frames.next() {
        let place = frames.next_if(|line| line.starts_with("at "));
        let is_theirs = place.unwrap_or(name).contains(if place.is_some() { "/quinn-proto-" } else { "quinn_proto::" });
        if is_theirs || place.is_some_and(|place| place.contains("crates/transport/src/")) {
            return is_theirs;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_of_both_sides_owns_an_allocation() {
        let trace = |frames: &[(&str, &str)]| {
            let frame = |(number, (name, place)): (usize, &(&str, &str))| match *place {
                "" => format!("  {number}: {name}\n"),
                place => format!("  {number}: {name}\n             at {place}:3:5\n"),
            };
            frames.iter().enumerate().map(frame).collect::<String>()
        };
        let counter = ("note", "./benches/src/allocations.rs");
        let (poll, unknown) = (("poll<Session>", "/x/quinn-proto-0.11.19/src/connection/mod.rs"), ("rustls::seal", ""));
        let (named, ours) =
            (("quinn_proto::Connection::poll", ""), ("flush<Socket>", "./crates/transport/src/driver.rs"));
        for theirs in [poll, named] {
            assert!(is_of_quic(&trace(&[counter, unknown, theirs, ours])));
            assert!(!is_of_quic(&trace(&[counter, unknown, ours, theirs])));
        }
        assert!(!is_of_quic(&trace(&[counter, unknown])));
    }
}
