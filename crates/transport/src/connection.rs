//! One connection: quinn-proto's state machine, its control stream, and what may wait for it.
//!
//! The driver's loop must neither queue without bound for a peer that does not read nor for one that does not stop
//! sending, so each direction of each kind has its cap here.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use downbeat_wire::{CloseCode, Micros};
use quinn_proto::{Connection, Dir, ReadError, StreamEvent, StreamId, VarInt};

use crate::clock::micros;
use crate::congestion::{Budget, rate_bytes_per_s};
use crate::counters::{ConnStats, DriverCounters};
use crate::event::{CloseReason, ConnId, ControlError, Event, SendError};
use crate::inflow::Inflow;
use crate::limits::{CLOSE_REASON_BYTES_MAX, CONTROL_BACKLOG_BYTES_MAX, EVENT_CONTROL_BYTES_MAX, EVENT_DATAGRAMS_MAX};
use crate::socket::Flow;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Handshake,
    Open,
    /// Closed for its owner; quinn-proto still answers late packets until it is drained.
    Closed,
}

/// A connection and its queues.
pub(crate) struct Slot {
    pub(crate) conn: Connection,
    pub(crate) id: ConnId,
    pub(crate) flow: Flow,
    pub(crate) phase: Phase,
    /// The owner knows the connection, so it hears of its end.
    pub(crate) is_announced: bool,
    pub(crate) is_dirty: bool,
    pub(crate) is_urgent: bool,
    /// Our entry in the timer heap.
    pub(crate) armed: Option<Micros>,
    pub(crate) inflow: Inflow,
    pub(crate) queued_datagrams: u32,
    pub(crate) queued_control_bytes: usize,
    /// Control bytes were left unread because too many wait for the owner.
    pub(crate) is_control_paused: bool,
    control: Option<StreamId>,
    backlog: VecDeque<u8>,
    /// Datagrams were left over when all that could be was sent.
    is_blocked: bool,
    budget: Budget,
    /// `send_buffer_space` of an empty buffer.
    empty_space_bytes: usize,
}

impl Slot {
    pub(crate) fn new(mut conn: Connection, id: ConnId, flow: Flow, is_announced: bool) -> Self {
        let empty_space_bytes = conn.datagrams().send_buffer_space();
        Self {
            conn,
            id,
            flow,
            phase: Phase::Handshake,
            is_announced,
            is_dirty: false,
            is_urgent: false,
            armed: None,
            inflow: Inflow::default(),
            queued_datagrams: 0,
            queued_control_bytes: 0,
            is_control_paused: false,
            control: None,
            backlog: VecDeque::new(),
            is_blocked: false,
            budget: Budget::default(),
            empty_space_bytes,
        }
    }

    /// The peer's address, an IPv4 one as such even on a dual-stack socket.
    pub(crate) fn remote(&self) -> SocketAddr {
        let remote = self.conn.remote_address();
        SocketAddr::new(remote.ip().to_canonical(), remote.port())
    }

    /// The handshake is complete.
    pub(crate) fn open(&mut self, events: &mut VecDeque<Event>) {
        self.phase = Phase::Open;
        self.is_announced = true;
        if self.conn.side().is_client() {
            self.control = self.conn.streams().open(Dir::Bi);
        }
        events.push_back(Event::Connected { conn: self.id, remote: self.remote() });
        self.write_backlog();
    }

    /// The connection is over for its owner.
    pub(crate) fn end(&mut self, reason: CloseReason, events: &mut VecDeque<Event>) {
        self.phase = Phase::Closed;
        self.backlog = VecDeque::new();
        if self.is_announced {
            events.push_back(Event::Closed { conn: self.id, reason });
        }
    }

    /// Closes the connection towards the peer; the caller calls [`end`](Self::end).
    pub(crate) fn close(&mut self, now: Instant, code: CloseCode, reason: &str) {
        let mut length = reason.len().min(CLOSE_REASON_BYTES_MAX);
        while !reason.is_char_boundary(length) {
            length -= 1;
        }
        let text = Bytes::copy_from_slice(&reason.as_bytes()[..length]);
        self.conn.close(now, VarInt::from_u32(code as u32), text);
    }

    /// Reacts to a stream event. Streams other than the control stream do not exist yet; their events mean nothing.
    pub(crate) fn handle_stream(&mut self, event: &StreamEvent, events: &mut VecDeque<Event>) {
        match event {
            StreamEvent::Opened { dir: Dir::Bi } => {
                while let Some(id) = self.conn.streams().accept(Dir::Bi) {
                    self.control = Some(id);
                }
                self.write_backlog();
                self.read_control(events);
            }
            StreamEvent::Readable { id } if self.control == Some(*id) => self.read_control(events),
            StreamEvent::Writable { id } if self.control == Some(*id) => self.write_backlog(),
            _ => {}
        }
    }

    /// Gives the owner what the control stream holds, up to what may wait for the owner.
    pub(crate) fn read_control(&mut self, events: &mut VecDeque<Event>) {
        let Some(id) = self.control else { return };
        let mut stream = self.conn.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else { return };
        loop {
            let room = EVENT_CONTROL_BYTES_MAX.saturating_sub(self.queued_control_bytes);
            self.is_control_paused = room == 0;
            if room == 0 {
                break;
            }
            match chunks.next(room) {
                Ok(Some(chunk)) => {
                    self.queued_control_bytes += chunk.bytes.len();
                    events.push_back(Event::Control { conn: self.id, bytes: chunk.bytes });
                }
                // The peer ended its side: nothing more will come, and the connection goes on.
                Ok(None) | Err(ReadError::Reset(_)) | Err(ReadError::Blocked) => break,
            }
        }
        // New flow control credit goes out with the next packet: the slot is dirty whenever this is called.
        let _ = chunks.finalize();
    }

    /// Takes control bytes for the peer.
    pub(crate) fn write_control(&mut self, bytes: &[u8]) -> Result<(), ControlError> {
        if self.phase == Phase::Closed {
            return Err(ControlError::NotOpen);
        }
        if self.backlog.len() + bytes.len() > CONTROL_BACKLOG_BYTES_MAX {
            return Err(ControlError::Overloaded);
        }
        self.backlog.extend(bytes);
        self.write_backlog();
        Ok(())
    }

    /// Control bytes that wait because QUIC's own buffer is full.
    pub(crate) fn control_backlog(&self) -> usize {
        self.backlog.len()
    }

    fn write_backlog(&mut self) {
        let Some(id) = self.control.filter(|_| self.phase == Phase::Open) else { return };
        while !self.backlog.is_empty() {
            let (front, _) = self.backlog.as_slices();
            // Blocked: `Writable` comes. Stopped by the peer: the backlog fills and closes the connection.
            let Ok(written) = self.conn.send_stream(id).write(front) else { return };
            self.backlog.drain(..written);
        }
    }

    /// Gives the owner the datagrams of the packet that was just handled.
    pub(crate) fn read_datagrams(&mut self, at: Micros, events: &mut VecDeque<Event>, counters: &mut DriverCounters) {
        while let Some(payload) = self.conn.datagrams().recv() {
            if self.phase != Phase::Open || self.queued_datagrams >= EVENT_DATAGRAMS_MAX {
                counters.events_dropped += 1;
                continue;
            }
            self.queued_datagrams += 1;
            events.push_back(Event::Datagram { conn: self.id, payload, at });
        }
    }

    /// Bytes that a datagram may have at `now`.
    pub(crate) fn datagram_space(&mut self, now: Micros) -> Result<usize, SendError> {
        if self.phase != Phase::Open {
            return Err(SendError::NotOpen);
        }
        let datagrams = self.conn.datagrams();
        let space = datagrams.max_size().map(|most| most.min(datagrams.send_buffer_space()));
        let most_bytes = space.filter(|&bytes| bytes > 0).ok_or(SendError::Blocked)?;
        if self.is_blocked || !self.budget.has_room(now, self.conn.congestion_state(), most_bytes) {
            return Err(SendError::Blocked);
        }
        Ok(most_bytes)
    }

    /// Queues a datagram no larger than the space that was just asked for.
    pub(crate) fn send_datagram(&mut self, payload: Bytes) -> Result<(), SendError> {
        let bytes = payload.len();
        self.conn.datagrams().send(payload, false).map_err(|_| SendError::Blocked)?;
        self.budget.spend(bytes);
        Ok(())
    }

    /// Notes whether a datagram stayed behind after all that could be was sent.
    pub(crate) fn settle(&mut self) {
        self.is_blocked = self.conn.datagrams().send_buffer_space() < self.empty_space_bytes;
    }

    pub(crate) fn stats(&self) -> ConnStats {
        let stats = self.conn.stats();
        ConnStats {
            rtt: micros(stats.path.rtt),
            rtt_min: micros(self.conn.min_rtt()),
            window_bytes: stats.path.cwnd,
            rate_bytes_per_s: rate_bytes_per_s(self.conn.congestion_state()),
            sent_packets: stats.path.sent_packets,
            lost_packets: stats.path.lost_packets,
            datagrams_out: stats.udp_tx.datagrams,
            bytes_out: stats.udp_tx.bytes,
            datagrams_in: stats.udp_rx.datagrams,
            bytes_in: stats.udp_rx.bytes,
            mtu: stats.path.current_mtu,
        }
    }
}
