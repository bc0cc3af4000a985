//! The face for frame loops. There is no async runtime in these tests: the callers have none either.

mod support;

use std::thread::sleep;
use std::time::{Duration, Instant};

use downbeat_connect::{
    ConnectError, Disconnected, Ended, Fingerprint, Message, Options, Polled, SayError, Status, Trust,
};
use downbeat_field::{Entity, Field, Input};
use downbeat_wire::CloseCode;
use support::{Rules, StandIn};

const FRAME: Duration = Duration::from_micros(16_666);

fn walk(net: &mut Polled<Field>, seconds: f32) -> Option<downbeat_field::Avatar> {
    let started = Instant::now();
    let mut avatar = None;
    while started.elapsed().as_secs_f32() < seconds {
        match net.update(|_| Input { forward: 1.0, ..Input::default() }) {
            Status::Connecting => {}
            Status::Playing(view) => {
                if let Some(Entity::Avatar(own)) = view.avatar {
                    avatar = Some(own);
                }
            }
            Status::Reconnecting(_) => panic!("the line is good"),
            Status::Ended(why) => panic!("{why}"),
        }
        sleep(FRAME);
    }
    avatar
}

#[test]
fn a_frame_loop_walks_and_sees() {
    let server = StandIn::start(Rules::default());
    let mut net = Polled::<Field>::connect(&server.address(), server.options());
    assert_eq!(net.say("hello"), Err(SayError::NotConnected));
    let before = walk(&mut net, 1.5).expect("an avatar is predicted");
    net.say("hello").expect("connected");
    let after = walk(&mut net, 1.5).expect("an avatar is predicted");
    assert!(before.position.distance(after.position) > 0.5, "it walks: {before:?} {after:?}");
    assert!(matches!(net.poll_message(), Some(Message::Said { text, .. }) if text == "hello"));
    let session = net.session().expect("connected");
    let counters = session.client().counters();
    assert!(counters.snapshots > 120 && counters.inputs > 120, "{counters:?}");
    assert!(counters.mispredicted * 20 <= counters.confirmed, "{counters:?}");
    drop(net);
    sleep(Duration::from_millis(100));
    assert_eq!(server.sessions(), 0, "dropping leaves");
}

#[test]
fn a_frame_loop_is_told_why_it_ends() {
    let server = StandIn::start(Rules::default());
    let mut wrong =
        Polled::<Field>::connect(&server.address(), Options::new(Trust::Pinned(Fingerprint([1; 32])), "Ada"));
    wait_for_end(&mut wrong, |why| matches!(why, Ended::NotConnected(ConnectError::Untrusted { .. })));

    let mut net = Polled::<Field>::connect(&server.address(), server.options());
    walk(&mut net, 0.5);
    server.close_all(CloseCode::Kicked, "be nice");
    wait_for_end(&mut net, |why| {
        assert!(why.to_string().contains("KICKED (4)") && why.to_string().contains("be nice"), "{why}");
        matches!(why, Ended::Disconnected(Disconnected::Closed { code: CloseCode::Kicked, .. }))
    });
}

fn wait_for_end(net: &mut Polled<Field>, expected: impl Fn(&Ended) -> bool) {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(3), "it does not end");
        if let Status::Ended(why) = net.update(|_| Input::default()) {
            assert!(expected(why), "{why:?}");
            return;
        }
        sleep(FRAME);
    }
}

#[test]
fn dropping_while_connecting_does_not_wait() {
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = mute.local_addr().expect("it is bound").to_string();
    let mut net = Polled::<Field>::connect(&address, Options::new(Trust::DangerAny, "Ada"));
    assert!(matches!(net.update(|_| Input::default()), Status::Connecting));
    let started = Instant::now();
    drop(net);
    assert!(started.elapsed() < Duration::from_secs(1));
}
