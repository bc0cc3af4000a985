//! Figures that other threads may read at any time, a beat old at most.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::Live;

/// Where a shard leaves its figures once a beat.
#[derive(Debug, Default)]
pub struct Progress {
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
    /// What was left last.
    #[must_use]
    pub fn read(&self) -> Live {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        Live {
            clients: read(&self.clients),
            rooms: read(&self.rooms),
            ticks: read(&self.ticks),
            overruns: read(&self.overruns),
            ticks_left_out: read(&self.ticks_left_out),
            beats_unread: read(&self.beats_unread),
            rooms_lowered: read(&self.rooms_lowered),
            kernel_drops: read(&self.kernel_drops),
            work_us: read(&self.work_us),
        }
    }

    pub(crate) fn leave(&self, live: &Live) {
        let write = |value: &AtomicU64, to| value.store(to, Ordering::Relaxed);
        write(&self.clients, live.clients);
        write(&self.rooms, live.rooms);
        write(&self.ticks, live.ticks);
        write(&self.overruns, live.overruns);
        write(&self.ticks_left_out, live.ticks_left_out);
        write(&self.beats_unread, live.beats_unread);
        write(&self.rooms_lowered, live.rooms_lowered);
        write(&self.kernel_drops, live.kernel_drops);
        write(&self.work_us, live.work_us);
    }
}
