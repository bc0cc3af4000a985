//! How bots get in, and how they get out again. A few at a time: a handshake costs both ends about a millisecond, and
//! those who play already must not feel it.

use std::sync::Arc;

use downbeat_client::Start;
use downbeat_replica::{ConfigError, DecodeError, PlayerId};
use downbeat_transport::CloseReason;
use downbeat_wire::control::{ControlReader, Hello, ServerMessage, Welcome, decode};
use downbeat_wire::limits::REDIRECTS_MAX;
use downbeat_wire::{CloseCode, Micros, Resume, Tick};

use crate::Bots;
use crate::brains::{IDLE, Wander};
use crate::herd::Herd;
use crate::hostile::Codec;
use crate::light::Light;
use crate::line::LineConn;
use crate::options::{BotsError, Options};
use crate::player::Player;
use crate::recorder::Recorder;
use crate::resume::Back;
use crate::stage::Stage;

/// From the first packet to the welcome.
pub(crate) const JOIN_WITHIN: Micros = Micros::from_millis(10_000);

/// Bytes of reliable events that may come before the welcome; with more the bot gives up.
const EARLY_BYTES_MAX: usize = 64 * 1_024;

/// Why a connection ended, for people.
pub(crate) fn told(reason: &CloseReason) -> String {
    match reason {
        // As a rule the server's text is that of its code.
        CloseReason::ByPeer { code, reason: text } => match CloseCode::from_code(*code) {
            Some(known) if known.reason() == text || text.is_empty() => known.to_string(),
            _ => reason.to_string(),
        },
        other => other.to_string(),
    }
}

/// The code that the server gave.
pub(crate) const fn code_of(reason: &CloseReason) -> Option<u64> {
    match reason {
        CloseReason::ByPeer { code, .. } => Some(*code),
        _ => None,
    }
}

/// The byte that stands for the shard that the server sends a client to.
pub(crate) fn elsewhere(reason: &CloseReason) -> Option<u8> {
    match reason {
        CloseReason::ByPeer { code, reason } => CloseCode::sent_elsewhere(*code, reason),
        _ => None,
    }
}

/// What to do when a connection ended before it led anywhere, `code` being what the server gave for it and `why` what
/// [`told`] says: behind a semicolon, or nothing where the reason says it.
pub(crate) fn next_step(code: Option<u64>, why: &str) -> &'static str {
    match code.and_then(CloseCode::from_code) {
        Some(CloseCode::WrongGame) => "; say which with --game NAME",
        Some(CloseCode::NoSuchRoom) => "; leave --room out, and the server chooses",
        Some(CloseCode::Elsewhere) => "; others take its places meanwhile, so try again",
        Some(CloseCode::RoomFailed) => "; its game panicked, and the server's standard error says where",
        Some(_) => "",
        None if *why == CloseReason::TimedOut.to_string() => {
            "; is a server running there, and is UDP let through by every firewall on the way?"
        }
        None if why.contains("certificate") => {
            "; `serve` makes a new one at each start: copy the fingerprint that it prints"
        }
        None => "",
    }
}

impl<G: Bots> Herd<'_, G> {
    /// Gives up connections that take too long.
    pub(crate) fn give_up_joining(&mut self, now: Micros) {
        for index in 0..self.bots.len() {
            let Stage::Joining { conn, since, .. } = &self.bots[index] else { continue };
            let (conn, since) = (*conn, *since);
            if now.since(since) > JOIN_WITHIN {
                let why = format!("no welcome came within {} s", JOIN_WITHIN.as_secs_f64());
                self.end(index, None, why);
                self.lines.close(now, conn, CloseCode::Bye, "");
            }
        }
    }

    /// Begins further connections, as many as may be under way.
    pub(crate) fn connect(&mut self, now: Micros) -> Result<(), BotsError> {
        while let Some(index) = self.next_to_join() {
            self.note_attempt(index);
            self.dial(now, index, (now, 0), None, None)?;
            self.joining += 1;
        }
        Ok(())
    }

    /// Connects a bot that set out at `since`, to the shard that `first` stands for after `redirects`; one that comes `back`, or
    /// comes first.
    pub(crate) fn dial(
        &mut self,
        now: Micros,
        bot: usize,
        (since, redirects): (Micros, u32),
        first: Option<u8>,
        back: Option<Box<Back<G>>>,
    ) -> Result<(), BotsError> {
        let Options { connect, server_name, .. } = self.options;
        let server_name = server_name.clone().unwrap_or_else(|| connect.ip().to_string());
        let line = self.seats[bot].line;
        let conn = self.lines.connect(now, (line, bot), (*connect, &server_name), first)?;
        let (reader, early) = (ControlReader::default(), Vec::new());
        self.bots[bot] = Stage::Joining { conn, since, redirects, reader, early, back };
        self.flush_now = true;
        Ok(())
    }

    /// Says hello on a fresh connection.
    pub(crate) fn greet(&mut self, conn: LineConn) {
        let Some(index) = self.bot_of(conn) else { return };
        let resume = match &self.bots[index] {
            Stage::Joining { back: Some(back), .. } => Some(back.resume()),
            _ => None,
        };
        let hello = self.hello(index, resume);
        // A connection that ended meanwhile says so by its own event.
        let _ = self.lines.write_control(self.clock.now(), conn, &hello.to_bytes());
        self.flush_now = true;
    }

    /// What bot `index` says when it comes.
    pub(crate) fn hello(&self, index: usize, resume: Option<Resume>) -> Hello {
        let seat = &self.seats[index];
        let ticket = self.ticket(seat).filter(|_| resume.is_none());
        Hello {
            game: G::NAME.to_owned(),
            schema_hash: self.coding.schema.hash(),
            model_hash: self.coding.model_hash,
            name: seat.name(self.scenario, &self.options.name),
            room: self.options.room,
            spectator: self.scenario.groups[seat.group].is_watching(),
            ticket: ticket.cloned(),
            resume,
        }
    }

    pub(crate) fn take_control(&mut self, conn: LineConn, bytes: &[u8]) -> Result<(), BotsError> {
        let Some(index) = self.bot_of(conn) else { return Ok(()) };
        if let Stage::Joining { reader, .. } | Stage::Playing { reader, .. } = &mut self.bots[index] {
            reader.push(bytes);
        }
        // What a light client is told once it is in, it does not read.
        while let Stage::Joining { reader, .. } | Stage::Playing { reader, .. } = &mut self.bots[index] {
            match reader.next_from_server() {
                Ok(None) => break,
                Ok(Some(ServerMessage::Welcome(welcome))) => self.enter(index, conn, &welcome)?,
                // Bots neither read chat nor leave early: a server that drains closes them.
                Ok(Some(_)) => {}
                Err(error) => {
                    self.end(index, None, format!("the server's control stream cannot be read: {error}"));
                    self.lines.close(self.clock.now(), conn, error.close_code(), &error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Takes in the next bytes of a bot's stream of reliable events.
    pub(crate) fn take_reliable(&mut self, conn: LineConn, bytes: &[u8]) {
        let Some(index) = self.bot_of(conn) else { return };
        let taken = match &mut self.bots[index] {
            Stage::Joining { early, .. } if early.len() + bytes.len() > EARLY_BYTES_MAX => {
                Err(DecodeError::TooLarge("what came before the welcome"))
            }
            Stage::Joining { early, .. } => {
                early.extend_from_slice(bytes);
                Ok(())
            }
            Stage::Playing { player, .. } => {
                player.sent.iter_mut().for_each(|sent| sent.reliable_bytes += bytes.len() as u64);
                player.client.receive_reliable(self.clock.now(), bytes)
            }
            _ => Ok(()),
        };
        if let Err(error) = taken {
            self.end(index, None, format!("the server's stream of reliable events cannot be read: {error}"));
            self.lines.close(self.clock.now(), conn, CloseCode::MalformedControl, &error.to_string());
        }
    }

    /// A bot is let in.
    fn enter(&mut self, index: usize, conn: LineConn, welcome: &Welcome) -> Result<(), BotsError> {
        if self.bots[index].is_coming_back() {
            self.come_back(index, conn, welcome);
            return Ok(());
        }
        let (tick_rate_hz, send_rate_hz) = (u32::from(welcome.tick_rate_hz), u32::from(welcome.send_rate_hz));
        let asked = [
            ("ticks", self.options.tick_rate_hz, tick_rate_hz),
            ("snapshots", self.options.send_rate_hz, send_rate_hz),
        ];
        for (what, asked, told) in asked {
            if let Some(asked) = asked.filter(|&asked| asked != told) {
                return Err(BotsError::Rate { what, asked, told });
            }
        }
        self.rates = Some((tick_rate_hz, send_rate_hz));
        let world = match self.world_of(&welcome.config) {
            Ok(world) => world,
            Err(error) => {
                self.end(index, None, format!("the match cannot be played: {error}"));
                self.lines.close(self.clock.now(), conn, CloseCode::Internal, &error.to_string());
                return Ok(());
            }
        };
        let now = self.clock.now();
        let Stage::Joining { reader, early, since, .. } = &mut self.bots[index] else { return Ok(()) };
        let start = Start {
            player: welcome.player.map(PlayerId),
            tick_rate_hz,
            send_rate_hz,
            tick: Tick(welcome.tick),
            rtt: self.lines.stats(conn).map_or(Micros::default(), |stats| stats.rtt),
        };
        let took = now.since(*since);
        let (reader, early) = (std::mem::take(reader), std::mem::take(early));
        self.joining -= 1;
        let seat = &mut self.seats[index];
        let is_again = u64::from(std::mem::replace(&mut seat.entered, true));
        seat.since = now;
        let is_hostile = seat.is_hostile;
        let tally = self.tally_of(index);
        tally.join.record(took.0);
        tally.returns.rejoined += is_again;
        let (scenario, seat) = (self.scenario, &self.seats[index]);
        let (group, seed) = (&scenario.groups[seat.group], seat.seed(scenario, self.options.seed));
        if seat.is_light {
            // Whatever else the others do, it knows inputs by their table alone.
            let wander = (group.brain != IDLE).then(|| Wander::new::<G::Input>(seed, tick_rate_hz));
            let mut light = Box::new(Light::new(now, &start, seat.index, &self.neutral, wander));
            light.mark(now, self.lines.traffic(conn));
            light.begin();
            self.bots[index] = Stage::Light { conn, light };
            return Ok(());
        }
        let brain = G::brain(&group.brain, seed, tick_rate_hz).expect("the name was checked before the run");
        let brain = match &self.siege {
            Some(siege) => siege.brain(is_hostile, brain),
            None => brain,
        };
        let mut player = Player::new(world, Arc::clone(&self.coding), start, (welcome.room, welcome.resume), brain);
        player.settled = now + self.course.warm_up;
        player.told.at = now;
        if let Some(siege) = &mut self.siege {
            let codec = Codec::new(self.coding.schema.input.clone(), self.neutral.clone());
            siege.arm(is_hostile, &mut player, codec, seed);
        }
        if let Some(path) = self.options.record_lanes.as_ref().filter(|_| self.recorder.is_none()) {
            let head = (&self.coding.schema, self.options.seed, tick_rate_hz);
            self.recorder = Some(Recorder::create(path, index, player.client.newest(), head));
        }
        self.bots[index] = Stage::Playing { conn, reader, player: Box::new(player) };
        if !is_hostile {
            self.rooms.entry(welcome.room).or_default().push(index);
        }
        self.take_reliable(conn, &early);
        Ok(())
    }

    /// The world of a match with these rules. Rooms of one server share theirs, as a rule.
    fn world_of(&mut self, config: &[u8]) -> Result<Arc<G::World>, ConfigError> {
        if let Some((_, world)) = self.world.as_ref().filter(|(known, _)| known == config) {
            return Ok(Arc::clone(world));
        }
        let rules = decode::<G::Config>(config).ok_or_else(|| ConfigError("its rules do not decode".to_owned()))?;
        let world = Arc::new(G::world(&rules)?);
        self.world = Some((config.to_vec(), Arc::clone(&world)));
        Ok(world)
    }

    pub(crate) fn take_close(&mut self, conn: LineConn, reason: &CloseReason) -> Result<(), BotsError> {
        let Some(index) = self.bot_of(conn) else { return Ok(()) };
        if let Some(first) = elsewhere(reason)
            && let Stage::Joining { since, redirects, back, .. } = &mut self.bots[index]
            && *redirects < REDIRECTS_MAX
        {
            let (way, back) = ((*since, *redirects + 1), back.take());
            return self.dial(self.clock.now(), index, way, Some(first), back);
        }
        if let Stage::Joining { back, .. } = &mut self.bots[index]
            && let Some(back) = back.take()
        {
            self.fail_to_return(index, back, reason);
            return Ok(());
        }
        if self.is_lost(index, reason) {
            self.go_away(index, self.clock.now(), false);
            return Ok(());
        }
        self.end(index, code_of(reason), told(reason));
        Ok(())
    }

    /// A bot's way ends before its time.
    fn end(&mut self, index: usize, code: Option<u64>, why: String) {
        if self.note_answer(index, code, &why) {
            return;
        }
        let now = self.clock.now();
        match std::mem::replace(&mut self.bots[index], Stage::Refused) {
            Stage::Playing { player, .. } => {
                // Where nobody says when it ended, it did when it fell silent.
                let at = code.map_or(player.last_snapshot, |_| None).unwrap_or(now);
                self.reasons.add(at, true, code, why);
                self.bots[index] = Stage::Lost(player);
            }
            Stage::Light { conn, light } => {
                self.reasons.add(now, true, code, why);
                self.stop_counting(index, conn, light, now);
                self.bots[index] = Stage::LightLost;
            }
            Stage::Joining { back: Some(back), .. } => {
                self.reasons.add(now, true, code, why);
                self.bots[index] = Stage::Lost(back.into_player());
            }
            Stage::Joining { .. } => {
                self.joining -= 1;
                self.reasons.add(now, false, code, why);
            }
            other => self.bots[index] = other,
        }
    }

    /// Takes leave of the server.
    pub(crate) fn say_bye(&mut self) -> std::io::Result<()> {
        for bot in &self.bots {
            if let Stage::Playing { conn, .. } | Stage::Light { conn, .. } | Stage::Joining { conn, .. } = bot {
                self.lines.close(self.clock.now(), *conn, CloseCode::Bye, "");
            }
        }
        // A slow network must let the last words through, and what the peers still send is answered.
        let until = self.clock.now() + self.lines.delay_max() + Micros::from_millis(50);
        loop {
            let now = self.clock.now();
            self.lines.flush(now)?;
            self.lines.receive(now)?;
            self.lines.handle_timeouts(now)?;
            while self.lines.poll_event().is_some() {}
            if now >= until || self.lines.is_idle() {
                return Ok(());
            }
            self.lines.wait(std::time::Duration::from_millis(5))?;
        }
    }
}
