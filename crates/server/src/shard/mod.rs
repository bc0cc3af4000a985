//! A shard is one thread that owns its sockets, its connections, its sessions and its rooms. Nothing in a tick blocks
//! or waits for another thread; locks are taken where somebody comes or goes and where an operator is told something, and are
//! held for a moment. [`Shard::beat`] is the table of contents.

mod admission;
mod bans;
mod beats;
mod counted;
mod describe;
mod figures;
mod keep;
mod life;
mod net;
mod obey;
mod pace;
mod peers;
mod relief;
mod resume;
mod rooms;
mod sessions;
mod show;
mod story;
mod tokens;
mod traffic;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use downbeat_host::{RoomOptions, SessionId};
use downbeat_replica::{ConfigError, Game};
use downbeat_transport::{Clock, Driver, Socket};
use downbeat_wire::control::{ServerMessage, frame};
use downbeat_wire::{CloseCode, Micros};

pub(crate) use self::beats::Work;
use self::beats::{Beats, Turn};
use self::counted::Trips;
use self::describe::Listeners;
pub(crate) use self::describe::Told;
pub(crate) use self::figures::Figures;
use self::figures::count;
use self::net::RoomNet;
use self::pace::Review;
use self::peers::{Link, Peers};
use self::relief::Relief;
use self::rooms::{Failed, Rooms};
use self::sessions::Sessions;
use crate::config::Config;
use crate::control::{Command, Control};
use crate::counts::{Strain, Tallies};
use crate::directory::Directory;
use crate::files::Files;
use crate::limits::SLOWED_PAUSE;
use crate::meter::{Meter, Part};
use crate::metrics::{Metrics, Shown};
use crate::notice::{Notice, Notify};
use crate::progress::Progress;
use crate::records::Recorder;
use crate::report::Live;

/// What all sessions of a game are told or asked about it.
pub(crate) struct Rules {
    pub(crate) schema_hash: u64,
    pub(crate) model_hash: u64,
    /// The game's configuration, as the welcome carries it.
    pub(crate) config: Vec<u8>,
    /// For those who do not have the game.
    pub(crate) told: Told,
}

/// What the shards of a server have in common.
pub(crate) struct Common<G: Game> {
    pub(crate) config: Config,
    pub(crate) game: G::Config,
    pub(crate) rules: Arc<Rules>,
    pub(crate) seed: u64,
    pub(crate) files: Arc<Files>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) control: Arc<Control>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recorder: Arc<Recorder>,
}

pub(crate) struct Shard<G: Game, S> {
    index: u8,
    files: Arc<Files>,
    /// Those that were looked at last.
    bans_version: u64,
    directory: Arc<Directory>,
    pub(crate) config: Config,
    pub(crate) rules: Arc<Rules>,
    pub(crate) clock: Clock,
    pub(crate) drivers: Vec<Driver<S>>,
    peers: Peers,
    sessions: Sessions,
    listeners: Listeners,
    rooms: Rooms<G>,
    beats: Beats,
    relief: Relief,
    review: Review,
    pub(crate) meter: Meter,
    tallies: Tallies,
    notify: Notify,
    progress: Arc<Progress>,
    control: Arc<Control>,
    commands: Receiver<Command>,
    metrics: Arc<Metrics>,
    recorder: Arc<Recorder>,
    shown: Shown,
    trips: Trips,
    beats_begun: u64,
    /// Sessions without a connection, and until when they wait; earliest first.
    away: BTreeSet<(Micros, SessionId)>,
    is_draining: bool,
    /// The last look into the sockets left something there.
    is_behind: bool,
    strain: Strain,
    /// Ticks left out that [`Notice::Slowed`] has not told yet, and when it may.
    slowed: (u64, Micros),
}

impl<G: Game, S: Socket> Shard<G, S> {
    /// The shard `index`; the first opens a room.
    pub(crate) fn new(
        common: &Common<G>,
        index: u8,
        drivers: Vec<Driver<S>>,
        notify: Notify,
    ) -> Result<Self, ConfigError> {
        let (config, directory) = (common.config.clone(), &common.directory);
        let options = RoomOptions {
            tick_rate_hz: config.tick_rate_hz,
            send_rate_hz: config.send_rate_hz,
            seed: common.seed,
            players_max: config.players_max,
            spectators_max: config.spectators_max,
            client_bytes_per_s: config.client_bytes_per_s as usize,
        };
        let mut shard = Self {
            index,
            files: Arc::clone(&common.files),
            bans_version: common.files.bans.version(),
            directory: Arc::clone(directory),
            peers: Peers::new(drivers.len(), Arc::clone(directory)),
            rooms: Rooms::new(common.game.clone(), options, index, Arc::clone(directory))?,
            beats: Beats::new(config.tick_rate_hz),
            relief: Relief::new(config.send_rate_hz),
            review: Review::default(),
            sessions: Sessions::default(),
            listeners: Listeners::default(),
            config,
            rules: Arc::clone(&common.rules),
            clock: Clock::start(),
            drivers,
            meter: Meter::new(common.metrics.board(index)),
            tallies: Tallies::default(),
            notify,
            progress: Arc::clone(&common.progress),
            control: Arc::clone(&common.control),
            commands: common.control.take_inbox(index),
            metrics: Arc::clone(&common.metrics),
            recorder: Arc::clone(&common.recorder),
            shown: Shown::default(),
            trips: Trips::default(),
            beats_begun: 0,
            away: BTreeSet::new(),
            is_draining: false,
            is_behind: false,
            strain: Strain::default(),
            slowed: (0, Micros::default()),
        };
        if index == 0 {
            // So that rules that cannot be are known before anybody joins.
            shard.open_room()?;
        }
        Ok(shard)
    }

    /// Binds this thread to its processor, if it was given one.
    pub(crate) fn pin(&mut self) {
        let Some(cpu) = self.config.cpu else { return };
        if let Err(error) = crate::os::pin_thread(usize::from(cpu) + usize::from(self.index)) {
            (self.notify)(&Notice::NotPinned { error: error.to_string() });
        }
    }

    /// Takes in what waits in the sockets and does what it asks for.
    pub(crate) fn receive(&mut self, now: Micros) -> io::Result<()> {
        self.meter.laps.turn(Part::Receive);
        self.is_behind = false;
        for driver in &mut self.drivers {
            self.is_behind |= driver.receive(now)?;
            driver.handle_timeouts(now)?;
        }
        self.handle_events(now);
        Ok(())
    }

    /// Looks into the sockets between beats.
    pub(crate) fn drain_sockets(&mut self, now: Micros) -> io::Result<()> {
        self.receive(now)?;
        self.meter.laps.turn(Part::Idle);
        Ok(())
    }

    fn step_room(&mut self, turn: &Turn, now: Micros) -> io::Result<()> {
        let Self { drivers, sessions, meter, clock, rooms, config, .. } = self;
        let every = rooms.send_every(turn.room);
        let interval = Micros(u64::from(every) * 1_000_000 / u64::from(config.send_rate_hz));
        let Meter { laps, board, .. } = meter;
        let mut net = RoomNet::new(drivers, sessions, laps, &board.snapshot_bytes, *clock, now, interval);
        // The room is told the time that the schedule says, so that margins don't carry the jitter of our thread.
        let ticked = rooms.tick(turn.room, turn.due, &mut net);
        let error = net.error.take();
        if ticked == Err(Failed) {
            self.fail_room(now, turn.room);
        }
        error.map_or(Ok(()), Err)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        self.drivers.iter_mut().try_for_each(|driver| driver.flush(now))
    }

    /// Sends what the connections of one room have to say, or of none.
    fn flush_group(&mut self, group: u16) -> io::Result<()> {
        self.meter.laps.turn(Part::Flush);
        let now = self.clock.now();
        self.drivers.iter_mut().try_for_each(|driver| driver.flush_group(now, group))
    }

    /// Takes the figures of a beat that ends `now`.
    fn measure(&mut self, now: Micros, has_ticked: bool) {
        let clients = self.sessions.len() as u64;
        let Self { meter, rooms, drivers, strain, .. } = self;
        if has_ticked || clients == 0 {
            meter.beat_ended(now, clients, || count(rooms, drivers, *strain));
        }
        let live = Live {
            clients,
            rooms: self.rooms.len() as u64,
            ticks: self.meter.ticks,
            overruns: self.strain.overruns,
            ticks_left_out: self.strain.ticks_left_out,
            beats_unread: self.strain.beats_unread,
            rooms_lowered: self.rooms.lowered() as u64,
            kernel_drops: self.kernel_drops(),
            work_us: self.meter.work_us,
        };
        self.progress.leave(self.index, &live);
    }

    fn kernel_drops(&self) -> u64 {
        self.drivers.iter().map(|driver| driver.counters().socket.kernel_drops).sum()
    }

    /// Ticks are left out because too many are due at once.
    fn leave_out(&mut self, now: Micros, ticks: u64) {
        self.strain.ticks_left_out += ticks;
        self.slowed.0 += ticks;
        if now >= self.slowed.1 {
            (self.notify)(&Notice::Slowed { ticks: self.slowed.0 });
            self.slowed = (0, now + SLOWED_PAUSE);
        }
    }

    /// When the sockets want to be looked into, if they were at `looked_at`: at once when something was left there, soon
    /// while handshakes are under way, and when a socket says so itself.
    pub(crate) fn next_look(&self, looked_at: Micros) -> Option<Micros> {
        let is_pressed = self.drivers.iter().any(|driver| driver.counters().half_open > 0);
        let handshakes = is_pressed.then(|| looked_at + LOOK_PRESSED);
        let rest = self.is_behind.then_some(looked_at);
        let sockets = self.drivers.iter().filter_map(|driver| driver.socket().next_at());
        sockets.map(|at| at.max(looked_at + LOOK_PAUSE)).chain(handshakes).chain(rest).min()
    }

    /// Opens a room; `None` when the server has all that it may have.
    fn open_room(&mut self) -> Result<Option<u64>, ConfigError> {
        let opened = self.rooms.open();
        match &opened {
            Ok(None) => {}
            Ok(Some(room)) => {
                self.beats.open(*room);
                self.notify_of(*room, &Notice::RoomOpened { room: *room });
            }
            Err(error) => (self.notify)(&Notice::RoomRefused { error: error.to_string() }),
        }
        opened
    }

    fn close_empty_rooms(&mut self) {
        while let Some(room) = self.rooms.poll_empty() {
            self.close_paced(room);
            self.rooms.close(room);
            self.notify_of(room, &Notice::RoomClosed { room });
        }
    }

    /// Ends a room whose game panicked.
    fn fail_room(&mut self, now: Micros, room: u64) {
        self.close_paced(room);
        self.rooms.fail(room);
        self.notify_of(room, &Notice::RoomFailed { room });
        for id in self.sessions.ids(Some(room)) {
            self.send_away(now, id, CloseCode::RoomFailed, CloseCode::RoomFailed.reason());
        }
    }

    /// Ends a session, and its connection if it has one.
    fn send_away(&mut self, now: Micros, id: SessionId, code: CloseCode, reason: &str) {
        match self.sessions.get(id).and_then(|session| session.link) {
            Some(link) => self.dismiss(now, link, code, reason),
            None => self.end_session(now, id, code.label()),
        }
    }

    /// Closes a connection; its session ends with it.
    fn dismiss(&mut self, now: Micros, link: Link, code: CloseCode, reason: &str) {
        let Some(peer) = self.peers.get_mut(link) else { return };
        peer.is_dismissed = true;
        let (session, span) = (peer.session.take(), peer.span.clone());
        self.tell_dismissed(&span, code);
        self.drivers[link.driver].close(now, link.conn, code, reason);
        if let Some(session) = session {
            self.end_session(now, session, code.label());
        }
    }

    /// A session is over, for the reason of that label.
    fn end_session(&mut self, now: Micros, id: SessionId, reason: &'static str) {
        let Some(session) = self.sessions.remove(id) else { return };
        if let Some(account) = &session.identity.account {
            self.directory.accounts.leave(account, self.index, id);
        }
        session.away_from.into_iter().for_each(|network| self.directory.stop_waiting(network));
        self.beats.leave(session.room);
        let left = self.rooms.leave(session.room, id, session.player);
        self.keep_results(session.room, Some(&session));
        self.keep_left(now, &session, reason);
        if left == Err(Failed) {
            self.fail_room(now, session.room);
        }
    }

    /// Takes nobody any more, and tells those who are there.
    pub(crate) fn begin_drain(&mut self, now: Micros, time: Duration) {
        self.is_draining = true;
        self.drivers.iter_mut().for_each(|driver| driver.set_accepting(false));
        // The shards begin together; one of them says so.
        if self.index == 0 {
            let clients = self.clients();
            (self.notify)(&Notice::Draining { clients });
        }
        self.metrics.note_drain(time);
        self.end_away(now);
        let deadline_s = time.as_secs_f64().ceil() as u32;
        let message = frame(&ServerMessage::Draining { deadline_s });
        for id in self.sessions.ids(None) {
            self.write(now, id, &message);
        }
    }

    /// Clients of all shards: they end together.
    pub(crate) fn clients(&self) -> usize {
        self.directory.clients()
    }

    /// Sends everybody away.
    pub(crate) fn shut_down(&mut self, now: Micros) {
        let Self { meter, rooms, drivers, strain, .. } = self;
        meter.end(|| count(rooms, drivers, *strain));
        for link in self.peers.links() {
            self.dismiss(now, link, CloseCode::ShuttingDown, CloseCode::ShuttingDown.reason());
        }
        // So that each end is counted, however little time is left.
        self.handle_events(now);
    }

    /// Whether no connection is left that might not have heard of its end.
    pub(crate) fn is_idle(&self) -> bool {
        self.drivers.iter().all(Driver::is_idle)
    }
}

/// Pause between looks into the sockets while handshakes wait for an answer.
const LOOK_PRESSED: Micros = Micros::from_millis(1);

/// Shortest pause between looks, whatever a socket asks for.
const LOOK_PAUSE: Micros = Micros(250);
