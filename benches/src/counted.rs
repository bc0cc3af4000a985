//! The calls whose instructions are counted, each a function that callgrind finds by its name.

use downbeat_client::{Client, Received};
use downbeat_host::{Net, PeerError, Room, SessionId};
use downbeat_replica::{DecodeError, Game, Micros};

#[inline(never)]
pub(crate) fn tick<G: Game>(room: &mut Room<G>, now: Micros, net: &mut impl Net) {
    room.tick(now, net);
}

#[inline(never)]
pub(crate) fn take_inputs<G: Game>(
    room: &mut Room<G>,
    session: SessionId,
    at: Micros,
    datagram: &[u8],
) -> Result<(), PeerError> {
    room.receive(session, at, datagram)
}

#[inline(never)]
pub(crate) fn decode<G: Game>(client: &mut Client<G>, at: Micros, datagram: &[u8]) -> Result<Received, DecodeError> {
    client.receive(at, datagram)
}
