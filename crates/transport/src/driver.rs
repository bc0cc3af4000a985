//! The loop's entry points: what a shard or a herd of bots calls, and when datagrams really leave.
//!
//! Data leaves at [`Driver::flush`] alone, so that one packet a tick carries it together with all acknowledgements.
//! Handshakes and closes do not wait: [`Driver::receive`] and [`Driver::handle_timeouts`] send theirs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use downbeat_wire::{CloseCode, Micros};
use quinn_proto::Endpoint;

use crate::cid::NextFlow;
use crate::connection::{Said, Slot};
use crate::core::Core;
use crate::counters::{ConnStats, DriverCounters};
use crate::event::{ConnId, ConnectError, ControlError, Event, SendError};
use crate::handshake::Handshakes;
use crate::identity::IdentityError;
use crate::limits::{BATCH_DATAGRAMS, RECEIVE_BATCHES_MAX};
use crate::options::{ClientIds, ClientOptions, ServerOptions};
use crate::socket::{Conditioned, Conditioner, Flow, Socket};
use crate::tls;

/// The QUIC connections of one socket, driven by one thread.
pub struct Driver<S> {
    socket: S,
    core: Core,
    is_by_address: bool,
}

impl<S: Socket> Driver<S> {
    /// A driver that accepts connections on `socket`.
    ///
    /// # Errors
    /// When certificate and key cannot be used.
    pub fn server(options: &ServerOptions, socket: S) -> Result<Self, IdentityError> {
        let (endpoint, config) = tls::server(options)?;
        let handshakes = Handshakes::server(options);
        let endpoint = Endpoint::new(Arc::new(endpoint), Some(Arc::new(config)), !socket.may_fragment(), None);
        let core = Core::new(endpoint, None, handshakes, NextFlow::default());
        Ok(Self { socket, core, is_by_address: false })
    }

    /// A driver that connects over `socket`.
    ///
    /// # Errors
    /// When what it should trust cannot be used.
    pub fn client(options: &ClientOptions, socket: S) -> Result<Self, IdentityError> {
        let next_flow = NextFlow::default();
        let (endpoint, config, first_ids) = tls::client(options, &next_flow)?;
        let endpoint = Endpoint::new(Arc::new(endpoint), None, !socket.may_fragment(), None);
        let client = Some((config, first_ids));
        let core = Core::new(endpoint, client, Handshakes::client(&options.tuning), next_flow);
        Ok(Self { socket, core, is_by_address: options.ids == ClientIds::Address })
    }

    /// The socket.
    pub const fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket, to change it under way.
    pub const fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// The address that the socket is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Begins a connection to the server at `remote` that calls itself `server_name` (a host name, or an IP address).
    /// `Connected` or `Closed` follows. Control bytes may be written at once.
    ///
    /// # Errors
    /// When no handshake can begin; see [`ConnectError`].
    pub fn connect(&mut self, now: Micros, remote: SocketAddr, server_name: &str) -> Result<ConnId, ConnectError> {
        self.connect_to_shard(now, remote, server_name, None)
    }

    /// As [`connect`](Self::connect), with `first` as the first byte of the id that the first packets are addressed to: a
    /// server that closed a connection as [`Elsewhere`](CloseCode::Elsewhere) named it. Without one, chance decides.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub fn connect_to_shard(
        &mut self,
        now: Micros,
        remote: SocketAddr,
        server_name: &str,
        first: Option<u8>,
    ) -> Result<ConnId, ConnectError> {
        if self.is_by_address && self.core.live().any(|slot| slot.conn.remote_address() == remote) {
            return Err(ConnectError::RemoteTaken(remote));
        }
        let id = self.core.connect(now, remote, server_name, first)?;
        self.open_flows();
        Ok(id)
    }

    /// Takes in what waits in the socket, does handshake work within its budget, and sends what handshakes and closes
    /// have to say. Returns whether datagrams may be left in the socket.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn receive(&mut self, now: Micros) -> io::Result<bool> {
        self.core.now = now;
        self.send(now)?;
        self.core.resume_paused();
        let is_more = self.take_in(now)?;
        while self.core.advance_handshakes(now) {
            self.open_flows();
            if self.core.outgoing.is_full() {
                self.send(now)?;
            }
        }
        self.send_urgent(now)?;
        Ok(is_more)
    }

    /// Reads the socket for as long as one call may last; false when nothing was left in it.
    fn take_in(&mut self, now: Micros) -> io::Result<bool> {
        self.core.begin_receive();
        // First what the last call left, then one batch after the other.
        let mut has_time = self.core.take_in();
        self.send(now)?;
        for _ in 0..RECEIVE_BATCHES_MAX {
            if !has_time {
                return Ok(true);
            }
            let core = &mut self.core;
            let is_last = self.socket.recv_batch(now, &mut |datagram| core.keep(&datagram))? < BATCH_DATAGRAMS;
            has_time = self.core.take_in();
            self.send(now)?;
            if is_last {
                return Ok(!has_time);
            }
        }
        Ok(true)
    }

    /// How long one [`receive`](Self::receive) may last: for a client that has other things to do meanwhile. At first, a
    /// server has [`RECEIVE_TIME`](crate::limits::RECEIVE_TIME) and a client all the time in the world.
    pub const fn set_receive_time(&mut self, most: Duration) {
        self.core.receive_time = most;
    }

    /// Fires the timers that are due, and sends what handshakes and closes have to say.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn handle_timeouts(&mut self, now: Micros) -> io::Result<()> {
        self.core.now = now;
        self.core.handle_timers(now);
        self.core.expire_handshakes(now);
        self.core.forget_closed(now);
        self.send_urgent(now)
    }

    /// When [`handle_timeouts`](Self::handle_timeouts) and [`receive`](Self::receive) want to be called even if nothing
    /// arrives; a time that has passed means at once.
    pub fn next_timeout(&self) -> Option<Micros> {
        if !self.core.urgent.is_empty() || self.core.has_arrived() {
            return Some(Micros(0));
        }
        let core = &self.core;
        let times = [core.timers.next_at(), core.handshakes.next_deadline(), core.next_forgotten_at()];
        times.into_iter().chain([self.socket.next_at()]).flatten().min()
    }

    /// The next thing that happened. Ask until `None` after each [`receive`](Self::receive) and
    /// [`handle_timeouts`](Self::handle_timeouts): what is not taken is dropped once its connection's queue is full.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.poll_event()
    }

    /// Sends everything that may be sent now: call it at the tick, after the writes. It also begins a new interval of
    /// the handshake budget.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn flush(&mut self, now: Micros) -> io::Result<()> {
        for group in 0..self.core.dirty.len() {
            self.flush_group(now, group as u16)?;
        }
        Ok(())
    }

    /// As [`flush`](Self::flush), for the connections of one group alone. The others' acknowledgements wait for the packets that
    /// their own flush sends. The handshake budget's interval is from one flush of group 0 to the next.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn flush_group(&mut self, now: Micros, group: u16) -> io::Result<()> {
        self.core.now = now;
        if group == 0 {
            self.core.refill_handshake_budget();
        }
        let Some(dirty) = self.core.dirty.get_mut(usize::from(group)) else { return Ok(()) };
        let mut dirty = std::mem::take(dirty);
        for id in dirty.drain(..) {
            if let Some(slot) = self.core.slot_mut(id) {
                slot.is_dirty = false;
                self.transmit(now, id)?;
            }
        }
        // Nothing was marked meanwhile: transmitting causes no events. The buffer is kept.
        let place = &mut self.core.dirty[usize::from(group)];
        assert!(place.is_empty());
        *place = dirty;
        self.send_urgent(now)
    }

    /// Puts a connection into the group that it is flushed with; new ones are in group 0. Number groups from 0 on: each has
    /// a list.
    pub fn set_group(&mut self, conn: ConnId, group: u16) {
        self.core.set_group(conn, group);
    }

    /// Bytes that a datagram to `conn` may have now. `None` while it is blocked (a datagram still waits, the congestion
    /// window is full, or its rate is used up) or not open. Ask before encoding, and skip a blocked peer.
    pub fn datagram_space(&mut self, conn: ConnId) -> Option<usize> {
        let now = self.core.now;
        self.core.slot_mut(conn)?.datagram_space(now).ok()
    }

    /// As [`datagram_space`](Self::datagram_space), for a stream of datagrams that sends one every `interval`: no more than
    /// the datagram's share of the rate that congestion leaves ([`ConnStats::rate_bytes_per_s`]), with what the last one left
    /// over. `None` also when that is less than `least_bytes`, which adds up for the next.
    pub fn datagram_share(&mut self, conn: ConnId, interval: Micros, least_bytes: usize) -> Option<usize> {
        let now = self.core.now;
        self.core.slot_mut(conn)?.datagram_share(now, interval, least_bytes).ok()
    }

    /// Sends a datagram with the next [`flush`](Self::flush). It may be lost.
    ///
    /// # Errors
    /// When it was not taken; see [`SendError`].
    pub fn send_datagram(&mut self, conn: ConnId, payload: &[u8]) -> Result<(), SendError> {
        let now = self.core.now;
        let most_bytes = self.core.slot_mut(conn).ok_or(SendError::NotOpen)?.datagram_space(now)?;
        if payload.len() > most_bytes {
            return Err(SendError::TooLarge { most_bytes });
        }
        let payload = self.core.arena_out.copy(payload).freeze();
        self.core.slot_mut(conn).ok_or(SendError::NotOpen)?.send_datagram(payload);
        self.core.mark(conn);
        Ok(())
    }

    /// Writes bytes to the control stream; they leave with the next [`flush`](Self::flush), in order and surely.
    /// The client opens the stream with its first bytes: until they came, a server's bytes wait.
    ///
    /// # Errors
    /// When they were not taken; see [`ControlError`].
    pub fn write_control(&mut self, now: Micros, conn: ConnId, bytes: &[u8]) -> Result<(), ControlError> {
        let slot = self.core.slot_mut(conn).ok_or(ControlError::NotOpen)?;
        let written = slot.write_control(bytes);
        if written == Err(ControlError::Overloaded) {
            self.core.counters.overloaded += 1;
            self.core.close(now, conn, CloseCode::Overloaded, "the control stream was not read");
        }
        self.core.mark(conn);
        written
    }

    /// Sends bytes to a client that must arrive, in order, on a stream of their own; they leave with the next
    /// [`flush`](Self::flush). A client whose backlog exceeds
    /// [`RELIABLE_BACKLOG_BYTES_MAX`](crate::limits::RELIABLE_BACKLOG_BYTES_MAX) is closed as overloaded.
    ///
    /// # Errors
    /// When they were not taken; see [`ControlError`].
    pub fn send_reliable(&mut self, now: Micros, conn: ConnId, bytes: &[u8]) -> Result<(), ControlError> {
        let slot = self.core.slot_mut(conn).ok_or(ControlError::NotOpen)?;
        let sent = slot.write_reliable(bytes);
        if sent == Err(ControlError::Overloaded) {
            self.core.counters.overloaded += 1;
            self.core.close(now, conn, CloseCode::Overloaded, "the stream of reliable events was not read");
        }
        self.core.mark(conn);
        sent
    }

    /// Control bytes that wait for a slow peer beyond what QUIC itself buffers; 0 when it is not open. Skip such a peer
    /// where a message may be missed.
    pub fn control_backlog(&self, conn: ConnId) -> usize {
        self.core.slot(conn).map_or(0, Slot::control_backlog)
    }

    /// Closes a connection with a code and a text for people (256 bytes of it). `Closed` follows. The peer is told at
    /// the next `receive`, `handle_timeouts` or `flush`. Closing twice does nothing.
    pub fn close(&mut self, now: Micros, conn: ConnId, code: CloseCode, reason: &str) {
        self.core.close(now, conn, code, reason);
    }

    /// Forgets a connection at once, as if this end had lost power: the peer is told nothing, and no event follows. For tests and
    /// load tests.
    pub fn abandon(&mut self, conn: ConnId) {
        self.core.abandon(conn);
    }

    /// Whether new connections are taken (the default) or refused, as a server does that drains.
    pub fn set_accepting(&mut self, is_accepting: bool) {
        self.core.handshakes.set_accepting(is_accepting);
    }

    /// How many connections there may be from now on, handshakes apart. Those there are stay.
    pub fn set_connections_max(&mut self, connections_max: usize) {
        self.core.handshakes.set_connections_max(connections_max);
    }

    /// As [`ServerOptions::upload_bytes_per_s`], from now on.
    pub fn set_upload_bytes_per_s(&mut self, bytes_per_s: u32) {
        self.core.handshakes.set_upload(bytes_per_s);
    }

    /// Path and traffic of a connection; `None` once it is gone.
    pub fn stats(&self, conn: ConnId) -> Option<ConnStats> {
        Some(self.core.slot(conn)?.stats())
    }

    /// The peer's address, which changes when the peer's network does; `None` once the connection is gone.
    pub fn remote(&self, conn: ConnId) -> Option<SocketAddr> {
        Some(self.core.slot(conn)?.remote())
    }

    /// What the socket knows a connection by; `None` once it is gone.
    pub fn flow(&self, conn: ConnId) -> Option<Flow> {
        Some(self.core.slot(conn)?.flow)
    }

    /// Whether no connection is left, not even one that answers late packets after its end: time to drop the driver.
    pub fn is_idle(&self) -> bool {
        self.core.live().next().is_none()
    }

    /// What was counted so far.
    pub fn counters(&self) -> DriverCounters {
        DriverCounters { socket: self.socket.counters(), ..self.core.counters }
    }

    /// Sleeps until a datagram waits or `timeout` is over.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket.wait(timeout)
    }

    /// Sends what connections in their handshake and closing ones have to say, and the answers of no connection.
    fn send_urgent(&mut self, now: Micros) -> io::Result<()> {
        let mut urgent = std::mem::take(&mut self.core.urgent);
        for id in urgent.drain(..) {
            if let Some(slot) = self.core.slot_mut(id) {
                slot.is_urgent = false;
                self.transmit(now, id)?;
            }
        }
        self.core.urgent = urgent;
        self.send(now)
    }

    /// Lets one connection send until it has nothing more to send.
    fn transmit(&mut self, now: Micros, id: ConnId) -> io::Result<()> {
        let is_asked = self.core.slot_mut(id).is_some_and(Slot::begin_packets);
        let mut has_more = true;
        while has_more {
            if self.core.outgoing.is_full() {
                self.send(now)?;
            }
            let said = self.core.poll_transmit(now, id);
            has_more = said.is_some_and(|said| is_asked || said == Said::Part);
        }
        self.core.settle(id);
        Ok(())
    }

    fn send(&mut self, now: Micros) -> io::Result<()> {
        if self.core.outgoing.datagrams().is_empty() {
            return Ok(());
        }
        self.socket.send_batch(now, &mut self.core.outgoing)
    }

    fn open_flows(&mut self) {
        while let Some(flow) = self.core.poll_opened_flow() {
            self.socket.open_flow(flow);
        }
    }
}

impl<S: Socket> Driver<Conditioner<S>> {
    /// What the conditioner did to a connection's datagrams; `None` once the connection is gone.
    pub fn conditioned(&self, conn: ConnId) -> Option<Conditioned> {
        let slot = self.core.slot(conn)?;
        Some(self.socket.conditioned(slot.flow, slot.conn.remote_address()))
    }
}
