//! Connection ids route datagrams. A server's tell which shard owns the connection and whether we issued them at all; a
//! client's, where many clients share a socket, tell which of them is meant before anything is decrypted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use ring::hmac;

use crate::options::Shard;
use crate::socket::Flow;

const NONCE_BYTES: usize = 4;
const TAG_BYTES: usize = 4;

/// Length of the ids that a server issues.
const SERVER_CID_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Length of the ids of clients that share a socket.
pub(crate) const SHARED_CID_BYTES: usize = 4;

/// Length of the ids that a client addresses its first packets to: as long as ids may be (RFC 9000, section 17.2).
const FIRST_CID_BYTES: usize = 20;

/// Ids of a server: a nonce whose first byte is the shard modulo the number of shards, and a tag over the nonce. Both
/// come from a keyed hash, so neither tells an observer which ids belong together, and a stranger's id costs one hash.
#[derive(Clone)]
pub(crate) struct ServerIds {
    key: hmac::Key,
    shard: Shard,
    issued: u64,
}

impl ServerIds {
    pub(crate) fn new(key: hmac::Key, shard: Shard) -> Self {
        Self { key, shard, issued: 0 }
    }

    fn tag(&self, nonce: &[u8]) -> [u8; TAG_BYTES] {
        first_bytes(hmac::sign(&self.key, nonce))
    }
}

fn first_bytes<const N: usize>(tag: hmac::Tag) -> [u8; N] {
    std::array::from_fn(|i| tag.as_ref()[i])
}

impl ConnectionIdGenerator for ServerIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.issued += 1;
        // Eight bytes of counter: never the same input as a nonce, which has four.
        let mut nonce: [u8; NONCE_BYTES] = first_bytes(hmac::sign(&self.key, &self.issued.to_be_bytes()));
        nonce[0] = self.shard.steer(nonce[0]);
        let mut id = [0; SERVER_CID_BYTES];
        id[..NONCE_BYTES].copy_from_slice(&nonce);
        id[NONCE_BYTES..].copy_from_slice(&self.tag(&nonce));
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let Some((nonce, tag)) = id.split_at_checked(NONCE_BYTES) else { return Err(InvalidCid) };
        let ours = self.shard.owns(nonce[0]) && self.tag(nonce) == *tag;
        if ours { Ok(()) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        SERVER_CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The ids that a client addresses its first packets to. Their first byte says which shard of the server is to have the
/// connection; the rest is a keyed hash, which nobody foresees.
pub(crate) struct FirstIds {
    key: hmac::Key,
    made: u64,
}

impl FirstIds {
    pub(crate) fn new(key: hmac::Key) -> Self {
        Self { key, made: 0 }
    }

    pub(crate) fn next(&mut self, first: u8) -> ConnectionId {
        self.made += 1;
        let mut id: [u8; FIRST_CID_BYTES] = first_bytes(hmac::sign(&self.key, &self.made.to_be_bytes()));
        id[0] = first;
        ConnectionId::new(&id)
    }
}

/// Whether `payload` may be the first packet of a stranger, whatever id it is addressed to: an Initial (RFC 9000, section
/// 17.2.2: the long form, and type 0), or a packet of another version of QUIC, which is answered with ours. Shorter
/// datagrams are neither.
pub(crate) fn is_first_packet(payload: &[u8]) -> bool {
    const VERSION_1: [u8; 4] = [0, 0, 0, 1];
    payload.len() >= 1_200 && payload[0] & 0x80 != 0 && (payload[0] & 0x30 == 0 || payload[1..5] != VERSION_1)
}

/// The flow that the next issued id is for: quinn-proto's generator is not told, so the driver says it here first.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextFlow(Arc<AtomicU32>);

impl NextFlow {
    pub(crate) fn set(&self, flow: Flow) {
        self.0.store(flow.0, Ordering::Relaxed);
    }
}

/// Ids of clients that share a socket: two bytes of flow, two that tell a flow's ids apart. They are meant for load
/// tests; whoever watches the network can tell which ids belong together.
pub(crate) struct SharedIds {
    next: NextFlow,
    issued: u16,
}

impl SharedIds {
    pub(crate) fn new(next: NextFlow) -> Self {
        Self { next, issued: 0 }
    }
}

impl ConnectionIdGenerator for SharedIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.issued = self.issued.wrapping_add(1);
        let flow = self.next.0.load(Ordering::Relaxed) as u16;
        let ([a, b], [c, d]) = (flow.to_be_bytes(), self.issued.to_be_bytes());
        ConnectionId::new(&[a, b, c, d])
    }

    fn cid_len(&self) -> usize {
        SHARED_CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The flow that a datagram to a client with a shared socket belongs to, if it is long enough to say.
pub(crate) fn flow_of_datagram(payload: &[u8]) -> Option<Flow> {
    let id = match payload.first()? {
        // Long header: first byte, version, length of the destination id, the id.
        byte if byte & 0x80 != 0 => {
            let length = *payload.get(5)?;
            (usize::from(length) == SHARED_CID_BYTES).then(|| payload.get(6..8))??
        }
        _ => payload.get(1..3)?,
    };
    Some(Flow(u32::from(u16::from_be_bytes([id[0], id[1]]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(index: u8) -> ServerIds {
        let shard = Shard::new(index, 3).expect("an index below the count");
        ServerIds::new(hmac::Key::new(hmac::HMAC_SHA256, &[index]), shard)
    }

    #[test]
    fn a_server_knows_its_ids_and_their_shard_and_no_others() {
        let (mut mine, mut other) = (ids(2), ids(1));
        for _ in 0..1_000 {
            let id = mine.generate_cid();
            assert_eq!(id[0] % 3, 2);
            assert!(mine.validate(&id).is_ok());
            assert!(mine.validate(&other.generate_cid()).is_err());
        }
    }

    #[test]
    fn a_first_id_begins_as_asked_and_is_like_no_other() {
        let mut ids = FirstIds::new(hmac::Key::new(hmac::HMAC_SHA256, &[7]));
        let made: Vec<_> = (0..=255).map(|first| ids.next(first)).collect();
        assert!(made.iter().enumerate().all(|(first, id)| usize::from(id[0]) == first));
        let rests: std::collections::HashSet<_> = made.iter().map(|id| id[1..].to_vec()).collect();
        assert_eq!(rests.len(), 256);
    }

    #[test]
    fn a_shared_id_tells_its_flow_in_both_headers() {
        let next = NextFlow::default();
        let mut ids = SharedIds::new(next.clone());
        next.set(Flow(40_000));
        let id = ids.generate_cid();
        let short = [&[0x40][..], &id, &[9; 20]].concat();
        let long = [&[0xc0, 0, 0, 0, 1, 4][..], &id, &[9; 20]].concat();
        assert_eq!(flow_of_datagram(&short), Some(Flow(40_000)));
        assert_eq!(flow_of_datagram(&long), Some(Flow(40_000)));
        for length in 0..8 {
            // Cut anywhere: no flow or the right one, never a panic.
            assert!(flow_of_datagram(&long[..length]).is_none_or(|flow| flow == Flow(40_000)));
        }
    }
}
