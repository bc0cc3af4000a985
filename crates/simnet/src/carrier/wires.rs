//! A network of model links for sockets: what is sent to an address arrives at whoever is there by then.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::Micros;
use downbeat_transport::limits::BATCH_DATAGRAMS;
use downbeat_transport::{Outgoing, Received, Socket, SocketCounters};

use super::End;
use crate::options::Options;
use crate::trace::Trace;

/// The ways between the server and its clients. Clones are the same network.
#[derive(Clone)]
pub(crate) struct Wires(Rc<RefCell<Inner>>);

struct Inner {
    wires: Vec<Wire>,
    trace: Trace,
}

/// Both ways of one client.
struct Wire {
    up: Pipe<Packet>,
    down: Pipe<Packet>,
    mtu: usize,
    /// How often the client came, and how often it has moved since.
    visit: u8,
    moves: u8,
}

#[derive(Clone)]
struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    ecn: u8,
    payload: Vec<u8>,
}

/// Where the server is.
pub(crate) const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4_433);

/// IPv4 and UDP headers.
const HEADER_BYTES: usize = 28;

impl Wires {
    pub(crate) fn new(options: &Options) -> Self {
        let wire = |client| {
            let (up, down) = options.links(client);
            let seed = options.seed.rotate_left(32) ^ ((client as u64) << 48);
            let mtu = usize::from(options.machine(client).mtu);
            Wire { up: Pipe::new(&up, seed), down: Pipe::new(&down, seed + 1), mtu, visit: 0, moves: 0 }
        };
        let wires = (0..options.clients.into()).map(wire).collect();
        Self(Rc::new(RefCell::new(Inner { wires, trace: Trace::default() })))
    }

    /// A socket at one end.
    pub(crate) fn socket(&self, end: End) -> WireSocket {
        WireSocket { wires: self.clone(), end }
    }

    pub(crate) fn set_line(&self, client: usize, up: &LinkSpec, down: &LinkSpec) {
        let wire = &mut self.0.borrow_mut().wires[client];
        wire.up.set_spec(up);
        wire.down.set_spec(down);
    }

    /// The client comes, with an address that it has not had before.
    pub(crate) fn come(&self, client: usize) -> u8 {
        let wire = &mut self.0.borrow_mut().wires[client];
        (wire.visit, wire.moves) = (wire.visit.wrapping_add(1), 0);
        wire.visit
    }

    /// The client's address changes.
    pub(crate) fn move_to(&self, client: usize) {
        let wire = &mut self.0.borrow_mut().wires[client];
        wire.moves = wire.moves.wrapping_add(1);
    }

    /// Datagrams that were dropped because too many were under way.
    pub(crate) fn overflowed(&self) -> u64 {
        self.0.borrow().wires.iter().map(|wire| wire.up.overflowed() + wire.down.overflowed()).sum()
    }

    /// Hash of all that arrived: when, where and how long it was. What is in it, TLS makes different each time.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.0.borrow().trace.hash()
    }
}

/// The client and the visit that an address belongs to.
pub(crate) fn who_is(address: SocketAddr) -> Option<(usize, u8)> {
    let std::net::IpAddr::V4(ip) = address.ip() else { return None };
    let [_, visit, _, client] = ip.octets();
    Some((usize::from(client).checked_sub(1)?, visit))
}

impl Inner {
    fn address(&self, end: End) -> SocketAddr {
        match end {
            End::Server => SERVER.into(),
            End::Client(client) => {
                let Wire { visit, moves, .. } = self.wires[client];
                SocketAddr::from(([10, visit, moves, client as u8 + 1], 5_000))
            }
        }
    }

    /// The earliest that has arrived at `end` by `now`.
    fn poll(&mut self, now: Micros, end: End) -> Option<(Micros, Packet)> {
        let here = self.address(end);
        loop {
            let (client, at, packet) = match end {
                End::Server => {
                    let next = |(_, wire): &(usize, &mut Wire)| wire.up.next_at();
                    let wires = self.wires.iter_mut().enumerate().filter(|pair| next(pair).is_some());
                    let (client, wire) = wires.min_by_key(|pair| next(pair))?;
                    let (at, packet) = wire.up.poll(now)?;
                    (client, at, packet)
                }
                End::Client(client) => {
                    let (at, packet) = self.wires[client].down.poll(now)?;
                    (client, at, packet)
                }
            };
            // Whoever has moved meanwhile does not get it.
            if packet.to == here {
                self.trace.arrived(at, end, client, &packet.payload.len().to_le_bytes());
                return Some((at, packet));
            }
        }
    }

    fn send(&mut self, now: Micros, end: End, packet: Packet) {
        let client = match end {
            End::Server => who_is(packet.to).map(|(client, _)| client),
            End::Client(client) => Some(client),
        };
        let Some(wire) = client.and_then(|client| self.wires.get_mut(client)) else { return };
        if packet.payload.len() > wire.mtu {
            return;
        }
        let bytes = packet.payload.len() + HEADER_BYTES;
        let pipe = if end == End::Server { &mut wire.down } else { &mut wire.up };
        pipe.send(now, packet, bytes);
    }
}

/// A socket at one end of the network.
pub(crate) struct WireSocket {
    wires: Wires,
    end: End,
}

impl Socket for WireSocket {
    fn local_addr(&self) -> SocketAddr {
        self.wires.0.borrow().address(self.end)
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        let mut count = 0;
        while count < BATCH_DATAGRAMS {
            let Some((at, packet)) = self.wires.0.borrow_mut().poll(now, self.end) else { break };
            let Packet { from, ecn, payload, .. } = &packet;
            sink(Received { at, remote: *from, local_ip: None, ecn: *ecn, payload });
            count += 1;
        }
        Ok(count)
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        let mut wires = self.wires.0.borrow_mut();
        let from = wires.address(self.end);
        for datagram in batch.datagrams() {
            let payload = datagram.payload.clone();
            wires.send(now, self.end, Packet { from, to: datagram.remote, ecn: datagram.ecn, payload });
        }
        batch.clear();
        Ok(())
    }

    fn wait(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn counters(&self) -> SocketCounters {
        SocketCounters::default()
    }

    fn next_at(&self) -> Option<Micros> {
        let inner = self.wires.0.borrow();
        match self.end {
            End::Server => inner.wires.iter().filter_map(|wire| wire.up.next_at()).min(),
            End::Client(client) => inner.wires[client].down.next_at(),
        }
    }
}
