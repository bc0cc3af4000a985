//! What the binary tells while it serves: lines that programs and people can read, without tickets, and without addresses
//! unless they are asked for.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const DOWNBEAT: &str = env!("CARGO_BIN_EXE_downbeat");

fn run(arguments: &[&str]) -> Output {
    Command::new(DOWNBEAT).args(arguments).output().expect("it was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes text")
}

/// A folder of this test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A server that asks for tickets, and what it said at first.
struct Served {
    server: Child,
    folder: PathBuf,
    said: String,
}

impl Served {
    fn start(name: &str, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = folder(name);
        let key = folder.join("key.pem");
        let made = run(&["token", "--new-key", "EdDSA", "--key", key.to_str().expect("a path")]);
        assert!(made.status.success(), "{made:?}");
        let mut server = Command::new(DOWNBEAT)
            .args(["serve", "--game", "field", "--walkers", "5", "--listen", "127.0.0.1:0", "--ticket-keys"])
            .arg(folder.join("key.pem.json"))
            .args(flags)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut said = String::new();
        let out = server.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut said).expect("it says where it is");
        Self { server, folder, said }
    }

    fn word(&self, before: &str) -> &str {
        let (_, rest) = self.said.split_once(before).expect("it says so");
        rest.split_whitespace().next().expect("a word")
    }

    /// Tickets for `count` bots, in a file; and their texts.
    fn tickets(&self, count: u32) -> (String, Vec<String>) {
        let key = self.folder.join("key.pem");
        let made = run(&["token", "--key", key.to_str().expect("a path"), "--count", &count.to_string()]);
        assert!(made.status.success(), "{made:?}");
        let file = self.folder.join("tickets");
        fs::write(&file, &made.stdout).expect("a file");
        (format!("@{}", file.display()), text(&made.stdout).lines().map(str::to_owned).collect())
    }

    fn bots(&self, clients: u32, token: &str) -> Output {
        let clients = clients.to_string();
        let trust = ["--cert-sha256", self.word("--cert-sha256 ")];
        let play = ["--clients", &clients, "--seconds", "1", "--game", "field", "--token", token];
        run(&[&["bots", "--connect", self.word("--connect ")], &trust[..], &play[..]].concat())
    }

    /// Asks it to end; what it told on the standard error.
    fn end(mut self) -> String {
        let ended = Command::new("kill").arg(self.server.id().to_string()).status().expect("there is `kill`");
        assert!(ended.success());
        let mut told = String::new();
        self.server.stderr.take().expect("it is piped").read_to_string(&mut told).expect("it writes text");
        assert!(self.server.wait().expect("it ends").success(), "{told}");
        told
    }
}

/// No part of a ticket is there, not even its claims alone.
fn assert_secret(told: &str, tickets: &[String]) {
    for part in tickets.iter().flat_map(|ticket| ticket.split('.')) {
        assert!(!told.contains(part), "a ticket's {part} is in:\n{told}");
    }
}

#[test]
fn every_line_is_an_object_and_tells_neither_tickets_nor_addresses() {
    let served = Served::start("json", &["--log-format", "json", "--log-level", "trace"], &[]);
    assert!(served.said.starts_with("game=field schema="), "{}", served.said);
    let (file, mut tickets) = served.tickets(2);
    served.bots(2, &file);
    // They are used up; and this is none.
    served.bots(1, &file);
    let forged = format!("{}x.{}", tickets[0], "Zm9yZ2Vk");
    served.bots(1, &forged);
    tickets.push(forged);
    let told = served.end();

    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let find = |event: &str, matches: &dyn Fn(&Value) -> bool| {
        assert!(lines.iter().any(|line| line["event"] == event && matches(line)), "no such {event} in\n{told}");
    };
    find("connected", &|line| line["level"] == "DEBUG" && line["span"]["name"] == "handshake");
    find("admitted", &|line| line["room"] == 1 && line["span"]["name"] == "admission");
    find("refused", &|line| line["code"] == "UNAUTHORIZED" && line["ticket"] == "used");
    find("refused", &|line| line["ticket"] == "malformed");
    find("closed", &|line| line["span"]["name"] == "session" && line["code"] == "BYE" && line["by"] == "client");
    find("room_opened", &|line| line["span"]["name"] == "room");
    find("draining", &|line| line["level"] == "INFO" && line["clients"] == 0);
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["message"].is_string(), "{line}");
    }
    assert_secret(&told, &tickets);
    assert!(!told.contains("127.0.0.1"), "{told}");
}

#[test]
fn people_read_sentences_and_addresses_where_they_asked_for_them() {
    let served = Served::start("text", &[], &[("DOWNBEAT_LOG_ADDRESSES", "true")]);
    let (file, tickets) = served.tickets(1);
    served.bots(1, &file);
    served.bots(1, &file);
    let told = served.end();
    // Who comes and goes is not told unless somebody asks.
    let [refused, draining, stopped] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(refused.contains("  INFO admission{shard=0 conn=0."), "{told}");
    assert!(refused.contains("address=127.0.0.1}: not let in: the ticket was refused  code="), "{told}");
    assert!(refused.ends_with("code=\"UNAUTHORIZED\" ticket=\"used\""), "{told}");
    assert!(draining.ends_with("  INFO draining, 0 clients are connected  clients=0"), "{told}");
    assert!(stopped.contains("  INFO stopped after "), "{told}");
    assert_secret(&told, &tickets);
}

#[test]
fn the_level_changes_while_it_serves() {
    let folder = common::Folder::new("level");
    let path = folder.write("server.toml", "[log]\nlevel = \"error\"\n");
    let flags = ["serve", "--config", &path, "--listen", "127.0.0.1:0", "--game", "field", "--walkers", "5"];
    let server = common::Running::start(&mut common::downbeat(&flags));
    let said = server.line("game=field");
    folder.write("server.toml", "[log]\nlevel = \"debug\"\n");
    server.signal("HUP");
    server.line("was read again: log.level changed");
    let word = |before: &str| said.split_once(before).expect("it says so").1.split_whitespace().next().expect("a word");
    let (address, fingerprint) = (word("--connect "), word("--cert-sha256 "));
    let play = ["--game", "field", "--clients", "1", "--seconds", "1"];
    run(&[&["bots", "--connect", address, "--cert-sha256", fingerprint], &play[..]].concat());
    assert!(server.line("let in").contains(" DEBUG admission{"));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
