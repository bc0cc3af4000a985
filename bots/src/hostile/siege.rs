//! A run with hostile bots: a stretch in which everybody is honest, and one in which the attack is on.

use std::time::Duration;

use downbeat_wire::Micros;
use downbeat_wire::control::Hello;

use super::Way;
use super::arm;
use super::beside::{Beside, Orders, Outcome};
use super::codec::Codec;
use super::ledger::{Ledger, Stretch};
use super::plan::Plan;
use super::tamper::Switch;
use crate::course::Window;
use crate::herd::Herd;
use crate::line::{LineConn, Lines};
use crate::options::BotsError;
use crate::percentiles::Recorder;
use crate::player::{Marks, Player};
use crate::scenario::{Group, Scenario, Share};
use crate::scrape::Moment;
use crate::seats::Seat;
use crate::stage::Stage;
use crate::tally::Growth;
use crate::{Bots, Brain};

/// A hostile bot that was sent away comes back after this long.
const BACK_AFTER: Micros = Micros::from_millis(1_000);

/// What a run with hostile bots keeps beside what every run keeps.
pub(crate) struct Siege {
    pub(super) plan: Plan,
    /// The group that has hostile bots, and how many of them this process runs.
    pub(super) group: usize,
    pub(super) hostile: usize,
    /// Of each group, whether its honest bots play as the hostile ones do.
    pub(super) like: Vec<bool>,
    switch: Switch,
    pub(super) began: Option<Middle>,
    beside: Option<Beside>,
    pub(super) outcome: Outcome,
    pub(super) datagrams: u64,
    /// Of hostile bots that were sent away or left, and of honest ones that left.
    pub(super) gone_hostile: Vec<Ledger>,
    pub(super) gone_honest: Vec<Ledger>,
    /// Ticks of hostile bots that were sent away or left.
    pub(super) substituted: u64,
    /// Counters of honest bots that left.
    pub(super) left: Halves,
    redials: Vec<(Micros, usize)>,
}

/// How things stood when the attack began.
pub(super) struct Middle {
    pub(super) at: Micros,
    /// Of each bot, where it was there and has not left since.
    marks: Vec<Option<Marks>>,
    pub(super) ack: Recorder,
    pub(super) visible: Recorder,
}

/// What counters grew by before the attack and during it.
#[derive(Clone, Copy, Default)]
pub(super) struct Halves {
    pub(super) before: Growth,
    pub(super) during: Growth,
}

impl Siege {
    /// Of a scenario that has hostile bots, of which this process runs `share`; those of them that play have `seats`.
    pub(crate) fn of(scenario: &Scenario, share: Share, seats: &mut [Seat]) -> Option<Self> {
        let (group, plan) = scenario.hostile()?;
        let bots = scenario.groups[group].full();
        for seat in seats.iter_mut().filter(|seat| seat.group == group && !seat.is_light) {
            seat.is_hostile = plan.is_hostile(seat.index, bots);
        }
        let hostile = match plan.kind.way() {
            Way::Plays => seats.iter().filter(|seat| seat.is_hostile).count(),
            Way::Beside => (0..plan.hostile(bots)).filter(|&number| share.has(number)).count(),
        };
        let like = |other: &Group| other.is_like(&scenario.groups[group]);
        Some(Self {
            plan,
            group,
            hostile,
            like: scenario.groups.iter().map(like).collect(),
            switch: Switch::default(),
            began: None,
            beside: None,
            outcome: Outcome::default(),
            datagrams: 0,
            gone_hostile: Vec::new(),
            gone_honest: Vec::new(),
            substituted: 0,
            left: Halves::default(),
            redials: Vec::new(),
        })
    }

    /// How many of the bots of a group are hostile.
    pub(crate) const fn bots_of(&self, group: usize) -> u64 {
        if group == self.group { self.hostile as u64 } else { 0 }
    }

    /// Whether the attack has begun.
    pub(crate) const fn is_on(&self) -> bool {
        self.began.is_some()
    }

    /// The brain of a bot, which would have `honest` otherwise.
    pub(crate) fn brain<G: Bots>(&self, is_hostile: bool, honest: Box<dyn Brain<G>>) -> Box<dyn Brain<G>> {
        if is_hostile { arm::brain(self.plan.kind, &self.switch, honest) } else { honest }
    }

    /// Gives a bot that was let in what it needs.
    pub(crate) fn arm<G: Bots>(&mut self, is_hostile: bool, player: &mut Player<G>, codec: Codec, seed: u64) {
        let mut ledger = Ledger::new();
        if self.began.is_some() {
            ledger.open(Stretch::During);
        }
        player.ledger = Some(Box::new(ledger));
        if is_hostile {
            player.tamper = arm::tamper(self.plan.kind, &self.switch, codec, seed);
            self.outcome.admitted += u64::from(self.switch.is_on());
        }
    }

    /// Adds what the counters of an honest bot grew by. Whoever came after the attack began has no half before it.
    pub(super) fn add_halves<G: Bots>(
        &self,
        halves: &mut Halves,
        (index, player): (usize, &Player<G>),
        (tick_rate_hz, send_rate_hz): (u32, u32),
    ) {
        let (Some(base), Some(latest)) = (&player.base, &player.latest) else { return };
        match self.began.as_ref().map(|middle| middle.marks[index]) {
            Some(Some(at)) if at.at >= base.at => {
                halves.before.add(base, &at, tick_rate_hz, send_rate_hz);
                halves.during.add(&at, latest, tick_rate_hz, send_rate_hz);
            }
            Some(_) => halves.during.add(base, latest, tick_rate_hz, send_rate_hz),
            None => halves.before.add(base, latest, tick_rate_hz, send_rate_hz),
        }
    }

    /// Ticks of a hostile bot that ran on a substitute since the attack began.
    pub(super) fn substituted_of<G: Bots>(&self, index: usize, player: &Player<G>) -> u64 {
        let Some(middle) = &self.began else { return 0 };
        let before = middle.marks[index].map_or(0, |marks| marks.client.substituted);
        player.client.counters().substituted.saturating_sub(before)
    }

    /// A bot leaves as planned, or was sent away: what was measured on it is kept.
    pub(crate) fn take_leave<G: Bots>(
        &mut self,
        (index, group): (usize, usize),
        is_hostile: bool,
        player: &mut Player<G>,
        rates: (u32, u32),
    ) {
        let ledger = player.ledger.take().map(|ledger| *ledger);
        if is_hostile {
            self.substituted += self.substituted_of(index, player);
            self.gone_hostile.extend(ledger);
        } else {
            let mut left = self.left;
            self.add_halves(&mut left, (index, player), rates);
            self.left = left;
            self.gone_honest.extend(ledger.filter(|_| self.like[group]));
        }
        // Who comes again is somebody else.
        self.began.iter_mut().for_each(|middle| middle.marks[index] = None);
    }

    /// Whether a bot that was sent away would come back: it does not any more.
    pub(crate) fn forget_redial(&mut self, index: usize) -> bool {
        let before = self.redials.len();
        self.redials.retain(|(_, other)| *other != index);
        self.redials.len() < before
    }
}

/// Sends what a bot has to say, or what a hostile one makes of it. Returns how many datagrams the connection did not take.
pub(crate) fn depart<G: Bots>(
    lines: &mut Lines,
    (conn, now): (LineConn, Micros),
    player: &mut Player<G>,
    datagram: &[u8],
    siege: &mut Option<Siege>,
) -> u64 {
    let newest = player.client.newest();
    let Some(tamper) = &mut player.tamper else { return u64::from(lines.send_datagram(conn, datagram).is_err()) };
    let departing = tamper.pass(now, newest, datagram);
    let taken = departing.datagrams.iter().filter(|payload| lines.send_datagram(conn, payload).is_ok()).count();
    if !departing.control.is_empty() {
        // A connection that is gone says so by its own event.
        let _ = lines.write_control(now, conn, &departing.control);
    }
    if let Some(siege) = siege.as_mut().filter(|siege| siege.switch.is_on()) {
        siege.datagrams += taken as u64;
    }
    0
}

impl<G: Bots> Herd<'_, G> {
    /// Whether what ends the connection of bot `index` is an answer to its attack.
    pub(crate) fn is_attacking(&self, index: usize) -> bool {
        self.seats[index].is_hostile && self.siege.as_ref().is_some_and(|siege| siege.switch.is_on())
    }

    /// A bot begins to connect: an attempt, if it is hostile and the attack is on.
    pub(crate) fn note_attempt(&mut self, index: usize) {
        let is_attempt = u64::from(self.is_attacking(index));
        self.siege.iter_mut().for_each(|siege| siege.outcome.attempts += is_attempt);
    }

    /// The measurement begins: so does the honest stretch.
    pub(crate) fn open_ledgers(&mut self, stretch: Stretch) {
        for bot in &mut self.bots {
            let Stage::Playing { player, .. } = bot else { continue };
            player.ledger.iter_mut().for_each(|ledger| ledger.open(stretch));
        }
    }

    /// Begins the attack when half of the measured time is over, and lets those back in who were sent away.
    pub(crate) fn go_on_with_siege(&mut self, now: Micros) -> Result<(), BotsError> {
        let Some(siege) = self.siege.as_mut() else { return Ok(()) };
        let Window::Measuring { joined, since } = self.course.window else { return Ok(()) };
        let began = since + Micros(self.course.ends_at(joined).since(since).0 / 2);
        if siege.began.is_none() && now >= began {
            self.begin_attack(now);
            return Ok(());
        }
        let (due, later): (Vec<_>, Vec<_>) = siege.redials.drain(..).partition(|(at, _)| *at <= now);
        siege.redials = later;
        for (_, index) in due {
            self.note_attempt(index);
            self.take_spare_ticket(index);
            self.joining += 1;
            self.dial(now, index, (now, 0), None, None)?;
        }
        Ok(())
    }

    fn begin_attack(&mut self, now: Micros) {
        self.sample(now);
        let (hello, (ack, visible)) = (self.hello(0, None), self.heard());
        let tickets = self.seats.iter().filter_map(|seat| self.ticket(seat).cloned()).collect();
        let Some(siege) = &mut self.siege else { return };
        let marks = self.bots.iter().map(|bot| bot.player().and_then(|player| player.latest));
        siege.began = Some(Middle { at: now, marks: marks.collect(), ack, visible });
        siege.switch.set(true);
        match siege.plan.kind.way() {
            // Whoever is in was let in.
            Way::Plays => {
                let is_in = |(seat, bot): (&Seat, &Stage<G>)| seat.is_hostile && matches!(bot, Stage::Playing { .. });
                let count = self.seats.iter().zip(&self.bots).filter(|bot| is_in(*bot)).count() as u64;
                siege.outcome.attempts += count;
                siege.outcome.admitted += count;
            }
            Way::Beside => {
                let (kind, count) = (siege.plan.kind, siege.hostile);
                let spectator = self.scenario.groups[siege.group].is_watching();
                let (hello, options) = (Hello { spectator, ..hello }, self.options.clone());
                let orders = Orders { kind, count, options, hello, tickets, began: now };
                siege.beside = Some(Beside::start(orders));
            }
        }
        self.open_ledgers(Stretch::During);
        self.mark(Moment::Attack);
    }

    /// Takes note of the end of a hostile bot while the attack is on: it is an answer, and the bot comes back. Returns whether
    /// it was one.
    pub(crate) fn note_answer(&mut self, index: usize, code: Option<u64>, why: &str) -> bool {
        if !self.is_attacking(index) {
            return false;
        }
        let now = self.clock.now();
        let Some(siege) = &mut self.siege else { return false };
        let joined = match std::mem::replace(&mut self.bots[index], Stage::Refused) {
            Stage::Playing { mut player, .. } => {
                let (rates, group) = (self.rates.unwrap_or_default(), self.seats[index].group);
                siege.take_leave((index, group), true, &mut player, rates);
                true
            }
            Stage::Joining { .. } => {
                self.joining -= 1;
                false
            }
            other => {
                self.bots[index] = other;
                return false;
            }
        };
        siege.outcome.reasons.add(now, joined, code, why.to_owned());
        siege.redials.push((now + BACK_AFTER, index));
        true
    }

    /// The run is over: so is the attack.
    pub(crate) fn lift_siege(&mut self) {
        let Some(siege) = &mut self.siege else { return };
        if let Some(beside) = siege.beside.take() {
            siege.outcome = beside.finish(Duration::from_secs(5));
        }
    }
}
