//! Whether a datagram may be sent now, as far as congestion is concerned: quinn-proto asks the window only when it is too
//! late to skip the encoding, and a window of a few segments over a short round trip holds no slow stream back.

use std::time::Duration;

use downbeat_wire::Micros;
use quinn_proto::congestion::Controller;

use crate::limits::SHARES_KEPT_MAX;

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
        let in_time = |time: Micros| {
            let bytes = u128::from(rate_bytes_per_s) * u128::from(time.0) / 1_000_000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        };
        let one = in_time(interval);
        let most = (one.saturating_mul(SHARES_KEPT_MAX)).max((least_bytes + PACKET_OVERHEAD_BYTES) as u64);
        let filled = self.filled_at.map_or(one, |at| self.bytes.saturating_add(in_time(now.since(at))));
        (self.bytes, self.filled_at) = (filled.min(most), Some(now));
        let space = usize::try_from(self.bytes).unwrap_or(usize::MAX).saturating_sub(PACKET_OVERHEAD_BYTES);
        (space >= least_bytes).then_some(space)
    }

    /// A datagram of `payload_bytes` leaves.
    pub(crate) const fn spend(&mut self, payload_bytes: usize) {
        self.bytes = self.bytes.saturating_sub((payload_bytes + PACKET_OVERHEAD_BYTES) as u64);
    }
}

/// Bytes a second that the window stands for.
pub(crate) fn rate_bytes_per_s(controller: &dyn Controller) -> u64 {
    controller.metrics().pacing_rate.map_or(u64::MAX, |bits| bits / 8)
}

/// Bytes a second that a steady stream of datagrams gets through a window: a packet is admitted only while a whole segment
/// more fits, so that much of the window stays empty.
pub(crate) fn steady_rate(controller: &dyn Controller, rtt: Duration, datagram_bytes_max: usize) -> u64 {
    let room = controller.window().saturating_sub((datagram_bytes_max + SEGMENT_OVERHEAD_BYTES) as u64);
    let round_us = rtt.as_micros().max(1);
    let through = u128::from(room) * 1_000_000 / round_us;
    rate_bytes_per_s(controller).min(u64::try_from(through).unwrap_or(u64::MAX))
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
