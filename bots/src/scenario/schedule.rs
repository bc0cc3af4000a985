//! Who comes and who goes when. All of it follows from the scenario and the seed, and nothing from what happens on the
//! way, so that several processes that share a run agree without a word.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use downbeat_wire::Micros;

use super::check::shared_out;
use super::{Phase, PhaseKind, Scenario};
use crate::dice::Dice;

/// A bot comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// Since the beginning of the run.
    pub(crate) at: Micros,
    /// The number of the bot, over all groups and shares.
    pub(crate) bot: usize,
    /// Whether it comes.
    pub(crate) joins: bool,
}

/// The turns of a run, in order.
pub(crate) struct Schedule {
    /// The first bot of each group, and the number of all.
    firsts: Vec<usize>,
    groups: Vec<String>,
    phases: std::vec::IntoIter<Phase>,
    /// When the phase after the one under way begins.
    next_phase: Micros,
    /// How many of each group there are at the end of the phase under way, those apart who are away for a moment.
    levels: Vec<usize>,
    changes: BinaryHeap<Reverse<(Micros, usize, Change)>>,
    churn: Option<Churn>,
    bots: Vec<Presence>,
    /// How often somebody has come so far.
    joins: usize,
    dice: Dice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Join,
    Leave,
    Return,
}

#[derive(Clone, Copy, Debug, Default)]
struct Presence {
    wanted: bool,
    away: bool,
}

/// Bots that leave for a moment.
struct Churn {
    at: f64,
    every: f64,
    until: Micros,
    away: Micros,
    /// The first of those who may leave, and the first who may not.
    bots: (usize, usize),
}

impl Schedule {
    /// The turns of `scenario`, which was checked.
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut firsts = vec![0];
        firsts.extend(scenario.groups.iter().scan(0, |bots, group| {
            *bots += group.seats();
            Some(*bots)
        }));
        let phases = if scenario.phases.is_empty() {
            let everybody = PhaseKind::Storm { to: scenario.clients() };
            vec![Phase { name: String::new(), kind: everybody, seconds: 0.0, group: None }]
        } else {
            scenario.phases.clone()
        };
        Self {
            groups: scenario.groups.iter().map(|group| group.name.clone()).collect(),
            phases: phases.into_iter(),
            next_phase: Micros(0),
            levels: vec![0; scenario.groups.len()],
            changes: BinaryHeap::new(),
            churn: None,
            bots: vec![Presence::default(); scenario.clients()],
            joins: 0,
            dice: Dice::new(seed ^ CHURN_STREAM),
            firsts,
        }
    }

    /// How often somebody has come so far, over all shares.
    pub(crate) const fn joins(&self) -> usize {
        self.joins
    }

    /// How often somebody comes in the whole of `scenario`.
    pub(crate) fn joins_of(scenario: &Scenario, seed: u64) -> usize {
        let mut schedule = Self::new(scenario, seed);
        while schedule.poll(Micros(u64::MAX)).is_some() {}
        schedule.joins
    }

    fn begin(&mut self, phase: &Phase) {
        let (begin, length) = (self.next_phase, Micros((phase.seconds * 1e6) as u64));
        self.next_phase = begin + length;
        let group = phase.group.as_ref().and_then(|name| self.groups.iter().position(|group| group == name));
        match phase.kind {
            PhaseKind::Plateau => {}
            PhaseKind::Ramp { to } => self.change_to(&self.shared_out(to, group), begin, length),
            PhaseKind::Storm { to } => self.change_to(&self.shared_out(to, group), begin, Micros(0)),
            PhaseKind::Spike { to } => {
                let before = self.levels.clone();
                self.change_to(&self.shared_out(to, group), begin, Micros(0));
                self.change_to(&before, self.next_phase, Micros(0));
            }
            PhaseKind::Churn { per_s, away_s } => {
                let groups = group.map_or(0..self.groups.len(), |group| group..group + 1);
                let bots = (self.firsts[groups.start], self.firsts[groups.end]);
                let (every, away) = (1e6 / per_s, Micros((away_s * 1e6) as u64));
                // As in ramps, each has the middle of its own part of the time.
                self.churn =
                    Some(Churn { at: begin.0 as f64 + every / 2.0, every, until: self.next_phase, away, bots });
            }
        }
    }

    /// How many of each group there are, when there are `to` in all or in one `group`.
    fn shared_out(&self, to: usize, group: Option<usize>) -> Vec<usize> {
        let mut levels = self.levels.clone();
        if let Some(group) = group {
            levels[group] = to;
            return levels;
        }
        let clients: Vec<usize> = self.firsts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        shared_out(&clients, to)
    }

    /// Spreads what brings about `levels` over `length`.
    fn change_to(&mut self, levels: &[usize], begin: Micros, length: Micros) {
        for (group, &level) in levels.iter().enumerate() {
            let (before, first) = (self.levels[group], self.firsts[group]);
            let count = before.abs_diff(level) as u64;
            for n in 0..before.abs_diff(level) {
                let at = begin + Micros(length.0 * (2 * n as u64 + 1) / (2 * count));
                // Who came last goes first.
                let (bot, change) =
                    if level > before { (before + n, Change::Join) } else { (before - 1 - n, Change::Leave) };
                self.changes.push(Reverse((at, first + bot, change)));
            }
            self.levels[group] = level;
        }
    }

    /// When something may happen next.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        let phase = self.phases.as_slice().first().map(|_| self.next_phase);
        let change = self.changes.peek().map(|Reverse((at, ..))| *at);
        let churn = self.churn.as_ref().map(|churn| Micros(churn.at as u64));
        [phase, change, churn].into_iter().flatten().min()
    }

    /// The next turn at or before `now`.
    pub(crate) fn poll(&mut self, now: Micros) -> Option<Turn> {
        while let Some(at) = self.next_at().filter(|&at| at <= now) {
            // What ends with a phase does so before the next one begins.
            let turn = if self.changes.peek().is_some_and(|Reverse((due, ..))| *due <= at) {
                self.change()
            } else if self.churn.as_ref().is_some_and(|churn| churn.at as u64 <= at.0) {
                self.churn()
            } else {
                let phase = self.phases.next().expect("nothing else is due");
                self.begin(&phase);
                None
            };
            if let Some(turn) = turn {
                self.joins += usize::from(turn.joins);
                return Some(turn);
            }
        }
        None
    }

    fn change(&mut self) -> Option<Turn> {
        let Reverse((at, bot, change)) = self.changes.pop()?;
        let presence = &mut self.bots[bot];
        let was_in = presence.wanted && !presence.away;
        match change {
            Change::Join => presence.wanted = true,
            Change::Leave => presence.wanted = false,
            Change::Return => presence.away = false,
        }
        let is_in = presence.wanted && !presence.away;
        (was_in != is_in).then_some(Turn { at, bot, joins: is_in })
    }

    fn churn(&mut self) -> Option<Turn> {
        let churn = self.churn.as_mut()?;
        let (at, (first, end)) = (Micros(churn.at as u64), churn.bots);
        if at > churn.until {
            self.churn = None;
            return None;
        }
        churn.at += churn.every;
        let away = churn.away;
        let present: Vec<usize> = (first..end).filter(|&bot| self.bots[bot].wanted && !self.bots[bot].away).collect();
        let bot = *present.get(self.dice.below(present.len() as u32) as usize)?;
        self.bots[bot].away = true;
        self.changes.push(Reverse((at + away, bot, Change::Return)));
        Some(Turn { at, bot, joins: false })
    }
}

/// Tells who is drawn here from other uses of the seed.
const CHURN_STREAM: u64 = 0x63_6875_726e;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::scenario::{Group, Share};
    use crate::seats::Seat;
    use downbeat_transport::Trust;

    fn scenario(clients: &[usize], phases: &[(PhaseKind, f64, Option<usize>)]) -> Scenario {
        let options = Options::new(([127, 0, 0, 1], 1).into(), Trust::danger_anybody());
        let like = Scenario::of(&options);
        let group = |(index, &clients): (usize, &usize)| Group {
            name: format!("g{index}"),
            clients,
            light: clients / 4,
            ..like.groups[0].clone()
        };
        let phase = |(index, &(kind, seconds, group)): (usize, &(PhaseKind, f64, Option<usize>))| Phase {
            name: format!("p{index}"),
            kind,
            seconds,
            group: group.map(|group| format!("g{group}")),
        };
        let groups = clients.iter().enumerate().map(group).collect();
        let phases = phases.iter().enumerate().map(phase).collect();
        Scenario { groups, phases, ..like }
    }

    fn turns(scenario: &Scenario, seed: u64) -> Vec<Turn> {
        let mut schedule = Schedule::new(scenario, seed);
        std::iter::from_fn(|| schedule.poll(Micros::from_millis(3_600_000))).collect()
    }

    /// How many there are after `ms`, of each group of `clients`.
    fn levels(turns: &[Turn], clients: &[usize], ms: u64) -> Vec<i64> {
        let mut first = 0;
        let level = |count: &usize| {
            let bots = first..first + count;
            first += count;
            let so_far = turns.iter().filter(|turn| turn.at <= Micros::from_millis(ms) && bots.contains(&turn.bot));
            so_far.map(|turn| if turn.joins { 1 } else { -1 }).sum()
        };
        clients.iter().map(level).collect()
    }

    #[test]
    fn without_phases_everybody_comes_at_once_in_turn() {
        let turns = turns(&scenario(&[3, 2], &[]), 1);
        assert!(turns.iter().enumerate().all(|(n, turn)| *turn == Turn { at: Micros(0), bot: n, joins: true }));
        assert_eq!(turns.len(), 5);
    }

    #[test]
    fn ramps_are_even_and_groups_keep_their_proportions() {
        let clients = [60, 30];
        let phases = [(PhaseKind::Ramp { to: 90 }, 30.0, None), (PhaseKind::Ramp { to: 30 }, 10.0, None)];
        let turns = turns(&scenario(&clients, &phases), 1);
        assert!(turns.windows(2).all(|pair| pair[0].at <= pair[1].at), "in order");
        for (ms, expected) in
            [(0, [0, 0]), (15_000, [30, 15]), (30_000, [60, 30]), (35_000, [40, 20]), (40_000, [20, 10])]
        {
            assert_eq!(levels(&turns, &clients, ms), expected, "{ms}");
        }
    }

    #[test]
    fn a_spike_ends_where_it_began_and_a_phase_of_a_group_leaves_the_others_alone() {
        let clients = [10, 10];
        let phases = [
            (PhaseKind::Storm { to: 8 }, 2.0, None),
            (PhaseKind::Spike { to: 10 }, 3.0, Some(1)),
            (PhaseKind::Ramp { to: 20 }, 5.0, None),
        ];
        let turns = turns(&scenario(&clients, &phases), 1);
        for (ms, expected) in [(0, [4, 4]), (2_000, [4, 10]), (4_999, [4, 10]), (5_000, [4, 4]), (10_000, [10, 10])] {
            assert_eq!(levels(&turns, &clients, ms), expected, "{ms}");
        }
    }

    #[test]
    fn whoever_churns_is_back_in_time_unless_the_level_fell_meanwhile() {
        let clients = [20];
        let churn = PhaseKind::Churn { per_s: 10.0, away_s: 2.0 };
        let phases =
            [(PhaseKind::Storm { to: 20 }, 1.0, None), (churn, 10.0, None), (PhaseKind::Storm { to: 5 }, 5.0, None)];
        let scenario = scenario(&clients, &phases);
        let turns = turns(&scenario, 7);
        assert_eq!(levels(&turns, &clients, 8_000), [0], "all of 20 are away for two seconds at ten a second");
        assert_eq!(levels(&turns, &clients, 16_000), [5]);
        for bot in 0..20 {
            let own: Vec<_> = turns.iter().filter(|turn| turn.bot == bot).collect();
            assert!(own.iter().enumerate().all(|(n, turn)| turn.joins == (n % 2 == 0)), "it comes and goes in turn");
        }
        let away = turns.iter().filter(|turn| !turn.joins && turn.at < Micros::from_millis(11_000)).count();
        assert!((85..=100).contains(&away), "{away}");
        assert_eq!(turns, self::turns(&scenario, 7), "equal seeds");
        assert_ne!(turns, self::turns(&scenario, 8));
    }

    #[test]
    fn as_many_are_away_as_leave_while_one_is_away_also_when_whole_seconds_are_looked_at() {
        let churn = PhaseKind::Churn { per_s: 2.0, away_s: 1.0 };
        let turns = turns(&scenario(&[20], &[(PhaseKind::Storm { to: 20 }, 1.0, None), (churn, 10.0, None)]), 3);
        for second in 3..=11 {
            // Whoever comes back needs a moment to join.
            for ms in [0, 100, 200] {
                assert_eq!(levels(&turns, &[20], second * 1_000 + ms - 100), [18], "{second} s");
            }
        }
        assert_eq!(turns.iter().filter(|turn| !turn.joins).count(), 20, "two a second for ten seconds");
        let joins = turns.iter().filter(|turn| turn.joins).count();
        assert_eq!(
            Schedule::joins_of(&scenario(&[20], &[(PhaseKind::Storm { to: 20 }, 1.0, None), (churn, 10.0, None)]), 3),
            joins
        );
    }

    #[test]
    fn the_shares_of_a_run_are_the_whole_run() {
        let scenario = scenario(&[13, 7], &[(PhaseKind::Ramp { to: 20 }, 4.0, None)]);
        let describe = |seat: &Seat| {
            (seat.number, seat.group, seat.index, seat.is_light, seat.seed(&scenario, 9), seat.name(&scenario, "bot"))
        };
        let whole: Vec<_> = Seat::all(&scenario, Share::WHOLE).iter().map(describe).collect();
        let shares: Vec<Share> = (1..=3).map(|n| format!("{n}/3").parse().expect("a share")).collect();
        let mut parts: Vec<_> =
            shares.iter().flat_map(|share| Seat::all(&scenario, *share)).map(|seat| describe(&seat)).collect();
        parts.sort();
        assert_eq!(parts, whole);
        for share in shares {
            let seats = Seat::all(&scenario, share);
            for turn in turns(&scenario, 9) {
                let place = share.place(turn.bot);
                assert_eq!(place.map(|place| seats[place].number), share.has(turn.bot).then_some(turn.bot));
            }
        }
        let mut seeds: Vec<_> = whole.iter().map(|seat| seat.4).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 13, "groups of equal offsets draw alike");
    }
}
