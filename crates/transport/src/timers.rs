//! Hundreds of connections move their deadlines with every packet, mostly to later. A heap holds one entry for each; it is
//! replaced only by an earlier one, and an entry that comes up too early is put back at the true time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use downbeat_wire::Micros;

use crate::event::ConnId;

/// Deadlines of connections.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Micros, ConnId)>>,
}

impl Timers {
    /// Makes sure that `conn` comes up at `deadline` or before. `armed` is the connection's entry in the heap.
    pub(crate) fn arm(&mut self, conn: ConnId, armed: &mut Option<Micros>, deadline: Option<Micros>) {
        let Some(deadline) = deadline else { return };
        if armed.is_none_or(|armed| deadline < armed) {
            self.heap.push(Reverse((deadline, conn)));
            *armed = Some(deadline);
        }
    }

    /// The next entry that is due. It counts only if it is the one its connection is armed with.
    pub(crate) fn pop(&mut self, now: Micros) -> Option<(Micros, ConnId)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// The earliest entry; it may turn out to be too early, never too late.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_deadline_replaces_and_a_later_one_waits() {
        let mut timers = Timers::default();
        let conn = ConnId { index: 3, generation: 1 };
        let mut armed = None;
        for (deadline, expected) in [(50, 50), (80, 50), (20, 20)] {
            timers.arm(conn, &mut armed, Some(Micros(deadline)));
            assert_eq!(armed, Some(Micros(expected)));
            assert_eq!(timers.next_at(), armed);
        }
        assert_eq!(timers.pop(Micros(19)), None);
        assert_eq!(timers.pop(Micros(20)), Some((Micros(20), conn)));
    }
}
