//! Counts allocations of this thread. The counting allocator itself is the binary's: it is the one place that needs
//! unsafe code.

use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Notes an allocation. Called by the allocator; does not allocate.
pub fn note() {
    // A thread that ends may allocate after its counter is gone; nobody asks for it any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

/// Allocations of this thread so far; 0 for ever where no counting allocator is installed.
#[must_use]
pub fn count() -> u64 {
    COUNT.with(Cell::get)
}

/// Whether a counting allocator is installed.
#[must_use]
pub fn is_counting() -> bool {
    let before = count();
    drop(std::hint::black_box(Box::new(0_u8)));
    count() > before
}
