//! A real server on a thread of the test.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use downbeat_replica::Game;
use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
use downbeat_transport::Trust;

pub(crate) const HZ: u32 = 60;

/// A server, of one room if nothing else is said. It ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Trust,
    pub(crate) stop: Stop,
    thread: Option<JoinHandle<ServerReport>>,
}

impl TestServer {
    pub(crate) fn start<G: Game>(game: &G::Config, players_max: u16) -> Self {
        let config = Config { rooms_max: 1, players_max, tick_rate_hz: HZ, send_rate_hz: HZ, ..Config::new(G::NAME) };
        Self::with::<G>(config, game)
    }

    /// A server that is like `config`, on any port.
    pub(crate) fn with<G: Game>(config: Config, game: &G::Config) -> Self {
        let listen = vec![Listen::Address(([127, 0, 0, 1], 0).into())];
        let config = Config { listen, seed: Some(1), ..config };
        let server: Server<G> = Server::start(&config, game, Box::new(|_| {})).expect("loopback is there");
        let (address, trust) = (server.local_addrs()[0], Trust::pinned(server.fingerprint()));
        let stop = Stop::new();
        let asked = stop.clone();
        let thread = std::thread::spawn(move || server.run(&asked).expect("the socket works"));
        Self { address, trust, stop, thread: Some(thread) }
    }

    /// Ends, and says what it measured.
    pub(crate) fn report(mut self) -> ServerReport {
        self.stop.request();
        self.thread.take().expect("it ends but once").join().expect("the test's server did not fail")
    }

    /// Ends after a while.
    pub(crate) fn stop_after(&self, time: Duration) {
        let stop = self.stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            stop.request();
        });
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the test's server failed");
        }
    }
}
