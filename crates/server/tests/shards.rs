//! A server of two shards on real sockets: whoever lands on the wrong one gets to the right one and stays there, and what
//! holds for a server holds for all its shards together.

mod common;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Player, Probe, config, hello, start, start_told};
use downbeat_field::{Config as Rules, Field};
use downbeat_server::{Config, Notice, Server, ServerReport, Stop, Totals, bind};
use downbeat_transport::{CloseReason, Fingerprint, KernelSocket, Outgoing, Received, Socket, SocketCounters};
use downbeat_wire::control::{Hello, ServerMessage};
use downbeat_wire::{CloseCode, Micros};

fn rules() -> Rules {
    Rules { walkers: 10, visible: 4, ..Rules::default() }
}

/// Two shards, and rooms for two players and one spectator.
fn two_shards(rooms_max: u16) -> Config {
    Config { shards: 2, rooms_max, players_max: 2, spectators_max: 1, ..config::<Field>() }
}

fn claim(room: u64) -> Hello {
    Hello { room: Some(room), ..hello::<Field>() }
}

/// What must hold of the report of a server of shards, whatever happened.
fn check(report: &ServerReport) {
    println!("{}", serde_json::to_string_pretty(&report.shards).expect("plain data"));
    let sum = |of: fn(&downbeat_server::ShardFigures) -> u64| report.shards.iter().map(of).sum::<u64>();
    assert_eq!(report.shards.len(), 2);
    assert_eq!(sum(|shard| shard.admitted), report.totals.admitted);
    assert_eq!(sum(|shard| shard.redirected), report.totals.redirected);
    assert_eq!(sum(|shard| shard.rooms_opened), report.totals.rooms_opened);
    assert_eq!(sum(|shard| shard.ticks), report.totals.ticks);
    let sent = report.totals.closes.by_server.get("ELSEWHERE");
    assert_eq!(sent.copied().unwrap_or_default(), report.totals.redirected);
}

/// Fills the places of players, all of whom land on the first shard; returns who sits there, by room.
fn fill(at: (SocketAddr, Fingerprint), places: usize) -> BTreeMap<u64, Vec<Probe>> {
    let mut seated: BTreeMap<u64, Vec<Probe>> = BTreeMap::new();
    for _ in 0..places {
        let mut probe = Probe::to_shard(at.0, at.1, Some(0));
        probe.knock(&hello::<Field>());
        let room = probe.welcome().unwrap_or_else(|| panic!("{:?}", probe.closed)).room;
        seated.entry(room).or_default().push(probe);
    }
    seated
}

#[test]
fn a_claim_is_served_on_the_shard_of_its_room_wherever_it_lands() {
    let server = start::<Field>(&two_shards(4), &rules());
    let seated = fill(server.at(), 8);
    assert_eq!(seated.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4], "two on each shard");
    assert!(seated.values().all(|players| players.len() == 2));
    for room in 1..=4 {
        for shard in [0, 1] {
            let mut watcher = server.probe_at(shard);
            let sent = watcher.knock(&Hello { spectator: true, ..claim(room) });
            assert_eq!(watcher.welcome().map(|welcome| welcome.room), Some(room), "{:?}", watcher.closed);
            assert_eq!(sent, u32::from(u64::from(shard) != (room - 1) % 2), "room {room} from shard {shard}");
            assert!(watcher.until(|watcher| watcher.datagrams_count > 3), "it is shown the match");
            watcher.leave();
            let mut player = server.probe_at(shard);
            player.knock(&claim(room));
            assert_eq!(player.end(), (CloseCode::NoSuchRoom, format!("room {room} is full")));
        }
    }
    for (room, shard) in [(0, 0), (0, 1), (5, 1), (6, 0), (u64::MAX, 0)] {
        let mut stray = server.probe_at(shard);
        stray.knock(&claim(room));
        assert_eq!(stray.end(), (CloseCode::NoSuchRoom, format!("room {room} does not exist")));
    }
    let report = server.stop();
    check(&report);
    assert_eq!(report.totals.admitted, 16);
    assert!(report.shards.iter().all(|shard| shard.rooms_opened == 2 && shard.redirected >= 5), "{:?}", report.shards);
}

#[test]
fn a_full_server_refuses_in_words_on_every_shard() {
    let server = start::<Field>(&two_shards(3), &rules());
    let mut seated = fill(server.at(), 6);
    for shard in [0, 1, 0, 1] {
        let mut late = server.probe_at(shard);
        late.knock(&hello::<Field>());
        assert_eq!(late.end(), (CloseCode::ServerFull, CloseCode::ServerFull.reason().to_owned()));
    }
    // One place is free on one shard: it is found from either.
    for (room, shard) in [(1, 1), (2, 0), (3, 1)] {
        seated.get_mut(&room).and_then(Vec::pop).expect("two sit there").leave();
        let mut late = server.probe_at(shard);
        late.knock(&hello::<Field>());
        assert_eq!(late.welcome().map(|welcome| welcome.room), Some(room), "{:?}", late.closed);
        seated.entry(room).or_default().push(late);
    }
    let report = server.stop();
    check(&report);
    assert_eq!((report.totals.rooms_opened, report.clients_peak), (3, 6));
    assert_eq!(report.totals.closes.by_server["SERVER_FULL"], 4);
}

/// Who sits where, as clients know it: noted when they are let in, struck off before they say that they leave. So there
/// are never more than the server has.
#[derive(Default)]
struct Seats(Mutex<BTreeMap<u64, usize>>);

impl Seats {
    fn take(&self, room: u64) {
        let mut seats = self.0.lock().expect("no panic");
        let taken = seats.entry(room).or_default();
        *taken += 1;
        assert!(*taken <= 2, "room {room} has two places");
        assert!(seats.len() <= 3, "three rooms at a time: {seats:?}");
    }

    fn leave(&self, room: u64) {
        let mut seats = self.0.lock().expect("no panic");
        *seats.get_mut(&room).expect("it was taken") -= 1;
        seats.retain(|_, taken| *taken > 0);
    }
}

#[test]
fn rooms_places_and_connections_hold_their_limits_while_clients_come_and_go() {
    let (address_connections_max, handshakes_per_s) = (8, 10_000);
    let config = Config { address_connections_max, handshakes_per_s, address_exempt: Vec::new(), ..two_shards(3) };
    let server = start::<Field>(&config, &rules());
    let seats = Seats::default();
    let over = AtomicBool::new(false);
    let ends = Mutex::new(BTreeMap::<&str, u32>::new());
    std::thread::scope(|scope| {
        for visitor in 0..8u64 {
            let (server, seats, over, ends) = (&server, &seats, &over, &ends);
            scope.spawn(move || {
                let mut dice = visitor + 1;
                while !over.load(Ordering::Relaxed) {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let mut probe = server.probe();
                    let sent = probe.knock(&hello::<Field>());
                    let end = match probe.welcome().map(|welcome| welcome.room) {
                        Some(room) => {
                            seats.take(room);
                            std::thread::sleep(Duration::from_millis(dice >> 58));
                            seats.leave(room);
                            probe.leave();
                            ["at once", "sent once", "sent twice", "sent thrice"][sent as usize]
                        }
                        None => probe.end().0.label(),
                    };
                    *ends.lock().expect("no panic").entry(end).or_default() += 1;
                }
            });
        }
        std::thread::sleep(Duration::from_secs(3));
        over.store(true, Ordering::Relaxed);
    });
    let ends = ends.into_inner().expect("no panic");
    println!("{ends:?}");
    assert!(ends["at once"] > 20 && ends["sent once"] > 20, "{ends:?}");
    // Eight contend for six places: some are too late again and again, but few.
    let lost = ends.get("ELSEWHERE").copied().unwrap_or_default();
    assert!(lost * 20 <= ends.values().sum(), "{ends:?}");
    let known = ["at once", "sent once", "sent twice", "sent thrice", "SERVER_FULL", "ELSEWHERE"];
    assert!(ends.keys().all(|end| known.contains(end)), "{ends:?}");

    // Nothing is left of it: one room is open, and exactly as many connections are allowed as at first.
    let mut last = server.probe();
    assert!(last.until(|_| server.progress.read().rooms == 1 && server.progress.read().clients == 0));
    assert!(last.until(|last| last.is_connected));
    let mut others: Vec<_> = (1..8).map(|n| server.probe_at(n % 2)).collect();
    assert!(others.iter_mut().all(|probe| probe.until(|probe| probe.is_connected)));
    for shard in [0, 1] {
        assert_eq!(server.probe_at(shard).end().0, CloseCode::TooManyConnections);
    }
    last.leave();
    let mut next = server.probe_at(1);
    assert!(next.until(|next| next.is_connected) && next.until(|next| next.driver.counters().open == 1));
    next.knock(&hello::<Field>());
    assert!(next.welcome().is_some(), "{:?}", next.closed);
    let report = server.stop();
    check(&report);
    assert!(report.totals.rooms_opened > 3, "rooms opened and closed");
}

#[test]
fn clients_that_change_their_address_stay_on_their_shard_and_connected() {
    const REBINDS: u64 = 40;
    let config = Config { players_max: 6, ..two_shards(2) };
    let server = start::<Field>(&config, &rules());
    // Two of three change their port all the time; the third shows what the machine makes of it.
    let players: Vec<(u64, Player)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|place| {
                let server = &server;
                scope.spawn(move || {
                    let mut player = Player::join(server.probe(), &hello::<Field>());
                    let room = player.probe.welcome().expect("it joined").room;
                    assert!(player.until(|player| player.ticks() > 60));
                    for rebinds in 1..=REBINDS {
                        if place % 3 > 0 {
                            player.probe.rebind();
                        }
                        let enough = 60 + 4 * rebinds as i64;
                        assert!(player.until(|player| player.ticks() > enough), "{:?}", player.probe.closed);
                    }
                    (room, player)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it plays")).collect()
    });
    // In percent of those who stayed, and of those who moved.
    let [mut starved, mut unseen] = [[0.0; 2]; 2];
    for (place, (_, player)) in players.iter().enumerate() {
        let counters = player.client.counters();
        assert_eq!((&player.probe.closed, counters.undecodable), (&None, 0));
        let (who, share) = if place % 3 > 0 { (1, 100.0 / 8.0) } else { (0, 100.0 / 4.0) };
        starved[who] += share * counters.substituted as f64 / counters.inputs as f64;
        unseen[who] += share * counters.snapshots_missing as f64 / player.ticks() as f64;
    }
    println!("without input: {starved:.2?} %, without snapshot: {unseen:.2?} %");
    // What is on its way to the old port is lost with it; how much that is depends on how busy the machine is. That nothing
    // comes to the wrong shard does not: half of all ports belong to the other one if it goes by ports.
    let players_of = |room| players.iter().filter(|(of, _)| *of == room).count();
    assert_eq!((players_of(1), players_of(2)), (6, 6));
    let report = server.stop();
    check(&report);
    assert!(report.shards.iter().all(|shard| shard.udp_ignored == 0), "nothing came to the wrong shard");
    assert!(report.totals.closes.lost.is_empty(), "{:?}", report.totals.closes);
    let Totals { sessions_suspended, sessions_resumed, .. } = report.totals;
    assert_eq!((sessions_suspended, sessions_resumed), (0, 0), "no connection was lost or made anew");
}

#[test]
fn shards_drain_together_and_say_so_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let notify = {
        let told = Arc::clone(&told);
        move |notice: &Notice| told.lock().expect("no panic").push(notice.clone())
    };
    let config = Config { drain_deadline: Duration::from_secs(20), ..two_shards(2) };
    let server = start_told::<Field>(&config, &rules(), Box::new(notify));
    let mut seated = fill(server.at(), 3);
    server.stop.request();
    let draining = |probe: &Probe| probe.messages.contains(&ServerMessage::Draining { deadline_s: 20 });
    assert!(seated.values_mut().flatten().all(|probe| probe.until(draining)));
    // The shard of room 2 has nobody left, and turns newcomers away as long as the other goes on.
    seated.remove(&2).into_iter().flatten().for_each(|mut probe| probe.leave());
    for shard in [0, 1] {
        let mut late = server.probe_at(shard);
        assert!(late.until(|late| late.closed.is_some()));
        assert!(matches!(late.closed, Some(CloseReason::HandshakeFailed(_))), "{:?}", late.closed);
    }
    let clock = downbeat_transport::Clock::start();
    seated.into_values().flatten().for_each(|mut probe| probe.leave());
    check(&server.stop());
    assert!(clock.now() < Micros::from_millis(5_000), "nobody is left to wait for");
    let told = told.lock().expect("no panic");
    let drains: Vec<_> = told.iter().filter(|notice| matches!(notice, Notice::Draining { .. })).collect();
    assert_eq!(drains, [&Notice::Draining { clients: 3 }]);
}

/// A socket that goes on until it is told to fail.
struct Fragile {
    socket: KernelSocket,
    fate: Arc<AtomicU8>,
}

const FAILS: u8 = 1;
const PANICS: u8 = 2;

impl Socket for Fragile {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    fn recv_batch(&mut self, now: Micros, sink: &mut dyn FnMut(Received<'_>)) -> io::Result<usize> {
        match self.fate.load(Ordering::Relaxed) {
            FAILS => Err(io::Error::other("the cable was cut")),
            PANICS => panic!("a broken invariant"),
            _ => self.socket.recv_batch(now, sink),
        }
    }

    fn send_batch(&mut self, now: Micros, batch: &mut Outgoing) -> io::Result<()> {
        self.socket.send_batch(now, batch)
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket.wait(timeout)
    }

    fn counters(&self) -> SocketCounters {
        self.socket.counters()
    }
}

#[test]
fn a_shard_that_fails_ends_the_server_and_the_others_say_farewell() {
    for (fate, shard) in [(FAILS, 0), (FAILS, 1), (PANICS, 0), (PANICS, 1)] {
        let config = two_shards(2);
        let fates = [Arc::new(AtomicU8::new(0)), Arc::new(AtomicU8::new(0))];
        let sockets = bind(&config, &mut (Box::new(|_: &Notice| {}) as _)).expect("loopback");
        let sockets = sockets.into_iter().zip(&fates);
        let sockets = sockets.map(|(socket, fate)| Fragile { socket, fate: Arc::clone(fate) }).collect();
        let server = Server::<Field, Fragile>::over(&config, &rules(), sockets, Box::new(|_| {})).expect("good rules");
        let at = (server.local_addrs()[0], server.fingerprint());
        let thread = std::thread::spawn(move || server.run(&Stop::new()));
        let mut seated = fill(at, 3);
        fates[shard].store(fate, Ordering::Relaxed);
        // Room 1 is on the first shard, room 2 on the second.
        for witness in seated.get_mut(&[2, 1][shard]).expect("somebody sits there") {
            assert_eq!(witness.end().0, CloseCode::ShuttingDown);
        }
        match thread.join() {
            Ok(ended) => {
                assert_eq!(fate, FAILS);
                let error = ended.expect_err("a socket failed").to_string();
                assert_eq!(error, "a socket failed: the cable was cut");
            }
            Err(panic) => {
                assert_eq!(fate, PANICS);
                assert_eq!(panic.downcast_ref(), Some(&"a broken invariant"));
            }
        }
    }
}
