//! One connection: quinn-proto's state machine, its streams, and what may wait for it.
//!
//! The driver's loop must neither queue without bound for a peer that does not read nor for one that does not stop
//! sending, so each direction of each kind has its cap here.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use downbeat_wire::{CloseCode, Micros};
use quinn_proto::{Connection, Dir, StreamEvent, VarInt};

use crate::clock::micros;
use crate::congestion::rate_bytes_per_s;
use crate::counters::{ConnStats, DriverCounters};
use crate::event::{CloseReason, ConnId, ControlError, Event, SendError};
use crate::gate::Gate;
use crate::inflow::Inflow;
use crate::limits::{
    CLOSE_REASON_BYTES_MAX, CONTROL_BACKLOG_BYTES_MAX, EVENT_CONTROL_BYTES_MAX, EVENT_DATAGRAMS_MAX,
    EVENT_RELIABLE_BYTES_MAX, RELIABLE_BACKLOG_BYTES_MAX,
};
use crate::socket::Flow;
use crate::streams::{Full, Inlet, Outlet};

/// At 60 packets a second, a connection is asked for all eight times a second.
const PACKETS_UNTIL_ASKED: u8 = 7;

/// How much of what a connection could send is in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    All,
    /// There may be more.
    Part,
}

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
    /// Whom it is flushed with.
    pub(crate) group: u16,
    pub(crate) is_urgent: bool,
    /// Our entry in the timer heap.
    pub(crate) armed: Option<Micros>,
    /// When the connection wanted its timers looked at, as of its last packet out. It is put off with nearly each.
    pub(crate) deadline: Option<Micros>,
    pub(crate) inflow: Inflow,
    /// Times that packets are made until the connection is next asked until it has none.
    until_asked: u8,
    /// Frames of the peer's that were read.
    frames: u64,
    /// What the packets of the handshake took, and how many of them wait.
    pub(crate) handshake_work: Duration,
    pub(crate) handshake_packets: u32,
    pub(crate) queued_datagrams: u32,
    /// The control stream, both ways.
    pub(crate) control_in: Inlet,
    control_out: Outlet,
    /// The stream that the server opens for what must arrive: a client reads it, a server writes it.
    pub(crate) reliable_in: Inlet,
    reliable_out: Outlet,
    gate: Gate,
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
            group: 0,
            is_urgent: false,
            armed: None,
            deadline: None,
            inflow: Inflow::default(),
            until_asked: 0,
            frames: 0,
            handshake_work: Duration::ZERO,
            handshake_packets: 0,
            queued_datagrams: 0,
            control_in: Inlet::default(),
            control_out: Outlet::default(),
            reliable_in: Inlet::default(),
            reliable_out: Outlet::default(),
            gate: Gate::default(),
            empty_space_bytes,
        }
    }

    /// The peer's address, an IPv4 one as such even on a dual-stack socket.
    pub(crate) fn remote(&self) -> SocketAddr {
        let remote = self.conn.remote_address();
        SocketAddr::new(remote.ip().to_canonical(), remote.port())
    }

    /// Frames that were read since the last call. None: whatever was handled did not decrypt, or was read before.
    pub(crate) fn poll_frames(&mut self) -> u64 {
        let read = frames_read(&self.conn);
        read - std::mem::replace(&mut self.frames, read)
    }

    /// The handshake is complete.
    pub(crate) fn open(&mut self, events: &mut VecDeque<Event>) {
        self.phase = Phase::Open;
        self.is_announced = true;
        self.gate.open(&mut self.conn);
        if self.conn.side().is_client()
            && let Some(id) = self.conn.streams().open(Dir::Bi)
        {
            self.control_in.open(id);
            self.control_out.open(Some(id));
        }
        events.push_back(Event::Connected { conn: self.id, remote: self.remote() });
        self.control_out.write(&mut self.conn);
    }

    /// The connection is over for its owner.
    pub(crate) fn end(&mut self, reason: CloseReason, events: &mut VecDeque<Event>) {
        self.phase = Phase::Closed;
        self.control_out.clear();
        self.reliable_out.clear();
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

    /// Reacts to a stream event. No other streams than the two exist.
    pub(crate) fn handle_stream(&mut self, event: &StreamEvent, events: &mut VecDeque<Event>) {
        match event {
            StreamEvent::Opened { dir: Dir::Bi } => {
                while let Some(id) = self.conn.streams().accept(Dir::Bi) {
                    self.control_in.open(id);
                    self.control_out.open(Some(id));
                }
                self.control_out.write(&mut self.conn);
                self.read_control(events);
            }
            StreamEvent::Opened { dir: Dir::Uni } => {
                while let Some(id) = self.conn.streams().accept(Dir::Uni) {
                    self.reliable_in.open(id);
                }
                self.read_reliable(events);
            }
            StreamEvent::Readable { id } if self.control_in.is(*id) => self.read_control(events),
            StreamEvent::Readable { id } if self.reliable_in.is(*id) => self.read_reliable(events),
            StreamEvent::Writable { id } if self.control_out.is(*id) => self.control_out.write(&mut self.conn),
            StreamEvent::Writable { id } if self.reliable_out.is(*id) => self.reliable_out.write(&mut self.conn),
            _ => {}
        }
    }

    /// Gives the owner what the control stream holds, up to what may wait for the owner.
    pub(crate) fn read_control(&mut self, events: &mut VecDeque<Event>) {
        let Self { control_in, conn, id, .. } = self;
        control_in.read(conn, EVENT_CONTROL_BYTES_MAX, |bytes| events.push_back(Event::Control { conn: *id, bytes }));
    }

    /// Likewise, what must arrive.
    pub(crate) fn read_reliable(&mut self, events: &mut VecDeque<Event>) {
        let Self { reliable_in, conn, id, .. } = self;
        reliable_in
            .read(conn, EVENT_RELIABLE_BYTES_MAX, |bytes| events.push_back(Event::Reliable { conn: *id, bytes }));
    }

    /// Takes control bytes for the peer.
    pub(crate) fn write_control(&mut self, bytes: &[u8]) -> Result<(), ControlError> {
        if self.phase == Phase::Closed {
            return Err(ControlError::NotOpen);
        }
        self.control_out.push(bytes, CONTROL_BACKLOG_BYTES_MAX).map_err(|Full| ControlError::Overloaded)?;
        if self.phase == Phase::Open {
            self.control_out.write(&mut self.conn);
        }
        Ok(())
    }

    /// Takes bytes that must arrive at the peer, a client; the first ones open the stream.
    pub(crate) fn write_reliable(&mut self, bytes: &[u8]) -> Result<(), ControlError> {
        if self.phase != Phase::Open {
            return Err(ControlError::NotOpen);
        }
        if !self.reliable_out.is_open() {
            self.reliable_out.open(self.conn.streams().open(Dir::Uni));
        }
        self.reliable_out.push(bytes, RELIABLE_BACKLOG_BYTES_MAX).map_err(|Full| ControlError::Overloaded)?;
        self.reliable_out.write(&mut self.conn);
        Ok(())
    }

    /// Control bytes that wait because QUIC's own buffer is full.
    pub(crate) fn control_backlog(&self) -> usize {
        self.control_out.backlog()
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
        if self.phase == Phase::Open { self.gate.space(now) } else { Err(SendError::NotOpen) }
    }

    /// Bytes that a datagram may have at `now` if one leaves every `interval`.
    pub(crate) fn datagram_share(&mut self, now: Micros, interval: Micros, least: usize) -> Result<usize, SendError> {
        if self.phase == Phase::Open { self.gate.share(now, interval, least) } else { Err(SendError::NotOpen) }
    }

    /// Takes a datagram no larger than the space that was just asked for.
    pub(crate) fn send_datagram(&mut self, payload: Bytes) {
        self.gate.take(&mut self.conn, payload);
    }

    /// The connection heard from its peer, or its timer fired.
    pub(crate) fn hear(&mut self) {
        self.gate.hear(&self.conn);
    }

    /// The connection is about to make packets. Returns whether it is to be asked for them until it has none: probes, of
    /// larger packets and of a peer that is silent, are packets of their own, which follow a timer or come now and then.
    /// Asking in vain costs a tenth of making a packet.
    pub(crate) fn begin_packets(&mut self) -> bool {
        self.gate.pass(&mut self.conn);
        let is_asked = self.phase != Phase::Open || self.until_asked == 0;
        self.until_asked = if is_asked { PACKETS_UNTIL_ASKED } else { self.until_asked - 1 };
        is_asked
    }

    /// Whether a packet of `bytes` that was just made surely holds all that could be sent.
    ///
    /// quinn-proto fills a packet with all that it has. Frames that are left do not fit, so the packet is nearly full or they
    /// are datagrams.
    pub(crate) fn said(&mut self, bytes: usize) -> Said {
        let is_all = self.gate.is_small(bytes) && self.conn.datagrams().send_buffer_space() >= self.empty_space_bytes;
        if is_all { Said::All } else { Said::Part }
    }

    /// A timer fired: what it wants to send may be several packets.
    pub(crate) const fn hear_timer(&mut self) {
        self.until_asked = 0;
    }

    /// All that could be was sent.
    pub(crate) fn settle(&mut self) {
        self.gate.settle(&mut self.conn, self.empty_space_bytes);
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

/// All frames that a connection ever read. quinn-proto counts them after decrypting, one by one.
fn frames_read(conn: &Connection) -> u64 {
    let count = conn.stats().frame_rx;
    let of_streams = count.stream + count.reset_stream + count.stop_sending + count.max_data + count.max_stream_data;
    let of_limits = count.max_streams_bidi + count.max_streams_uni + count.streams_blocked_bidi;
    let of_blocks = count.streams_blocked_uni + count.data_blocked + count.stream_data_blocked;
    let of_ids = count.new_connection_id + count.retire_connection_id + count.new_token;
    let of_paths = count.path_challenge + count.path_response + u64::from(count.handshake_done);
    let of_acks = count.acks + count.ack_frequency + count.immediate_ack + count.ping;
    let of_data = count.crypto + count.datagram + count.connection_close;
    of_streams + of_limits + of_blocks + of_ids + of_paths + of_acks + of_data
}
