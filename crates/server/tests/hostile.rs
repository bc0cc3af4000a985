//! What needs a server of its own, apart from the attacks of `abuse.rs`.

mod common;

use common::{config, hello, start};
use downbeat_field::{Config as Rules, Field};
use downbeat_server::Config;
use downbeat_wire::control::{ClientMessage, ServerMessage, frame};
use downbeat_wire::{CloseCode, Micros};

fn rules() -> Rules {
    Rules { walkers: 20, ..Rules::default() }
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
