//! When a server is measured, and what it prints.
//!
//! The window opens two seconds after the last client connected and lasts as long as was asked for. Processor time is
//! that of the whole process; bytes are those at its sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::wire::Wire;
use crate::{Args, Peer, machine};

/// Between the last client's arrival and the window.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);

/// Clients that are not there after this will not come.
pub(crate) const JOIN_WITHIN: Duration = Duration::from_secs(20);

/// A server goes on for this long, so that it is not its end that clients measure.
const LINGER: Duration = Duration::from_secs(1);

/// What of a server's run is measured.
pub struct ServerWindow {
    peer: Peer,
    args: Args,
    begun: Instant,
    phase: Phase,
    ticks: u64,
    fewest: usize,
}

enum Phase {
    Joining,
    WarmUp(Instant),
    Open(Marks),
    Closed(Instant),
}

/// What only grows, when the window opened.
struct Marks {
    at: Instant,
    cpu: Duration,
    wire: Wire,
    ticks: u64,
    drops: u64,
}

impl ServerWindow {
    /// A server that listens at `address`: its first line says so.
    #[must_use]
    pub fn new(peer: &Peer, args: &Args, address: SocketAddr) -> Self {
        println!("{}", json!({ "listening": address.to_string() }));
        Self {
            peer: *peer,
            args: args.clone(),
            begun: Instant::now(),
            phase: Phase::Joining,
            ticks: 0,
            fewest: usize::MAX,
        }
    }

    /// A tick has ended with so many clients. Returns whether to go on.
    pub fn tick(&mut self, connected: usize) -> bool {
        self.tick_of(self.ticks + 1, connected)
    }

    /// As [`tick`](Self::tick), of a server that counts its ticks itself.
    pub fn tick_of(&mut self, ticks: u64, connected: usize) -> bool {
        self.ticks = ticks;
        let now = Instant::now();
        match &self.phase {
            Phase::Joining if connected >= self.args.clients => self.phase = Phase::WarmUp(now),
            Phase::Joining if now - self.begun > JOIN_WITHIN => {
                println!("{}", json!({ "connected": connected, "clients": self.args.clients }));
                return false;
            }
            Phase::WarmUp(since) if now - *since >= WARM_UP => {
                let (cpu, wire, drops) = (machine::cpu(), Wire::now(), machine::kernel_drops());
                self.phase = Phase::Open(Marks { at: now, cpu, wire, ticks, drops });
            }
            Phase::Open(marks) => {
                self.fewest = self.fewest.min(connected);
                if now - marks.at >= Duration::from_secs_f64(self.args.seconds) {
                    self.report(marks, now);
                    self.phase = Phase::Closed(now);
                }
            }
            Phase::Closed(at) => return now - *at < LINGER,
            Phase::Joining | Phase::WarmUp(_) => {}
        }
        true
    }

    fn report(&self, marks: &Marks, now: Instant) {
        let cpu_us = (machine::cpu() - marks.cpu).as_secs_f64() * 1e6;
        let wire = Wire::now().since(marks.wire);
        let seconds = (now - marks.at).as_secs_f64();
        let ticks = self.ticks - marks.ticks;
        let client_ticks = self.args.clients as f64 * ticks as f64;
        let report = json!({
            "peer": self.peer.name,
            "version": self.peer.version(),
            "encryption": self.peer.encryption,
            "delta": self.peer.delta,
            "clients": self.args.clients,
            "connected": self.fewest,
            "seconds": seconds,
            "ticks": ticks,
            "ticks_per_s": ticks as f64 / seconds,
            "cpu_share": cpu_us / 1e6 / seconds,
            "server_cpu_us_per_client_tick": cpu_us / client_ticks,
            "down_wire_bytes_per_client_tick": wire.sent.wire_bytes() as f64 / client_ticks,
            "up_wire_bytes_per_client_tick": wire.received.wire_bytes() as f64 / client_ticks,
            "down_datagrams_per_client_tick": wire.sent.datagrams as f64 / client_ticks,
            "up_datagrams_per_client_tick": wire.received.datagrams as f64 / client_ticks,
            "kernel_drops": machine::kernel_drops() - marks.drops,
        });
        println!("{report}");
    }
}
