//! Model links alone: what is sent arrives, or not, as the link says. Connections open and close at once.

use std::collections::VecDeque;

use downbeat_link::{LinkSpec, Pipe};
use downbeat_replica::Micros;

use super::stream::{PACKET_OVERHEAD_BYTES, Stream};
use super::{Arrival, Arrived, Carrier, End};
use crate::options::Options;

/// A pair of links and a stream for each client.
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// Connections that opened or closed, for the server to hear of.
    news: VecDeque<Arrival>,
    datagram_bytes_max: usize,
}

struct Line {
    is_open: bool,
    /// What is sent over it vanishes.
    is_cut: bool,
    up: Pipe<Vec<u8>>,
    down: Pipe<Vec<u8>>,
    reliable: Stream,
    specs: (LinkSpec, LinkSpec),
    /// What draws its links' seeds, and how often it was opened.
    seed: u64,
    visits: u64,
}

impl Line {
    fn new(specs: (LinkSpec, LinkSpec), seed: u64, visits: u64) -> Self {
        // Neighbouring numbers give unrelated generators: the seed goes through splitmix in `Pcg64::seed_from_u64`.
        let seed_of = |n: u64| seed.wrapping_add(visits << 8).wrapping_add(n);
        Self {
            is_open: false,
            is_cut: false,
            up: Pipe::new(&specs.0, seed_of(0)),
            down: Pipe::new(&specs.1, seed_of(1)),
            reliable: Stream::new(&specs.1, seed_of(2)),
            specs,
            seed,
            visits,
        }
    }
}

impl Lines {
    pub(crate) fn new(options: &Options) -> Self {
        let line = |client| {
            let seed = options.seed.rotate_left(32) ^ ((client as u64) << 48);
            Line::new(options.links(client), seed, 0)
        };
        Self {
            lines: (0..options.clients.into()).map(line).collect(),
            news: VecDeque::new(),
            datagram_bytes_max: options.datagram_bytes_max,
        }
    }

    fn tell(&mut self, at: Micros, client: usize, what: Arrived) {
        self.news.push_back(Arrival { client, at, what });
    }
}

impl Carrier for Lines {
    fn open(&mut self, now: Micros, client: usize) {
        let line = &mut self.lines[client];
        *line = Line { is_open: true, ..Line::new(line.specs, line.seed, line.visits + 1) };
        self.tell(now, client, Arrived::Opened);
    }

    fn close(&mut self, now: Micros, client: usize) {
        self.lines[client].is_open = false;
        self.tell(now, client, Arrived::Closed(String::new()));
    }

    fn cut(&mut self, client: usize) {
        let line = &mut self.lines[client];
        *line = Line { is_open: line.is_open, is_cut: true, ..Line::new(line.specs, line.seed, line.visits) };
    }

    fn set_line(&mut self, client: usize, up: &LinkSpec, down: &LinkSpec) {
        let line = &mut self.lines[client];
        line.up.set_spec(up);
        line.down.set_spec(down);
        line.reliable.set_spec(down);
        line.specs = (*up, *down);
    }

    fn next_at(&self, end: End) -> Option<Micros> {
        match end {
            End::Server => {
                let ups = self.lines.iter().filter(|line| line.is_open).filter_map(|line| line.up.next_at());
                ups.chain(self.news.front().map(|news| news.at)).min()
            }
            End::Client(client) => {
                let line = Some(&self.lines[client]).filter(|line| line.is_open)?;
                [line.down.next_at(), line.reliable.next_at()].into_iter().flatten().min()
            }
        }
    }

    fn poll(&mut self, now: Micros, end: End) -> Option<Arrival> {
        match end {
            End::Server => {
                if let Some(news) = self.news.pop_front() {
                    return Some(news);
                }
                let mut lines = self.lines.iter_mut().enumerate().filter(|(_, line)| line.is_open);
                lines.find_map(|(client, line)| {
                    let (at, datagram) = line.up.poll(now)?;
                    Some(Arrival { client, at, what: Arrived::Datagram(datagram) })
                })
            }
            End::Client(client) => {
                let line = Some(&mut self.lines[client]).filter(|line| line.is_open)?;
                let reliable = line.reliable.poll(now).map(|(at, bytes)| (at, Arrived::Reliable(bytes)));
                let arrived = reliable.or_else(|| {
                    let (at, datagram) = line.down.poll(now)?;
                    Some((at, Arrived::Datagram(datagram)))
                });
                arrived.map(|(at, what)| Arrival { client, at, what })
            }
        }
    }

    fn space(&mut self, _: Micros, client: usize) -> Option<usize> {
        self.lines[client].is_open.then_some(self.datagram_bytes_max)
    }

    fn send(&mut self, now: Micros, from: End, client: usize, datagram: &[u8]) {
        let line = &mut self.lines[client];
        let is_down = from == End::Server;
        let (len, most) = (datagram.len(), self.datagram_bytes_max);
        assert!(!is_down || len <= most, "{len} bytes do not fit into {most}");
        if line.is_cut {
            return;
        }
        let pipe = if is_down { &mut line.down } else { &mut line.up };
        pipe.send(now, datagram.to_vec(), datagram.len() + PACKET_OVERHEAD_BYTES);
    }

    fn send_reliable(&mut self, now: Micros, client: usize, bytes: &[u8]) {
        let line = &mut self.lines[client];
        if !line.is_cut {
            line.reliable.send(now, bytes.to_vec());
        }
    }

    fn flush(&mut self, _: Micros, _: End) {}

    fn overflow(&self) -> Option<String> {
        self.lines.iter().enumerate().find_map(|(client, line)| {
            let (lost, waiting) = (line.up.overflowed() + line.down.overflowed(), line.reliable.bytes());
            let is_over = lost > 0 || waiting > STREAM_BYTES_MAX;
            is_over.then(|| format!("client {client}: {lost} datagrams too many, {waiting} bytes of the stream wait"))
        })
    }
}

/// Bytes of a reliable stream that may be under way: a server ends a session that lets more wait.
const STREAM_BYTES_MAX: usize = 64 * 1_024;
