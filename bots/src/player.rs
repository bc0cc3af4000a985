//! One bot in the game: the real client core, a brain, and what is measured between them.

use std::sync::Arc;

use downbeat_client::{Client, Counters, Start};
use downbeat_replica::{Coding, Game, PlayerId, Tick};
use downbeat_transport::ConnStats;
use downbeat_wire::limits::LOOKS_PER_S;
use downbeat_wire::{Look, Micros, Resumable};

use crate::absence::{Absence, Away};
use crate::accounting::Sent;
use crate::hostile::{Ledger, Tamper};
use crate::line::Passed;
use crate::outliers::OwnFigures;
use crate::path::Path;
use crate::tally::Tally;
use crate::{Bots, Brain};

/// Frames come this often, or as often as inputs if those come more often.
const FRAME: Micros = Micros(16_667);

/// Spectators are asked so often where they look.
const LOOK_EVERY: Micros = Micros(1_000_000 / LOOKS_PER_S as u64);

/// Ticks whose arrival is remembered, and inputs of others that wait to be seen.
const ARRIVALS: usize = 128;
const AWAITED_MAX: usize = 512;

/// A bot in the game.
pub(crate) struct Player<G: Game> {
    pub(crate) client: Client<G>,
    brain: Box<dyn Brain<G>>,
    /// The room, and the place in it.
    pub(crate) room: u64,
    pub(crate) id: Option<PlayerId>,
    /// How its session can be resumed.
    pub(crate) resumable: Option<Resumable>,
    /// From when on it counts what is measured on it: a clock needs its time to find its pace.
    pub(crate) settled: Micros,
    /// When it breaks its connection.
    pub(crate) break_at: Option<Micros>,
    /// What its earlier connections counted, and when it had none.
    carried: (ConnStats, Passed),
    pub(crate) absence: Absence,
    frame_at: Micros,
    /// When a spectator is asked again where it looks, and what it said.
    look_at: Micros,
    looks: Option<Look>,
    ticks: Vec<Tick>,
    inputs: Vec<(Tick, G::Input)>,
    consumed: Tick,
    pub(crate) last_snapshot: Option<Micros>,
    /// Of each tick, by `tick % len`: when the first snapshot of or after it arrived, and by how much that is newer.
    arrivals: Vec<(Tick, Micros, u32)>,
    /// Inputs of other bots that this one has yet to see, and the groups of those.
    awaited: Vec<(usize, Consumed)>,
    counts: Counts,
    /// What it did, in runs with hostile bots.
    pub(crate) ledger: Option<Box<Ledger>>,
    /// What a hostile bot makes of what it has to say.
    pub(crate) tamper: Option<Box<Tamper>>,
    pub(crate) path: Path,
    pub(crate) own: OwnFigures,
    /// What it sent, if it keeps account.
    pub(crate) sent: Option<Box<Sent>>,
    /// What stood when the measurement began, what stood when the second began, and what stands now.
    pub(crate) base: Option<Marks>,
    pub(crate) told: Marks,
    pub(crate) latest: Option<Marks>,
}

/// What the client core does not count.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    consumed: u64,
    frames: u64,
}

/// Everything that only grows, at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) at: Micros,
    pub(crate) client: Counters,
    pub(crate) consumed: u64,
    pub(crate) frames: u64,
    /// The tick of the newest snapshot.
    pub(crate) newest: Tick,
    pub(crate) stats: ConnStats,
    /// What the conditioner did.
    pub(crate) passed: Passed,
    /// When it had no connection, and nobody owed it anything.
    pub(crate) away: Away,
}

/// An input that the server has run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumed {
    pub(crate) tick: Tick,
    pub(crate) sampled: Micros,
}

/// What a bot of a group did was shown to another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) group: usize,
    /// So long after it was sampled.
    pub(crate) after: Micros,
    /// The last parts of that, where they are known.
    pub(crate) end: Option<SeenEnd>,
}

/// How an input's effect came onto a screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenEnd {
    /// By how many ticks the snapshot that told of it first was newer.
    pub(crate) newer_by: u32,
    /// From the arrival of that to its moment.
    pub(crate) waited: Micros,
}

impl<G: Bots> Player<G> {
    /// A bot that was let in.
    pub(crate) fn new(
        world: Arc<G::World>,
        coding: Arc<Coding>,
        start: Start,
        (room, resumable): (u64, Option<Resumable>),
        brain: Box<dyn Brain<G>>,
    ) -> Self {
        Self {
            client: Client::new(world, coding, start),
            brain,
            room,
            id: start.player,
            resumable,
            settled: Micros::default(),
            break_at: None,
            carried: (ConnStats::default(), Passed::default()),
            absence: Absence::default(),
            frame_at: Micros::default(),
            look_at: Micros::default(),
            looks: None,
            ticks: Vec::new(),
            inputs: Vec::new(),
            consumed: Tick::ZERO,
            last_snapshot: None,
            arrivals: vec![(Tick::ZERO, Micros::default(), 0); ARRIVALS],
            awaited: Vec::new(),
            counts: Counts::default(),
            path: Path::new(start.tick_rate_hz),
            own: OwnFigures::default(),
            sent: None,
            ledger: None,
            tamper: None,
            base: None,
            told: Marks::default(),
            latest: None,
        }
    }

    /// Takes in a datagram that arrived `at`; adds the inputs it reports as run to `consumed`. Returns whether it was
    /// a snapshot that had not come before.
    pub(crate) fn receive(
        &mut self,
        at: Micros,
        datagram: &[u8],
        consumed: &mut Vec<Consumed>,
        tally: &mut Tally,
    ) -> bool {
        let before = (self.client.counters().snapshots, self.client.newest());
        // What does not decode is counted by the client core, and lost.
        let Ok(received) = self.client.receive(at, datagram) else { return false };
        if self.client.counters().snapshots == before.0 {
            return false;
        }
        match self.last_snapshot.replace(at) {
            Some(last) => tally.interval.record(at.since(last).0),
            // There was nothing to show before.
            None => self.frame_at = at,
        }
        self.absence.note_snapshot(self.client.newest());
        self.note_arrival(before.1, at);
        if let Some(error_m) = received.prediction_error_m {
            tally.error.record((f64::from(error_m) * 1e6).round() as u64);
        }
        for latency in self.client.take_input_latencies() {
            tally.record_ack(latency);
            self.own.note_ack(latency);
        }
        if let Some(arrivals) = received.inputs.and_then(|inputs| inputs.arrivals) {
            tally.budget.margin.add(self.path.note_margin(received.tick, arrivals.margin));
        }
        if let Some(inputs) = received.inputs.filter(|inputs| inputs.consumed > self.consumed) {
            let first = self.consumed.next().max(inputs.consumed.offset(1 - ARRIVALS as i64));
            for tick in (first.0..=inputs.consumed.0).map(Tick) {
                let age = received.tick.since(tick);
                let substituted = age < 32 && inputs.substituted >> age & 1 == 1;
                let sampled = self.client.sampled_at(tick).filter(|_| !substituted);
                let Some(sampled) = sampled else { continue };
                consumed.push(Consumed { tick, sampled });
                self.counts.consumed += 1;
                tally.budget.ack_snapshot.add(age as f64);
                if tick == inputs.consumed {
                    self.path.note_ack(tick, at.since(sampled), age as f64);
                }
            }
            self.consumed = inputs.consumed;
        }
        true
    }

    /// Writes the next datagram to the server into `out`.
    pub(crate) fn transmit(&mut self, out: &mut Vec<u8>) {
        self.client.transmit(out);
        self.sent.iter_mut().for_each(|sent| sent.note(out));
    }

    /// Begins to measure: only what comes now counts.
    pub(crate) fn begin(&mut self, keeps_account: bool) {
        self.base = self.latest;
        self.own.clear();
        self.client.set_account(keeps_account);
        self.sent = keeps_account.then(Box::default);
    }

    /// Remembers when the first snapshot of or after each tick arrived.
    fn note_arrival(&mut self, newest_before: Tick, at: Micros) {
        let newest = self.client.newest();
        let first = newest_before.next().max(newest.offset(1 - ARRIVALS as i64));
        for tick in first.0..=newest.0 {
            self.arrivals[tick as usize % ARRIVALS] = (Tick(tick), at, newest.0 - tick);
        }
    }

    /// Waits to see what another bot, one of `group`, did.
    pub(crate) fn await_sight(&mut self, group: usize, input: Consumed) {
        if self.awaited.len() < AWAITED_MAX {
            self.awaited.push((group, input));
        }
    }

    /// How often the bot wants to be woken, in a match with so long ticks.
    pub(crate) fn every(&self, tick: Micros) -> Micros {
        if self.id.is_none() { FRAME } else { tick.min(FRAME) }
    }

    /// When the bot wants to be woken; `None` before its first snapshot.
    pub(crate) fn due_at(&self) -> Option<Micros> {
        if self.id.is_none() {
            return self.last_snapshot.map(|_| self.frame_at);
        }
        let input_at = self.client.next_input_at()?;
        // A frame that an input will soon bring along is not worth its own.
        let frame_at = if input_at.0 < self.frame_at.0 + FRAME.0 / 2 { input_at } else { self.frame_at };
        Some(input_at.min(frame_at))
    }

    /// Draws a frame and plays the inputs that are due at `now`; adds what it shows of the awaited to `seen`. Returns whether
    /// there is something to send.
    pub(crate) fn wake(&mut self, now: Micros, tally: &mut Tally, seen: &mut Vec<Seen>) -> bool {
        self.ticks.clear();
        while let Some(tick) = self.client.poll_input(now) {
            self.ticks.push(tick);
        }
        if self.ticks.is_empty() && now < self.frame_at {
            return false;
        }
        let view = self.client.view(now);
        let shown = view.shown;
        self.ledger.iter_mut().for_each(|ledger| ledger.note_shown::<G>(&view.events));
        for &tick in &self.ticks {
            self.inputs.push((tick, self.brain.decide(&view, tick)));
        }
        if self.id.is_none() && now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.looks = self.brain.look(&view).or(self.looks);
        }
        let plays = !self.inputs.is_empty();
        for (tick, input) in self.inputs.drain(..) {
            self.client.input(now, tick, &input);
        }
        self.frame_at = now + FRAME;
        self.counts.frames += 1;
        if let Some(delay) = self.client.interpolation_delay() {
            tally.delay.record(delay.0);
        }
        self.look(now, shown, seen);
        plays
    }

    /// Where a spectator has chosen to look from now on.
    pub(crate) fn take_look(&mut self) -> Option<Look> {
        self.looks.take()
    }

    /// Finds what of the awaited is seen in a frame that shows the moment `shown`.
    fn look(&mut self, now: Micros, shown: f64, seen: &mut Vec<Seen>) {
        let Self { client, arrivals, awaited, own, .. } = self;
        awaited.retain(|&(group, Consumed { tick, sampled })| {
            if f64::from(tick.0) > shown || tick > client.newest() {
                return true;
            }
            // The view clock passes the tick between two frames; the clock knows when.
            let passed = client.shown_at(tick).map_or(now, |passed| passed.min(now));
            let (told, arrived, newer_by) = arrivals[tick.0 as usize % ARRIVALS];
            let at = if told == tick { passed.max(arrived) } else { passed };
            let after = at.since(sampled);
            own.note_visible(after);
            let end = (told == tick).then(|| SeenEnd { newer_by, waited: at.since(arrived) });
            seen.push(Seen { group, after, end });
            false
        });
    }

    /// Its connection is gone: what that counted stays counted.
    pub(crate) fn carry(&mut self) {
        self.absence.begin(self.client.newest());
        self.carried = self.latest.map_or(self.carried, |latest| (latest.stats, latest.passed));
    }

    /// Everything that grows, as of `now`.
    pub(crate) fn marks(&self, now: Micros, stats: ConnStats, passed: Passed) -> Marks {
        let Counts { consumed, frames } = self.counts;
        let (earlier, passed_earlier) = self.carried;
        let stats = ConnStats {
            datagrams_out: stats.datagrams_out + earlier.datagrams_out,
            bytes_out: stats.bytes_out + earlier.bytes_out,
            datagrams_in: stats.datagrams_in + earlier.datagrams_in,
            bytes_in: stats.bytes_in + earlier.bytes_in,
            ..stats
        };
        let passed = passed.plus(passed_earlier);
        Marks {
            at: now,
            client: *self.client.counters(),
            consumed,
            frames,
            newest: self.client.newest(),
            stats,
            passed,
            away: self.absence.away(),
        }
    }
}
