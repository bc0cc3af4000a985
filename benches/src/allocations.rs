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

/// Whether the innermost function that belongs to either side is quinn-proto's. A method of ours that quinn-proto calls
/// through its trait is ours: the type comes first in its name.
fn is_of_quic(trace: &str) -> bool {
    let functions = trace.lines().filter_map(|line| line.trim_start().split_once(": "));
    let functions = functions.filter(|(number, _)| number.parse::<u32>().is_ok()).map(|(_, name)| name);
    // The counter and the allocator around it are no owners.
    let callers =
        functions.skip_while(|name| !name.contains("GlobalAlloc")).filter(|name| !name.contains("GlobalAlloc"));
    let mut sides = callers.filter_map(|name| match (name.find("quinn_proto::"), name.find("downbeat")) {
        (Some(theirs), Some(ours)) => Some(theirs < ours),
        (None, None) => None,
        (theirs, _) => Some(theirs.is_some()),
    });
    sides.next().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_of_both_sides_owns_an_allocation() {
        let trace = |callers: &[&str]| {
            let frames =
                ["downbeat_benches::allocations::note", "<downbeat_benches::Counting as core::GlobalAlloc>::alloc"];
            let line = |(number, name): (usize, &&str)| {
                format!("  {number}: {name}\n      at ./downbeat/quinn_proto::x.rs:3\n")
            };
            frames.iter().chain(&["alloc::raw_vec::grow"]).chain(callers).enumerate().map(line).collect::<String>()
        };
        assert!(is_of_quic(&trace(&["quinn_proto::Connection::poll", "downbeat_transport::Core::flush"])));
        assert!(!is_of_quic(&trace(&["downbeat_transport::Core::flush", "quinn_proto::Connection::poll"])));
        assert!(!is_of_quic(&trace(&["<downbeat_transport::Pace as quinn_proto::Controller>::on_ack"])));
        assert!(is_of_quic(&trace(&["rustls::quic::seal", "<quinn_proto::Keys as downbeat_transport::X>::y"])));
        assert!(!is_of_quic(&trace(&["std::rt::main"])));
    }
}
