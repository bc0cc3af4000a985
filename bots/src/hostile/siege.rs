//! A run with hostile bots: a stretch in which everybody is honest, one in which the attack is on, and what came of both.

use std::time::Duration;

use downbeat_wire::Micros;

use super::arm;
use super::beside::{Beside, Orders, Outcome};
use super::codec::Codec;
use super::ledger::{Ledger, Slice, Stretch};
use super::plan::Plan;
use super::report::{Answer, Both, Gains, Hostile, Others};
use super::tamper::Switch;
use super::{Kind, Way};
use crate::course::Window;
use crate::herd::{Herd, Stage};
use crate::line::{LineConn, Lines};
use crate::options::BotsError;
use crate::percentiles::Recorder;
use crate::player::{Marks, Player};
use crate::report::Report;
use crate::scenario::Share;
use crate::scrape::Moment;
use crate::seats::Seat;
use crate::tally::{Growth, Reasons, Tally};
use crate::{Bots, Brain};

/// A hostile bot that was sent away comes back after this long.
const BACK_AFTER: Micros = Micros::from_millis(1_000);

/// What a run with hostile bots keeps beside what every run keeps.
pub(crate) struct Siege {
    plan: Plan,
    /// How many are hostile.
    hostile: usize,
    switch: Switch,
    began: Option<Middle>,
    beside: Option<Beside>,
    outcome: Outcome,
    datagrams: u64,
    /// Of hostile bots that were sent away.
    retired: Vec<Ledger>,
    substituted: u64,
    redials: Vec<(Micros, usize)>,
}

/// How things stood when the attack began.
struct Middle {
    at: Micros,
    /// Of each bot, where it was there.
    marks: Vec<Option<Marks>>,
    ack: Recorder,
    visible: Recorder,
}

impl Siege {
    /// Of so many bots that are not light, of which this process runs `share`; those of them that play have `seats`.
    pub(crate) fn new(plan: Plan, (bots, share): (usize, Share), seats: &mut [Seat]) -> Self {
        for seat in seats.iter_mut().filter(|seat| !seat.is_light) {
            seat.is_hostile = plan.is_hostile(seat.index, bots);
        }
        let hostile = match plan.kind.way() {
            Way::Plays => seats.iter().filter(|seat| seat.is_hostile).count(),
            Way::Beside => (0..plan.hostile(bots)).filter(|&number| share.has(number)).count(),
        };
        Self {
            plan,
            hostile,
            switch: Switch::default(),
            began: None,
            beside: None,
            outcome: Outcome::default(),
            datagrams: 0,
            retired: Vec::new(),
            substituted: 0,
            redials: Vec::new(),
        }
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
        let rest = self.options.seconds - since.since(joined).as_secs_f64();
        let began = since + Micros((rest * 0.5e6) as u64);
        if siege.began.is_none() && now >= began {
            self.begin_attack(now);
            return Ok(());
        }
        let (due, later): (Vec<_>, Vec<_>) = siege.redials.drain(..).partition(|(at, _)| *at <= now);
        siege.redials = later;
        siege.outcome.attempts += due.len() as u64;
        for (_, index) in due {
            self.joining += 1;
            self.dial(now, index, (now, 0), None, None)?;
        }
        Ok(())
    }

    fn begin_attack(&mut self, now: Micros) {
        self.sample(now);
        let (hello, (ack, visible)) = (self.hello(0, None), self.heard());
        let Some(siege) = &mut self.siege else { return };
        let marks = self.bots.iter().map(|bot| match bot {
            Stage::Playing { player, .. } => player.latest,
            _ => None,
        });
        siege.began = Some(Middle { at: now, marks: marks.collect(), ack, visible });
        siege.switch.set(true);
        let count = siege.hostile;
        match siege.plan.kind.way() {
            Way::Plays => siege.outcome.attempts += count as u64,
            Way::Beside => {
                let kind = siege.plan.kind;
                let orders = Orders { kind, count, options: self.options.clone(), hello, began: now };
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
                siege.substituted += player.client.counters().substituted;
                siege.retired.extend(player.ledger.take().map(|ledger| *ledger));
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

    /// Times of the honest bots so far: from an input to its answer, and to the eyes of another.
    fn heard(&self) -> (Recorder, Recorder) {
        let mut all = Tally::default();
        self.tallies.iter().for_each(|tally| all.add(tally));
        (all.ack, all.visible)
    }

    /// The run is over: so is the attack.
    pub(crate) fn lift_siege(&mut self) {
        let Some(siege) = &mut self.siege else { return };
        if let Some(beside) = siege.beside.take() {
            siege.outcome = beside.finish(Duration::from_secs(5));
        }
    }

    /// What hostile bots gained, and what they did to the others.
    pub(crate) fn siege_report(&self, now: Micros) -> Option<Hostile> {
        let siege = self.siege.as_ref()?;
        let Window::Measuring { since, .. } = self.course.window else { return Some(siege.blank()) };
        let mut report = siege.blank();
        let Some(middle) = &siege.began else {
            report.before_seconds = now.since(since).as_secs_f64();
            return Some(report);
        };
        report.server = self.marks.felt();
        report.before_seconds = middle.at.since(since).as_secs_f64();
        report.during_seconds = now.since(middle.at).as_secs_f64();
        let mut hostile: Vec<Slice> = siege.retired.iter().flat_map(|ledger| ledger.slices(Stretch::During)).collect();
        let mut honest = Vec::new();
        let (mut before, mut during) = (Growth::default(), Growth::default());
        let (tick_rate_hz, send_rate_hz) = self.rates.unwrap_or_default();
        report.answer.substituted = siege.substituted;
        for (index, bot) in self.bots.iter().enumerate() {
            let (Stage::Playing { player, .. } | Stage::Lost(player)) = bot else { continue };
            let slices = player.ledger.iter().flat_map(|ledger| ledger.slices(Stretch::During));
            if self.seats[index].is_hostile {
                hostile.extend(slices);
                report.answer.substituted += player.client.counters().substituted;
                continue;
            }
            honest.extend(slices);
            if let (Some(base), Some(Some(at)), Some(latest)) = (&player.base, middle.marks.get(index), &player.latest)
            {
                before.add(base, at, tick_rate_hz, send_rate_hz);
                during.add(at, latest, tick_rate_hz, send_rate_hz);
            }
        }
        report.others = others(middle, &self.heard(), &before, &during);
        report.honest_bot_seconds = honest.iter().map(|slice| slice.seconds).fold(0.0, std::ops::Add::add);
        report.hostile_bot_seconds = hostile.iter().map(|slice| slice.seconds).fold(0.0, std::ops::Add::add);
        report.gains = Gains::of(&honest, &hostile);
        Some(report)
    }
}

impl Siege {
    fn blank(&self) -> Hostile {
        let Outcome { attempts, admitted, reasons, datagrams } = &self.outcome;
        let kind: Kind = self.plan.kind;
        Hostile {
            kind: kind.name().to_owned(),
            bots: self.hostile as u64,
            answer: Answer {
                expected: kind.answer().to_owned(),
                attempts: *attempts,
                admitted: *admitted,
                closed: Reasons::list(reasons),
                datagrams: self.datagrams + datagrams,
                substituted: 0,
            },
            ..Hostile::default()
        }
    }
}

fn others(middle: &Middle, (ack, visible): &(Recorder, Recorder), before: &Growth, during: &Growth) -> Others {
    let told = |growth: &Growth| {
        let mut report = Report::default();
        growth.fill(&mut report, 0);
        (report.snapshots, report.prediction.substituted)
    };
    let ((was, was_substituted), (is, is_substituted)) = (told(before), told(during));
    let ms = |before: &Recorder, all: &Recorder| Both {
        before: before.percentiles(1e3),
        during: all.since(before).percentiles(1e3),
    };
    Others {
        input_to_ack_ms: ms(&middle.ack, ack),
        input_to_visible_ms: ms(&middle.visible, visible),
        snapshots_expected: Both { before: was.expected, during: is.expected },
        snapshots_lost: Both { before: was.lost, during: is.lost },
        substituted: Both { before: was_substituted, during: is_substituted },
    }
}
