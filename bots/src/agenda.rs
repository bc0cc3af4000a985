//! Which bot is due when. Each bot has one entry at most, so a wake-up costs a few comparisons however many there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use downbeat_wire::Micros;

/// Bots by the time at which they want to be woken.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(Micros, u32)>>,
}

impl Agenda {
    /// Bot `index` wants to be woken `at`. It must not be waiting already.
    pub(crate) fn add(&mut self, at: Micros, index: usize) {
        self.heap.push(Reverse((at, index as u32)));
    }

    /// The earliest time.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A bot that is due at `now`, and since when.
    pub(crate) fn pop(&mut self, now: Micros) -> Option<(Micros, usize)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, index))| (at, index as usize))
    }
}
