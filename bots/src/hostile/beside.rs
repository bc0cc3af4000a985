//! Attacks beside the match, on a thread of their own: who plays is not held up by them but for the server's sake.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use downbeat_transport::{ClientOptions, Clock, Driver, KernelSocket, SocketOptions};
use downbeat_wire::Micros;
use downbeat_wire::control::Hello;

use super::Kind;
use super::tamper::Switch;
use super::visitor::Visitor;
use crate::options::Options;
use crate::reasons::Reasons;
use crate::run::own_address;

/// What is to be done.
pub(crate) struct Orders {
    pub(crate) kind: Kind,
    /// How many do it.
    pub(crate) count: usize,
    pub(crate) options: Options,
    /// What an honest bot says when it comes.
    pub(crate) hello: Hello,
    /// The tickets that let the others in.
    pub(crate) tickets: Vec<String>,
    /// When the attack begins, since the run did.
    pub(crate) began: Micros,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Connections or handshakes that were begun.
    pub(crate) attempts: u64,
    /// Those of them that were let in.
    pub(crate) admitted: u64,
    /// How they ended.
    pub(crate) reasons: Reasons,
    pub(crate) datagrams: u64,
}

/// An attack that is under way.
pub(crate) struct Beside {
    stop: Switch,
    thread: JoinHandle<Outcome>,
}

/// From one turn of all attackers to the next.
const TURN: Duration = Duration::from_millis(1);

/// Handshakes that one attacker begins in a second.
const HALF_OPEN_PER_S: u64 = 200;

impl Beside {
    pub(crate) fn start(orders: Orders) -> Self {
        let stop = Switch::default();
        let asked = stop.clone();
        let thread = std::thread::Builder::new().name("hostile".into()).spawn(move || attack(&orders, &asked));
        Self { stop, thread: thread.expect("a process can start another thread") }
    }

    /// Ends it, and says what came of it; nothing if it does not end in time.
    pub(crate) fn finish(self, patience: Duration) -> Outcome {
        self.stop.set(true);
        let until = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(TURN);
        }
        if self.thread.is_finished() { self.thread.join().unwrap_or_default() } else { Outcome::default() }
    }
}

/// One of those who attack.
pub(crate) trait Attacker {
    /// Does what is due at `now`.
    ///
    /// # Errors
    /// When its socket is of no use.
    fn turn(&mut self, now: Micros, outcome: &mut Outcome) -> std::io::Result<()>;

    /// Takes leave.
    fn leave(&mut self, now: Micros);
}

fn attack(orders: &Orders, stop: &Switch) -> Outcome {
    let clock = Clock::start();
    let mut outcome = Outcome::default();
    let mut attackers: Vec<Box<dyn Attacker>> = Vec::new();
    for index in 0..orders.count {
        match driver(&orders.options) {
            Ok(driver) if orders.kind == Kind::HalfOpen => attackers.push(Box::new(HalfOpen::new(driver, orders))),
            Ok(driver) => attackers.push(Box::new(Visitor::new(driver, orders, index))),
            Err(why) => outcome.reasons.add(orders.began + clock.now(), false, None, why),
        }
    }
    while !stop.is_on() {
        for attacker in &mut attackers {
            if let Err(error) = attacker.turn(clock.now(), &mut outcome) {
                outcome.reasons.add(orders.began + clock.now(), false, None, error.to_string());
            }
        }
        std::thread::sleep(TURN);
    }
    attackers.iter_mut().for_each(|attacker| attacker.leave(clock.now()));
    outcome
}

/// A client of its own, from an address of its own where the server is on this machine: what is limited by address then is
/// limited for attackers alone.
fn driver(options: &Options) -> Result<Driver<KernelSocket>, String> {
    let usual = own_address(options.connect);
    let other = match usual.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => SocketAddr::from(([127, 0, 0, 2], 0)),
        _ => usual,
    };
    // Not every system has the whole network on its loopback.
    let socket = KernelSocket::bind(other, SocketOptions::default())
        .or_else(|_| KernelSocket::bind(usual, SocketOptions::default()))
        .map_err(|error| format!("no socket: {error}"))?;
    Driver::client(&ClientOptions::new(options.trust.clone()), socket).map_err(|error| error.to_string())
}

/// Begins handshakes and ends none.
struct HalfOpen {
    driver: Driver<KernelSocket>,
    server: SocketAddr,
    name: String,
    began: Option<Micros>,
    begun: u64,
}

impl HalfOpen {
    fn new(driver: Driver<KernelSocket>, orders: &Orders) -> Self {
        let Options { connect, server_name, .. } = &orders.options;
        let name = server_name.clone().unwrap_or_else(|| connect.ip().to_string());
        Self { driver, server: *connect, name, began: None, begun: 0 }
    }
}

impl Attacker for HalfOpen {
    fn turn(&mut self, now: Micros, outcome: &mut Outcome) -> std::io::Result<()> {
        let began = *self.began.get_or_insert(now);
        while self.begun * 1_000_000 < now.since(began).0 * HALF_OPEN_PER_S {
            self.begun += 1;
            let Ok(conn) = self.driver.connect(now, self.server, &self.name) else { break };
            outcome.attempts += 1;
            self.driver.flush(now)?;
            self.driver.abandon(conn);
        }
        // What the server says to them is read, and means nothing to anybody.
        self.driver.receive(now)?;
        self.driver.handle_timeouts(now)?;
        while self.driver.poll_event().is_some() {}
        Ok(())
    }

    fn leave(&mut self, _: Micros) {}
}
