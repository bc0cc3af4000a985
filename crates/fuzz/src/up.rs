//! A client that sends what it likes: the room refuses it or takes it, and goes on.

use downbeat_replica::bits::BitWriter;
use downbeat_replica::{Micros, PlayerId};
use downbeat_wire::limits::UP_DATAGRAM_BYTES_MAX;
use downbeat_wire::packet::{Acks, UpHead};

use crate::bytes::Bytes;
use crate::puppets::Act;
use crate::room::{Match, Options};

pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut hosted = Match::new(Options { interval: 1 + u32::from(bytes.byte() % 3), budget_bytes: 400 });
    let (honest, liar) = (hosted.join(false), hosted.join(bytes.byte() & 1 == 1));
    (0..6).for_each(|seed| hosted.tell(Act::Spawn(0x0102_0304 * seed)));
    hosted.tick(8);
    for _ in 0..DATAGRAMS_MAX {
        if bytes.is_empty() {
            break;
        }
        let datagram = match bytes.below(4) {
            0 => {
                let length = bytes.below(64);
                bytes.take(length).to_vec()
            }
            1 => {
                let length = UP_DATAGRAM_BYTES_MAX - 1 + bytes.below(3);
                vec![bytes.byte(); length]
            }
            2 => {
                hosted.tell(Act::Reborn(PlayerId(1)));
                hosted.tick(1 + bytes.below(12) as u32);
                continue;
            }
            _ => forged(&hosted, &mut bytes),
        };
        let at = Micros(hosted.now().0 + u64::from(bytes.byte()) * 1_000);
        hosted.forge_up(liar, at, &datagram);
    }
    hosted.tick(2);
    hosted.leave(liar);
    hosted.calm();
    assert!(hosted.is_honest(honest));
}

/// Acknowledges something near what was sent.
fn forged(hosted: &Match, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let newest = (hosted.snapshots() as u16).wrapping_sub(u16::from(bytes.byte() % 80));
    let acks = Acks { newest, before: bytes.word() };
    let mut datagram = Vec::new();
    let mut out = BitWriter::new(&mut datagram);
    UpHead { sequence: bytes.word() as u16, acks: Some(acks) }.encode(&mut out);
    let length = bytes.below(48);
    bytes.take(length).iter().for_each(|&byte| out.bits(byte.into(), 8));
    out.finish();
    datagram
}

/// So that one row of bytes does not take long.
const DATAGRAMS_MAX: usize = 32;
