//! A handshake costs as much as hundreds of game packets, and anybody can ask for one. So first packets, attempts and the
//! packets of unfinished handshakes wait in queues, and between two flushes only a budget of that work is done.
//!
//! Packets of handshakes that were begun come first. Then strangers' first packets are looked at, a bounded number: most
//! are told to prove their address (Retry), which costs little and holds no state. Then attempts that proved their
//! address are accepted, and last a few that did not.
//!
//! Whoever only begins handshakes would hold all places for nothing. So when all are taken and somebody waits, the
//! oldest handshake of the network that holds the most is given up, unless it is young.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use downbeat_wire::Micros;
use quinn_proto::{ConnectionEvent, Incoming};

use crate::attempts::Attempts;
use crate::cid::ServerIds;
use crate::connection::Phase;
use crate::core::{Core, Packet};
use crate::event::ConnId;
use crate::inflow::InflowLimit;
use crate::limits::{ATTEMPT_AGE_MS_MAX, CROWD_PATIENCE_MS, FIRST_PACKETS_MAX, HANDSHAKE_PACKETS_MAX};
use crate::network::network_of;
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
    proven: Attempts<Incoming>,
    unproven: VecDeque<(Micros, Incoming)>,
    /// Handshakes of unproven addresses; finished ones are taken out before they are counted.
    unproven_begun: Vec<ConnId>,
    firsts_looked_at: u32,
    is_accepting: bool,
    connections_max: u64,
    half_open_max: u64,
    unproven_max: usize,
    inflow_limit: InflowLimit,
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
            proven: Attempts::default(),
            unproven: VecDeque::new(),
            unproven_begun: Vec::new(),
            firsts_looked_at: 0,
            is_accepting: true,
            connections_max: options.connections_max as u64,
            half_open_max: options.half_open_max as u64,
            unproven_max: options.unproven_max,
            inflow_limit: InflowLimit { per_s: options.packets_per_s, burst: options.packets_burst },
        };
        Self { server: Some(server), ..Self::client(&options.tuning) }
    }

    pub(crate) fn set_accepting(&mut self, is_accepting: bool) {
        if let Some(server) = &mut self.server {
            server.is_accepting = is_accepting;
        }
    }

    /// What connections may receive; a client takes what its server sends.
    pub(crate) fn inflow_limit(&self) -> Option<InflowLimit> {
        Some(self.server.as_ref()?.inflow_limit)
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
    fn next_work(&mut self, now: Micros, half_open: u64) -> Option<Work> {
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
        let is_old = |at: Micros| now.since(at) > Micros::from_millis(ATTEMPT_AGE_MS_MAX);
        let stale = server.proven.pop_stale(now);
        let stale = stale.or_else(|| Some(server.unproven.pop_front_if(|(at, _)| is_old(*at))?.1));
        if let Some(incoming) = stale {
            return Some(Work::Stale(incoming));
        }
        if half_open >= server.half_open_max {
            let is_awaited = !server.proven.is_empty() || !server.unproven.is_empty();
            return is_awaited.then_some(Work::Evict);
        }
        let proven = server.proven.pop();
        let incoming = proven.or_else(|| Some(server.unproven.pop_front()?.1))?;
        self.steps += 1;
        Some(Work::Attempt(incoming))
    }
}

/// What a step of handshake work takes from the queues.
enum Work {
    Packet(ConnId, Micros, ConnectionEvent),
    First(Packet),
    /// Its client has given up, or will try again.
    Stale(Incoming),
    /// Somebody waits for a place, and all are taken.
    Evict,
    Attempt(Incoming),
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
        let takes_unproven = self.takes_unproven();
        let server = self.handshakes.server.as_mut().expect("it takes connections");
        if incoming.remote_address_validated() {
            let network = network_of(incoming.remote_address().ip());
            if let Some(oldest) = server.proven.push(at, network, incoming) {
                self.ignore(oldest);
            }
        } else if takes_unproven {
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

    /// Whether an attempt without a proven address may wait: a forged one costs a place for as long as a handshake may
    /// take. Where proven ones wait it would only be served after them.
    fn takes_unproven(&mut self) -> bool {
        let Some(server) = &mut self.handshakes.server else { return false };
        let mut begun = std::mem::take(&mut server.unproven_begun);
        begun.retain(|&id| self.is_half_open(id));
        let Some(server) = &mut self.handshakes.server else { return false };
        server.unproven_begun = begun;
        server.unproven.len() + server.unproven_begun.len() < server.unproven_max && server.proven.is_empty()
    }

    fn is_half_open(&self, id: ConnId) -> bool {
        self.slot(id).is_some_and(|slot| slot.phase == Phase::Handshake)
    }

    /// Gives up the oldest handshake of the network that holds the most places; false when it is too young.
    fn evict(&mut self, now: Micros) -> bool {
        let mut deadlines = std::mem::take(&mut self.handshakes.deadlines);
        deadlines.retain(|&(_, id)| self.is_half_open(id));
        let mut networks: HashMap<IpAddr, (usize, Reverse<usize>)> = HashMap::new();
        for (place, &(_, id)) in deadlines.iter().enumerate() {
            let remote = self.slot(id).expect("it is half open").remote();
            networks.entry(network_of(remote.ip())).or_insert((0, Reverse(place))).0 += 1;
        }
        let victim = networks.into_values().max().map(|(_, Reverse(oldest))| deadlines[oldest]);
        self.handshakes.deadlines = deadlines;
        // What a handshake has left of its time says how old it is.
        let young = Micros((now + self.handshakes.timeout).0.saturating_sub(CROWD_PATIENCE_MS * 1_000));
        let Some((_, id)) = victim.filter(|(deadline, _)| *deadline <= young) else { return false };
        self.counters.handshakes_evicted += 1;
        self.give_up(now, id);
        true
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
        let Some(work) = self.handshakes.next_work(now, self.counters.half_open) else { return false };
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
            Work::Stale(incoming) => self.ignore(incoming),
            Work::Evict => {
                if !self.evict(now) {
                    return false;
                }
            }
            Work::Attempt(incoming) => self.accept(now, incoming),
        }
        self.handshakes.spent += began.elapsed();
        true
    }

    fn accept(&mut self, now: Micros, incoming: Incoming) {
        if !self.takes_connections() {
            return self.refuse(incoming);
        }
        let Some(flow) = self.take_flow() else { return self.ignore(incoming) };
        let is_proven = incoming.remote_address_validated();
        self.scratch.clear();
        self.counters.accepted += 1;
        match self.endpoint.accept(incoming, self.epoch.instant(now), &mut self.scratch, None) {
            Ok((handle, conn)) => {
                let id = self.insert(now, handle, conn, flow, false);
                if let Some(server) = self.handshakes.server.as_mut().filter(|_| !is_proven) {
                    server.unproven_begun.push(id);
                }
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
