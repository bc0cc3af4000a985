//! How a connection becomes a session: it says hello in time, plays the same game, and there is a place.

use std::net::IpAddr;
use std::sync::Arc;

use downbeat_host::{JoinError, SessionId};
use downbeat_replica::Game;
use downbeat_transport::{Socket, network_of};
use downbeat_wire::control::{Hello, OPERATOR, ServerMessage, Welcome, frame};
use downbeat_wire::{CloseCode, Micros, Resumable, Resumed};

use super::Shard;
use super::peers::Link;
use super::rooms::{Place, Trouble};
use super::sessions::{Identity, Session};
use super::tokens::Tokens;
use crate::accounts::Seat;
use crate::bans;
use crate::config::SecondLogin;
use crate::doorman::Wish;
use crate::guard::Rate;
use crate::text;
use crate::ticket::{Role, Ticket, TicketError};

/// Why a newcomer is sent away.
pub(super) struct Refusal {
    pub(super) code: CloseCode,
    pub(super) reason: String,
    /// What is wrong with its ticket, if it is that.
    ticket: Option<TicketError>,
}

impl Refusal {
    pub(super) const fn new(code: CloseCode, reason: String) -> Self {
        Self { code, reason, ticket: None }
    }
}

impl From<CloseCode> for Refusal {
    fn from(code: CloseCode) -> Self {
        Self::new(code, code.reason().to_owned())
    }
}

impl<G: Game, S: Socket> Shard<G, S> {
    pub(super) fn handle_connected(&mut self, now: Micros, link: Link, address: IpAddr) {
        let deadline = now + Micros(self.config.hello_timeout.as_micros() as u64);
        let span = self.tell_connected(link, address);
        let count = self.peers.insert(link, address, deadline, span);
        let is_exempt = self.config.address_exempt.iter().any(|prefix| prefix.contains(address));
        if !is_exempt && count > self.config.address_connections_max {
            let code = CloseCode::TooManyConnections;
            return self.dismiss(now, link, code, code.reason());
        }
        if let Some(ban) = self.files.bans.check(address, None) {
            self.dismiss(now, link, CloseCode::Kicked, &bans::told(&ban));
        }
    }

    /// Closes those that have not said hello in time.
    pub(super) fn expire_silent(&mut self, now: Micros) {
        while let Some(link) = self.peers.poll_silent(now) {
            let reason = format!("no hello arrived within {} s", self.config.hello_timeout.as_secs_f64());
            self.dismiss(now, link, CloseCode::HelloTimeout, &reason);
        }
    }

    pub(super) fn greet(&mut self, now: Micros, link: Link, hello: &Hello) {
        let _admission = self.admission_span(link).entered();
        let answer = self.check_game(hello).and_then(|()| match &hello.resume {
            Some(resume) => self.resume(now, link, hello, resume),
            None => self.admit(now, link, hello),
        });
        match answer {
            Ok(()) => {}
            Err(Refusal { code, reason, ticket }) => {
                self.tell_refused(code, ticket);
                if code == CloseCode::Elsewhere {
                    self.tallies.redirected += 1;
                    // Its handshake is no work of a match: before one, figures begin anew as if it had been let in.
                    if self.sessions.len() == 0 {
                        self.meter.joined(now);
                    }
                }
                self.dismiss(now, link, code, &reason);
            }
        }
    }

    fn check_game(&self, hello: &Hello) -> Result<(), Refusal> {
        if self.is_draining {
            return Err(CloseCode::ShuttingDown.into());
        }
        // Whoever asks for the schema need not know whose it is.
        let takes_any = hello.game.is_empty() && hello.schema_hash == 0;
        if hello.game != G::NAME && !takes_any {
            let theirs = text::name(&hello.game);
            let reason = format!("`{}`, not `{theirs}`", G::NAME);
            return Err(Refusal::new(CloseCode::WrongGame, reason));
        }
        if ![0, self.rules.schema_hash].contains(&hello.schema_hash) {
            return Err(CloseCode::SchemaMismatch.into());
        }
        if ![0, self.rules.model_hash].contains(&hello.model_hash) {
            return Err(CloseCode::ModelMismatch.into());
        }
        Ok(())
    }

    fn admit(&mut self, now: Micros, link: Link, hello: &Hello) -> Result<(), Refusal> {
        let ticket = self.ticket_of(hello)?;
        self.keep_out(link, ticket.as_ref().map(|ticket| ticket.sub.as_str()))?;
        let claim = ticket.as_ref().and_then(|ticket| ticket.room).or(hello.room);
        // Nobody is sent away for a wish that cannot be met.
        if let Some(room) = claim {
            self.rooms.check(room).map_err(|(code, reason)| Refusal::new(code, reason))?;
        }
        if let Some(ticket) = &ticket {
            self.meet_second_login(now, &ticket.sub)?;
        }
        self.keep_few(link)?;
        let room = self.room_for(claim, hello.spectator)?;
        if let Some(ticket) = &ticket {
            self.files.doorman.take(ticket).map_err(|error| self.turn_away(error))?;
        }
        let name = ticket.as_ref().and_then(|ticket| ticket.name.as_ref()).unwrap_or(&hello.name);
        let name = text::name(name);
        let account: Option<Arc<str>> = ticket.as_ref().map(|ticket| Arc::from(ticket.sub.as_str()));
        let session = |id| Session {
            identity: Identity { name: Arc::from(name.as_str()), account: account.clone(), since: now },
            link: Some(link),
            room,
            player: None,
            says: Rate::default(),
            tokens: Tokens::new(self.index, id),
            away_until: Micros(0),
            away_from: None,
            muted_until: Micros(0),
        };
        let id = self.sessions.insert(session).ok_or(CloseCode::Overloaded)?;
        if let Some(account) = &account {
            self.take_account(now, account, id)?;
        }
        match self.rooms.join(room, id, &name, hello.spectator) {
            Ok(player) => {
                let session = self.sessions.get_mut(id).expect("it was put there just now");
                session.player = player;
                let span = self.tell_admitted(link, room, player);
                let peer = self.peers.get_mut(link).expect("its hello was read just now");
                (peer.session, peer.span) = (Some(id), span);
                let watches = if hello.spectator { Role::Spectator } else { Role::Player };
                self.keep_joined(id, ticket.as_ref().map_or(watches, |ticket| ticket.role));
                self.welcome(now, id, None);
                self.keep_pace(now, link, id, room);
                self.listen(id, hello);
                self.tallies.admitted += 1;
                self.meter.joined(now);
                Ok(())
            }
            Err(trouble) => {
                self.sessions.remove(id);
                account.into_iter().for_each(|account| self.directory.accounts.leave(&account, self.index, id));
                match trouble {
                    Trouble::Said(JoinError::Full) => Err(CloseCode::ServerFull.into()),
                    Trouble::Failed => {
                        self.fail_room(now, room);
                        Err(CloseCode::RoomFailed.into())
                    }
                }
            }
        }
    }

    /// Refuses a newcomer whose network has as many connections as it may have if those are counted who were lost and may come
    /// back: else whoever leaves without a word, again and again, holds all places.
    fn keep_few(&self, link: Link) -> Result<(), Refusal> {
        let Some(address) = self.drivers[link.driver].remote(link.conn).map(|remote| remote.ip()) else {
            return Ok(());
        };
        let is_exempt = self.config.address_exempt.iter().any(|exempt| exempt.contains(address));
        let is_crowded = self.directory.held_by(network_of(address)) > self.config.address_connections_max;
        if is_crowded && !is_exempt { Err(CloseCode::TooManyConnections.into()) } else { Ok(()) }
    }

    /// Refuses an account that is banned. An address that is was not let in as far as here.
    pub(super) fn keep_out(&self, link: Link, account: Option<&str>) -> Result<(), Refusal> {
        let Some(address) = self.drivers[link.driver].remote(link.conn) else { return Ok(()) };
        match self.files.bans.check(address.ip(), account) {
            Some(ban) => Err(Refusal::new(CloseCode::Kicked, bans::told(&ban))),
            None => Ok(()),
        }
    }

    /// Notes that a session has an account, unless another one came first.
    fn take_account(&mut self, now: Micros, account: &Arc<str>, id: SessionId) -> Result<(), Refusal> {
        let seat = Seat { shard: self.index, session: id, is_away: false };
        let replaces = self.config.second_login == SecondLogin::Replace;
        match self.directory.accounts.take(account, seat, replaces) {
            Ok(before) => before.into_iter().for_each(|before| self.replace(now, before)),
            Err(_) => {
                self.sessions.remove(id);
                return Err(CloseCode::AlreadyConnected.into());
            }
        }
        Ok(())
    }

    /// The ticket of a newcomer; `None` where nobody is asked for one.
    pub(super) fn ticket_of(&mut self, hello: &Hello) -> Result<Option<Ticket>, Refusal> {
        let wish = Wish { ticket: hello.ticket.as_deref(), room: hello.room, spectator: hello.spectator };
        self.files.doorman.check(wish).map_err(|error| self.turn_away(error))
    }

    fn turn_away(&mut self, error: TicketError) -> Refusal {
        self.tallies.note_ticket(error);
        let code = if error == TicketError::Overloaded { CloseCode::Overloaded } else { CloseCode::Unauthorized };
        Refusal { code, reason: error.to_string(), ticket: Some(error) }
    }

    fn room_for(&mut self, claim: Option<u64>, spectator: bool) -> Result<u64, Refusal> {
        if claim.is_none() {
            self.directory.note_come(self.index);
        }
        loop {
            match self.rooms.place(claim, spectator) {
                Ok(Place::Here(room)) => return Ok(room),
                Ok(Place::New) => match self.open_room() {
                    Ok(Some(room)) => return Ok(room),
                    // Another shard was quicker to open the last one: there is a place.
                    Ok(None) => {}
                    Err(_) => return Err(CloseCode::ServerFull.into()),
                },
                Ok(Place::Elsewhere(shard)) => {
                    // Who names a room goes there whatever is told; only who was sent by choice is counted upon.
                    if claim.is_none() {
                        self.directory.note_sent(shard);
                    }
                    // The shard's number is a byte that it owns.
                    return Err(Refusal::new(CloseCode::Elsewhere, shard.to_string()));
                }
                Err((code, reason)) => return Err(Refusal::new(code, reason)),
            }
        }
    }

    pub(super) fn welcome(&mut self, now: Micros, id: SessionId, resumed: Option<Resumed>) {
        let Some(session) = self.sessions.get(id) else { return };
        let is_new = resumed.is_none();
        let window = self.config.resume_window;
        let resume = (!window.is_zero())
            .then(|| Resumable { token: session.tokens.newest, window_s: window.as_secs_f64().ceil() as u16 });
        let welcome = ServerMessage::Welcome(Welcome {
            resume,
            resumed,
            room: session.room,
            player: session.player.map(|player| player.0),
            tick_rate_hz: self.config.tick_rate_hz as u16,
            send_rate_hz: self.config.send_rate_hz as u16,
            tick: self.rooms.present(session.room).map_or(0, |tick| tick.0),
            config: self.rules.config.clone(),
        });
        self.write(now, id, &frame(&welcome));
        if let Some(text) = self.config.motd.clone().filter(|_| is_new) {
            self.write(now, id, &frame(&ServerMessage::Said { player: OPERATOR, text }));
        }
    }
}
