//! Which room ticks when. If all rooms of a shard ticked at once, most would be late in every tick, and the sockets would
//! wait for all of them.
//!
//! So a tick's length is divided into beats. A room gets the one with the least load when it opens, and keeps it. What is
//! late is made up for, up to a point ([`Schedule`]). Of the rooms that are due, the one goes first that has waited longest
//! for what it costs (the highest response ratio): a cheap one waits for hardly anybody, and none waits for ever. A room
//! whose ticks take too long is slowed down itself: while it is behind, it rests for as long as it ran.
//!
//! There is no clock in here: whoever has one says what time it is, and what a tick took.

use downbeat_host::{Grid, Schedule};
use downbeat_wire::Micros;

use crate::limits::{BEATS_PER_TICK, SLOW_ROOM_SHARE};

/// The group of connections that have no room.
pub(crate) const LOBBY: u16 = 0;

/// What a room did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) ticks: u64,
    /// Ticks that were not finished when the next was due.
    pub(crate) overruns: u64,
    pub(crate) left_out: u64,
    /// What ticks took.
    pub(crate) work: Work,
}

/// What a tick took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Inputs, the game's step, and capturing its state.
    pub(crate) game: Micros,
    /// Choosing what clients are shown, encoding and sending it.
    pub(crate) telling: Micros,
}

impl Tally {
    /// What came on top of `before`.
    pub(crate) const fn since(&self, before: &Self) -> Self {
        Self {
            ticks: self.ticks - before.ticks,
            overruns: self.overruns - before.overruns,
            left_out: self.left_out - before.left_out,
            work: Work {
                game: self.work.game.since(before.work.game),
                telling: self.work.telling.since(before.work.telling),
            },
        }
    }
}

impl Work {
    pub(crate) fn sum(&self) -> Micros {
        self.game + self.telling
    }
}

/// A room as it is scheduled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    pub(crate) room: u64,
    pub(crate) tally: Tally,
    phase: u64,
    sessions: u32,
    /// While somebody is in it.
    schedule: Option<Schedule>,
    /// Microseconds that a tick of it takes, smoothed; `None` before the first.
    cost: Option<f32>,
}

/// A tick that is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) room: u64,
    /// The group that the room's connections are flushed with.
    pub(crate) group: u16,
    pub(crate) due: Micros,
    following: Micros,
    /// Those who are in the room.
    pub(crate) sessions: u32,
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The tick was not finished when the next was due.
    pub(crate) overran: bool,
    /// Ticks that are left out of those that are due by now.
    pub(crate) left_out: u64,
}

/// The rooms of a shard and their beats.
#[derive(Debug)]
pub(crate) struct Beats {
    grid: Grid,
    tick_rate_hz: u32,
    /// The beat that is waited for.
    next: u64,
    /// By group, the lobby apart.
    rooms: Vec<Option<Paced>>,
    /// Until when rooms rest whose ticks take too long.
    rest_until: Micros,
}

impl Beats {
    /// Beats from the clock's zero on.
    pub(crate) const fn new(tick_rate_hz: u32) -> Self {
        let grid = Grid::new(Micros(0), tick_rate_hz * BEATS_PER_TICK as u32);
        Self { grid, tick_rate_hz, next: 0, rooms: Vec::new(), rest_until: Micros(0) }
    }

    /// Takes in a room, in the beat that has the least to do.
    pub(crate) fn open(&mut self, room: u64) {
        // Nobody knows what it will cost: as much as the others, perhaps.
        let costs = self.rooms().filter_map(|paced| paced.cost);
        let (sum, count) = costs.fold((0.0, 0.0), |(sum, count), cost| (sum + cost, count + 1.0));
        let usual = if count > 0.0 { sum / count } else { 1.0 };
        let mut loads = [0.0; BEATS_PER_TICK as usize];
        self.rooms().for_each(|paced| loads[paced.phase as usize] += paced.cost.unwrap_or(usual));
        let load = |&phase: &u64| loads[phase as usize];
        let phase = (0..BEATS_PER_TICK).min_by(|a, b| f32::total_cmp(&load(a), &load(b))).expect("there are beats");
        let paced = Paced { room, tally: Tally::default(), phase, sessions: 0, schedule: None, cost: None };
        match self.rooms.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(paced),
            None => self.rooms.push(Some(paced)),
        }
    }

    pub(crate) fn close(&mut self, room: u64) {
        self.rooms.iter_mut().for_each(|place| _ = place.take_if(|paced| paced.room == room));
    }

    /// Somebody joined a room. Returns the group of its connections.
    pub(crate) fn join(&mut self, room: u64) -> u16 {
        let (grid, next) = (self.grid, self.next);
        let Some((place, paced)) = self.find(room) else { return LOBBY };
        paced.sessions += 1;
        let first = next + (paced.phase + BEATS_PER_TICK - next % BEATS_PER_TICK) % BEATS_PER_TICK;
        paced.schedule.get_or_insert(Schedule::on(grid, BEATS_PER_TICK, first));
        place
    }

    /// The group of a room's connections.
    pub(crate) fn group(&mut self, room: u64) -> u16 {
        self.find(room).map_or(LOBBY, |(place, _)| place)
    }

    /// Somebody left a room; an empty one does not tick.
    pub(crate) fn leave(&mut self, room: u64) {
        let Some((_, paced)) = self.find(room) else { return };
        paced.sessions -= 1;
        if paced.sessions == 0 {
            paced.schedule = None;
        }
    }

    /// When the next beat is.
    pub(crate) const fn next_at(&self) -> Micros {
        self.grid.at(self.next)
    }

    /// Whether a room ticks then.
    pub(crate) fn is_awaited(&self) -> bool {
        let at = self.next_at();
        self.rooms().any(|paced| paced.schedule.is_some_and(|schedule| schedule.due() <= at))
    }

    /// A beat begins `now`; those that were missed are one with it. Returns whether it is the first of its tick.
    pub(crate) fn begin(&mut self, now: Micros) -> bool {
        let last = self.next.saturating_sub(1) / BEATS_PER_TICK;
        let present = self.grid.newest(now).max(self.next);
        self.next = present + 1;
        present / BEATS_PER_TICK > last || present == 0
    }

    /// The tick to be run `now`, if one is due.
    pub(crate) fn poll(&self, now: Micros) -> Option<Turn> {
        let mut playing = self.rooms().filter(|paced| paced.schedule.is_some());
        let is_waited_for = playing.any(|paced| !self.is_slow(paced));
        let may_be_slow = !is_waited_for || now >= self.rest_until;
        let due = self.rooms.iter().enumerate().filter_map(|(place, paced)| {
            let paced = paced.as_ref()?;
            let schedule = paced.schedule.filter(|schedule| schedule.due() <= now)?;
            let may_run = may_be_slow || schedule.waiting(now) < 2 || !self.is_slow(paced);
            may_run.then_some((place, paced, schedule))
        });
        let urgency = |paced: &Paced, schedule: &Schedule| {
            let waited = now.since(schedule.due());
            (waited.0 + 1) as f32 / (paced.cost.unwrap_or(0.0) + 1.0)
        };
        let (place, paced, schedule) = due.max_by(|(_, a, a_due), (_, b, b_due)| {
            // Of equals the first.
            urgency(a, a_due).total_cmp(&urgency(b, b_due)).then(b.room.cmp(&a.room))
        })?;
        let (due, following) = (schedule.due(), schedule.following());
        Some(Turn { room: paced.room, group: place as u16 + 1, due, following, sessions: paced.sessions })
    }

    /// A turn was taken: the tick took `work` and was finished `now`.
    pub(crate) fn ran(&mut self, turn: &Turn, work: Work, now: Micros) -> Taken {
        let paced = self.rooms.get_mut(usize::from(turn.group) - 1).and_then(Option::as_mut);
        let Some(paced) = paced.filter(|paced| paced.room == turn.room) else { return Taken::default() };
        let took = work.sum();
        let cost = paced.cost.unwrap_or(took.0 as f32);
        paced.cost = Some(cost + (took.0 as f32 - cost) * SMOOTHING);
        let left_out = paced.schedule.as_mut().map_or(0, |schedule| schedule.advance(now));
        let tally = &mut paced.tally;
        tally.ticks += 1;
        let overran = now > turn.following;
        tally.overruns += u64::from(overran);
        tally.left_out += left_out;
        tally.work.game = tally.work.game + work.game;
        tally.work.telling = tally.work.telling + work.telling;
        let is_behind = paced.schedule.is_some_and(|schedule| schedule.waiting(now) > 0);
        let paced = *paced;
        // Of slow rooms those that keep up make nobody rest.
        if is_behind && self.is_slow(&paced) {
            self.rest_until = now + took;
        }
        Taken { overran, left_out }
    }

    /// Whether a room's ticks take too long.
    pub(crate) fn is_slow(&self, paced: &Paced) -> bool {
        let most = 1_000_000 / (u64::from(self.tick_rate_hz) * SLOW_ROOM_SHARE);
        paced.cost.is_some_and(|cost| cost > most as f32)
    }

    /// What a room did so far.
    pub(crate) fn tally(&self, room: u64) -> Tally {
        self.rooms().find(|paced| paced.room == room).map_or(Tally::default(), |paced| paced.tally)
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Paced> {
        self.rooms.iter().flatten()
    }

    fn find(&mut self, room: u64) -> Option<(u16, &mut Paced)> {
        let mut places = self.rooms.iter_mut().enumerate();
        places.find_map(|(place, paced)| {
            let paced = paced.as_mut().filter(|paced| paced.room == room)?;
            Some((place as u16 + 1, paced))
        })
    }
}

/// What the last tick counts for.
const SMOOTHING: f32 = 1.0 / 8.0;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A shard in virtual time, whose rooms have one client each.
    struct Simulated {
        beats: Beats,
        now: Micros,
        /// What a tick of each room takes.
        costs: BTreeMap<u64, Micros>,
        /// How long after its time a tick of each room began, at most.
        late: BTreeMap<u64, Micros>,
    }

    impl Simulated {
        fn new(costs_us: &[u64]) -> Self {
            let (costs, late) = (BTreeMap::new(), BTreeMap::new());
            let mut simulated = Self { beats: Beats::new(60), now: Micros(5_000), costs, late };
            for (room, &cost) in (1..).zip(costs_us) {
                simulated.beats.open(room);
                simulated.beats.join(room);
                simulated.costs.insert(room, Micros(cost));
            }
            simulated
        }

        fn run(&mut self, seconds: u64) {
            let end = self.now + Micros(seconds * 1_000_000);
            while self.now < end {
                self.now = self.now.max(self.beats.next_at());
                self.beats.begin(self.now);
                while let Some(turn) = self.beats.poll(self.now) {
                    let late = self.late.entry(turn.room).or_default();
                    *late = (*late).max(self.now.since(turn.due));
                    let game = self.costs[&turn.room];
                    self.now = self.now + game;
                    self.beats.ran(&turn, Work { game, telling: Micros(0) }, self.now);
                    if self.now >= self.beats.next_at() {
                        break;
                    }
                }
            }
        }

        /// Lets it settle, and plays on for ten seconds: ticks per second of each room.
        fn rates(&mut self) -> Vec<u64> {
            self.run(1);
            let tallies = |simulated: &Self| simulated.beats.rooms().map(|paced| paced.tally).collect::<Vec<_>>();
            let before = tallies(self);
            self.late.clear();
            self.run(10);
            let rates = tallies(self).into_iter().zip(before).map(|(after, before)| {
                let (ticks, left_out) = (after.ticks - before.ticks, after.left_out - before.left_out);
                assert!((ticks + left_out).abs_diff(600) <= 6, "all are accounted for: {ticks} and {left_out}");
                (ticks + 5) / 10
            });
            rates.collect()
        }
    }

    fn phases(beats: &Beats) -> Vec<u64> {
        beats.rooms().map(|paced| paced.phase).collect()
    }

    #[test]
    fn one_room_ticks_at_its_rate_and_on_time() {
        let mut shard = Simulated::new(&[2_000]);
        assert_eq!(shard.rates(), [60]);
        assert_eq!(shard.late[&1], Micros(0));
        let tally = shard.beats.rooms().next().expect("it is open").tally;
        assert_eq!((tally.overruns, tally.left_out), (0, 0));
    }

    #[test]
    fn rooms_are_spread_over_the_beats_by_what_they_cost() {
        let mut shard = Simulated::new(&[3_000, 100, 100, 100]);
        assert_eq!(phases(&shard.beats), [0, 1, 2, 3], "nobody knows what they cost");
        shard.run(2);
        (5..=10).for_each(|room| shard.beats.open(room));
        assert_eq!(phases(&shard.beats)[4..], [1, 2, 3, 1, 2, 3], "not where the costly one is");
        shard.beats.close(2);
        shard.beats.close(5);
        shard.beats.open(11);
        assert_eq!(phases(&shard.beats)[1], 1, "the place of the one that closed, and the beat that it left");
    }

    #[test]
    fn rooms_of_different_beats_do_not_wait_for_each_other() {
        let mut shard = Simulated::new(&[4_000; 4]);
        assert_eq!(shard.rates(), [60; 4]);
        assert!(shard.late.values().all(|late| *late == Micros(0)), "{:?}", shard.late);
    }

    #[test]
    fn cheap_rooms_keep_their_rate_beside_costly_ones_that_share_the_rest() {
        let mut shard = Simulated::new(&[7_000, 7_000, 7_000, 200, 200, 200, 200]);
        let rates = shard.rates();
        assert_eq!(rates[3..], [60; 4]);
        // What is left of a second is shared evenly.
        assert!(rates[..3].iter().all(|rate| (42..=50).contains(rate)), "{rates:?}");
        let late = shard.late[&4].max(shard.late[&7]);
        assert!(late < Micros(10_000), "a tick of a costly one, and a bit: {late:?}");
    }

    #[test]
    fn a_room_whose_ticks_are_too_long_gets_half_of_the_thread_and_the_others_keep_their_rate() {
        let mut shard = Simulated::new(&[40_000, 1_000, 1_000, 1_000]);
        assert_eq!(shard.rates(), [12, 60, 60, 60]);
        assert!(shard.late[&2] < Micros(50_000), "{:?}", shard.late);
        // Two of them share that half.
        let mut shard = Simulated::new(&[40_000, 1_000, 40_000]);
        let rates = shard.rates();
        assert_eq!(rates[1], 60);
        assert!((12..=14).contains(&(rates[0] + rates[2])) && rates[0].abs_diff(rates[2]) <= 1, "{rates:?}");
    }

    #[test]
    fn a_slow_room_gives_way_to_nobody_when_nobody_waits_or_when_it_keeps_up() {
        assert_eq!(Simulated::new(&[40_000]).rates(), [25]);
        assert_eq!(Simulated::new(&[12_000, 1_000]).rates(), [60, 60]);
        let rates = Simulated::new(&[9_000, 11_000]).rates();
        assert!(rates.iter().all(|rate| *rate > 30) && rates[0] + rates[1] > 90, "neither starves: {rates:?}");
        // Slow rooms do not make way for each other.
        let rates = Simulated::new(&[40_000, 40_000]).rates();
        assert!((24..=26).contains(&(rates[0] + rates[1])), "{rates:?}");
        // A room that nobody is in does not wait.
        let mut shard = Simulated::new(&[40_000, 1_000]);
        shard.beats.leave(2);
        shard.run(1);
        let before = shard.beats.rooms().next().expect("it is open").tally.ticks;
        shard.run(1);
        assert_eq!(shard.beats.rooms().next().expect("it is open").tally.ticks - before, 25);
    }

    #[test]
    fn one_long_tick_makes_no_room_a_slow_one() {
        let mut shard = Simulated::new(&[2_000, 1_000]);
        shard.run(1);
        shard.costs.insert(1, Micros(40_000));
        let ticks = shard.beats.rooms().next().expect("it is open").tally.ticks;
        while shard.beats.rooms().next().expect("it is open").tally.ticks == ticks {
            let turn = shard.beats.poll(shard.now);
            shard.now = shard.now + turn.map_or(Micros(100), |turn| shard.costs[&turn.room]);
            turn.map(|turn| {
                shard.beats.ran(&turn, Work { game: shard.costs[&turn.room], telling: Micros(0) }, shard.now)
            });
        }
        shard.costs.insert(1, Micros(2_000));
        assert_eq!(shard.rates(), [60, 60]);
        assert!(shard.beats.rooms().all(|paced| paced.tally.left_out == 0), "it was made up for");
    }

    #[test]
    fn after_a_stall_each_room_makes_up_for_a_few_ticks_in_its_own_beat() {
        let mut shard = Simulated::new(&[1_000, 1_000]);
        shard.run(1);
        shard.now = shard.now + Micros(3_000_000);
        shard.late.clear();
        shard.run(1);
        for paced in shard.beats.rooms() {
            assert!(paced.tally.left_out.abs_diff(180 - 4) <= 1, "{:?}", paced.tally);
        }
        shard.late.clear();
        shard.run(1);
        assert!(shard.late.values().all(|late| *late == Micros(0)), "{:?}", shard.late);
    }

    #[test]
    fn missed_beats_are_one() {
        let mut beats = Beats::new(60);
        let grid = beats.grid;
        assert!(beats.begin(grid.at(4)), "a tick begins");
        assert!(!beats.begin(grid.at(5)) && !beats.begin(grid.at(7)));
        assert_eq!(beats.next_at(), grid.at(8));
        assert!(beats.begin(grid.at(30)), "some tick began");
        assert!(!beats.begin(grid.at(31)));
        assert!(beats.begin(grid.at(32)));
    }
}
