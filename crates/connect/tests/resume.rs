//! Clients whose connections die for good, behind a relay that forgets them: the session goes on by itself over another one, or
//! ends with a reason.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use downbeat_connect::{Disconnected, Ended, Event, Fingerprint, Look, Options, Polled, Session, Status, Trust};
use downbeat_field::{Field, Input};
use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
use downbeat_wire::CloseCode;
use tokio::time::timeout;

struct Running {
    address: SocketAddr,
    fingerprint: Fingerprint,
    stop: Stop,
    thread: JoinHandle<ServerReport>,
}

fn start(resume_window: f64) -> Running {
    let config = Config {
        listen: vec![Listen::Address(([127, 0, 0, 1], 0).into())],
        seed: Some(7),
        resume_window: Duration::from_secs_f64(resume_window),
        ..Config::new("field")
    };
    let rules = downbeat_field::Config { walkers: 60, visible: 24, ..Default::default() };
    let server = Server::<Field>::start(&config, &rules, Box::new(|_| {})).expect("it starts");
    let (address, fingerprint) = (server.local_addrs()[0], Fingerprint(server.fingerprint().0));
    let stop = Stop::new();
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || server.run(&stopped).expect("the sockets work"));
    Running { address, fingerprint, stop, thread }
}

impl Running {
    fn options(&self) -> Options {
        Options::new(Trust::Pinned(self.fingerprint), "Ada")
    }

    fn stop(self) -> ServerReport {
        self.stop.request();
        self.thread.join().expect("the server does not panic")
    }
}

/// Carries datagrams between clients and a server, until it forgets a client.
struct Relay {
    address: SocketAddr,
    known: Arc<Mutex<HashSet<SocketAddr>>>,
    forgotten: Arc<Mutex<HashSet<SocketAddr>>>,
    is_dead: Arc<AtomicBool>,
}

impl Relay {
    fn new(server: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let relay = Self {
            address: front.local_addr().expect("it is bound"),
            known: Arc::default(),
            forgotten: Arc::default(),
            is_dead: Arc::default(),
        };
        let (known, forgotten, is_dead) =
            (Arc::clone(&relay.known), Arc::clone(&relay.forgotten), Arc::clone(&relay.is_dead));
        std::thread::spawn(move || {
            let mut backs: HashMap<SocketAddr, UdpSocket> = HashMap::new();
            let mut buffer = [0; 2_048];
            while let Ok((length, client)) = front.recv_from(&mut buffer) {
                if is_dead.load(Ordering::Relaxed) || forgotten.lock().expect("no panic").contains(&client) {
                    continue;
                }
                known.lock().expect("no panic").insert(client);
                let back = backs.entry(client).or_insert_with(|| {
                    let back = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                    let (from, to) = (back.try_clone().expect("it is open"), front.try_clone().expect("it is open"));
                    let (forgotten, is_dead) = (Arc::clone(&forgotten), Arc::clone(&is_dead));
                    std::thread::spawn(move || {
                        let mut buffer = [0; 2_048];
                        while let Ok((length, _)) = from.recv_from(&mut buffer) {
                            let is_gone = forgotten.lock().expect("no panic").contains(&client);
                            if !is_gone && !is_dead.load(Ordering::Relaxed) {
                                let _ = to.send_to(&buffer[..length], client);
                            }
                        }
                    });
                    back
                });
                let _ = back.send_to(&buffer[..length], server);
            }
        });
        relay
    }

    /// Nothing passes any more to or from those who are known so far.
    fn forget_all(&self) {
        let known = self.known.lock().expect("no panic").clone();
        self.forgotten.lock().expect("no panic").extend(known);
    }

    /// Nothing passes any more at all.
    fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn next(session: &mut Session<Field>) -> Result<Event, Disconnected> {
    let event = timeout(PATIENCE, session.next()).await.expect("it goes on");
    if let Ok(Event::Input(tick)) = &event {
        session.input(*tick, &Input { forward: 1.0, ..Input::default() });
    }
    event
}

async fn snapshots(session: &mut Session<Field>, count: usize) {
    let mut seen = 0;
    while seen < count {
        seen += usize::from(matches!(next(session).await.expect("it goes on"), Event::Snapshot(_)));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_session_whose_connection_dies_goes_on_by_itself_over_another_one() {
    let server = start(30.0);
    let relay = Relay::new(server.address);
    let mut session =
        Session::<Field>::connect(&relay.address.to_string(), &server.options()).await.expect("it is let in");
    snapshots(&mut session, 60).await;
    let (player, token) = (session.player(), session.resume_token());
    let known: Vec<_> = session.client().known().map(|known| (known.slot, known.entered)).collect();
    relay.forget_all();
    let mut inputs = 0;
    loop {
        match next(&mut session).await.expect("it goes on") {
            Event::Reconnecting(end) => {
                assert!(session.is_reconnecting(), "{end}");
                break;
            }
            Event::Input(_) => inputs += 1,
            Event::Snapshot(_) => inputs = 0,
            other => panic!("{other:?}"),
        }
    }
    assert!(inputs > 60, "the match goes on meanwhile: {inputs} inputs");
    let resumed = loop {
        if let event @ Event::Resumed { .. } = next(&mut session).await.expect("it goes on") {
            break event;
        }
    };
    assert_eq!(resumed, Event::Resumed { keeps_state: true, lost_events: false });
    snapshots(&mut session, 60).await;
    assert!(session.player() == player && session.resume_token() != token && !session.is_reconnecting());
    let same = session.client().known().filter(|entity| known.contains(&(entity.slot, entity.entered))).count();
    assert!(same > 0, "{known:?}");
    assert_eq!(session.client().counters().undecodable, 0);
    session.leave().await;
    let totals = server.stop().totals;
    assert_eq!((totals.admitted, totals.sessions_resumed, totals.acks_forged), (1, 1, 0));
    assert_eq!(totals.closes.by_client.get("BYE"), Some(&1), "{:?}", totals.closes);
}

#[tokio::test(flavor = "current_thread")]
async fn a_session_that_nobody_can_reach_ends_when_its_time_is_over() {
    let server = start(1.0);
    let relay = Relay::new(server.address);
    let mut session =
        Session::<Field>::connect(&relay.address.to_string(), &server.options()).await.expect("it is let in");
    snapshots(&mut session, 30).await;
    relay.die();
    let end = loop {
        if let Err(end) = next(&mut session).await {
            break end;
        }
    };
    assert!(matches!(end, Disconnected::Lost { code: None, .. }), "{end}");
    assert_eq!(next(&mut session).await.expect_err("it stays so"), end);
    server.stop();
}

#[test]
fn a_frame_loop_sees_that_it_reconnects_and_plays_on() {
    let server = start(30.0);
    let relay = Relay::new(server.address);
    let mut net = Polled::<Field>::connect(&relay.address.to_string(), server.options());
    let (mut frames, mut reconnecting, mut began) = (0, 0, Instant::now());
    while frames < 60 || reconnecting == 0 {
        assert!(began.elapsed() < PATIENCE);
        match net.update(|_| Input { forward: 1.0, ..Input::default() }) {
            Status::Connecting => {}
            Status::Playing(view) => {
                frames += 1;
                if frames == 60 && reconnecting == 0 {
                    assert!(view.avatar.is_some());
                    relay.forget_all();
                    began = Instant::now();
                }
            }
            Status::Reconnecting(view) => {
                assert!(view.avatar.is_some(), "the picture stays");
                (frames, reconnecting) = (0, reconnecting + 1);
            }
            Status::Ended(end) => panic!("{end}"),
        }
        sleep(Duration::from_millis(8));
    }
    drop(net);
    assert_eq!(server.stop().totals.sessions_resumed, 1);
}

#[test]
fn a_program_that_comes_too_late_is_told_so() {
    let server = start(30.0);
    let mut net = Polled::<Field>::connect(&server.address.to_string(), server.options());
    let until = |net: &mut Polled<Field>| {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE);
            match net.update(|_| Input::default()) {
                Status::Playing(view) if view.avatar.is_some() => return None,
                Status::Ended(Ended::NotConnected(error)) => return Some(error.to_string()),
                Status::Ended(end) => panic!("{end}"),
                _ => sleep(Duration::from_millis(8)),
            }
        }
    };
    assert_eq!(until(&mut net), None);
    let token = net.session().and_then(Session::resume_token).expect("sessions can be resumed");
    assert!(!format!("{token:?}").contains(&token.0[9].to_string()), "it is a secret");
    // It takes over from itself, and then leaves.
    let mut again =
        Polled::<Field>::connect(&server.address.to_string(), Options { resume: Some(token), ..server.options() });
    assert_eq!(until(&mut again), None);
    let newer = again.session().and_then(Session::resume_token);
    drop(again);
    let mut late = Polled::<Field>::connect(&server.address.to_string(), Options { resume: newer, ..server.options() });
    let error = until(&mut late).expect("the session is over");
    assert!(error.contains(CloseCode::SessionOver.reason()), "{error}");
    assert!(net.look(Look::Overview).is_err(), "a player looks from where it is");
    server.stop();
}
