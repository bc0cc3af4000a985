//! A handshake costs as much as hundreds of game packets, and anybody can ask for one. So first packets, attempts and the
//! packets of unfinished handshakes wait in queues, and between two flushes only a budget of that work is done.
//!
//! There are three kinds of it, and whichever took less since the last flush is next, so that none keeps another out.
//! Packets wait by the network they come from ([`Fair`]), in order: those of handshakes that were begun, and apart from them
//! strangers' first ones. Of the latter a bounded number is looked at; most are told to prove their address (Retry), which
//! costs little and holds no state. And attempts are accepted, those that proved their address before a few that did not.
//!
//! Whoever only begins handshakes would hold all places for nothing. So when all are taken and somebody waits, the
//! oldest handshake of the network that holds the most is given up, unless it is young.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use downbeat_wire::{CloseCode, Micros};
use quinn_proto::Incoming;

use crate::attempts::Attempts;
use crate::cid::is_first_packet;
use crate::connection::Phase;
use crate::core::Core;
use crate::event::ConnId;
use crate::fair::Fair;
use crate::inbox::{HandshakePacket, Packet};
use crate::inflow::InflowLimit;
use crate::limits::{
    ATTEMPT_AGE_MS_MAX, CROWD_PATIENCE_MS, FIRST_PACKET_NETWORKS_MAX, HANDSHAKE_PACKETS_EACH_MAX,
    HANDSHAKE_PACKETS_MAX, HANDSHAKE_WORK_MAX,
};
use crate::network::network_of;
use crate::options::{HandshakeBudget, ServerOptions, Tuning, Turnstile};

/// First packets that are looked at between two flushes: at 8 µs each with a Retry, a millisecond.
const FIRST_PACKETS_PER_FLUSH: u32 = 128;

/// Work that waits, and how much of it may be done.
pub(crate) struct Handshakes {
    server: Option<Server>,
    timeout: Micros,
    /// Handshakes by the time at which they are given up; finished ones are skipped when they come up.
    deadlines: VecDeque<(Micros, ConnId)>,
    /// Packets of handshakes that were begun.
    begun: Fair<Waiting>,
    /// Strangers' first packets.
    firsts: Fair<Packet>,
    budget: HandshakeBudget,
    /// Nanoseconds or steps that each kind took since the last flush.
    spent: [u64; 3],
    firsts_looked_at: u32,
}

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Begun,
    First,
    Attempt,
}

/// A packet from where a handshake was begun.
enum Waiting {
    /// It has the form of a first one, as a client's answers during its handshake have: whose it is is not known yet.
    First(Packet),
    Handshake(HandshakePacket),
}

/// What only an accepting driver has.
struct Server {
    proven: Attempts<Incoming>,
    unproven: VecDeque<(Micros, Incoming)>,
    /// Handshakes of unproven addresses; finished ones are taken out before they are counted.
    unproven_begun: Vec<ConnId>,
    /// The handshake last begun from an address; finished ones are taken out when there are too many.
    begun_from: HashMap<SocketAddr, ConnId>,
    /// All places are taken, by handshakes too young to give up.
    is_crowded: bool,
    is_accepting: bool,
    connections_max: u64,
    half_open_max: u64,
    unproven_max: usize,
    inflow_limit: InflowLimit,
    turnstile: Option<Arc<dyn Turnstile>>,
}

impl Handshakes {
    pub(crate) fn client(tuning: &Tuning) -> Self {
        Self {
            server: None,
            timeout: tuning.handshake_timeout,
            deadlines: VecDeque::new(),
            begun: Fair::new(HANDSHAKE_PACKETS_MAX, HANDSHAKE_PACKETS_MAX),
            firsts: Fair::new(HANDSHAKE_PACKETS_MAX, FIRST_PACKET_NETWORKS_MAX),
            budget: tuning.handshake_budget,
            spent: [0; 3],
            firsts_looked_at: 0,
        }
    }

    pub(crate) fn server(options: &ServerOptions) -> Self {
        let server = Server {
            proven: Attempts::default(),
            unproven: VecDeque::new(),
            unproven_begun: Vec::new(),
            begun_from: HashMap::new(),
            is_crowded: false,
            is_accepting: true,
            connections_max: options.connections_max as u64,
            half_open_max: options.half_open_max as u64,
            unproven_max: options.unproven_max,
            inflow_limit: InflowLimit {
                per_s: options.packets_per_s,
                burst: options.packets_burst,
                bytes_per_s: options.upload_bytes_per_s,
            },
            turnstile: options.turnstile.clone(),
        };
        Self { server: Some(server), ..Self::client(&options.tuning) }
    }

    pub(crate) fn set_accepting(&mut self, is_accepting: bool) {
        if let Some(server) = &mut self.server {
            server.is_accepting = is_accepting;
        }
    }

    pub(crate) fn set_connections_max(&mut self, connections_max: usize) {
        if let Some(server) = &mut self.server {
            server.connections_max = connections_max as u64;
        }
    }

    pub(crate) fn set_upload(&mut self, bytes_per_s: u32) {
        if let Some(server) = &mut self.server {
            server.inflow_limit.bytes_per_s = bytes_per_s;
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

    pub(crate) fn budget(&self) -> HandshakeBudget {
        self.budget
    }

    /// What a piece of work is charged that took `lap` or so many steps; packets also to their network.
    fn charge(&mut self, kind: Kind, network: Option<IpAddr>, lap: Duration, steps: u64) {
        let cost = match self.budget {
            HandshakeBudget::Time(_) => lap.as_nanos() as u64,
            HandshakeBudget::Steps(_) => steps,
        };
        self.spent[kind as usize] += cost;
        match (kind, network) {
            (Kind::Begun, Some(network)) => self.begun.charge(network, cost.max(1)),
            (Kind::First, Some(network)) => self.firsts.charge(network, cost.max(1)),
            _ => {}
        }
    }

    fn is_spent(&self) -> bool {
        let most = match self.budget {
            HandshakeBudget::Time(most) => most.0 * 1_000,
            HandshakeBudget::Steps(most) => most.into(),
        };
        self.spent.iter().sum::<u64>() >= most
    }

    /// The next piece of work, unless it has to wait for the next flush or for a handshake to end.
    fn next_work(&mut self, now: Micros, half_open: u64) -> Option<Work> {
        if self.is_spent() {
            return None;
        }
        let mut kinds = [Kind::Begun, Kind::First, Kind::Attempt];
        kinds.sort_by_key(|&kind| self.spent[kind as usize]);
        kinds.into_iter().find_map(|kind| match kind {
            Kind::Begun => self.begun.pop().map(|(network, packet)| Work::Begun(network, packet)),
            Kind::First => self.next_first(),
            Kind::Attempt => self.server.as_mut()?.next_attempt(now, half_open),
        })
    }

    fn next_first(&mut self) -> Option<Work> {
        if self.firsts_looked_at >= FIRST_PACKETS_PER_FLUSH {
            return None;
        }
        let (network, packet) = self.firsts.pop()?;
        self.firsts_looked_at += 1;
        Some(Work::First(network, packet))
    }
}

impl Server {
    fn next_attempt(&mut self, now: Micros, half_open: u64) -> Option<Work> {
        let is_old = |at: Micros| now.since(at) > Micros::from_millis(ATTEMPT_AGE_MS_MAX);
        let stale = self.proven.pop_stale(now);
        let stale = stale.or_else(|| Some(self.unproven.pop_front_if(|(at, _)| is_old(*at))?.1));
        if let Some(incoming) = stale {
            return Some(Work::Stale(incoming));
        }
        if half_open >= self.half_open_max {
            let is_awaited = !self.proven.is_empty() || !self.unproven.is_empty();
            return (is_awaited && !self.is_crowded).then_some(Work::Evict);
        }
        let proven = self.proven.pop();
        Some(Work::Attempt(proven.or_else(|| Some(self.unproven.pop_front()?.1))?))
    }
}

/// What a step of handshake work takes from the queues.
enum Work {
    Begun(IpAddr, Waiting),
    First(IpAddr, Packet),
    /// Its client has given up, or will try again.
    Stale(Incoming),
    /// Somebody waits for a place, and all are taken.
    Evict,
    Attempt(Incoming),
}

impl Core {
    /// Lets what may be a stranger's first packet wait for budget; gives back what goes on at once.
    pub(crate) fn set_aside_first_packet(&mut self, packet: Packet) -> Option<Packet> {
        if self.handshakes.server.is_none() || !is_first_packet(&packet.data) {
            return Some(packet);
        }
        let network = network_of(packet.remote.ip());
        let has_room = if self.has_begun(packet.remote) {
            self.handshakes.begun.push(network, Waiting::First(packet))
        } else {
            self.handshakes.firsts.push(network, packet)
        };
        self.counters.attempts_dropped += u64::from(!has_room);
        None
    }

    /// Whether a handshake is under way with `remote`: what has the form of a first packet is likely an answer of its.
    fn has_begun(&self, remote: SocketAddr) -> bool {
        let begun = self.handshakes.server.as_ref().and_then(|server| server.begun_from.get(&remote));
        begun.is_some_and(|&id| self.is_half_open(id))
    }

    /// Remembers where a handshake was begun from.
    fn note_begun(&mut self, remote: SocketAddr, id: ConnId) {
        let Some(server) = &mut self.handshakes.server else { return };
        let mut begun_from = std::mem::take(&mut server.begun_from);
        if begun_from.len() as u64 >= 2 * server.half_open_max {
            begun_from.retain(|_, id| self.is_half_open(*id));
        }
        begun_from.insert(remote, id);
        if let Some(server) = &mut self.handshakes.server {
            server.begun_from = begun_from;
        }
    }

    /// Lets a packet of an unfinished handshake wait for budget, behind those that came before it.
    pub(crate) fn defer(&mut self, packet: HandshakePacket) {
        let slot = self.slots[packet.id.index()].as_deref_mut().expect("it was found just now");
        let network = network_of(slot.conn.remote_address().ip());
        let has_room = slot.handshake_packets < HANDSHAKE_PACKETS_EACH_MAX
            && self.handshakes.begun.push(network, Waiting::Handshake(packet));
        if has_room {
            slot.handshake_packets += 1;
        } else {
            self.counters.handshake_packets_dropped += 1;
        }
    }

    /// Whether another connection may begin.
    fn takes_connections(&self) -> bool {
        let held = self.counters.open + self.counters.half_open;
        self.handshakes.server.as_ref().is_some_and(|server| server.is_accepting && held < server.connections_max)
    }

    /// Decides about a new attempt: it waits, proves its address first, or is refused.
    pub(crate) fn admit(&mut self, at: Micros, incoming: Incoming) {
        if !self.takes_connections() {
            self.counters.refused += 1;
            return self.refuse(incoming);
        }
        let takes_unproven = self.takes_unproven();
        let server = self.handshakes.server.as_mut().expect("it takes connections");
        let (address, is_proven) = (incoming.remote_address().ip(), incoming.remote_address_validated());
        let passes =
            server.turnstile.as_ref().is_none_or(|turnstile| turnstile.pass(address.to_canonical(), is_proven));
        if is_proven && !passes {
            self.counters.turned_away += 1;
            return self.refuse(incoming);
        }
        if is_proven {
            let network = network_of(address);
            if let Some(oldest) = server.proven.push(at, network, incoming) {
                self.ignore(oldest);
            }
        } else if passes && takes_unproven {
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

    /// Gives up the oldest handshake of the network that holds the most places, unless it is too young.
    fn evict(&mut self, now: Micros) {
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
        let Some((_, id)) = victim.filter(|(deadline, _)| *deadline <= young) else {
            if let Some(server) = &mut self.handshakes.server {
                server.is_crowded = true;
            }
            return;
        };
        self.counters.handshakes_evicted += 1;
        self.give_up(now, id);
    }

    fn refuse(&mut self, incoming: Incoming) {
        self.scratch.clear();
        let answer = self.endpoint.refuse(incoming, &mut self.scratch);
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
        self.stopwatch.begin();
        let (kind, network) = match &work {
            Work::Begun(network, _) => (Kind::Begun, Some(*network)),
            Work::First(network, _) => (Kind::First, Some(*network)),
            Work::Stale(_) | Work::Evict | Work::Attempt(_) => (Kind::Attempt, None),
        };
        let mut steps = 1;
        let mut read = None;
        match work {
            Work::Begun(_, packet) => read = self.look_at(now, packet).map(|packet| self.read_handshake(packet)),
            Work::First(_, packet) => {
                read = self.look_at(now, Waiting::First(packet)).map(|packet| self.read_handshake(packet));
                // Looking is no step: how many first packets are looked at is bounded.
                steps = u64::from(read.is_some());
            }
            Work::Stale(incoming) => self.ignore(incoming),
            Work::Evict => self.evict(now),
            Work::Attempt(incoming) => self.accept(now, incoming),
        }
        let lap = self.stopwatch.lap();
        self.handshakes.charge(kind, network, lap, steps);
        if let Some((id, frames)) = read {
            self.note_handshake_work(now, id, self.stopwatch.cost(lap, frames));
        }
        true
    }

    /// What a packet that waited is to a handshake, if anything.
    fn look_at(&mut self, now: Micros, packet: Waiting) -> Option<HandshakePacket> {
        match packet {
            Waiting::First(packet) if now.since(packet.at) > Micros::from_millis(ATTEMPT_AGE_MS_MAX) => {
                self.counters.attempts_dropped += 1;
                None
            }
            Waiting::First(packet) => self.route(packet),
            Waiting::Handshake(packet) => {
                if let Some(slot) = self.slot_mut(packet.id) {
                    slot.handshake_packets -= 1;
                }
                Some(packet)
            }
        }
    }

    /// Lets a handshake read a packet; returns which one, and the frames that were in it.
    fn read_handshake(&mut self, packet: HandshakePacket) -> (ConnId, u64) {
        (packet.id, self.read(packet.id, packet.at, packet.event))
    }

    /// Gives up a handshake that takes the time of many.
    fn note_handshake_work(&mut self, now: Micros, id: ConnId, work: Duration) {
        let Some(slot) = self.slot_mut(id).filter(|slot| slot.phase == Phase::Handshake) else { return };
        slot.handshake_work += work;
        if slot.handshake_work > HANDSHAKE_WORK_MAX {
            self.counters.handshakes_costly += 1;
            self.close(now, id, CloseCode::Flooding, "its handshake took too long");
        }
    }

    fn accept(&mut self, now: Micros, incoming: Incoming) {
        if !self.takes_connections() {
            self.counters.refused += 1;
            return self.refuse(incoming);
        }
        let Some(flow) = self.take_flow() else { return self.ignore(incoming) };
        let (is_proven, remote) = (incoming.remote_address_validated(), incoming.remote_address());
        self.scratch.clear();
        self.counters.accepted += 1;
        match self.endpoint.accept(incoming, self.epoch.instant(now), &mut self.scratch, None) {
            Ok((handle, conn)) => {
                let id = self.insert(now, handle, conn, flow, false);
                if let Some(server) = self.handshakes.server.as_mut().filter(|_| !is_proven) {
                    server.unproven_begun.push(id);
                }
                self.note_begun(remote, id);
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
        self.handshakes.spent = [0; 3];
        self.handshakes.firsts_looked_at = 0;
        if let Some(server) = &mut self.handshakes.server {
            server.is_crowded = false;
        }
    }
}
