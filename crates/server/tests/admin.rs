//! The admin interface of a live server, over TCP as any program speaks to it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{Player, Running, config, hello, start, start_with};
use downbeat_field::Field;
use downbeat_server::Config;
use downbeat_server::config::Admin;
use downbeat_server::control::{HookError, Hooks};
use downbeat_wire::CloseCode;
use downbeat_wire::control::{OPERATOR, ServerMessage};
use serde_json::{Value, json};

const VIEWER: &str = "viewer-0123456789";
const MODERATOR: &str = "moderator-0123456789";
const ADMIN: &str = "admin-0123456789";

/// A server with one token for each role.
struct Table {
    server: Running,
    tokens: PathBuf,
}

impl Table {
    fn new() -> Self {
        Self::with(config::<Field>(), |_| {})
    }

    fn with(mut config: Config, hook: impl FnOnce(&mut Hooks)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("downbeat-admin-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let tokens = std::env::temp_dir().join(name);
        let text = format!("viewer eve {VIEWER}\nmoderator mo {MODERATOR}\nadmin ada {ADMIN}\n");
        fs::write(&tokens, text).expect("a file can be written");
        let listen = "127.0.0.1:0".parse().expect("an address");
        config.admin = Some(Admin { tokens: Some(tokens.clone()), ..Admin::new(listen) });
        Self { server: start_with::<Field>(&config, &Default::default(), hook), tokens }
    }

    fn at(&self) -> SocketAddr {
        self.server.admin.expect("it has one")
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let body = body.map_or(String::new(), |body| body.to_string());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        send(
            self.at(),
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}{kind}Content-Length: {length}\r\n\r\n{body}"
            ),
        )
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(VIEWER, "GET", path, None)
    }

    fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(ADMIN, "POST", path, Some(body))
    }

    /// Goes on with `player` until it is seen, and says under which id.
    fn id_of(&self, player: &mut Player) -> u64 {
        let mut id = None;
        player.until(|_| {
            id = self.get("/v1/players").body["players"][0]["id"].as_u64();
            id.is_some()
        });
        id.expect("it is seen")
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.tokens);
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    text: String,
    /// Null unless it is JSON.
    body: Value,
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} {}", self.head, self.text);
        self.body
    }

    /// Asserts that it is a problem document of this status and code.
    #[track_caller]
    fn problem(self, status: u16, code: &str) -> String {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let body = self.is(status);
        assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(status.into()), Some(code)), "{body}");
        body["detail"].as_str().expect("a sentence").to_owned()
    }
}

fn send(to: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it can be set");
    // It may have answered before it has read all.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    read(&String::from_utf8(bytes).expect("text"))
}

fn read(text: &str) -> Answer {
    let (head, text) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer {
        status,
        head: head.to_owned(),
        text: text.to_owned(),
        body: serde_json::from_str(text).unwrap_or_default(),
    }
}

/// All operations of the document: method, path with a number for each parameter, and whether a token is asked for.
fn operations(table: &Table) -> Vec<(String, String, bool)> {
    let document = table.ask("", "GET", "/v1/openapi.json", None).is(200);
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths").iter();
    let all = paths.flat_map(|(path, item)| {
        let item = item.as_object().expect("operations").iter();
        item.map(|(method, operation)| {
            (method.to_uppercase(), path.replace("{id}", "999"), operation.get("security").is_some())
        })
    });
    all.collect()
}

#[test]
fn the_document_names_every_route_and_each_asks_for_a_token_as_it_says() {
    let table = Table::new();
    let named: BTreeSet<_> =
        operations(&table).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let expected = [
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /v1/server",
        "GET /v1/history",
        "GET /v1/rooms",
        "POST /v1/rooms",
        "GET /v1/rooms/999",
        "DELETE /v1/rooms/999",
        "GET /v1/rooms/999/players",
        "GET /v1/players",
        "GET /v1/players/999",
        "POST /v1/players/999/kick",
        "POST /v1/players/999/mute",
        "DELETE /v1/players/999/mute",
        "POST /v1/players/999/ban",
        "GET /v1/bans",
        "POST /v1/bans",
        "DELETE /v1/bans/999",
        "POST /v1/broadcast",
        "POST /v1/drain",
        "PUT /v1/log-level",
        "POST /v1/config/reload",
    ];
    assert_eq!(named, expected.map(str::to_owned).into());
    let document = table.ask("", "GET", "/v1/openapi.json", None).is(200);
    for path in document["paths"].as_object().expect("paths").values() {
        for operation in path.as_object().expect("operations").values() {
            let answers = operation["responses"].as_object().expect("answers");
            for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let body = &answer["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(body, "#/components/schemas/Problem", "{status} of {operation}");
            }
            let is_guarded = operation.get("security").is_some();
            assert_eq!((answers.contains_key("401"), answers.contains_key("403")), (is_guarded, is_guarded));
        }
    }
    for (method, path, is_guarded) in operations(&table) {
        let answer = table.ask("", &method, &path, None);
        assert_eq!(answer.status == 401, is_guarded, "{method} {path}: {answer:?}");
        if is_guarded {
            assert!(answer.head.contains("www-authenticate: Bearer"), "{}", answer.head);
            answer.problem(401, "unauthorized");
            table.ask("viewer-012345678", &method, &path, None).problem(401, "unauthorized");
        } else {
            assert_ne!(answer.status, 404, "{method} {path}");
        }
    }
    table.server.stop.request();
}

#[test]
fn each_role_may_do_what_it_may_and_nothing_more() {
    let table = Table::new();
    let may = |token| {
        let all = operations(&table).into_iter().filter(|(_, path, is_guarded)| *is_guarded && path != "/v1/drain");
        let allowed = all.filter(|(method, path, _)| table.ask(token, method, path, None).status != 403);
        allowed.map(|(method, path, _)| format!("{method} {path}")).collect::<BTreeSet<_>>()
    };
    let viewer = may(VIEWER);
    assert!(viewer.iter().all(|route| route.starts_with("GET ")), "who looks changes nothing: {viewer:?}");
    assert_eq!(viewer.len(), 7, "{viewer:?}");
    let moderator = may(MODERATOR);
    let more: Vec<_> = moderator.difference(&viewer).map(String::as_str).collect();
    assert_eq!(
        more,
        [
            "DELETE /v1/bans/999",
            "DELETE /v1/players/999/mute",
            "GET /v1/bans",
            "POST /v1/bans",
            "POST /v1/broadcast",
            "POST /v1/players/999/ban",
            "POST /v1/players/999/kick",
            "POST /v1/players/999/mute",
        ]
    );
    let admin = may(ADMIN);
    assert!(admin.is_superset(&moderator) && admin.len() == 19, "{admin:?}");
    let detail = table.ask(MODERATOR, "POST", "/v1/drain", None).problem(403, "forbidden");
    assert_eq!(detail, "this is for the role admin; the token's is moderator");
    assert!(!table.server.stop.is_requested());
    table.server.stop.request();
}

#[test]
fn what_is_no_good_request_is_answered_with_a_problem_that_says_why() {
    let table = Table::new();
    table.get("/v1/nothing").problem(404, "not_found");
    table.get("/../../etc/passwd").problem(404, "not_found");
    table.get("/v1/rooms/%2e%2e%2f1").problem(404, "not_found");
    table.get("/v1/rooms/%ff").problem(404, "not_found");
    table.get("/v1/rooms/seven").problem(404, "not_found");
    table.get("/v1/rooms/7").problem(404, "not_found");
    table.get("/v1/rooms/7/players").problem(404, "not_found");
    table.get("/v1/players/18446744073709551615").problem(404, "not_found");
    table.get("/v1/players?limit=0").problem(400, "bad_request");
    table.get("/v1/players?limit=10001").problem(400, "bad_request");
    table.get("/v1/players?nonsense=1").problem(400, "bad_request");
    table.ask(ADMIN, "PATCH", "/v1/rooms", None).problem(405, "method");
    table.post("/v1/broadcast", json!({})).problem(400, "bad_request");
    table.post("/v1/broadcast", json!({ "text": " \u{200b}" })).problem(400, "bad_request");
    table.post("/v1/broadcast", json!({ "text": "hello", "room": 77 })).problem(404, "not_found");
    let detail = table.post("/v1/broadcast", json!({ "text": "hi", "rom": 1 })).problem(400, "bad_request");
    assert!(detail.contains("unknown field `rom`"), "{detail}");
    table.post("/v1/players/7/mute", json!({ "seconds": u64::MAX })).problem(400, "bad_request");
    table.post("/v1/players/7/mute", json!({ "seconds": -1 })).problem(400, "bad_request");
    table.post("/v1/broadcast", json!({ "text": "a".repeat(20_000) })).problem(413, "too_large");
    let request = "POST /v1/broadcast HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n";
    let request = format!("{request}Authorization: Bearer {ADMIN}\r\n\r\n{{}}");
    send(table.at(), &request).problem(415, "not_json");
    // What is no HTTP is hyper's to refuse.
    assert_eq!(send(table.at(), "nonsense\r\n\r\n").status, 400);
    assert_eq!(send(table.at(), &format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(100_000))).status, 431);
    table.server.stop.request();
}

#[test]
fn a_player_is_seen_kicked_muted_and_told_things() {
    let table = Table::new();
    let mut player = Player::join(table.server.probe(), &hello::<Field>());
    let id = table.id_of(&mut player);
    let shown = table.get(&format!("/v1/players/{id}")).is(200);
    assert_eq!((&shown["name"], &shown["room"], &shown["player"]), (&json!("Ada"), &json!(1), &json!(0)));
    assert!(shown["line"]["bytes_out"].as_u64() > Some(0) && shown["inputs"].is_object(), "{shown}");
    assert!(!shown.to_string().contains("127.0.0.1"), "addresses are not told: {shown}");
    assert_eq!(table.get("/v1/rooms/1/players").is(200)["players"][0]["id"], id);
    assert_eq!(table.get("/v1/players?limit=1").is(200)["next"], Value::Null);
    assert_eq!(table.get(&format!("/v1/players?after={id}")).is(200)["players"], json!([]));
    let room = table.get("/v1/rooms/1").is(200);
    assert_eq!((&room["players"], &room["is_kept"]), (&json!(1), &json!(false)));
    let glance = table.get("/v1/server").is(200);
    assert_eq!(
        (&glance["game"], &glance["clients"], &glance["is_draining"]),
        (&json!("field"), &json!(1), &json!(false))
    );

    let told = table.ask(MODERATOR, "POST", "/v1/broadcast", Some(json!({ "text": "restart at noon" }))).is(200);
    assert_eq!(told["clients"], 1);
    let expected = ServerMessage::Said { player: OPERATOR, text: "restart at noon".to_owned() };
    assert!(player.until(|player| player.probe.messages.contains(&expected)));

    assert_eq!(table.post(&format!("/v1/players/{id}/mute"), json!({})).is(200)["name"], "Ada");
    assert_eq!(table.get(&format!("/v1/players/{id}")).is(200)["is_muted"], true, "who did it sees it");
    table.ask(ADMIN, "DELETE", &format!("/v1/players/{id}/mute"), None).is(200);
    assert_eq!(table.get(&format!("/v1/players/{id}")).is(200)["is_muted"], false);

    let kicked = table.post(&format!("/v1/players/{id}/kick"), json!({ "reason": "be\nnice" })).is(200);
    assert_eq!(kicked, json!({ "name": "Ada", "account": null, "room": 1 }));
    assert_eq!(player.probe.end(), (CloseCode::Kicked, "benice".to_owned()));
    table.post(&format!("/v1/players/{id}/kick"), json!({})).problem(404, "not_found");
    table.server.stop.request();
}

#[test]
fn the_last_minutes_are_told_second_by_second() {
    let table = Table::new();
    let mut player = Player::join(table.server.probe(), &hello::<Field>());
    let seconds = |after: u64| table.get(&format!("/v1/history?after={after}")).is(200)["seconds"].clone();
    let is_busy = |second: &Value| {
        let above = |key: &str| second[key].as_f64().is_some_and(|value| value > 0.0);
        ["clients", "bytes_out", "bytes_in", "ticks", "busy", "work_p99_us", "rtt_p95_ms"].map(above) == [true; 7]
            && second["work_us"]["step"].as_f64() > Some(0.0)
            && second["margin_min"].is_number()
            && second["starved"].is_number()
    };
    assert!(player.until(|_| seconds(0).as_array().is_some_and(|all| all.iter().any(is_busy))), "{:#}", seconds(0));
    let all = seconds(0);
    let numbers: Vec<_> = all.as_array().expect("seconds").iter().map(|second| second["n"].as_u64()).collect();
    assert!(numbers.iter().copied().eq((1..=numbers.len() as u64).map(Some)), "{numbers:?}");
    let last = numbers.len() as u64;
    assert!(seconds(last - 1).as_array().expect("seconds").iter().all(|second| second["n"].as_u64() >= Some(last)));
    table.server.stop.request();
}

#[test]
fn who_is_banned_goes_and_comes_back_when_the_ban_is_taken_back() {
    let table = Table::new();
    let mut player = Player::join(table.server.probe(), &hello::<Field>());
    let id = table.id_of(&mut player);
    // One whose connection is lost waits, from the same network.
    let mut away = Player::join(table.server.probe(), &hello::<Field>());
    assert!(away.until(|away| away.ticks() > 3));
    let now = away.probe.clock.now();
    away.probe.driver.close(now, away.probe.conn, CloseCode::Replaced, "");
    assert!(away.probe.until(|probe| probe.driver.is_idle()));
    let wish = json!({ "seconds": 3_600, "reason": "be nice" });
    let ban = table.ask(MODERATOR, "POST", &format!("/v1/players/{id}/ban"), Some(wish)).is(200);
    assert_eq!((&ban["network"], &ban["account"]), (&json!("127.0.0.1/32"), &Value::Null));
    assert_eq!(player.probe.end(), (CloseCode::Kicked, "banned: be nice".to_owned()));
    let mut again = table.server.probe();
    again.write(&hello::<Field>().to_bytes());
    assert_eq!(again.end().1, "banned: be nice");
    let all = || table.ask(MODERATOR, "GET", "/v1/bans", None).is(200)["bans"].clone();
    assert_eq!(all(), json!([ban]));
    table.post("/v1/bans", json!({})).problem(400, "bad_request");
    table.post("/v1/bans", json!({ "network": "everybody" })).problem(400, "bad_request");
    table.post("/v1/bans", json!({ "account": "" })).problem(400, "bad_request");
    let everybody = json!({ "network": "0.0.0.0/0", "seconds": 0 });
    table.ask(MODERATOR, "POST", "/v1/bans", Some(everybody.clone())).problem(403, "forbidden");
    table.post("/v1/bans", everybody).is(200);
    let path = format!("/v1/bans/{}", ban["id"]);
    assert_eq!(table.ask(MODERATOR, "DELETE", &path, None).status, 204);
    table.ask(MODERATOR, "DELETE", &path, None).problem(404, "not_found");
    assert_eq!(all(), json!([]));
    let mut back = table.server.probe();
    back.knock(&away.hello_again(away.token()));
    assert_eq!(back.end().0, CloseCode::SessionOver, "it was sent away while it was not there");
    Player::join(table.server.probe(), &hello::<Field>());
    table.server.stop.request();
}

#[test]
fn rooms_are_opened_seen_and_closed() {
    let mut config = config::<Field>();
    config.rooms_max = 2;
    config.shards = 2;
    let table = Table::with(config, |_| {});
    let opened = table.post("/v1/rooms", json!({}));
    let id = opened.body["id"].as_u64().expect("an id");
    assert!(opened.head.contains(&format!("location: /v1/rooms/{id}")), "{}", opened.head);
    opened.is(201);
    assert_eq!(table.get(&format!("/v1/rooms/{id}")).is(200)["is_kept"], true, "who did it sees it");
    table.ask(ADMIN, "DELETE", "/v1/rooms/99", None).problem(404, "not_found");
    let mut player = table.server.probe();
    player.knock(&downbeat_wire::control::Hello { room: Some(id), ..hello::<Field>() });
    assert_eq!(player.welcome().expect("it is let in").room, id);
    let closed = table.ask(ADMIN, "DELETE", &format!("/v1/rooms/{id}?reason=it%20is%20over"), None).is(200);
    assert_eq!(closed["clients"], 1);
    assert_eq!(player.end(), (CloseCode::RoomClosed, "it is over".to_owned()));
    table.get(&format!("/v1/rooms/{id}")).problem(404, "not_found");
    // There may be two; the first may have been spared meanwhile.
    let refused = (0..3).map(|_| table.post("/v1/rooms", json!({}))).find(|answer| answer.status != 201);
    refused.expect("two are all").problem(409, "full");
    table.server.stop.request();
}

#[test]
fn hooks_are_asked_and_what_they_say_is_told() {
    let table = Table::with(config::<Field>(), |hooks| {
        hooks.reload = Some(Arc::new(|| Ok(json!({ "changed": ["log"] }))));
        hooks.log_level = Some(Arc::new(|level| match level {
            "info" => Ok(()),
            other => Err(HookError::Asked(format!("`{other}` is no level"))),
        }));
    });
    assert_eq!(table.post("/v1/config/reload", json!({})).is(200), json!({ "changed": ["log"] }));
    let level = |level: &str| table.ask(ADMIN, "PUT", "/v1/log-level", Some(json!({ "level": level })));
    assert_eq!(level("info").is(200), json!({ "level": "info" }));
    assert_eq!(level("loud").problem(400, "bad_request"), "`loud` is no level");
    let metrics = table.ask("", "GET", "/metrics", None);
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    assert!(metrics.text.contains("\ndownbeat_players"), "{}", metrics.text);
    assert!(metrics.text.contains("downbeat_admin_requests_total{status=\"4xx\"} 1"), "{}", metrics.text);
    table.server.stop.request();
}

#[test]
fn the_page_is_served_with_nothing_inline_and_nothing_from_elsewhere() {
    let table = Table::new();
    let page = table.ask("", "GET", "/", None);
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    let policy = page.head.lines().find(|line| line.starts_with("content-security-policy:")).expect("a policy");
    assert!(policy.contains("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for inline in ["<style", " style=", " onclick=", "javascript:", "<script>", "//"] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    // What it names is there, and so is what that names.
    let mut paths: Vec<String> =
        page.text.split('"').filter(|part| part.starts_with("/dashboard/")).map(str::to_owned).collect();
    let mut looked_at = 0;
    while looked_at < paths.len() {
        let file = table.ask("", "GET", &paths[looked_at], None);
        assert_eq!(file.status, 200, "{}", paths[looked_at]);
        let imports = file.text.lines().filter_map(|line| line.split_once("from \"./")?.1.strip_suffix("\";"));
        let more: Vec<_> =
            imports.map(|name| format!("/dashboard/{name}")).filter(|path| !paths.contains(path)).collect();
        assert!(!file.text.contains("innerHTML") && !file.text.contains("https://"), "{}", paths[looked_at]);
        paths.extend(more);
        looked_at += 1;
    }
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 13, "{paths:?}");
    table.ask("", "GET", "/dashboard/../server.toml", None).problem(404, "not_found");
    table.server.stop.request();
}

#[test]
fn a_drain_is_told_to_players_and_shown_and_lasts_until_the_deadline() {
    let table = Table::new();
    assert_eq!(table.ask("", "GET", "/healthz", None).status, 200);
    let mut player = Player::join(table.server.probe(), &hello::<Field>());
    let until = player.until(|_| table.ask("", "GET", "/readyz", None).status == 200);
    assert!(until);
    table.post("/v1/drain", json!({ "deadline_s": 86_401 })).problem(400, "bad_request");
    table.post("/v1/drain", json!({ "deadline_s": 3_600 })).is(202);
    table.post("/v1/drain", json!({ "deadline_s": 0 })).is(202);
    table.ask("", "GET", "/readyz", None).problem(503, "draining");
    assert_eq!(table.ask("", "GET", "/healthz", None).status, 200, "it lives all the same");
    assert!(player.until(|player| player.probe.messages.contains(&ServerMessage::Draining { deadline_s: 3_600 })));
    table.post("/v1/rooms", json!({})).problem(409, "draining");
    assert_eq!(table.get("/v1/server").is(200)["is_draining"], true);
    player.probe.leave();
    assert!(table.server.ends(), "nobody is left to wait for");
}

#[test]
fn slow_and_silent_connections_hold_up_nobody_and_end() {
    let table = Table::new();
    let mut slow: Vec<_> = (0..100).map(|_| TcpStream::connect(table.at()).expect("the kernel takes it")).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n");
    }
    let honest = table.server.honest();
    // Those before it are closed for their silence.
    let answer = table.ask("", "GET", "/healthz", None);
    assert_eq!(answer.status, 200);
    honest.assert_undisturbed();
    let mut rest = Vec::new();
    slow[0].set_read_timeout(Some(Duration::from_secs(60))).expect("it can be set");
    slow[0].read_to_end(&mut rest).expect("it is closed");
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    let mut stream = TcpStream::connect(table.at()).expect("it listens");
    let head =
        format!("POST /v1/drain HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: 9\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it can be set");
    let mut bytes = [0; 4_096];
    let length = stream.read(&mut bytes).expect("it answers");
    read(&String::from_utf8_lossy(&bytes[..length])).problem(408, "timeout");
    table.server.stop.request();
}

#[test]
fn who_reads_no_answers_keeps_nobody_from_the_probes() {
    let table = Table::new();
    let greedy: Vec<_> = (0..70)
        .map(|_| {
            let mut stream = TcpStream::connect(table.at()).expect("the kernel takes it");
            stream.set_nonblocking(true).expect("it can be set");
            // As much as goes into buffers, of answers that are far longer than their questions.
            let asks = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500);
            let _ = stream.write_all(asks.as_bytes());
            stream
        })
        .collect();
    assert_eq!(table.ask("", "GET", "/healthz", None).status, 200, "theirs are closed for standing still");
    drop(greedy);
    table.server.stop.request();
}

#[test]
fn a_token_is_made_for_a_run_and_goes_with_it() {
    let mut config = config::<Field>();
    config.admin = Some(Admin::new("127.0.0.1:0".parse().expect("an address")));
    let server = start::<Field>(&config, &Default::default());
    let path = server.admin_token.clone().expect("one is made");
    let token = fs::read_to_string(&path).expect("it is there");
    let ask = |token: &str| {
        let request =
            format!("GET /v1/server HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
        send(server.admin.expect("it has one"), &request).status
    };
    assert_eq!((ask(token.trim()), ask("0123456789abcdef")), (200, 401));
    server.stop();
    assert!(!path.exists());
}
