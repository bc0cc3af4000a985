//! A live server that asks for tickets: who shows a good one plays, once; everybody else is told why not.

mod common;

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use common::{Probe, Running, config, hello, start, start_told};
use downbeat_field::{Config as Rules, Field};
use downbeat_server::config::{SecondLogin, TicketKeys};
use downbeat_server::ticket::{NewKey, Role, SigningKey, Ticket};
use downbeat_server::{Config, Listen, Notice, Server, StartError};
use downbeat_transport::CloseReason;
use downbeat_wire::control::{Hello, Welcome};
use downbeat_wire::{CloseCode, Resume};

/// A file of keys that goes with the test.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str, keys: &NewKey) -> Self {
        let path = std::env::temp_dir().join(format!("downbeat-{}-{name}.json", std::process::id()));
        std::fs::write(&path, &keys.key_set).expect("there is a folder for such files");
        Self(path)
    }

    fn config(&self) -> Config {
        let tickets = TicketKeys { keys: self.0.clone(), audience: "downbeat".to_owned() };
        Config { tickets: Some(tickets), ..config::<Field>() }
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn rules() -> Rules {
    Rules { walkers: 10, visible: 4, ..Rules::default() }
}

fn key() -> NewKey {
    NewKey::generate("EdDSA", "k1").expect("a known algorithm")
}

fn ticket(jti: &str) -> Ticket {
    common::ticket("account-7", jti)
}

/// Says hello with this ticket; the welcome, or the code and reason of the refusal.
fn come(server: &Running, hello: Hello, key: &NewKey, ticket: &Ticket) -> Result<(Welcome, Probe), (u64, String)> {
    knock(server, &Hello { ticket: Some(common::sign(key, ticket)), ..hello })
}

fn knock(server: &Running, hello: &Hello) -> Result<(Welcome, Probe), (u64, String)> {
    let mut probe = server.probe();
    probe.knock(hello);
    if let Some(welcome) = probe.welcome().cloned() {
        return Ok((welcome, probe));
    }
    match probe.closed {
        Some(CloseReason::ByPeer { code, reason }) => Err((code, reason)),
        other => panic!("{other:?}"),
    }
}

fn refused<T>(result: Result<T, (u64, String)>, why: &str) {
    let (code, reason) = result.err().expect("it is refused");
    assert_eq!(CloseCode::from_code(code), Some(CloseCode::Unauthorized), "{reason}");
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn a_ticket_lets_in_once_and_everything_else_is_refused_with_a_reason_and_counted() {
    let key = key();
    let file = KeyFile::new("once", &key);
    let server = start::<Field>(&file.config(), &rules());
    let hello = hello::<Field>;
    refused(knock(&server, &hello()), "asks for a ticket");
    refused(knock(&server, &Hello { ticket: Some("a.b.c".to_owned()), ..hello() }), "cannot be read");
    refused(come(&server, hello(), &self::key(), &ticket("x")), "signature is wrong");
    refused(come(&server, hello(), &key, &Ticket { exp: 1, ..ticket("x") }), "expired");
    let (welcome, first) = come(&server, hello(), &key, &ticket("1")).expect("a good ticket");
    refused(come(&server, hello(), &key, &ticket("1")), "used before");
    drop(first);
    refused(come(&server, hello(), &key, &ticket("1")), "used before");
    let in_room = Ticket { room: Some(welcome.room), ..ticket("2") };
    refused(come(&server, Hello { room: Some(99), ..hello() }, &key, &in_room), "another room");
    let (second, _probe) = come(&server, hello(), &key, &in_room).expect("a refusal did not use it up");
    assert_eq!(second.room, welcome.room);
    let report = server.stop();
    let counts: Vec<_> = report.totals.tickets_refused.iter().map(|(why, n)| (why.as_str(), *n)).collect();
    let expected =
        [("bad_signature", 1), ("expired", 1), ("malformed", 1), ("missing", 1), ("used", 2), ("wrong_room", 1)];
    assert_eq!(counts, expected);
    assert_eq!(report.totals.admitted, 2);
}

#[test]
fn who_may_only_watch_does_not_play_and_players_do_not_watch() {
    let key = key();
    let file = KeyFile::new("roles", &key);
    let server = start::<Field>(&file.config(), &rules());
    let watching = || Hello { spectator: true, ..hello::<Field>() };
    let as_role = |role, jti| Ticket { role, ..ticket(jti) };
    refused(come(&server, watching(), &key, &as_role(Role::Player, "1")), "role");
    refused(come(&server, hello::<Field>(), &key, &as_role(Role::Spectator, "2")), "role");
    let (player, _player) = come(&server, hello::<Field>(), &key, &as_role(Role::Moderator, "3")).expect("may play");
    let (watcher, _watcher) = come(&server, watching(), &key, &as_role(Role::Spectator, "4")).expect("may watch");
    assert!(player.player.is_some() && watcher.player.is_none());
    server.stop();
}

#[test]
fn keys_are_read_again_when_their_file_changes_and_a_bad_file_changes_nothing() {
    let (old, new) = (key(), key());
    let file = KeyFile::new("rotation", &old);
    let (tell, told) = mpsc::channel();
    let notify = move |notice: &Notice| {
        let _ = tell.send(notice.clone());
    };
    let server = start_told::<Field>(&file.config(), &rules(), Box::new(notify));
    let wait_for = |is_it: fn(&Notice) -> bool| {
        while !is_it(&told.recv_timeout(Duration::from_secs(20)).expect("the file is looked at")) {}
    };
    std::fs::write(&file.0, "{ not keys").expect("it is ours");
    wait_for(|notice| matches!(notice, Notice::KeysRefused { .. }));
    assert!(come(&server, hello::<Field>(), &old, &ticket("1")).is_ok(), "the old keys still count");
    // Another length, so that a clock of whole seconds does not hide the change.
    std::fs::write(&file.0, format!("{}\n\n", new.key_set)).expect("it is ours");
    wait_for(|notice| matches!(notice, Notice::KeysRead { count: 1 }));
    assert!(come(&server, hello::<Field>(), &new, &ticket("2")).is_ok());
    refused(come(&server, hello::<Field>(), &old, &ticket("3")), "signature is wrong");
    refused(come(&server, hello::<Field>(), &new, &ticket("1")), "used before");
    server.stop();
}

#[test]
fn nobody_listens_to_other_machines_without_asking_unless_told_to() {
    let everywhere = vec![Listen::Address("0.0.0.0:0".parse().expect("an address"))];
    let open = Config { listen: everywhere, ..config::<Field>() };
    let start = |config: &Config| Server::<Field>::start(config, &rules(), Box::new(|_| {})).map(drop);
    let error = start(&open).expect_err("anybody could come");
    assert!(matches!(error, StartError::Open { .. }) && error.to_string().contains("--danger-no-auth"), "{error}");
    assert!(start(&Config { danger_no_auth: true, ..open.clone() }).is_ok());
    let file = KeyFile::new("everywhere", &key());
    assert!(start(&Config { tickets: file.config().tickets, ..open.clone() }).is_ok());
    let nowhere = TicketKeys { keys: PathBuf::from("/nowhere/keys.json"), audience: "downbeat".to_owned() };
    let error = start(&Config { tickets: Some(nowhere), ..open }).expect_err("there is no such file");
    assert!(error.to_string().contains("/nowhere/keys.json"), "{error}");
}

/// One room on each of two shards.
fn two_shards(file: &KeyFile, second_login: SecondLogin) -> Running {
    start::<Field>(&Config { shards: 2, rooms_max: 2, players_max: 2, second_login, ..file.config() }, &rules())
}

/// Fills the first room, so that the next ones come to the other shard.
fn seat(server: &Running, key: &NewKey, account: &str, jti: &str) -> Result<(Welcome, Probe), (u64, String)> {
    come(server, hello::<Field>(), key, &Ticket { sub: account.to_owned(), ..ticket(jti) })
}

#[test]
fn a_second_login_ends_the_first_wherever_either_is() {
    let key = key();
    let file = KeyFile::new("replace", &key);
    let server = two_shards(&file, SecondLogin::Replace);
    let (first, mut ada) = seat(&server, &key, "ada", "1").expect("a good ticket");
    let (_, _ben) = seat(&server, &key, "ben", "2").expect("a good ticket");
    let (other, _eve) = seat(&server, &key, "eve", "3").expect("a good ticket");
    assert_ne!(first.room % 2, other.room % 2, "they are on two shards");
    // A wish for a room that is not there, on the shard of her session, does not end that.
    let nowhere = Hello { room: Some(first.room + 200), ..hello::<Field>() };
    let wish = Ticket { sub: "ada".to_owned(), ..ticket("0") };
    let (code, _) = come(&server, nowhere, &key, &wish).err().expect("it is refused");
    assert_eq!(CloseCode::from_code(code), Some(CloseCode::NoSuchRoom));
    ada.turn();
    assert_eq!(ada.closed, None);
    // Across shards: to the room of the other one.
    let claim = Hello { room: Some(other.room), ..hello::<Field>() };
    let again = Ticket { sub: "ada".to_owned(), ..ticket("4") };
    let (second, mut later) = come(&server, claim, &key, &again).expect("a good ticket");
    assert_eq!(second.room, other.room);
    assert_eq!(ada.end().0, CloseCode::Replaced);
    let token = first.resume.expect("sessions can be resumed").token;
    let mut ghost = server.probe();
    ghost.knock(&Hello { resume: Some(Resume { token, held: None }), ..hello::<Field>() });
    assert_eq!(ghost.end().0, CloseCode::SessionOver, "who was replaced does not come back");
    // On the same shard, where its own place is the last one.
    let claim = Hello { room: Some(other.room), ..hello::<Field>() };
    let (third, probe) = come(&server, claim, &key, &Ticket { sub: "ada".to_owned(), ..ticket("5") }).expect("good");
    assert_eq!(third.room, other.room);
    assert_eq!(later.end().0, CloseCode::Replaced);
    // On a full server, whichever shard it knocks at.
    let (_, _dan) = seat(&server, &key, "dan", "6").expect("there is a place");
    let (code, _) = seat(&server, &key, "fay", "7").err().expect("it is refused");
    assert_eq!(CloseCode::from_code(code), Some(CloseCode::ServerFull));
    let mut ada = probe;
    for (shard, jti) in [(0, "8"), (1, "9")] {
        let text = common::sign(&key, &Ticket { sub: "ada".to_owned(), ..ticket(jti) });
        let mut again = server.probe_at(shard);
        again.knock(&Hello { ticket: Some(text), ..hello::<Field>() });
        assert!(again.welcome().is_some(), "its own place is free");
        assert_eq!(std::mem::replace(&mut ada, again).end().0, CloseCode::Replaced);
    }
    // A ticket that was used replaces nobody.
    refused(seat(&server, &key, "eve", "3"), "used before");
    let report = server.stop();
    assert_eq!(report.totals.closes.by_server["REPLACED"], 4);
}

#[test]
fn a_second_login_is_refused_where_the_first_is_to_stay_unless_that_lost_its_connection() {
    let key = key();
    let file = KeyFile::new("refuse", &key);
    let server = two_shards(&file, SecondLogin::Refuse);
    let (_, mut ada) = seat(&server, &key, "ada", "1").expect("a good ticket");
    for shard in [0, 1] {
        let text = SigningKey::from_pem(&key.private_pem).expect("its own key");
        let text = text.sign(&Ticket { sub: "ada".to_owned(), ..ticket("2") }, None).expect("ring signs");
        let mut late = server.probe_at(shard);
        late.knock(&Hello { ticket: Some(text), ..hello::<Field>() });
        assert_eq!(late.end().0, CloseCode::AlreadyConnected);
    }
    let now = ada.clock.now();
    ada.driver.close(now, ada.conn, CloseCode::Replaced, "");
    assert!(ada.until(|probe| probe.driver.is_idle()));
    let (_, mut again) = seat(&server, &key, "ada", "2").expect("nobody is there, and the ticket was not used");
    again.leave();
    seat(&server, &key, "ada", "3").expect("it left");
    let report = server.stop();
    assert_eq!(report.totals.closes.by_server["ALREADY_CONNECTED"], 2);
}

#[test]
fn a_session_is_resumed_without_a_ticket_and_not_with_anothers() {
    let key = key();
    let file = KeyFile::new("resume", &key);
    let server = start::<Field>(&file.config(), &rules());
    let (welcome, _first) = seat(&server, &key, "ada", "1").expect("a good ticket");
    let token = welcome.resume.expect("sessions can be resumed").token;
    let again = || Hello { resume: Some(Resume { token, held: None }), ..hello::<Field>() };
    let result = come(&server, again(), &key, &Ticket { sub: "eve".to_owned(), ..ticket("2") });
    refused(result, "refused");
    refused(come(&server, again(), &key, &Ticket { sub: "ada".to_owned(), exp: 1, ..ticket("3") }), "expired");
    let (same, _probe) =
        come(&server, again(), &key, &Ticket { sub: "ada".to_owned(), ..ticket("4") }).expect("its own");
    assert_eq!(same.player, welcome.player);
    let (same, _probe) = knock(&server, &again()).expect("no ticket is needed");
    assert_eq!(same.player, welcome.player);
    assert_eq!(server.stop().totals.admitted, 1);
}
