//! One live server, on which somebody plays, and one hostile client after the other: each gets the answer that
//! `docs/limits.md` names and is counted by the metric that it names, and who plays notices nothing.

mod common;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::{Probe, Running, config, datagram, hello, start};
use downbeat_field::{Config as Rules, Field, Input};
use downbeat_replica::{Input as _, InputFrame, Tick};
use downbeat_server::Config;
use downbeat_server::config::Admin;
use downbeat_wire::control::{ClientMessage, Hello, MAGIC, PROTOCOL_VERSION, frame};
use downbeat_wire::packet::Acks;
use downbeat_wire::{CloseCode, Micros};

/// What is done to the server.
type Attack = fn(&Running) -> Answer<String>;

/// What it said, with `Why` where there is a text.
#[derive(Debug, PartialEq, Eq)]
enum Answer<Why> {
    /// Nothing: whoever did it is not worth one, or plays on.
    Nothing,
    /// The connection was closed. Of an expected text, a part.
    Closed(CloseCode, Why),
    /// The connection was refused before it was open.
    Refused,
    /// An HTTP status.
    Status(u16),
}

/// Ends that are closed by the server, by their label.
macro_rules! by_server {
    ($label:literal) => {
        concat!("connections_total{outcome=\"closed_by_server\",reason=\"", $label, "\"}")
    };
}

/// Answers of the admin interface, by status.
macro_rules! admin {
    ($status:literal) => {
        concat!("admin_requests_total{status=\"", $status, "\"}")
    };
}

/// The name of an attack, what answers it, and the metric that counts it: the rows of the table in `docs/limits.md`.
const CASES: &[(&str, Answer<&str>, &str, Attack)] = &[
    ("datagrams that are no QUIC", Answer::Nothing, "datagrams_dropped_total{reason=\"stray\"}", garbage),
    ("first packets cut short", Answer::Nothing, "datagrams_dropped_total{reason=\"stray\"}", cut_initials),
    (
        "packets for a connection that is not there",
        Answer::Nothing,
        "datagrams_dropped_total{reason=\"stray\"}",
        strays,
    ),
    (
        "another protocol on the control stream",
        closed(CloseCode::BadMagic, "magic"),
        by_server!("BAD_MAGIC"),
        |server| told(server, b"GET / HTTP/1.1\r\n\r\n"),
    ),
    (
        "a hello of another version",
        closed(CloseCode::VersionMismatch, "version 99"),
        by_server!("VERSION_MISMATCH"),
        |server| {
            let mut bytes = hello::<Field>().to_bytes();
            bytes[4] = 99;
            told(server, &bytes)
        },
    ),
    ("another game", closed(CloseCode::WrongGame, "`field`, not `chess[31m`"), by_server!("WRONG_GAME"), |server| {
        told(server, &Hello { game: "chess\u{1b}[31m".to_owned(), ..hello::<Field>() }.to_bytes())
    }),
    (
        "another schema",
        closed(CloseCode::SchemaMismatch, "different versions of the game"),
        by_server!("SCHEMA_MISMATCH"),
        |server| told(server, &Hello { schema_hash: 1, ..hello::<Field>() }.to_bytes()),
    ),
    (
        "another model",
        closed(CloseCode::ModelMismatch, "update the older one"),
        by_server!("MODEL_MISMATCH"),
        |server| told(server, &Hello { model_hash: 1, ..hello::<Field>() }.to_bytes()),
    ),
    (
        "no game, and no wish for the schema",
        closed(CloseCode::WrongGame, "`field`, not `"),
        by_server!("WRONG_GAME"),
        |server| told(server, &Hello { game: String::new(), ..hello::<Field>() }.to_bytes()),
    ),
    (
        "a room that is not there",
        closed(CloseCode::NoSuchRoom, "does not exist"),
        by_server!("NO_SUCH_ROOM"),
        |server| told(server, &Hello { room: Some(u64::MAX), ..hello::<Field>() }.to_bytes()),
    ),
    (
        "a hello that does not decode",
        closed(CloseCode::MalformedControl, "does not decode"),
        by_server!("MALFORMED_CONTROL"),
        |server| {
            let mut bytes = hello::<Field>().to_bytes();
            bytes[8..].fill(0xff);
            told(server, &bytes)
        },
    ),
    (
        "a hello that is too long",
        closed(CloseCode::ControlTooLarge, "65535 bytes exceeds"),
        by_server!("CONTROL_TOO_LARGE"),
        |server| told(server, &[&MAGIC[..], &PROTOCOL_VERSION.to_le_bytes(), &[0xff, 0xff]].concat()),
    ),
    (
        "half a hello, and silence",
        closed(CloseCode::HelloTimeout, "within 0.5 s"),
        by_server!("HELLO_TIMEOUT"),
        |server| told(server, &MAGIC),
    ),
    ("a second hello", closed(CloseCode::SecondHello, "twice"), by_server!("SECOND_HELLO"), |server| {
        joined_told(server, &hello::<Field>().to_bytes())
    }),
    ("a wish for the schema, twice", closed(CloseCode::SecondHello, "twice"), by_server!("SECOND_HELLO"), |server| {
        let wish = Hello { game: String::new(), schema_hash: 0, model_hash: 0, ..hello::<Field>() };
        let mut probe = server.probe();
        probe.join(&wish);
        probe.write(&wish.to_bytes());
        ended(probe)
    }),
    (
        "a message of an unknown kind",
        closed(CloseCode::MalformedControl, "does not decode"),
        by_server!("MALFORMED_CONTROL"),
        |server| joined_told(server, &[1, 0, 0, 0, 200]),
    ),
    (
        "bytes behind a message",
        closed(CloseCode::MalformedControl, "does not decode"),
        by_server!("MALFORMED_CONTROL"),
        |server| {
            let mut bytes = frame(&ClientMessage::Say { text: "hello".to_owned() });
            bytes[0] += 1;
            bytes.push(7);
            joined_told(server, &bytes)
        },
    ),
    (
        "a message that is too long",
        closed(CloseCode::ControlTooLarge, "exceeds the limit"),
        by_server!("CONTROL_TOO_LARGE"),
        |server| joined_told(server, &[0xff, 0xff, 0xff, 0x7f]),
    ),
    ("a flood of messages", closed(CloseCode::Flooding, "control messages"), by_server!("FLOODING"), |server| {
        joined_told(server, &frame(&ClientMessage::Say { text: "spam".to_owned() }).repeat(100))
    }),
    ("more chat than a room hears", Answer::Nothing, "chat_dropped_total{reason=\"too_many\"}", |server| {
        let say = frame(&ClientMessage::Say { text: "spam".to_owned() });
        play_on(server, |probe| probe.write(&say.repeat(20)))
    }),
    ("datagrams before the hello", Answer::Nothing, "datagrams_dropped_total{reason=\"early\"}", |server| {
        let mut probe = server.probe();
        assert!(probe.until(|probe| probe.is_connected));
        (0..3).for_each(|n| assert!(probe.send(&datagram(n, None, &[]))));
        probe.turn();
        probe.join(&hello::<Field>());
        Answer::Nothing
    }),
    (
        "a few datagrams that do not decode",
        Answer::Nothing,
        "datagrams_dropped_total{reason=\"malformed\"}",
        |server| play_on(server, |probe| (0..5).for_each(|_| assert!(probe.send(&[7])))),
    ),
    (
        "many of them",
        closed(CloseCode::MalformedDatagram, "malformed datagram"),
        by_server!("MALFORMED_DATAGRAM"),
        |server| flooded(server, 4, |n| vec![0xff; 1 + usize::from(n) % 40]),
    ),
    (
        "ten thousand datagrams in a second",
        closed(CloseCode::Flooding, "300 datagrams per second"),
        by_server!("FLOODING"),
        |server| flooded(server, 20, |n| datagram(n, None, &[])),
    ),
    (
        "acknowledgements of what was never sent",
        closed(CloseCode::ForgedAck, "never sent"),
        by_server!("FORGED_ACK"),
        |server| flooded(server, 1, |n| datagram(n, Some(Acks { newest: 30_000, before: u32::MAX }), &[])),
    ),
    ("inputs of the far future", Answer::Nothing, "inputs_total{outcome=\"rejected\"}", |server| {
        inputs(server, 10_000)
    }),
    ("inputs of the past", Answer::Nothing, "inputs_total{outcome=\"late\"}", |server| inputs(server, -5)),
    (
        "inputs of a spectator",
        closed(CloseCode::NotAllowed, "spectator cannot send inputs"),
        by_server!("NOT_ALLOWED"),
        |server| {
            let mut probe = server.probe();
            let welcome = probe.join(&Hello { spectator: true, ..hello::<Field>() });
            let input = input(Tick(welcome.tick + 10));
            until_closed(probe, 1, |n| datagram(n, None, std::slice::from_ref(&input)))
        },
    ),
    (
        "chat of a spectator",
        closed(CloseCode::NotAllowed, "spectator cannot talk"),
        by_server!("NOT_ALLOWED"),
        |server| {
            let mut probe = server.probe();
            probe.join(&Hello { spectator: true, ..hello::<Field>() });
            probe.write(&frame(&ClientMessage::Say { text: "hello".to_owned() }));
            ended(probe)
        },
    ),
    (
        "too many connections of one address",
        closed(CloseCode::TooManyConnections, "too many connections from this address"),
        by_server!("TOO_MANY_CONNECTIONS"),
        |server| {
            let crowd = |_| Probe::from(address(2), server.at());
            let mut crowd: Vec<Probe> = (0..CONNECTIONS_MAX + 1).map(crowd).collect();
            let closed_one = |crowd: &mut Vec<Probe>| {
                crowd.iter_mut().for_each(Probe::turn);
                crowd.iter().position(|probe| probe.closed.is_some())
            };
            let one = patiently("one too many", || closed_one(&mut crowd));
            ended(crowd.swap_remove(one))
        },
    ),
    ("a flood of handshakes of one address", Answer::Refused, "handshakes_turned_away_total", |server| {
        patiently("one is turned away", || {
            let mut probe = Probe::from(address(3), server.at());
            assert!(probe.until(|probe| probe.is_connected || probe.closed.is_some()));
            let was_refused = !probe.is_connected;
            probe.leave();
            was_refused.then_some(Answer::Refused)
        })
    }),
    ("handshakes that nobody ends", Answer::Nothing, "handshakes_retried_total", |server| {
        let half_open = |_| Probe::from(address(4), server.at());
        let mut crowd: Vec<Probe> = (0..200).map(half_open).collect();
        let flush = |probe: &mut Probe| probe.driver.flush(probe.clock.now()).expect("loopback");
        crowd.iter_mut().for_each(flush);
        Answer::Nothing
    }),
    ("the admin interface without a token", Answer::Status(401), admin!("401"), |server| {
        asked(server, "GET /v1/rooms", "", "")
    }),
    ("the admin interface with a wrong token", Answer::Status(401), admin!("401"), |server| {
        asked(server, "POST /v1/drain", "Authorization: Bearer 0123456789abcdef0123\r\n", "")
    }),
    ("a path out of its folder", Answer::Status(404), admin!("404"), |server| {
        authorised(server, "GET /../../../../etc/passwd", "")
    }),
    ("the same, encoded", Answer::Status(404), admin!("404"), |server| {
        authorised(server, "GET /v1/rooms/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "")
    }),
    ("a body that is too long", Answer::Status(413), admin!("413"), |server| {
        authorised(server, "POST /v1/broadcast", &format!("{{\"text\":\"{}\"}}", "a".repeat(10_000_000)))
    }),
    ("a body that is no JSON, such as NaN", Answer::Status(400), admin!("4xx"), |server| {
        authorised(server, "POST /v1/players/7/mute", "{\"seconds\":NaN}")
    }),
    ("a number that is no number", Answer::Status(400), admin!("4xx"), |server| {
        authorised(server, "POST /v1/players/7/mute", "{\"seconds\":-1e999}")
    }),
];

/// As the server of this test allows.
const CONNECTIONS_MAX: u32 = 8;
const TOKEN: &str = "abuse-0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(30);

const fn closed(code: CloseCode, why: &str) -> Answer<&str> {
    Answer::Closed(code, why)
}

impl Answer<&str> {
    fn is(&self, got: &Answer<String>) -> bool {
        match (self, got) {
            (Answer::Nothing, Answer::Nothing) | (Answer::Refused, Answer::Refused) => true,
            (Answer::Closed(code, part), Answer::Closed(got, text)) => code == got && text.contains(part),
            (Answer::Status(status), Answer::Status(got)) => status == got,
            _ => false,
        }
    }
}

#[test]
fn every_attack_gets_its_answer_is_counted_and_disturbs_nobody() {
    let tokens = std::env::temp_dir().join(format!("downbeat-abuse-{}", std::process::id()));
    std::fs::write(&tokens, format!("admin ada {TOKEN}\n")).expect("a file can be written");
    let server = start::<Field>(&victim(&tokens), &Rules { walkers: 20, ..Rules::default() });
    let honest = server.honest();
    let memory = resident_kib();
    // One attack of each metric at a time, so that none is counted for another.
    for round in 0.. {
        let mut nth: HashMap<&str, usize> = HashMap::new();
        let due = CASES.iter().filter(|(_, _, metric, _)| {
            let n = nth.entry(metric).or_default();
            *n += 1;
            *n == round + 1
        });
        let due: Vec<_> = due.map(|case| (case, count(&server, case.2))).collect();
        if due.is_empty() {
            break;
        }
        for ((name, expected, _, attack), _) in &due {
            let got = attack(&server);
            assert!(expected.is(&got), "{name}: {got:?} instead of {expected:?}");
            honest.assert_playing();
        }
        for ((name, _, metric, _), before) in &due {
            // Metrics are left once a second.
            patiently(name, || (count(&server, metric) > *before).then_some(()));
        }
    }
    // All that they were given is given back, but for what allocators keep.
    let grown = resident_kib().saturating_sub(memory);
    assert!(grown < 48 * 1_024, "memory grew by {grown} KiB");
    honest.assert_undisturbed();
    let report = server.stop();
    let _ = std::fs::remove_file(&tokens);
    assert_eq!((report.totals.rooms_failed, report.totals.kernel_drops), (0, 0));
}

#[test]
fn the_table_of_the_documentation_names_each_case() {
    let page = include_str!("../../../docs/limits.md");
    for (name, answer, metric, _) in CASES {
        let answer = match answer {
            Answer::Nothing => "none".to_owned(),
            Answer::Closed(code, _) => format!("`{}`", code.label()),
            Answer::Refused => "refused".to_owned(),
            Answer::Status(status) => status.to_string(),
        };
        let row = format!("| {name} | {answer} | `downbeat_{metric}` |");
        assert!(page.contains(&row), "docs/limits.md lacks the row\n{row}");
    }
}

/// A server that is easily reached, with small limits.
fn victim(tokens: &std::path::Path) -> Config {
    let mut config = config::<Field>();
    config.hello_timeout = Duration::from_millis(500);
    config.address_exempt = vec!["127.0.0.1".parse().expect("an address")];
    config.address_connections_max = CONNECTIONS_MAX;
    config.handshakes_per_s = 5;
    let listen = "127.0.0.1:0".parse().expect("an address");
    config.admin = Some(Admin { tokens: Some(tokens.to_owned()), ..Admin::new(listen) });
    config
}

/// What a metric says, all shards together.
fn count(server: &Running, metric: &str) -> f64 {
    let page = ask(server, "GET /metrics", "", "");
    let line = page.lines().find_map(|line| line.strip_prefix("downbeat_")?.strip_prefix(metric));
    line.map_or(0.0, |value| value.trim().parse().expect("a number"))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// One of this machine's own addresses that is not exempt.
fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn patiently<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(Instant::now() < until, "{what}: it did not come about, or was not counted");
    }
}

fn input(tick: Tick) -> InputFrame {
    InputFrame { tick, lanes: Input::default().lanes(), ..Default::default() }
}

/// Datagrams that no QUIC endpoint would send, from a socket of their own.
fn thrown(server: &Running, datagrams: impl Iterator<Item = Vec<u8>>) -> Answer<String> {
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    for bytes in datagrams {
        stranger.send_to(&bytes, server.address).expect("loopback");
    }
    Answer::Nothing
}

fn garbage(server: &Running) -> Answer<String> {
    let byte = |i: u16, j: u16| (i.wrapping_mul(31) ^ j.wrapping_mul(7)) as u8 & 0x3f;
    thrown(server, (1..300).map(|i| (0..i * 4 % 1_300).map(|j| byte(i, j)).collect()))
}

/// The head of an Initial packet of version 1, and less than it announces.
fn cut_initials(server: &Running) -> Answer<String> {
    let head = [&[0xc3, 0, 0, 0, 1, 8][..], &[9; 8], &[0, 0, 0x44, 0xd0]].concat();
    thrown(server, (0..100).map(|i| [&head[..], &vec![5; i]].concat()))
}

fn strays(server: &Running) -> Answer<String> {
    thrown(server, (0..100).map(|i| [&[0x41, 0][..], &[i; 200]].concat()))
}

/// Opens a connection, writes these bytes to it, and waits for its end.
fn told(server: &Running, bytes: &[u8]) -> Answer<String> {
    let mut probe = server.probe();
    probe.write(bytes);
    ended(probe)
}

/// What its end is.
fn ended(mut probe: Probe) -> Answer<String> {
    let (code, why) = probe.end();
    Answer::Closed(code, why)
}

fn joined_told(server: &Running, bytes: &[u8]) -> Answer<String> {
    let mut probe = server.probe();
    probe.join(&hello::<Field>());
    probe.write(bytes);
    ended(probe)
}

/// Joins, does it, and is served all the same.
fn play_on(server: &Running, act: impl FnOnce(&mut Probe)) -> Answer<String> {
    let mut probe = server.probe();
    probe.join(&hello::<Field>());
    act(&mut probe);
    let before = probe.datagrams_count;
    assert!(probe.until(|probe| probe.datagrams_count > before + 30 || probe.closed.is_some()));
    assert_eq!(probe.closed, None);
    probe.leave();
    Answer::Nothing
}

/// Plays with inputs for ticks that are so far from the newest that it was told of.
fn inputs(server: &Running, ahead: i64) -> Answer<String> {
    play_on(server, |probe| {
        let joined = Tick(probe.welcome().expect("it has joined").tick);
        for n in 0..10 {
            let told = probe.datagrams_count;
            let input = input(joined.offset(told as i64 + ahead));
            assert!(probe.send(&datagram(n, None, std::slice::from_ref(&input))));
            assert!(probe.until(|probe| probe.datagrams_count > told + 10));
        }
    })
}

fn flooded(server: &Running, per_turn: u16, next: impl FnMut(u16) -> Vec<u8>) -> Answer<String> {
    let mut probe = server.probe();
    probe.join(&hello::<Field>());
    until_closed(probe, per_turn, next)
}

/// Sends what `next` makes until the server has had enough.
fn until_closed(mut probe: Probe, per_turn: u16, mut next: impl FnMut(u16) -> Vec<u8>) -> Answer<String> {
    let mut sequence = 0;
    let began = probe.clock.now();
    while probe.closed.is_none() && probe.clock.now().since(began) < Micros::from_millis(30_000) {
        for _ in 0..per_turn {
            probe.send(&next(sequence));
            sequence = sequence.wrapping_add(1);
        }
        probe.turn();
    }
    ended(probe)
}

fn authorised(server: &Running, what: &str, body: &str) -> Answer<String> {
    asked(server, what, &format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"), body)
}

fn asked(server: &Running, what: &str, head: &str, body: &str) -> Answer<String> {
    let answer = ask(server, what, head, body);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer::Status(status.unwrap_or_else(|| panic!("{answer}")))
}

/// What the admin interface answers, head and body.
fn ask(server: &Running, what: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server.admin.expect("it has one")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    let length = body.len();
    let request =
        format!("{what} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}");
    // It may have answered before it has read all.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}
