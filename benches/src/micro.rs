//! What the micro benches measure on: a room of the crowd game with clients that acknowledge everything at once.

use downbeat_field::{Config, Field};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::Micros;
use downbeat_replica::bits::BitWriter;
use downbeat_wire::packet::{Acks, UpHead};

/// A room of `field` whose clients see everything arrive.
pub struct Crowd {
    room: Room<Field>,
    clients: Clients,
    now: Micros,
}

impl Crowd {
    /// `clients` among `walkers`, each shown `visible` of them; the clients' copies are complete.
    #[must_use]
    pub fn new(clients: u16, walkers: u32, visible: u32) -> Self {
        let options = RoomOptions {
            tick_rate_hz: 60,
            send_rate_hz: 60,
            seed: 1,
            players_max: clients,
            spectators_max: 0,
            client_bytes_per_s: 1 << 20,
        };
        let config = Config { walkers, visible, ..Config::default() };
        let mut room = Room::new(&config, options).expect("the configuration is fine");
        for session in 0..clients {
            room.join(SessionId(session.into()), "bench", false).expect("there is a place for each");
        }
        let mut crowd = Self { room, clients: Clients::default(), now: Micros(0) };
        (0..120).for_each(|_| crowd.tick());
        crowd
    }

    /// One tick, and the acknowledgement of what it sent.
    pub fn tick(&mut self) {
        self.now = self.now + Micros(16_666);
        self.clients.number = self.room.present().next().0 as u16;
        self.room.tick(self.now, &mut self.clients);
        for (session, datagram) in self.clients.pending.drain(..) {
            self.room.receive(session, self.now, &datagram).expect("the acknowledgement is honest");
        }
    }

    /// Bytes sent so far, and datagrams.
    #[must_use]
    pub const fn sent(&self) -> (u64, u64) {
        (self.clients.bytes, self.clients.datagrams)
    }
}

/// They answer each datagram with an acknowledgement of all so far.
#[derive(Default)]
struct Clients {
    /// Of the snapshot that is being sent.
    number: u16,
    seen: Option<Acks>,
    pending: Vec<(SessionId, Vec<u8>)>,
    bytes: u64,
    datagrams: u64,
}

impl Net for Clients {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_162)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.bytes += datagram.len() as u64;
        self.datagrams += 1;
        if self.seen.is_none_or(|seen| !seen.contains(self.number)) {
            Acks::note(&mut self.seen, self.number);
        }
        let mut up = Vec::new();
        let mut writer = BitWriter::new(&mut up);
        UpHead { sequence: self.number, acks: self.seen }.encode(&mut writer);
        // No inputs.
        writer.golomb(0, 2);
        writer.finish();
        self.pending.push((session, up));
    }

    fn send_reliable(&mut self, _: SessionId, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
    }
}
