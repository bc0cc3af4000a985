//! A server that sends what it likes to a client that has played for a while: the client refuses it or takes it.

use std::sync::LazyLock;

use downbeat_client::Client;
use downbeat_replica::range::Encoder;
use downbeat_replica::{Micros, PlayerId, Tick};
use downbeat_wire::limits::UP_DATAGRAM_BYTES_MAX;
use downbeat_wire::packet::{Arrivals, DownHead, InputReport, Known};

use crate::bytes::Bytes;
use crate::puppets::{Act, Pad, Puppets};
use crate::room::{Match, Options, client};

/// What a room sent to its first client, tick by tick.
static SENT: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut hosted = Match::new(Options { interval: 1, budget_bytes: 1_162 });
    let seat = hosted.join(false);
    hosted.join(false);
    hosted.record(seat);
    for tick in 0..HONEST + 24 {
        hosted.tell(Act::Spawn(tick as u32 * 0x0101_4567));
        (0..3).for_each(|n| hosted.tell(Act::Walk(tick + n)));
        hosted.tell(Act::Aim(tick, tick / 2));
        hosted.tell(if tick % 7 == 6 { Act::Despawn(tick) } else { Act::Happen(tick, tick as u8) });
        hosted.tick(1);
    }
    hosted.take_record()
});

/// Datagrams that arrive as they were sent, before the others.
const HONEST: usize = 20;

const TICK: u64 = 16_667;

pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut client = client(Some(PlayerId(0)), 1, Tick::ZERO);
    let mut now = Micros::default();
    for datagram in &SENT[..HONEST] {
        now = now + Micros(TICK);
        client.receive(now, datagram).expect("it is what the room sent");
        play(&mut client, now);
    }
    for _ in 0..DATAGRAMS_MAX {
        if bytes.is_empty() {
            return;
        }
        let datagram = match bytes.below(4) {
            0 => {
                let length = bytes.below(128);
                bytes.take(length).to_vec()
            }
            1 => {
                now = now + Micros(u64::from(bytes.byte()) * 1_000);
                play(&mut client, now);
                continue;
            }
            2 => bent(&mut bytes),
            _ => made_up(&client, &mut bytes),
        };
        if let Ok(received) = client.receive(now, &datagram) {
            assert!(received.tick <= client.newest());
        }
    }
    play(&mut client, now + Micros(TICK));
}

fn play(client: &mut Client<Puppets>, now: Micros) {
    while let Some(tick) = client.poll_input(now) {
        client.input(now, tick, &Pad { push: 1, turn: tick.0 % 5 == 0 });
    }
    let mut out = Vec::new();
    client.transmit(&mut out);
    assert!(out.len() <= UP_DATAGRAM_BYTES_MAX);
    let view = client.view(now);
    assert!(view.shown.is_finite());
    assert!(client.known().is_sorted_by_key(|entity| entity.slot));
}

/// Something that was sent, with some bytes changed.
fn bent(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let mut datagram = SENT[bytes.below(SENT.len())].clone();
    for _ in 0..bytes.below(6) {
        let at = bytes.below(datagram.len());
        datagram[at] ^= bytes.byte();
    }
    datagram
}

/// A head that is likely to be taken, and any symbols behind it.
fn made_up(client: &Client<Puppets>, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let tick = client.newest().offset(i64::from(bytes.byte() as i8) / 8);
    let known = if bytes.byte() & 1 == 0 { Known::default() } else { Known::of(bytes.word()) };
    let report = || InputReport {
        consumed: tick.offset(-3),
        substituted: 0,
        arrivals: Some(Arrivals { margin: 9, missing: 1 }),
    };
    let inputs = (bytes.byte() & 1 == 1).then(report);
    let mut datagram = Vec::new();
    let mut out = Encoder::new(&mut datagram);
    DownHead { tick, known, inputs }.encode(&mut out);
    let length = bytes.below(128);
    bytes.take(length).iter().for_each(|&byte| out.raw(byte.into(), 8));
    out.finish();
    datagram
}

/// So that one row of bytes does not take long.
const DATAGRAMS_MAX: usize = 64;
