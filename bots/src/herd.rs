//! The loop: one thread, hundreds of bots, a socket for each network that they are behind.
//!
//! Inputs are sampled when the client core's clock says, not when the loop comes round to it, so between any two
//! datagrams the agenda is looked at. How late each turn came is recorded: bots that fall behind would otherwise
//! report their own delay as the server's.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downbeat_replica::{Coding, PlayerId, Role, neutral};
use downbeat_transport::{Clock, Event};
use downbeat_wire::Micros;
use downbeat_wire::control::{ClientMessage, frame};

use crate::Bots;
use crate::admin::Admin;
use crate::agenda::Agenda;
use crate::budget::Mean;
use crate::course::{Course, Window};
use crate::dice::Dice;
use crate::hostile::{Siege, depart};
use crate::line::{LineConn, Lines};
use crate::options::{BotsError, Options};
use crate::phases::Phases;
use crate::player::{Consumed, Seen};
use crate::progress::Progress;
use crate::reasons::Reasons;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::scrape::Marks;
use crate::seats::Seat;
use crate::stage::Stage;
use crate::tally::Tally;
use crate::tickets::Spare;
use crate::watch::{Sight, Watch};

/// Bots that are woken between two looks at the socket. They share a flush, so that those who are due at the same time
/// do not wait for each other's packets.
const WAKES_MAX: usize = 1_024;

/// What was written waits for the packets of the next inputs, but no longer than this.
const FLUSH_WITHIN: Micros = Micros::from_millis(25);

/// How often round trips are sampled and counters read.
const SAMPLE_EVERY: Micros = Micros::from_millis(250);

/// Timers of connections may wait this long, so that those of many fire at once.
const TIMER_SLACK: Micros = Micros(500);

/// What is left of the last second gets a row of its own if it is as long as this.
const ROW_MIN: Micros = Micros::from_millis(250);

/// How often the loop looks up at least.
const WAIT_MAX: Micros = Micros::from_millis(20);

/// Bots that become due while datagrams are taken in wait this long for their turn.
const RECEIVE_TIME: Duration = Duration::from_micros(200);

/// Other bots that are asked in turn whether they see an input's effect.
const WITNESSES_ASKED_MAX: usize = 4;

/// All bots of a run.
pub(crate) struct Herd<'a, G: Bots> {
    pub(crate) options: &'a Options,
    pub(crate) scenario: &'a Scenario,
    pub(crate) clock: Clock,
    pub(crate) lines: Lines,
    pub(crate) seats: Vec<Seat>,
    /// How far each seat's bot has come.
    pub(crate) bots: Vec<Stage<G>>,
    pub(crate) rooms: BTreeMap<u64, Vec<usize>>,
    pub(crate) coding: Arc<Coding>,
    /// The world of the last welcome, with the rules it was made from.
    pub(crate) world: Option<(Vec<u8>, Arc<G::World>)>,
    pub(crate) rates: Option<(u32, u32)>,
    pub(crate) recorder: Option<Recorder>,
    /// The server's own figures, where it is asked for them.
    pub(crate) admin: Option<Admin>,
    /// Its metrics, as they were read.
    pub(crate) marks: Marks,
    watch: &'a mut Watch<'a, G>,
    pub(crate) agenda: Agenda,
    /// One for each group.
    pub(crate) tallies: Vec<Tally>,
    /// What was measured on bots that have just come.
    pub(crate) unsettled: Tally,
    pub(crate) reasons: Reasons,
    pub(crate) course: Course,
    pub(crate) phases: Phases,
    pub(crate) joining: usize,
    /// What a player's input is that does nothing.
    pub(crate) neutral: Vec<i32>,
    /// In a run with hostile bots.
    pub(crate) siege: Option<Siege>,
    /// Tickets for those whom no plan has come.
    pub(crate) spare: Spare,
    has_avatars: bool,
    dice: Dice,
    consumed: Vec<Consumed>,
    seen: Vec<Seen>,
    datagram: Vec<u8>,
    flushed: Micros,
    /// Handshakes and hellos do not wait for inputs.
    pub(crate) flush_now: bool,
    /// From sampling an input to its packet, in microseconds.
    pub(crate) sampling: Mean,
}

impl<'a, G: Bots> Herd<'a, G> {
    pub(crate) fn new(
        (options, scenario): (&'a Options, &'a Scenario),
        clock: Clock,
        mut lines: Lines,
        coding: Arc<Coding>,
        watch: &'a mut Watch<'a, G>,
    ) -> Self {
        lines.set_receive_time(RECEIVE_TIME);
        let has_avatars = coding.schema.entities.iter().any(|kind| kind.field_with(Role::Player).is_some());
        let mut seats = Seat::all(scenario, options.share);
        let siege = Siege::of(scenario, options.share, &mut seats);
        Self {
            options,
            scenario,
            clock,
            lines,
            bots: seats.iter().map(|_| Stage::Waiting).collect(),
            rooms: BTreeMap::new(),
            coding,
            world: None,
            rates: None,
            recorder: None,
            admin: None,
            marks: Marks::default(),
            watch,
            agenda: Agenda::default(),
            tallies: scenario.groups.iter().map(|_| Tally::default()).collect(),
            unsettled: Tally::default(),
            reasons: Reasons::default(),
            course: Course::new(options, scenario, &seats),
            phases: Phases::new(scenario),
            joining: 0,
            neutral: neutral::<G::Input>(),
            siege,
            spare: Spare::of(options, scenario),
            has_avatars,
            dice: Dice::new(options.seed ^ WITNESS_STREAM),
            consumed: Vec::new(),
            seen: Vec::new(),
            datagram: Vec::new(),
            flushed: Micros::default(),
            flush_now: false,
            sampling: Mean::default(),
            seats,
        }
    }

    /// Plays until the time is over, everybody is lost, or `stop` is set.
    pub(crate) fn play(&mut self, told: &mut dyn FnMut(&Progress), stop: &AtomicBool) -> Result<(), BotsError> {
        let mut sample_at = Micros::default();
        loop {
            // Inputs first: a burst of snapshots takes its time, and none of them is late yet.
            self.wake_due()?;
            self.lines.receive(self.clock.now())?;
            self.lines.handle_timeouts(self.clock.now())?;
            self.take_events()?;
            let now = self.clock.now();
            if now >= sample_at {
                self.sample(now);
                sample_at = now + SAMPLE_EVERY;
                self.give_up_joining(now);
                self.break_lines(now);
                self.dial_away(now)?;
                self.go_on_with_siege(now)?;
                if now.since(self.course.second.began) >= Micros::from_millis(1_000) {
                    told(&self.progress(now));
                }
            }
            self.close_phases(now, false);
            self.follow_schedule(now);
            self.connect(now)?;
            if let Some(ended) = self.end_of_run(now, stop.load(Ordering::Relaxed)) {
                self.course.ended = ended;
                self.sample(now);
                if now.since(self.course.second.began) >= ROW_MIN {
                    told(&self.progress(now));
                }
                self.note_silence(now);
                self.close_phases(now, true);
                return Ok(());
            }
            if self.flush_now || now.since(self.flushed) >= FLUSH_WITHIN {
                self.flush(now)?;
            }
            self.wait(sample_at)?;
        }
    }

    /// Where it is counted what becomes of a bot: that of hostile ones says nothing of those who play.
    pub(crate) fn tally_of(&mut self, index: usize) -> &mut Tally {
        let seat = &self.seats[index];
        if seat.is_hostile { &mut self.unsettled } else { &mut self.tallies[seat.group] }
    }

    fn take_events(&mut self) -> Result<(), BotsError> {
        while let Some((conn, event)) = self.lines.poll_event() {
            match event {
                Event::Datagram { payload, at, .. } => self.take_datagram(conn, at, &payload),
                Event::Connected { .. } => self.greet(conn),
                Event::Control { bytes, .. } => self.take_control(conn, &bytes)?,
                Event::Reliable { bytes, .. } => self.take_reliable(conn, &bytes),
                Event::Closed { reason, .. } => self.take_close(conn, &reason)?,
            }
            if self.agenda.next_at().is_some_and(|at| at <= self.clock.now()) {
                self.wake_due()?;
            }
        }
        Ok(())
    }

    pub(crate) fn bot_of(&self, conn: LineConn) -> Option<usize> {
        let index = self.lines.owner(conn)?;
        match &self.bots[index] {
            Stage::Joining { conn: own, .. } | Stage::Playing { conn: own, .. } | Stage::Light { conn: own, .. } => {
                (*own == conn).then_some(index)
            }
            _ => None,
        }
    }

    fn take_datagram(&mut self, conn: LineConn, at: Micros, datagram: &[u8]) {
        let Some(index) = self.bot_of(conn) else { return };
        let group = self.seats[index].group;
        let player = match &mut self.bots[index] {
            Stage::Playing { player, .. } => player,
            Stage::Light { light, .. } => {
                let was_asleep = light.due_at().is_none();
                let is_new = u64::from(light.receive(at, datagram));
                self.tallies[group].second.snapshots += is_new;
                light.due_at().filter(|_| was_asleep).into_iter().for_each(|due| self.agenda.add(due, index));
                return;
            }
            // A snapshot that overtakes the welcome is lost: the server tells its content again.
            _ => return,
        };
        let was_asleep = player.due_at().is_none();
        let is_settled = at >= player.settled;
        let is_honest = player.tamper.is_none();
        // What is measured on hostile bots says little about the server.
        let tally = if is_settled && is_honest { &mut self.tallies[group] } else { &mut self.unsettled };
        self.consumed.clear();
        if !player.receive(at, datagram, &mut self.consumed, tally) {
            return;
        }
        tally.second.snapshots += 1;
        if player.client.owes_answer() {
            player.transmit(&mut self.datagram);
            tally.blocked += depart(&mut self.lines, (conn, at), player, &self.datagram, &mut self.siege);
        }
        if let Some(ledger) = &mut player.ledger {
            ledger.note_told(&player.client, &self.coding, self.rates.map_or(1, |rates| rates.0));
        }
        if let Some(recorder) = self.recorder.as_mut().filter(|recorder| recorder.bot == index) {
            recorder.note(&player.client);
        }
        let is_measured = matches!(self.course.window, Window::Measuring { .. });
        (self.watch)(&Sight { bot: index, room: player.room, is_measured, client: &player.client });
        let (room, id) = (player.room, player.id);
        if let Some(due) = player.due_at().filter(|_| was_asleep) {
            self.agenda.add(due, index);
        }
        if let Some(id) = id.filter(|_| self.has_avatars && is_settled && is_honest) {
            for i in 0..self.consumed.len() {
                self.find_witness(room, id, (group, self.consumed[i]));
            }
        }
    }

    /// Finds a bot at random that sees the avatar of `actor`, a bot of `group`, to tell when it sees what `input` did.
    fn find_witness(&mut self, room: u64, actor: PlayerId, (group, input): (usize, Consumed)) {
        let Some(mates) = self.rooms.get(&room).filter(|mates| mates.len() > 1) else { return };
        for _ in 0..WITNESSES_ASKED_MAX {
            let mate = mates[self.dice.below(mates.len() as u32) as usize];
            let Stage::Playing { player, .. } = &mut self.bots[mate] else { continue };
            if player.id != Some(actor) && player.client.sees(actor) {
                return player.await_sight(group, input);
            }
        }
    }

    /// Wakes bots that are due, a batch at most, and sends what they did.
    fn wake_due(&mut self) -> io::Result<()> {
        let mut sent = false;
        let (mut sampled_sum, mut sampled) = (0.0, 0);
        let tick = Micros(1_000_000 / u64::from(self.rates.map_or(1, |rates| rates.0)));
        for _ in 0..WAKES_MAX {
            let now = self.clock.now();
            let Some((due, index)) = self.agenda.pop(now) else { break };
            let mut tally = &mut self.tallies[self.seats[index].group];
            // A later datagram repeats an input that could not be sent; a connection that is gone says so by its own event.
            let (next, every) = match &mut self.bots[index] {
                Stage::Playing { conn, player, .. } => {
                    if now < player.settled || player.tamper.is_some() {
                        tally = &mut self.unsettled;
                    }
                    if player.wake(now, tally, &mut self.seen) {
                        player.transmit(&mut self.datagram);
                        (sampled_sum, sampled) = (sampled_sum + now.0 as f64, sampled + 1);
                        tally.blocked += depart(&mut self.lines, (*conn, now), player, &self.datagram, &mut self.siege);
                        sent = true;
                    }
                    if let Some(look) = player.take_look() {
                        let message = frame(&ClientMessage::Look { look });
                        // A connection that is gone says so by its own event.
                        let _ = self.lines.write_control(now, *conn, &message);
                    }
                    (player.due_at(), player.every(tick))
                }
                Stage::Light { conn, light } => {
                    light.wake(now, &self.coding.schema.input, &mut self.datagram);
                    tally.blocked += u64::from(self.lines.send_datagram(*conn, &self.datagram).is_err());
                    sent = true;
                    (light.due_at(), tick)
                }
                _ => continue,
            };
            tally.record_late(now.since(due), every);
            for seen in self.seen.drain(..) {
                self.tallies[seen.group].record_seen(&seen);
            }
            if let Some(next) = next {
                // The clock may have been slowed down meanwhile, but time goes on.
                self.agenda.add(next.max(now + Micros(1)), index);
            }
        }
        if !sent {
            return Ok(());
        }
        let now = self.clock.now();
        self.sampling.add_all(now.0 as f64 * sampled as f64 - sampled_sum, sampled);
        self.flush(now)
    }

    pub(crate) fn flush(&mut self, now: Micros) -> io::Result<()> {
        self.flushed = now;
        self.flush_now = false;
        self.lines.flush(now)
    }

    fn wait(&mut self, sample_at: Micros) -> io::Result<()> {
        let (now, flush_at) = (self.clock.now(), self.flushed + FLUSH_WITHIN);
        // What must be done at once says so, and a conditioner's datagrams come when they come.
        let timeout = self.lines.next_timeout().map(|at| if at > now { at.max(now + TIMER_SLACK) } else { at });
        let (conditioned, turn) = (self.lines.next_at(), self.course.next_at());
        let times = [self.agenda.next_at(), timeout, conditioned, turn, Some(sample_at), Some(flush_at)];
        let until = times.into_iter().flatten().min().unwrap_or(sample_at);
        let rest = until.since(now).min(WAIT_MAX);
        if rest > Micros(0) { self.lines.wait(Duration::from_micros(rest.0)) } else { Ok(()) }
    }
}

/// Tells the choice of witnesses from other uses of the seed.
const WITNESS_STREAM: u64 = 0x77_6974_6e65_7373;
