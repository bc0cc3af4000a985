//! The least that a server of encrypted datagrams must do: read them in batches, open each with its client's key, seal one
//! for each client, send them in batches. No connection, no acknowledgement, no timer.
//!
//! A packet is the number of its client, the number of the packet, the sealed payload and its tag.

use std::net::SocketAddr;

use downbeat_replica::Micros;
use downbeat_transport::{KernelSocket, Outgoing, Socket};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};

use super::driver_end::loopback;
use super::{End, Traffic, broken};
use crate::BenchError;

/// What is read in the clear, and authenticated: the numbers of client and packet.
const HEAD_BYTES: usize = 12;

/// An end over a bare socket.
pub(crate) struct FloorEnd {
    socket: KernelSocket,
    outgoing: Outgoing,
    peers: Vec<Peer>,
    /// The number of the first peer.
    first: u32,
    payload_bytes: usize,
    opened: Vec<u8>,
    traffic: Traffic,
}

/// What an end keeps of a peer.
struct Peer {
    seal: LessSafeKey,
    open: LessSafeKey,
    /// Where it was heard from last.
    remote: Option<SocketAddr>,
    sent: u64,
}

/// Which way a packet goes: keys differ.
#[derive(Clone, Copy)]
enum Way {
    Down,
    Up,
}

impl FloorEnd {
    /// A server of `count` clients.
    pub(crate) fn server(count: usize) -> Result<Self, BenchError> {
        Self::new(0, count, |_| None, Way::Down, Way::Up)
    }

    /// The clients `first..first + count` of `server`, on one socket.
    pub(crate) fn clients(server: SocketAddr, first: u32, count: usize) -> Result<Self, BenchError> {
        Self::new(first, count, |_| Some(server), Way::Up, Way::Down)
    }

    fn new(
        first: u32,
        count: usize,
        remote: impl Fn(u32) -> Option<SocketAddr>,
        seals: Way,
        opens: Way,
    ) -> Result<Self, BenchError> {
        let peer = |index| Peer { seal: key(index, seals), open: key(index, opens), remote: remote(index), sent: 0 };
        Ok(Self {
            socket: loopback()?,
            outgoing: Outgoing::new(),
            peers: (first..first + count as u32).map(peer).collect(),
            first,
            payload_bytes: 0,
            opened: Vec::new(),
            traffic: Traffic::default(),
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// How long its packets are from here on, as UDP payload.
    pub(crate) fn set_packet_bytes(&mut self, packet_bytes: usize) {
        self.payload_bytes = packet_bytes.saturating_sub(HEAD_BYTES + MAX_TAG_LEN);
    }
}

impl End for FloorEnd {
    fn receive(&mut self, now: Micros) -> Result<(), BenchError> {
        let Self { socket, peers, first, opened, traffic, .. } = self;
        let mut is_broken = false;
        loop {
            let mut take = |remote: SocketAddr, packet: &[u8]| {
                let (head, sealed) = packet.split_at_checked(HEAD_BYTES)?;
                let (index, number) = head.split_first_chunk::<4>()?;
                let peer = peers.get_mut(u32::from_be_bytes(*index).wrapping_sub(*first) as usize)?;
                opened.clear();
                opened.extend_from_slice(sealed);
                peer.open.open_in_place(nonce(number), Aad::from(head), opened).ok()?;
                peer.remote = Some(remote);
                Some(())
            };
            let count = socket.recv_batch(now, &mut |datagram| {
                traffic.packets_in += 1;
                traffic.bytes_in += datagram.payload.len() as u64;
                is_broken |= take(datagram.remote, datagram.payload).is_none();
            });
            let count = count.map_err(broken)?;
            traffic.heard += count as u64;
            if is_broken {
                return Err(broken("a packet of the floor did not open"));
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn speak(&mut self, now: Micros) -> Result<(), BenchError> {
        for (index, peer) in (self.first..).zip(&mut self.peers) {
            let Some(remote) = peer.remote else { continue };
            if self.outgoing.is_full() {
                self.socket.send_batch(now, &mut self.outgoing).map_err(broken)?;
            }
            let packet = self.outgoing.vacant().expect("a full batch was sent");
            packet.remote = remote;
            // As nearly all QUIC packets are marked (ECT(0)).
            packet.ecn = 0b10;
            packet.payload.extend_from_slice(&index.to_be_bytes());
            packet.payload.extend_from_slice(&peer.sent.to_be_bytes());
            packet.payload.resize(HEAD_BYTES + self.payload_bytes, 7);
            let (head, body) = packet.payload.split_at_mut(HEAD_BYTES);
            let tag = peer.seal.seal_in_place_separate_tag(nonce(&head[4..]), Aad::from(&*head), body);
            packet.payload.extend_from_slice(tag.map_err(broken)?.as_ref());
            peer.sent += 1;
            self.traffic.packets_out += 1;
            self.traffic.bytes_out += packet.payload.len() as u64;
            self.outgoing.commit();
        }
        self.socket.send_batch(now, &mut self.outgoing).map_err(broken)
    }

    fn rest(&mut self, _now: Micros) -> Result<(), BenchError> {
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        let counters = self.socket.counters();
        Traffic { drops: counters.kernel_drops + counters.send_drops, ..self.traffic }
    }
}

fn key(index: u32, way: Way) -> LessSafeKey {
    let mut bytes = [way as u8; 16];
    bytes[..4].copy_from_slice(&index.to_be_bytes());
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &bytes).expect("AES-128 has keys of 16 bytes"))
}

/// The packet's number, after zeros.
fn nonce(number: &[u8]) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(number);
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_open_what_the_other_sealed_and_packets_are_as_long_as_was_said() {
        let mut server = FloorEnd::server(6).expect("loopback");
        let mut clients = FloorEnd::clients(server.local_addr(), 2, 4).expect("loopback");
        server.set_packet_bytes(240);
        clients.set_packet_bytes(100);
        for round in 1..=3 {
            clients.speak(Micros(round)).expect("loopback");
            server.receive(Micros(round)).expect("they open");
            server.speak(Micros(round)).expect("loopback");
            clients.receive(Micros(round)).expect("they open");
        }
        let expected = Traffic {
            packets_in: 12,
            bytes_in: 1_200,
            packets_out: 12,
            bytes_out: 2_880,
            heard: 12,
            ..Traffic::default()
        };
        assert_eq!(server.traffic(), expected);
        assert_eq!(clients.traffic().heard, 12);
    }
}
