//! A line that several connections share: one bottleneck with one queue, unlike the conditioner's link for each.
//! Datagrams from the low port side go through it; the way back has the latency alone. It may mark instead of dropping.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use downbeat_link::{LinkCounters, LinkSpec, Pipe};
use downbeat_transport::limits::BATCH_DATAGRAMS;
use downbeat_transport::{Outgoing, Received, Socket, SocketCounters};
use downbeat_wire::Micros;

/// IPv4 and UDP headers.
const HEADER_BYTES: usize = 28;

#[derive(Clone)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    ecn: u8,
    payload: Vec<u8>,
}

struct State {
    spec: LinkSpec,
    there: Pipe<Datagram>,
    back: Pipe<Datagram>,
    inboxes: BTreeMap<SocketAddr, VecDeque<(Micros, Datagram)>>,
    mark_above: Option<Micros>,
    marked: u64,
    queue: Micros,
    queue_max: Micros,
}

/// The line; clones are the same one.
#[derive(Clone)]
pub(crate) struct Line(Rc<RefCell<State>>);

impl Line {
    pub(crate) fn new(net: &str, seed: u64) -> Self {
        let spec: LinkSpec = net.parse().expect("a link");
        let plain = LinkSpec { latency: spec.latency, jitter: spec.jitter, ..LinkSpec::PERFECT };
        Self(Rc::new(RefCell::new(State {
            spec,
            there: Pipe::new(&spec, seed),
            back: Pipe::new(&plain, seed ^ 0xb),
            inboxes: BTreeMap::new(),
            mark_above: None,
            marked: 0,
            queue: Micros(0),
            queue_max: Micros(0),
        })))
    }

    /// Marks what waits longer than this instead of letting it pass unmarked, where the sender understands marks.
    pub(crate) fn mark_above(&self, wait: Micros) {
        self.0.borrow_mut().mark_above = Some(wait);
    }

    pub(crate) fn set_spec(&self, net: &str) {
        let spec: LinkSpec = net.parse().expect("a link");
        let mut state = self.0.borrow_mut();
        state.spec = spec;
        state.there.set_spec(&spec);
    }

    pub(crate) fn counters(&self) -> LinkCounters {
        self.0.borrow().there.counters()
    }

    pub(crate) fn marked(&self) -> u64 {
        self.0.borrow().marked
    }

    /// The longest wait in the queue since the last call.
    pub(crate) fn take_queue_max(&self) -> Micros {
        std::mem::take(&mut self.0.borrow_mut().queue_max)
    }

    /// A socket on the senders' side of the line.
    pub(crate) fn sender(&self, address: SocketAddr) -> LineSocket {
        LineSocket { line: self.clone(), address, is_sender: true }
    }

    /// A socket on the far side.
    pub(crate) fn receiver(&self, address: SocketAddr) -> LineSocket {
        LineSocket { line: self.clone(), address, is_sender: false }
    }

    pub(crate) fn send(&self, now: Micros, is_sender: bool, from: SocketAddr, to: SocketAddr, ecn: u8, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        let datagram = |ecn| Datagram { from, to, ecn, payload: bytes.to_vec() };
        let size = bytes.len() + HEADER_BYTES;
        if !is_sender {
            state.back.send(now, datagram(ecn), size);
            return;
        }
        // The wait of a packet is known once it is in the queue: its mark goes to the next one.
        let is_marked = ecn != 0 && state.mark_above.is_some_and(|most| state.queue > most);
        let ecn = if is_marked { 3 } else { ecn };
        state.marked += u64::from(is_marked);
        let fate = state.there.send(now, datagram(ecn), size);
        if let Some(at) = fate.arrivals().next() {
            state.queue = at.since(now).since(state.spec.latency + state.spec.jitter);
            state.queue_max = state.queue_max.max(state.queue);
        }
    }

    fn recv(&self, now: Micros, address: SocketAddr) -> Option<(Micros, Datagram)> {
        let state = &mut *self.0.borrow_mut();
        for pipe in [&mut state.there, &mut state.back] {
            while let Some((at, datagram)) = pipe.poll(now) {
                state.inboxes.entry(datagram.to).or_default().push_back((at, datagram));
            }
        }
        state.inboxes.get_mut(&address)?.pop_front()
    }
}

/// An end of a line.
pub(crate) struct LineSocket {
    line: Line,
    address: SocketAddr,
    is_sender: bool,
}

impl LineSocket {
    pub(crate) fn send(&self, now: Micros, to: SocketAddr, ecn: u8, bytes: &[u8]) {
        self.line.send(now, self.is_sender, self.address, to, ecn, bytes);
    }
}

impl Socket for LineSocket {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        let mut count = 0;
        while count < BATCH_DATAGRAMS {
            let Some((at, datagram)) = self.line.recv(now, self.address) else { break };
            let Datagram { from, ecn, payload, .. } = datagram;
            sink(Received { at, remote: from, local_ip: None, ecn, payload: &payload });
            count += 1;
        }
        Ok(count)
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        for datagram in batch.datagrams() {
            self.send(now, datagram.remote, datagram.ecn, &datagram.payload);
        }
        batch.clear();
        Ok(())
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn counters(&self) -> SocketCounters {
        SocketCounters::default()
    }
}
