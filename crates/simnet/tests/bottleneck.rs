//! A client of a busy world behind a bottleneck, over the real driver in virtual time: when snapshots follow the rate that
//! congestion leaves, the room tells less and the line stays short. Beside it the same without following. Each test prints
//! its rows of the table in `docs/congestion.md`:
//! `cargo test -p downbeat-simnet --test bottleneck -- --nocapture --test-threads 1`

use std::net::SocketAddr;

use downbeat_client::{Client, Start};
use downbeat_field::{Config, Field, Input};
use downbeat_host::limits::SNAPSHOT_BYTES_MIN;
use downbeat_host::{Net, Room, RoomOptions, SessionId};
use downbeat_link::LinkSpec;
use downbeat_replica::{Micros, Tick};
use downbeat_transport::{
    ClientIds, ClientOptions, Conditioner, ConnId, ConnStats, Driver, Event, FlowKey, HandshakeBudget, Identity,
    MemoryNetwork, MemorySocket, Secret, ServerOptions, Trust,
};

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4433);
const TICK: Micros = Micros(16_667);
const SESSION: SessionId = SessionId(1);

/// The room's way to its one client.
struct Line<'a> {
    driver: &'a mut Driver<MemorySocket>,
    conn: Option<ConnId>,
    follows: bool,
    payload_bytes: u64,
    datagrams: u64,
}

impl Net for Line<'_> {
    fn space(&mut self, _: SessionId) -> Option<usize> {
        let conn = self.conn?;
        if self.follows {
            self.driver.datagram_share(conn, TICK, SNAPSHOT_BYTES_MIN)
        } else {
            self.driver.datagram_space(conn)
        }
    }

    fn send(&mut self, _: SessionId, datagram: &[u8]) {
        let conn = self.conn.expect("it had space");
        self.driver.send_datagram(conn, datagram).expect("it had space");
        self.payload_bytes += datagram.len() as u64;
        self.datagrams += 1;
    }

    fn send_reliable(&mut self, _: SessionId, _: &[u8]) {}
}

struct World {
    server: Driver<MemorySocket>,
    player: Driver<Conditioner<MemorySocket>>,
    room: Room<Field>,
    client: Client<Field>,
    conn: ConnId,
    peer: Option<ConnId>,
    follows: bool,
    now: Micros,
    next_tick: Micros,
    payload_bytes: u64,
    datagrams: u64,
    out: Vec<u8>,
}

/// What happened in a while.
#[derive(Debug, Default)]
struct Figures {
    /// Round trips as QUIC smooths them, in milliseconds: mean, 95th percentile, longest.
    rtt_ms: [f64; 3],
    lost_percent: f64,
    snapshots_per_s: f64,
    kbytes_per_s: f64,
    /// Of all snapshots.
    arrived_per_s: f64,
    deferred_per_snapshot: f64,
}

impl World {
    fn new(net: &str, follows: bool) -> Self {
        let network = MemoryNetwork::new();
        let identity = Identity::reproducible([7; 32], &["localhost"]).expect("a good name");
        let mut options = ClientOptions::new(Trust::pinned(identity.fingerprint()));
        options.tuning.seed = Some([2; 32]);
        options.tuning.handshake_budget = HandshakeBudget::Steps(64);
        options.ids = ClientIds::Shared;
        let socket = network.bind(([10, 0, 0, 2], 5_000).into());
        let conditioned = Conditioner::new(socket, &spec(net), 42, FlowKey::ConnectionId);
        let mut player = Driver::client(&options, conditioned).expect("good options");
        let mut options = ServerOptions::new(identity);
        options.secret = Secret::from_bytes([9; 32]);
        options.tuning.seed = Some([1; 32]);
        options.tuning.handshake_budget = HandshakeBudget::Steps(64);
        let server = Driver::server(&options, network.bind(SERVER.into())).expect("good options");
        let conn = player.connect(Micros(0), SocketAddr::from(SERVER), "localhost").expect("a good address");
        // Five hundred walkers in sight are far more than any line here carries.
        let rules = Config { walkers: 3_000, visible: 1_200, ..Config::default() };
        let options = RoomOptions {
            tick_rate_hz: 60,
            send_rate_hz: 60,
            seed: 3,
            players_max: 1,
            spectators_max: 0,
            client_bytes_per_s: 64 * 1_024,
        };
        let mut room = Room::new(&rules, options).expect("good options");
        let start = Start {
            player: room.join(SESSION, "Ada", false).expect("there is a place"),
            tick_rate_hz: 60,
            send_rate_hz: 60,
            tick: Tick::ZERO,
            rtt: Micros::from_millis(50),
        };
        let (world, coding) = Client::<Field>::shared(&rules).expect("good rules");
        let client = Client::new(world, coding, start);
        Self {
            server,
            player,
            room,
            client,
            conn,
            peer: None,
            follows,
            now: Micros(0),
            next_tick: Micros(0),
            payload_bytes: 0,
            datagrams: 0,
            out: Vec::new(),
        }
    }

    fn set_line(&mut self, net: &str) {
        self.player.socket_mut().set_spec(&spec(net));
    }

    fn stats(&self) -> ConnStats {
        self.peer.and_then(|peer| self.server.stats(peer)).unwrap_or_default()
    }

    /// One millisecond.
    fn step(&mut self) {
        self.now = self.now + Micros::from_millis(1);
        let now = self.now;
        self.server.receive(now).expect("memory");
        self.server.handle_timeouts(now).expect("memory");
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Connected { conn, .. } => self.peer = Some(conn),
                Event::Datagram { at, payload, .. } => self.room.receive(SESSION, at, &payload).expect("honest"),
                _ => {}
            }
        }
        if now >= self.next_tick {
            self.next_tick = self.next_tick + TICK;
            let Self { server, peer, follows, .. } = self;
            let mut line = Line { driver: server, conn: *peer, follows: *follows, payload_bytes: 0, datagrams: 0 };
            self.room.tick(now, &mut line);
            self.payload_bytes += line.payload_bytes;
            self.datagrams += line.datagrams;
            self.server.flush(now).expect("memory");
        }
        self.player.receive(now).expect("memory");
        self.player.handle_timeouts(now).expect("memory");
        while let Some(event) = self.player.poll_event() {
            if let Event::Datagram { at, payload, .. } = event {
                // What builds on what was lost is as good as lost.
                let _ = self.client.receive(at, &payload);
            }
        }
        let mut sampled = false;
        while let Some(tick) = self.client.poll_input(now) {
            self.client.input(now, tick, &Input { forward: 1.0, yaw: tick.0 as f32 / 300.0, ..Input::default() });
            sampled = true;
        }
        if sampled {
            self.client.transmit(&mut self.out);
            let _ = self.player.send_datagram(self.conn, &self.out);
        }
        if sampled || now.0.is_multiple_of(17_000) {
            self.player.flush(now).expect("memory");
        }
    }

    fn run(&mut self, ms: u64) -> Figures {
        let (before, counters) = (self.stats(), *self.room.counters());
        let (bytes, datagrams, arrived) = (self.payload_bytes, self.datagrams, self.client.counters().snapshots);
        let mut rtts: Vec<f64> = Vec::new();
        for _ in 0..ms {
            self.step();
            rtts.push(self.stats().rtt.0 as f64 / 1e3);
        }
        rtts.sort_by(f64::total_cmp);
        let (after, seconds) = (self.stats(), ms as f64 / 1e3);
        let sent = (self.datagrams - datagrams) as f64;
        Figures {
            rtt_ms: [rtts.iter().sum::<f64>() / rtts.len() as f64, rtts[rtts.len() * 95 / 100], rtts[rtts.len() - 1]],
            lost_percent: (after.lost_packets - before.lost_packets) as f64 * 100.0
                / (after.sent_packets - before.sent_packets).max(1) as f64,
            snapshots_per_s: sent / seconds,
            kbytes_per_s: (self.payload_bytes - bytes) as f64 / 1e3 / seconds,
            arrived_per_s: (self.client.counters().snapshots - arrived) as f64 / seconds,
            deferred_per_snapshot: (self.room.counters().deferred - counters.deferred) as f64 / sent.max(1.0),
        }
    }
}

fn spec(net: &str) -> LinkSpec {
    net.parse().expect("the line is spelled right")
}

const OPEN: &str = "latency=25ms";

/// Ten seconds on an open line, twenty behind the bottleneck (of which the first five do not count), and then the time
/// until as much as before is sent again.
fn play(bottleneck: &str, follows: bool) -> (Figures, Figures, f64) {
    let mut world = World::new(OPEN, follows);
    world.run(5_000);
    let open = world.run(5_000);
    world.set_line(bottleneck);
    world.run(5_000);
    let narrow = world.run(15_000);
    world.set_line(OPEN);
    let mut took_s = f64::INFINITY;
    for quarter in 1..=40 {
        if world.run(250).kbytes_per_s >= 0.9 * open.kbytes_per_s {
            took_s = f64::from(quarter) * 0.25;
            break;
        }
    }
    let way = if follows { "followed" } else { "not followed" };
    println!(
        "| {bottleneck} | {way} | {:.0} / {:.0} / {:.0} ms | {:.1} % | {:.0} of {:.0} | {:.1} kB/s | {:.0} | {took_s} s |",
        narrow.rtt_ms[0],
        narrow.rtt_ms[1],
        narrow.rtt_ms[2],
        narrow.lost_percent,
        narrow.arrived_per_s,
        narrow.snapshots_per_s,
        narrow.kbytes_per_s,
        narrow.deferred_per_snapshot,
    );
    (open, narrow, took_s)
}

#[test]
fn a_client_of_a_busy_world_keeps_its_round_trip_behind_a_bottleneck() {
    println!(
        "| line | rate | round trip: mean / p95 / longest | lost | snapshots/s arrived of sent | sent | put off | \
         recovered after |\n|---|---|---|---|---|---|---|---|"
    );
    let [_, (open, narrow, took_s)] =
        [false, true].map(|follows| play("latency=25ms,rate=160kbit,queue=50ms", follows));
    assert!(narrow.rtt_ms[0] < open.rtt_ms[0] + 60.0, "{narrow:?} after {open:?}");
    assert!(narrow.lost_percent < 10.0, "{narrow:?}");
    assert!(narrow.arrived_per_s > 50.0, "{narrow:?}");
    assert!(narrow.deferred_per_snapshot > 100.0, "the room tells less: {narrow:?}");
    assert!(took_s <= 2.0, "as much as before again after {took_s} s");
    for line in ["latency=25ms,rate=160kbit,queue=200ms", "latency=25ms,rate=320kbit,queue=50ms"] {
        let [(_, without, _), (_, with, took_s)] = [false, true].map(|follows| play(line, follows));
        assert!(with.arrived_per_s > 1.25 * without.arrived_per_s, "{line}: {with:?} beside {without:?}");
        assert!(with.lost_percent < 10.0, "{line}: {with:?} beside {without:?}");
        assert!(took_s <= 2.0, "{line}: as much as before again after {took_s} s");
    }
}
