//! The seam between the driver and the network: batches of datagrams in, batches out, and a way to sleep.
//!
//! Three makers: the kernel ([`KernelSocket`], and [`PortableSocket`] where there is no Linux), a network in memory for virtual time ([`MemorySocket`]), and the
//! [`Conditioner`] that makes any of them bad on purpose.

mod conditioner;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod kernel_message;
mod memory;
mod portable;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use downbeat_wire::Micros;

pub use conditioner::{Conditioned, Conditioner, FlowKey};
#[cfg(target_os = "linux")]
pub use kernel::KernelSocket;
pub use memory::{MemoryNetwork, MemorySocket};
pub use portable::PortableSocket;
#[cfg(not(target_os = "linux"))]
pub use portable::PortableSocket as KernelSocket;

use crate::limits::{BATCH_DATAGRAMS, DATAGRAM_BYTES_MAX};

/// Options of a [`KernelSocket`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Take IPv4 peers on an IPv6 socket as well. Only for an IPv6 address.
    pub dual_stack: bool,
    /// Let other sockets of this user bind the same port (`SO_REUSEPORT`): one per shard.
    pub reuse_port: bool,
}

/// A connection as the socket sees it: which datagrams share a network path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow(pub u32);

/// A datagram as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// When it arrived: the kernel's stamp where there is one, otherwise when it was read.
    pub at: Micros,
    /// Where it came from.
    pub remote: SocketAddr,
    /// The address it was sent to, where the socket knows.
    pub local_ip: Option<IpAddr>,
    /// The two ECN bits of its IP header.
    pub ecn: u8,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// A datagram on its way out. The payload's buffer is reused by later datagrams.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where it goes.
    pub remote: SocketAddr,
    /// The address it should come from, where that matters.
    pub local_ip: Option<IpAddr>,
    /// The two ECN bits for its IP header.
    pub ecn: u8,
    /// The connection it belongs to; `None` for answers that no connection gives.
    pub flow: Option<Flow>,
    /// The UDP payload.
    pub payload: Vec<u8>,
}

/// Up to [`BATCH_DATAGRAMS`] datagrams on their way out.
#[derive(Debug)]
pub struct Outgoing {
    slots: Vec<Transmit>,
    used: usize,
}

impl Outgoing {
    /// An empty batch with all its buffers.
    #[must_use]
    pub fn new() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let slot = || Transmit {
            remote: nowhere,
            local_ip: None,
            ecn: 0,
            flow: None,
            payload: Vec::with_capacity(DATAGRAM_BYTES_MAX),
        };
        Self { slots: (0..BATCH_DATAGRAMS).map(|_| slot()).collect(), used: 0 }
    }

    /// The next datagram, its payload cleared; it counts once [`commit`](Self::commit) was called. `None` when full.
    pub fn vacant(&mut self) -> Option<&mut Transmit> {
        let slot = self.slots.get_mut(self.used)?;
        slot.payload.clear();
        Some(slot)
    }

    /// Adds what [`vacant`](Self::vacant) gave.
    pub fn commit(&mut self) {
        assert!(self.used < self.slots.len(), "vacant gave a slot before");
        self.used += 1;
    }

    /// The datagrams to send.
    #[must_use]
    pub fn datagrams(&self) -> &[Transmit] {
        &self.slots[..self.used]
    }

    /// Whether no further datagram fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used == self.slots.len()
    }

    /// Forgets the datagrams and keeps their buffers.
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

/// What a socket counted since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounters {
    /// Datagrams that the kernel dropped because our receive buffer was full.
    pub kernel_drops: u64,
    /// Datagrams that could not be sent: the send buffer was full, or the address unreachable.
    pub send_drops: u64,
    /// System calls that read.
    pub reads: u64,
    /// System calls that wrote.
    pub writes: u64,
}

/// Where datagrams come from and go to. One thread owns it; nothing in it blocks but `wait`.
pub trait Socket {
    /// The address it is bound to.
    fn local_addr(&self) -> SocketAddr;

    /// Gives at most [`BATCH_DATAGRAMS`] waiting datagrams to `sink` and returns how many there were. 0 = none wait.
    ///
    /// # Errors
    /// Only what makes the socket useless from here on. What concerns one datagram is counted instead.
    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize>;

    /// Sends the batch and clears it. What cannot be sent at once is dropped and counted: QUIC recovers.
    ///
    /// # Errors
    /// Only what makes the socket useless from here on.
    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()>;

    /// Sleeps until a datagram waits or `timeout` is over.
    ///
    /// # Errors
    /// Only what makes the socket useless from here on.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// What it counted so far.
    fn counters(&self) -> SocketCounters;

    /// When the socket wants `recv_batch` called even if nothing arrives.
    fn next_at(&self) -> Option<Micros> {
        None
    }

    /// Whether the network may cut large datagrams, so that looking for a larger MTU would find nothing.
    fn may_fragment(&self) -> bool {
        false
    }

    /// Tells that `flow` belongs to a new connection from now on.
    fn open_flow(&mut self, _flow: Flow) {}
}
