//! What to do about overload: snapshots are what costs most, and what can be missed best. So before ticks are left out, the
//! room whose snapshots cost most sends every other one, then every fourth: one step a second, until the shard keeps up.
//! The steps are taken back one at a time, when what that costs fits into the time that is left.
//!
//! A room whose own ticks are too long is nobody else's trouble: what it takes is set apart, and only its own rate is
//! lowered for it.
//!
//! There is no clock in here: it is told what happened in a second.

use std::cmp::Reverse;

use downbeat_host::limits::SEND_EVERY_MAX;
use downbeat_wire::Micros;

use super::beats::Tally;
use crate::limits::{
    BUSY_PERCENT, CALM_SECONDS, CALM_SECONDS_MAX, LATE_TICKS_SHARE, LOWERED_RATE_HZ_MIN, RELIEF_WORTH_THOUSANDTHS,
};

/// How a second went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    /// How long it was.
    pub(crate) span: Micros,
    /// What the shard worked in it, all told.
    pub(crate) work: Micros,
    /// Beats in which rooms ticked, and those of them that began although datagrams were left unread in the sockets.
    pub(crate) beats: u64,
    pub(crate) unread: u64,
    pub(crate) kernel_drops: u64,
}

/// What a room did in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    pub(crate) room: u64,
    pub(crate) tally: Tally,
    /// Its ticks are too long.
    pub(crate) is_slow: bool,
    /// Each client is sent every so manyth snapshot.
    pub(crate) every: u32,
}

/// A room is to send each client every so manyth snapshot from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) room: u64,
    pub(crate) every: u32,
}

/// Decides about send rates, once a second.
#[derive(Debug)]
pub(crate) struct Relief {
    every_max: u32,
    /// Seconds in a row without overload since the last step, and how many there must be before one is taken back.
    calm: u32,
    enough: u32,
    /// The last step was up.
    has_raised: bool,
    /// A rate was lowered just now: what is late is being made up for, perhaps.
    settles: bool,
}

impl Relief {
    /// For rooms that send at `send_rate_hz`.
    pub(crate) const fn new(send_rate_hz: u32) -> Self {
        let mut every_max = 1;
        while every_max * 2 <= SEND_EVERY_MAX && send_rate_hz / (every_max * 2) >= LOWERED_RATE_HZ_MIN {
            every_max *= 2;
        }
        Self { every_max, calm: 0, enough: CALM_SECONDS, has_raised: false, settles: false }
    }

    /// What is to be done after such a second.
    pub(crate) fn review(&mut self, second: &Second, rooms: &[Share]) -> Option<Step> {
        let settles = std::mem::take(&mut self.settles);
        if second.is_pressed(rooms, settles) {
            self.fall_back();
            return self.lower(second, rooms.iter());
        }
        let slow = rooms.iter().filter(|room| room.is_slow && is_many(room.late(settles), room.owed()));
        // Whose game takes the time is not helped by fewer snapshots, and keeps nobody else from getting theirs back.
        if let Some(step) = self.lower(second, slow.filter(|room| room.tells_much())) {
            self.fall_back();
            return Some(step);
        }
        self.calm = self.calm.saturating_add(1);
        if self.has_raised && self.calm >= CALM_SECONDS_MAX {
            self.enough = CALM_SECONDS;
        }
        if self.calm >= self.enough { self.raise(second, rooms) } else { None }
    }

    /// Nothing is calm any more.
    fn fall_back(&mut self) {
        // A step up that has to be taken back was one too many: the next is not tried so soon.
        if self.has_raised && self.calm < CALM_SECONDS_MAX {
            self.enough = (self.enough * 2).min(CALM_SECONDS_MAX);
        }
        (self.calm, self.has_raised) = (0, false);
    }

    /// The step down that saves most, if any is worth it.
    fn lower<'a>(&mut self, second: &Second, rooms: impl Iterator<Item = &'a Share>) -> Option<Step> {
        // It saves half of the snapshots.
        let saved = |room: &Share| room.tally.work.telling.0 / 2;
        let is_worth = |room: &&Share| saved(room) * 1_000 >= second.span.0 * RELIEF_WORTH_THOUSANDTHS;
        let may_lower = rooms.filter(|room| room.every < self.every_max).filter(is_worth);
        let room = may_lower.max_by_key(|room| (room.telling(), Reverse(room.room)))?;
        self.settles = true;
        Some(Step { room: room.room, every: room.every * 2 })
    }

    fn raise(&mut self, second: &Second, rooms: &[Share]) -> Option<Step> {
        let lowered = rooms.iter().filter(|room| room.every > 1);
        let room = lowered.min_by_key(|room| (room.telling(), room.room))?;
        // Twice as many snapshots cost as much again.
        let fits = |rooms| second.busy_percent(rooms, room.telling()) < BUSY_PERCENT;
        if !fits(if room.is_slow { &[] } else { rooms }) {
            return None;
        }
        (self.calm, self.has_raised) = (0, true);
        Some(Step { room: room.room, every: room.every / 2 })
    }
}

impl Second {
    /// Whether the shard is overloaded by more than its slow rooms: there are signs of it, and hardly any time is left.
    fn is_pressed(&self, rooms: &[Share], settles: bool) -> bool {
        let others = || rooms.iter().filter(|room| !room.is_slow);
        let (late, owed) = (others().map(|room| room.late(settles)).sum(), others().map(Share::owed).sum());
        let is_unread = self.kernel_drops > 0 || is_many(self.unread, self.beats);
        let has_signs = (is_unread && !settles) || is_many(late, owed);
        has_signs && self.busy_percent(rooms, Micros(0)) >= BUSY_PERCENT
    }

    /// How much of the time that slow `rooms` leave is worked in, if `more` comes on top.
    fn busy_percent(&self, rooms: &[Share], more: Micros) -> u64 {
        let slow = rooms.iter().filter(|room| room.is_slow).map(|room| room.tally.work.sum().0).sum();
        let left = self.span.0.saturating_sub(slow).max(1);
        (self.work.0.saturating_sub(slow) + more.0) * 100 / left
    }
}

impl Share {
    /// What its snapshots cost, had all its ticks been run.
    fn telling(&self) -> Micros {
        let Tally { ticks, work, .. } = self.tally;
        let owed = work.telling.0 * self.owed();
        Micros(owed.checked_div(ticks).unwrap_or(0))
    }

    /// Ticks that were due.
    const fn owed(&self) -> u64 {
        self.tally.ticks + self.tally.left_out
    }

    /// Those of them that were late, or never came. While it settles, what is late says nothing.
    const fn late(&self, settles: bool) -> u64 {
        self.tally.left_out + if settles { 0 } else { self.tally.overruns }
    }

    /// Whether a considerable part of its ticks is spent on snapshots.
    fn tells_much(&self) -> bool {
        self.tally.work.telling.0 * TELLING_SHARE >= self.tally.work.sum().0
    }
}

/// Whether so many ticks in a second are a sign of overload.
const fn is_many(some: u64, of: u64) -> bool {
    some > 0 && some * LATE_TICKS_SHARE >= of
}

/// A considerable part is one of so many.
const TELLING_SHARE: u64 = 10;

#[cfg(test)]
mod tests {
    use super::super::beats::{Beats, Work};
    use super::*;

    /// What a room's tick takes: its game, and telling all its clients.
    #[derive(Clone, Copy)]
    struct Cost {
        game: u64,
        telling: u64,
    }

    const fn cost(game: u64, telling: u64) -> Cost {
        Cost { game, telling }
    }

    /// A shard in virtual time that does what it is advised to.
    struct Simulated {
        beats: Beats,
        relief: Relief,
        now: Micros,
        /// By room, as are these.
        costs: Vec<Cost>,
        every: Vec<u32>,
        tallies: Vec<Tally>,
        /// Steps, with the second in which they were taken.
        steps: Vec<(u64, Step)>,
        seconds: u64,
        unread: u64,
    }

    impl Simulated {
        fn new(costs: &[Cost]) -> Self {
            let mut beats = Beats::new(60);
            for room in 0..costs.len() as u64 {
                beats.open(room);
                beats.join(room);
            }
            Self {
                beats,
                relief: Relief::new(60),
                now: Micros(0),
                costs: costs.to_vec(),
                every: vec![1; costs.len()],
                tallies: vec![Tally::default(); costs.len()],
                steps: Vec::new(),
                seconds: 0,
                unread: 0,
            }
        }

        fn run(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.second();
            }
        }

        fn second(&mut self) {
            let (begin, mut second) = (self.now, Second { unread: self.unread, ..Second::default() });
            while self.now.since(begin) < Micros(1_000_000) {
                self.now = self.now.max(self.beats.next_at());
                self.beats.begin(self.now);
                second.beats += 1;
                while let Some(turn) = self.beats.poll(self.now) {
                    let Cost { game, telling } = self.costs[turn.room as usize];
                    let telling = telling / u64::from(self.every[turn.room as usize]);
                    let work = Work { game: Micros(game), telling: Micros(telling) };
                    (self.now, second.work) = (self.now + work.sum(), second.work + work.sum());
                    self.beats.ran(&turn, work, self.now);
                    if self.now >= self.beats.next_at() {
                        break;
                    }
                }
            }
            second.span = self.now.since(begin);
            self.seconds += 1;
            let share = |paced: &super::super::beats::Paced| Share {
                room: paced.room,
                tally: paced.tally.since(&self.tallies[paced.room as usize]),
                is_slow: self.beats.is_slow(paced),
                every: self.every[paced.room as usize],
            };
            let rooms: Vec<Share> = self.beats.rooms().map(share).collect();
            self.tallies = self.beats.rooms().map(|paced| paced.tally).collect();
            if let Some(step) = self.relief.review(&second, &rooms) {
                self.every[step.room as usize] = step.every;
                self.steps.push((self.seconds, step));
            }
        }

        fn left_out(&self) -> u64 {
            self.tallies.iter().map(|tally| tally.left_out).sum()
        }
    }

    fn step(room: u64, every: u32) -> Step {
        Step { room, every }
    }

    #[test]
    fn nothing_is_done_while_the_shard_keeps_up() {
        let mut shard = Simulated::new(&[cost(3_000, 8_000), cost(1_000, 2_000)]);
        shard.run(30);
        assert_eq!(shard.steps, []);
    }

    #[test]
    fn the_room_whose_snapshots_cost_most_is_lowered_first_one_step_a_second() {
        let mut shard = Simulated::new(&[cost(2_000, 6_000), cost(2_000, 5_000), cost(1_000, 1_500)]);
        shard.run(20);
        assert_eq!(shard.steps, [(1, step(0, 2))], "14.5 of 16.7 ms are enough");
        let mut shard = Simulated::new(&[cost(3_000, 5_000), cost(4_000, 4_000), cost(5_000, 2_000)]);
        shard.run(20);
        assert_eq!(shard.steps[..3], [(1, step(0, 2)), (2, step(1, 2)), (4, step(0, 4))], "{:?}", shard.steps);
        let before = shard.left_out();
        shard.run(10);
        assert_eq!(shard.left_out(), before, "it keeps up: {:?}", shard.steps);
    }

    #[test]
    fn a_lone_room_that_is_too_long_lowers_its_own_rate_before_ticks_are_left_out_for_ever() {
        let mut shard = Simulated::new(&[cost(4_000, 30_000)]);
        shard.run(3);
        assert_eq!(shard.steps, [(1, step(0, 2)), (2, step(0, 4))]);
        let before = shard.left_out();
        shard.run(20);
        assert!(shard.left_out() - before <= 4, "11.5 ms of 16.7: {}", shard.left_out() - before);
    }

    #[test]
    fn rates_come_back_one_by_one_when_there_is_time_for_them() {
        let mut shard = Simulated::new(&[cost(5_000, 5_000), cost(5_000, 6_000)]);
        shard.run(10);
        let lowered = shard.steps.clone();
        assert!(shard.every.iter().all(|every| *every > 1), "{lowered:?}");
        shard.run(60);
        assert_eq!(shard.steps, lowered, "what comes back would not fit");
        shard.costs = vec![cost(1_000, 3_000), cost(1_000, 4_000)];
        shard.run(30);
        assert_eq!(shard.every, [1, 1]);
        let raised = &shard.steps[lowered.len()..];
        let apart = raised.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(apart.min().is_some_and(|apart| apart >= u64::from(CALM_SECONDS)), "{raised:?}");
    }

    #[test]
    fn a_load_that_comes_and_goes_is_not_followed_up_and_down() {
        // What is measured in calm seconds says that it would fit; every tenth second it does not.
        let mut shard = Simulated::new(&[cost(3_000, 4_000), cost(3_000, 4_000)]);
        for _ in 0..60 {
            shard.costs = vec![cost(9_000, 4_000), cost(9_000, 4_000)];
            shard.run(1);
            shard.costs = vec![cost(2_000, 4_000), cost(2_000, 4_000)];
            shard.run(9);
        }
        let ups = |from, to| {
            let is_up = |(at, step): &&(u64, Step)| (from..to).contains(at) && step.every == 1;
            shard.steps.iter().filter(is_up).count()
        };
        assert_eq!(ups(0, 600), 2, "{:?}", shard.steps);
    }

    #[test]
    fn a_room_that_stays_slow_keeps_nobody_elses_rate_down() {
        let mut shard = Simulated::new(&[cost(40_000, 10), cost(500, 3_000)]);
        shard.run(5);
        // Something else lowered the other's rate, and is over.
        shard.every[1] = 4;
        shard.run(20);
        assert_eq!(shard.every, [1, 1], "{:?}", shard.steps);
    }

    #[test]
    fn a_slow_room_lowers_nobody_elses_rate() {
        // It has no clients worth mentioning; the other has many.
        let mut shard = Simulated::new(&[cost(40_000, 10), cost(500, 3_000)]);
        shard.run(30);
        assert_eq!(shard.steps, []);
        // One that has many lowers its own.
        let mut shard = Simulated::new(&[cost(20_000, 20_000), cost(500, 3_000)]);
        shard.run(30);
        assert_eq!(shard.steps, [(1, step(0, 2)), (2, step(0, 4))]);
    }

    #[test]
    fn unread_datagrams_and_kernel_drops_count_when_there_is_no_time_left() {
        let rooms = [Share {
            room: 7,
            tally: Tally {
                ticks: 60,
                work: Work { game: Micros(100_000), telling: Micros(300_000) },
                ..Tally::default()
            },
            is_slow: false,
            every: 1,
        }];
        let calm = Second { span: Micros(1_000_000), work: Micros(800_000), beats: 60, ..Second::default() };
        for (second, expected) in [
            (calm, None),
            (Second { unread: 5, ..calm }, None),
            (Second { unread: 6, ..calm }, Some(step(7, 2))),
            (Second { kernel_drops: 1, ..calm }, Some(step(7, 2))),
            (Second { kernel_drops: 1, work: Micros(740_000), ..calm }, None),
        ] {
            assert_eq!(Relief::new(60).review(&second, &rooms), expected, "{second:?}");
        }
    }

    #[test]
    fn no_rate_is_lowered_below_the_least() {
        for (send_rate_hz, every_max) in [(128, 4), (60, 4), (40, 4), (30, 2), (20, 2), (19, 1), (10, 1)] {
            assert_eq!(Relief::new(send_rate_hz).every_max, every_max, "{send_rate_hz} Hz");
        }
    }
}
