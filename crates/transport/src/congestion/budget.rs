//! Whether a datagram may be sent now, as far as congestion is concerned: quinn-proto asks the window only when it is too
//! late to skip the encoding, and a window of a few segments over a short round trip holds no slow stream back.

use downbeat_wire::Micros;
use quinn_proto::congestion::Controller;

/// Bytes that a full segment may have beyond its largest datagram: header, packet number, tag, frame head.
const SEGMENT_OVERHEAD_BYTES: usize = 64;

/// What a packet with a datagram has around it, as a rule: header, tag, an acknowledgement.
const PACKET_OVERHEAD_BYTES: usize = 40;

/// A bucket that fills at the controller's rate and holds a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    bytes: i64,
    /// `None` = never asked: it is full.
    filled_at: Option<Micros>,
}

impl Budget {
    /// Whether the window takes another full segment, the condition under which quinn-proto admits a packet, and the
    /// rate another packet.
    pub(crate) fn has_room(&mut self, now: Micros, controller: &dyn Controller, datagram_bytes_max: usize) -> bool {
        let metrics = controller.metrics();
        let window = i64::try_from(metrics.congestion_window).unwrap_or(i64::MAX);
        if self.filled_at.is_none() {
            self.bytes = window;
        }
        let time = now.since(*self.filled_at.get_or_insert(now)).0;
        // Whole milliseconds: what is cut off the bytes stays small beside them.
        if time >= 1_000 {
            self.filled_at = Some(now);
            let filled = u128::from(rate_bytes_per_s(controller)) * u128::from(time) / 1_000_000;
            self.bytes = self.bytes.saturating_add(i64::try_from(filled).unwrap_or(i64::MAX)).min(window);
        }
        let segment = (datagram_bytes_max + SEGMENT_OVERHEAD_BYTES) as u64;
        self.bytes > 0 && metrics.ssthresh.is_none_or(|room| room > segment)
    }

    /// A datagram of `payload_bytes` leaves. The last one may take what will be there later.
    pub(crate) const fn spend(&mut self, payload_bytes: usize) {
        self.bytes = self.bytes.saturating_sub((payload_bytes + PACKET_OVERHEAD_BYTES) as i64);
    }
}

/// Bytes a second that the window stands for.
pub(crate) fn rate_bytes_per_s(controller: &dyn Controller) -> u64 {
    controller.metrics().pacing_rate.map_or(u64::MAX, |bits| bits / 8)
}
