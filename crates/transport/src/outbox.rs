//! What leaves: packets of connections, and answers of the endpoint.

use downbeat_wire::Micros;

use crate::connection::Said;
use crate::core::Core;
use crate::event::ConnId;

impl Core {
    /// Puts what the endpoint wrote into `scratch` on its way out.
    pub(crate) fn respond(&mut self, transmit: &quinn_proto::Transmit) {
        // Full only when a socket gave more than a batch at once. The peer asks again.
        let Some(out) = self.outgoing.vacant() else { return };
        out.remote = transmit.destination;
        out.local_ip = transmit.src_ip;
        out.ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
        out.flow = None;
        out.payload.extend_from_slice(&self.scratch[..transmit.size]);
        self.outgoing.commit();
        self.counters.datagrams_out += 1;
        self.counters.bytes_out += transmit.size as u64;
    }

    /// Writes a connection's next packet into the outgoing batch, which must have room, and tells what is in it; `None` when
    /// there is no packet.
    pub(crate) fn poll_transmit(&mut self, now: Micros, id: ConnId) -> Option<Said> {
        let instant = self.epoch.instant(now);
        let slot = self.slots[id.index()].as_deref_mut().filter(|slot| slot.id == id)?;
        let out = self.outgoing.vacant().expect("the caller sends full batches");
        let transmit = slot.conn.poll_transmit(instant, 1, &mut out.payload)?;
        out.remote = transmit.destination;
        out.local_ip = transmit.src_ip;
        out.ecn = transmit.ecn.map_or(0, |ecn| ecn as u8);
        out.flow = Some(slot.flow);
        self.outgoing.commit();
        self.counters.datagrams_out += 1;
        self.counters.bytes_out += transmit.size as u64;
        Some(slot.said(transmit.size))
    }

    /// After a connection sent what it could: its deadline, and whether something stayed behind.
    pub(crate) fn settle(&mut self, id: ConnId) {
        if self.pump(id) {
            return;
        }
        let slot = self.slots[id.index()].as_deref_mut().expect("pump says when it is gone");
        slot.settle();
        slot.deadline = slot.conn.poll_timeout().map(|at| self.epoch.micros_after(at));
        self.timers.arm(id, &mut slot.armed, slot.deadline);
    }
}
