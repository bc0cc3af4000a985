//! What the micro benches measure on: a room of the crowd game with clients that acknowledge everything at once.

use downbeat_field::{Config, Field};
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::Micros;
use downbeat_replica::bits::{BitReader, BitWriter};

/// A room of `field` whose clients see everything arrive.
pub struct Crowd {
    room: Room<Field>,
    acks: Acks,
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
        let mut crowd = Self { room, acks: Acks::default(), now: Micros(0) };
        (0..120).for_each(|_| crowd.tick());
        crowd
    }

    /// One tick, and the acknowledgement of what it sent.
    pub fn tick(&mut self) {
        self.now = self.now + Micros(16_666);
        self.room.tick(self.now, &mut self.acks);
        for (session, datagram) in self.acks.pending.drain(..) {
            self.room.receive(session, self.now, &datagram).expect("the acknowledgement is honest");
        }
    }

    /// Bytes sent so far, and datagrams.
    #[must_use]
    pub const fn sent(&self) -> (u64, u64) {
        (self.acks.bytes, self.acks.datagrams)
    }
}

/// Answers each datagram with its acknowledgement.
#[derive(Default)]
struct Acks {
    pending: Vec<(SessionId, Vec<u8>)>,
    bytes: u64,
    datagrams: u64,
}

impl Net for Acks {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        Some(1_162)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        self.bytes += datagram.len() as u64;
        self.datagrams += 1;
        let sequence = BitReader::new(datagram).bits(16).expect("a datagram begins with its sequence");
        let mut up = Vec::new();
        let mut writer = BitWriter::new(&mut up);
        writer.bits(sequence, 16);
        writer.flag(true);
        writer.bits(sequence, 16);
        writer.flag(false);
        writer.bits(0, 32);
        writer.golomb(0, 2);
        writer.finish();
        self.pending.push((session, up));
    }
}
