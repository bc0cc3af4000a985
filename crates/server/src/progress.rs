//! Figures that other threads may read at any time, a beat old at most.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::Live;

/// Where shards leave their figures once a beat.
#[derive(Debug)]
pub struct Progress {
    shards: Vec<Left>,
}

#[derive(Debug, Default)]
struct Left {
    clients: AtomicU64,
    rooms: AtomicU64,
    ticks: AtomicU64,
    overruns: AtomicU64,
    ticks_left_out: AtomicU64,
    beats_unread: AtomicU64,
    rooms_lowered: AtomicU64,
    kernel_drops: AtomicU64,
    work_us: AtomicU64,
}

impl Progress {
    pub(crate) fn new(shards: u8) -> Self {
        Self { shards: (0..shards).map(|_| Left::default()).collect() }
    }

    /// What was left last, of all shards together.
    #[must_use]
    pub fn read(&self) -> Live {
        let sum = |of: fn(&Left) -> &AtomicU64| self.shards.iter().map(|left| of(left).load(Ordering::Relaxed)).sum();
        Live {
            clients: sum(|left| &left.clients),
            rooms: sum(|left| &left.rooms),
            ticks: sum(|left| &left.ticks),
            overruns: sum(|left| &left.overruns),
            ticks_left_out: sum(|left| &left.ticks_left_out),
            beats_unread: sum(|left| &left.beats_unread),
            rooms_lowered: sum(|left| &left.rooms_lowered),
            kernel_drops: sum(|left| &left.kernel_drops),
            work_us: self.shards.iter().map(|left| left.work_us.load(Ordering::Relaxed)).max().unwrap_or(0),
        }
    }

    pub(crate) fn leave(&self, shard: u8, live: &Live) {
        let write = |value: &AtomicU64, to| value.store(to, Ordering::Relaxed);
        let left = &self.shards[usize::from(shard)];
        write(&left.clients, live.clients);
        write(&left.rooms, live.rooms);
        write(&left.ticks, live.ticks);
        write(&left.overruns, live.overruns);
        write(&left.ticks_left_out, live.ticks_left_out);
        write(&left.beats_unread, live.beats_unread);
        write(&left.rooms_lowered, live.rooms_lowered);
        write(&left.kernel_drops, live.kernel_drops);
        write(&left.work_us, live.work_us);
    }
}
