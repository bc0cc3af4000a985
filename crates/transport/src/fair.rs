//! Work that waits for its turn, shared out by network: whoever asks for much waits behind those who ask for little.
//!
//! Each network has a line of its own. The one served next is the one that has taken least, in the order of arrival where
//! that is the same. Whoever comes, or comes back after a pause, begins at the level that an even share of all work stands at:
//! it is not owed what it did not take, and those who took their share do not wait behind ever new networks.
//!
//! A line may be as long as the room that all lines leave free, so a single crowd fills half of it and many crowds their
//! parts. And a bounded number of networks waits, so that a turn comes soon. When so many do, as they do where somebody
//! forges addresses without end, a newcomer is turned away and has to try again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

/// Work by network.
pub(crate) struct Fair<T> {
    lines: HashMap<IpAddr, Line<T>>,
    turns: BTreeSet<Turn>,
    /// What a network has taken that got its even share since all began.
    level: u64,
    /// What was taken beyond the level, less than one for each that waits.
    rest: u64,
    arrivals: u64,
    waiting: usize,
    most: usize,
    most_networks: usize,
}

/// A network that waits: what it has taken, when the first of its line arrived, and which it is.
type Turn = (u64, u64, IpAddr);

struct Line<T> {
    /// By number of arrival.
    work: VecDeque<(u64, T)>,
    taken: u64,
}

impl<T> Line<T> {
    fn turn(&self, network: IpAddr) -> Option<Turn> {
        let (arrival, _) = self.work.front()?;
        Some((self.taken, *arrival, network))
    }
}

impl<T> Fair<T> {
    /// Nothing waits, and at most `most` pieces of `most_networks` networks ever do.
    pub(crate) fn new(most: usize, most_networks: usize) -> Self {
        let (lines, turns) = (HashMap::new(), BTreeSet::new());
        Self { lines, turns, level: 0, rest: 0, arrivals: 0, waiting: 0, most, most_networks }
    }

    /// Lets a piece of work wait; false when there is no room for its network or for more of its work.
    pub(crate) fn push(&mut self, network: IpAddr, work: T) -> bool {
        if self.lines.len() >= 2 * self.most && !self.lines.contains_key(&network) {
            // What idle networks took is forgotten, so that forged addresses do not pile up.
            self.lines.retain(|_, line| !line.work.is_empty());
        }
        let line = self.lines.entry(network).or_insert_with(|| Line { work: VecDeque::new(), taken: 0 });
        let is_turned_away = line.work.is_empty() && self.turns.len() >= self.most_networks;
        if is_turned_away || line.work.len() >= self.most - self.waiting {
            return false;
        }
        let was_idle = line.work.is_empty();
        line.work.push_back((self.arrivals, work));
        if was_idle {
            line.taken = line.taken.max(self.level);
            self.turns.extend(line.turn(network));
        }
        self.arrivals += 1;
        self.waiting += 1;
        true
    }

    /// The next piece of work, and whose it is: [`charge`](Self::charge) what it took.
    pub(crate) fn pop(&mut self) -> Option<(IpAddr, T)> {
        let (taken, _, network) = self.turns.pop_first()?;
        self.level = self.level.max(taken);
        self.waiting -= 1;
        let line = self.lines.get_mut(&network).expect("whoever has a turn has a line");
        let (_, work) = line.work.pop_front().expect("and something in it");
        self.turns.extend(line.turn(network));
        Some((network, work))
    }

    /// A network's work took `cost`, in any unit that is always the same.
    pub(crate) fn charge(&mut self, network: IpAddr, cost: u64) {
        let Some(line) = self.lines.get_mut(&network) else { return };
        if let Some(turn) = line.turn(network) {
            self.turns.remove(&turn);
        }
        let sharers = self.turns.len() as u64 + 1;
        self.rest += cost;
        self.level += self.rest / sharers;
        self.rest %= sharers;
        line.taken += cost;
        self.turns.extend(line.turn(network));
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
        let mut fair = Fair::new(100, 100);
        (0..40).for_each(|n| assert!(fair.push(network(1), n)));
        (0..20).for_each(|n| assert_eq!(serve(&mut fair), Some(n)));
        assert!(fair.push(network(2), 1_000) && fair.push(network(2), 1_001));
        let served: Vec<_> = (0..4).filter_map(|_| serve(&mut fair)).collect();
        assert!(served.contains(&1_000) && served.contains(&1_001), "{served:?}");
    }

    #[test]
    fn costly_work_of_one_network_is_outweighed_by_cheap_work_of_another() {
        let mut fair = Fair::new(100, 100);
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
        let mut fair = Fair::new(1_000, 100);
        for crowd in 0..3 {
            (0..2_000).for_each(|n| _ = fair.push(network(crowd), n));
        }
        assert!(fair.waiting < 1_000);
        assert!(fair.push(network(9), 7));
        assert_eq!((0..4).filter_map(|_| serve(&mut fair)).filter(|&work| work == 7).count(), 1);
    }

    #[test]
    fn forged_addresses_do_not_pile_up() {
        let mut fair = Fair::new(100, 100);
        for n in 0..10_000 {
            fair.push(network(n), n);
            serve(&mut fair);
        }
        assert!(fair.lines.len() <= 200 && fair.waiting == 0 && fair.turns.is_empty());
    }

    #[test]
    fn who_took_its_share_does_not_wait_behind_ever_new_networks() {
        let mut fair = Fair::new(100, 100);
        (0..50).for_each(|n| assert!(fair.push(network(n), n)));
        let mut turns = Vec::new();
        for n in 50..1_000 {
            // The first of them comes back whenever it was served.
            let served = serve(&mut fair).expect("work waits");
            turns.extend((served == 0).then_some(n));
            assert!(served > 0 || fair.push(network(0), 0));
            assert!(fair.push(network(n), n));
        }
        let longest = turns.windows(2).map(|turns| turns[1] - turns[0]).max();
        assert!(longest.is_some_and(|longest| longest <= 110), "{turns:?}");
    }

    #[test]
    fn equals_are_served_in_the_order_of_arrival() {
        let mut fair = Fair::new(100, 100);
        (0..20).for_each(|n| assert!(fair.push(network(100 - n), n)));
        let served: Vec<_> = (0..20).filter_map(|_| serve(&mut fair)).collect();
        assert!(served.is_sorted() && served.len() == 20, "{served:?}");
    }

    #[test]
    fn a_bounded_number_of_networks_waits_and_each_may_add_to_its_line() {
        let mut fair = Fair::new(100, 3);
        (0..3).for_each(|n| assert!(fair.push(network(n), n)));
        assert!(!fair.push(network(9), 9) && fair.push(network(2), 2));
        serve(&mut fair);
        assert!(fair.push(network(9), 9));
    }
}
