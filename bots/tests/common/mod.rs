//! A real server on a thread of the test.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use downbeat_bots::{MetricsPage, Report, Verdict};
use downbeat_replica::Game;
use downbeat_server::config::TicketKeys;
use downbeat_server::control::Control;
use downbeat_server::ticket::{Audience, NewKey, Role, SigningKey, Ticket};
use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
use downbeat_transport::{Clock, Driver, Event, Identity, KernelSocket, ServerOptions, Socket, SocketOptions, Trust};
use downbeat_wire::CloseCode;

pub(crate) const HZ: u32 = 60;

/// Whether the machine had time for the bots, so that figures of time mean what they say.
pub(crate) fn is_valid(report: &Report) -> bool {
    let is_valid = !matches!(report.verdict(), Verdict::Invalid(_));
    if !is_valid {
        println!("not judged: {:?}", report.verdict());
    }
    is_valid
}

/// Whether it had time for the server, too.
pub(crate) fn had_time(report: &Report, server: &ServerReport) -> bool {
    let totals = &server.totals;
    let strained = [totals.ticks_left_out, totals.send_rates_lowered, totals.beats_unread, totals.overruns];
    let has_kept_up = strained.iter().all(|count| count * 100 <= totals.ticks);
    if !has_kept_up {
        println!("not judged: the server had no time");
    }
    has_kept_up && is_valid(report)
}

/// However little time there was: what the server sent to bots came to them, but for what was under way when they came and left.
#[track_caller]
pub(crate) fn assert_nothing_sent_was_missed(report: &Report, server: &ServerReport) {
    let rows = &report.series.rows;
    let received: f64 = rows.iter().map(|row| row.snapshots_per_s * row.seconds).sum();
    let (sent, dropped) = (server.totals.snapshots.sent as f64, server.totals.kernel_drops);
    let is_dropped = dropped > 0 || report.bots.kernel_drops != Some(0) || report.bots.dropped != Some(0);
    assert!(received < 1.001 * sent && (received > 0.9 * sent || is_dropped), "{received} of {sent} that were sent");
}

/// A server, of one room if nothing else is said. It ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Trust,
    pub(crate) stop: Stop,
    pub(crate) control: Arc<Control>,
    pub(crate) metrics: MetricsPage,
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
        let (stop, control, metrics) = (Stop::new(), server.control(), server.metrics());
        let metrics = MetricsPage::new(move || metrics.render());
        let asked = stop.clone();
        let thread = std::thread::spawn(move || server.run(&asked).expect("the socket works"));
        Self { address, trust, stop, control, metrics, thread: Some(thread) }
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

/// Carries datagrams to a server and back, until it is shut: then neither end hears of the other any more.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    shut: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let (front, back) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (front, back) = (front.expect("loopback"), back.expect("loopback"));
        back.connect(server).expect("loopback");
        let (address, shut) = (front.local_addr().expect("it is bound"), Arc::new(AtomicBool::new(false)));
        let client = Arc::new(Mutex::new(address));
        let (front_out, back_out) = (front.try_clone().expect("a socket"), back.try_clone().expect("a socket"));
        let (known, is_shut) = (Arc::clone(&client), Arc::clone(&shut));
        std::thread::spawn(move || {
            let mut datagram = [0; 2_048];
            while let Ok((length, from)) = front.recv_from(&mut datagram) {
                *known.lock().expect("nobody panics with it") = from;
                if !is_shut.load(Ordering::Relaxed) {
                    let _ = back_out.send(&datagram[..length]);
                }
            }
        });
        let is_shut = Arc::clone(&shut);
        std::thread::spawn(move || {
            let mut datagram = [0; 2_048];
            while let Ok(length) = back.recv(&mut datagram) {
                let to = *client.lock().expect("nobody panics with it");
                if !is_shut.load(Ordering::Relaxed) {
                    let _ = front_out.send_to(&datagram[..length], to);
                }
            }
        });
        Self { address, shut }
    }

    /// Shuts it after a while.
    pub(crate) fn shut_after(&self, time: Duration) {
        self.set_after(time, true);
    }

    /// Opens it again after a while.
    pub(crate) fn open_after(&self, time: Duration) {
        self.set_after(time, false);
    }

    fn set_after(&self, time: Duration, is_shut: bool) {
        let shut = Arc::clone(&self.shut);
        std::thread::spawn(move || {
            std::thread::sleep(time);
            shut.store(is_shut, Ordering::Relaxed);
        });
    }
}

/// A server that closes every connection once it has said hello, always for the same reason. Counts whom it refused.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Trust,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Refusing {
    pub(crate) fn start(code: CloseCode, reason: &'static str) -> Self {
        let identity = Identity::self_signed(&["127.0.0.1"]).expect("a good name");
        let trust = Trust::pinned(identity.fingerprint());
        let socket = KernelSocket::bind(([127, 0, 0, 1], 0).into(), SocketOptions::default()).expect("loopback");
        let address = socket.local_addr();
        let mut driver = Driver::server(&ServerOptions::new(identity), socket).expect("good options");
        let (stop, mut refused) = (Arc::new(AtomicBool::new(false)), 0);
        let is_over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let clock = Clock::start();
            while !is_over.load(Ordering::Relaxed) {
                driver.wait(Duration::from_millis(1)).expect("loopback");
                let now = clock.now();
                driver.receive(now).expect("loopback");
                driver.handle_timeouts(now).expect("loopback");
                while let Some(event) = driver.poll_event() {
                    if let Event::Control { conn, .. } = event {
                        driver.close(now, conn, code, reason);
                        refused += 1;
                    }
                }
                driver.flush(now).expect("loopback");
            }
            refused
        });
        Self { address, trust, stop, thread }
    }

    /// Ends, and says how many it refused.
    pub(crate) fn refused(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only refuses")
    }
}

/// Keys for tickets; their file goes with the test.
pub(crate) struct Keys {
    new: NewKey,
    path: PathBuf,
}

impl Keys {
    pub(crate) fn new(name: &str) -> Self {
        let new = NewKey::generate("EdDSA", "k1").expect("a known algorithm");
        let path = std::env::temp_dir().join(format!("downbeat-{name}-{}.json", std::process::id()));
        std::fs::write(&path, &new.key_set).expect("there is a folder for such files");
        Self { new, path }
    }

    /// What a server is told of them.
    pub(crate) fn accepted(&self) -> TicketKeys {
        TicketKeys { keys: self.path.clone(), audience: "downbeat".to_owned() }
    }

    /// So many tickets, each of an account of its own.
    pub(crate) fn tickets(&self, count: usize) -> Vec<String> {
        (0..count).map(|n| self.sign(n)).collect()
    }

    fn sign(&self, n: usize) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
        let ticket = Ticket {
            sub: format!("account-{n}"),
            aud: Audience::One("downbeat".to_owned()),
            exp: now + 600,
            nbf: None,
            jti: format!("ticket-{n}"),
            room: None,
            role: Role::Player,
            name: None,
        };
        let key = SigningKey::from_pem(&self.new.private_pem).expect("its own key");
        key.sign(&ticket, None).expect("ring signs")
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
