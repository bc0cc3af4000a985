//! Rooms that share a thread, over real sockets: a slow one, one that panics and a hundred that open do nothing to those
//! who play in another one; and who is overloaded says so, and sends less before it leaves ticks out.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use common::{Player, Probe, Running, config, hello, start, start_told};
use downbeat_field::{Config as Rules, Entity, Field, Input, World};
use downbeat_replica::{
    Capture, ConfigError, Context, Events, Game, Inputs, NoEvents, PlayerId, Rewind, Scene, Setup, Tick, Viewer,
    Visible,
};
use downbeat_server::{Config, InputFigures, Notice};
use downbeat_wire::control::{Hello, ServerMessage};
use downbeat_wire::{CloseCode, Micros};
use tracing::field::{Field as Name, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as Around, SubscriberExt};

/// `field` with players whose names are orders: `step 40` makes each step of its room take 40 ms more, `tell 3` makes it
/// take 3 ms to say what the player is shown, and `panic` is what the room does in its next step.
struct Moody {
    field: Field,
    orders: Vec<(PlayerId, Order)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Nothing,
    Step(Duration),
    Tell(Duration),
    Panic,
}

impl Order {
    fn of(name: &str) -> Self {
        let (word, ms) = name.split_once(' ').unwrap_or((name, "0"));
        let time = Duration::from_millis(ms.parse().unwrap_or(0));
        match word {
            "step" => Self::Step(time),
            "tell" => Self::Tell(time),
            "panic" => Self::Panic,
            _ => Self::Nothing,
        }
    }
}

impl Game for Moody {
    const NAME: &'static str = "moody";
    type Config = Rules;
    type World = World;
    type Input = Input;
    type Entity = Entity;
    type Event = NoEvents;

    fn world(config: &Rules) -> Result<World, ConfigError> {
        Field::world(config)
    }

    fn new(config: &Rules, setup: Setup) -> Result<Self, ConfigError> {
        Ok(Self { field: Field::new(config, setup)?, orders: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, name: &str) {
        self.orders.push((player, Order::of(name)));
        self.field.join(player, name);
    }

    fn leave(&mut self, player: PlayerId) {
        self.orders.retain(|(other, _)| *other != player);
        self.field.leave(player);
    }

    fn step(
        &mut self,
        tick: Tick,
        inputs: &Inputs<'_, Input>,
        past: &impl Rewind<Entity>,
        events: &mut Events<NoEvents>,
    ) {
        for (_, order) in &self.orders {
            match order {
                Order::Step(time) => std::thread::sleep(*time),
                Order::Panic => panic!("as it was told to"),
                Order::Tell(_) | Order::Nothing => {}
            }
        }
        self.field.step(tick, inputs, past, events);
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        self.field.capture(out);
    }

    fn relevance(&self, viewer: &Viewer, scene: &Scene, out: &mut Visible) {
        for (player, order) in &self.orders {
            if let Order::Tell(time) = order
                && Some(*player) == viewer.player
            {
                std::thread::sleep(*time);
            }
        }
        self.field.relevance(viewer, scene, out);
    }

    fn predict(context: &Context<'_, Self>, own: &mut Entity, input: &Input) {
        let Context { world, tick, dt, others } = *context;
        Field::predict(&Context { world, tick, dt, others }, own, input);
    }
}

fn rules() -> Rules {
    Rules { walkers: 50, ..Rules::default() }
}

fn named(name: &str) -> Hello {
    Hello { name: name.to_owned(), ..hello::<Moody>() }
}

/// Somebody who plays on a thread of its own while something happens to other rooms.
struct Witness {
    thread: JoinHandle<Seen>,
    stop: Arc<AtomicBool>,
}

/// What it was served.
#[derive(Debug)]
struct Seen {
    snapshots: f64,
    ticks: f64,
    mispredicted: u64,
}

impl Witness {
    fn join(server: &Running) -> Self {
        let mut player = Player::<Moody>::enter(server.probe(), &named("witness"));
        // Its clock has found its place then.
        assert!(player.until(|player| player.ticks() > 60));
        let (begun, snapshots, ticks) = (player.probe.clock.now(), player.client.counters().snapshots, player.ticks());
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                player.turn();
            }
            assert_eq!(player.probe.closed, None);
            let counters = player.client.counters();
            let seconds = (player.probe.clock.now() - begun).as_secs_f64();
            let per_s = |count: u64| count as f64 / seconds;
            let seen = Seen {
                snapshots: per_s(counters.snapshots - snapshots),
                ticks: per_s((player.ticks() - ticks) as u64),
                mispredicted: counters.mispredicted,
            };
            let now = player.probe.clock.now();
            player.probe.driver.close(now, player.probe.conn, CloseCode::Bye, "");
            assert!(player.probe.until(|probe| probe.driver.is_idle()));
            seen
        });
        Self { thread, stop }
    }

    fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the witness is served")
    }

    /// It had its 60 snapshots a second. A quarter of them is left to the machine, which has other things to do as well.
    fn assert_undisturbed(self) -> Seen {
        let seen = self.end();
        println!("{seen:.1?}");
        assert!(seen.ticks > 45.0 && seen.snapshots > 45.0, "{seen:?}");
        assert_eq!(seen.mispredicted, 0, "{seen:?}");
        seen
    }
}

/// Of the inputs that the rooms ran on, hardly any were missing: one in twenty is left to the machine.
fn assert_fed(inputs: &InputFigures) {
    println!("{inputs:?}");
    assert!(inputs.consumed > 60 && inputs.starved * 20 <= inputs.consumed, "{inputs:?}");
}

fn one_each() -> Config {
    Config { players_max: 1, rooms_max: 128, address_connections_max: 1_000, ..config::<Moody>() }
}

#[test]
fn a_slow_room_is_slowed_down_itself_and_hurts_no_other() {
    for (ms, ticks_per_s) in [(5, 45..=61), (40, 6..=16)] {
        let server = start::<Moody>(&one_each(), &rules());
        // It only watches what becomes of its room, and sends nothing that could be missed.
        let mut slow = server.probe();
        slow.join(&named(&format!("step {ms}")));
        let witness = Witness::join(&server);
        let begun = slow.clock.now();
        assert!(slow.until(|slow| slow.clock.now().since(begun).as_secs_f64() > 3.0));
        let before = slow.datagrams_count;
        assert!(slow.until(|slow| slow.clock.now().since(begun).as_secs_f64() > 6.0));
        let rate = (slow.datagrams_count - before) / 3;
        witness.assert_undisturbed();
        assert!(ticks_per_s.contains(&rate), "{rate} ticks a second of {ms} ms");
        let told: Vec<u32> = slow.messages.iter().filter_map(left_out).collect();
        let report = server.stop();
        assert_fed(&report.totals.inputs);
        let figures = report.rooms.iter().find(|figures| figures.room == 1).expect("it took most");
        println!("{figures:?}");
        assert!(figures.game_us_mean > f64::from(ms) * 1e3);
        if ms == 40 {
            // Once a second at most, and as it is.
            assert!((3..=8).contains(&told.len()), "{told:?}");
            assert!(told.is_sorted() && u64::from(told[told.len() - 1]) <= figures.ticks_left_out, "{told:?}");
            assert!(told[told.len() - 1] > 100, "some 48 a second: {told:?}");
        } else {
            assert_eq!(figures.send_rate_hz, 60);
        }
    }
}

#[test]
fn one_packet_leaves_per_client_and_tick_whatever_beat_its_room_has() {
    let server = start::<Moody>(&one_each(), &rules());
    let play = |mut player: Player<Moody>| {
        while player.probe.closed.is_none() {
            player.turn();
        }
    };
    let players: Vec<_> = (0..8).map(|_| Player::enter(server.probe(), &named("quiet"))).collect();
    let players: Vec<_> = players.into_iter().map(|player| std::thread::spawn(move || play(player))).collect();
    // Figures begin after two seconds.
    std::thread::sleep(Duration::from_secs(4));
    let report = server.stop();
    players.into_iter().for_each(|player| player.join().expect("it is served"));
    let (traffic, snapshots) = (report.traffic.expect("it was measured"), report.snapshots.expect("likewise"));
    let each = traffic.datagrams_out as f64 / snapshots.sent as f64;
    println!("{each} of {}", snapshots.sent);
    assert!(snapshots.sent > 600 && (1.0..1.02).contains(&each), "{each} of {snapshots:?}");
}

fn left_out(message: &ServerMessage) -> Option<u32> {
    match message {
        ServerMessage::Pace { ticks_left_out, .. } => Some(*ticks_left_out),
        _ => None,
    }
}

fn last_rate(probe: &Probe) -> Option<u16> {
    let mut rates = probe.messages.iter().filter_map(|message| match message {
        ServerMessage::Pace { send_rate_hz, .. } => Some(*send_rate_hz),
        _ => None,
    });
    rates.next_back()
}

#[test]
fn rooms_that_panic_disturb_nobody_elses_match() {
    let server = start::<Moody>(&one_each(), &rules());
    let witness = Witness::join(&server);
    for _ in 0..30 {
        let mut bomb = server.probe();
        bomb.write(&named("panic").to_bytes());
        assert_eq!(bomb.end().0, CloseCode::RoomFailed);
    }
    witness.assert_undisturbed();
    let report = server.stop();
    assert_eq!(report.totals.rooms_failed, 30);
    assert_fed(&report.totals.inputs);
}

#[test]
fn a_hundred_rooms_open_and_close_while_others_tick() {
    let server = start::<Moody>(&one_each(), &rules());
    let witness = Witness::join(&server);
    let mut probes: Vec<_> = (0..100).map(|_| server.probe()).collect();
    for probe in &mut probes {
        probe.join(&named("quiet"));
    }
    assert_eq!(server.progress.read().rooms, 101);
    for probe in &mut probes {
        let before = probe.datagrams_count;
        assert!(probe.until(|probe| probe.datagrams_count > before + 3), "each room ticks");
    }
    for probe in &mut probes {
        let now = probe.clock.now();
        probe.driver.close(now, probe.conn, CloseCode::Bye, "");
        probe.turn();
    }
    assert!(probes[0].until(|_| server.progress.read().rooms == 1));
    witness.assert_undisturbed();
    let report = server.stop();
    assert_fed(&report.totals.inputs);
    assert_eq!((report.totals.rooms_opened, report.rooms.len()), (101, 16));
}

#[test]
fn an_overloaded_room_sends_less_before_it_slows_down_and_more_again_when_it_can() {
    let (tell, told) = std::sync::mpsc::channel();
    let notify = Box::new(move |notice: &Notice| drop(tell.send(notice.clone())));
    let server = start_told::<Moody>(&config::<Moody>(), &rules(), notify);
    // 24 ms of a tick's 16.7 for all of them, 12 for every other one.
    let mut probes: Vec<_> = (0..8).map(|_| server.probe()).collect();
    probes.iter_mut().for_each(|probe| _ = probe.join(&named("tell 3")));
    let deadline = probes[0].clock.now() + common::PATIENCE;
    while last_rate(&probes[0]) != Some(30) && probes[0].clock.now() < deadline {
        probes.iter_mut().for_each(Probe::turn);
    }
    assert_eq!(last_rate(&probes[0]), Some(30), "{:?}", probes[0].messages);
    assert!(probes[0].until(|_| server.progress.read().rooms_lowered == 1));
    // Each tick tells a part of them, and everybody has the same part.
    let before: Vec<u64> = probes.iter().map(|probe| probe.datagrams_count).collect();
    let until = probes[0].clock.now() + Micros::from_millis(2_000);
    while probes[0].clock.now() < until {
        probes.iter_mut().for_each(Probe::turn);
    }
    let rates = probes.iter().zip(before).map(|(probe, before)| (probe.datagrams_count - before) / 2);
    let rates: Vec<u64> = rates.collect();
    let most = rates.iter().copied().max().expect("there are eight");
    assert!((12..=31).contains(&most) && rates.iter().all(|rate| rate + 2 >= most), "{rates:?} a second");
    // Who comes now is told at once. Then there is time for all again.
    let mut late = server.probe();
    late.join(&named("tell 1"));
    assert!(late.until(|late| last_rate(late).is_some_and(|rate| rate < 60)), "{:?}", late.messages);
    for probe in &mut probes {
        let now = probe.clock.now();
        probe.driver.close(now, probe.conn, CloseCode::Bye, "");
        probe.turn();
    }
    assert!(late.until(|late| last_rate(late) == Some(60)), "{:?}", late.messages);
    assert!(late.until(|_| server.progress.read().rooms_lowered == 0));
    let report = server.stop();
    println!("{:?} {:?}", report.totals.snapshots, report.rooms);
    assert!(report.totals.snapshots.left_out > 100 && report.totals.send_rates_lowered >= 1);
    let steps = told.iter().filter(|n| matches!(n, Notice::SendRateLowered { .. } | Notice::SendRateRaised { .. }));
    assert!((2..=6).contains(&steps.count()));
}

type Fields = BTreeMap<&'static str, String>;

/// Keeps what is told of slow ticks.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Fields>>>);

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Around<'_, S>) {
        struct Read(Fields);
        impl Visit for Read {
            fn record_debug(&mut self, field: &Name, value: &dyn Debug) {
                self.0.insert(field.name(), format!("{value:?}"));
            }
        }
        let mut read = Read(Fields::new());
        event.record(&mut read);
        if read.0.get("event").is_some_and(|event| event == "\"slow_tick\"") {
            self.0.lock().expect("no test panics").push(read.0);
        }
    }
}

#[test]
fn a_slow_tick_tells_what_took_how_long() {
    const STEP: Duration = Duration::from_millis(40);
    let told = Told::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
    let server = start::<Moody>(&config::<Moody>(), &Rules { walkers: 5, ..Rules::default() });
    let slow = Hello { name: "step 40".to_owned(), ..hello::<Moody>() };
    let mut player = Player::<Moody>::enter(server.probe(), &slow);
    let us = |fields: &Fields, name: &str| fields[name].parse::<u64>().expect("a number");
    let is_blamed = |fields: &Fields| us(fields, "step_us") >= STEP.as_micros() as u64;
    assert!(player.until(|_| told.0.lock().expect("no test panics").iter().any(is_blamed)));
    server.stop();
    let told = told.0.lock().expect("no test panics");
    let slow = told.iter().find(|fields| is_blamed(fields)).expect("it was told");
    assert_eq!((slow["room"].as_str(), slow["sessions"].as_str()), ("1", "1"));
    let others = ["capture_us", "interest_us", "encode_us", "flush_us"];
    let others: u64 = others.into_iter().map(|part| us(slow, part)).sum();
    assert!(others <= us(slow, "work_us") - us(slow, "step_us") + 10, "parts add up: {slow:?}");
}
