//! Work that waits for its turn, shared out by network: whoever asks for much waits behind those who ask for little.
//!
//! Each network has a line of its own. The one served next is the one that has taken least, where one that comes back
//! after a pause is not owed what it did not take. And a line may be as long as the room that all lines leave free, so a
//! single crowd fills half of it and many crowds their parts, and a newcomer always finds a place.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

/// Work by network.
pub(crate) struct Fair<T> {
    lines: HashMap<IpAddr, Line<T>>,
    /// The networks that wait, by what they have taken.
    turns: BTreeSet<(u64, IpAddr)>,
    /// What the network that was served last had taken.
    level: u64,
    waiting: usize,
    most: usize,
}

struct Line<T> {
    work: VecDeque<T>,
    taken: u64,
}

impl<T> Fair<T> {
    /// Nothing waits, and at most `most` pieces ever do.
    pub(crate) fn new(most: usize) -> Self {
        Self { lines: HashMap::new(), turns: BTreeSet::new(), level: 0, waiting: 0, most }
    }

    /// Lets a piece of work wait; false when its network has no room for it.
    pub(crate) fn push(&mut self, network: IpAddr, work: T) -> bool {
        if self.lines.len() >= 2 * self.most && !self.lines.contains_key(&network) {
            // What idle networks took is forgotten, so that forged addresses do not pile up.
            self.lines.retain(|_, line| !line.work.is_empty());
        }
        let line = self.lines.entry(network).or_insert_with(|| Line { work: VecDeque::new(), taken: 0 });
        if line.work.len() >= self.most - self.waiting {
            return false;
        }
        if line.work.is_empty() {
            line.taken = line.taken.max(self.level);
            self.turns.insert((line.taken, network));
        }
        line.work.push_back(work);
        self.waiting += 1;
        true
    }

    /// The next piece of work, and whose it is: [`charge`](Self::charge) what it took.
    pub(crate) fn pop(&mut self) -> Option<(IpAddr, T)> {
        let (taken, network) = self.turns.pop_first()?;
        self.level = taken;
        self.waiting -= 1;
        let line = self.lines.get_mut(&network).expect("whoever has a turn has a line");
        let work = line.work.pop_front().expect("and something in it");
        if !line.work.is_empty() {
            self.turns.insert((taken, network));
        }
        Some((network, work))
    }

    /// A network's work took `cost`, in any unit that is always the same.
    pub(crate) fn charge(&mut self, network: IpAddr, cost: u64) {
        let Some(line) = self.lines.get_mut(&network) else { return };
        let was_waiting = self.turns.remove(&(line.taken, network));
        line.taken += cost;
        if was_waiting {
            self.turns.insert((line.taken, network));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    fn serve(fair: &mut Fair<u32>) -> Option<u32> {
        let (network, work) = fair.pop()?;
        fair.charge(network, 10);
        Some(work)
    }

    #[test]
    fn a_newcomer_is_served_before_the_rest_of_a_crowd() {
        let mut fair = Fair::new(100);
        (0..40).for_each(|n| assert!(fair.push(network(1), n)));
        (0..20).for_each(|n| assert_eq!(serve(&mut fair), Some(n)));
        assert!(fair.push(network(2), 1_000) && fair.push(network(2), 1_001));
        let served: Vec<_> = (0..4).filter_map(|_| serve(&mut fair)).collect();
        assert!(served.contains(&1_000) && served.contains(&1_001), "{served:?}");
    }

    #[test]
    fn costly_work_of_one_network_is_outweighed_by_cheap_work_of_another() {
        let mut fair = Fair::new(100);
        (0..10).for_each(|n| assert!(fair.push(network(1), n) && fair.push(network(2), 100 + n)));
        let mut cheap = 0;
        for _ in 0..11 {
            let (of, _) = fair.pop().expect("work waits");
            fair.charge(of, if of == network(1) { 1_000 } else { 1 });
            cheap += usize::from(of == network(2));
        }
        assert_eq!(cheap, 10);
    }

    #[test]
    fn crowds_leave_room_for_a_newcomer() {
        let mut fair = Fair::new(1_000);
        for crowd in 0..3 {
            (0..2_000).for_each(|n| _ = fair.push(network(crowd), n));
        }
        assert!(fair.waiting < 1_000);
        assert!(fair.push(network(9), 7));
        assert_eq!((0..4).filter_map(|_| serve(&mut fair)).filter(|&work| work == 7).count(), 1);
    }

    #[test]
    fn forged_addresses_do_not_pile_up() {
        let mut fair = Fair::new(100);
        for n in 0..10_000 {
            fair.push(network(n), n);
            serve(&mut fair);
        }
        assert!(fair.lines.len() <= 200 && fair.waiting == 0 && fair.turns.is_empty());
    }
}
