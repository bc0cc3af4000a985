//! Where there is no recvmmsg, std's calls do: one datagram each, without stamps, ECN or drop counts.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use downbeat_wire::Micros;

use super::{Outgoing, Received, Socket, SocketCounters, SocketOptions};
use crate::limits::{BATCH_DATAGRAMS, DATAGRAM_BYTES_MAX};

/// A UDP socket of the operating system, through std alone.
pub struct PortableSocket {
    socket: UdpSocket,
    local: SocketAddr,
    buffer: Vec<u8>,
    counters: SocketCounters,
}

impl PortableSocket {
    /// A socket at `address`.
    ///
    /// # Errors
    /// When the address cannot be bound, or the options ask for what std cannot set.
    pub fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<Self> {
        if options.dual_stack || options.reuse_port {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "dual stack and shared ports need Linux"));
        }
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local, buffer: vec![0; DATAGRAM_BYTES_MAX], counters: SocketCounters::default() })
    }

    /// Receive buffer that the kernel granted: unknown here, so 0.
    #[must_use]
    pub const fn receive_buffer_bytes(&self) -> usize {
        0
    }

    /// Sharing a port between shards needs Linux.
    ///
    /// # Errors
    /// Always.
    pub fn steer_by_connection_id(&self, _shards: u8) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "steering by connection id needs Linux"))
    }
}

/// Whether the socket lives on: ICMP messages about other datagrams surface as errors on some systems.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(error.kind(), E::WouldBlock | E::TimedOut | E::Interrupted | E::ConnectionRefused | E::ConnectionReset)
}

impl Socket for PortableSocket {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        for count in 0..BATCH_DATAGRAMS {
            self.counters.reads += 1;
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, remote)) => {
                    let payload = &self.buffer[..length];
                    sink(Received { at: now, remote, local_ip: None, ecn: 0, payload });
                }
                Err(error) if passes(&error) => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(BATCH_DATAGRAMS)
    }

    fn send_batch(&mut self, _now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        for datagram in batch.datagrams() {
            self.counters.writes += 1;
            let sent = self.socket.send_to(&datagram.payload, datagram.remote);
            self.counters.send_drops += u64::from(sent.is_err());
        }
        batch.clear();
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        // std refuses a timeout of zero, and rounds up to what the system can tell apart.
        self.socket.set_read_timeout(Some(timeout.max(Duration::from_micros(1))))?;
        self.socket.set_nonblocking(false)?;
        let waited = self.socket.peek_from(&mut self.buffer);
        self.socket.set_nonblocking(true)?;
        match waited {
            Err(error) if !passes(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn counters(&self) -> SocketCounters {
        self.counters
    }

    fn may_fragment(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_cross_the_loopback() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut a = PortableSocket::bind(any, SocketOptions::default()).expect("loopback");
        let mut b = PortableSocket::bind(any, SocketOptions::default()).expect("loopback");
        let mut batch = Outgoing::new();
        for n in 0..3 {
            let slot = batch.vacant().expect("an empty batch");
            slot.remote = b.local_addr();
            slot.payload.push(n);
            batch.commit();
        }
        a.send_batch(Micros(0), &mut batch).expect("loopback");
        b.wait(Duration::from_secs(1)).expect("loopback");
        let mut seen = Vec::new();
        b.recv_batch(Micros(5), &mut |d| seen.push((d.at, d.remote, d.payload[0]))).expect("loopback");
        assert_eq!(seen, [0, 1, 2].map(|n| (Micros(5), a.local_addr(), n)));
    }
}
