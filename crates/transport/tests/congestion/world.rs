//! Senders of both kinds on one line, a driver that receives, and a clock.

use std::net::SocketAddr;

use bytes::Bytes;
use downbeat_transport::{ConnId, ConnStats, Driver, Event};
use downbeat_wire::Micros;

use crate::common::{SERVER, client_options, server_options};
use crate::line::{Line, LineSocket};
use crate::stock::Stock;

/// What a sender has to send.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// As much as it may.
    Greedy,
    /// A datagram of this many bytes in each tick of so many a second.
    Game { bytes: usize, rate: u64 },
}

enum Kind {
    Ours { driver: Box<Driver<LineSocket>>, conn: ConnId, is_open: bool },
    Stock(Box<Stock>),
}

struct Sender {
    kind: Kind,
    load: Load,
    address: SocketAddr,
    starts: Micros,
    next_tick: Micros,
    /// Ticks that passed, and those of them that were sent.
    ticks: (u64, u64),
}

/// Senders and what arrived of each.
pub(crate) struct World {
    pub(crate) line: Line,
    pub(crate) now: Micros,
    sink: Driver<LineSocket>,
    senders: Vec<Sender>,
    /// Payload bytes by sender.
    pub(crate) arrived: Vec<u64>,
    peers: Vec<(ConnId, usize)>,
    /// How often acknowledgements leave.
    pub(crate) sink_flush_us: u64,
}

const BULK_BYTES: usize = 1_100;

impl World {
    pub(crate) fn new(line: &Line) -> Self {
        let sink = Driver::server(&server_options(), line.receiver(SERVER.into())).expect("good options");
        Self {
            line: line.clone(),
            now: Micros(0),
            sink,
            senders: Vec::new(),
            arrived: Vec::new(),
            peers: Vec::new(),
            sink_flush_us: 1_000,
        }
    }

    fn add(&mut self, load: Load, starts: Micros, kind: impl FnOnce(LineSocket, u8) -> Kind) {
        let n = self.senders.len() as u8;
        let address = SocketAddr::from(([10, 0, 1, n], 5_000));
        let kind = kind(self.line.sender(address), n);
        self.senders.push(Sender { kind, load, address, starts, next_tick: Micros(0), ticks: (0, 0) });
        self.arrived.push(0);
    }

    /// A sender with our controller, capped at `cap` bytes a second.
    pub(crate) fn ours(&mut self, load: Load, starts: Micros, cap: u64) -> usize {
        let now = self.now;
        self.add(load, starts, |socket, n| {
            let mut options = client_options();
            options.tuning.seed = Some([n + 10; 32]);
            options.tuning.rate_cap_bytes_per_s = cap;
            let mut driver = Box::new(Driver::client(&options, socket).expect("good options"));
            let conn = driver.connect(now, SERVER.into(), "localhost").expect("a good address");
            Kind::Ours { driver, conn, is_open: false }
        });
        self.senders.len() - 1
    }

    /// A sender as quinn-proto comes, with Cubic.
    pub(crate) fn cubic(&mut self, load: Load, starts: Micros) -> usize {
        let now = self.now;
        self.add(load, starts, |socket, n| Kind::Stock(Box::new(Stock::connect(socket, now, SERVER.into(), n + 10))));
        self.senders.len() - 1
    }

    /// Path and traffic of one of ours.
    pub(crate) fn stats(&self, of: usize) -> ConnStats {
        match &self.senders[of].kind {
            Kind::Ours { driver, conn, .. } => driver.stats(*conn).expect("open"),
            Kind::Stock(stock) => ConnStats { window_bytes: stock.window(), ..ConnStats::default() },
        }
    }

    /// Ticks of a game that passed, and those of them whose datagram was taken.
    pub(crate) fn ticks(&self, of: usize) -> (u64, u64) {
        self.senders[of].ticks
    }

    /// Lets `seconds` pass and tells the payload bytes a second that arrived of each sender.
    pub(crate) fn run(&mut self, seconds: f64) -> Vec<f64> {
        let before = self.arrived.clone();
        let end = self.now + Micros((seconds * 1e6) as u64);
        while self.now < end {
            self.now = self.now + Micros(1_000);
            self.step();
        }
        self.arrived.iter().zip(before).map(|(now, before)| (now - before) as f64 / seconds).collect()
    }

    fn step(&mut self) {
        let now = self.now;
        self.sink.receive(now).expect("memory");
        self.sink.handle_timeouts(now).expect("memory");
        while let Some(event) = self.sink.poll_event() {
            match event {
                Event::Connected { conn, remote } => {
                    let of = self.senders.iter().position(|sender| sender.address == remote).expect("one of them");
                    self.peers.push((conn, of));
                }
                Event::Datagram { conn, payload, .. } => {
                    let of = self.peers.iter().find(|(peer, _)| *peer == conn).expect("connected").1;
                    self.arrived[of] += payload.len() as u64;
                }
                Event::Closed { reason, .. } => panic!("{reason:?}"),
                Event::Control { .. } | Event::Reliable { .. } => {}
            }
        }
        if now.0.is_multiple_of(self.sink_flush_us) {
            self.sink.flush(now).expect("memory");
        }
        for sender in &mut self.senders {
            sender.step(now);
        }
    }
}

impl Sender {
    fn step(&mut self, now: Micros) {
        match &mut self.kind {
            Kind::Ours { driver, conn, is_open } => {
                driver.receive(now).expect("memory");
                driver.handle_timeouts(now).expect("memory");
                while let Some(event) = driver.poll_event() {
                    *is_open |= matches!(event, Event::Connected { .. });
                    assert!(!matches!(event, Event::Closed { .. }), "{event:?}");
                }
                let conn = *conn;
                if !*is_open || now < self.starts {
                    driver.flush(now).expect("memory");
                    return;
                }
                match self.load {
                    Load::Greedy => {
                        driver.flush(now).expect("memory");
                        while driver.send_datagram(conn, &[0; BULK_BYTES]).is_ok() {
                            driver.flush(now).expect("memory");
                        }
                    }
                    Load::Game { bytes, rate } => {
                        if now >= self.next_tick {
                            self.next_tick = self.next_tick.max(now) + Micros(1_000_000 / rate);
                            let is_sent = driver.datagram_space(conn).is_some_and(|space| space >= bytes)
                                && driver.send_datagram(conn, &vec![0; bytes]).is_ok();
                            self.ticks = (self.ticks.0 + 1, self.ticks.1 + u64::from(is_sent));
                            driver.flush(now).expect("memory");
                        }
                    }
                }
            }
            Kind::Stock(stock) => {
                stock.pump(now);
                if now >= self.starts {
                    match self.load {
                        Load::Greedy => stock.fill(&Bytes::from_static(&[0; BULK_BYTES])),
                        Load::Game { bytes, rate } => {
                            if now >= self.next_tick {
                                self.next_tick = self.next_tick.max(now) + Micros(1_000_000 / rate);
                                let is_sent = stock.send(&Bytes::from(vec![0; bytes]));
                                self.ticks = (self.ticks.0 + 1, self.ticks.1 + u64::from(is_sent));
                            }
                        }
                    }
                }
                stock.flush(now);
            }
        }
    }
}
