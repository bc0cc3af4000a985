//! What a connection costs that does nothing. Its peers live in another process, so that all memory here is the server's.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use downbeat_replica::Micros;
use downbeat_transport::Clock;

use super::play::{DOWN_BYTES, TICK, UP_BYTES, join};
use super::{DriverEnd, End, broken};
use crate::{BenchError, allocations};

/// Idle for this long: MTU discovery is over, the first pings were answered.
const IDLE_FOR: Micros = Micros::from_millis(4_000);

/// The other process ends by itself if nobody ends it.
const IDLERS_LAST: Micros = Micros::from_millis(60_000);

/// Memory of a connection in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// What the driver asked for.
    pub(crate) asked: f64,
    /// By what the process grew; `None` where the system does not tell.
    pub(crate) resident: Option<f64>,
}

impl Footprint {
    /// The larger of both.
    pub(crate) fn bytes(&self) -> f64 {
        self.resident.map_or(self.asked, |resident| resident.max(self.asked))
    }
}

/// Measures the server's memory of `count` connections that were used once.
pub(crate) fn footprint(count: usize) -> Result<Footprint, BenchError> {
    let clock = Clock::start();
    let mut server = DriverEnd::server(DOWN_BYTES, TICK)?;
    let _idlers = Idlers::start(server.local_addr(), count)?;
    let before = (allocations::live_bytes(), resident_bytes());
    join(&clock, std::slice::from_mut(&mut server), count)?;
    server.speak(clock.now())?;
    idle(&clock, &mut server, IDLE_FOR)?;
    let each = |bytes: f64| bytes / count as f64;
    let asked = each((allocations::live_bytes() - before.0) as f64);
    let resident = resident_bytes().zip(before.1).map(|(after, before)| each(after as f64 - before as f64));
    Ok(Footprint { asked, resident })
}

/// The other process: `count` clients of `server` that say one thing and nothing more.
pub(crate) fn idlers(server: SocketAddr, count: usize) -> Result<(), BenchError> {
    let clock = Clock::start();
    let mut clients = DriverEnd::clients(clock.now(), server, count, UP_BYTES)?;
    join(&clock, std::slice::from_mut(&mut clients), count)?;
    clients.speak(clock.now())?;
    idle(&clock, &mut clients, IDLERS_LAST)
}

fn idle(clock: &Clock, end: &mut DriverEnd, time: Micros) -> Result<(), BenchError> {
    let until = clock.now() + time;
    while clock.now() < until {
        std::thread::sleep(Duration::from_millis(5));
        end.receive(clock.now())?;
        end.rest(clock.now())?;
    }
    Ok(())
}

/// The process of the idle clients; it ends with this.
struct Idlers(Child);

impl Idlers {
    fn start(server: SocketAddr, count: usize) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(broken)?;
        let mut command = Command::new(program);
        command.arg("idlers").arg(server.to_string()).arg(count.to_string()).stdin(Stdio::null());
        command.stdout(Stdio::null()).spawn().map(Self).map_err(broken)
    }
}

impl Drop for Idlers {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Memory of this process that is in use.
fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
        let resident: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
        Some(resident * rustix::param::page_size() as u64)
    }
    #[cfg(not(target_os = "linux"))]
    None
}
