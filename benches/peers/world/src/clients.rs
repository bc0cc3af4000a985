//! All clients of a run, in one thread, each updated once a tick. Their turns are spread over the tick, as people's are.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{JOIN_WITHIN, WARM_UP};
use crate::state::states_read;
use crate::{Args, Failure, Peer, Press, Sight, TICK, WALKERS, machine};

/// A client of some library.
pub trait Client {
    /// Reads what has come, and sends what is due: with what the player does in this tick, once it is connected.
    fn update(&mut self, press: Press);

    /// Whether it takes part.
    fn is_connected(&self) -> bool;
}

/// Turns in a tick. Clients that share one follow each other.
const TURNS: u32 = 16;

/// Clients that begin to connect in a tick.
const JOINING: usize = 8;

/// A loop that is further behind than this leaves turns out.
const BEHIND_MAX: Duration = Duration::from_millis(100);

/// What came of the clients of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// How many took part at the end.
    pub connected: usize,
    /// How long was measured.
    pub seconds: f64,
    /// States that were decoded meanwhile.
    pub states: u64,
    /// Processor time of the process.
    pub cpu: Duration,
    /// Datagrams that the kernel dropped before clients read them.
    pub drops: u64,
}

impl Played {
    /// Prints the one line of JSON.
    pub fn print(&self, peer: &Peer, args: &Args) {
        let visible = match args.visible {
            Sight::All => WALKERS as f64,
            Sight::Nearest(count) => f64::from(count),
        };
        let expected = args.clients as f64 * visible * self.seconds / TICK.as_secs_f64();
        let line = json!({
            "peer": peer.name,
            "clients": args.clients,
            "connected": self.connected,
            "seconds": self.seconds,
            "states_per_s": self.states as f64 / self.seconds,
            "states_per_client_s": self.states as f64 / self.seconds / args.clients as f64,
            "delivered_ratio": self.states as f64 / expected,
            "cpu_share": self.cpu.as_secs_f64() / self.seconds,
            "kernel_drops": self.drops,
        });
        println!("{line}");
    }

    /// What only grows, as of now.
    fn marks() -> Self {
        Self { states: states_read(), cpu: machine::cpu(), drops: machine::kernel_drops(), ..Self::default() }
    }

    fn since(self, then: &Self) -> Self {
        let (states, cpu) = (self.states - then.states, self.cpu - then.cpu);
        Self { states, cpu, drops: self.drops - then.drops, ..self }
    }
}

/// Plays with the clients that `connect` makes, and prints what came of it.
///
/// # Errors
/// When a client cannot be made, or not all get in.
pub fn play<C: Client>(
    peer: &Peer,
    args: &Args,
    mut connect: impl FnMut(usize) -> Result<C, Failure>,
) -> Result<(), Failure> {
    let mut clients: Vec<C> = Vec::new();
    let mut turns = Turns::default();
    while clients.len() < args.clients || !clients.iter().all(Client::is_connected) {
        for _ in 0..JOINING.min(args.clients - clients.len()) {
            clients.push(connect(clients.len())?);
        }
        turns.tick(&mut clients);
        if turns.begun.elapsed() > JOIN_WITHIN {
            let connected = clients.iter().filter(|client| client.is_connected()).count();
            return Err(format!("{connected} of {} clients got in", args.clients).into());
        }
    }
    let joined = Instant::now();
    while joined.elapsed() < WARM_UP {
        turns.tick(&mut clients);
    }
    let (opened, before) = (Instant::now(), Played::marks());
    let length = Duration::from_secs_f64(args.seconds);
    while opened.elapsed() < length {
        turns.tick(&mut clients);
    }
    let seconds = opened.elapsed().as_secs_f64();
    let connected = clients.iter().filter(|client| client.is_connected()).count();
    Played { connected, seconds, ..Played::marks().since(&before) }.print(peer, args);
    // The server's window may have opened a little later.
    let closed = Instant::now();
    while closed.elapsed() < Duration::from_millis(500) {
        turns.tick(&mut clients);
    }
    Ok(())
}

/// The turns of a tick, by absolute deadlines.
struct Turns {
    begun: Instant,
    due: Instant,
    tick: u32,
}

impl Default for Turns {
    fn default() -> Self {
        let now = Instant::now();
        Self { begun: now, due: now, tick: 0 }
    }
}

impl Turns {
    /// Gives each client its turn.
    fn tick(&mut self, clients: &mut [impl Client]) {
        for turn in 0..TURNS as usize {
            let now = Instant::now();
            if now > self.due + BEHIND_MAX {
                self.due = now;
            }
            thread::sleep(self.due.saturating_duration_since(now));
            self.due += TICK / TURNS;
            for (i, client) in clients.iter_mut().enumerate().skip(turn).step_by(TURNS as usize) {
                client.update(Press::of(i, self.tick));
            }
        }
        self.tick += 1;
    }
}
