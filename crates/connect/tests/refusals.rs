//! Whatever goes wrong is told in a sentence that a player can act on.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use downbeat_connect::{ConnectError, Disconnected, Event, Fingerprint, Options, Session, Trust, describe};
use downbeat_field::{Field, Input};
use downbeat_replica::Schema;
use downbeat_wire::CloseCode;
use downbeat_wire::description::Description;
use downbeat_wire::limits::REDIRECTS_MAX;
use support::{Rules, StandIn};
use tokio::time::timeout;

async fn refused(address: &str, options: &Options) -> ConnectError {
    Session::<Field>::connect(address, options).await.map(|_| ()).expect_err("not let in")
}

#[tokio::test(flavor = "current_thread")]
async fn a_wrong_fingerprint_names_both() {
    let server = StandIn::start(Rules::default());
    let error = refused(&server.address(), &Options::new(Trust::Pinned(Fingerprint([7; 32])), "Ada")).await;
    assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&"07".repeat(32)) && text.contains(&server.fingerprint.to_string()), "{text}");
    assert!(text.contains("not the pinned one") && text.contains("ask for its fingerprint again"), "{text}");
}

#[tokio::test(flavor = "current_thread")]
async fn roots_believe_the_certificate_under_its_own_name_alone() {
    let server = StandIn::start(Rules::default());
    let mut options = Options::new(Trust::Roots(server.pem.clone()), "Ada");
    Session::<Field>::connect(&server.address(), &options).await.expect("127.0.0.1 is in the certificate");
    options.server_name = Some("play.example.com".to_owned());
    let error = refused(&server.address(), &options).await;
    assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
    assert!(error.to_string().contains("play.example.com"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn another_game_and_a_full_server_are_told() {
    let server = StandIn::start(Rules { game: "chess", ..Rules::default() });
    let error = refused(&server.address(), &server.options()).await;
    assert_eq!(
        error.to_string(),
        "not let in: the server ended the connection: WRONG_GAME (34): the server runs another game"
    );

    let server = StandIn::start(Rules { players_max: 1, ..Rules::default() });
    let _first = Session::<Field>::connect(&server.address(), &server.options()).await.expect("there is one place");
    let error = refused(&server.address(), &server.options()).await;
    assert!(
        matches!(error, ConnectError::Closed(Disconnected::Closed { code: CloseCode::ServerFull, .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("try again later or elsewhere"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_sends_elsewhere_for_ever_is_given_up() {
    for (reason, hellos) in [("9", 1 + REDIRECTS_MAX as usize), ("somewhere", 1)] {
        let server = StandIn::start(Rules { refusal: Some((CloseCode::Elsewhere, reason)), ..Rules::default() });
        let error = refused(&server.address(), &server.options()).await;
        assert_eq!(server.hellos(), hellos, "{error}");
        let described = describe(&server.address(), &server.options()).await.expect_err("not let in either");
        assert_eq!(server.hellos(), 2 * hellos, "{described}");
        for error in [error, described] {
            let end = Disconnected::Closed { code: CloseCode::Elsewhere, reason: reason.to_owned() };
            assert!(matches!(&error, ConnectError::Closed(closed) if *closed == end), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_not_downbeat_is_told() {
    let server = StandIn::start(Rules { alpn: b"h3", ..Rules::default() });
    let error = refused(&server.address(), &server.options()).await;
    assert!(matches!(error, ConnectError::NotDownbeat(_)), "{error:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_no_schema_or_no_model_of_it_is_told() {
    let schema = Schema::of::<Field>().expect("a good schema").to_bytes();
    let junk = b"junk".to_vec();
    for (schema, why) in [(junk.clone(), "this is not a schema"), (schema, "this is not a model")] {
        let description = Description { schema, model: junk.clone() };
        let server = StandIn::start(Rules { description, ..Rules::default() });
        let error = describe(&server.address(), &server.options()).await.expect_err("it is no description");
        assert!(matches!(error, ConnectError::Closed(Disconnected::Protocol(_))), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn reliable_events_that_cannot_be_are_told() {
    let stream = |bytes: &[u8]| Some((bytes.to_vec(), false));
    for (reliable, why) in [
        (stream(&[3, 0, 0xff, 0xff, 0xff]), "kind of an event"),
        (stream(&[0xff, 0xff]), "reliable event exceeds its limit"),
        (stream(b"GET / HTTP/1.1\r\n\r\n"), "reliable event exceeds its limit"),
        (Some((vec![9, 0, 1], true)), "it ended the stream of reliable events"),
    ] {
        let server = StandIn::start(Rules { reliable, ..Rules::default() });
        let mut session = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
        let end = async {
            loop {
                match session.next().await {
                    Ok(Event::Input(tick)) => session.input(tick, &Input::default()),
                    Ok(_) => {}
                    Err(end) => return end,
                }
            }
        };
        let end = timeout(Duration::from_secs(3), end).await.expect("it ends");
        assert!(matches!(end, Disconnected::Protocol(_)), "{end:?}");
        assert!(end.to_string().contains(why), "{end}");
        assert_eq!(session.next().await, Err(end), "and stays so");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn silence_is_told_after_the_timeout() {
    // A socket that never answers.
    let mute = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = mute.local_addr().expect("it is bound").to_string();
    let error = refused(&address, &Options::new(Trust::DangerAny, "Ada")).await;
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("UDP"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn bad_addresses_are_told() {
    for address in ["127.0.0.1", "no-such-host.invalid:1", "127.0.0.1:port"] {
        let error = refused(address, &Options::new(Trust::DangerAny, "Ada")).await;
        assert!(matches!(error, ConnectError::Address { .. }), "{address}: {error:?}");
        assert!(error.to_string().contains("host:port"), "{error}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_end_of_the_room_reaches_the_player() {
    let server = StandIn::start(Rules::default());
    let mut session = Session::<Field>::connect(&server.address(), &server.options()).await.expect("let in");
    let end = async {
        let mut snapshots = 0;
        loop {
            match session.next().await {
                Ok(Event::Input(tick)) => session.input(tick, &Input::default()),
                Ok(_) => {
                    snapshots += 1;
                    if snapshots == 10 {
                        server.close_all(CloseCode::RoomFailed, "the match broke");
                    }
                }
                Err(end) => return end,
            }
        }
    };
    let end = timeout(Duration::from_secs(3), end).await.expect("it ends");
    assert_eq!(end, Disconnected::Closed { code: CloseCode::RoomFailed, reason: "the match broke".to_owned() });
    assert_eq!(session.next().await, Err(end), "and stays so");
}
