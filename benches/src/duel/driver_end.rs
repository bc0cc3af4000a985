//! The end that is measured: our driver, called as a shard and as bots call it.

use std::net::SocketAddr;

use downbeat_replica::Micros;
use downbeat_transport::{
    ClientOptions, ConnId, Driver, Event, Identity, IdentityError, KernelSocket, ServerOptions, SocketOptions, Trust,
};

use super::{End, Traffic, broken};
use crate::BenchError;

/// What a snapshot takes at least: a shard asks for this much space.
const LEAST_BYTES: usize = 64;

/// A driver, and what it says to each of its peers.
pub(crate) struct DriverEnd {
    driver: Driver<KernelSocket>,
    peers: Vec<ConnId>,
    payload: Vec<u8>,
    /// From one datagram to the next, where their size follows the connection's rate.
    paced: Option<Micros>,
    heard: u64,
    unsaid: u64,
}

/// The server's certificate: the same in each run, so that clients in another process know it.
fn identity() -> Result<Identity, IdentityError> {
    Identity::reproducible([7; 32], &["localhost"])
}

impl DriverEnd {
    /// A server that says `payload_bytes` to each of its clients every `interval`.
    pub(crate) fn server(payload_bytes: usize, interval: Micros) -> Result<Self, BenchError> {
        let options = ServerOptions::new(identity().map_err(broken)?);
        let driver = Driver::server(&options, loopback()?).map_err(broken)?;
        Ok(Self { paced: Some(interval), ..Self::new(driver, payload_bytes) })
    }

    /// `count` clients of `server` on one socket, each of which says `payload_bytes`.
    pub(crate) fn clients(
        now: Micros,
        server: SocketAddr,
        count: usize,
        payload_bytes: usize,
    ) -> Result<Self, BenchError> {
        let trust = Trust::pinned(identity().map_err(broken)?.fingerprint());
        let mut driver = Driver::client(&ClientOptions::new(trust), loopback()?).map_err(broken)?;
        for _ in 0..count {
            driver.connect(now, server, "localhost").map_err(broken)?;
        }
        Ok(Self::new(driver, payload_bytes))
    }

    fn new(driver: Driver<KernelSocket>, payload_bytes: usize) -> Self {
        Self { driver, peers: Vec::new(), payload: vec![7; payload_bytes], paced: None, heard: 0, unsaid: 0 }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    /// Peers whose handshake is complete.
    pub(crate) fn joined(&self) -> usize {
        self.peers.len()
    }
}

impl End for DriverEnd {
    fn receive(&mut self, now: Micros) -> Result<(), BenchError> {
        while self.driver.receive(now).map_err(broken)? {}
        self.driver.handle_timeouts(now).map_err(broken)?;
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Datagram { payload, .. } => self.heard += u64::from(!payload.is_empty()),
                Event::Connected { conn, .. } => self.peers.push(conn),
                Event::Closed { reason, .. } => return Err(broken(format_args!("a connection ended: {reason}"))),
                Event::Control { .. } | Event::Reliable { .. } => {}
            }
        }
        Ok(())
    }

    fn speak(&mut self, now: Micros) -> Result<(), BenchError> {
        for &peer in &self.peers {
            let space = match self.paced {
                Some(interval) => self.driver.datagram_share(peer, interval, LEAST_BYTES),
                None => self.driver.datagram_space(peer),
            };
            let has_room = space.is_some_and(|space| space >= self.payload.len());
            let is_said = has_room && self.driver.send_datagram(peer, &self.payload).is_ok();
            self.unsaid += u64::from(!is_said);
        }
        self.driver.flush(now).map_err(broken)
    }

    fn rest(&mut self, now: Micros) -> Result<(), BenchError> {
        self.driver.flush(now).map_err(broken)
    }

    fn traffic(&self) -> Traffic {
        let counters = self.driver.counters();
        Traffic {
            packets_in: counters.datagrams_in,
            bytes_in: counters.bytes_in,
            packets_out: counters.datagrams_out,
            bytes_out: counters.bytes_out,
            heard: self.heard,
            unsaid: self.unsaid,
            drops: counters.socket.kernel_drops + counters.socket.send_drops + counters.events_dropped,
        }
    }
}

pub(super) fn loopback() -> Result<KernelSocket, BenchError> {
    KernelSocket::bind(([127, 0, 0, 1], 0).into(), SocketOptions::default()).map_err(broken)
}
