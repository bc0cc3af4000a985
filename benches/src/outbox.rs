//! The way from a room to its clients, with a clock: it copies each datagram and notes when each part of a tick begins.

use std::time::{Duration, Instant};

use downbeat_host::{Net, Phase, SessionId};

use crate::clock::thread_cpu;

/// Takes the room's datagrams into one buffer that is kept, and the times of its phases.
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// Where each datagram ends.
    ends: Vec<(SessionId, usize)>,
    /// The same of reliable events.
    reliable: Vec<u8>,
    reliable_ends: Vec<(SessionId, usize)>,
    space: usize,
    capture_began: Instant,
    interest_began: Instant,
    encode_began: Instant,
    cpu_began: Option<Duration>,
    /// How long the phases of the last tick took.
    pub(crate) capture: Duration,
    pub(crate) interest: Duration,
    pub(crate) encode: Duration,
    /// Processor time of all.
    pub(crate) cpu: Option<Duration>,
}

impl Outbox {
    /// Takes datagrams of up to `space` bytes.
    pub(crate) fn new(space: usize) -> Self {
        let now = Instant::now();
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            reliable: Vec::new(),
            reliable_ends: Vec::new(),
            space,
            capture_began: now,
            interest_began: now,
            encode_began: now,
            cpu_began: None,
            cpu: None,
            capture: Duration::ZERO,
            interest: Duration::ZERO,
            encode: Duration::ZERO,
        }
    }

    /// Empties it for the next tick.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.reliable.clear();
        self.reliable_ends.clear();
    }

    /// The tick is over.
    pub(crate) fn end(&mut self, ended: Instant) {
        self.capture = self.interest_began - self.capture_began;
        self.interest = self.encode_began - self.interest_began;
        self.encode = ended - self.encode_began;
        self.cpu = thread_cpu().zip(self.cpu_began).map(|(ended, began)| ended.saturating_sub(began));
    }

    /// What was sent in the tick.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (SessionId, &[u8])> {
        cut(&self.bytes, &self.ends)
    }

    /// The reliable events of the tick.
    pub(crate) fn reliable(&self) -> impl Iterator<Item = (SessionId, &[u8])> {
        cut(&self.reliable, &self.reliable_ends)
    }
}

fn cut<'a>(bytes: &'a [u8], ends: &'a [(SessionId, usize)]) -> impl Iterator<Item = (SessionId, &'a [u8])> {
    let starts = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end));
    ends.iter().zip(starts).map(|(&(session, end), start)| (session, &bytes[start..end]))
}

impl Net for Outbox {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(self.space)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        assert!(datagram.len() <= self.space, "{} bytes do not fit into {}", datagram.len(), self.space);
        self.bytes.extend_from_slice(datagram);
        self.ends.push((session, self.bytes.len()));
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        self.reliable.extend_from_slice(bytes);
        self.reliable_ends.push((session, self.reliable.len()));
    }

    fn phase(&mut self, phase: Phase) {
        match phase {
            Phase::Step => {}
            Phase::Capture => {
                self.cpu_began = thread_cpu();
                self.capture_began = Instant::now();
            }
            Phase::Interest => self.interest_began = Instant::now(),
            Phase::Encode => self.encode_began = Instant::now(),
        }
    }
}
