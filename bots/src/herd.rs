//! The loop: one thread, one socket, hundreds of bots.
//!
//! Inputs are sampled when the client core's clock says, not when the loop comes round to it, so between any two
//! datagrams the agenda is looked at. How late each turn came is recorded: bots that fall behind would otherwise
//! report their own delay as the server's.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downbeat_replica::{Coding, Role, neutral};
use downbeat_transport::{Clock, ConnId, Driver, Event};
use downbeat_wire::Micros;
use downbeat_wire::control::ControlReader;

use crate::agenda::Agenda;
use crate::dice::Dice;
use crate::light::Light;
use crate::line::Line;
use crate::options::{BotsError, Options};
use crate::player::{Consumed, Player};
use crate::progress::{Progress, RunStage};
use crate::recorder::Recorder;
use crate::resume::Back;
use crate::tally::{Reasons, Tally};
use crate::watch::{Sight, Watch};
use crate::{Bots, machine};

/// Bots that are woken between two looks at the socket. They share a flush, so that those who are due at the same time
/// do not wait for each other's packets.
const WAKES_MAX: usize = 1_024;

/// What was written waits for the packets of the next inputs, but no longer than this.
const FLUSH_WITHIN: Micros = Micros::from_millis(25);

/// How often round trips are sampled and counters read.
const SAMPLE_EVERY: Micros = Micros::from_millis(250);

/// Timers of connections may wait this long, so that those of many fire at once.
const TIMER_SLACK: Micros = Micros(500);

/// How often the loop looks up at least.
const WAIT_MAX: Micros = Micros::from_millis(20);

/// Bots that become due while datagrams are taken in wait this long for their turn.
const RECEIVE_TIME: Duration = Duration::from_micros(200);

/// Other bots that are asked in turn whether they see an input's effect.
const WITNESSES_ASKED_MAX: usize = 4;

/// How far a bot has come.
pub(crate) enum Stage<G: Bots> {
    /// It has not begun to connect.
    Waiting,
    /// It connects, or waits for its welcome; reliable events may come `early`. It was sent to another shard `redirects`
    /// times.
    Joining {
        conn: ConnId,
        since: Micros,
        redirects: u32,
        reader: ControlReader,
        early: Vec<u8>,
        back: Option<Box<Back<G>>>,
    },
    /// It lost its connection, and makes another one then.
    Away { back: Box<Back<G>>, at: Micros },
    /// It plays.
    Playing { conn: ConnId, reader: ControlReader, player: Box<Player<G>> },
    /// It plays, and is a light one.
    Light { conn: ConnId, light: Box<Light> },
    /// It was in the game and is no longer.
    Lost(Box<Player<G>>),
    /// It was in the game and is no longer, and was a light one.
    LightLost,
    /// It never got in.
    Refused,
}

impl<G: Bots> Stage<G> {
    /// Whether it was in the game and will be again.
    pub(crate) const fn is_coming_back(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Joining { back: Some(_), .. })
    }
}

/// What a run is at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Joining,
    WarmUp { joined: Micros },
    Measuring { joined: Micros, since: Micros },
}

/// All bots of a run.
pub(crate) struct Herd<'a, G: Bots, S> {
    pub(crate) options: &'a Options,
    pub(crate) clock: Clock,
    pub(crate) driver: Driver<S>,
    pub(crate) bots: Vec<Stage<G>>,
    /// Which bot a connection belongs to, by [`ConnId::index`].
    pub(crate) by_conn: Vec<Option<usize>>,
    pub(crate) rooms: BTreeMap<u64, Vec<usize>>,
    pub(crate) coding: Arc<Coding>,
    /// The world of the last welcome, with the rules it was made from.
    pub(crate) world: Option<(Vec<u8>, Arc<G::World>)>,
    pub(crate) rates: Option<(u32, u32)>,
    pub(crate) recorder: Option<Recorder>,
    watch: &'a mut Watch<'a, G>,
    pub(crate) agenda: Agenda,
    pub(crate) tally: Tally,
    pub(crate) reasons: Reasons,
    pub(crate) window: Window,
    pub(crate) joining: usize,
    pub(crate) next_bot: usize,
    /// What a player's input is that does nothing.
    pub(crate) neutral: Vec<i32>,
    has_avatars: bool,
    dice: Dice,
    consumed: Vec<Consumed>,
    datagram: Vec<u8>,
    flushed: Micros,
    /// Handshakes and hellos do not wait for inputs.
    pub(crate) flush_now: bool,
    mispredicted: u64,
}

impl<'a, G: Bots, S: Line> Herd<'a, G, S> {
    pub(crate) fn new(
        options: &'a Options,
        clock: Clock,
        mut driver: Driver<S>,
        coding: Arc<Coding>,
        watch: &'a mut Watch<'a, G>,
    ) -> Self {
        driver.set_receive_time(RECEIVE_TIME);
        let has_avatars = coding.schema.entities.iter().any(|kind| kind.field_with(Role::Player).is_some());
        Self {
            options,
            clock,
            driver,
            bots: (0..options.clients).map(|_| Stage::Waiting).collect(),
            by_conn: Vec::new(),
            rooms: BTreeMap::new(),
            coding,
            world: None,
            rates: None,
            recorder: None,
            watch,
            agenda: Agenda::default(),
            tally: Tally::default(),
            reasons: Reasons::default(),
            window: Window::Joining,
            joining: 0,
            next_bot: 0,
            neutral: neutral::<G::Input>(),
            has_avatars,
            dice: Dice::new(options.seed ^ WITNESS_STREAM),
            consumed: Vec::new(),
            datagram: Vec::new(),
            flushed: Micros::default(),
            flush_now: false,
            mispredicted: 0,
        }
    }

    /// Plays until the time is over, everybody is lost, or `stop` is set.
    pub(crate) fn play(&mut self, told: &mut dyn FnMut(&Progress), stop: &AtomicBool) -> Result<(), BotsError> {
        let mut sample_at = Micros::default();
        let mut second = self.clock.now();
        loop {
            // Inputs first: a burst of snapshots takes its time, and none of them is late yet.
            self.wake_due()?;
            self.driver.receive(self.clock.now())?;
            self.driver.handle_timeouts(self.clock.now())?;
            self.take_events()?;
            let now = self.clock.now();
            if now >= sample_at {
                self.sample(now);
                sample_at = now + SAMPLE_EVERY;
                self.give_up_joining(now);
                self.break_lines(now);
                self.dial_away(now)?;
                if now.since(second) >= Micros::from_millis(1_000) {
                    told(&self.progress(now, now.since(second)));
                    second = now;
                }
            }
            self.connect(now)?;
            if stop.load(Ordering::Relaxed) || self.is_over(now) {
                self.sample(now);
                return Ok(());
            }
            if self.flush_now || now.since(self.flushed) >= FLUSH_WITHIN {
                self.flush(now)?;
            }
            self.wait(sample_at)?;
        }
    }

    fn take_events(&mut self) -> Result<(), BotsError> {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Datagram { conn, payload, at } => self.take_datagram(conn, at, &payload),
                Event::Connected { conn, .. } => self.greet(conn),
                Event::Control { conn, bytes } => self.take_control(conn, &bytes)?,
                Event::Reliable { conn, bytes } => self.take_reliable(conn, &bytes),
                Event::Closed { conn, reason } => self.take_close(conn, &reason)?,
            }
            if self.agenda.next_at().is_some_and(|at| at <= self.clock.now()) {
                self.wake_due()?;
            }
        }
        Ok(())
    }

    pub(crate) fn bot_of(&self, conn: ConnId) -> Option<usize> {
        let index = self.by_conn.get(conn.index()).copied().flatten()?;
        match &self.bots[index] {
            Stage::Joining { conn: own, .. } | Stage::Playing { conn: own, .. } | Stage::Light { conn: own, .. } => {
                (*own == conn).then_some(index)
            }
            _ => None,
        }
    }

    fn take_datagram(&mut self, conn: ConnId, at: Micros, datagram: &[u8]) {
        let Some(index) = self.bot_of(conn) else { return };
        let player = match &mut self.bots[index] {
            Stage::Playing { player, .. } => player,
            Stage::Light { light, .. } => {
                let was_asleep = light.due_at().is_none();
                let is_new = u64::from(light.receive(at, datagram));
                self.tally.light_snapshots += is_new;
                self.tally.second.snapshots += is_new;
                light.due_at().filter(|_| was_asleep).into_iter().for_each(|due| self.agenda.add(due, index));
                return;
            }
            // A snapshot that overtakes the welcome is lost: the server tells its content again.
            _ => return,
        };
        let was_asleep = player.due_at().is_none();
        self.consumed.clear();
        if !player.receive(at, datagram, &mut self.consumed, &mut self.tally) {
            return;
        }
        self.tally.second.snapshots += 1;
        if player.client.owes_answer() {
            player.client.transmit(&mut self.datagram);
            self.tally.blocked += u64::from(self.driver.send_datagram(conn, &self.datagram).is_err());
        }
        if let Some(recorder) = self.recorder.as_mut().filter(|recorder| recorder.bot == index) {
            recorder.note(&player.client);
        }
        let is_measured = matches!(self.window, Window::Measuring { .. });
        (self.watch)(&Sight { bot: index, room: player.room, is_measured, client: &player.client });
        let (room, id) = (player.room, player.id);
        if let Some(due) = player.due_at().filter(|_| was_asleep) {
            self.agenda.add(due, index);
        }
        if let Some(id) = id.filter(|_| self.has_avatars) {
            for i in 0..self.consumed.len() {
                self.find_witness(room, id, self.consumed[i]);
            }
        }
    }

    /// Finds a bot at random that sees the avatar of `actor`, to tell when it sees what `input` did.
    fn find_witness(&mut self, room: u64, actor: downbeat_replica::PlayerId, input: Consumed) {
        let Some(mates) = self.rooms.get(&room).filter(|mates| mates.len() > 1) else { return };
        for _ in 0..WITNESSES_ASKED_MAX {
            let mate = mates[self.dice.below(mates.len() as u32) as usize];
            let Stage::Playing { player, .. } = &mut self.bots[mate] else { continue };
            if player.id != Some(actor) && player.client.sees(actor) {
                return player.await_sight(input);
            }
        }
    }

    /// Wakes bots that are due, a batch at most, and sends what they did.
    fn wake_due(&mut self) -> io::Result<()> {
        let mut sent = false;
        for _ in 0..WAKES_MAX {
            let now = self.clock.now();
            let Some((due, index)) = self.agenda.pop(now) else { break };
            let (conn, sends, next) = match &mut self.bots[index] {
                Stage::Playing { conn, player, .. } => {
                    let sends = player.wake(now, &mut self.tally);
                    if sends {
                        player.client.transmit(&mut self.datagram);
                    }
                    (*conn, sends, player.due_at())
                }
                Stage::Light { conn, light } => {
                    light.wake(now, &self.coding.schema.input, &mut self.datagram);
                    (*conn, true, light.due_at())
                }
                _ => continue,
            };
            self.tally.late.record(now.since(due).0);
            if sends {
                // A later datagram repeats the input; a connection that is gone says so by its own event.
                self.tally.blocked += u64::from(self.driver.send_datagram(conn, &self.datagram).is_err());
                sent = true;
            }
            if let Some(next) = next {
                // The clock may have been slowed down meanwhile, but time goes on.
                self.agenda.add(next.max(now + Micros(1)), index);
            }
        }
        if sent { self.flush(self.clock.now()) } else { Ok(()) }
    }

    pub(crate) fn flush(&mut self, now: Micros) -> io::Result<()> {
        self.flushed = now;
        self.flush_now = false;
        self.driver.flush(now)
    }

    fn wait(&mut self, sample_at: Micros) -> io::Result<()> {
        let (now, flush_at) = (self.clock.now(), self.flushed + FLUSH_WITHIN);
        // What must be done at once says so, and a conditioner's datagrams come when they come.
        let timeout = self.driver.next_timeout().map(|at| if at > now { at.max(now + TIMER_SLACK) } else { at });
        let times = [self.agenda.next_at(), timeout, self.driver.socket().next_at(), Some(sample_at), Some(flush_at)];
        let until = times.into_iter().flatten().min().unwrap_or(sample_at);
        let rest = until.since(now).min(WAIT_MAX);
        if rest > Micros(0) { self.driver.wait(Duration::from_micros(rest.0)) } else { Ok(()) }
    }

    /// Reads round trips and counters of all bots.
    fn sample(&mut self, now: Micros) {
        for bot in &mut self.bots {
            let Stage::Playing { conn, player, .. } = bot else { continue };
            let Some(stats) = self.driver.stats(*conn) else { continue };
            self.tally.record_rtt(stats.rtt);
            player.latest = Some(player.marks(now, stats, S::dropped(&self.driver, *conn)));
        }
    }

    /// Moves from one window to the next when its time has come. Returns whether all is over.
    fn is_over(&mut self, now: Micros) -> bool {
        let is_in = |bot: &Stage<G>| matches!(bot, Stage::Playing { .. } | Stage::Light { .. }) || bot.is_coming_back();
        let playing = self.bots.iter().any(is_in);
        let seconds = self.options.seconds;
        match self.window {
            Window::Joining if self.joining == 0 && self.next_bot == self.bots.len() => {
                self.window = Window::WarmUp { joined: now };
                !playing
            }
            Window::Joining => self.is_hopeless(),
            Window::WarmUp { joined } => {
                if now.since(joined).as_secs_f64() >= warm_up_s(seconds) {
                    self.begin_measurement(now);
                    self.window = Window::Measuring { joined, since: now };
                }
                !playing
            }
            Window::Measuring { joined, .. } => !playing || now.since(joined).as_secs_f64() >= seconds,
        }
    }

    fn begin_measurement(&mut self, now: Micros) {
        let (second, returns) = (std::mem::take(&mut self.tally.second), self.tally.returns);
        self.tally = Tally { second, returns, ..Tally::default() };
        self.sample(now);
        for bot in &mut self.bots {
            match bot {
                Stage::Playing { player, .. } => player.base = player.latest,
                Stage::Light { .. } => self.tally.light_clients += 1,
                _ => {}
            }
        }
        self.tally.cpu_base = machine::thread_cpu();
    }

    fn progress(&mut self, now: Micros, took: Micros) -> Progress {
        let is_in = |bot: &&Stage<G>| matches!(bot, Stage::Playing { .. } | Stage::Light { .. });
        let playing = self.bots.iter().filter(is_in).count();
        let mispredicted = self.bots.iter().filter_map(|bot| match bot {
            Stage::Playing { player, .. } | Stage::Lost(player) => Some(player.client.counters().mispredicted),
            _ => None,
        });
        let before = std::mem::replace(&mut self.mispredicted, mispredicted.sum());
        let second = &mut self.tally.second;
        let progress = Progress {
            elapsed_s: now.as_secs_f64(),
            stage: match self.window {
                Window::Joining => RunStage::Joining,
                Window::WarmUp { .. } => RunStage::WarmUp,
                Window::Measuring { .. } => RunStage::Measuring,
            },
            asked: self.options.clients,
            playing,
            failed: (self.reasons.count(true) + self.reasons.count(false)) as usize,
            rtt_ms: second.rtt.median(1e3),
            input_to_ack_ms: second.ack.median(1e3),
            snapshots_per_s: second.snapshots as f64 / took.as_secs_f64(),
            mispredictions: self.mispredicted - before,
        };
        second.clear();
        progress
    }
}

/// What is played before anything counts: two seconds, or half of a short run.
pub(crate) fn warm_up_s(seconds: f64) -> f64 {
    if seconds > 4.0 { 2.0 } else { seconds / 2.0 }
}

/// Tells the choice of witnesses from other uses of the seed.
const WITNESS_STREAM: u64 = 0x77_6974_6e65_7373;
