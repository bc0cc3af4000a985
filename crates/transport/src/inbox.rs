//! What arrives: datagrams from the socket, routed to connections that may receive so much and no more.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use downbeat_wire::{CloseCode, Micros};
use quinn_proto::{ConnectionEvent, DatagramEvent, EcnCodepoint};

use crate::connection::Phase;
use crate::core::Core;
use crate::event::ConnId;
use crate::inflow::{Excess, Verdict};
use crate::limits::WORK_PER_S;
use crate::socket::Received;

/// A datagram from the socket, copied out of its buffer.
pub(crate) struct Packet {
    pub(crate) at: Micros,
    pub(crate) remote: SocketAddr,
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) ecn: u8,
    pub(crate) data: BytesMut,
}

/// A packet of an unfinished handshake.
pub(crate) struct HandshakePacket {
    pub(crate) id: ConnId,
    pub(crate) at: Micros,
    pub(crate) event: ConnectionEvent,
}

impl Core {
    /// Keeps a UDP datagram to take it in.
    pub(crate) fn keep(&mut self, datagram: &Received<'_>) {
        self.counters.datagrams_in += 1;
        self.counters.bytes_in += datagram.payload.len() as u64;
        let packet = Packet {
            at: datagram.at,
            remote: datagram.remote,
            local_ip: datagram.local_ip,
            ecn: datagram.ecn,
            data: self.arena_in.copy(datagram.payload),
        };
        self.arrived.push_back(packet);
    }

    /// Datagrams may be taken in for as long as one call may last.
    pub(crate) fn begin_receive(&mut self) {
        self.received_for = Duration::ZERO;
        self.stopwatch.begin();
    }

    pub(crate) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Takes in the datagrams that were kept; false when time is up before.
    pub(crate) fn take_in(&mut self) -> bool {
        self.received_for += self.stopwatch.lap();
        while let Some(packet) = self.arrived.pop_front() {
            if let Some(packet) = self.set_aside_first_packet(packet)
                && let Some(packet) = self.route(packet)
            {
                self.defer(packet);
            }
            self.received_for += self.stopwatch.lap();
            if self.received_for > self.receive_time {
                return false;
            }
        }
        true
    }

    /// Gives a datagram to the connection it belongs to; gives back what belongs to an unfinished handshake.
    pub(crate) fn route(&mut self, packet: Packet) -> Option<HandshakePacket> {
        let Packet { at, remote, local_ip, ecn, data } = packet;
        self.scratch.clear();
        let instant = self.epoch.instant(at);
        let (ecn, bytes) = (EcnCodepoint::from_bits(ecn), data.len());
        let routed = self.endpoint.handle(instant, remote, local_ip, ecn, data, &mut self.scratch);
        match routed {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let slot = self.slots[handle.0].as_deref().expect("freed together with quinn-proto's");
                let id = slot.id;
                match slot.phase {
                    // Nobody moves while in a handshake.
                    Phase::Handshake if slot.conn.remote_address() != remote => self.counters.ignored += 1,
                    Phase::Handshake => return Some(HandshakePacket { id, at, event }),
                    Phase::Open | Phase::Closed => self.deliver(id, at, bytes, event),
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.admit(at, incoming),
            Some(DatagramEvent::Response(transmit)) => self.respond(&transmit),
            None => self.counters.ignored += 1,
        }
        None
    }

    /// Gives a packet to a connection, unless that received too much before.
    fn deliver(&mut self, id: ConnId, at: Micros, bytes: usize, event: ConnectionEvent) {
        let Some(limit) = self.handshakes.inflow_limit() else {
            self.read(id, at, event);
            return;
        };
        let slot = self.slots[id.index()].as_deref_mut().expect("it was found just now");
        let (excess, lasts) = match slot.inflow.judge(at, limit) {
            Verdict::Read => {
                let frames = self.read(id, at, event);
                let lap = self.stopwatch.lap();
                self.received_for += lap;
                let work = self.stopwatch.cost(lap, frames);
                // What did not decrypt may be anybody's, and is no reason to read less of what does.
                if let Some(slot) = self.slot_mut(id).filter(|_| frames > 0) {
                    slot.inflow.charge(at, bytes, work, limit);
                }
                return;
            }
            Verdict::Drop(excess) => (excess, false),
            Verdict::Close(excess) => (excess, true),
        };
        match excess {
            Excess::Packets => self.counters.packets_dropped += 1,
            Excess::Bytes => self.counters.packets_heavy += 1,
            Excess::Work => self.counters.packets_costly += 1,
        }
        if lasts {
            let reason = match excess {
                Excess::Packets => format!("more than {} packets per second", limit.per_s),
                Excess::Bytes => format!("more than {} bytes per second", limit.bytes_per_s),
                Excess::Work => format!("its packets take more than {} ms per second", WORK_PER_S.as_millis()),
            };
            self.close(at, id, CloseCode::Flooding, &reason);
        }
    }

    /// Lets a connection read a packet and handles what it has to say; returns the frames that were in it.
    pub(crate) fn read(&mut self, id: ConnId, at: Micros, event: ConnectionEvent) -> u64 {
        let Some(slot) = self.slot_mut(id) else { return 0 };
        slot.conn.handle_event(event);
        let frames = slot.poll_frames();
        self.process(id, at);
        frames
    }
}
