//! What connections bring: each event changes one connection, its session and its room, and nothing else.

use downbeat_host::{PeerError, SessionId};
use downbeat_replica::Game;
use downbeat_transport::{CloseReason, ControlError, Event, Socket};
use downbeat_wire::control::{ClientMessage, FromClient, ServerMessage, frame};
use downbeat_wire::{CloseCode, Micros};

use super::Shard;
use super::peers::Link;
use super::rooms::Trouble;
use crate::limits::{FORGED_ACKS_FORGIVEN, MESSAGES_BURST, MESSAGES_PER_S, SAYS_BURST, SAYS_PER_S};
use crate::text;

impl<G: Game, S: Socket> Shard<G, S> {
    pub(super) fn handle_events(&mut self, now: Micros) {
        for driver in 0..self.drivers.len() {
            while let Some(event) = self.drivers[driver].poll_event() {
                match event {
                    Event::Datagram { conn, payload, at } => {
                        self.handle_datagram(now, Link { driver, conn }, at, &payload);
                    }
                    Event::Control { conn, bytes } => self.handle_control(now, Link { driver, conn }, &bytes),
                    Event::Connected { conn, remote } => self.handle_connected(now, Link { driver, conn }, remote.ip()),
                    Event::Closed { conn, reason } => self.handle_closed(now, Link { driver, conn }, &reason),
                }
            }
        }
    }

    fn handle_datagram(&mut self, now: Micros, link: Link, at: Micros, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(link) else { return };
        if !peer.datagrams.take(at, self.config.datagrams_per_s, self.config.datagrams_burst) {
            let reason = format!("more than {} datagrams per second", self.config.datagrams_per_s);
            return self.dismiss(now, link, CloseCode::Flooding, &reason);
        }
        let Some(id) = peer.session else {
            self.tallies.datagrams_early += 1;
            return;
        };
        let Some(room) = self.sessions.get(id).map(|session| session.room) else { return };
        match self.rooms.receive(room, id, at, payload) {
            Ok(()) => {}
            Err(Trouble::Said(error)) => self.blame(now, link, error),
            Err(Trouble::Failed) => self.fail_room(now, room),
        }
    }

    /// A client's datagram was wrong: forgives it as far as that goes.
    fn blame(&mut self, now: Micros, link: Link, error: PeerError) {
        let forgiven = self.config.malformed_per_s;
        let Some(peer) = self.peers.get_mut(link) else { return };
        let code = match error {
            PeerError::Malformed(_) if peer.malformed.forgive(now, forgiven) => return,
            PeerError::Malformed(_) => CloseCode::MalformedDatagram,
            PeerError::ForgedAck => {
                peer.acks_forged += 1;
                if peer.acks_forged <= FORGED_ACKS_FORGIVEN {
                    return;
                }
                CloseCode::ForgedAck
            }
            PeerError::SpectatorInput => CloseCode::NotAllowed,
            // The session ended in the same moment.
            PeerError::Unknown => return,
        };
        self.dismiss(now, link, code, &error.to_string());
    }

    fn handle_control(&mut self, now: Micros, link: Link, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(link) else { return };
        peer.reader.push(bytes);
        // A message may end the connection: what follows it is not read then.
        while let Some(peer) = self.peers.get_mut(link) {
            match peer.reader.next_from_client() {
                Ok(None) => return,
                Ok(Some(FromClient::Hello(hello))) => self.greet(now, link, &hello),
                Ok(Some(FromClient::Message(message))) => self.handle_message(now, link, message),
                Err(error) => self.dismiss(now, link, error.close_code(), &error.to_string()),
            }
        }
    }

    fn handle_message(&mut self, now: Micros, link: Link, message: ClientMessage) {
        let Some(peer) = self.peers.get_mut(link) else { return };
        if !peer.messages.take(now, MESSAGES_PER_S, MESSAGES_BURST) {
            let reason = format!("more than {MESSAGES_PER_S} control messages per second");
            return self.dismiss(now, link, CloseCode::Flooding, &reason);
        }
        let Some(id) = peer.session else { return };
        match message {
            ClientMessage::Say { text } => self.say(now, link, id, &text),
        }
    }

    fn say(&mut self, now: Micros, link: Link, id: SessionId, text: &str) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(player) = session.player else {
            return self.dismiss(now, link, CloseCode::NotAllowed, "a spectator cannot talk");
        };
        if !session.says.take(now, SAYS_PER_S, SAYS_BURST) {
            self.tallies.says_dropped += 1;
            return;
        }
        let room = session.room;
        let Some(text) = text::chat(text) else { return };
        let said = frame(&ServerMessage::Said { player: player.0, text });
        for hearer in self.sessions.ids(Some(room)) {
            self.write(now, hearer, &said);
        }
    }

    /// Writes to a session's control stream.
    pub(super) fn write(&mut self, now: Micros, id: SessionId, bytes: &[u8]) {
        let Some(link) = self.sessions.get(id).and_then(|session| session.link) else { return };
        match self.drivers[link.driver].write_control(now, link.conn, bytes) {
            Ok(()) => {}
            // The driver has closed it, or is about to say why it is closed.
            Err(ControlError::Overloaded | ControlError::NotOpen) => {}
        }
    }

    fn handle_closed(&mut self, now: Micros, link: Link, reason: &CloseReason) {
        self.tallies.note_close(reason);
        let session = self.peers.remove(link).and_then(|peer| peer.session);
        if let Some(session) = session {
            self.end_session(now, session);
        }
    }
}
