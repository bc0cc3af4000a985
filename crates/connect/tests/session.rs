//! The face for tokio against a stock quinn server over loopback.

mod support;

use std::time::Duration;

use downbeat_connect::{Event, Message, Session};
use downbeat_field::{Entity, Field, Input};
use downbeat_host::Told;
use support::{Rules, StandIn};
use tokio::time::{Instant, timeout};

/// Plays for `seconds`, changing direction twice a second; returns the prediction errors after the first second.
async fn play(session: &mut Session<Field>, seconds: f32) -> Vec<f32> {
    let started = Instant::now();
    let mut errors = Vec::new();
    while started.elapsed().as_secs_f32() < seconds {
        match timeout(Duration::from_secs(2), session.next()).await.expect("snapshots come").expect("connected") {
            Event::Input(tick) => {
                let yaw = (tick.0 / 30) as f32 * 0.7;
                session.input(tick, &Input { forward: 1.0, yaw, jump: tick.0 % 90 == 0, ..Input::default() });
            }
            Event::Snapshot(received) if started.elapsed().as_secs_f32() > 1.0 => {
                errors.extend(received.prediction_error_m);
            }
            _ => {}
        }
    }
    errors
}

#[tokio::test(flavor = "current_thread")]
async fn a_player_joins_predicts_interpolates_and_converges() {
    let server = StandIn::start(Rules::default());
    let mut session = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
    assert_eq!(session.room(), 1);
    assert!(session.player().is_some());

    let errors = play(&mut session, 2.0).await;
    let Some(Entity::Avatar(before)) = session.view().avatar else { panic!("an avatar is predicted") };
    let mut errors_later = play(&mut session, 1.5).await;
    errors_later.extend(errors);
    let view = session.view();
    let Some(Entity::Avatar(after)) = view.avatar else { panic!("an avatar is predicted") };
    assert!(before.position.distance(after.position) > 0.5, "it walks: {before:?} {after:?}");
    assert_eq!(view.others.len(), 16);
    let right = errors_later.iter().filter(|&&error| error <= 0.01).count();
    assert!(errors_later.len() > 60, "{} confirmations", errors_later.len());
    assert!(right * 100 >= errors_later.len() * 95, "{right} of {} predictions are right", errors_later.len());

    // The copy equals the room's state, lane by lane, as of a snapshot that just came.
    let deadline = Instant::now() + Duration::from_secs(2);
    while !converged(&server, &session) {
        assert!(Instant::now() < deadline, "the copy never equals the room's state");
        play(&mut session, 0.02).await;
    }
    let counters = *session.client().counters();
    assert_eq!(counters.undecodable, 0);
    assert!(counters.snapshots > 150, "{counters:?}");
    assert_eq!(session.stats().datagrams_dropped, 0);
    assert!(session.take_input_latencies().count() > 100);
}

fn converged(server: &StandIn, session: &Session<Field>) -> bool {
    let mut known: Vec<_> = session
        .client()
        .known()
        .map(|entity| Told { slot: entity.slot, kind: entity.kind, lanes: entity.lanes })
        .collect();
    known.sort_unstable_by_key(|told| told.slot);
    server.truth(session.client().newest()).is_some_and(|truth| truth == known)
}

#[tokio::test(flavor = "current_thread")]
async fn a_late_caller_does_not_spoil_the_stamps() {
    let server = StandIn::start(Rules::default());
    let mut session = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
    play(&mut session, 1.5).await;
    let before = session.client().interpolation_delay().expect("snapshots came");
    // The loop hangs; the background task does not.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        while let Ok(event) = timeout(Duration::from_millis(1), session.next()).await {
            if let Event::Input(tick) = event.expect("connected") {
                session.input(tick, &Input::default());
            }
        }
    }
    let after = session.client().interpolation_delay().expect("snapshots came");
    assert!(after.0 < before.0 + 60_000, "stamped when taken: {before:?} -> {after:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_spectator_sees_without_playing_and_acknowledges() {
    let server = StandIn::start(Rules { send_rate_hz: 30, ..Rules::default() });
    let mut options = server.options();
    options.spectator = true;
    let mut session = Session::<Field>::connect(&server.address(), &options).await.expect("let in");
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1_200) {
        let event = timeout(Duration::from_secs(2), session.next()).await.expect("snapshots come").expect("connected");
        assert!(!matches!(event, Event::Input(_)), "a spectator has no inputs");
    }
    assert_eq!(session.player(), None);
    assert!(session.view().avatar.is_none());
    assert_eq!(session.view().others.len(), 16);
    assert_eq!(server.counters().malformed, 0);
    assert!(converged(&server, &session));
}

#[tokio::test(flavor = "current_thread")]
async fn what_one_says_all_hear() {
    let server = StandIn::start(Rules::default());
    let mut ada = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
    let mut bob = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
    let long = "ö".repeat(200);
    ada.say(&long).expect("one message fits");
    for session in [&mut ada, &mut bob] {
        let heard = async {
            loop {
                match session.next().await.expect("connected") {
                    Event::Message(message) => return message,
                    Event::Input(tick) => session.input(tick, &Input::default()),
                    _ => {}
                }
            }
        };
        let Message::Said { player, text } = timeout(Duration::from_secs(2), heard).await.expect("it is heard") else {
            panic!("nobody drains")
        };
        assert_eq!((player.0, text), (0, "ö".repeat(128)), "cut to 256 bytes");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn leaving_is_told_at_once() {
    let server = StandIn::start(Rules::default());
    let session = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.sessions(), 1);
    session.leave().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.sessions(), 0);
}
