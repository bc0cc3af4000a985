//! The pace. The server's core drains its socket four times a tick and speaks at the tick; the load's core lets groups of
//! clients, each on a socket, receive and speak one after the other all through the tick. Both follow one clock.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use downbeat_replica::Micros;
use downbeat_transport::Clock;

use super::{DriverEnd, End, FloorEnd, Traffic, broken};
use crate::allocations::Owners;
use crate::clock::thread_cpu;
use crate::statistics::percentile;
use crate::{BenchError, allocations};

/// A tick at 60 Hz.
pub(crate) const TICK: Micros = Micros(16_667);

/// What is said to a client, and what a client says, in each tick.
pub(crate) const DOWN_BYTES: usize = 200;
pub(crate) const UP_BYTES: usize = 60;

/// How often the server drains its socket in a tick.
const DRAINS: u64 = 4;

/// Sockets that the clients share.
const GROUPS: usize = 8;

/// Ticks before it counts, and ticks without datagrams after it, so that no acknowledgement is left for the next time.
const WARM_UP_TICKS: u64 = 12;
const REST_TICKS: u64 = 6;

/// Time in which everybody must have joined.
const JOIN_WITHIN: Micros = Micros::from_millis(60_000);

/// The cores of server and load.
const SERVER_CPU: usize = 0;
const LOAD_CPU: usize = 1;

/// Which pair of ends plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Driver,
}

/// What a server's end did while it was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Processor time of its thread.
    pub(crate) cpu: Duration,
    /// Allocations of its thread.
    pub(crate) allocations: u64,
    pub(crate) traffic: Traffic,
    /// By how much the load was late, p99.
    pub(crate) load_late_us: f64,
}

/// The server's ends, and the way to the load.
pub(crate) struct Duel {
    clock: Clock,
    driver: DriverEnd,
    floor: FloorEnd,
    orders: Sender<Order>,
    answers: Receiver<Result<Played, BenchError>>,
}

/// What the load is told.
enum Order {
    /// Play from `start` for so many ticks.
    Play { kind: Kind, start: Micros, ticks: u64 },
    /// The floor's packets are this long, as UDP payload.
    Packets(usize),
}

/// What the load answers.
struct Played {
    late_us: f64,
    traffic: Traffic,
}

impl Duel {
    /// Begins the load on its core, and lets `clients` join the driver. The calling thread is the server.
    pub(crate) fn begin(clients: usize) -> Result<Self, BenchError> {
        pin(SERVER_CPU)?;
        let clock = Clock::start();
        let mut driver = DriverEnd::server(DOWN_BYTES, TICK)?;
        let floor = FloorEnd::server(clients)?;
        let servers = (driver.local_addr(), floor.local_addr());
        let ((orders, ordered), (answer, answers)) = (channel(), channel());
        thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || {
                let end = Load::begin(clock, servers, clients).and_then(|load| load.obey(&ordered, &answer));
                // Nobody listens any more: then nobody asks.
                let _ = end.map_err(|error| answer.send(Err(error)));
            })
            .map_err(broken)?;
        join(&clock, std::slice::from_mut(&mut driver), clients)?;
        Ok(Self { clock, driver, floor, orders, answers })
    }

    /// Makes the floor's packets as long as the driver's were, in `traffic` of the server.
    pub(crate) fn set_packets(&mut self, traffic: &Traffic) -> Result<(), BenchError> {
        let mean = |bytes: u64, packets: u64| (bytes as f64 / packets.max(1) as f64).round() as usize;
        self.floor.set_packet_bytes(mean(traffic.bytes_out, traffic.packets_out));
        self.order(Order::Packets(mean(traffic.bytes_in, traffic.packets_in)))
    }

    /// Lets one pair play for so many ticks after a warm-up.
    pub(crate) fn play(&mut self, kind: Kind, ticks: u64) -> Result<Measured, BenchError> {
        self.turn(kind, ticks, |serve| (serve(), ())).map(|(measured, ())| measured)
    }

    /// Lets the driver play for so many ticks, and tells whose code allocates in the server's thread meanwhile.
    pub(crate) fn owners(&mut self, ticks: u64) -> Result<Owners, BenchError> {
        let (_, owners) = self.turn(Kind::Driver, ticks, |serve| allocations::attribute(serve))?;
        Ok(owners)
    }

    /// One turn; `watch` calls the part of it that is measured.
    fn turn<T>(
        &mut self,
        kind: Kind,
        ticks: u64,
        watch: impl FnOnce(&mut dyn FnMut() -> Result<(), BenchError>) -> (Result<(), BenchError>, T),
    ) -> Result<(Measured, T), BenchError> {
        let start = self.clock.now() + TICK;
        self.order(Order::Play { kind, start, ticks: WARM_UP_TICKS + ticks })?;
        let end: &mut dyn End = match kind {
            Kind::Floor => &mut self.floor,
            Kind::Driver => &mut self.driver,
        };
        serve(&self.clock, start, WARM_UP_TICKS, end)?;
        let before = (thread_cpu(), allocations::count(), end.traffic());
        let start = start + Micros(WARM_UP_TICKS * TICK.0);
        let (served, watched) = watch(&mut || serve(&self.clock, start, ticks, end));
        served?;
        let cpu = thread_cpu().zip(before.0).map(|(after, before)| after.saturating_sub(before));
        let allocations = allocations::count() - before.1;
        let traffic = end.traffic().since(&before.2);
        rest(&self.clock, start + Micros(ticks * TICK.0), end)?;
        let played = self.answers.recv().map_err(broken)??;
        if played.traffic.drops > 0 || played.traffic.unsaid > 0 {
            return Err(BenchError::Invalid(format!("the load did not play its part: {:?}", played.traffic)));
        }
        let cpu = cpu.ok_or_else(|| broken("the system does not tell a thread's processor time"))?;
        Ok((Measured { cpu, allocations, traffic, load_late_us: played.late_us }, watched))
    }

    fn order(&self, order: Order) -> Result<(), BenchError> {
        let Err(gone) = self.orders.send(order) else { return Ok(()) };
        // The load said why before it ended.
        Err(match self.answers.recv() {
            Ok(Err(error)) => error,
            _ => broken(gone),
        })
    }
}

/// All clients, in groups.
struct Load {
    clock: Clock,
    drivers: Vec<DriverEnd>,
    floors: Vec<FloorEnd>,
}

impl Load {
    fn begin(clock: Clock, (driver, floor): (SocketAddr, SocketAddr), clients: usize) -> Result<Self, BenchError> {
        pin(LOAD_CPU)?;
        let (mut drivers, mut floors, mut first) = (Vec::new(), Vec::new(), 0);
        for group in 0..GROUPS {
            let count = (clients - first) / (GROUPS - group);
            drivers.push(DriverEnd::clients(clock.now(), driver, count, UP_BYTES)?);
            floors.push(FloorEnd::clients(floor, first as u32, count)?);
            first += count;
        }
        join(&clock, &mut drivers, clients)?;
        Ok(Self { clock, drivers, floors })
    }

    /// Does what it is told until nobody is left to tell.
    fn obey(
        mut self,
        orders: &Receiver<Order>,
        answers: &Sender<Result<Played, BenchError>>,
    ) -> Result<(), BenchError> {
        for order in orders {
            match order {
                Order::Packets(bytes) => self.floors.iter_mut().for_each(|floor| floor.set_packet_bytes(bytes)),
                Order::Play { kind: Kind::Floor, start, ticks } => {
                    let played = play(&self.clock, start, ticks, &mut self.floors)?;
                    answers.send(Ok(played)).map_err(broken)?;
                }
                Order::Play { kind: Kind::Driver, start, ticks } => {
                    let played = play(&self.clock, start, ticks, &mut self.drivers)?;
                    answers.send(Ok(played)).map_err(broken)?;
                }
            }
        }
        Ok(())
    }
}

/// The server's ticks.
fn serve(clock: &Clock, start: Micros, ticks: u64, end: &mut dyn End) -> Result<(), BenchError> {
    for part in 0..ticks * DRAINS {
        sleep_until(clock, start + Micros(part * TICK.0 / DRAINS));
        let now = clock.now();
        end.receive(now)?;
        if part % DRAINS == 0 {
            end.speak(now)?;
        }
    }
    Ok(())
}

/// Ticks in which nothing is said.
fn rest(clock: &Clock, start: Micros, end: &mut dyn End) -> Result<(), BenchError> {
    for tick in 0..REST_TICKS {
        sleep_until(clock, start + Micros(tick * TICK.0));
        end.receive(clock.now())?;
        end.rest(clock.now())?;
    }
    Ok(())
}

/// The load's ticks: each group has its moment, off the server's.
fn play<E: End>(clock: &Clock, start: Micros, ticks: u64, groups: &mut [E]) -> Result<Played, BenchError> {
    let before = sum(groups);
    let parts = groups.len() as u64;
    let mut late_us = Vec::new();
    for tick in 0..ticks + REST_TICKS {
        for (part, group) in (0..).zip(&mut *groups) {
            let due = start + Micros(tick * TICK.0 + (2 * part + 1) * TICK.0 / (2 * parts));
            sleep_until(clock, due);
            let now = clock.now();
            late_us.push(now.since(due).0 as f64);
            group.receive(now)?;
            if tick < ticks { group.speak(now)? } else { group.rest(now)? }
        }
    }
    Ok(Played { late_us: percentile(&late_us, 99), traffic: sum(groups).since(&before) })
}

fn sum<E: End>(ends: &[E]) -> Traffic {
    ends.iter().fold(Traffic::default(), |sum, end| sum.and(&end.traffic()))
}

/// Drives `ends` until `count` handshakes are complete, and a little longer: the peers' may take another packet.
pub(crate) fn join(clock: &Clock, ends: &mut [DriverEnd], count: usize) -> Result<(), BenchError> {
    let until = clock.now() + JOIN_WITHIN;
    let mut left = 100;
    while left > 0 {
        for end in &mut *ends {
            end.receive(clock.now())?;
            end.rest(clock.now())?;
        }
        let joined: usize = ends.iter().map(DriverEnd::joined).sum();
        left -= u32::from(joined == count);
        if clock.now() > until {
            return Err(BenchError::Transport(format!("{joined} of {count} clients joined in time")));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn sleep_until(clock: &Clock, at: Micros) {
    let rest = at.since(clock.now());
    if rest > Micros(0) {
        thread::sleep(Duration::from_micros(rest.0));
    }
}

/// Keeps this thread on one core.
pub(crate) fn pin(cpu: usize) -> Result<(), BenchError> {
    #[cfg(target_os = "linux")]
    {
        let mut set = rustix::thread::CpuSet::new();
        set.set(cpu);
        rustix::thread::sched_setaffinity(None, &set).map_err(broken)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = cpu;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pairs_hear_what_was_said_in_packets_of_one_length() {
        let clients = 16;
        let mut duel = Duel::begin(clients).expect("two cores and loopback");
        let driver = duel.play(Kind::Driver, 30).expect("everybody plays").traffic;
        duel.set_packets(&driver).expect("the load is there");
        let floor = duel.play(Kind::Floor, 30).expect("everybody plays").traffic;
        for traffic in [driver, floor] {
            assert_eq!((traffic.unsaid, traffic.drops), (0, 0), "{traffic:?}");
            // A group may count once more or less at either edge.
            assert!(traffic.heard.abs_diff(30 * 16) <= 16 && traffic.packets_out >= 30 * 16, "{traffic:?}");
        }
        let lengths = |traffic: Traffic| {
            let mean = |bytes: u64, packets: u64| (bytes as f64 / packets as f64).round();
            (mean(traffic.bytes_in, traffic.packets_in), mean(traffic.bytes_out, traffic.packets_out))
        };
        assert_eq!(lengths(driver), lengths(floor));
    }
}
