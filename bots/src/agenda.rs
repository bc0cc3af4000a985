//! Which bot is due when. Each bot is due once at most, so a wake-up costs a few comparisons however many there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use downbeat_wire::Micros;

/// Bots by the time at which they want to be woken.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(Micros, u32)>>,
    /// When each bot is due. What else the heap has of it is of a connection that it had before.
    due: Vec<Option<Micros>>,
}

impl Agenda {
    /// Bot `index` wants to be woken `at`, and at no other time that it asked for before.
    pub(crate) fn add(&mut self, at: Micros, index: usize) {
        if self.due.len() <= index {
            self.due.resize(index + 1, None);
        }
        if self.due[index].replace(at) != Some(at) {
            self.heap.push(Reverse((at, index as u32)));
        }
    }

    /// The earliest time that anybody asked for.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A bot that is due at `now`, and since when.
    pub(crate) fn pop(&mut self, now: Micros) -> Option<(Micros, usize)> {
        while self.next_at()? <= now {
            let Reverse((at, index)) = self.heap.pop()?;
            if self.due[index as usize] == Some(at) {
                self.due[index as usize] = None;
                return Some((at, index as usize));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_again_is_woken_once() {
        let mut agenda = Agenda::default();
        agenda.add(Micros(100), 3);
        agenda.add(Micros(150), 0);
        // It lost its connection, came back, and begins anew.
        agenda.add(Micros(120), 3);
        let mut woken = Vec::new();
        for now in (0..1_000).map(Micros) {
            while let Some((due, index)) = agenda.pop(now) {
                woken.push((due.0, now.0, index));
                if now < Micros(300) {
                    agenda.add(now + Micros(100), index);
                }
            }
        }
        assert_eq!(woken, [120, 150, 220, 250, 320, 350].map(|at| (at, at, usize::from(at % 100 == 20) * 3)));
        assert_eq!(agenda.next_at(), None, "nothing of it stays");
        agenda.add(Micros(2_000), 3);
        agenda.add(Micros(2_000), 3);
        assert_eq!(agenda.pop(Micros(2_000)), Some((Micros(2_000), 3)));
        assert_eq!(agenda.pop(Micros(9_000)), None);
    }
}
