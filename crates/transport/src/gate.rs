//! Before it encodes for a client, a room asks how much may be sent. Between two packets most of a connection lies far from
//! the processor, and looking there takes longer than the answer. So the answer is made of a few numbers that are noted
//! while the connection is near: after each packet in or out. Nothing changes them in between.
//!
//! For the same reason a datagram waits here until its packet is made.

use bytes::Bytes;
use downbeat_wire::Micros;
use quinn_proto::Connection;

use crate::congestion::{Budget, Share, Standing};
use crate::event::SendError;
use crate::limits::DATAGRAM_SEND_BUFFER_BYTES;

/// What QUIC's buffer takes for a datagram beyond its payload, at most.
const BUFFER_OVERHEAD_BYTES: usize = 64;

/// Frames that cannot be cut are shorter, datagrams apart.
const FRAME_BYTES_MAX: usize = 128;

/// What may be sent to a peer, and the datagram that waits for its packet.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    waiting: Option<Bytes>,
    standing: Standing,
    budget: Budget,
    share: Share,
    /// The largest datagram that path and peer take; 0 = none.
    most_bytes: usize,
    /// What was queued since the last packet was made, as QUIC's buffer counts it.
    queued_bytes: usize,
    /// Datagrams were left over when all that could be was sent.
    is_blocked: bool,
}

impl Gate {
    /// The connection is open.
    pub(crate) fn open(&mut self, conn: &mut Connection) {
        self.most_bytes = conn.datagrams().max_size().unwrap_or(0);
        self.standing = Standing::of(conn.congestion_state(), conn.rtt(), self.most_bytes);
    }

    /// The connection heard from its peer, or its timer fired.
    pub(crate) fn hear(&mut self, conn: &Connection) {
        self.standing.hear(conn.congestion_state());
    }

    /// Notes whether a datagram stayed behind after all that could be was sent. `empty_bytes` is the space of an empty
    /// buffer.
    pub(crate) fn settle(&mut self, conn: &mut Connection, empty_bytes: usize) {
        self.is_blocked = conn.datagrams().send_buffer_space() < empty_bytes;
        self.queued_bytes = 0;
        self.open(conn);
    }

    /// Bytes that a datagram may have at `now`.
    pub(crate) fn space(&mut self, now: Micros) -> Result<usize, SendError> {
        let buffer_bytes = DATAGRAM_SEND_BUFFER_BYTES.saturating_sub(self.queued_bytes + BUFFER_OVERHEAD_BYTES);
        let space = self.most_bytes.min(buffer_bytes);
        if space == 0 || self.is_blocked || !self.budget.has_room(now, &self.standing) {
            return Err(SendError::Blocked);
        }
        Ok(space)
    }

    /// Bytes that a datagram may have at `now` if one leaves every `interval`.
    pub(crate) fn share(&mut self, now: Micros, interval: Micros, least_bytes: usize) -> Result<usize, SendError> {
        // Asked in any case, so that it fills while the window is full.
        let share = self.share.space(now, self.standing.steady_bytes_per_s(), interval, least_bytes);
        let space = self.space(now)?;
        share.map(|share| share.min(space)).ok_or(SendError::Blocked)
    }

    /// Takes a datagram no larger than the space that was just asked for.
    pub(crate) fn take(&mut self, conn: &mut Connection, payload: Bytes) {
        let bytes = payload.len();
        self.budget.spend(bytes);
        self.share.spend(bytes);
        self.queued_bytes += bytes + BUFFER_OVERHEAD_BYTES;
        if let Some(earlier) = self.waiting.replace(payload) {
            hand_over(conn, earlier);
        }
    }

    /// Whether a packet of `bytes` has room left for any frame but a datagram.
    pub(crate) const fn is_small(&self, bytes: usize) -> bool {
        bytes + FRAME_BYTES_MAX <= self.most_bytes
    }

    /// Hands what waits to the connection, which is about to make packets.
    pub(crate) fn pass(&mut self, conn: &mut Connection) {
        if let Some(payload) = self.waiting.take() {
            hand_over(conn, payload);
        }
    }
}

fn hand_over(conn: &mut Connection, payload: Bytes) {
    // Refused only if the path has become narrower since its space was asked for: then it is lost, as a datagram may be.
    let _ = conn.datagrams().send(payload, false);
}
