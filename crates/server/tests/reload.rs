//! A live server whose configuration, certificate and bans change: those who play go on, newcomers meet the new ones, and what
//! cannot be used changes nothing.

mod common;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{PATIENCE, Probe, Running, config, hello, serve, start_told};
use downbeat_field::{Config as Rules, Field};
use downbeat_replica::Game;
use downbeat_server::config::{GameDefaults, TlsFiles};
use downbeat_server::control::Banned;
use downbeat_server::{Config, Loader, Notice, Reload, Server};
use downbeat_transport::Identity;
use downbeat_wire::CloseCode;
use downbeat_wire::control::{OPERATOR, ServerMessage};

const GAMES: [GameDefaults; 1] = [GameDefaults { name: Field::NAME, players_max: 64 }];

/// Files that go with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("downbeat-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is room for a folder");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("there is room for a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn rules() -> Rules {
    Rules { walkers: 10, visible: 4, ..Rules::default() }
}

const BASE: &str = "listen = '127.0.0.1:0'\nseed = 1\n[game.field]\nwalkers = 10\nvisible = 4\n";

fn read(path: &Path) -> Result<(Config, Rules), downbeat_server::config::ConfigError> {
    let mut loader = Loader::new(&GAMES);
    loader.file(path)?;
    let (config, table) = loader.finish()?;
    let rules = table.rules::<Field>()?;
    Ok((config, rules))
}

/// A server that was started from a file, with the way to read it again.
fn start_from(path: &Path) -> (Running, Arc<Reload>) {
    let (config, rules) = read(path).expect("a good file");
    let mut server = Server::<Field>::start(&config, &rules, Box::new(|_| {})).expect("loopback has a free port");
    let path = path.to_owned();
    let reload = server.reload_with(Box::new(move || read(&path)));
    (serve(server), reload)
}

fn notices() -> (downbeat_server::Notify, Receiver<Notice>) {
    let (told, notices) = channel();
    let told = Mutex::new(told);
    (Box::new(move |notice| _ = told.lock().expect("nobody panics").send(notice.clone())), notices)
}

fn wait_for(notices: &Receiver<Notice>, is_meant: impl Fn(&Notice) -> bool) -> Notice {
    loop {
        let notice = notices.recv_timeout(Duration::from_micros(PATIENCE.0)).expect("it is told");
        if is_meant(&notice) {
            return notice;
        }
    }
}

fn said(probe: &Probe) -> Option<(u16, &str)> {
    probe.messages.iter().find_map(|message| match message {
        ServerMessage::Said { player, text } => Some((*player, text.as_str())),
        _ => None,
    })
}

#[test]
fn what_can_change_does_and_the_rest_is_named() {
    let folder = Folder::new("reload");
    let path = folder.write("server.toml", BASE);
    let (server, reload) = start_from(&path);
    let honest = server.honest();
    let mut before = server.probe();
    before.join(&hello::<Field>());
    assert!(reload.reload().expect("it is the same").changed.is_empty());

    let changed =
        "motd = 'Be kind.'\naddress_connections_max = 2\naddress_exempt = []\ntick_rate = 30\nrooms_max = 2\n";
    folder.write("server.toml", &format!("{changed}{BASE}").replace("walkers = 10", "walkers = 20"));
    let reloaded = reload.reload().expect("a good file");
    assert_eq!(reloaded.changed, ["rooms_max", "address_connections_max", "address_exempt", "motd"]);
    assert_eq!(reloaded.needs_restart, ["tick_rate", "send_rate", "game.field"]);
    // Two are there, so a third one is one too many.
    let (code, _) = server.probe().end();
    assert_eq!(code, CloseCode::TooManyConnections);
    before.leave();
    let mut after = server.probe();
    assert_eq!(after.join(&hello::<Field>()).tick_rate_hz, 60);
    assert!(after.until(|probe| said(probe).is_some()));
    assert_eq!((said(&after), said(&before)), (Some((OPERATOR, "Be kind.")), None));
    // What needs a restart is named again, and what was followed is not.
    let reloaded = reload.reload().expect("a good file");
    assert_eq!((reloaded.changed.len(), reloaded.needs_restart.len()), (0, 3));
    honest.assert_undisturbed();
    server.stop();
}

#[test]
fn a_bad_file_changes_nothing() {
    let folder = Folder::new("bad");
    let path = folder.write("server.toml", &format!("motd = 'before'\n{BASE}"));
    let (server, reload) = start_from(&path);
    let refused = |text: &str, why: &str| {
        folder.write("server.toml", &format!("motd = 'after'\n{text}{BASE}"));
        let error = reload.reload().expect_err("it is bad").to_string();
        assert!(error.contains(why), "{error}");
        let mut probe = server.probe();
        probe.join(&hello::<Field>());
        assert!(probe.until(|probe| said(probe).is_some()));
        assert_eq!(said(&probe), Some((OPERATOR, "before")), "{text}");
    };
    refused("datagrams_per_s = 1\n", "server.toml:2: `datagrams_per_s` is 1; 150 to 100000 are allowed");
    refused("nonsense = 1\n", "server.toml:2: unknown field `nonsense`");
    refused("[", "server.toml:");
    refused("tickets.keys = 'none.json'\n", "none.json: No such file");
    refused("tls = { cert = 'none.pem', key = 'none.key' }\n", "none.pem: No such file");
    std::fs::remove_file(&path).expect("it is there");
    assert!(reload.reload().expect_err("it is gone").to_string().contains("cannot be read"));
    server.stop();
}

#[test]
fn a_server_begins_to_ask_for_tickets_and_does_not_stop() {
    let folder = Folder::new("tickets");
    let keys = downbeat_server::ticket::NewKey::generate("EdDSA", "k1").expect("a known algorithm");
    folder.write("keys.json", &keys.key_set);
    let path = folder.write("server.toml", BASE);
    let (server, reload) = start_from(&path);
    let mut before = server.probe();
    before.join(&hello::<Field>());
    folder.write("server.toml", &format!("tickets.keys = 'keys.json'\n{BASE}"));
    assert_eq!(reload.reload().expect("good").changed, ["tickets.keys", "tickets.audience"]);
    let refused = |server: &Running| {
        let mut probe = server.probe();
        probe.write(&hello::<Field>().to_bytes());
        assert_eq!(probe.end().0, CloseCode::Unauthorized);
    };
    refused(&server);
    folder.write("server.toml", BASE);
    assert_eq!(reload.reload().expect("good").needs_restart, ["tickets.keys", "tickets.audience"]);
    refused(&server);
    assert!(before.closed.is_none() && before.until(|probe| probe.datagrams_count > 30), "who is in stays in");
    server.stop();
}

#[test]
fn a_new_certificate_is_shown_once_both_files_are_there_and_those_who_play_go_on() {
    let folder = Folder::new("tls");
    let identities = [1, 2].map(|n| Identity::reproducible([n; 32], &["localhost"]).expect("a good name"));
    let cert = folder.write("server.pem", &identities[0].certificate_pem());
    let key = folder.write("server.key", &identities[0].danger_key_pem());
    let (notify, notices) = notices();
    let config = Config { tls: Some(TlsFiles { cert, key }), ..config::<Field>() };
    let server = start_told::<Field>(&config, &rules(), notify);
    assert_eq!(server.fingerprint, identities[0].fingerprint());
    let honest = server.honest();

    folder.write("server.pem", &identities[1].certificate_pem());
    let told = wait_for(&notices, |notice| matches!(notice, Notice::CertificateRefused { .. })).to_string();
    assert!(told.contains("certificate and key cannot be used"), "{told}");
    server.probe().join(&hello::<Field>());

    folder.write("server.key", &identities[1].danger_key_pem());
    let fingerprint = identities[1].fingerprint();
    wait_for(&notices, |notice| *notice == Notice::CertificateRead { fingerprint });
    Probe::new(server.address, fingerprint).join(&hello::<Field>());
    let mut old = server.probe();
    assert!(old.until(|probe| probe.closed.is_some()), "who believes the old one alone is not let down");
    honest.assert_undisturbed();
    server.stop();
}

#[test]
fn who_is_banned_goes_and_does_not_come_back_until_the_ban_is_lifted() {
    let folder = Folder::new("bans");
    let path = folder.0.join("bans.json");
    let (notify, notices) = notices();
    let config = Config { bans: Some(path.clone()), ..config::<Field>() };
    let server = Server::<Field>::start(&config, &rules(), notify).expect("loopback has a free port");
    let bans = server.bans();
    let server = serve(server);
    let mut inside = server.probe();
    inside.join(&hello::<Field>());
    let mut silent = server.probe();
    assert!(silent.until(|probe| probe.is_connected));

    let network = |text: &str| Banned::Network(text.parse().expect("a prefix"));
    let ban = bans.add(network("127.0.0.0/8"), None, "for being rude").expect("it can be written");
    let expected = (CloseCode::Kicked, "banned: for being rude".to_owned());
    assert_eq!((inside.end(), silent.end()), (expected.clone(), expected.clone()));
    assert_eq!(server.probe().end(), expected);
    assert!(bans.remove(ban.id).expect("it can be written"));
    server.probe().join(&hello::<Field>());

    // An operator edits the file.
    let mut inside = server.probe();
    inside.join(&hello::<Field>());
    std::fs::write(&path, r#"{"bans": [{"network": "127.0.0.1", "reason": "by hand"}]}"#).expect("it is there");
    wait_for(&notices, |notice| *notice == Notice::BansRead { count: 1 });
    assert_eq!(inside.end(), (CloseCode::Kicked, "banned: by hand".to_owned()));
    std::fs::write(&path, "nonsense").expect("it is there");
    wait_for(&notices, |notice| matches!(notice, Notice::BansRefused { .. }));
    assert_eq!(server.probe().end().1, "banned: by hand");
    server.stop();
}

#[test]
fn an_account_that_is_banned_is_told_so_and_others_are_not() {
    let folder = Folder::new("accounts");
    let new = downbeat_server::ticket::NewKey::generate("EdDSA", "k1").expect("a known algorithm");
    folder.write("keys.json", &new.key_set);
    let path = folder.write("server.toml", &format!("tickets.keys = 'keys.json'\n{BASE}"));
    let (config, rules) = read(&path).expect("a good file");
    let server = Server::<Field>::start(&config, &rules, Box::new(|_| {})).expect("loopback has a free port");
    let bans = server.bans();
    let server = serve(server);
    let come = |account: &str, jti: &str| {
        let mut probe = server.probe();
        let ticket = Some(common::sign(&new, &common::ticket(account, jti)));
        probe.write(&downbeat_wire::control::Hello { ticket, ..hello::<Field>() }.to_bytes());
        assert!(probe.until(|probe| probe.welcome().is_some() || probe.closed.is_some()));
        probe
    };
    let mut rude = come("rude", "1");
    let mut polite = come("polite", "2");
    assert!(rude.welcome().is_some() && polite.welcome().is_some());
    bans.add(Banned::Account("rude".to_owned()), Some(Duration::from_secs(600)), "").expect("nothing is written");
    let expected = (CloseCode::Kicked, "banned".to_owned());
    assert_eq!((rude.end(), come("rude", "3").end()), (expected.clone(), expected));
    assert!(come("third", "4").welcome().is_some());
    let count = polite.datagrams_count;
    assert!(polite.until(|probe| probe.datagrams_count > count + 30) && polite.closed.is_none());
    server.stop();
}

#[test]
fn one_address_begins_so_many_handshakes_and_others_are_not_kept_out_by_it() {
    let config = Config {
        address_exempt: vec!["127.0.0.2".parse().expect("a prefix")],
        handshakes_per_s: 1,
        handshakes_burst: 3,
        ..config::<Field>()
    };
    let server = common::start::<Field>(&config, &rules());
    // A few without a proof of their address, and the burst with one.
    let mut probes: Vec<Probe> = (0..12).map(|_| server.probe()).collect();
    for probe in &mut probes {
        assert!(probe.until(|probe| probe.is_connected || probe.closed.is_some()));
    }
    let connected = probes.iter().filter(|probe| probe.is_connected).count();
    assert!((6..12).contains(&connected), "{connected}");
    let mut other = Probe::from([127, 0, 0, 2].into(), server.at());
    other.join(&hello::<Field>());
    server.stop();
}
