//! A real server on a thread of the test.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use downbeat_replica::Game;
use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
use downbeat_transport::Trust;

pub(crate) const HZ: u32 = 60;

/// A server of one room. It ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Trust,
    pub(crate) stop: Stop,
    thread: Option<JoinHandle<ServerReport>>,
}

impl TestServer {
    pub(crate) fn start<G: Game>(game: &G::Config, players_max: u16) -> Self {
        let config = Config {
            listen: vec![Listen::Address(([127, 0, 0, 1], 0).into())],
            rooms_max: 1,
            players_max,
            tick_rate_hz: HZ,
            send_rate_hz: HZ,
            seed: Some(1),
            ..Config::new(G::NAME)
        };
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
