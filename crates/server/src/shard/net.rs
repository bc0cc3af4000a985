//! The way from a room to its clients' connections, while the room ticks.

use std::io;

use downbeat_host::limits::SNAPSHOT_BYTES_MIN;
use downbeat_host::{Net, Phase, SessionId};
use downbeat_transport::{Clock, Driver, Socket};
use downbeat_wire::Micros;

use super::rooms::Careful;
use super::sessions::Sessions;
use crate::limits::DRAIN_INTERVAL;
use crate::meter::{Laps, Part};
use crate::metrics::Histogram;

/// What a room reaches through [`Net`]. The sockets are drained between its phases; what they bring is handled after the
/// tick, with the time of its arrival.
pub(crate) struct RoomNet<'a, S> {
    pub(crate) drivers: &'a mut [Driver<S>],
    pub(crate) sessions: &'a Sessions,
    pub(crate) laps: &'a mut Laps,
    snapshot_bytes: &'a Histogram,
    pub(crate) clock: Clock,
    /// When the tick began.
    now: Micros,
    /// From one snapshot to the next.
    interval: Micros,
    pub(crate) drained_at: Micros,
    sends: u32,
    is_within: bool,
    /// A socket is of no use any more.
    pub(crate) error: Option<io::Error>,
}

/// Snapshots between two looks at the clock.
const SENDS_BETWEEN: u32 = 8;

impl<'a, S: Socket> RoomNet<'a, S> {
    pub(crate) fn new(
        drivers: &'a mut [Driver<S>],
        sessions: &'a Sessions,
        laps: &'a mut Laps,
        snapshot_bytes: &'a Histogram,
        clock: Clock,
        now: Micros,
        interval: Micros,
    ) -> Self {
        Self {
            drivers,
            sessions,
            laps,
            snapshot_bytes,
            clock,
            now,
            interval,
            drained_at: now,
            sends: 0,
            is_within: false,
            error: None,
        }
    }

    fn drain(&mut self) {
        let part = self.laps.turn(Part::Receive);
        let now = self.clock.now();
        self.drained_at = now;
        for driver in &mut *self.drivers {
            if let Err(error) = driver.receive(now) {
                self.error.get_or_insert(error);
            }
        }
        self.laps.turn(part);
    }

    /// Runs `f`, whose panics are not the room's.
    fn within<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        self.is_within = true;
        let result = f(self);
        self.is_within = false;
        result
    }
}

impl<S: Socket> Net for RoomNet<'_, S> {
    fn space(&mut self, session: SessionId) -> Option<usize> {
        self.within(|net| {
            let link = net.sessions.get(session)?.link?;
            net.drivers[link.driver].datagram_share(link.conn, net.interval, SNAPSHOT_BYTES_MIN)
        })
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.within(|net| {
            let Some(link) = net.sessions.get(session).and_then(|session| session.link) else { return };
            // It asked for the space just now; what is lost all the same, the next snapshot tells again.
            let _ = net.drivers[link.driver].send_datagram(link.conn, datagram);
            net.snapshot_bytes.note(datagram.len() as u64);
            net.sends += 1;
            if net.sends.is_multiple_of(SENDS_BETWEEN) && net.clock.now().since(net.drained_at) >= DRAIN_INTERVAL {
                net.drain();
            }
        });
    }

    fn send_reliable(&mut self, session: SessionId, bytes: &[u8]) {
        self.within(|net| {
            let Some(link) = net.sessions.get(session).and_then(|session| session.link) else { return };
            // Who does not read is closed by the driver, which tells so by an event; the session ends with it.
            let _ = net.drivers[link.driver].send_reliable(net.now, link.conn, bytes);
        });
    }

    fn phase(&mut self, phase: Phase) {
        self.within(|net| {
            net.laps.turn(phase.into());
            if net.clock.now().since(net.drained_at) >= DRAIN_INTERVAL {
                net.drain();
            }
        });
    }
}

impl<S: Socket> Careful for RoomNet<'_, S> {
    fn was_within(&self) -> bool {
        self.is_within
    }
}
