//! A connection is lost, and its session waits for the client to come back over another one. Its place in the room stays its
//! own meanwhile; what the client has to show for it is a token, and no ticket.

use std::net::IpAddr;

use downbeat_host::SessionId;
use downbeat_replica::Game;
use downbeat_transport::{CloseReason, Socket};
use downbeat_wire::control::Hello;
use downbeat_wire::{CloseCode, Micros, Resume};

use super::Shard;
use super::admission::Refusal;
use super::peers::Link;
use super::rooms::Failed;
use super::tokens::session_of;
use crate::accounts::Seat;
use crate::config::SecondLogin;
use crate::control::Command;
use crate::counts::label;

impl<G: Game, S: Socket> Shard<G, S> {
    /// The connection of a session from `network` ended for `reason`, and we did not end it.
    pub(super) fn lose(&mut self, now: Micros, id: SessionId, network: IpAddr, reason: &CloseReason) {
        if is_lost(reason) && !self.config.resume_window.is_zero() && !self.is_draining {
            self.suspend(now, id, network);
        } else {
            self.end_session(now, id, label(reason));
        }
    }

    fn suspend(&mut self, now: Micros, id: SessionId, network: IpAddr) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.link = None;
        session.away_from = Some(network);
        self.directory.wait_for(network);
        session.away_until = now + Micros(self.config.resume_window.as_micros() as u64);
        self.away.insert((session.away_until, id));
        if let Some(account) = &session.identity.account {
            self.directory.accounts.set_away(account, self.index, id, true);
        }
        self.tallies.suspended += 1;
        let room = session.room;
        if self.rooms.suspend(room, id) == Err(Failed) {
            self.fail_room(now, room);
        }
    }

    /// Ends the sessions whose clients did not come back in time.
    pub(super) fn expire_away(&mut self, now: Micros) {
        while let Some((until, id)) = self.away.first().copied().filter(|(until, _)| *until <= now) {
            self.away.pop_first();
            let is_it = self.sessions.get(id).is_some_and(|it| it.link.is_none() && it.away_until == until);
            if is_it {
                self.tallies.expired += 1;
                self.end_session(now, id, NOT_RESUMED);
            }
        }
    }

    /// Nobody can come back any more.
    pub(super) fn end_away(&mut self, now: Micros) {
        while let Some((_, id)) = self.away.pop_first() {
            if self.sessions.get(id).is_some_and(|session| session.link.is_none()) {
                self.end_session(now, id, CloseCode::ShuttingDown.label());
            }
        }
    }

    /// Gives a session the connection `link`, whose hello says that it is its client's.
    pub(super) fn resume(&mut self, now: Micros, link: Link, hello: &Hello, resume: &Resume) -> Result<(), Refusal> {
        let shard = resume.token.shard();
        if shard != self.index && u64::from(shard) < self.directory.shards() {
            return Err(Refusal::new(CloseCode::Elsewhere, shard.to_string()));
        }
        let id = session_of(&resume.token);
        let session = self.sessions.get(id).filter(|session| session.tokens.open_to(&resume.token));
        let found = session.map(|it| (it.room, it.identity.account.clone(), it.tokens.newest != resume.token));
        let Some((room, account, missed)) = found else {
            self.tallies.resumes_refused += 1;
            return Err(CloseCode::SessionOver.into());
        };
        self.keep_out(link, account.as_deref())?;
        // No ticket is needed; but whoever shows one is taken at its word.
        if hello.ticket.is_some() && self.ticket_of(hello)?.map(|ticket| ticket.sub).as_deref() != account.as_deref() {
            self.tallies.resumes_refused += 1;
            return Err(CloseCode::Unauthorized.into());
        }
        let back = match self.rooms.resume(room, id, resume.held, missed) {
            Ok(back) => back.ok_or(CloseCode::SessionOver)?,
            Err(Failed) => {
                self.fail_room(now, room);
                return Err(CloseCode::RoomFailed.into());
            }
        };
        self.take_over(now, id, link);
        let session = self.sessions.get_mut(id).expect("it was there just now");
        session.tokens.rotate(resume.token, self.index, id);
        if let Some(account) = &account {
            self.directory.accounts.set_away(account, self.index, id, false);
        }
        self.tallies.resumed += 1;
        self.welcome(now, id, Some(back.resumed));
        self.pace_again(now, link, id, room);
        self.listen(id, hello);
        if !back.events.is_empty() {
            // Who does not read is closed by the driver, which tells so by an event.
            let _ = self.drivers[link.driver].send_reliable(now, link.conn, &back.events);
        }
        Ok(())
    }

    /// From now on `link` is the session's connection. One that seems to be alive is closed.
    fn take_over(&mut self, now: Micros, id: SessionId, link: Link) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let before = session.link.replace(link);
        session.away_from.take().into_iter().for_each(|network| self.directory.stop_waiting(network));
        let (room, player) = (session.room, session.player);
        let span = self.tell_admitted(link, room, player);
        if let Some(peer) = self.peers.get_mut(link) {
            (peer.session, peer.span) = (Some(id), span);
        }
        if let Some(before) = before {
            self.peers.get_mut(before).into_iter().for_each(|peer| peer.session = None);
            self.dismiss(now, before, CloseCode::Replaced, CloseCode::Replaced.reason());
        }
    }

    /// An account comes that may be here already: makes room for it, or refuses it.
    pub(super) fn meet_second_login(&mut self, now: Micros, account: &str) -> Result<(), Refusal> {
        let Some(seat) = self.directory.accounts.seat(account) else { return Ok(()) };
        if self.config.second_login == SecondLogin::Refuse && !seat.is_away {
            return Err(CloseCode::AlreadyConnected.into());
        }
        if seat.shard != self.index {
            // Its place is there, which may be the last one: where the session ends, the account comes in.
            return Err(Refusal::new(CloseCode::Elsewhere, seat.shard.to_string()));
        }
        self.replace(now, seat);
        Ok(())
    }

    /// Ends the session of an account that came in again.
    pub(super) fn replace(&mut self, now: Micros, seat: Seat) {
        if seat.shard == self.index {
            self.send_away(now, seat.session, CloseCode::Replaced, CloseCode::Replaced.reason());
        } else {
            let command = Command::Replace { session: seat.session };
            // A shard that takes no command has ended, or is asked for far more than it can do: then both play on.
            let _ = self.control.send(seat.shard, command);
        }
    }
}

/// Why a session is over whose client did not come back in time.
const NOT_RESUMED: &str = "NOT_RESUMED";

/// Whether the peer may come back: it was cut off, or went to another connection.
fn is_lost(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::TimedOut | CloseReason::Reset | CloseReason::Transport(_) => true,
        CloseReason::ByPeer { code, .. } => *code == u64::from(CloseCode::Replaced as u32),
        CloseReason::Local(_) | CloseReason::HandshakeFailed(_) | CloseReason::VersionMismatch => false,
    }
}
