//! Which snapshots went out to a client, and which of them arrived.

use downbeat_replica::limits::ROOM_VERSIONS;
use downbeat_replica::{Frames, is_retained};
use downbeat_wire::limits::SEQUENCE_WINDOW;
use downbeat_wire::packet::{Acks, Known};

/// The snapshots to one client. Sets are seen from the newest that was begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    newest: u32,
    /// The first that was sent; `None` before that.
    first: Option<u32>,
    sent: Frames,
    /// Those that count: sent since everything was begun anew.
    counted: Frames,
    arrived: Frames,
}

impl Sent {
    /// Begins the snapshot `number`, a later one than before.
    pub(crate) fn begin(&mut self, number: u32) {
        let by = number - self.newest;
        self.newest = number;
        (self.sent, self.counted, self.arrived) = (self.sent.later(by), self.counted.later(by), self.arrived.later(by));
    }

    /// Those before the one that was begun that it can build on, `interval` ticks from one to the next.
    pub(crate) fn known(&self, interval: u32) -> Known {
        let is_retained = |age: &u32| is_retained(*age, interval, ROOM_VERSIONS as u32);
        let ages = (1..=Known::AGE_MAX).rev().find(is_retained).unwrap_or(0);
        Known::of((self.arrived.0 >> 1 & ((1 << ages) - 1)) as u32)
    }

    /// Those that arrived and that the snapshot `number`, the newest that was begun or a later one, could build on.
    pub(crate) fn retained(&self, number: u32, interval: u32) -> Frames {
        let ahead = number - self.newest;
        let ages = (ahead..=Known::AGE_MAX).take_while(|&age| is_retained(age, interval, ROOM_VERSIONS as u32)).count();
        Frames(self.arrived.0 & ((1 << ages) - 1))
    }

    /// Whether the snapshot `number` is the last that can build on any that arrived so far.
    pub(crate) fn is_last_chance(&self, number: u32, interval: u32) -> bool {
        let newest = self.arrived.newest().map(|age| number - self.newest + age);
        let is_retained = |age| is_retained(age, interval, ROOM_VERSIONS as u32);
        newest.is_some_and(|age| is_retained(age) && !is_retained(age + 1))
    }

    /// Begins anew behind the snapshot `number`, which counts as one that arrived.
    pub(crate) fn behind(number: u32) -> Self {
        let only = Frames(1);
        Self { newest: number, first: None, sent: Frames::default(), counted: only, arrived: only }
    }

    /// Whatever arrived, or is on its way, does not count any more.
    pub(crate) fn forget(&mut self) {
        (self.counted, self.arrived) = (Frames::default(), Frames::default());
    }

    /// The one that was begun goes out.
    pub(crate) fn send(&mut self) {
        self.first.get_or_insert(self.newest);
        self.sent.insert(0);
        self.counted.insert(0);
    }

    /// Takes in acknowledgements. False when one is of a snapshot that was never sent.
    #[must_use]
    pub(crate) fn acknowledge(&mut self, acks: Acks) -> bool {
        let age = |number: u16| (self.newest as u16).wrapping_sub(number);
        let Some(first) = self.first else { return false };
        let was_sent = |age: u16| {
            let Some(number) = self.newest.checked_sub(age.into()).filter(|_| age < SEQUENCE_WINDOW) else {
                return false;
            };
            number >= first && (u32::from(age) >= u64::BITS || self.sent.contains(age.into()))
        };
        if !acks.iter().all(|number| was_sent(age(number))) {
            return false;
        }
        let ages: Frames = acks.iter().map(age).fold(Frames::default(), |mut ages, age| {
            ages.insert(age.into());
            ages
        });
        self.arrived = Frames(self.arrived.0 | ages.and(self.counted).0);
        true
    }

    /// The number of the last snapshot that ends in these 16 bits.
    pub(crate) const fn number(&self, low: u16) -> u32 {
        self.newest.saturating_sub((self.newest as u16).wrapping_sub(low) as u32)
    }

    /// Those that arrived.
    pub(crate) const fn arrived(&self) -> Frames {
        self.arrived
    }

    /// The number of the one that was begun last.
    pub(crate) const fn newest(&self) -> u32 {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(numbers: &[u32]) -> Sent {
        let mut all = Sent::default();
        for &number in numbers {
            all.begin(number);
            all.send();
        }
        all
    }

    fn acknowledge(sent: &mut Sent, newest: u16, before: u32) -> bool {
        sent.acknowledge(Acks { newest, before })
    }

    #[test]
    fn what_was_never_sent_cannot_be_acknowledged() {
        assert!(!acknowledge(&mut Sent::default(), 0, 0));
        let mut all = sent(&[7, 8, 10]);
        assert!(!acknowledge(&mut all, 11, 0), "the future");
        assert!(!acknowledge(&mut all, 9, 0), "the connection took none then");
        assert!(!acknowledge(&mut all, 7, 0b1), "before the first");
        assert!(acknowledge(&mut all, 10, 0b110));
        assert_eq!(all.arrived(), Frames(0b1101));
    }

    #[test]
    fn numbers_wrap_and_old_ones_do_no_harm() {
        let mut all = sent(&(65_500..65_640).collect::<Vec<_>>());
        assert!(acknowledge(&mut all, 65_639_u32 as u16, 0b1));
        assert!(acknowledge(&mut all, 65_510, 0));
        assert_eq!(all.arrived(), Frames(0b11));
        assert!(!acknowledge(&mut all, 65_490, 0), "before the first, long ago");
    }

    #[test]
    fn what_arrives_after_all_was_forgotten_does_not_count() {
        let mut all = sent(&[1, 2]);
        all.forget();
        all.begin(3);
        all.send();
        assert!(acknowledge(&mut all, 3, 0b11), "it is honest all the same");
        all.begin(4);
        assert_eq!(all.known(1).bits(), 0b1);
    }

    #[test]
    fn a_snapshot_is_known_as_long_as_its_states_are_remembered() {
        for (interval, ages) in [(1, 32), (3, 21)] {
            let mut all = sent(&[100]);
            assert!(acknowledge(&mut all, 100, 0));
            all.begin(100 + ages);
            assert_ne!(all.known(interval).bits(), 0);
            all.begin(101 + ages);
            assert_eq!(all.known(interval).bits(), 0);
        }
    }
}
