//! How a run goes: who is to come or to go now, when the measurement begins, and when all is over.

use std::collections::VecDeque;

use downbeat_wire::{CloseCode, Micros};

use crate::accounting::ACCOUNTED_MAX;
use crate::admin::Admin;
use crate::budget::Mean;
use crate::herd::Herd;
use crate::hostile::{Siege, Stretch};
use crate::light::Light;
use crate::line::LineConn;
use crate::options::Options;
use crate::player::Player;
use crate::progress::{Grown, Progress, RunStage, There};
use crate::report::Ended;
use crate::scenario::{Scenario, Schedule};
use crate::scrape::Moment;
use crate::seats::Seat;
use crate::series::Series;
use crate::silence::{Awake, FRESH};
use crate::stage::Stage;
use crate::tally::Growth;
use crate::{Bots, machine};

/// When nobody has got in, this many failures say enough.
const FAILURES_ENOUGH: usize = 8;

/// What a run is at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Joining,
    WarmUp { joined: Micros },
    Measuring { joined: Micros, since: Micros },
}

/// How far a run has come. Times are since its beginning.
pub(crate) struct Course {
    schedule: Schedule,
    /// Who is to join, in turn, and how many may be on their way in.
    waiting: VecDeque<usize>,
    joining_max: usize,
    pub(crate) window: Window,
    pub(crate) ended: Ended,
    /// Before this, those with whom the measurement begins are still asked to join.
    opened: Micros,
    /// What is played before anything counts.
    pub(crate) warm_up: Micros,
    /// How long the run goes on: since its beginning, or since the last has joined.
    ends: Ends,
    too_many_lost: bool,
    all_silent: bool,
    pub(crate) awake: Awake,
    /// CPU time of the loop when the measurement began.
    pub(crate) cpu_base: Option<std::time::Duration>,
    /// Memory of the process before there were bots, in bytes.
    rss_base: Option<u64>,
    pub(crate) second: SecondUnderWay,
    pub(crate) series: Series,
    /// Every so manyth bot keeps account of what bytes are spent on.
    account_every: Option<usize>,
}

/// The second that is not over.
#[derive(Default)]
pub(crate) struct SecondUnderWay {
    pub(crate) began: Micros,
    /// What the run was at then.
    stage: RunStage,
    /// How many light ones were in then.
    light: usize,
    /// What those who have left since then grew by.
    left: Grown,
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    AfterBeginning(Micros),
    AfterJoining(Micros),
}

impl Course {
    /// What each of so many bots adds to the memory of the process, in bytes.
    pub(crate) fn rss_of_each(&self, bots: u64) -> Option<u64> {
        let grown = machine::rss_bytes()?.saturating_sub(self.rss_base?);
        grown.checked_div(bots)
    }

    pub(crate) fn new(options: &Options, scenario: &Scenario, seats: &[Seat]) -> Self {
        let us = |seconds: f64| Micros((seconds * 1e6) as u64);
        let opened_s = scenario.opened_s();
        let played_s = scenario.phases_s().map_or(options.seconds, |all| all - opened_s);
        Self {
            schedule: Schedule::new(scenario, options.seed),
            waiting: VecDeque::with_capacity(seats.len()),
            // Phases say themselves who comes when.
            joining_max: if scenario.phases.is_empty() { options.joining.max(1) } else { usize::MAX },
            window: Window::Joining,
            ended: Ended::Time,
            opened: us(opened_s),
            warm_up: us(warm_up_s(played_s)),
            ends: match scenario.phases_s() {
                Some(seconds) => Ends::AfterBeginning(us(seconds)),
                None => Ends::AfterJoining(us(options.seconds)),
            },
            too_many_lost: false,
            all_silent: false,
            awake: Awake::default(),
            cpu_base: None,
            rss_base: machine::rss_bytes(),
            second: SecondUnderWay::default(),
            series: Series::default(),
            account_every: options.explain.then(|| {
                let full = seats.iter().filter(|seat| !seat.is_light).count();
                full.div_ceil(ACCOUNTED_MAX).max(1)
            }),
        }
    }

    /// When a run ends whose last bot came at `joined`, since its beginning.
    pub(crate) fn ends_at(&self, joined: Micros) -> Micros {
        match self.ends {
            Ends::AfterBeginning(time) => time,
            Ends::AfterJoining(time) => joined + time,
        }
    }

    /// How much of the planned time is over.
    fn played(&self, now: Micros) -> Micros {
        match (self.ends, self.window) {
            (Ends::AfterBeginning(_), _) => now,
            (Ends::AfterJoining(_), Window::Joining) => Micros(0),
            (Ends::AfterJoining(_), Window::WarmUp { joined } | Window::Measuring { joined, .. }) => now.since(joined),
        }
    }

    /// When somebody may have to come or to go.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        self.schedule.next_at()
    }
}

impl<G: Bots> Herd<'_, G> {
    /// Has those come and go whose time it is.
    pub(crate) fn follow_schedule(&mut self, now: Micros) {
        while let Some(turn) = self.course.schedule.poll(now) {
            let Some(index) = self.options.share.place(turn.bot) else { continue };
            if !turn.joins {
                self.leave(index, now);
                continue;
            }
            self.seats[index].asked = true;
            self.seats[index].ticket = Some(self.course.schedule.joins() - 1);
            if matches!(self.bots[index], Stage::Waiting) {
                self.course.waiting.push_back(index);
            }
        }
    }

    /// Who may begin to connect now.
    pub(crate) fn next_to_join(&mut self) -> Option<usize> {
        if self.course.waiting.is_empty() || self.joining >= self.course.joining_max || self.is_nobody_left() {
            return None;
        }
        self.course.waiting.pop_front()
    }

    /// A bot leaves as planned.
    fn leave(&mut self, index: usize, now: Micros) {
        if self.siege.as_mut().is_some_and(|siege| siege.forget_redial(index)) {
            self.bots[index] = Stage::Waiting;
            return;
        }
        let conn = match &self.bots[index] {
            Stage::Playing { conn, .. } | Stage::Light { conn, .. } | Stage::Joining { conn, .. } => Some(*conn),
            _ => None,
        };
        match std::mem::replace(&mut self.bots[index], Stage::Waiting) {
            Stage::Playing { conn, mut player, .. } => {
                if let Some(stats) = self.lines.stats(conn) {
                    player.latest = Some(player.marks(now, stats, self.lines.passed(conn)));
                }
                self.take_leave(index, &mut player);
            }
            Stage::Away { back, .. } | Stage::Joining { back: Some(back), .. } => {
                self.take_leave(index, &mut back.into_player());
            }
            Stage::Light { conn, light } => self.stop_counting(index, conn, light, now),
            Stage::Joining { back: None, .. } => self.joining -= 1,
            Stage::Waiting => self.course.waiting.retain(|&other| other != index),
            ended => self.bots[index] = ended,
        }
        if let Some(conn) = conn {
            self.lines.close(now, conn, CloseCode::Bye, "");
            self.flush_now = true;
        }
    }

    /// What was measured on a bot that leaves is kept.
    fn take_leave(&mut self, index: usize, player: &mut Player<G>) {
        if let Some(mates) = self.rooms.get_mut(&player.room) {
            mates.retain(|&mate| mate != index);
        }
        if let Some(latest) = &player.latest {
            self.course.second.left.add(&player.told, latest, self.options.header_bytes());
        }
        let (tick_rate_hz, send_rate_hz) = self.rates.unwrap_or_default();
        if let (Some(base), Some(latest)) = (&player.base, &player.latest) {
            let mut growth = Growth::default();
            growth.add(base, latest, tick_rate_hz, send_rate_hz);
            self.tally_of(index).left.merge(&growth);
        }
        if let Some(siege) = &mut self.siege {
            let Seat { group, is_hostile, .. } = self.seats[index];
            siege.take_leave((index, group), is_hostile, player, (tick_rate_hz, send_rate_hz));
        }
    }

    /// A light bot plays no longer.
    pub(crate) fn stop_counting(&mut self, index: usize, conn: LineConn, mut light: Box<Light>, now: Micros) {
        light.mark(now, self.lines.traffic(conn));
        self.tallies[self.seats[index].group].light.merge(&light.growth());
    }

    /// Reads round trips and counters of all bots.
    pub(crate) fn sample(&mut self, now: Micros) {
        let is_measured = matches!(self.course.window, Window::Measuring { .. });
        self.course.awake.note(now);
        for (index, (seat, bot)) in self.seats.iter().zip(&mut self.bots).enumerate() {
            if let Stage::Light { conn, light } = bot {
                light.mark(now, self.lines.traffic(*conn));
            }
            let Stage::Playing { conn, player, .. } = bot else { continue };
            let Some(stats) = self.lines.stats(*conn) else { continue };
            let is_settled = now >= player.settled;
            let counts = is_settled && !seat.is_hostile;
            let tally = if counts { &mut self.tallies[seat.group] } else { &mut self.unsettled };
            if player.last_snapshot.is_some_and(|heard| now.since(heard) < FRESH) {
                tally.record_rtt(player.path.rtt().unwrap_or(stats.rtt), stats.rtt);
            }
            player.latest = Some(player.marks(now, stats, self.lines.passed(*conn)));
            if is_measured && is_settled && player.base.is_none() {
                player.begin(self.course.account_every.is_some_and(|every| index.is_multiple_of(every)));
            }
        }
        let (lost, entered) = self.lost_of_entered(now);
        self.course.all_silent = self.is_all_silent(now);
        self.course.too_many_lost = lost as f64 > self.scenario.lost_share_max * entered as f64;
    }

    /// Moves from one window to the next when its time has come. Returns why all is over, if it is.
    pub(crate) fn end_of_run(&mut self, now: Micros, is_stopped: bool) -> Option<Ended> {
        if is_stopped {
            return Some(Ended::Stopped);
        }
        if self.course.all_silent || self.is_nobody_left() {
            return Some(Ended::AllLost);
        }
        if self.course.too_many_lost {
            return Some(Ended::TooManyLost);
        }
        let course = &mut self.course;
        match course.window {
            Window::Joining if now >= course.opened && self.joining == 0 && course.waiting.is_empty() => {
                course.window = Window::WarmUp { joined: now };
            }
            Window::WarmUp { joined } if now.since(joined) >= course.warm_up => {
                course.window = Window::Measuring { joined, since: now };
                self.begin_measurement(now);
            }
            _ => {}
        }
        let is_over = match (self.course.ends, self.course.window) {
            (Ends::AfterBeginning(time), _) => now >= time,
            (Ends::AfterJoining(_), Window::Measuring { joined, .. }) => now >= self.course.ends_at(joined),
            _ => false,
        };
        is_over.then_some(Ended::Time)
    }

    /// Whether nobody is in and nobody will be.
    fn is_nobody_left(&self) -> bool {
        let is_in = |bot: &Stage<G>| matches!(bot, Stage::Playing { .. } | Stage::Light { .. }) || bot.is_coming_back();
        if self.bots.iter().any(is_in) {
            return false;
        }
        let failed = self.bots.iter().filter(|bot| bot.is_lost() || matches!(bot, Stage::Refused)).count();
        let is_all = self.joining == 0 && self.course.waiting.is_empty() && self.course.next_at().is_none();
        failed >= FAILURES_ENOUGH.min(self.bots.len()) || (failed > 0 && is_all)
    }

    fn begin_measurement(&mut self, now: Micros) {
        for tally in self.tallies.iter_mut().chain([&mut self.unsettled]) {
            tally.restart();
        }
        self.restart_phase();
        self.sampling = Mean::default();
        self.sample(now);
        for bot in &mut self.bots {
            if let Stage::Light { light, .. } = bot {
                light.begin();
            }
        }
        self.open_ledgers(Stretch::Before);
        self.course.cpu_base = machine::thread_cpu();
        self.mark(Moment::Measuring);
    }

    /// Ends the second under way.
    pub(crate) fn progress(&mut self, now: Micros) -> Progress {
        let is_in = |&index: &usize| matches!(self.bots[index], Stage::Playing { .. } | Stage::Light { .. });
        let is_silent = |index: &usize| self.is_silent(*index, now);
        let (silent, playing): (Vec<_>, Vec<_>) = (0..self.bots.len()).filter(is_in).partition(is_silent);
        let (silent, playing) = (silent.len(), playing.len());
        let light = self.bots.iter().filter(|bot| matches!(bot, Stage::Light { .. })).count();
        let grown = self.grown();
        let mut second = std::mem::take(&mut self.unsettled.second);
        for tally in &mut self.tallies {
            second.add(&tally.second);
            tally.second.clear();
        }
        let stage = match self.course.window {
            Window::Joining => RunStage::Joining,
            Window::WarmUp { .. } => RunStage::WarmUp,
            Window::Measuring { .. } if self.siege.as_ref().is_some_and(Siege::is_on) => RunStage::Attack,
            Window::Measuring { .. } => RunStage::Measuring,
        };
        let begun = SecondUnderWay { began: now, stage, light, left: Grown::default() };
        let ended = std::mem::replace(&mut self.course.second, begun);
        let times = (now.as_secs_f64(), now.since(ended.began).as_secs_f64());
        let there = There { clients: playing, light_mean: (ended.light + light) as f64 / 2.0 };
        let mut row = second.row(ended.stage, times, &there, &grown);
        row.server_tick_us = self.admin.as_ref().and_then(Admin::tick_us);
        self.course.series.push(row);
        second.clear();
        self.unsettled.second = second;
        Progress {
            elapsed_s: now.as_secs_f64(),
            played_s: self.course.played(now).as_secs_f64(),
            stage,
            phase: self.phases.at(now.as_secs_f64()).map(|phase| phase.name.clone()),
            asked: self.bots.len(),
            playing,
            silent,
            failed: (self.reasons.count(true) + self.reasons.count(false)) as usize,
            row,
        }
    }

    /// What the counters of all bots grew by since this was last asked. Who is away for a moment is asked when he is back.
    fn grown(&mut self) -> Grown {
        let mut grown = self.course.second.left;
        for bot in &mut self.bots {
            let (Stage::Playing { player, .. } | Stage::Lost(player)) = bot else { continue };
            let Some(latest) = player.latest else { continue };
            grown.add(&player.told, &latest, self.options.header_bytes());
            player.told = latest;
        }
        grown
    }
}

/// What is played before anything counts: two seconds, or half of a short run.
pub(crate) fn warm_up_s(seconds: f64) -> f64 {
    if seconds > 4.0 { 2.0 } else { seconds / 2.0 }
}
