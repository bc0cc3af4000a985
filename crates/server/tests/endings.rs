//! How rooms and servers end: by a panic of the game, and when they are asked to.

mod common;

use std::time::{Duration, Instant};

use common::{Player, config, hello, start, start_told};
use downbeat_field::{Entity, Field, Input};
use downbeat_replica::{Capture, ConfigError, Context, Events, Game, Inputs, NoEvents, PlayerId, Rewind, Setup, Tick};
use downbeat_server::{Config, Notice};
use downbeat_transport::CloseReason;
use downbeat_wire::CloseCode;
use downbeat_wire::control::{Hello, ServerMessage};

/// A game that panics, or takes its time, where its players' names say.
struct Mine {
    names: Vec<(PlayerId, String)>,
}

impl Game for Mine {
    const NAME: &'static str = "mine";
    type Config = ();
    type World = ();
    type Input = Input;
    type Entity = Entity;
    type Event = NoEvents;

    fn world((): &()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new((): &(), _setup: Setup) -> Result<Self, ConfigError> {
        Ok(Self { names: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, name: &str) {
        assert_ne!(name, "join");
        self.names.push((player, name.to_owned()));
    }

    fn leave(&mut self, player: PlayerId) {
        assert!(!self.names.contains(&(player, "leave".to_owned())));
        self.names.retain(|(other, _)| *other != player);
    }

    fn step(&mut self, _: Tick, _: &Inputs<'_, Input>, _: &impl Rewind<Entity>, _: &mut Events<NoEvents>) {
        assert!(self.names.iter().all(|(_, name)| name != "step"));
        if self.names.iter().any(|(_, name)| name == "slow") {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn capture(&mut self, _: &mut Capture<'_, Entity>) {}

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Input) {}
}

impl Drop for Mine {
    fn drop(&mut self) {
        // Dropping it is not safe either.
        assert!(self.names.iter().all(|(_, name)| name != "step"));
    }
}

fn named(name: &str) -> Hello {
    Hello { name: name.to_owned(), ..hello::<Mine>() }
}

#[test]
fn a_panic_ends_its_room_and_no_other() {
    let config = Config { players_max: 2, ..config::<Mine>() };
    let server = start::<Mine>(&config, &());
    // Rooms 1 and 2; the third player's room goes on through everything.
    let mut first = [server.probe(), server.probe()];
    first.iter_mut().for_each(|probe| assert_eq!(probe.join(&named("quiet")).room, 1));
    let mut witness = server.probe();
    assert_eq!(witness.join(&named("quiet")).room, 2);
    let leaver = &mut first[0];
    let now = leaver.clock.now();
    leaver.driver.close(now, leaver.conn, CloseCode::Bye, "");
    assert!(leaver.until(|probe| probe.driver.is_idle()));

    let mut fourth = server.probe();
    let [_, victim] = &mut first;
    for (room, name) in [(1, "step"), (3, "leave")] {
        let mut bomb = server.probe();
        let hello = Hello { room: Some(room), ..named(name) };
        if name == "leave" {
            bomb.join(&hello);
            let now = bomb.clock.now();
            bomb.driver.close(now, bomb.conn, CloseCode::Bye, "");
            assert!(bomb.until(|probe| probe.driver.is_idle()));
        } else {
            bomb.write(&hello.to_bytes());
            assert_eq!(bomb.end().0, CloseCode::RoomFailed);
        }
        let (code, reason) = victim.end();
        assert_eq!((code, reason.as_str()), (CloseCode::RoomFailed, CloseCode::RoomFailed.reason()));
        // Its place in the witness's room is taken, so that the next victim opens room 3.
        if room == 1 {
            fourth.join(&named("quiet"));
            *victim = server.probe();
            assert_eq!(victim.join(&named("quiet")).room, 3);
        }
    }
    let mut joiner = server.probe();
    joiner.write(&named("join").to_bytes());
    assert_eq!(joiner.end().0, CloseCode::RoomFailed);

    let before = witness.datagrams_count;
    assert!(witness.until(|probe| probe.datagrams_count > before + 30), "{:?}", witness.closed);
    let report = server.stop();
    assert_eq!(report.totals.rooms_failed, 3);
    assert!(report.totals.closes.by_server["ROOM_FAILED"] >= 4);
}

#[test]
fn a_server_that_stops_tells_its_clients() {
    let server = start::<Field>(&config::<Field>(), &downbeat_field::Config::default());
    let mut probe = server.probe();
    probe.join(&hello::<Field>());
    server.stop.request();
    let began = Instant::now();
    assert_eq!(probe.end(), (CloseCode::ShuttingDown, CloseCode::ShuttingDown.reason().to_owned()));
    let report = server.stop();
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(report.totals.closes.by_server["SHUTTING_DOWN"], 1);
}

#[test]
fn a_drain_waits_for_those_who_play_and_takes_nobody() {
    let config = Config { drain_deadline: Duration::from_secs(3_600), ..config::<Field>() };
    let server = start::<Field>(&config, &downbeat_field::Config::default());
    let mut player = Player::join(server.probe(), &hello::<Field>());
    let mut waiting = server.probe();
    assert!(waiting.until(|probe| probe.is_connected));
    server.stop.request();
    let told = ServerMessage::Draining { deadline_s: 3_600 };
    assert!(player.until(|player| player.probe.messages.contains(&told)));

    waiting.write(&hello::<Field>().to_bytes());
    assert_eq!(waiting.end().0, CloseCode::ShuttingDown);
    let mut late = server.probe();
    assert!(late.until(|probe| probe.closed.is_some()));
    assert!(matches!(late.closed, Some(CloseReason::HandshakeFailed(_))), "{:?}", late.closed);

    let ticks = player.ticks();
    assert!(player.until(|player| player.ticks() > ticks + 30), "the match goes on");
    let now = player.probe.clock.now();
    player.probe.driver.close(now, player.probe.conn, CloseCode::Bye, "");
    assert!(player.probe.until(|probe| probe.driver.is_idle()));
    // Nobody is left, so it does not wait for an hour.
    let report = server.stop();
    assert_eq!(report.totals.closes.by_client["BYE"], 1);
}

#[test]
fn a_second_request_ends_a_drain() {
    let config = Config { drain_deadline: Duration::from_secs(3_600), ..config::<Field>() };
    let server = start::<Field>(&config, &downbeat_field::Config::default());
    let mut probe = server.probe();
    probe.join(&hello::<Field>());
    server.stop.request();
    assert!(probe.until(|probe| probe.messages.len() > 1));
    server.stop.request();
    assert_eq!(probe.end().0, CloseCode::ShuttingDown);
    server.stop();
}

#[test]
fn an_overload_is_told_once_a_second() {
    let (tell, told) = std::sync::mpsc::channel();
    let server = start_told::<Mine>(&config::<Mine>(), &(), Box::new(move |notice| drop(tell.send(notice.clone()))));
    let begun = Instant::now();
    let mut probe = server.probe();
    probe.join(&named("slow"));
    std::thread::sleep(Duration::from_millis(1_500));
    let report = server.stop();
    let seconds = begun.elapsed().as_secs() as usize;
    let told: Vec<u64> =
        told.iter().filter_map(|n| if let Notice::Slowed { ticks } = n { Some(ticks) } else { None }).collect();
    assert!((1..=2 + seconds).contains(&told.len()), "{told:?}");
    assert!(told.iter().sum::<u64>() <= report.totals.ticks_left_out, "{told:?}");
    assert!(report.totals.ticks_left_out > 30, "a tenth of the ticks ran: {:?}", report.totals);
}
