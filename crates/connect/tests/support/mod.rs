//! A stock quinn server around one room of the scale game, as simple as can be.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use downbeat_connect::{Fingerprint, Options, Trust};
use downbeat_field::{Config, Field};
use downbeat_host::{Net, Room, RoomOptions, SessionId, Told};
use downbeat_replica::codec::Model;
use downbeat_replica::{Game, Micros, Schema, Tick};
use downbeat_wire::CloseCode;
use downbeat_wire::control::{ClientMessage, ControlReader, FromClient, Hello, ServerMessage, Welcome, encode, frame};
use downbeat_wire::description::{Description, Part};
use quinn::rustls::pki_types::PrivatePkcs8KeyDer;
use quinn::{Connection, Endpoint, SendStream, VarInt};
use tokio::sync::{mpsc, oneshot};

/// What the server is like.
pub(crate) struct Rules {
    pub(crate) game: &'static str,
    pub(crate) alpn: &'static [u8],
    pub(crate) players_max: u16,
    pub(crate) send_rate_hz: u32,
    pub(crate) walkers: u32,
    /// What it tells those who ask.
    pub(crate) description: Description,
    /// Why it lets nobody in, if so.
    pub(crate) refusal: Option<(CloseCode, &'static str)>,
    /// What it sends as reliable events to all who come; then it ends that stream if it is told to.
    pub(crate) reliable: Option<(Vec<u8>, bool)>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            game: Field::NAME,
            alpn: downbeat_wire::ALPN,
            players_max: 8,
            send_rate_hz: 60,
            walkers: 40,
            description: Description::default(),
            refusal: None,
            reliable: None,
        }
    }
}

/// A running server; dropping it ends it without a word.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) pem: String,
    shared: Arc<Mutex<Shared>>,
    closes: mpsc::UnboundedSender<Step>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    truth: BTreeMap<(Tick, SessionId), Vec<Told>>,
    counters: downbeat_host::Counters,
    sessions: usize,
    hellos: usize,
}

enum Step {
    Hello(Connection, SendStream, Hello, oneshot::Sender<SessionId>),
    Datagram(SessionId, Instant, bytes::Bytes),
    Say(SessionId, String),
    Gone(SessionId),
    CloseAll(CloseCode, &'static str),
    Stop,
}

impl StandIn {
    pub(crate) fn start(rules: Rules) -> Self {
        Self::start_at("127.0.0.1:0", rules)
    }

    pub(crate) fn start_at(listen: &str, rules: Rules) -> Self {
        let key = rcgen::KeyPair::generate().expect("keys can be made");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).expect("good names").self_signed(&key).expect("signed");
        let fingerprint = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        let mut tls = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("our own certificate");
        tls.alpn_protocols = vec![rules.alpn.to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).expect("ring has AES-128-GCM");
        let config = quinn::ServerConfig::with_crypto(Arc::new(tls));

        let (steps, mut incoming) = mpsc::unbounded_channel();
        let (closes, shared) = (steps.clone(), Arc::<Mutex<Shared>>::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let address = listen.parse().expect("an address");
        let endpoint = {
            let _inside = runtime.enter();
            Endpoint::server(config, address).expect("a free port")
        };
        let address = endpoint.local_addr().expect("it is bound");
        let known = Arc::clone(&shared);
        let serve = move || {
            runtime.block_on(async {
                tokio::spawn(accept(endpoint.clone(), steps));
                serve(&rules, &mut incoming, &known).await;
                endpoint.close(VarInt::from_u32(CloseCode::ShuttingDown as u32), b"the test is over");
            });
        };
        Self {
            address,
            fingerprint: Fingerprint(fingerprint.as_ref().try_into().expect("32 bytes")),
            pem: certificate.pem(),
            shared,
            closes,
            thread: Some(std::thread::spawn(serve)),
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(Trust::Pinned(self.fingerprint), "Ada")
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn close_all(&self, code: CloseCode, reason: &'static str) {
        let _ = self.closes.send(Step::CloseAll(code, reason));
    }

    /// What the first session should know as of `tick`, by slot.
    pub(crate) fn truth(&self, tick: Tick) -> Option<Vec<Told>> {
        let mut truth = self.shared.lock().expect("no panic").truth.get(&(tick, SessionId(0)))?.clone();
        truth.sort_unstable_by_key(|told| told.slot);
        Some(truth)
    }

    pub(crate) fn counters(&self) -> downbeat_host::Counters {
        self.shared.lock().expect("no panic").counters
    }

    /// Hellos that it read.
    pub(crate) fn hellos(&self) -> usize {
        self.shared.lock().expect("no panic").hellos
    }

    pub(crate) fn sessions(&self) -> usize {
        self.shared.lock().expect("no panic").sessions
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.closes.send(Step::Stop);
        self.thread.take().expect("it is taken here alone").join().expect("the server did not panic");
    }
}

async fn accept(endpoint: Endpoint, steps: mpsc::UnboundedSender<Step>) {
    while let Some(incoming) = endpoint.accept().await {
        let steps = steps.clone();
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                let _ = attend(connection, &steps).await;
            }
        });
    }
}

/// Reads one connection to its end.
async fn attend(connection: Connection, steps: &mpsc::UnboundedSender<Step>) -> Option<()> {
    let (send, mut receive) = connection.accept_bi().await.ok()?;
    let mut send = Some(send);
    let (mut reader, mut buffer, mut session) = (ControlReader::default(), [0; 2_048], None);
    loop {
        loop {
            match reader.next_from_client() {
                Ok(None) => break,
                Ok(Some(FromClient::Hello(hello))) => {
                    let (admit, admitted) = oneshot::channel();
                    let send = send.take().expect("there is one hello");
                    steps.send(Step::Hello(connection.clone(), send, hello, admit)).ok()?;
                    session = Some(admitted.await.ok()?);
                }
                Ok(Some(FromClient::Message(ClientMessage::Say { text }))) => {
                    steps.send(Step::Say(session?, text)).ok()?;
                }
                Ok(Some(FromClient::Message(ClientMessage::Look { .. }))) => {}
                Err(error) => {
                    connection.close(VarInt::from_u32(error.close_code() as u32), error.to_string().as_bytes());
                    return steps.send(Step::Gone(session?)).ok();
                }
            }
        }
        tokio::select! {
            read = receive.read(&mut buffer) => match read {
                Ok(Some(count)) => reader.push(&buffer[..count]),
                _ => return steps.send(Step::Gone(session?)).ok(),
            },
            datagram = connection.read_datagram() => match datagram {
                Ok(datagram) => steps.send(Step::Datagram(session?, Instant::now(), datagram)).ok()?,
                Err(_) => return steps.send(Step::Gone(session?)).ok(),
            },
        }
    }
}

struct Outbox(BTreeMap<SessionId, (Connection, SendStream)>);

impl Net for Outbox {
    fn space(&mut self, session: SessionId) -> Option<usize> {
        self.0.get(&session)?.0.max_datagram_size()
    }

    fn send(&mut self, session: SessionId, datagram: &[u8]) {
        let _ = self.0[&session].0.send_datagram(bytes::Bytes::copy_from_slice(datagram));
    }

    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {
        unreachable!("the scale game has no events");
    }
}

async fn serve(rules: &Rules, steps: &mut mpsc::UnboundedReceiver<Step>, shared: &Mutex<Shared>) {
    let config = Config { walkers: rules.walkers, visible: 16, ..Config::default() };
    let options = RoomOptions {
        tick_rate_hz: 60,
        send_rate_hz: rules.send_rate_hz,
        seed: 7,
        players_max: rules.players_max,
        spectators_max: 4,
        client_bytes_per_s: 200_000,
    };
    let mut room = Room::<Field>::new(&config, options).expect("good options");
    let mut outbox = Outbox(BTreeMap::new());
    let started = Instant::now();
    let micros = |at: Instant| Micros(at.duration_since(started).as_micros() as u64);
    let mut ticks = tokio::time::interval(Duration::from_nanos(1_000_000_000 / 60));
    let mut next = SessionId(0);
    loop {
        tokio::select! {
            biased;
            at = ticks.tick() => {
                room.tick(micros(at.into()), &mut outbox);
                note(&room, shared);
            }
            step = steps.recv() => match step {
                Some(Step::Hello(connection, send, hello, admit)) => {
                    shared.lock().expect("no panic").hellos += 1;
                    if let Some(send) = enter(&mut room, rules, &config, next, (&connection, send), &hello).await {
                        outbox.0.insert(next, (connection, send));
                        let _ = admit.send(next);
                        next.0 += 1;
                    }
                }
                Some(Step::Datagram(session, at, datagram)) => drop(room.receive(session, micros(at), &datagram)),
                Some(Step::Say(session, text)) => {
                    let player = room.session(session).and_then(|report| report.player).map_or(u16::MAX, |player| player.0);
                    let said = frame(&ServerMessage::Said { player, text });
                    for (_, send) in outbox.0.values_mut() {
                        let _ = send.write_all(&said).await;
                    }
                }
                Some(Step::Gone(session)) => {
                    room.leave(session);
                    outbox.0.remove(&session);
                }
                Some(Step::CloseAll(code, reason)) => {
                    outbox.0.values().for_each(|(c, _)| c.close(VarInt::from_u32(code as u32), reason.as_bytes()));
                }
                Some(Step::Stop) | None => return,
            },
        }
    }
}

/// Lets a client in, or closes its connection.
async fn enter(
    room: &mut Room<Field>,
    rules: &Rules,
    config: &Config,
    session: SessionId,
    (connection, mut send): (&Connection, SendStream),
    hello: &Hello,
) -> Option<SendStream> {
    let schema = Schema::of::<Field>().expect("a good schema");
    let model_hash = Model::of_game::<Field>(&schema).expect("a good model").hash();
    if let Some((code, reason)) = rules.refusal {
        connection.close(VarInt::from_u32(code as u32), reason.as_bytes());
        return None;
    }
    let asks = hello.schema_hash == 0;
    let refusal = if asks {
        None
    } else if hello.game != rules.game {
        Some(CloseCode::WrongGame)
    } else if hello.schema_hash != schema.hash() {
        Some(CloseCode::SchemaMismatch)
    } else if hello.model_hash != model_hash {
        Some(CloseCode::ModelMismatch)
    } else {
        None
    };
    let joined = match refusal {
        None => room.join(session, &hello.name, hello.spectator).map_err(|_| CloseCode::ServerFull),
        Some(code) => Err(code),
    };
    let player = match joined {
        Ok(player) => player,
        Err(code) => {
            connection.close(VarInt::from_u32(code as u32), code.reason().as_bytes());
            return None;
        }
    };
    let welcome = Welcome {
        resume: None,
        resumed: None,
        room: 1,
        player: player.map(|player| player.0),
        tick_rate_hz: 60,
        send_rate_hz: rules.send_rate_hz as u16,
        tick: room.present().0,
        config: encode(config),
    };
    send.write_all(&frame(&ServerMessage::Welcome(welcome))).await.ok()?;
    if asks {
        let schema = Part::cut(&rules.description.schema).map(ServerMessage::Schema);
        for message in schema.chain(Part::cut(&rules.description.model).map(ServerMessage::Model)) {
            send.write_all(&frame(&message)).await.ok()?;
        }
    }
    if let Some((bytes, ends)) = &rules.reliable {
        let mut stream = connection.open_uni().await.ok()?;
        stream.write_all(bytes).await.ok()?;
        if *ends {
            stream.finish().ok()?;
        } else {
            // Dropping it would end it.
            std::mem::forget(stream);
        }
    }
    Some(send)
}

fn note(room: &Room<Field>, shared: &Mutex<Shared>) {
    let mut shared = shared.lock().expect("no panic");
    for session in room.sessions() {
        shared.truth.insert((room.present(), session), room.told(session));
    }
    let kept = room.present().offset(-600);
    shared.truth = shared.truth.split_off(&(kept, SessionId(0)));
    shared.counters = *room.counters();
    shared.sessions = room.sessions().count();
}
