//! A handshake costs as much as hundreds of game packets, and anybody can ask for one. So first packets, attempts and the
//! packets of unfinished handshakes wait in queues, and between two flushes only a budget of that work is done.
//!
//! Packets of handshakes that were begun come first. Then strangers' first packets are looked at, a bounded number: most
//! are told to prove their address (Retry), which costs little and holds no state. Then attempts that proved their
//! address are accepted, and last a few that did not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use downbeat_wire::Micros;
use quinn_proto::{ConnectionEvent, Incoming};

use crate::cid::ServerIds;
use crate::core::{Core, Packet};
use crate::event::ConnId;
use crate::limits::{ATTEMPT_AGE_MS_MAX, FIRST_PACKETS_MAX, HANDSHAKE_PACKETS_MAX, VALIDATED_ATTEMPTS_MAX};
use crate::options::{HandshakeBudget, ServerOptions, Tuning};

/// First packets that are looked at between two flushes: at 8 µs each with a Retry, a millisecond.
const FIRST_PACKETS_PER_FLUSH: u32 = 128;

/// Work that waits, and how much of it may be done.
pub(crate) struct Handshakes {
    server: Option<Server>,
    timeout: Micros,
    /// Handshakes by the time at which they are given up; finished ones are skipped when they come up.
    deadlines: VecDeque<(Micros, ConnId)>,
    packets: VecDeque<(ConnId, Micros, ConnectionEvent)>,
    budget: HandshakeBudget,
    spent: Duration,
    steps: u32,
}

/// What only an accepting driver has.
struct Server {
    ids: ServerIds,
    firsts: VecDeque<Packet>,
    proven: VecDeque<(Micros, Incoming)>,
    unproven: VecDeque<(Micros, Incoming)>,
    firsts_looked_at: u32,
    is_accepting: bool,
    connections_max: u64,
    half_open_max: u64,
    unproven_max: usize,
}

impl Handshakes {
    pub(crate) fn client(tuning: &Tuning) -> Self {
        Self {
            server: None,
            timeout: tuning.handshake_timeout,
            deadlines: VecDeque::new(),
            packets: VecDeque::new(),
            budget: tuning.handshake_budget,
            spent: Duration::ZERO,
            steps: 0,
        }
    }

    pub(crate) fn server(options: &ServerOptions, ids: ServerIds) -> Self {
        let server = Server {
            ids,
            firsts: VecDeque::new(),
            proven: VecDeque::new(),
            unproven: VecDeque::new(),
            firsts_looked_at: 0,
            is_accepting: true,
            connections_max: options.connections_max as u64,
            half_open_max: options.half_open_max as u64,
            unproven_max: options.unproven_max,
        };
        Self { server: Some(server), ..Self::client(&options.tuning) }
    }

    pub(crate) fn set_accepting(&mut self, is_accepting: bool) {
        if let Some(server) = &mut self.server {
            server.is_accepting = is_accepting;
        }
    }

    pub(crate) fn begin(&mut self, now: Micros, id: ConnId) {
        self.deadlines.push_back((now + self.timeout, id));
    }

    pub(crate) fn next_deadline(&self) -> Option<Micros> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    fn is_spent(&self) -> bool {
        match self.budget {
            HandshakeBudget::Time(most) => self.spent.as_micros() >= u128::from(most.0),
            HandshakeBudget::Steps(most) => self.steps >= most,
        }
    }

    /// The next piece of work, unless it has to wait for the next flush or for a handshake to end.
    fn next_work(&mut self, half_open: u64) -> Option<Work> {
        if self.is_spent() {
            return None;
        }
        if let Some((id, at, event)) = self.packets.pop_front() {
            self.steps += 1;
            return Some(Work::Packet(id, at, event));
        }
        let server = self.server.as_mut()?;
        if server.firsts_looked_at < FIRST_PACKETS_PER_FLUSH
            && let Some(packet) = server.firsts.pop_front()
        {
            server.firsts_looked_at += 1;
            return Some(Work::First(packet));
        }
        if half_open >= server.half_open_max {
            return None;
        }
        let (at, incoming) = server.proven.pop_front().or_else(|| server.unproven.pop_front())?;
        self.steps += 1;
        Some(Work::Attempt(at, incoming))
    }
}

/// What a step of handshake work takes from the queues.
enum Work {
    Packet(ConnId, Micros, ConnectionEvent),
    First(Packet),
    Attempt(Micros, Incoming),
}

impl Core {
    /// Lets strangers' first packets wait for budget; gives back what goes on at once.
    pub(crate) fn set_aside_first_packet(&mut self, packet: Packet) -> Option<Packet> {
        let Some(server) = &mut self.handshakes.server else { return Some(packet) };
        if !server.ids.is_first_packet(&packet.data) {
            return Some(packet);
        }
        if server.firsts.len() < FIRST_PACKETS_MAX {
            server.firsts.push_back(packet);
        } else {
            self.counters.attempts_dropped += 1;
        }
        None
    }

    /// Lets a packet of an unfinished handshake wait for budget.
    pub(crate) fn defer(&mut self, id: ConnId, at: Micros, event: ConnectionEvent) {
        if self.handshakes.packets.len() >= HANDSHAKE_PACKETS_MAX {
            self.counters.handshake_packets_dropped += 1;
            return;
        }
        self.handshakes.packets.push_back((id, at, event));
    }

    /// Whether another connection may begin.
    fn takes_connections(&self) -> bool {
        let held = self.counters.open + self.counters.half_open;
        self.handshakes.server.as_ref().is_some_and(|server| server.is_accepting && held < server.connections_max)
    }

    /// Decides about a new attempt: it waits, proves its address first, or is refused.
    pub(crate) fn admit(&mut self, at: Micros, incoming: Incoming) {
        if !self.takes_connections() {
            return self.refuse(incoming);
        }
        let server = self.handshakes.server.as_mut().expect("it takes connections");
        if incoming.remote_address_validated() {
            if server.proven.len() < VALIDATED_ATTEMPTS_MAX {
                server.proven.push_back((at, incoming));
            } else {
                self.ignore(incoming);
            }
        } else if server.unproven.len() < server.unproven_max {
            server.unproven.push_back((at, incoming));
        } else {
            self.scratch.clear();
            match self.endpoint.retry(incoming, &mut self.scratch) {
                Ok(answer) => {
                    self.counters.retried += 1;
                    self.respond(&answer);
                }
                Err(error) => self.ignore(error.into_incoming()),
            }
        }
    }

    fn refuse(&mut self, incoming: Incoming) {
        self.scratch.clear();
        let answer = self.endpoint.refuse(incoming, &mut self.scratch);
        self.counters.refused += 1;
        self.respond(&answer);
    }

    fn ignore(&mut self, incoming: Incoming) {
        self.endpoint.ignore(incoming);
        self.counters.attempts_dropped += 1;
    }

    /// Does the next step of handshake work; false when nothing is left that may be done before the next flush. Writes
    /// at most one answer.
    pub(crate) fn advance_handshakes(&mut self, now: Micros) -> bool {
        let Some(work) = self.handshakes.next_work(self.counters.half_open) else { return false };
        let is_old = |at| now.since(at) > Micros::from_millis(ATTEMPT_AGE_MS_MAX);
        let began = Instant::now();
        match work {
            Work::Packet(id, at, event) => {
                if let Some(slot) = self.slot_mut(id) {
                    slot.conn.handle_event(event);
                    self.process(id, at);
                }
            }
            Work::First(packet) if is_old(packet.at) => self.counters.attempts_dropped += 1,
            Work::First(packet) => self.route(packet),
            Work::Attempt(at, incoming) if is_old(at) => self.ignore(incoming),
            Work::Attempt(_, incoming) => self.accept(now, incoming),
        }
        self.handshakes.spent += began.elapsed();
        true
    }

    fn accept(&mut self, now: Micros, incoming: Incoming) {
        if !self.takes_connections() {
            return self.refuse(incoming);
        }
        let Some(flow) = self.take_flow() else { return self.ignore(incoming) };
        self.scratch.clear();
        self.counters.accepted += 1;
        match self.endpoint.accept(incoming, self.epoch.instant(now), &mut self.scratch, None) {
            Ok((handle, conn)) => {
                let id = self.insert(now, handle, conn, flow, false);
                self.process(id, now);
            }
            Err(error) => {
                self.give_back_flow(flow);
                self.counters.handshakes_failed += 1;
                if let Some(answer) = &error.response {
                    self.respond(answer);
                }
            }
        }
    }

    /// Gives up handshakes that took too long.
    pub(crate) fn expire_handshakes(&mut self, now: Micros) {
        while self.handshakes.next_deadline().is_some_and(|deadline| deadline <= now) {
            let (_, id) = self.handshakes.deadlines.pop_front().expect("its deadline was just seen");
            self.give_up(now, id);
        }
    }

    /// A new interval between flushes begins, with a new budget.
    pub(crate) fn refill_handshake_budget(&mut self) {
        self.handshakes.spent = Duration::ZERO;
        self.handshakes.steps = 0;
        if let Some(server) = &mut self.handshakes.server {
            server.firsts_looked_at = 0;
        }
    }
}
