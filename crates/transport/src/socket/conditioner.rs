//! Bots must feel a bad network on a machine that has none. Between the driver and its socket, the conditioner gives each
//! connection a seeded link of its own in each direction, holds what is late and drops what is lost, and says how much it
//! dropped on purpose, so that a report can tell it from what was lost by accident.
//!
//! A datagram's flow on the way out is the driver's tag. On the way in it is written in the connection id that our driver
//! chose (clients that share a socket), or is the remote address (everybody else).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use downbeat_link::{InFlight, Link, LinkCounters, LinkSpec};
use downbeat_wire::Micros;

use super::{Flow, Outgoing, Received, Socket, SocketCounters, Transmit};
use crate::cid::flow_of_datagram;
use crate::limits::{BATCH_DATAGRAMS, CONDITIONER_DATAGRAMS_MAX, CONDITIONER_FLOWS_MAX};

/// IPv4 and UDP headers: what a link's rate counts beside the payload.
const HEADER_BYTES: usize = 28;

/// What tells one connection's datagrams from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKey {
    /// The connection id: for a client driver with shared-socket connection ids.
    ConnectionId,
    /// The remote address: for a server, or a client with one connection per remote.
    Remote,
}

/// What the links of one flow did to its datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditioned {
    /// From us to the peer.
    pub out: LinkCounters,
    /// From the peer to us.
    pub inward: LinkCounters,
}

/// A socket with a bad network on purpose.
#[derive(Debug)]
pub struct Conditioner<S> {
    socket: S,
    spec: LinkSpec,
    seed: u64,
    key: FlowKey,
    flows: Vec<Path>,
    by_flow: Vec<Option<usize>>,
    by_remote: BTreeMap<SocketAddr, usize>,
    out: InFlight<Transmit>,
    inward: InFlight<Arrival>,
    batch: Outgoing,
    overflowed: u64,
}

#[derive(Debug)]
struct Path {
    out: Link,
    inward: Link,
}

#[derive(Clone, Debug)]
struct Arrival {
    remote: SocketAddr,
    local_ip: Option<IpAddr>,
    ecn: u8,
    payload: Vec<u8>,
}

impl<S: Socket> Conditioner<S> {
    /// `socket` behind links like `spec`, both directions alike; flows draw their seeds from `seed`.
    #[must_use]
    pub fn new(socket: S, spec: &LinkSpec, seed: u64, key: FlowKey) -> Self {
        Self {
            socket,
            spec: *spec,
            seed,
            key,
            flows: Vec::new(),
            by_flow: Vec::new(),
            by_remote: BTreeMap::new(),
            out: InFlight::new(CONDITIONER_DATAGRAMS_MAX),
            inward: InFlight::new(CONDITIONER_DATAGRAMS_MAX),
            batch: Outgoing::new(),
            overflowed: 0,
        }
    }

    /// The socket underneath.
    pub const fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket underneath, to change it under way.
    pub const fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// What the links are like.
    #[must_use]
    pub const fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// Changes what every link is like from now on; what is under way stays under way.
    pub fn set_spec(&mut self, spec: &LinkSpec) {
        self.spec = *spec;
        for path in &mut self.flows {
            path.out.set_spec(spec);
            path.inward.set_spec(spec);
        }
    }

    /// What the links of one connection did since it began.
    #[must_use]
    pub fn conditioned(&self, flow: Flow, remote: SocketAddr) -> Conditioned {
        let at = match self.key {
            FlowKey::ConnectionId => self.by_flow.get(flow.0 as usize).copied().flatten(),
            FlowKey::Remote => self.by_remote.get(&remote).copied(),
        };
        at.map_or_else(Conditioned::default, |at| {
            let path = &self.flows[at];
            Conditioned { out: path.out.counters(), inward: path.inward.counters() }
        })
    }

    /// Datagrams dropped because too many were under way: a run in which this is not zero proves nothing.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn path(&mut self, flow: Option<Flow>, remote: SocketAddr) -> usize {
        let known = match (self.key, flow) {
            (FlowKey::ConnectionId, Some(flow)) => self.by_flow.get(flow.0 as usize).copied().flatten(),
            _ => self.by_remote.get(&remote).copied(),
        };
        if let Some(at) = known {
            return at;
        }
        let at = self.new_path();
        match (self.key, flow) {
            (FlowKey::ConnectionId, Some(flow)) => self.remember(flow, at),
            _ if self.by_remote.len() < CONDITIONER_FLOWS_MAX => {
                self.by_remote.insert(remote, at);
            }
            _ => {}
        }
        at
    }

    fn new_path(&mut self) -> usize {
        if self.flows.len() < CONDITIONER_FLOWS_MAX {
            let n = self.flows.len() as u64;
            // Odd and even: the two directions of all flows draw from different generators.
            let link = |direction| Link::new(&self.spec, mix(self.seed, 2 * n + direction));
            self.flows.push(Path { out: link(0), inward: link(1) });
        }
        self.flows.len() - 1
    }

    fn remember(&mut self, flow: Flow, at: usize) {
        let flow = flow.0 as usize;
        if flow >= CONDITIONER_FLOWS_MAX {
            return;
        }
        if self.by_flow.len() <= flow {
            self.by_flow.resize(flow + 1, None);
        }
        self.by_flow[flow] = Some(at);
    }

    /// Gives the socket what has left our side of the links by `now`.
    fn release(&mut self, now: Micros) -> io::Result<()> {
        while let Some((_, datagram)) = self.out.poll(now) {
            let slot = self.batch.vacant().expect("a full batch is sent at once");
            let payload = std::mem::take(&mut slot.payload);
            *slot = Transmit { payload, ..datagram.clone() };
            slot.payload.extend_from_slice(&datagram.payload);
            self.batch.commit();
            if self.batch.is_full() {
                self.socket.send_batch(now, &mut self.batch)?;
            }
        }
        if self.batch.datagrams().is_empty() {
            return Ok(());
        }
        self.socket.send_batch(now, &mut self.batch)
    }

    /// Puts what waits in the socket onto the links towards us.
    fn take_in(&mut self, now: Micros) -> io::Result<()> {
        let mut waiting: Vec<(Micros, Arrival)> = Vec::new();
        for _ in 0..crate::limits::RECEIVE_BATCHES_MAX {
            let read = self.socket.recv_batch(now, &mut |d| {
                let Received { remote, local_ip, ecn, .. } = d;
                waiting.push((d.at, Arrival { remote, local_ip, ecn, payload: d.payload.to_vec() }));
            })?;
            if read == 0 {
                break;
            }
        }
        for (at, arrival) in waiting {
            let flow = match self.key {
                FlowKey::ConnectionId => flow_of_datagram(&arrival.payload),
                FlowKey::Remote => None,
            };
            let path = self.path(flow, arrival.remote);
            let fate = self.flows[path].inward.send(at, arrival.payload.len() + HEADER_BYTES);
            for at in fate.arrivals() {
                self.overflowed += u64::from(self.inward.push(at, arrival.clone()).is_err());
            }
        }
        Ok(())
    }
}

impl<S: Socket> Socket for Conditioner<S> {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        self.release(now)?;
        self.take_in(now)?;
        let mut count = 0;
        while count < BATCH_DATAGRAMS {
            let Some((at, Arrival { remote, local_ip, ecn, payload })) = self.inward.poll(now) else { break };
            sink(Received { at, remote, local_ip, ecn, payload: &payload });
            count += 1;
        }
        Ok(count)
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        for datagram in batch.datagrams() {
            let path = self.path(datagram.flow, datagram.remote);
            let fate = self.flows[path].out.send(now, datagram.payload.len() + HEADER_BYTES);
            for at in fate.arrivals() {
                self.overflowed += u64::from(self.out.push(at, datagram.clone()).is_err());
            }
        }
        batch.clear();
        self.release(now)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket.wait(timeout)
    }

    fn counters(&self) -> SocketCounters {
        self.socket.counters()
    }

    fn next_at(&self) -> Option<Micros> {
        [self.out.next_at(), self.inward.next_at(), self.socket.next_at()].into_iter().flatten().min()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }

    fn open_flow(&mut self, flow: Flow) {
        if self.key == FlowKey::ConnectionId {
            let at = self.new_path();
            self.remember(flow, at);
        }
        self.socket.open_flow(flow);
    }
}

/// splitmix64: neighbouring inputs give unrelated outputs.
fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
