//! A live server beside a scripted sidecar: one that answers as Agones' does, and one that is slow, fails, restarts or lies.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use common::{config, hello, start_told};
use downbeat_field::{Config as Rules, Field};
use downbeat_server::config::{Agones, Orchestrator, WhenEmpty};
use downbeat_server::{Config, Notice};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// How the sidecar behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Good,
    Slow,
    Failing,
    Nonsense,
}

#[derive(Default)]
struct Script {
    mood: Mood,
    /// What it was asked: method, path, body.
    asked: Vec<(String, Value)>,
    empty_bodies: usize,
    state: String,
    allocations: u32,
    rooms: (u64, u64),
    players_max: u64,
    players: Vec<String>,
    watchers: Vec<TcpStream>,
    connections: Vec<TcpStream>,
}

/// A sidecar as Agones puts beside a game server.
struct Sidecar {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Sidecar {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let sidecar = Self { address: listener.local_addr().expect("it is bound"), script: Arc::default() };
        sidecar.serve(listener);
        sidecar
    }

    fn serve(&self, listener: TcpListener) {
        let script = Arc::clone(&self.script);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let script = Arc::clone(&script);
                std::thread::spawn(move || _ = converse(&script, stream));
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn set_mood(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// All its connections break, and it remembers nothing.
    fn restart(&self) {
        let mut script = self.lock();
        let Script { watchers, connections, asked, .. } = std::mem::take(&mut *script);
        watchers.iter().chain(&connections).for_each(|stream| _ = stream.shutdown(std::net::Shutdown::Both));
        (script.asked, script.state) = (asked, "Scheduled".to_owned());
    }

    /// Somebody allocates the server.
    fn allocate(&self) {
        let mut script = self.lock();
        script.allocations += 1;
        script.say("Allocated");
    }

    /// Waits until `holds`.
    #[track_caller]
    fn until(&self, holds: impl Fn(&Script) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.lock()) {
            let script = self.lock();
            assert!(Instant::now() < deadline, "{} {:?} {:#?}", script.state, script.players, script.asked);
            drop(script);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Script {
    fn count(&self, call: &str) -> usize {
        self.asked.iter().filter(|(asked, _)| asked == call).count()
    }

    fn say(&mut self, state: &str) {
        state.clone_into(&mut self.state);
        let said = self.word();
        self.watchers.retain_mut(|watcher| write_chunk(watcher, &said).is_ok());
    }

    fn word(&self) -> String {
        let annotations = json!({ "agones.dev/last-allocated": self.allocations.to_string() });
        let said = json!({ "result": {
            "object_meta": { "name": "local", "annotations": annotations, "labels": {} },
            "spec": { "health": { "disabled": false } },
            "status": { "state": self.state, "address": "127.0.0.1", "ports": [] },
        } });
        format!("{said}\n")
    }

    /// The status and the body of an answer.
    fn answer(&mut self, call: &str, body: &Value) -> (u16, Value) {
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        let failed = |message: String| (500, json!({ "code": 2, "message": message, "details": [] }));
        match call {
            "POST /ready" => self.say("Ready"),
            "POST /allocate" => self.say("Allocated"),
            "POST /reserve" => self.say("Reserved"),
            "POST /shutdown" => self.say("Shutdown"),
            "POST /health" => {}
            "PATCH /v1beta1/counters/rooms" => {
                let (Some(count), Some(capacity)) = (number(&body["count"]), number(&body["capacity"])) else {
                    return (400, json!({}));
                };
                if count > capacity {
                    return failed("out of range".to_owned());
                }
                self.rooms = (count, capacity);
            }
            "PATCH /v1beta1/lists/players" => self.players_max = number(&body["capacity"]).expect("a capacity"),
            "GET /v1beta1/lists/players" => {
                return (200, json!({ "name": "players", "capacity": "8", "values": self.players }));
            }
            "POST /v1beta1/lists/players:addValue" => {
                let player = body["value"].as_str().expect("a value").to_owned();
                if self.players.contains(&player) {
                    return failed(format!("already exists. Value: {player} already in List: players"));
                }
                self.players.push(player);
            }
            "POST /v1beta1/lists/players:removeValue" => {
                let player = body["value"].as_str().expect("a value");
                if !self.players.iter().any(|known| known == player) {
                    return failed(format!("not found. Value: {player} not found in List: players"));
                }
                self.players.retain(|known| known != player);
            }
            _ => return (404, json!({})),
        }
        (200, json!({}))
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write_chunk(to: &mut TcpStream, text: &str) -> std::io::Result<()> {
    write!(to, "{:x}\r\n{text}\r\n", text.len())
}

/// Reads requests from a connection and answers them.
fn converse(script: &Mutex<Script>, mut stream: TcpStream) -> std::io::Result<()> {
    lock(script).connections.push(stream.try_clone()?);
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let call = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mood = lock(script).mood;
        if call == "GET /watch/gameserver" {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n")?;
            let mut script = lock(script);
            let word = if mood == Mood::Nonsense { "{\"result\":{\"status\"\n".to_owned() } else { script.word() };
            write_chunk(&mut stream, &word)?;
            if mood == Mood::Good {
                script.watchers.push(stream);
            }
            return Ok(());
        }
        if mood == Mood::Slow {
            std::thread::sleep(Duration::from_millis(1_500));
        }
        let (status, answer) = {
            let mut script = lock(script);
            let is_empty = body.is_empty() && !call.starts_with("GET");
            script.empty_bodies += usize::from(is_empty);
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            script.asked.push((call.clone(), body.clone()));
            match mood {
                _ if is_empty => (400, json!({})),
                Mood::Good | Mood::Slow => script.answer(&call, &body),
                Mood::Failing => (500, json!({ "code": 13, "message": "no" })),
                Mood::Nonsense => (200, json!("nonsense")),
            }
        };
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes())?;
    }
}

fn beside(sidecar: &Sidecar, when_empty: WhenEmpty) -> Config {
    let agones = Agones {
        sidecar: Some(sidecar.url()),
        when_empty,
        empty_after: Duration::from_millis(300),
        ..Agones::default()
    };
    let (rooms_max, players_max, resume_window) = (2, 2, Duration::ZERO);
    Config { orchestrator: Orchestrator::Agones, agones, rooms_max, players_max, resume_window, ..config::<Field>() }
}

fn rules() -> Rules {
    Rules { walkers: 10, visible: 4, ..Rules::default() }
}

fn start(config: &Config) -> (common::Running, Receiver<Notice>) {
    let (told, notices) = channel();
    let server = start_told::<Field>(config, &rules(), Box::new(move |notice| _ = told.send(notice.clone())));
    (server, notices)
}

fn states(notices: &Receiver<Notice>) -> Vec<String> {
    let states = notices.try_iter().filter_map(|notice| match notice {
        Notice::OrchestratorState { state } => Some(state),
        _ => None,
    });
    states.filter(|state| !state.is_empty()).collect()
}

#[test]
fn a_server_is_ready_then_healthy_follows_its_players_and_ends_with_shutdown() {
    let sidecar = Sidecar::start();
    let (server, notices) = start(&beside(&sidecar, WhenEmpty::Reserve));
    sidecar.until(|script| script.state == "Ready" && script.rooms == (1, 2) && script.players_max == 4);
    // Three players need two rooms.
    let mut probes: Vec<_> = (0..3).map(|_| server.probe()).collect();
    probes.iter_mut().for_each(|probe| _ = probe.knock(&hello::<Field>()));
    sidecar.until(|script| script.state == "Allocated" && script.rooms == (2, 2) && script.players.len() == 3);
    sidecar.until(|script| script.count("POST /health") >= 3);
    probes.iter_mut().for_each(common::Probe::leave);
    sidecar.until(|script| script.players.is_empty() && script.state == "Reserved" && script.rooms == (1, 2));
    server.stop();
    let script = sidecar.lock();
    assert_eq!(script.state, "Shutdown");
    assert_eq!((script.empty_bodies, script.count("POST /shutdown"), script.count("POST /ready")), (0, 1, 1));
    let life = script.asked.iter().map(|(call, _)| call.as_str()).filter(|call| !call.contains("v1beta1"));
    let mut life: Vec<&str> = life.collect();
    life.dedup();
    assert_eq!(
        life.iter().filter(|call| **call != "POST /health").copied().collect::<Vec<_>>(),
        ["POST /ready", "POST /allocate", "POST /reserve", "POST /shutdown"]
    );
    let reserve = script.asked.iter().find(|(call, _)| call == "POST /reserve").expect("it was asked");
    assert_eq!(reserve.1, json!({ "seconds": "60" }));
    assert_eq!(life.last(), Some(&"POST /shutdown"));
    drop(script);
    let states = states(&notices);
    let known = ["Ready", "Allocated", "Reserved", "Shutdown"];
    assert!(states.iter().all(|state| known.contains(&state.as_str())) && states.len() >= 3, "{states:?}");
}

#[test]
fn an_allocation_reaches_the_server_and_its_end_ends_it() {
    let sidecar = Sidecar::start();
    let (server, notices) = start(&beside(&sidecar, WhenEmpty::Stay));
    sidecar.until(|script| script.state == "Ready");
    sidecar.allocate();
    let deadline = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    while !heard.contains(&"Allocated".to_owned()) {
        assert!(Instant::now() < deadline, "{heard:?}");
        heard.extend(states(&notices));
        std::thread::sleep(Duration::from_millis(10));
    }
    // The fleet takes it down: it drains by itself.
    sidecar.lock().say("Shutdown");
    let deadline = Instant::now() + PATIENCE;
    while !server.stop.is_requested() {
        assert!(Instant::now() < deadline, "it was not heard");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stop();
    assert_eq!(sidecar.lock().count("POST /shutdown"), 1);
}

#[test]
fn a_server_that_stays_empty_ends_if_that_was_chosen() {
    let sidecar = Sidecar::start();
    let (server, _notices) = start(&beside(&sidecar, WhenEmpty::Shutdown));
    sidecar.until(|script| script.state == "Ready");
    sidecar.allocate();
    sidecar.until(|script| script.state == "Shutdown");
    server.stop();
}

#[test]
fn a_sidecar_that_fails_restarts_or_talks_nonsense_disturbs_nobody_and_is_told_all_in_the_end() {
    let sidecar = Sidecar::start();
    sidecar.set_mood(Mood::Failing);
    let (server, notices) = start(&beside(&sidecar, WhenEmpty::Stay));
    let honest = server.honest();
    sidecar.until(|script| script.count("POST /ready") >= 3 && script.count("POST /health") >= 3);
    sidecar.set_mood(Mood::Good);
    sidecar.until(|script| script.state == "Allocated" && script.players.len() == 1);
    sidecar.set_mood(Mood::Nonsense);
    sidecar.restart();
    sidecar.until(|script| script.count("GET /v1beta1/lists/players") >= 2);
    sidecar.set_mood(Mood::Good);
    sidecar.restart();
    sidecar.until(|script| script.players.len() == 1);
    sidecar.set_mood(Mood::Slow);
    let before = sidecar.lock().count("POST /health");
    sidecar.until(|script| script.count("POST /health") >= before + 2);
    honest.assert_undisturbed();
    sidecar.set_mood(Mood::Good);
    sidecar.until(|script| script.players.is_empty());
    server.stop();
    assert_eq!(sidecar.lock().count("POST /shutdown"), 1);
    let notices: Vec<Notice> = notices.try_iter().collect();
    let failing = notices.iter().filter(|notice| matches!(notice, Notice::OrchestratorFailing { .. })).count();
    let back = notices.iter().filter(|notice| matches!(notice, Notice::OrchestratorBack)).count();
    assert!(failing >= 1 && back >= 1 && failing + back < 12, "{failing} {back}");
}

#[test]
fn nobody_there_at_all_is_no_reason_not_to_serve_nor_not_to_end() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}", nobody.local_addr().expect("it is bound"));
    drop(nobody);
    let agones = Agones { sidecar: Some(url), ..Agones::default() };
    let config = Config { orchestrator: Orchestrator::Agones, agones, ..config::<Field>() };
    let (server, notices) = start(&config);
    server.honest().assert_undisturbed();
    server.stop();
    let failing = notices.try_iter().filter(|notice| matches!(notice, Notice::OrchestratorFailing { .. })).count();
    assert_eq!(failing, 1, "it is told once");
}
