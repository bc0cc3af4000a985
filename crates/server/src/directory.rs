//! What the shards of a server know of each other. They share no room and no connection; a newcomer may land on any of
//! them, though, and limits hold for the server as a whole.
//!
//! Each shard posts a few numbers when somebody comes or goes, and reads those of the others when a newcomer has no place
//! on its own. What is read may be old by then: a shard that somebody is sent to looks again. Limits do not rely on it:
//! rooms and connections are counted in one place each. All of this is rare, so the strictest ordering of memory will do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use crate::accounts::Accounts;

/// Numbers that all shards of a server share.
#[derive(Debug)]
pub(crate) struct Directory {
    shards: Vec<Posted>,
    rooms: AtomicUsize,
    rooms_max: AtomicUsize,
    clients_peak: AtomicU64,
    pub(crate) accounts: Accounts,
    connections: Networks,
    away: Networks,
}

/// Counts by network. Locked where a connection begins or ends, and for no longer than it takes to count it.
#[derive(Debug, Default)]
struct Networks(Mutex<HashMap<IpAddr, u32>>);

impl Networks {
    /// One more; returns how many there are.
    fn add(&self, network: IpAddr) -> u32 {
        let mut counts = self.0.lock().expect("nobody panics while counting");
        let count = counts.entry(network).or_default();
        *count += 1;
        *count
    }

    fn remove(&self, network: IpAddr) {
        let mut counts = self.0.lock().expect("nobody panics while counting");
        let Some(count) = counts.get_mut(&network) else { return };
        *count -= 1;
        if *count == 0 {
            counts.remove(&network);
        }
    }

    fn count(&self, network: IpAddr) -> u32 {
        self.0.lock().expect("nobody panics while counting").get(&network).copied().unwrap_or(0)
    }
}

/// How a shard's rooms stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) players: usize,
    pub(crate) spectators: usize,
    /// Places that are free in its open rooms.
    pub(crate) player_places: usize,
    pub(crate) spectator_places: usize,
}

#[derive(Debug, Default)]
struct Posted {
    players: AtomicUsize,
    spectators: AtomicUsize,
    player_places: AtomicUsize,
    spectator_places: AtomicUsize,
    /// Newcomers that others sent here and that did not come yet: until they are there, their places look free. Nobody
    /// knows who was sent, so whoever comes takes one off; it only steers, and no limit depends on it.
    sent: AtomicUsize,
}

impl Directory {
    pub(crate) fn new(shards: u8, rooms_max: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| Posted::default()).collect(),
            rooms: AtomicUsize::new(0),
            rooms_max: AtomicUsize::new(rooms_max),
            clients_peak: AtomicU64::new(0),
            accounts: Accounts::default(),
            connections: Networks::default(),
            away: Networks::default(),
        }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> u64 {
        self.shards.len() as u64
    }

    /// Says how the rooms of `shard` stand from now on.
    pub(crate) fn post(&self, shard: u8, standing: &Standing) {
        let posted = &self.shards[usize::from(shard)];
        posted.players.store(standing.players, SeqCst);
        posted.spectators.store(standing.spectators, SeqCst);
        posted.player_places.store(standing.player_places, SeqCst);
        posted.spectator_places.store(standing.spectator_places, SeqCst);
        self.clients_peak.fetch_max(self.clients() as u64, SeqCst);
    }

    /// Clients in all rooms.
    pub(crate) fn clients(&self) -> usize {
        self.shards.iter().map(|posted| posted.players.load(SeqCst) + posted.spectators.load(SeqCst)).sum()
    }

    /// Players and spectators of a shard.
    pub(crate) fn clients_of(&self, shard: u8) -> (usize, usize) {
        let posted = &self.shards[usize::from(shard)];
        (posted.players.load(SeqCst), posted.spectators.load(SeqCst))
    }

    /// Rooms that are open.
    pub(crate) fn rooms(&self) -> usize {
        self.rooms.load(SeqCst)
    }

    /// The most there ever were.
    pub(crate) fn clients_peak(&self) -> u64 {
        self.clients_peak.load(SeqCst)
    }

    /// A shard other than `own` with a free place: the one with the fewest players. With `hopeful`, places that somebody
    /// was sent to count as free: he may not come.
    pub(crate) fn with_place(&self, own: u8, spectator: bool, hopeful: bool) -> Option<u8> {
        let has_place = |posted: &Posted| {
            let places = if spectator { &posted.spectator_places } else { &posted.player_places };
            places.load(SeqCst) > if hopeful { 0 } else { posted.sent.load(SeqCst) }
        };
        let others = (0u8..).zip(&self.shards).filter(|&(shard, posted)| shard != own && has_place(posted));
        others.min_by_key(|(_, posted)| posted.load()).map(|(shard, _)| shard)
    }

    /// The shard with the fewest players, those who are on their way included; `own` if no other has fewer.
    pub(crate) fn least_loaded(&self, own: u8) -> u8 {
        let shards = (0u8..).zip(&self.shards);
        let least = shards.min_by_key(|&(shard, posted)| (posted.load(), shard != own));
        least.map_or(own, |(shard, _)| shard)
    }

    /// Notes that a newcomer was sent to `shard`.
    pub(crate) fn note_sent(&self, shard: u8) {
        if let Some(posted) = self.shards.get(usize::from(shard)) {
            posted.sent.fetch_add(1, SeqCst);
        }
    }

    /// Notes that a newcomer is at `shard`, whether it was sent or not.
    pub(crate) fn note_come(&self, shard: u8) {
        let sent = &self.shards[usize::from(shard)].sent;
        // None was sent: then there is nothing to take off.
        let _ = sent.fetch_update(SeqCst, SeqCst, |sent| sent.checked_sub(1));
    }

    /// Forgets half of those who were sent to `shard` and have not come: once a second, so that who never comes does not keep
    /// others away for long.
    pub(crate) fn forget_sent(&self, shard: u8) {
        let _ =
            self.shards[usize::from(shard)].sent.fetch_update(SeqCst, SeqCst, |sent| (sent > 0).then_some(sent / 2));
    }

    /// How many rooms the server may have.
    pub(crate) fn rooms_max(&self) -> usize {
        self.rooms_max.load(SeqCst)
    }

    /// How many rooms the server may have from now on. Those there are stay.
    pub(crate) fn set_rooms_max(&self, rooms_max: usize) {
        self.rooms_max.store(rooms_max, SeqCst);
    }

    /// Takes one of the rooms that the server may have; false when it has all of them.
    pub(crate) fn take_room(&self) -> bool {
        let more = |rooms| (rooms < self.rooms_max.load(SeqCst)).then_some(rooms + 1);
        self.rooms.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    /// Gives a room back that is no more.
    pub(crate) fn give_back_room(&self) {
        self.rooms.fetch_sub(1, SeqCst);
    }

    /// Gives a room back unless it is the server's last; true when its shard is to close it.
    pub(crate) fn spare_room(&self) -> bool {
        let fewer = |rooms| (rooms > 1).then(|| rooms - 1);
        self.rooms.fetch_update(SeqCst, SeqCst, fewer).is_ok()
    }

    /// Whether any room is open.
    pub(crate) fn has_rooms(&self) -> bool {
        self.rooms.load(SeqCst) > 0
    }

    /// Whether another room may be opened.
    pub(crate) fn may_open(&self) -> bool {
        self.rooms.load(SeqCst) < self.rooms_max.load(SeqCst)
    }

    /// Counts a connection of `network`; returns how many it has now.
    pub(crate) fn connect(&self, network: IpAddr) -> u32 {
        self.connections.add(network)
    }

    /// A connection of `network` has ended.
    pub(crate) fn disconnect(&self, network: IpAddr) {
        self.connections.remove(network);
    }

    /// A session of `network` waits for its client.
    pub(crate) fn wait_for(&self, network: IpAddr) {
        self.away.add(network);
    }

    /// It waits no more.
    pub(crate) fn stop_waiting(&self, network: IpAddr) {
        self.away.remove(network);
    }

    /// Connections of `network`, and sessions that wait for a client of it.
    pub(crate) fn held_by(&self, network: IpAddr) -> u32 {
        self.connections.count(network).saturating_add(self.away.count(network))
    }
}

impl Posted {
    fn load(&self) -> usize {
        self.players.load(SeqCst) + self.sent.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(players: usize, player_places: usize) -> Standing {
        Standing { players, player_places, ..Standing::default() }
    }

    #[test]
    fn newcomers_are_sent_where_places_are_and_not_all_to_the_same() {
        let directory = Directory::new(3, 8);
        directory.post(0, &standing(10, 0));
        directory.post(1, &standing(8, 2));
        directory.post(2, &standing(9, 1));
        assert_eq!(directory.clients(), 27);
        let send = || directory.with_place(0, false, false).inspect(|&shard| directory.note_sent(shard));
        assert_eq!([send(), send(), send(), send()], [Some(1), Some(1), Some(2), None]);
        assert_eq!(directory.with_place(0, false, true), Some(1), "they may not come");
        assert_eq!(directory.with_place(0, true, true), None);
        // One of them came and sits, the other went away.
        directory.note_come(1);
        directory.post(1, &standing(9, 1));
        directory.note_come(1);
        directory.note_come(1);
        assert_eq!(send(), Some(1));
    }

    #[test]
    fn load_is_shared_out_and_ties_stay_at_home() {
        let directory = Directory::new(2, 8);
        directory.post(0, &standing(10, 0));
        directory.post(1, &standing(10, 0));
        assert_eq!((directory.least_loaded(0), directory.least_loaded(1)), (0, 1));
        directory.post(1, &standing(8, 0));
        let mut sent = [0; 2];
        for _ in 0..10 {
            let shard = directory.least_loaded(0);
            sent[usize::from(shard)] += 1;
            directory.note_sent(shard);
        }
        assert_eq!(sent, [4, 6]);
    }

    #[test]
    fn rooms_and_connections_are_counted_exactly_by_many_threads() {
        let directory = Directory::new(4, 10);
        let network = IpAddr::from([192, 0, 2, 1]);
        let taken: usize = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| {
                    let taken = (0..1_000).filter(|_| directory.take_room()).count();
                    (0..1_000).for_each(|_| _ = directory.connect(network));
                    (0..999).for_each(|_| directory.disconnect(network));
                    taken
                })
            });
            threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
        });
        assert_eq!((taken, directory.may_open()), (10, false));
        assert_eq!(directory.connect(network), 5);
        assert_eq!((0..20).filter(|_| directory.spare_room()).count(), 9, "the last one stays");
        directory.give_back_room();
        assert!(!directory.has_rooms());
    }
}
