//! Clients that do what no honest client does: each is told why it is sent away, each is counted, and an honest client
//! on the same server notices nothing.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::{Probe, config, hello, start};
use downbeat_field::{Config as Rules, Field, Input};
use downbeat_replica::bits::BitWriter;
use downbeat_replica::{Input as _, InputFrame, Schema, Tick, neutral};
use downbeat_server::Config;
use downbeat_wire::control::{ClientMessage, Hello, MAGIC, PROTOCOL_VERSION, ServerMessage, frame};
use downbeat_wire::packet::{Acks, UpHead};
use downbeat_wire::{CloseCode, Micros};

fn rules() -> Rules {
    Rules { walkers: 20, ..Rules::default() }
}

/// Lets `act` loose on a live server where an honest client plays, and expects it to be sent away with `code` and a
/// reason that contains `reason`.
#[track_caller]
fn check_with(config: &Config, act: impl FnOnce(&mut Probe), code: CloseCode, reason: &str) {
    let server = start::<Field>(config, &rules());
    let honest = server.honest();
    let mut probe = server.probe();
    act(&mut probe);
    let (got, text) = probe.end();
    assert_eq!(got, code, "{text}");
    assert!(text.contains(reason), "`{text}` does not say `{reason}`");
    honest.assert_undisturbed();
    let report = server.stop();
    assert_eq!(report.totals.closes.by_server.get(code.label()), Some(&1), "{:?}", report.totals.closes);
    assert_eq!(report.totals.rooms_failed, 0);
}

#[track_caller]
fn check(act: impl FnOnce(&mut Probe), code: CloseCode, reason: &str) {
    check_with(&config::<Field>(), act, code, reason);
}

fn datagram(sequence: u16, acks: Option<Acks>, frames: &[InputFrame]) -> Vec<u8> {
    let schema = Schema::of::<Field>().expect("a good schema");
    let mut bytes = Vec::new();
    let mut out = BitWriter::new(&mut bytes);
    UpHead { sequence, acks }.encode(&mut out);
    InputFrame::encode(frames, &schema.input, &neutral::<Input>(), &mut out);
    out.finish();
    bytes
}

/// Sends what `next` makes until the server has had enough.
fn send_until_closed(probe: &mut Probe, per_turn: u16, mut next: impl FnMut(u16) -> Vec<u8>) {
    let mut sequence = 0;
    assert!(probe.until(|probe| probe.is_connected));
    for _ in 0..2_000 {
        for _ in 0..per_turn {
            probe.send(&next(sequence));
            sequence = sequence.wrapping_add(1);
        }
        probe.turn();
        if probe.closed.is_some() {
            return;
        }
    }
}

fn spectator() -> Hello {
    Hello { spectator: true, ..hello::<Field>() }
}

#[test]
fn a_wrong_magic() {
    check(|probe| probe.write(b"GET / HTTP/1.1\r\n"), CloseCode::BadMagic, "magic");
}

#[test]
fn a_wrong_protocol_version() {
    let mut bytes = hello::<Field>().to_bytes();
    bytes[4] = 99;
    check(move |probe| probe.write(&bytes), CloseCode::VersionMismatch, "version 99");
}

#[test]
fn a_wrong_game() {
    let other = Hello { game: "chess\u{1b}[31m".to_owned(), ..hello::<Field>() };
    check(move |probe| probe.write(&other.to_bytes()), CloseCode::WrongGame, "`field`, not `chess[31m`");
}

#[test]
fn a_wrong_schema() {
    let mut other = hello::<Field>();
    other.schema_hash ^= 1;
    check(move |probe| probe.write(&other.to_bytes()), CloseCode::SchemaMismatch, "different versions of the game");
}

#[test]
fn a_wrong_model() {
    let mut other = hello::<Field>();
    other.model_hash ^= 1;
    check(move |probe| probe.write(&other.to_bytes()), CloseCode::ModelMismatch, "update the older one");
}

#[test]
fn no_game_without_asking_for_the_schema() {
    let other = Hello { game: String::new(), ..hello::<Field>() };
    check(move |probe| probe.write(&other.to_bytes()), CloseCode::WrongGame, "`field`, not `");
}

#[test]
fn asking_for_the_schema_twice() {
    let asks = Hello { game: String::new(), schema_hash: 0, model_hash: 0, ..hello::<Field>() };
    let act = |probe: &mut Probe| {
        probe.join(&asks);
        probe.write(&asks.to_bytes());
    };
    check(act, CloseCode::SecondHello, "twice");
}

#[test]
fn a_hello_that_does_not_decode() {
    let mut bytes = hello::<Field>().to_bytes();
    let end = bytes.len() - 3;
    bytes[8..end].fill(0xff);
    check(move |probe| probe.write(&bytes), CloseCode::MalformedControl, "does not decode");
}

#[test]
fn an_oversized_hello() {
    let bytes = [&MAGIC[..], &PROTOCOL_VERSION.to_le_bytes(), &[0xff, 0xff]].concat();
    check(move |probe| probe.write(&bytes), CloseCode::ControlTooLarge, "65535 bytes exceeds");
}

#[test]
fn a_second_hello() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        probe.write(&hello::<Field>().to_bytes());
    };
    check(act, CloseCode::SecondHello, "twice");
}

#[test]
fn a_message_that_does_not_decode() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        probe.write(&[3, 0, 0, 0, 9, 9, 9]);
    };
    check(act, CloseCode::MalformedControl, "does not decode");
}

#[test]
fn an_oversized_message() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        probe.write(&frame(&ClientMessage::Say { text: "a".repeat(5_000) }));
    };
    check(act, CloseCode::ControlTooLarge, "exceeds the limit");
}

#[test]
fn more_messages_than_anybody_has_to_say() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        for _ in 0..100 {
            probe.write(&frame(&ClientMessage::Say { text: "spam".to_owned() }));
        }
    };
    check(act, CloseCode::Flooding, "control messages");
}

#[test]
fn silence_after_connecting() {
    let config = Config { hello_timeout: Duration::from_millis(300), ..config::<Field>() };
    check_with(&config, |_| {}, CloseCode::HelloTimeout, "within 0.3 s");
    // Half a hello is none.
    check_with(&config, |probe| probe.write(&MAGIC), CloseCode::HelloTimeout, "within 0.3 s");
}

#[test]
fn garbage_datagrams() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        // Cut in the middle of its head, and a number of frames that no datagram holds.
        let kinds = [vec![0], [&[1, 2, 0], &[0xff; 40][..]].concat(), Vec::new()];
        send_until_closed(probe, 2, |sequence| kinds[usize::from(sequence) % 3].clone());
    };
    check(act, CloseCode::MalformedDatagram, "malformed datagram");
}

#[test]
fn a_few_garbage_datagrams_are_forgiven() {
    let server = start::<Field>(&config::<Field>(), &rules());
    let mut probe = server.probe();
    probe.join(&hello::<Field>());
    for _ in 0..5 {
        probe.send(&[7]);
    }
    let before = probe.datagrams_count;
    assert!(probe.until(|probe| probe.datagrams_count > before + 30));
    assert_eq!(probe.closed, None);
    assert_eq!(server.stop().totals.datagrams_malformed, 5);
}

#[test]
fn more_datagrams_than_a_client_may_send() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        send_until_closed(probe, 10, |sequence| datagram(sequence, None, &[]));
    };
    check(act, CloseCode::Flooding, "300 datagrams per second");
}

#[test]
fn acknowledgements_of_what_was_never_sent() {
    let act = |probe: &mut Probe| {
        probe.join(&hello::<Field>());
        let acks = Some(Acks { newest: 30_000, before: 0 });
        send_until_closed(probe, 1, |sequence| datagram(sequence, acks, &[]));
    };
    check(act, CloseCode::ForgedAck, "never sent");
}

#[test]
fn a_spectator_that_plays() {
    let act = |probe: &mut Probe| {
        let welcome = probe.join(&spectator());
        let input = InputFrame { tick: Tick(welcome.tick + 10), lanes: Input::default().lanes(), ..Default::default() };
        send_until_closed(probe, 1, |sequence| datagram(sequence, None, std::slice::from_ref(&input)));
    };
    check(act, CloseCode::NotAllowed, "spectator cannot send inputs");
}

#[test]
fn a_spectator_that_talks() {
    let act = |probe: &mut Probe| {
        probe.join(&spectator());
        probe.write(&frame(&ClientMessage::Say { text: "hello".to_owned() }));
    };
    check(act, CloseCode::NotAllowed, "spectator cannot talk");
}

#[test]
fn leaving_and_coming_back_brings_nobody_more_chat_than_a_room_hears() {
    let server = start::<Field>(&config::<Field>(), &rules());
    let mut hearer = server.probe();
    hearer.join(&hello::<Field>());
    let began = hearer.clock.now();
    for _ in 0..12 {
        let mut talker = server.probe();
        talker.join(&hello::<Field>());
        (0..5).for_each(|_| talker.write(&frame(&ClientMessage::Say { text: "spam".to_owned() })));
        // Its own lines come back to it, unless the room heard enough.
        let told = talker.clock.now();
        assert!(talker.until(|talker| talker.clock.now().since(told) > Micros::from_millis(30)));
        let now = talker.clock.now();
        talker.driver.close(now, talker.conn, CloseCode::Bye, "");
        talker.turn();
        hearer.turn();
    }
    let turned = hearer.clock.now();
    assert!(hearer.until(|hearer| hearer.clock.now().since(turned) > Micros::from_millis(100)));
    let seconds = hearer.clock.now().since(began).as_secs_f64();
    let heard = hearer.messages.iter().filter(|message| matches!(message, ServerMessage::Said { .. })).count();
    let most = 20.0 + 10.0 * seconds;
    assert!((20.0..=most + 1.0).contains(&(heard as f64)), "{heard} in {seconds} s");
    assert_eq!(hearer.closed, None);
    assert_eq!(server.stop().totals.says_dropped + heard as u64, 60);
}

#[test]
fn too_many_connections_from_one_address() {
    let config = Config { address_exempt: Vec::new(), address_connections_max: 2, ..config::<Field>() };
    let server = start::<Field>(&config, &rules());
    let honest = server.honest();
    let mut second = server.probe();
    second.join(&hello::<Field>());
    let mut third = server.probe();
    let (code, reason) = third.end();
    assert_eq!((code, reason.as_str()), (CloseCode::TooManyConnections, code.reason()));
    // Once one has left there is a place again.
    let now = second.clock.now();
    second.driver.close(now, second.conn, CloseCode::Bye, "");
    assert!(second.until(|probe| probe.driver.is_idle()) && third.until(|probe| probe.driver.is_idle()));
    server.probe().join(&hello::<Field>());
    honest.assert_undisturbed();
    assert_eq!(server.stop().totals.closes.by_server[code.label()], 1);
}

#[test]
fn what_is_no_quic_at_all_and_what_comes_before_the_hello() {
    let server = start::<Field>(&config::<Field>(), &rules());
    let honest = server.honest();
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    for i in 0..500_u16 {
        let bytes: Vec<u8> = (0..i % 1_400).map(|j| (i.wrapping_mul(31) ^ j.wrapping_mul(7)) as u8).collect();
        stranger.send_to(&bytes, server.address).expect("loopback");
    }
    let mut early = server.probe();
    assert!(early.until(|probe| probe.is_connected));
    for sequence in 0..5 {
        assert!(early.send(&datagram(sequence, None, &[])));
        early.turn();
    }
    early.join(&hello::<Field>());
    honest.assert_undisturbed();
    let totals = server.stop().totals;
    assert_eq!(totals.datagrams_early, 5);
    assert!(totals.udp_ignored >= 300, "{totals:?}");
    assert_eq!(totals.kernel_drops, 0);
}
