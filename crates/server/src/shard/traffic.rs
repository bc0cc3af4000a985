//! What connections bring: each event changes one connection, its session and its room, and nothing else.

use downbeat_host::{PeerError, SessionId};
use downbeat_replica::Game;
use downbeat_transport::{CloseReason, ControlError, Event, Socket};
use downbeat_wire::control::{ClientMessage, FromClient, ServerMessage, frame};
use downbeat_wire::{CloseCode, Micros};

use super::Shard;
use super::peers::Link;
use super::rooms::Trouble;
use crate::limits::{CHAT_BACKLOG_BYTES_MAX, FORGED_ACKS_FORGIVEN};
use crate::limits::{MESSAGES_BURST, MESSAGES_PER_S, SAYS_BURST, SAYS_PER_S};
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
                    // Clients open no such stream; QUIC refuses it.
                    Event::Reliable { .. } => {}
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
        let Some(session) = self.sessions.get_mut(id) else { return };
        // It has read its welcome.
        session.tokens.confirm();
        let room = session.room;
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
            PeerError::SpectatorInput | PeerError::PlayerLooks => CloseCode::NotAllowed,
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
            ClientMessage::Look { look } => {
                let Some(room) = self.sessions.get(id).map(|session| session.room) else { return };
                if let Err(error) = self.rooms.look(room, id, look) {
                    self.blame(now, link, error);
                }
            }
        }
    }

    fn say(&mut self, now: Micros, link: Link, id: SessionId, text: &str) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(player) = session.player else {
            return self.dismiss(now, link, CloseCode::NotAllowed, "a spectator cannot talk");
        };
        if session.muted_until > now || !session.says.take(now, SAYS_PER_S, SAYS_BURST) {
            self.tallies.says_dropped += 1;
            return;
        }
        let room = session.room;
        let Some(text) = text::chat(text) else { return };
        if !self.rooms.hear(room, now) {
            self.tallies.says_dropped += 1;
            return;
        }
        self.tell_all(now, Some(room), &frame(&ServerMessage::Said { player: player.0, text }));
    }

    /// Tells everybody in a room, or in all rooms, what may be missed. Returns how many were told.
    pub(super) fn tell_all(&mut self, now: Micros, room: Option<u64>, said: &[u8]) -> usize {
        let hearers = self.sessions.ids(room);
        let mut told = 0;
        for hearer in hearers {
            // Nobody is sent away for what others say: who does not keep up misses it.
            if self.backlog(hearer) > CHAT_BACKLOG_BYTES_MAX {
                self.tallies.says_missed += 1;
            } else {
                self.write(now, hearer, said);
                told += 1;
            }
        }
        told
    }

    /// Control bytes that wait for a session.
    fn backlog(&self, id: SessionId) -> usize {
        let link = self.sessions.get(id).and_then(|session| session.link);
        link.map_or(0, |link| self.drivers[link.driver].control_backlog(link.conn))
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
        let Some(peer) = self.peers.remove(link) else { return };
        self.tell_closed(&peer.span, reason);
        if let Some(session) = peer.session {
            self.lose(now, session, peer.address, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use downbeat_field::{Config as FieldRules, Field};
    use downbeat_replica::Schema;
    use downbeat_transport::{
        ClientOptions, ConnId, Driver, Identity, MemoryNetwork, MemorySocket, ServerOptions, Trust,
    };
    use downbeat_wire::control::{ControlReader, Hello, encode};
    use downbeat_wire::description::{Description, DescriptionReader};
    use downbeat_wire::limits::PART_BYTES_MAX;

    use super::*;
    use crate::config::Config;
    use crate::control::Control;
    use crate::directory::Directory;
    use crate::files::Files;
    use crate::limits::DESCRIPTIONS_BYTES_PER_S;
    use crate::metrics::Metrics;
    use crate::progress::Progress;
    use crate::records::Recorder;
    use crate::shard::{Common, Rules, Told};

    const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4433);

    /// More than QUIC and the client buffer.
    const MODEL_BYTES: usize = 500_000;

    struct Table {
        shard: Shard<Field, MemorySocket>,
        clients: Driver<MemorySocket>,
        now: Micros,
    }

    impl Table {
        fn new() -> Self {
            let network = MemoryNetwork::new();
            let identity = Identity::self_signed(&["localhost"]).expect("a good name");
            let trust = Trust::pinned(identity.fingerprint());
            let server = Driver::server(&ServerOptions::new(identity), network.bind(SERVER.into()));
            let game = FieldRules { walkers: 1, ..FieldRules::default() };
            let schema_hash = Schema::of::<Field>().expect("a good schema").hash();
            let told = Told::new(&Description { schema: vec![1; 5_000], model: vec![2; MODEL_BYTES] });
            let rules = Arc::new(Rules { schema_hash, model_hash: 1, config: encode(&game), told });
            let config = Config::new(Field::NAME);
            let directory = Arc::new(Directory::new(1, config.rooms_max.into()));
            let files = Arc::new(Files::read(&config).expect("there are none to be read"));
            let (progress, control) = (Arc::new(Progress::new(1)), Arc::new(Control::new(1)));
            let (recorder, _) = Recorder::new(&config.results).expect("there are no sinks");
            let metrics = Arc::new(Metrics::new(&config, schema_hash, Arc::clone(&directory), Arc::clone(&recorder)));
            let common =
                Common { config, files, game, rules, seed: 1, directory, progress, control, metrics, recorder };
            let shard = Shard::new(&common, 0, vec![server.expect("good options")], Box::new(|_| {}));
            let socket = network.bind(([10, 0, 0, 2], 5_000).into());
            let clients = Driver::client(&ClientOptions::new(trust), socket).expect("good options");
            Self { shard: shard.expect("good rules"), clients, now: Micros(0) }
        }

        /// Goes on for `ms`; clients read what they are sent.
        fn run(&mut self, ms: u64) {
            self.go_on(ms, |clients| while clients.poll_event().is_some() {});
        }

        fn go_on(&mut self, ms: u64, mut read: impl FnMut(&mut Driver<MemorySocket>)) {
            for _ in 0..ms {
                self.now = self.now + Micros::from_millis(1);
                self.clients.receive(self.now).expect("memory");
                self.clients.handle_timeouts(self.now).expect("memory");
                read(&mut self.clients);
                self.clients.flush(self.now).expect("memory");
                self.shard.receive(self.now).expect("memory");
                self.shard.describe(self.now);
                self.shard.drivers[0].flush(self.now).expect("memory");
            }
        }

        fn join(&mut self) -> ConnId {
            let conn = self.enter(self.shard.rules.schema_hash, self.shard.rules.model_hash);
            self.run(100);
            conn
        }

        fn enter(&mut self, schema_hash: u64, model_hash: u64) -> ConnId {
            let conn = self.clients.connect(self.now, SERVER.into(), "localhost").expect("a good address");
            let hello = Hello {
                game: Field::NAME.to_owned(),
                schema_hash,
                model_hash,
                name: "Ada".to_owned(),
                room: None,
                spectator: false,
                ticket: None,
                resume: None,
            };
            self.clients.write_control(self.now, conn, &hello.to_bytes()).expect("room");
            conn
        }

        /// Reads to the end what a client is told.
        fn read_description(&mut self, ms: u64) -> Option<Description> {
            let (mut reader, mut parts, mut description) =
                (ControlReader::default(), DescriptionReader::default(), None);
            self.go_on(ms, |clients| {
                while let Some(event) = clients.poll_event() {
                    let Event::Control { bytes, .. } = event else { continue };
                    reader.push(&bytes);
                    while let Some(message) = reader.next_from_server().expect("an honest server") {
                        let whole = parts.push(message).expect("an honest server");
                        description = description.take().or(whole);
                    }
                }
            });
            description
        }
    }

    #[test]
    fn chat_never_ends_a_hearer_that_does_not_keep_up() {
        let mut table = Table::new();
        table.join();
        let talker = table.join();
        let ids = table.shard.sessions.ids(None);
        assert_eq!(ids.len(), 2);
        // All that QUIC buffers, and almost all that we do.
        let link = table.shard.sessions.get(ids[0]).and_then(|session| session.link).expect("it is connected");
        let driver = &mut table.shard.drivers[link.driver];
        while driver.control_backlog(link.conn) < 65_400 {
            driver.write_control(table.now, link.conn, &[0; 100]).expect("room");
        }
        let say = frame(&ClientMessage::Say { text: "a".repeat(255) });
        table.clients.write_control(table.now, talker, &say).expect("room");
        table.clients.flush(table.now).expect("memory");
        table.shard.receive(table.now).expect("memory");
        assert_eq!(table.shard.tallies.says_missed, 1);
        assert_eq!(table.shard.sessions.len(), 2);
        assert_eq!(table.shard.drivers[link.driver].counters().overloaded, 0);
    }

    #[test]
    fn who_asks_and_does_not_read_keeps_one_part_waiting_and_gets_the_rest_later() {
        let mut table = Table::new();
        table.enter(0, 0);
        table.go_on(3_000, |_| {});
        let id = table.shard.sessions.ids(None)[0];
        let backlog = table.shard.backlog(id);
        assert!((1..PART_BYTES_MAX + 32).contains(&backlog), "{backlog}");
        assert!(backlog < CHAT_BACKLOG_BYTES_MAX, "chat is not missed for it");
        let counters = table.shard.drivers[0].counters();
        assert_eq!((counters.overloaded, table.shard.sessions.len()), (0, 1));

        let description = table.read_description(5_000).expect("it reads now");
        assert_eq!((description.schema, description.model), (vec![1; 5_000], vec![2; MODEL_BYTES]));
        table.shard.describe(table.now);
        assert!(table.shard.listeners.is_empty(), "it is told once");
    }

    #[test]
    fn all_who_ask_are_told_so_much_in_a_second_and_take_turns() {
        let mut table = Table::new();
        (0..8).for_each(|_| _ = table.enter(0, 0));
        let mut told = std::collections::BTreeMap::<ConnId, u64>::new();
        table.go_on(2_000, |clients| {
            while let Some(event) = clients.poll_event() {
                let Event::Control { conn, bytes } = event else { continue };
                *told.entry(conn).or_default() += bytes.len() as u64;
            }
        });
        let sum: u64 = told.values().sum();
        let most = DESCRIPTIONS_BYTES_PER_S * 22 / 10;
        assert!((most / 2..most).contains(&sum), "{told:?}");
        assert!(told.len() == 8 && told.values().all(|bytes| (sum / 16..sum / 4).contains(bytes)), "{told:?}");
    }

    #[test]
    fn who_asks_and_goes_is_forgotten() {
        let mut table = Table::new();
        let conn = table.enter(0, 0);
        table.go_on(50, |_| {});
        assert!(!table.shard.listeners.is_empty());
        table.clients.close(table.now, conn, CloseCode::Bye, "");
        table.run(50);
        assert!(table.shard.listeners.is_empty());
    }

    #[test]
    fn who_has_the_game_is_told_nothing_and_who_has_half_of_it_the_other_half() {
        let mut table = Table::new();
        table.join();
        assert!(table.shard.listeners.is_empty());
        let (schema_hash, model_hash) = (table.shard.rules.schema_hash, table.shard.rules.model_hash);
        for (schema, model, first) in [(0, model_hash, "Schema"), (schema_hash, 0, "Model")] {
            table.enter(schema, model);
            let mut told = Vec::new();
            let mut reader = ControlReader::default();
            table.go_on(1_000, |clients| {
                while let Some(event) = clients.poll_event() {
                    let Event::Control { bytes, .. } = event else { continue };
                    reader.push(&bytes);
                    while let Some(message) = reader.next_from_server().expect("an honest server") {
                        told.push(format!("{message:.0?}").split('(').next().unwrap_or_default().to_owned());
                    }
                }
            });
            told.dedup();
            assert_eq!(told, ["Welcome", first]);
        }
    }
}
