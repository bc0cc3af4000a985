//! Datagrams under way are neither here nor there. A bounded heap holds them, ordered by arrival; equal times keep the
//! order of sending, so that a run does not depend on the heap's layout.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use downbeat_wire::Micros;

use crate::link::{Fate, Link, LinkCounters};
use crate::spec::LinkSpec;

/// Datagrams that a [`Pipe`] holds at most. What comes on top is dropped and counted.
pub const PIPE_DATAGRAMS_MAX: usize = 16_384;

/// Things that arrive later, at most a given number of them.
#[derive(Clone, Debug)]
pub struct InFlight<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    most: usize,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Due<T> {
    at: Micros,
    sequence: u64,
    item: T,
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<T> InFlight<T> {
    /// Nothing under way, and never more than `most`.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { heap: BinaryHeap::new(), most, sequence: 0 }
    }

    /// Lets `item` arrive at `at`.
    ///
    /// # Errors
    /// Gives `item` back when there are `most` under way already.
    pub fn push(&mut self, at: Micros, item: T) -> Result<(), T> {
        if self.heap.len() >= self.most {
            return Err(item);
        }
        self.sequence += 1;
        self.heap.push(Reverse(Due { at, sequence: self.sequence, item }));
        Ok(())
    }

    /// The earliest that has arrived by `now`, with the time of its arrival.
    pub fn poll(&mut self, now: Micros) -> Option<(Micros, T)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| (due.at, due.item))
    }

    /// When the next one arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

/// A link and what is under way on it.
#[derive(Clone, Debug)]
pub struct Pipe<T> {
    link: Link,
    under_way: InFlight<T>,
    overflowed: u64,
}

impl<T> Pipe<T> {
    /// An empty pipe over a link like `spec`, holding at most [`PIPE_DATAGRAMS_MAX`] datagrams.
    #[must_use]
    pub fn new(spec: &LinkSpec, seed: u64) -> Self {
        Self { link: Link::new(spec, seed), under_way: InFlight::new(PIPE_DATAGRAMS_MAX), overflowed: 0 }
    }

    /// The earliest payload that has arrived by `now`, with the time of its arrival.
    pub fn poll(&mut self, now: Micros) -> Option<(Micros, T)> {
        self.under_way.poll(now)
    }

    /// When the next payload arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<Micros> {
        self.under_way.next_at()
    }

    /// Changes what the link is like from now on.
    pub fn set_spec(&mut self, spec: &LinkSpec) {
        self.link.set_spec(spec);
    }

    /// What the link did so far.
    #[must_use]
    pub const fn counters(&self) -> LinkCounters {
        self.link.counters()
    }

    /// Payloads dropped because the pipe was full: a run in which this is not zero says nothing about the link.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

impl<T: Clone> Pipe<T> {
    /// Sends `payload`, which counts `bytes` on the wire, and tells what becomes of it.
    pub fn send(&mut self, now: Micros, payload: T, bytes: usize) -> Fate {
        let fate = self.link.send(now, bytes);
        let full = match fate {
            Fate::Lost | Fate::Refused => false,
            Fate::Once(at) => self.under_way.push(at, payload).is_err(),
            Fate::Twice(first, second) => {
                let full = self.under_way.push(first, payload.clone()).is_err();
                self.under_way.push(second, payload).is_err() || full
            }
        };
        self.overflowed += u64::from(full);
        fate
    }
}
