//! A bad network loses, delays, repeats and swaps datagrams, and a test of it must be repeatable to the datagram.
//! A link draws the fate of each datagram from its own seeded generator; it holds no payload and reads no clock.
//!
//! Each datagram costs the same number of draws whatever the options, so adding duplicates or jitter to a link does not
//! change which datagrams it loses.

use downbeat_wire::Micros;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::spec::{LinkSpec, Queue};
use crate::units::{Chance, below};

/// The gap between datagrams that is assumed before two were seen, and its bounds.
const GAP: (u64, u64, u64) = (1_000, 10_000, 50_000);

/// What becomes of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The link lost it at random.
    Lost,
    /// The queue in front of the bottleneck was full.
    Refused,
    /// It arrives at this time.
    Once(Micros),
    /// It arrives at both times, the first of which is the earlier.
    Twice(Micros, Micros),
}

impl Fate {
    /// When it arrives: no, one or two times.
    pub fn arrivals(self) -> impl Iterator<Item = Micros> {
        let (first, second) = match self {
            Self::Lost | Self::Refused => (None, None),
            Self::Once(at) => (Some(at), None),
            Self::Twice(first, second) => (Some(first), Some(second)),
        };
        first.into_iter().chain(second)
    }
}

/// What a link did so far, in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Given to the link.
    pub sent: u64,
    /// Lost at random.
    pub lost: u64,
    /// Dropped because the bottleneck's queue was full.
    pub refused: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back for later ones to overtake.
    pub reordered: u64,
}

impl LinkCounters {
    /// Datagrams that the link dropped on purpose.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.lost + self.refused
    }
}

/// One direction of a network path.
#[derive(Clone, Debug)]
pub struct Link {
    spec: LinkSpec,
    rng: Pcg64,
    losing: bool,
    /// Latest arrival promised so far: nothing overtakes it unless held back on purpose.
    last_arrival: Micros,
    last_sent: Option<Micros>,
    gap_us: u64,
    /// When the bottleneck will have sent all it holds, in nanoseconds.
    busy_until_ns: u64,
    counters: LinkCounters,
}

impl Link {
    /// A link like `spec`. Equal seeds and equal datagrams have equal fates.
    #[must_use]
    pub fn new(spec: &LinkSpec, seed: u64) -> Self {
        Self {
            spec: *spec,
            rng: Pcg64::seed_from_u64(seed),
            losing: false,
            last_arrival: Micros(0),
            last_sent: None,
            gap_us: GAP.1,
            busy_until_ns: 0,
            counters: LinkCounters::default(),
        }
    }

    /// What the link is like.
    #[must_use]
    pub const fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// Changes what the link is like from now on; what it promised stays.
    pub fn set_spec(&mut self, spec: &LinkSpec) {
        self.spec = *spec;
    }

    /// What the link did so far.
    #[must_use]
    pub const fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// Decides the fate of a datagram of `bytes` on the wire that is sent at `now`. `now` should not go back.
    pub fn send(&mut self, now: Micros, bytes: usize) -> Fate {
        let [loss, delay, reorder, hold, dup, again] = std::array::from_fn(|_| self.rng.next_u64());
        self.counters.sent += 1;
        self.learn_gap(now);
        let lost = self.loses(loss);
        let Some(queued) = self.enqueue(now, bytes) else {
            self.counters.refused += 1;
            return Fate::Refused;
        };
        // A lost datagram still took its share of the bottleneck: it was lost behind it.
        if lost {
            self.counters.lost += 1;
            return Fate::Lost;
        }
        let mut first = (queued + self.delay(delay)).max(self.last_arrival);
        if self.spec.reorder.hits(reorder) {
            self.counters.reordered += 1;
            // One to three of the gaps between datagrams: as many of its successors overtake it.
            first = first + Micros(self.gap_us + below(hold, 2 * self.gap_us));
        } else {
            self.last_arrival = first;
        }
        if !self.spec.dup.hits(dup) {
            return Fate::Once(first);
        }
        self.counters.duplicated += 1;
        Fate::Twice(first, first.max(queued + self.delay(again)))
    }

    /// Gilbert-Elliott: a good state that loses nothing and a bad one that loses everything.
    fn loses(&mut self, draw: u64) -> bool {
        let loss = self.spec.loss;
        let Some(burst) = self.spec.burst_thousandths else {
            return loss.hits(draw);
        };
        if loss == Chance::NEVER || loss == Chance::ALWAYS {
            return loss == Chance::ALWAYS;
        }
        let leave = 1_000.0 / f64::from(burst);
        let enter = leave * loss.fraction() / (1.0 - loss.fraction());
        // 53 bits: every value is exact in a float.
        let draw = (draw >> 11) as f64 / (1u64 << 53) as f64;
        self.losing = if self.losing { draw >= leave } else { draw < enter };
        self.losing
    }

    /// When the bottleneck has let it through; `None` when its queue is full.
    fn enqueue(&mut self, now: Micros, bytes: usize) -> Option<Micros> {
        let Some(bits_per_s) = self.spec.rate_bits else {
            return Some(now);
        };
        let now_ns = now.0.saturating_mul(1_000);
        let start_ns = self.busy_until_ns.max(now_ns);
        let waiting_ns = start_ns - now_ns;
        let waiting_bytes = u128::from(waiting_ns) * u128::from(bits_per_s) / 8_000_000_000;
        let full = match self.spec.queue.unwrap_or(Queue::DEFAULT) {
            Queue::Time(most) => waiting_ns > most.0.saturating_mul(1_000),
            Queue::Bytes(most) => waiting_bytes + bytes as u128 > u128::from(most),
        };
        if full && waiting_ns > 0 {
            return None;
        }
        let service_ns = (bytes as u128 * 8_000_000_000).div_ceil(u128::from(bits_per_s));
        self.busy_until_ns = start_ns.saturating_add(u64::try_from(service_ns).unwrap_or(u64::MAX));
        Some(Micros(self.busy_until_ns.div_ceil(1_000)))
    }

    fn delay(&self, draw: u64) -> Micros {
        let (latency, jitter) = (self.spec.latency.0, self.spec.jitter.0);
        Micros((latency + below(draw, 2 * jitter + 1)).saturating_sub(jitter))
    }

    fn learn_gap(&mut self, now: Micros) {
        if let Some(last) = self.last_sent {
            let gap = now.since(last).0.clamp(GAP.0, GAP.2);
            self.gap_us = (7 * self.gap_us + gap) / 8;
        }
        self.last_sent = Some(now);
    }
}
