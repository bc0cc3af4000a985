//! The smallest server that bots can play on: one room, one thread, no admission rules.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_replica::{Game, Micros};
use downbeat_transport::{Clock, ConnId, Driver, Event, Identity, KernelSocket, ServerOptions, SocketOptions, Trust};
use downbeat_wire::CloseCode;
use downbeat_wire::control::{ControlReader, FromClient, ServerMessage, Welcome, encode, frame};

pub(crate) const HZ: u32 = 60;

/// A server on a thread. It ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Trust,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How a test server may misbehave.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manners {
    /// Players that are let in; the rest are told that the server is full.
    pub(crate) players_max: u16,
    /// Goes down after this long.
    pub(crate) quits_after: Option<Duration>,
}

impl TestServer {
    pub(crate) fn start<G: Game>(config: G::Config, manners: Manners) -> Self {
        let identity = Identity::self_signed(&["localhost"]).expect("a good name");
        let trust = Trust::pinned(identity.fingerprint());
        let socket = KernelSocket::bind(([127, 0, 0, 1], 0).into(), SocketOptions::default()).expect("loopback");
        let driver = Driver::server(&ServerOptions::new(identity), socket).expect("a good identity");
        let address = driver.local_addr();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || serve::<G>(&config, driver, manners, &stopped));
        Self { address, trust, stop, thread: Some(thread) }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the test's server failed");
        }
    }
}

struct Ways<'a> {
    driver: &'a mut Driver<KernelSocket>,
    conns: &'a BTreeMap<SessionId, ConnId>,
}

impl Net for Ways<'_> {
    fn space(&mut self, session: SessionId) -> Option<usize> {
        self.driver.datagram_space(*self.conns.get(&session)?)
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        let _ = self.driver.send_datagram(self.conns[&session], datagram);
    }
}

fn serve<G: Game>(config: &G::Config, mut driver: Driver<KernelSocket>, manners: Manners, stop: &AtomicBool) {
    let options = RoomOptions {
        tick_rate_hz: HZ,
        send_rate_hz: HZ,
        seed: 1,
        players_max: manners.players_max,
        spectators_max: 0,
        client_bytes_per_s: 80_000,
    };
    let mut room: Room<G> = Room::new(config, options).expect("good options");
    let clock = Clock::start();
    let tick = Micros(1_000_000 / u64::from(HZ));
    let mut next_tick = tick;
    let mut readers: BTreeMap<ConnId, ControlReader> = BTreeMap::new();
    let mut conns: BTreeMap<SessionId, ConnId> = BTreeMap::new();
    let session = |conn: ConnId| SessionId(conn.index() as u32);
    while !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        driver.receive(now).expect("the socket works");
        driver.handle_timeouts(now).expect("the socket works");
        while let Some(event) = driver.poll_event() {
            match event {
                Event::Connected { conn, .. } => drop(readers.insert(conn, ControlReader::default())),
                Event::Datagram { conn, payload, at } => drop(room.receive(session(conn), at, &payload)),
                Event::Control { conn, bytes } => {
                    let Some(reader) = readers.get_mut(&conn) else { continue };
                    reader.push(&bytes);
                    let Ok(Some(FromClient::Hello(hello))) = reader.next_from_client() else { continue };
                    let Ok(player) = room.join(session(conn), &hello.name, hello.spectator) else {
                        driver.close(now, conn, CloseCode::ServerFull, CloseCode::ServerFull.reason());
                        continue;
                    };
                    conns.insert(session(conn), conn);
                    let welcome = Welcome {
                        resume: [0; 16],
                        room: 1,
                        player: player.map(|player| player.0),
                        tick_rate_hz: HZ as u16,
                        send_rate_hz: HZ as u16,
                        tick: room.present().0,
                        config: encode(config),
                    };
                    let welcome = frame(&ServerMessage::Welcome(welcome));
                    driver.write_control(now, conn, &welcome).expect("the connection is fresh");
                }
                Event::Closed { conn, .. } => {
                    readers.remove(&conn);
                    conns.remove(&session(conn));
                    room.leave(session(conn));
                }
            }
        }
        let now = clock.now();
        if manners.quits_after.is_some_and(|after| now.0 > after.as_micros() as u64) {
            for &conn in conns.values() {
                driver.close(now, conn, CloseCode::ShuttingDown, "");
            }
            driver.flush(now).expect("the socket works");
            return;
        }
        if now >= next_tick {
            next_tick = next_tick + tick;
            room.tick(now, &mut Ways { driver: &mut driver, conns: &conns });
            driver.flush(clock.now()).expect("the socket works");
        }
        let until = driver.next_timeout().unwrap_or(next_tick).min(next_tick);
        driver.wait(Duration::from_micros(until.since(clock.now()).0)).expect("the socket works");
    }
}
