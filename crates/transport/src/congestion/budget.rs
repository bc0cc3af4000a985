//! Whether a datagram may be sent now, as far as congestion is concerned: quinn-proto asks the window only when it is too
//! late to skip the encoding, and a window of a few segments over a short round trip holds no slow stream back.

use std::time::Duration;

use downbeat_wire::Micros;
use quinn_proto::congestion::{Controller, ControllerMetrics};

use crate::limits::SHARES_KEPT_MAX;

/// Bytes that a full segment may have beyond its largest datagram: header, packet number, tag, frame head.
const SEGMENT_OVERHEAD_BYTES: usize = 64;

/// What a packet with a datagram has around it, as a rule: header, tag, an acknowledgement.
const PACKET_OVERHEAD_BYTES: usize = 40;

/// What congestion leaves a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    window_bytes: u64,
    /// The window takes another full segment: the condition under which quinn-proto admits a packet.
    has_room: bool,
    /// Bytes of a full segment.
    segment_bytes: u64,
    rate_bytes_per_s: u64,
    steady_bytes_per_s: u64,
}

impl Standing {
    /// What `controller` leaves datagrams of up to `datagram_bytes_max`.
    pub(crate) fn of(controller: &dyn Controller, rtt: Duration, datagram_bytes_max: usize) -> Self {
        let metrics = controller.metrics();
        let segment_bytes = (datagram_bytes_max + SEGMENT_OVERHEAD_BYTES) as u64;
        let rate_bytes_per_s = rate(&metrics);
        let through = metrics.congestion_window.saturating_sub(segment_bytes).saturating_mul(1_000_000);
        let round_us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX).max(1);
        let steady_bytes_per_s = rate_bytes_per_s.min(through / round_us);
        let mut standing =
            Self { window_bytes: 0, has_room: false, segment_bytes, rate_bytes_per_s, steady_bytes_per_s };
        standing.set_window(&metrics);
        standing
    }

    /// Acknowledgements came: the window may have room again. What it is worth in bytes a second changes slowly.
    pub(crate) fn hear(&mut self, controller: &dyn Controller) {
        self.set_window(&controller.metrics());
    }

    fn set_window(&mut self, metrics: &ControllerMetrics) {
        self.window_bytes = metrics.congestion_window;
        self.has_room = metrics.ssthresh.is_none_or(|room| room > self.segment_bytes);
    }

    /// Bytes a second that a steady stream of datagrams gets through the window: a packet is admitted only while a whole
    /// segment more fits, so that much of the window stays empty.
    pub(crate) const fn steady_bytes_per_s(&self) -> u64 {
        self.steady_bytes_per_s
    }
}

/// A bucket that fills at the controller's rate and holds a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    bytes: i64,
    /// `None` = never asked: it is full.
    filled_at: Option<Micros>,
}

impl Budget {
    /// Whether the window takes another full segment, and the rate another packet.
    pub(crate) fn has_room(&mut self, now: Micros, standing: &Standing) -> bool {
        let window = i64::try_from(standing.window_bytes).unwrap_or(i64::MAX);
        if self.filled_at.is_none() {
            self.bytes = window;
        }
        let time = now.since(*self.filled_at.get_or_insert(now));
        // Whole milliseconds: what is cut off the bytes stays small beside them.
        if time.0 >= 1_000 {
            self.filled_at = Some(now);
            let filled = i64::try_from(in_time(standing.rate_bytes_per_s, time)).unwrap_or(i64::MAX);
            self.bytes = self.bytes.saturating_add(filled).min(window);
        }
        self.bytes > 0 && standing.has_room
    }

    /// A datagram of `payload_bytes` leaves. The last one may take what will be there later.
    pub(crate) const fn spend(&mut self, payload_bytes: usize) {
        self.bytes = self.bytes.saturating_sub((payload_bytes + PACKET_OVERHEAD_BYTES) as i64);
    }
}

/// What a stream that sends at a fixed pace may put into its next datagram, so that it fills its share of the controller's
/// rate with datagrams of one size: one as large as the path takes, and then none until the rate has caught up, would wait
/// in the bottleneck behind itself. What a quiet moment leaves over is kept for one more datagram, and no longer: a queue
/// that has emptied meanwhile must not be filled at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    bytes: u64,
    /// `None` = nobody asked yet.
    filled_at: Option<Micros>,
}

impl Share {
    /// Payload bytes of a datagram at `now`, of a stream at `rate_bytes_per_s` (packets' overhead included) that sends every
    /// `interval`. `None` when that is less than `least_bytes`: it is kept for the next.
    pub(crate) fn space(
        &mut self,
        now: Micros,
        rate_bytes_per_s: u64,
        interval: Micros,
        least_bytes: usize,
    ) -> Option<usize> {
        let one = in_time(rate_bytes_per_s, interval);
        let most = (one.saturating_mul(SHARES_KEPT_MAX)).max((least_bytes + PACKET_OVERHEAD_BYTES) as u64);
        let filled =
            self.filled_at.map_or(one, |at| self.bytes.saturating_add(in_time(rate_bytes_per_s, now.since(at))));
        (self.bytes, self.filled_at) = (filled.min(most), Some(now));
        let space = usize::try_from(self.bytes).unwrap_or(usize::MAX).saturating_sub(PACKET_OVERHEAD_BYTES);
        (space >= least_bytes).then_some(space)
    }

    /// A datagram of `payload_bytes` leaves.
    pub(crate) const fn spend(&mut self, payload_bytes: usize) {
        self.bytes = self.bytes.saturating_sub((payload_bytes + PACKET_OVERHEAD_BYTES) as u64);
    }
}

/// Bytes that `rate_bytes_per_s` comes to in `time`.
const fn in_time(rate_bytes_per_s: u64, time: Micros) -> u64 {
    rate_bytes_per_s.saturating_mul(time.0) / 1_000_000
}

/// Bytes a second that the window stands for.
pub(crate) fn rate_bytes_per_s(controller: &dyn Controller) -> u64 {
    rate(&controller.metrics())
}

fn rate(metrics: &ControllerMetrics) -> u64 {
    metrics.pacing_rate.map_or(u64::MAX, |bits| bits / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Micros = Micros(16_667);
    const LEAST: usize = 200;

    /// What each of 60 datagrams has room for when `used` of it is used.
    fn spaces(rate: u64, used: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut share = Share::default();
        let spaces = (0..60).map(|tick| {
            let space = share.space(Micros(tick * TICK.0), rate, TICK, LEAST).unwrap_or(0);
            if space > 0 {
                share.spend(used(space));
            }
            space
        });
        spaces.collect()
    }

    #[test]
    fn datagrams_share_the_rate_evenly() {
        for space in spaces(30_000, |space| space) {
            assert!((459..=461).contains(&space), "{space}");
        }
    }

    #[test]
    fn what_is_left_over_is_kept_for_one_more_datagram_and_no_longer() {
        let spaces = spaces(30_000, |_| 10);
        assert!((459..=461).contains(&spaces[0]), "{spaces:?}");
        assert!(spaces[1..].iter().all(|space| (900..=961).contains(space)), "{spaces:?}");
    }

    #[test]
    fn a_share_that_is_too_small_is_put_off_until_it_is_enough() {
        for (rate, sent) in [(12_000, 30), (6_000, 20)] {
            let spaces = spaces(rate, |space| space);
            let told = spaces.iter().filter(|space| **space > 0);
            assert!(told.clone().all(|space| *space >= LEAST), "{spaces:?}");
            assert!(told.clone().count().abs_diff(sent) <= 3, "{} of {spaces:?}", told.count());
        }
    }
}
