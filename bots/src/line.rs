//! What bots play over: one socket for each network that some of them are behind, all looked after by one thread. Where
//! nothing is imitated, nothing stands between a driver and the kernel.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use downbeat_link::{LinkCounters, LinkSpec};
use downbeat_transport::{
    ClientOptions, Conditioner, ConnId, ConnStats, ConnectError, ControlError, Driver, DriverCounters, Event, Flow,
    FlowKey, IdentityError, KernelSocket, Outgoing, Received, SendError, Socket, SocketCounters, SocketOptions,
};
use downbeat_wire::{CloseCode, Micros};

use crate::light_figures::Traffic;
use crate::options::BotsError;

/// A connection of one of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineConn {
    line: usize,
    conn: ConnId,
}

/// What the conditioner did to the datagrams of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) down: LinkTotal,
    pub(crate) up: LinkTotal,
}

/// What one direction of it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkTotal {
    /// Datagrams that were sent.
    pub(crate) sent: u64,
    /// Those of them that were dropped on purpose.
    pub(crate) dropped: u64,
}

impl Passed {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { down: self.down.plus(other.down), up: self.up.plus(other.up) }
    }

    /// What came since `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self { down: self.down.since(before.down), up: self.up.since(before.up) }
    }
}

impl LinkTotal {
    const fn of(link: &LinkCounters) -> Self {
        Self { sent: link.sent, dropped: link.dropped() }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { sent: self.sent + other.sent, dropped: self.dropped + other.dropped }
    }

    const fn since(self, before: Self) -> Self {
        Self { sent: self.sent - before.sent, dropped: self.dropped - before.dropped }
    }
}

/// The kernel's socket as it is, or behind a conditioner that imitates a network.
enum Line {
    Plain(Box<KernelSocket>),
    Conditioned(Box<Conditioner<KernelSocket>>),
}

/// All lines of a run.
pub(crate) struct Lines {
    drivers: Vec<Driver<Line>>,
    /// Which bot a connection belongs to, by line and [`ConnId::index`].
    owners: Vec<Vec<Option<usize>>>,
    /// The slowest way of a datagram that bots send.
    delay_max: Micros,
}

impl Lines {
    /// A line for each of `nets`; what these do to datagrams is drawn from `seed`.
    pub(crate) fn open(
        nets: &[LinkSpec],
        address: SocketAddr,
        client: &ClientOptions,
        seed: u64,
    ) -> Result<Self, BotsError> {
        let drivers = nets.iter().zip(seed..).map(|(net, seed)| open_line(net, address, client, seed));
        let drivers = drivers.collect::<Result<Vec<_>, BotsError>>()?;
        let delay_max = nets.iter().map(|net| net.latency + net.jitter).max().unwrap_or_default();
        Ok(Self { owners: vec![Vec::new(); drivers.len()], drivers, delay_max })
    }

    pub(crate) const fn delay_max(&self) -> Micros {
        self.delay_max
    }

    pub(crate) fn set_receive_time(&mut self, time: Duration) {
        self.drivers.iter_mut().for_each(|driver| driver.set_receive_time(time));
    }

    /// Begins a connection of `bot` over `line`.
    pub(crate) fn connect(
        &mut self,
        now: Micros,
        (line, bot): (usize, usize),
        (remote, server_name): (SocketAddr, &str),
        first: Option<u8>,
    ) -> Result<LineConn, ConnectError> {
        let conn = self.drivers[line].connect_to_shard(now, remote, server_name, first)?;
        let owners = &mut self.owners[line];
        if owners.len() <= conn.index() {
            owners.resize(conn.index() + 1, None);
        }
        owners[conn.index()] = Some(bot);
        Ok(LineConn { line, conn })
    }

    /// The bot that made a connection last at this one's place.
    pub(crate) fn owner(&self, conn: LineConn) -> Option<usize> {
        self.owners[conn.line].get(conn.conn.index()).copied().flatten()
    }

    pub(crate) fn receive(&mut self, now: Micros) -> io::Result<()> {
        self.drivers.iter_mut().try_for_each(|driver| driver.receive(now).map(drop))
    }

    pub(crate) fn handle_timeouts(&mut self, now: Micros) -> io::Result<()> {
        self.drivers.iter_mut().try_for_each(|driver| driver.handle_timeouts(now))
    }

    pub(crate) fn flush(&mut self, now: Micros) -> io::Result<()> {
        self.drivers.iter_mut().try_for_each(|driver| driver.flush(now))
    }

    /// The next event of any line, and whose it is.
    pub(crate) fn poll_event(&mut self) -> Option<(LineConn, Event)> {
        self.drivers.iter_mut().enumerate().find_map(|(line, driver)| {
            let event = driver.poll_event()?;
            let (Event::Connected { conn, .. }
            | Event::Datagram { conn, .. }
            | Event::Control { conn, .. }
            | Event::Reliable { conn, .. }
            | Event::Closed { conn, .. }) = event;
            Some((LineConn { line, conn }, event))
        })
    }

    pub(crate) fn next_timeout(&self) -> Option<Micros> {
        self.drivers.iter().filter_map(Driver::next_timeout).min()
    }

    /// When datagrams that a conditioner holds are due.
    pub(crate) fn next_at(&self) -> Option<Micros> {
        self.drivers.iter().filter_map(|driver| driver.socket().next_at()).min()
    }

    /// Sleeps until a datagram waits on any line or `timeout` is over.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        match self.drivers.as_mut_slice() {
            [only] => only.wait(timeout),
            several => wait_for_any(several, timeout),
        }
    }

    pub(crate) fn stats(&self, conn: LineConn) -> Option<ConnStats> {
        self.drivers[conn.line].stats(conn.conn)
    }

    /// What the conditioner did to the datagrams of `conn`.
    pub(crate) fn passed(&self, conn: LineConn) -> Passed {
        let driver = &self.drivers[conn.line];
        let Line::Conditioned(line) = driver.socket() else { return Passed::default() };
        let path = driver.flow(conn.conn).zip(driver.remote(conn.conn));
        path.map_or_else(Passed::default, |(flow, remote)| {
            let both = line.conditioned(flow, remote);
            Passed { down: LinkTotal::of(&both.inward), up: LinkTotal::of(&both.out) }
        })
    }

    /// What came over `conn`, while it is there.
    pub(crate) fn traffic(&self, conn: LineConn) -> Option<Traffic> {
        let packets = self.stats(conn)?.datagrams_in;
        Some(Traffic { packets, dropped: self.passed(conn).down.dropped })
    }

    pub(crate) fn send_datagram(&mut self, conn: LineConn, payload: &[u8]) -> Result<(), SendError> {
        self.drivers[conn.line].send_datagram(conn.conn, payload)
    }

    pub(crate) fn write_control(&mut self, now: Micros, conn: LineConn, bytes: &[u8]) -> Result<(), ControlError> {
        self.drivers[conn.line].write_control(now, conn.conn, bytes)
    }

    pub(crate) fn close(&mut self, now: Micros, conn: LineConn, code: CloseCode, reason: &str) {
        self.drivers[conn.line].close(now, conn.conn, code, reason);
    }

    pub(crate) fn abandon(&mut self, conn: LineConn) {
        self.drivers[conn.line].abandon(conn.conn);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.drivers.iter().all(Driver::is_idle)
    }

    /// What all lines counted together.
    pub(crate) fn counters(&self) -> DriverCounters {
        let mut all = DriverCounters::default();
        self.drivers.iter().for_each(|driver| all.add(&driver.counters()));
        all
    }

    /// Datagrams that conditioners had to drop because too many were under way.
    pub(crate) fn overflowed(&self) -> u64 {
        let overflowed = |driver: &Driver<Line>| match driver.socket() {
            Line::Plain(_) => 0,
            Line::Conditioned(line) => line.overflowed(),
        };
        self.drivers.iter().map(overflowed).sum()
    }
}

fn open_line(
    net: &LinkSpec,
    address: SocketAddr,
    client: &ClientOptions,
    seed: u64,
) -> Result<Driver<Line>, BotsError> {
    let socket = KernelSocket::bind(address, SocketOptions::default())?;
    let line = if net.is_perfect() {
        Line::Plain(Box::new(socket))
    } else {
        Line::Conditioned(Box::new(Conditioner::new(socket, net, seed, FlowKey::ConnectionId)))
    };
    let driver: Result<_, IdentityError> = Driver::client(client, line);
    Ok(driver?)
}

#[cfg(target_os = "linux")]
fn wait_for_any(drivers: &mut [Driver<Line>], timeout: Duration) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
    let mut sockets: Vec<_> =
        drivers.iter().map(|driver| PollFd::new(driver.socket().kernel(), PollFlags::IN)).collect();
    match poll(&mut sockets, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Without a call that waits for several sockets, each is looked into in turn.
#[cfg(not(target_os = "linux"))]
fn wait_for_any(drivers: &mut [Driver<Line>], timeout: Duration) -> io::Result<()> {
    let turn = Duration::from_micros(200).min(timeout / drivers.len().max(1) as u32);
    drivers.iter_mut().try_for_each(|driver| driver.wait(turn))
}

impl Line {
    const fn kernel(&self) -> &KernelSocket {
        match self {
            Self::Plain(socket) => socket,
            Self::Conditioned(line) => line.socket(),
        }
    }
}

impl Socket for Line {
    fn local_addr(&self) -> SocketAddr {
        self.kernel().local_addr()
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.recv_batch(now, sink),
            Self::Conditioned(line) => line.recv_batch(now, sink),
        }
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.send_batch(now, batch),
            Self::Conditioned(line) => line.send_batch(now, batch),
        }
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.wait(timeout),
            Self::Conditioned(line) => line.wait(timeout),
        }
    }

    fn counters(&self) -> SocketCounters {
        self.kernel().counters()
    }

    fn next_at(&self) -> Option<Micros> {
        match self {
            Self::Plain(socket) => socket.next_at(),
            Self::Conditioned(line) => line.next_at(),
        }
    }

    fn may_fragment(&self) -> bool {
        self.kernel().may_fragment()
    }

    fn open_flow(&mut self, flow: Flow) {
        match self {
            Self::Plain(socket) => socket.open_flow(flow),
            Self::Conditioned(line) => line.open_flow(flow),
        }
    }
}
