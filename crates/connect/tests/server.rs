//! Against the real server, whose QUIC is driven by other code than ours.

use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use downbeat_connect::{
    Disconnected, Ended, Fingerprint, Look, Message, Options, Polled, Status, Trust, Watched, Watcher, describe, watch,
};
use downbeat_field::{Field, Input};
use downbeat_replica::Schema;
use downbeat_replica::codec::Model;
use downbeat_server::{Config, Listen, Server, ServerReport, Stop};
use downbeat_wire::CloseCode;

struct Running {
    port: u16,
    fingerprint: Fingerprint,
    stop: Stop,
    thread: JoinHandle<ServerReport>,
}

fn start() -> Running {
    let config = Config {
        listen: vec![Listen::Localhost(0)],
        seed: Some(7),
        drain_deadline: Duration::from_secs(1),
        ..Config::new("field")
    };
    let server =
        Server::<Field>::start(&config, &downbeat_field::Config::default(), Box::new(|_| {})).expect("it starts");
    let port = server.local_addrs()[0].port();
    let fingerprint = Fingerprint(server.fingerprint().0);
    let stop = Stop::new();
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || server.run(&stopped).expect("the sockets work"));
    Running { port, fingerprint, stop, thread }
}

#[test]
fn a_frame_loop_plays_on_a_real_server_until_it_shuts_down() {
    let server = start();
    let options = Options::new(Trust::Pinned(server.fingerprint), "Ada");
    // A name with addresses of both families, as far as the system has them.
    let mut net = Polled::<Field>::connect(&format!("localhost:{}", server.port), options);
    let started = Instant::now();
    let end = loop {
        let time = started.elapsed();
        assert!(time < Duration::from_secs(8), "it does not end");
        if time > Duration::from_millis(2_500) && !server.stop.is_requested() {
            let session = net.session().expect("connected by now");
            let counters = *session.client().counters();
            assert!(counters.snapshots > 100 && counters.confirmed > 90, "{counters:?}");
            assert_eq!((counters.undecodable, counters.snapshots_missing), (0, 0), "{counters:?}");
            assert!(counters.mispredicted * 20 <= counters.confirmed, "{counters:?}");
            server.stop.request();
        }
        match net.update(|tick| Input { forward: 1.0, yaw: (tick.0 / 30) as f32, ..Input::default() }) {
            Status::Ended(why) => break why.to_string(),
            Status::Connecting | Status::Playing(_) | Status::Reconnecting(_) => sleep(Duration::from_millis(16)),
        }
    };
    assert!(end.contains("SHUTTING_DOWN (1)"), "{end}");
    let report = server.thread.join().expect("the server did not panic");
    let inputs = report.inputs.expect("somebody played");
    assert!(inputs.consumed > 0 && inputs.starved * 20 <= inputs.consumed, "{inputs:?}");
    assert_eq!(net.poll_message(), Some(Message::Draining { deadline_s: 1 }), "told before the end, read after it");
    assert!(net.session().is_some(), "its resume token can still be asked for");
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_without_the_game_is_told_all_of_it() {
    let server = start();
    let options = Options::new(Trust::Pinned(server.fingerprint), "Ada");
    let address = format!("127.0.0.1:{}", server.port);
    let told = describe(&address, &options).await.expect("it is told");
    let schema = Schema::of::<Field>().expect("a good schema");
    let model = Model::of_game::<Field>(&schema).expect("a good model");
    println!("a schema of {} bytes and a model of {}", schema.to_bytes().len(), model.to_bytes().len());
    assert_eq!(told.schema, schema);
    assert_eq!((told.model.hash(), told.model.to_bytes()), (model.hash(), model.to_bytes()));
    assert_eq!((told.welcome.player, told.welcome.tick_rate_hz), (None, 60));
    let rules: downbeat_field::Config = downbeat_wire::control::decode(&told.welcome.config).expect("the game's rules");
    assert_eq!(rules.walkers, downbeat_field::Config::default().walkers);
    // A server that stops at once has nobody to wait for.
    server.stop.request();
    let report = server.thread.join().expect("the server did not panic");
    assert_eq!(report.totals.closes.by_client.get("BYE"), Some(&1), "{:?}", report.totals.closes);
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_without_the_game_watches_a_match() {
    let server = start();
    let options = Options::new(Trust::Pinned(server.fingerprint), "Ada");
    let mut watcher = watch(&format!("127.0.0.1:{}", server.port), &options).await.expect("it is let in");
    let mut ticks = Vec::new();
    while ticks.len() < 60 {
        let next = tokio::time::timeout(Duration::from_secs(5), watcher.next()).await.expect("it goes on");
        let Watched::Snapshot(tick) = next.expect("it goes on") else { panic!("nobody says anything") };
        ticks.push(tick);
    }
    assert!(ticks.is_sorted() && ticks.last() == Some(&watcher.mirror().newest()), "{ticks:?}");
    let known = watcher.mirror().known().count();
    assert!(known > 20, "it is shown {known} of the 32 that each client is");
    // It goes to a corner, and on the way there to many places.
    let before: Vec<_> = watcher.mirror().known().map(|known| (known.slot, known.entered)).collect();
    for x in 0..5 {
        watcher.look(Look::at([15.0 * x as f32, 0.0, 60.0]).expect("a place")).await.expect("it is connected");
    }
    let is_same = |watcher: &Watcher| {
        watcher.mirror().known().filter(|known| before.contains(&(known.slot, known.entered))).count()
    };
    while is_same(&watcher) > before.len() / 2 {
        let next = tokio::time::timeout(Duration::from_secs(5), watcher.next()).await.expect("it goes on");
        next.expect("it goes on");
    }
    watcher.leave().await;
    server.stop.request();
    let report = server.thread.join().expect("the server did not panic");
    assert_eq!(report.totals.closes.by_client.get("BYE"), Some(&1), "{:?}", report.totals.closes);
}

#[test]
fn a_room_that_does_not_exist_is_told() {
    let server = start();
    let mut options = Options::new(Trust::Pinned(server.fingerprint), "Ada");
    options.room = Some(99);
    let mut net = Polled::<Field>::connect(&format!("127.0.0.1:{}", server.port), options);
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(5), "it does not end");
        if let Status::Ended(why) = net.update(|_| Input::default()) {
            let code = match why {
                Ended::NotConnected(downbeat_connect::ConnectError::Closed(Disconnected::Closed { code, .. })) => *code,
                other => panic!("{other:?}"),
            };
            assert_eq!(code, CloseCode::NoSuchRoom);
            break;
        }
        sleep(Duration::from_millis(16));
    }
    server.stop.request();
    server.thread.join().expect("the server did not panic");
}
