//! A reliable stream over a link that loses: what is lost is sent again when that is noticed, and all behind it waits.

use std::collections::VecDeque;

use downbeat_link::{Fate, Link, LinkSpec};
use downbeat_replica::Micros;

/// Bytes on their way, in order.
pub(crate) struct Stream {
    link: Link,
    under_way: VecDeque<(Try, Vec<u8>)>,
    read_to: Micros,
}

/// What became of the last try to send something.
#[derive(Clone, Copy)]
enum Try {
    Arrives(Micros),
    /// It was lost, and is sent again then.
    Lost(Micros),
}

impl Stream {
    pub(crate) fn new(spec: &LinkSpec, seed: u64) -> Self {
        Self { link: Link::new(spec, seed), under_way: VecDeque::new(), read_to: Micros::default() }
    }

    pub(crate) fn set_spec(&mut self, spec: &LinkSpec) {
        self.link.set_spec(spec);
    }

    pub(crate) fn send(&mut self, now: Micros, bytes: Vec<u8>) {
        let fate = try_to_send(&mut self.link, now, bytes.len());
        self.under_way.push_back((fate, bytes));
    }

    /// The next bytes that have arrived by `now`, with the time of their arrival.
    pub(crate) fn poll(&mut self, now: Micros) -> Option<(Micros, Vec<u8>)> {
        for (fate, bytes) in &mut self.under_way {
            // The sender tries again on time, however late the receiver looks.
            while let Try::Lost(at) = *fate
                && at <= now
            {
                *fate = try_to_send(&mut self.link, at, bytes.len());
            }
        }
        let &(Try::Arrives(at), _) = self.under_way.front()? else { return None };
        if at > now {
            return None;
        }
        // What was held up by those before it came with the last of them.
        self.read_to = self.read_to.max(at);
        self.under_way.pop_front().map(|(_, bytes)| (self.read_to, bytes))
    }

    /// Bytes that have not been taken yet.
    pub(crate) fn bytes(&self) -> usize {
        self.under_way.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// When to poll next.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        let times = self.under_way.iter().enumerate().filter_map(|(i, (fate, _))| match *fate {
            Try::Lost(at) => Some(at),
            Try::Arrives(at) => (i == 0).then_some(at),
        });
        times.min()
    }
}

fn try_to_send(link: &mut Link, now: Micros, bytes: usize) -> Try {
    let latency = link.spec().latency;
    match link.send(now, bytes + PACKET_OVERHEAD_BYTES) {
        Fate::Once(at) | Fate::Twice(at, _) => Try::Arrives(at),
        Fate::Lost | Fate::Refused => Try::Lost(now + latency + latency + NOTICED),
    }
}

/// What QUIC, UDP and IPv4 add to a packet.
pub(crate) const PACKET_OVERHEAD_BYTES: usize = 28 + 40;

/// From a loss to the next try, beyond the round trip.
const NOTICED: Micros = Micros::from_millis(25);
