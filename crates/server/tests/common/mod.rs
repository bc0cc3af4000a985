//! A live server on a thread of its own, and clients that talk to it over loopback: honest ones and others.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use downbeat_client::{Client, Start};
use downbeat_field::{Field, Input};
use downbeat_replica::bits::BitWriter;
use downbeat_replica::codec::Model;
use downbeat_replica::{Game, InputFrame, Schema, neutral};
use downbeat_server::control::{Control, Hooks};
use downbeat_server::ticket::{Audience, NewKey, Role, SigningKey, Ticket};
use downbeat_server::{Config, Listen, Metrics, Notice, Notify, Progress, Server, ServerReport, Stop};
use downbeat_transport::{
    ClientOptions, Clock, CloseReason, ConnId, Driver, Event, Fingerprint, KernelSocket, Socket, SocketOptions, Trust,
};
use downbeat_wire::control::{ControlReader, Hello, ServerMessage, Welcome, decode};
use downbeat_wire::limits::REDIRECTS_MAX;
use downbeat_wire::packet::{Acks, UpHead};
use downbeat_wire::{CloseCode, Micros, Resume, ResumeToken, Resumed, Tick};

/// Nothing here takes anywhere near as long, unless the machine does.
pub(crate) const PATIENCE: Micros = Micros::from_millis(20_000);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) progress: Arc<Progress>,
    pub(crate) control: Arc<Control>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) admin_token: Option<PathBuf>,
    pub(crate) stop: Stop,
    thread: JoinHandle<ServerReport>,
}

/// A configuration for tests: one loopback port that is free.
pub(crate) fn config<G: Game>() -> Config {
    let mut config = Config::new(G::NAME);
    config.listen = vec![Listen::Address("127.0.0.1:0".parse().expect("an address"))];
    config.seed = Some(1);
    config
}

pub(crate) fn start<G: Game>(config: &Config, game: &G::Config) -> Running {
    start_told::<G>(config, game, Box::new(|_: &Notice| {}))
}

pub(crate) fn start_told<G: Game>(config: &Config, game: &G::Config, notify: Notify) -> Running {
    serve(Server::<G>::start(config, game, notify).expect("loopback has a free port"))
}

pub(crate) fn start_with<G: Game>(config: &Config, game: &G::Config, hook: impl FnOnce(&mut Hooks)) -> Running {
    let mut server = Server::<G>::start(config, game, Box::new(|_: &Notice| {})).expect("loopback has free ports");
    hook(server.hooks());
    serve(server)
}

pub(crate) fn start_over<G: Game, S: Socket + Send + 'static>(
    config: &Config,
    game: &G::Config,
    sockets: Vec<S>,
) -> Running {
    serve(Server::<G, S>::over(config, game, sockets, Box::new(|_: &Notice| {})).expect("good rules"))
}

pub(crate) fn serve<G: Game, S: Socket + Send + 'static>(server: Server<G, S>) -> Running {
    let stop = Stop::new();
    // Whoever listens to what this thread tells listens to the server, too.
    let told = tracing::dispatcher::get_default(Clone::clone);
    Running {
        address: server.local_addrs()[0],
        addresses: server.local_addrs(),
        fingerprint: server.fingerprint(),
        progress: server.progress(),
        control: server.control(),
        metrics: server.metrics(),
        admin: server.admin().map(|(address, _)| address),
        admin_token: server.admin().and_then(|(_, token)| token.map(Path::to_owned)),
        stop: stop.clone(),
        thread: std::thread::spawn(move || {
            tracing::dispatcher::with_default(&told, || server.run(&stop).expect("loopback works"))
        }),
    }
}

impl Running {
    pub(crate) fn probe(&self) -> Probe {
        Probe::new(self.address, self.fingerprint)
    }

    /// A connection that begins at this shard.
    pub(crate) fn probe_at(&self, shard: u8) -> Probe {
        Probe::to_shard(self.address, self.fingerprint, Some(shard))
    }

    /// Where it is, and how it is known.
    pub(crate) fn at(&self) -> (SocketAddr, Fingerprint) {
        (self.address, self.fingerprint)
    }

    pub(crate) fn stop(self) -> ServerReport {
        if !self.stop.is_requested() {
            self.stop.request();
        }
        self.thread.join().expect("the server does not panic")
    }

    /// Whether it ends by itself.
    pub(crate) fn ends(&self) -> bool {
        let clock = Clock::start();
        while !self.thread.is_finished() && clock.now() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.is_finished()
    }

    /// An honest client on a thread of its own, once it is in.
    pub(crate) fn honest(&self) -> Honest {
        let mut player = Player::join(self.probe(), &hello::<Field>());
        let stop = Arc::new(AtomicBool::new(false));
        let ticks = Arc::new(AtomicI64::new(0));
        let (asked, told) = (Arc::clone(&stop), Arc::clone(&ticks));
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) && player.probe.closed.is_none() {
                player.turn();
                told.store(player.ticks(), Ordering::Relaxed);
            }
            player
        });
        Honest { thread, ticks, stop }
    }
}

/// What a client of `field` sends in its turn.
pub(crate) fn datagram(sequence: u16, acks: Option<Acks>, frames: &[InputFrame]) -> Vec<u8> {
    let schema = Schema::of::<Field>().expect("a good schema");
    let mut bytes = Vec::new();
    let mut out = BitWriter::new(&mut bytes);
    UpHead { sequence, acks }.encode(&mut out);
    InputFrame::encode(frames, &schema.input, &neutral::<Input>(), &mut out);
    out.finish();
    bytes
}

/// A ticket of `account`, good for a minute.
pub(crate) fn ticket(account: &str, jti: &str) -> Ticket {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    Ticket {
        sub: account.to_owned(),
        aud: Audience::One("downbeat".to_owned()),
        exp: now + 60,
        nbf: None,
        jti: jti.to_owned(),
        room: None,
        role: Role::Player,
        name: None,
    }
}

/// A ticket as a client shows it.
pub(crate) fn sign(key: &NewKey, ticket: &Ticket) -> String {
    let key = SigningKey::from_pem(&key.private_pem).expect("its own key");
    key.sign(ticket, None).expect("ring signs")
}

pub(crate) fn hello<G: Game>() -> Hello {
    let schema = Schema::of::<G>().expect("a good schema");
    Hello {
        game: G::NAME.to_owned(),
        schema_hash: schema.hash(),
        model_hash: Model::of_game::<G>(&schema).expect("a good model").hash(),
        name: "Ada".to_owned(),
        room: None,
        spectator: false,
        ticket: None,
        resume: None,
    }
}

/// One connection, and all that came over it.
pub(crate) struct Probe {
    address: SocketAddr,
    fingerprint: Fingerprint,
    pub(crate) driver: Driver<KernelSocket>,
    pub(crate) conn: ConnId,
    pub(crate) clock: Clock,
    reader: ControlReader,
    old_sockets: Vec<KernelSocket>,
    pub(crate) messages: Vec<ServerMessage>,
    pub(crate) datagrams: Vec<(Micros, Vec<u8>)>,
    pub(crate) reliable: Vec<u8>,
    pub(crate) datagrams_count: u64,
    pub(crate) is_connected: bool,
    pub(crate) closed: Option<CloseReason>,
}

fn any_port(address: SocketAddr) -> KernelSocket {
    KernelSocket::bind(SocketAddr::new(address.ip(), 0), SocketOptions::default()).expect("loopback")
}

impl Probe {
    pub(crate) fn new(address: SocketAddr, fingerprint: Fingerprint) -> Self {
        Self::to_shard(address, fingerprint, None)
    }

    pub(crate) fn to_shard(address: SocketAddr, fingerprint: Fingerprint, first: Option<u8>) -> Self {
        Self::over(any_port(address), address, fingerprint, first)
    }

    /// A connection from another address of this machine.
    pub(crate) fn from(local: IpAddr, (address, fingerprint): (SocketAddr, Fingerprint)) -> Self {
        Self::over(any_port(SocketAddr::new(local, 0)), address, fingerprint, None)
    }

    fn over(socket: KernelSocket, address: SocketAddr, fingerprint: Fingerprint, first: Option<u8>) -> Self {
        let clock = Clock::start();
        let options = ClientOptions::new(Trust::pinned(fingerprint));
        let mut driver = Driver::client(&options, socket).expect("good options");
        let conn = driver.connect_to_shard(clock.now(), address, "localhost", first).expect("a good address");
        Self {
            address,
            fingerprint,
            driver,
            conn,
            clock,
            reader: ControlReader::default(),
            old_sockets: Vec::new(),
            messages: Vec::new(),
            datagrams: Vec::new(),
            reliable: Vec::new(),
            datagrams_count: 0,
            is_connected: false,
            closed: None,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let now = self.clock.now();
        self.driver.write_control(now, self.conn, bytes).expect("there is room");
    }

    pub(crate) fn send(&mut self, datagram: &[u8]) -> bool {
        self.driver.send_datagram(self.conn, datagram).is_ok()
    }

    /// One turn of a client's loop.
    pub(crate) fn turn(&mut self) {
        let now = self.clock.now();
        self.driver.flush(now).expect("loopback");
        self.driver.wait(Duration::from_millis(1)).expect("loopback");
        let now = self.clock.now();
        self.driver.receive(now).expect("loopback");
        self.driver.handle_timeouts(now).expect("loopback");
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Connected { .. } => self.is_connected = true,
                Event::Datagram { payload, at, .. } => {
                    self.datagrams_count += 1;
                    self.datagrams.push((at, payload.to_vec()));
                }
                Event::Control { bytes, .. } => {
                    self.reader.push(&bytes);
                    while let Some(message) = self.reader.next_from_server().expect("an honest server") {
                        self.messages.push(message);
                    }
                }
                Event::Reliable { bytes, .. } => self.reliable.extend_from_slice(&bytes),
                Event::Closed { reason, .. } => self.closed = Some(reason),
            }
        }
        let now = self.clock.now();
        self.driver.flush(now).expect("loopback");
    }

    /// Turns until `done`; false when that takes too long.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&Self) -> bool) -> bool {
        let deadline = self.clock.now() + PATIENCE;
        while !done(self) {
            if self.clock.now() > deadline {
                return false;
            }
            self.turn();
        }
        true
    }

    pub(crate) fn welcome(&self) -> Option<&Welcome> {
        self.messages.iter().find_map(|message| match message {
            ServerMessage::Welcome(welcome) => Some(welcome),
            _ => None,
        })
    }

    /// Says hello and waits to be let in.
    pub(crate) fn join(&mut self, hello: &Hello) -> Welcome {
        self.write(&hello.to_bytes());
        assert!(self.until(|probe| probe.welcome().is_some() || probe.closed.is_some()), "no answer");
        self.welcome().unwrap_or_else(|| panic!("{:?}", self.closed)).clone()
    }

    /// Says hello, goes where it is sent, and waits for an answer: a welcome or an end. Returns how often it was sent.
    pub(crate) fn knock(&mut self, hello: &Hello) -> u32 {
        for sent in 0.. {
            self.write(&hello.to_bytes());
            assert!(self.until(|probe| probe.welcome().is_some() || probe.closed.is_some()), "no answer");
            let first = match &self.closed {
                Some(CloseReason::ByPeer { code, reason }) => CloseCode::sent_elsewhere(*code, reason),
                _ => None,
            };
            match first.filter(|_| sent < REDIRECTS_MAX) {
                Some(first) => *self = Self::to_shard(self.address, self.fingerprint, Some(first)),
                None => return sent,
            }
        }
        unreachable!("it is not sent that often")
    }

    /// Goes on from another port, as behind a router that forgets. The old port is nobody else's: who got it would answer
    /// what is still sent there.
    pub(crate) fn rebind(&mut self) {
        let old = std::mem::replace(self.driver.socket_mut(), any_port(self.address));
        self.old_sockets.push(old);
    }

    /// Leaves, and waits until the server knows.
    pub(crate) fn leave(&mut self) {
        let now = self.clock.now();
        self.driver.close(now, self.conn, CloseCode::Bye, "");
        assert!(self.until(|probe| probe.driver.is_idle()));
    }

    /// Waits for the end: the server's code and text.
    pub(crate) fn end(&mut self) -> (CloseCode, String) {
        assert!(self.until(|probe| probe.closed.is_some()), "the connection was not closed");
        match self.closed.clone() {
            Some(CloseReason::ByPeer { code, reason }) => {
                (CloseCode::from_code(code).expect("one of our codes"), reason)
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A client that plays `field`, or a game that is played alike.
pub(crate) struct Player<G: Game = Field> {
    pub(crate) probe: Probe,
    pub(crate) client: Client<G>,
    pub(crate) first: Option<Tick>,
    out: Vec<u8>,
}

impl Player {
    pub(crate) fn join(probe: Probe, hello: &Hello) -> Self {
        Self::enter(probe, hello)
    }
}

impl<G: Game<Input = downbeat_field::Input>> Player<G> {
    pub(crate) fn enter(mut probe: Probe, hello: &Hello) -> Self {
        probe.knock(hello);
        let welcome = probe.welcome().unwrap_or_else(|| panic!("{:?}", probe.closed)).clone();
        let config = decode(&welcome.config).expect("the server's own rules");
        let (world, schema) = Client::<G>::shared(&config).expect("the server runs them");
        let start = Start {
            player: welcome.player.map(downbeat_replica::PlayerId),
            tick_rate_hz: welcome.tick_rate_hz.into(),
            send_rate_hz: welcome.send_rate_hz.into(),
            tick: Tick(welcome.tick),
            rtt: probe.driver.stats(probe.conn).map_or(Micros(0), |stats| stats.rtt),
        };
        probe.datagrams.clear();
        Self { probe, client: Client::new(world, schema, start), first: None, out: Vec::new() }
    }

    /// A hello that goes on with this session.
    pub(crate) fn hello_again(&self, token: ResumeToken) -> Hello {
        Hello { resume: Some(Resume { token, held: Some(self.client.held()) }), ..hello::<Field>() }
    }

    /// What opens its session again.
    pub(crate) fn token(&self) -> ResumeToken {
        self.probe.welcome().and_then(|welcome| welcome.resume).expect("sessions can be resumed").token
    }

    /// Goes on over `probe` with `token`, once it is let in; the old connection is dropped without a word.
    pub(crate) fn resume(&mut self, mut probe: Probe, token: ResumeToken) -> Resumed {
        probe.knock(&self.hello_again(token));
        let welcome = probe.welcome().unwrap_or_else(|| panic!("{:?}", probe.closed)).clone();
        self.probe = probe;
        let resumed = welcome.resumed.expect("it asked for it");
        self.client.resume(&resumed, Tick(welcome.tick)).expect("an honest server");
        resumed
    }

    pub(crate) fn turn(&mut self) {
        self.probe.turn();
        for (at, datagram) in std::mem::take(&mut self.probe.datagrams) {
            let received = self.client.receive(at, &datagram).expect("an honest server");
            self.first.get_or_insert(received.tick);
        }
        let now = self.probe.clock.now();
        let mut sampled = self.client.owes_answer();
        while let Some(tick) = self.client.poll_input(now) {
            let input = downbeat_field::Input { forward: 1.0, yaw: tick.0 as f32 / 40.0, ..Default::default() };
            self.client.input(now, tick, &input);
            sampled = true;
        }
        if sampled {
            self.client.transmit(&mut self.out);
            let out = std::mem::take(&mut self.out);
            self.probe.send(&out);
            self.out = out;
        }
    }

    pub(crate) fn until(&mut self, mut done: impl FnMut(&Self) -> bool) -> bool {
        let deadline = self.probe.clock.now() + PATIENCE;
        while !done(self) {
            if self.probe.clock.now() > deadline || self.probe.closed.is_some() {
                return false;
            }
            self.turn();
        }
        true
    }

    /// Ticks from the first snapshot to the newest.
    pub(crate) fn ticks(&self) -> i64 {
        self.first.map_or(0, |first| self.client.newest().since(first) + 1)
    }
}

pub(crate) struct Honest {
    thread: JoinHandle<Player>,
    ticks: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
}

impl Honest {
    /// Asserts that it goes on.
    pub(crate) fn assert_playing(&self) {
        let enough = self.ticks.load(Ordering::Relaxed) + 5;
        let clock = Clock::start();
        while self.ticks.load(Ordering::Relaxed) < enough {
            assert!(clock.now() < PATIENCE && !self.thread.is_finished(), "who plays is held up");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets it play on for a while, ends it, and asserts that it was served all the time.
    pub(crate) fn assert_undisturbed(self) {
        let enough = self.ticks.load(Ordering::Relaxed) + 40;
        let clock = Clock::start();
        while self.ticks.load(Ordering::Relaxed) < enough && clock.now() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        let player = self.thread.join().expect("an honest client does not panic");
        assert_eq!(player.probe.closed, None);
        let counters = player.client.counters();
        let ticks = player.ticks();
        assert!(ticks > 30, "only {ticks} ticks");
        assert!(counters.snapshots as i64 * 100 >= ticks * 95, "{counters:?} in {ticks} ticks");
        assert_eq!(counters.undecodable, 0);
    }
}
