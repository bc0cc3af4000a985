//! How the program ends: by signals, and by an operator who drains it.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Folder, PATIENCE, Running, downbeat};
use serde_json::Value;

const TOKEN: &str = "0123456789abcdef";

/// A server with an admin interface, and bots that play there for a minute.
struct Match {
    server: Running,
    bots: Running,
    admin: String,
    report: std::path::PathBuf,
    _folder: Folder,
}

impl Match {
    fn new(name: &str, drain_deadline: &str) -> Self {
        let folder = Folder::new(name);
        let tokens = folder.write("tokens", &format!("admin ada {TOKEN}\n"));
        let report = folder.path().join("report.json");
        let config = folder.write("server.toml", &format!("admin.tokens = '{tokens}'\n"));
        let path = report.display().to_string();
        let rules = ["--game", "field", "--walkers", "20"];
        let place = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", &config, "--report", &path];
        let server = Running::start(downbeat(&["serve", "--drain-deadline", drain_deadline]).args(rules).args(place));
        let line = server.line("bots:");
        let word = |after: &str| line.split(after).nth(1).and_then(|rest| rest.split(' ').next()).expect("it is told");
        let (address, fingerprint) = (word("--connect ").to_owned(), word("--cert-sha256 ").to_owned());
        let line = server.line("dashboard");
        let admin =
            line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("it is told").to_owned();
        let them = ["bots", "--game", "field", "--clients", "2", "--seconds", "60"];
        let there = ["--connect", &address, "--cert-sha256", &fingerprint];
        let bots = Running::start(downbeat(&them).args(there));
        let it = Self { server, bots, admin, report, _folder: folder };
        it.wait_for("they play", || it.ask("GET", "/v1/server").1["clients"] == 2);
        it
    }

    fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.admin).expect("it listens");
        let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}");
        stream.write_all(format!("{head}\r\nContent-Length: 0\r\n\r\n").as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// It drains: it says so, and players are still there.
    fn drains(&self) {
        self.server.line("draining, 2 clients are connected");
        assert_eq!(self.ask("GET", "/readyz").0, 503);
        assert_eq!(self.ask("GET", "/healthz").0, 200);
        assert_eq!(self.ask("GET", "/v1/server").1["clients"], 2);
    }

    /// Exit code, and how many the server sent away because it ended.
    fn ends(self) -> (Option<i32>, u64) {
        let Self { server, report, _folder, .. } = self;
        let code = server.wait().code();
        let report: Value = serde_json::from_slice(&fs::read(report).expect("it is written")).expect("it is JSON");
        (code, report["totals"]["closes"]["by_server"]["SHUTTING_DOWN"].as_u64().unwrap_or(0))
    }
}

#[test]
fn a_signal_drains_and_it_ends_with_0_once_the_last_player_has_left() {
    let it = Match::new("left", "3600");
    assert_eq!(it.ask("GET", "/readyz").0, 200);
    it.server.signal("TERM");
    it.drains();
    it.bots.signal("KILL");
    // Those who vanish are given up after a while.
    assert_eq!(it.ends(), (Some(0), 0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let it = Match::new("second", "3600");
    it.server.signal("INT");
    it.drains();
    it.server.signal("TERM");
    assert_eq!(it.ends(), (Some(0), 2));
}

#[test]
fn whoever_plays_on_after_the_deadline_is_sent_away() {
    let it = Match::new("deadline", "1");
    it.server.signal("TERM");
    it.server.line("draining, 2 clients are connected");
    assert_eq!(it.ends(), (Some(0), 2));
}

#[test]
fn what_an_operator_drains_ends_as_if_by_a_signal_and_one_signal_does_not_cut_it_short() {
    let it = Match::new("drain", "3600");
    let (status, body) = it.ask("POST", "/v1/drain");
    assert_eq!((status, &body["clients"]), (202, &Value::from(2)));
    it.drains();
    it.server.signal("TERM");
    // Long enough for a signal to be heard.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(it.ask("GET", "/v1/server").1["clients"], 2);
    it.server.signal("TERM");
    assert_eq!(it.ends(), (Some(0), 2));
}
