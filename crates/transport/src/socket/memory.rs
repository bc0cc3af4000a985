//! Tests and simulations need a network without a kernel: datagrams go from one queue to another and keep the time at
//! which they were sent. Latency and loss come from a [`Conditioner`](crate::Conditioner) on top.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use downbeat_wire::Micros;

use super::{Outgoing, Received, Socket, SocketCounters};
use crate::limits::{BATCH_DATAGRAMS, MEMORY_INBOX_DATAGRAMS_MAX};

/// Sockets that reach each other by address. Clones are the same network.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork {
    inboxes: Rc<RefCell<BTreeMap<SocketAddr, Inbox>>>,
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: VecDeque<Packet>,
    dropped: u64,
}

#[derive(Debug)]
struct Packet {
    at: Micros,
    from: SocketAddr,
    ecn: u8,
    payload: Vec<u8>,
}

impl MemoryNetwork {
    /// A network without sockets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A socket at `address`. A second one at the same address shares its inbox with the first.
    #[must_use]
    pub fn bind(&self, address: SocketAddr) -> MemorySocket {
        self.inboxes.borrow_mut().entry(address).or_default();
        MemorySocket { network: self.clone(), address, counters: SocketCounters::default() }
    }

    /// Puts a datagram into the inbox at `to`, as if it came from `from` at `at`. Nobody there: it is gone.
    pub fn inject(&self, at: Micros, from: SocketAddr, to: SocketAddr, ecn: u8, payload: &[u8]) {
        let mut inboxes = self.inboxes.borrow_mut();
        let Some(inbox) = inboxes.get_mut(&to) else { return };
        if inbox.waiting.len() >= MEMORY_INBOX_DATAGRAMS_MAX {
            inbox.dropped += 1;
            return;
        }
        inbox.waiting.push_back(Packet { at, from, ecn, payload: payload.to_vec() });
    }
}

/// A socket of a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemorySocket {
    network: MemoryNetwork,
    address: SocketAddr,
    counters: SocketCounters,
}

impl MemorySocket {
    /// Moves the socket to another address, as a client does whose network changes. Datagrams that wait at the old
    /// address are lost.
    pub fn rebind(&mut self, address: SocketAddr) {
        let mut inboxes = self.network.inboxes.borrow_mut();
        inboxes.remove(&self.address);
        inboxes.entry(address).or_default();
        self.address = address;
    }
}

impl Socket for MemorySocket {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn recv_batch(&mut self, _now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        let mut count = 0;
        while count < BATCH_DATAGRAMS {
            let packet = self.network.inboxes.borrow_mut().entry(self.address).or_default().waiting.pop_front();
            let Some(Packet { at, from, ecn, payload }) = packet else { break };
            sink(Received { at, remote: from, local_ip: None, ecn, payload: &payload });
            count += 1;
        }
        self.counters.reads += 1;
        Ok(count)
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        for datagram in batch.datagrams() {
            self.network.inject(now, self.address, datagram.remote, datagram.ecn, &datagram.payload);
        }
        self.counters.writes += 1;
        batch.clear();
        Ok(())
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn counters(&self) -> SocketCounters {
        let dropped = self.network.inboxes.borrow().get(&self.address).map_or(0, |inbox| inbox.dropped);
        SocketCounters { kernel_drops: dropped, ..self.counters }
    }
}
