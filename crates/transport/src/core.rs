//! Everything of a driver but its socket: connections, their events, and who has to send.
//!
//! A connection is `dirty` when it may have something to send, and waits for the flush; it is `urgent` when it must not
//! wait, because it is in its handshake or closing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use downbeat_wire::{CloseCode, Micros};
use quinn_proto::{ClientConfig, Connection, ConnectionHandle, Endpoint, EndpointEvent, Event as ProtoEvent};

use crate::arena::Arena;
use crate::cid::{FirstIds, NextFlow};
use crate::clock::Epoch;
use crate::connection::{Phase, Slot};
use crate::counters::DriverCounters;
use crate::event::{CloseReason, ConnId, ConnectError, Event};
use crate::handshake::Handshakes;
use crate::inbox::Packet;
use crate::limits::{CLOSED_LINGER_MS, CLOSED_MAX, CONNECTIONS_MAX, RECEIVE_TIME};
use crate::socket::{Flow, Outgoing};
use crate::stopwatch::Stopwatch;
use crate::timers::Timers;

pub(crate) struct Core {
    pub(crate) epoch: Epoch,
    /// The latest time that we were told.
    pub(crate) now: Micros,
    pub(crate) endpoint: Endpoint,
    pub(crate) handshakes: Handshakes,
    pub(crate) outgoing: Outgoing,
    pub(crate) counters: DriverCounters,
    /// By group.
    pub(crate) dirty: Vec<Vec<ConnId>>,
    pub(crate) urgent: Vec<ConnId>,
    pub(crate) timers: Timers,
    /// Closed connections and when they are forgotten; those that quinn-proto let go before are skipped.
    closed: VecDeque<(Micros, ConnId)>,
    events: VecDeque<Event>,
    client: Option<(ClientConfig, FirstIds)>,
    pub(crate) slots: Vec<Option<Box<Slot>>>,
    generations: Vec<u32>,
    next_flow: NextFlow,
    free_flows: Vec<Flow>,
    opened_flows: Vec<Flow>,
    flows: u32,
    /// Connections whose streams may be read again.
    paused: Vec<ConnId>,
    /// Datagrams that were read and not taken in.
    pub(crate) arrived: VecDeque<Packet>,
    pub(crate) stopwatch: Stopwatch,
    /// What packets took since `receive` was called, and what they may take.
    pub(crate) received_for: Duration,
    pub(crate) receive_time: Duration,
    pub(crate) arena_in: Arena,
    pub(crate) arena_out: Arena,
    pub(crate) scratch: Vec<u8>,
}

impl Core {
    pub(crate) fn new(
        endpoint: Endpoint,
        client: Option<(ClientConfig, FirstIds)>,
        handshakes: Handshakes,
        next_flow: NextFlow,
    ) -> Self {
        let stopwatch = Stopwatch::new(handshakes.budget());
        // A client takes what its server sends.
        let receive_time = if client.is_some() { Duration::MAX } else { RECEIVE_TIME };
        Self {
            epoch: Epoch::new(),
            now: Micros(0),
            endpoint,
            handshakes,
            outgoing: Outgoing::new(),
            counters: DriverCounters::default(),
            dirty: vec![Vec::new()],
            urgent: Vec::new(),
            timers: Timers::default(),
            closed: VecDeque::new(),
            events: VecDeque::new(),
            client,
            slots: Vec::new(),
            generations: Vec::new(),
            next_flow,
            free_flows: Vec::new(),
            opened_flows: Vec::new(),
            flows: 0,
            paused: Vec::new(),
            arrived: VecDeque::new(),
            stopwatch,
            received_for: Duration::ZERO,
            receive_time,
            arena_in: Arena::default(),
            arena_out: Arena::default(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn slot(&self, conn: ConnId) -> Option<&Slot> {
        self.slots.get(conn.index())?.as_deref().filter(|slot| slot.id == conn)
    }

    pub(crate) fn slot_mut(&mut self, conn: ConnId) -> Option<&mut Slot> {
        self.slots.get_mut(conn.index())?.as_deref_mut().filter(|slot| slot.id == conn)
    }

    /// All connections that quinn-proto still holds, by index.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten().map(|slot| &**slot)
    }

    pub(crate) fn connect(
        &mut self,
        now: Micros,
        remote: SocketAddr,
        server_name: &str,
        first: Option<u8>,
    ) -> Result<ConnId, ConnectError> {
        let (config, first_ids) = self.client.as_mut().ok_or(ConnectError::NotAClient)?;
        let mut config = config.clone();
        if let Some(first) = first {
            let id = first_ids.next(first);
            config.initial_dst_cid_provider(Arc::new(move || id));
        }
        let flow = self.take_flow().ok_or(ConnectError::TooMany)?;
        let instant = self.epoch.instant(now);
        match self.endpoint.connect(instant, config, remote, server_name) {
            Ok((handle, conn)) => {
                let id = self.insert(now, handle, conn, flow, true);
                self.mark(id);
                Ok(id)
            }
            Err(error) => {
                self.free_flows.push(flow);
                Err(match error {
                    quinn_proto::ConnectError::InvalidServerName(name) => ConnectError::ServerName(name),
                    quinn_proto::ConnectError::InvalidRemoteAddress(remote) => ConnectError::Remote(remote),
                    _ => ConnectError::TooMany,
                })
            }
        }
    }

    /// A number for a new connection's flow; ids issued from here on carry it.
    pub(crate) fn take_flow(&mut self) -> Option<Flow> {
        let flow = match self.free_flows.pop() {
            Some(flow) => flow,
            None if (self.flows as usize) < CONNECTIONS_MAX => {
                self.flows += 1;
                Flow(self.flows - 1)
            }
            None => return None,
        };
        self.next_flow.set(flow);
        self.opened_flows.push(flow);
        Some(flow)
    }

    pub(crate) fn give_back_flow(&mut self, flow: Flow) {
        self.free_flows.push(flow);
    }

    /// The flows that began since the last call; the socket wants to know.
    pub(crate) fn poll_opened_flow(&mut self) -> Option<Flow> {
        self.opened_flows.pop()
    }

    pub(crate) fn insert(
        &mut self,
        now: Micros,
        handle: ConnectionHandle,
        conn: Connection,
        flow: Flow,
        is_announced: bool,
    ) -> ConnId {
        let index = handle.0;
        while self.slots.len() <= index {
            self.slots.push(None);
            self.generations.push(0);
        }
        self.generations[index] += 1;
        let id = ConnId { index: index as u32, generation: self.generations[index] };
        self.slots[index] = Some(Box::new(Slot::new(conn, id, flow, is_announced)));
        self.counters.half_open += 1;
        self.handshakes.begin(now, id);
        id
    }

    /// Handles what a connection has to say after something happened to it at `at`.
    pub(crate) fn process(&mut self, id: ConnId, at: Micros) {
        if self.pump(id) {
            return;
        }
        let slot = self.slots[id.index()].as_deref_mut().expect("pump says when it is gone");
        let mut has_ended = false;
        while let Some(event) = slot.conn.poll() {
            match event {
                ProtoEvent::Connected if slot.phase == Phase::Handshake => {
                    slot.open(&mut self.events);
                    self.counters.half_open -= 1;
                    self.counters.open += 1;
                    self.counters.connected += 1;
                }
                ProtoEvent::ConnectionLost { reason } => {
                    note_end(slot.phase, slot.is_announced, &mut self.counters);
                    if slot.phase != Phase::Closed {
                        slot.end(reason.into(), &mut self.events);
                        has_ended = true;
                    }
                }
                ProtoEvent::Stream(event) => slot.handle_stream(&event, &mut self.events),
                _ => {}
            }
        }
        slot.read_datagrams(at, &mut self.events, &mut self.counters);
        slot.hear();
        self.mark(id);
        if has_ended {
            self.linger(at, id);
        }
    }

    /// Exchanges events between a connection and the endpoint; true when the connection is drained and gone.
    pub(crate) fn pump(&mut self, id: ConnId) -> bool {
        let Some(slot) = self.slots[id.index()].as_deref_mut().filter(|slot| slot.id == id) else { return true };
        let handle = ConnectionHandle(id.index());
        while let Some(event) = slot.conn.poll_endpoint_events() {
            let is_drained = event.is_drained();
            self.next_flow.set(slot.flow);
            if let Some(reply) = self.endpoint.handle_event(handle, event) {
                slot.conn.handle_event(reply);
            }
            if is_drained {
                // Its error may not have been polled yet: a reset drains at once.
                while let Some(event) = slot.conn.poll() {
                    let ProtoEvent::ConnectionLost { reason } = event else { continue };
                    note_end(slot.phase, slot.is_announced, &mut self.counters);
                    if slot.phase != Phase::Closed {
                        slot.end(reason.into(), &mut self.events);
                    }
                }
                self.free_flows.push(slot.flow);
                self.slots[id.index()] = None;
                return true;
            }
        }
        false
    }

    /// Remembers that a connection may have something to send.
    pub(crate) fn mark(&mut self, id: ConnId) {
        let Some(slot) = self.slots[id.index()].as_deref_mut().filter(|slot| slot.id == id) else { return };
        if slot.phase == Phase::Open {
            if !slot.is_dirty {
                slot.is_dirty = true;
                self.dirty[usize::from(slot.group)].push(id);
            }
        } else if !slot.is_urgent {
            slot.is_urgent = true;
            self.urgent.push(id);
        }
    }

    /// Puts a connection into another group. If it waits for its flush, it does so where it was.
    pub(crate) fn set_group(&mut self, id: ConnId, group: u16) {
        let Some(slot) = self.slot_mut(id) else { return };
        slot.group = group;
        if self.dirty.len() <= usize::from(group) {
            self.dirty.resize_with(usize::from(group) + 1, Vec::new);
        }
    }

    pub(crate) fn close(&mut self, now: Micros, id: ConnId, code: CloseCode, reason: &str) {
        let instant = self.epoch.instant(now);
        let Some(slot) = self.slots.get_mut(id.index()).and_then(|slot| slot.as_deref_mut()) else { return };
        if slot.id != id || slot.phase == Phase::Closed {
            return;
        }
        note_end(slot.phase, slot.is_announced, &mut self.counters);
        slot.close(instant, code, reason);
        slot.end(CloseReason::Local(code), &mut self.events);
        self.mark(id);
        self.linger(now, id);
    }

    /// Forgets a connection at once. Its peer is told nothing.
    pub(crate) fn abandon(&mut self, id: ConnId) {
        let Some(slot) = self.slot(id).filter(|slot| slot.phase != Phase::Closed) else { return };
        let (phase, is_announced) = (slot.phase, slot.is_announced);
        note_end(phase, is_announced, &mut self.counters);
        self.forget(id);
    }

    /// Gives up a handshake.
    pub(crate) fn give_up(&mut self, now: Micros, id: ConnId) {
        let instant = self.epoch.instant(now);
        let Some(slot) = self.slots.get_mut(id.index()).and_then(|slot| slot.as_deref_mut()) else { return };
        if slot.id != id || slot.phase != Phase::Handshake {
            return;
        }
        note_end(slot.phase, slot.is_announced, &mut self.counters);
        slot.close(instant, CloseCode::Bye, "");
        slot.end(CloseReason::TimedOut, &mut self.events);
        self.mark(id);
        self.linger(now, id);
    }

    /// Answers late packets of a connection that was closed at `now`, but not for long.
    fn linger(&mut self, now: Micros, id: ConnId) {
        if self.closed.len() >= CLOSED_MAX
            && let Some((_, oldest)) = self.closed.pop_front()
        {
            self.forget(oldest);
        }
        self.closed.push_back((now + Micros::from_millis(CLOSED_LINGER_MS), id));
    }

    pub(crate) fn next_forgotten_at(&self) -> Option<Micros> {
        self.closed.front().map(|(at, _)| *at)
    }

    /// Forgets the connections that were closed long enough ago.
    pub(crate) fn forget_closed(&mut self, now: Micros) {
        while let Some((_, id)) = self.closed.pop_front_if(|(at, _)| *at <= now) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: ConnId) {
        let Some(flow) = self.slot(id).map(|slot| slot.flow) else { return };
        self.endpoint.handle_event(ConnectionHandle(id.index()), EndpointEvent::drained());
        self.free_flows.push(flow);
        self.slots[id.index()] = None;
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        match &event {
            Event::Datagram { conn, .. } => {
                if let Some(slot) = self.slot_mut(*conn) {
                    slot.queued_datagrams -= 1;
                }
            }
            Event::Control { conn, bytes } => {
                let taken = bytes.len();
                if self.slot_mut(*conn).is_some_and(|slot| slot.control_in.take(taken)) {
                    self.paused.push(*conn);
                }
            }
            Event::Reliable { conn, bytes } => {
                let taken = bytes.len();
                if self.slot_mut(*conn).is_some_and(|slot| slot.reliable_in.take(taken)) {
                    self.paused.push(*conn);
                }
            }
            Event::Connected { .. } | Event::Closed { .. } => {}
        }
        Some(event)
    }

    /// Reads on where streams were left because too much waited for the owner.
    pub(crate) fn resume_paused(&mut self) {
        while let Some(id) = self.paused.pop() {
            let Some(slot) = self.slots[id.index()].as_deref_mut().filter(|slot| slot.id == id) else { continue };
            slot.read_control(&mut self.events);
            slot.read_reliable(&mut self.events);
            self.mark(id);
        }
    }

    /// Fires the timers of connections that are due.
    pub(crate) fn handle_timers(&mut self, now: Micros) {
        let instant = self.epoch.instant(now);
        while let Some((at, id)) = self.timers.pop(now) {
            let Some(slot) = self.slots[id.index()].as_deref_mut() else { continue };
            if slot.id != id || slot.armed != Some(at) {
                continue;
            }
            slot.armed = None;
            if slot.deadline.is_none_or(|deadline| deadline > now) {
                // It was put off since.
                self.timers.arm(id, &mut slot.armed, slot.deadline);
                continue;
            }
            let is_due = slot.conn.poll_timeout().is_some_and(|deadline| deadline <= instant);
            if is_due {
                slot.conn.handle_timeout(instant);
                slot.hear_timer();
                self.process(id, now);
            }
            // Put back at the true time. What is due now was handled, and is sent with the next flush.
            let Some(slot) = self.slots[id.index()].as_deref_mut() else { continue };
            slot.deadline = slot.conn.poll_timeout().map(|at| self.epoch.micros_after(at));
            self.timers.arm(id, &mut slot.armed, slot.deadline.filter(|&deadline| deadline > now));
        }
    }
}

/// Counts the end of a connection in `phase`.
fn note_end(phase: Phase, is_announced: bool, counters: &mut DriverCounters) {
    match phase {
        Phase::Handshake => {
            counters.half_open -= 1;
            counters.handshakes_failed += u64::from(!is_announced);
        }
        Phase::Open => counters.open -= 1,
        Phase::Closed => {}
    }
}
