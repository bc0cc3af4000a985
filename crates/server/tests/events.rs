//! Events that must arrive, over real QUIC: players and spectators hear all of them in order, and who does not read is sent
//! away without anybody else noticing.

mod common;

use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{config, hello, start};
use downbeat_connect::{Fingerprint, Options, Polled, Status, Trust};
use downbeat_replica::{
    Capture, ConfigError, Context, EntityId, Events, Game, Hearers, Input, Inputs, PlayerId, Replicated, Rewind, Setup,
    Tick,
};
use downbeat_server::Config;
use downbeat_wire::CloseCode;
use serde::{Deserialize, Serialize};

#[derive(Input, Clone, Default)]
struct Pad {
    held: bool,
}

#[derive(Replicated, Clone)]
struct Body {
    alive: bool,
}

#[derive(Replicated, Clone)]
enum Entity {
    Body(Body),
}

/// The tick in which it was said, and whether to one player alone.
#[derive(Replicated, Clone)]
struct Word {
    tick: u32,
    private: bool,
}

/// A long one.
#[derive(Replicated, Clone)]
struct Speech {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
}

#[derive(Replicated, Clone)]
enum Event {
    Word(Word),
    Speech(Speech),
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Rules {
    /// Speeches a tick that the second player must listen to.
    speeches: u16,
}

/// A game that talks.
struct Talk {
    rules: Rules,
    players: Vec<PlayerId>,
}

impl Game for Talk {
    const NAME: &'static str = "talk";
    type Config = Rules;
    type World = ();
    type Input = Pad;
    type Entity = Entity;
    type Event = Event;

    fn world(_: &Rules) -> Result<(), ConfigError> {
        Ok(())
    }

    fn new(rules: &Rules, _: Setup) -> Result<Self, ConfigError> {
        Ok(Self { rules: rules.clone(), players: Vec::new() })
    }

    fn join(&mut self, player: PlayerId, _: &str) {
        self.players.push(player);
    }

    fn leave(&mut self, player: PlayerId) {
        self.players.retain(|other| *other != player);
    }

    fn step(&mut self, tick: Tick, _: &Inputs<'_, Pad>, _: &impl Rewind<Entity>, events: &mut Events<Event>) {
        let word = |private| Event::Word(Word { tick: tick.0, private });
        events.emit_reliable(Hearers::All, word(false));
        events.emit_reliable(Hearers::Player(PlayerId(0)), word(true));
        for _ in 0..self.rules.speeches {
            events.emit_reliable(Hearers::Player(PlayerId(1)), Event::Speech(Speech { a: 1, b: 2, c: 3, d: 4 }));
        }
    }

    fn capture(&mut self, out: &mut Capture<'_, Entity>) {
        for &player in &self.players {
            out.put_avatar(EntityId::new(player.0.into(), 0), player, &mut Entity::Body(Body { alive: true }));
        }
    }

    fn predict(_: &Context<'_, Self>, _: &mut Entity, _: &Pad) {}
}

/// What a client hears in `seconds`: the ticks of words to all, and how many were private.
fn listen(net: &mut Polled<Talk>, seconds: f64, heard: &mut (Vec<u32>, usize)) {
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        match net.update(|_| Pad::default()) {
            Status::Connecting => {}
            Status::Playing(view) => {
                for event in view.events {
                    match event {
                        Event::Word(word) if word.private => heard.1 += 1,
                        Event::Word(word) => heard.0.push(word.tick),
                        Event::Speech(_) => panic!("it was for somebody else"),
                    }
                }
            }
            Status::Reconnecting(_) => panic!("the line is good"),
            Status::Ended(why) => panic!("{why}"),
        }
        sleep(Duration::from_millis(8));
    }
}

fn options(server: &common::Running, spectator: bool) -> Options {
    let fingerprint = Fingerprint(server.fingerprint.0);
    Options { spectator, ..Options::new(Trust::Pinned(fingerprint), "Ada") }
}

fn assert_whole(heard: &[u32]) {
    assert!(heard.len() > 60, "only {} were heard", heard.len());
    assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "{heard:?}");
}

#[test]
fn players_and_spectators_hear_all_in_order() {
    let server = start::<Talk>(&Config { spectators_max: 2, ..config::<Talk>() }, &Rules::default());
    let address = server.address.to_string();
    let mut player = Polled::<Talk>::connect(&address, options(&server, false));
    let (mut of_player, mut of_spectator) = <((Vec<u32>, usize), (Vec<u32>, usize))>::default();
    listen(&mut player, 0.5, &mut of_player);
    let mut spectator = Polled::<Talk>::connect(&address, options(&server, true));
    for _ in 0..20 {
        listen(&mut spectator, 0.1, &mut of_spectator);
        listen(&mut player, 0.02, &mut of_player);
    }
    assert_whole(&of_player.0);
    assert_whole(&of_spectator.0);
    assert!(of_player.1.abs_diff(of_player.0.len()) <= 1, "{} were private", of_player.1);
    assert_eq!(of_spectator.1, 0, "what is said to one player is heard by nobody else");
    drop((player, spectator));
    assert_eq!(server.stop().totals.rooms_failed, 0);
}

#[test]
fn who_does_not_read_is_sent_away_and_nobody_else_notices() {
    let server = start::<Talk>(&config::<Talk>(), &Rules { speeches: 40 });
    let address = server.address.to_string();
    let mut player = Polled::<Talk>::connect(&address, options(&server, false));
    let mut heard = <(Vec<u32>, usize)>::default();
    listen(&mut player, 0.3, &mut heard);
    let mut deaf = server.probe();
    deaf.join(&hello::<Talk>());
    // It answers packets, but nobody takes what it is told.
    let began = Instant::now();
    let mut was_in = false;
    while began.elapsed() < Duration::from_secs(20) && !(was_in && server.progress.read().clients == 1) {
        was_in |= server.progress.read().clients == 2;
        let now = deaf.clock.now();
        deaf.driver.wait(Duration::from_millis(2)).expect("loopback");
        deaf.driver.receive(now).expect("loopback");
        deaf.driver.handle_timeouts(now).expect("loopback");
        deaf.driver.flush(now).expect("loopback");
        listen(&mut player, 0.004, &mut heard);
    }
    listen(&mut player, 0.5, &mut heard);
    let (code, reason) = deaf.end();
    assert_eq!((code, reason.as_str()), (CloseCode::Overloaded, "the stream of reliable events was not read"));
    assert_whole(&heard.0);
    drop(player);
    let report = server.stop();
    assert_eq!(report.totals.closes.by_server.get("OVERLOADED"), Some(&1), "{:?}", report.totals.closes);
    assert_eq!(report.totals.rooms_failed, 0);
}
