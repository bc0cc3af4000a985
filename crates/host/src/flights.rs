//! What was sent to a client and is not acknowledged yet: each datagram with the records in it.

use downbeat_replica::{EntityId, Micros, Tick};
use downbeat_wire::limits::SEQUENCE_WINDOW;
use downbeat_wire::packet::Acks;

use crate::limits::{FLIGHTS_MAX, LOST_AFTER, REORDER_TOLERANCE};

/// A record that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentRecord {
    pub(crate) slot: u16,
    pub(crate) id: EntityId,
    /// Which entry into the client's view it belongs to.
    pub(crate) view: u32,
    /// Number of the entity's version; 0 for a leave.
    pub(crate) version: u32,
    /// Records of the entity to this client so far, this one included.
    pub(crate) count: u32,
}

#[derive(Debug, Default)]
struct Flight {
    sequence: u16,
    tick: Tick,
    at: Micros,
    /// Whether neither acknowledged nor forgotten.
    open: bool,
    /// Whether already given up; an acknowledgement is welcome all the same.
    lost: bool,
    records: Vec<SentRecord>,
}

/// What became of one datagram.
#[derive(Debug)]
pub(crate) enum Landing<'a> {
    Acked { tick: Tick, records: &'a [SentRecord] },
    Lost { sequence: u16, records: &'a [SentRecord] },
}

/// The datagrams to one client that await their acknowledgement.
#[derive(Debug)]
pub(crate) struct Flights {
    ring: Vec<Flight>,
    /// Datagrams sent so far; the sequence of the next one is its low 16 bits.
    sent: u64,
    /// Every datagram before this one (by count) is settled.
    settled: u64,
    newest_acked: Option<u64>,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self { ring: (0..FLIGHTS_MAX).map(|_| Flight::default()).collect(), sent: 0, settled: 0, newest_acked: None }
    }

    /// The sequence of the datagram that is sent next.
    pub(crate) const fn next_sequence(&self) -> u16 {
        self.sent as u16
    }

    /// Notes a datagram that is sent; fill in its records.
    pub(crate) fn open(&mut self, tick: Tick, at: Micros) -> &mut Vec<SentRecord> {
        let flight = &mut self.ring[self.sent as usize % FLIGHTS_MAX];
        flight.records.clear();
        (flight.sequence, flight.tick, flight.at) = (self.sent as u16, tick, at);
        (flight.open, flight.lost) = (true, false);
        self.sent += 1;
        &mut flight.records
    }

    /// The oldest datagram (by count) whose place is not needed for the next one.
    const fn oldest_kept(&self) -> u64 {
        (self.sent + 1).saturating_sub(FLIGHTS_MAX as u64)
    }

    /// Takes in acknowledgements; `land` learns of each datagram that arrived, once. False when a datagram is
    /// acknowledged that was never sent.
    #[must_use]
    pub(crate) fn acknowledge(&mut self, acks: Acks, mut land: impl FnMut(Landing<'_>)) -> bool {
        if !acks.iter().all(|sequence| self.count_of(sequence).is_some()) {
            return false;
        }
        for sequence in acks.iter() {
            let Some(count) = self.count_of(sequence) else { continue };
            self.newest_acked = self.newest_acked.max(Some(count));
            let flight = &mut self.ring[count as usize % FLIGHTS_MAX];
            if flight.open && flight.sequence == sequence && self.sent - count <= FLIGHTS_MAX as u64 {
                flight.open = false;
                land(Landing::Acked { tick: flight.tick, records: &flight.records });
            }
        }
        true
    }

    /// Which datagram had this sequence last; `None` when none can have had it, or so long ago that nobody honest
    /// names it now.
    fn count_of(&self, sequence: u16) -> Option<u64> {
        let newest = self.sent.checked_sub(1)?;
        let behind = (newest as u16).wrapping_sub(sequence);
        if behind >= SEQUENCE_WINDOW { None } else { newest.checked_sub(behind.into()) }
    }

    /// Gives up what must be lost by now; `land` learns of each datagram, once.
    pub(crate) fn settle(&mut self, now: Micros, mut land: impl FnMut(Landing<'_>)) {
        let overtaken = self.newest_acked.map_or(0, |newest| (newest + 1).saturating_sub(REORDER_TOLERANCE.into()));
        while self.settled < self.sent {
            let flight = &mut self.ring[self.settled as usize % FLIGHTS_MAX];
            let given_up = self.settled < overtaken || now.since(flight.at) > LOST_AFTER;
            if flight.open && !given_up && self.settled >= self.oldest_kept() {
                break;
            }
            let flight = &mut self.ring[self.settled as usize % FLIGHTS_MAX];
            if flight.open && !flight.lost {
                flight.lost = true;
                land(Landing::Lost { sequence: flight.sequence, records: &flight.records });
            }
            self.settled += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(flights: &mut Flights, at: u64) {
        let count = flights.sent as u32;
        let record = SentRecord { slot: 0, id: EntityId::new(0, 0), view: 1, version: 1, count };
        flights.open(Tick(count), Micros(at)).push(record);
    }

    fn acked(flights: &mut Flights, newest: u16, before: u32) -> Option<Vec<u32>> {
        let mut counts = Vec::new();
        let honest = flights.acknowledge(Acks { newest, before }, |landing| {
            let Landing::Acked { records, .. } = landing else { panic!("acknowledging loses nothing") };
            counts.extend(records.iter().map(|record| record.count));
        });
        honest.then_some(counts)
    }

    fn lost(flights: &mut Flights, now: u64) -> Vec<u16> {
        let mut lost = Vec::new();
        flights.settle(Micros(now), |landing| match landing {
            Landing::Lost { sequence, .. } => lost.push(sequence),
            Landing::Acked { .. } => panic!("settling acknowledges nothing"),
        });
        lost
    }

    #[test]
    fn a_datagram_lands_once_and_is_lost_once_three_newer_ones_landed() {
        let mut flights = Flights::new();
        (0..6).for_each(|i| send(&mut flights, i));
        assert_eq!(acked(&mut flights, 2, 0b01), Some(vec![2, 1]));
        assert_eq!(lost(&mut flights, 10), Vec::<u16>::new(), "it may still be on its way");
        assert_eq!(acked(&mut flights, 3, 0), Some(vec![3]));
        assert_eq!(lost(&mut flights, 10), [0]);
        assert_eq!(acked(&mut flights, 3, 0b111), Some(vec![0]), "late is better than never");
        assert_eq!(acked(&mut flights, 5, 0), Some(vec![5]));
        assert_eq!(lost(&mut flights, 10), Vec::<u16>::new(), "4 may still be on its way");
    }

    #[test]
    fn silence_gives_a_datagram_up_in_time() {
        let mut flights = Flights::new();
        send(&mut flights, 0);
        assert_eq!(lost(&mut flights, LOST_AFTER.0), Vec::<u16>::new());
        assert_eq!(lost(&mut flights, LOST_AFTER.0 + 1), [0]);
    }

    #[test]
    fn what_was_never_sent_cannot_be_acknowledged() {
        let mut flights = Flights::new();
        assert_eq!(acked(&mut flights, 0, 0), None);
        send(&mut flights, 0);
        send(&mut flights, 0);
        assert_eq!(acked(&mut flights, 2, 0), None, "the future");
        assert_eq!(acked(&mut flights, 1, 0b10), None, "before the first");
        assert_eq!(acked(&mut flights, 1, 0b01), Some(vec![1, 0]));
    }

    #[test]
    fn every_datagram_is_settled_before_its_place_is_taken() {
        let mut flights = Flights::new();
        for i in 0..3 * FLIGHTS_MAX as u64 {
            let before = flights.settled;
            lost(&mut flights, 0);
            assert!(flights.sent - flights.settled < FLIGHTS_MAX as u64, "after {i}: {before}");
            send(&mut flights, 0);
        }
        assert_eq!(acked(&mut flights, 0, 0), Some(vec![]), "long settled, and no harm done");
    }
}
