//! What operators ask for, between two beats: a few commands at a time, so that no tick is late for them.

use std::time::Duration;

use downbeat_host::SessionId;
use downbeat_replica::Game;
use downbeat_transport::Socket;
use downbeat_wire::control::{OPERATOR, ServerMessage, frame};
use downbeat_wire::{CloseCode, Micros};

use super::Shard;
use crate::config::Config;
use crate::control::{Command, PlayerKey, Refused, Who};
use crate::limits::COMMANDS_PER_BEAT;
use crate::notice::Notice;
use crate::start::connections_max;
use crate::text;

impl<G: Game, S: Socket> Shard<G, S> {
    /// Takes a few of the commands that wait, the first in any case, further ones while the next beat is not due.
    pub(super) fn obey(&mut self, now: Micros) {
        self.control.note_beat(self.index);
        let (mut answers, mut is_seen) = (Vec::new(), false);
        // It is empty nearly always; and whoever could fill it may be gone.
        while let Ok(command) = self.commands.try_recv() {
            is_seen |= !matches!(command, Command::Replace { .. } | Command::Configure { .. });
            answers.push(self.carry_out(now, command));
            if answers.len() >= COMMANDS_PER_BEAT || self.clock.now() >= self.beats.next_at() {
                break;
            }
        }
        // Whoever has his answer and looks, sees what he did.
        if is_seen && self.control.is_watched() {
            self.show(now);
        }
        answers.into_iter().for_each(|answer| answer());
    }

    fn carry_out(&mut self, now: Micros, command: Command) -> Box<dyn FnOnce()> {
        match command {
            Command::OpenRoom { answer } => answer.with(self.open_kept()),
            Command::CloseRoom { room, reason, answer } => answer.with(self.close_room(now, room, &reason)),
            Command::Kick { session, reason, answer } => answer.with(self.kick(now, session, &reason)),
            Command::Replace { session } => {
                self.send_away(now, session, CloseCode::Replaced, CloseCode::Replaced.reason());
                // Nobody asked to be told.
                Box::new(|| {})
            }
            Command::Mute { session, time, answer } => answer.with(self.mute(now, session, time)),
            Command::Broadcast { room, text, answer } => answer.with(self.broadcast(now, room, &text)),
            Command::Configure { config, answer } => {
                self.configure(&config);
                answer.with(())
            }
        }
    }

    /// Goes on by another configuration. What cannot change is the same in it.
    fn configure(&mut self, config: &Config) {
        self.config.clone_from(config);
        self.rooms.set_places(config.players_max, config.spectators_max);
        for driver in &mut self.drivers {
            driver.set_connections_max(connections_max(config));
            driver.set_upload_bytes_per_s(config.upload_bytes_per_s);
        }
    }

    fn open_kept(&mut self) -> Result<u64, Refused> {
        if self.is_draining {
            return Err(Refused::Draining);
        }
        let opened = self.open_room().map_err(|error| Refused::Game(error.to_string()))?;
        opened.inspect(|&room| self.rooms.keep(room)).ok_or(Refused::Full)
    }

    fn close_room(&mut self, now: Micros, room: u64, reason: &str) -> Option<usize> {
        if !self.rooms.is_open(room) {
            return None;
        }
        let ids = self.sessions.ids(Some(room));
        ids.iter().for_each(|&id| self.send_away(now, id, CloseCode::RoomClosed, reason));
        self.close_paced(room);
        // A game that panics as the last ones leave has closed it.
        if self.rooms.end(room) {
            self.notify_of(room, &Notice::RoomEnded { room, clients: ids.len() });
        }
        Some(ids.len())
    }

    fn kick(&mut self, now: Micros, id: SessionId, reason: &str) -> Option<Who> {
        let who = self.who(id)?;
        self.send_away(now, id, CloseCode::Kicked, reason);
        Some(who)
    }

    fn mute(&mut self, now: Micros, id: SessionId, time: Duration) -> Option<Who> {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sessions.get_mut(id)?.muted_until = Micros(now.0.saturating_add(us));
        self.who(id)
    }

    /// How many heard it; `None` when there is no such room.
    fn broadcast(&mut self, now: Micros, room: Option<u64>, text: &str) -> Option<usize> {
        if room.is_some_and(|room| !self.rooms.is_open(room)) {
            return None;
        }
        let Some(text) = text::chat(text) else { return Some(0) };
        Some(self.tell_all(now, room, &frame(&ServerMessage::Said { player: OPERATOR, text })))
    }

    /// Who is behind a session.
    fn who(&self, id: SessionId) -> Option<Who> {
        let session = self.sessions.get(id)?;
        let remote = session.link.and_then(|link| self.drivers[link.driver].remote(link.conn));
        Some(Who {
            id: PlayerKey { shard: self.index, session: id },
            name: session.identity.name.clone(),
            account: session.identity.account.clone(),
            address: remote.map(|remote| remote.ip()),
            room: session.room,
        })
    }
}
