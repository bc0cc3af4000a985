//! The calls as the sidecar understands them: its REST gateway, as of Agones 1.37 and later.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::plan::Call;
use super::{GameServer, Heard};
use crate::limits::{AGONES_ANSWER_BYTES_MAX, AGONES_CALL_TIMEOUT, AGONES_SILENCE_MAX, AGONES_WORD_BYTES_MAX};

/// What a call brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply {
    /// The values of a list.
    pub(super) values: BTreeSet<String>,
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It was as it should be before.
    #[error("it was so already")]
    AlreadySo,
    /// There is no such counter or list, or the feature is off.
    #[error("{0}; name it in the Fleet's `counters` or `lists`")]
    Unconfigured(String),
    /// Anything else: it may pass.
    #[error("the Agones sidecar does not do what it is asked: {0}")]
    Other(String),
}

#[derive(Debug)]
pub(super) struct Sidecar {
    base: String,
    /// For calls, which must not take long.
    calls: Agent,
    /// For the stream, which may be silent.
    stream: Agent,
}

impl Sidecar {
    /// The sidecar at `base`, or where Agones says.
    pub(super) fn new(base: Option<&str>) -> Self {
        let port = || std::env::var("AGONES_SDK_HTTP_PORT").unwrap_or_else(|_| DEFAULT_PORT.to_owned());
        let base = base.map_or_else(|| format!("http://localhost:{}", port()), str::to_owned);
        // Whatever proxy the environment names: the sidecar is on this machine.
        let local = || Agent::config_builder().proxy(None).http_status_as_error(false);
        let calls = local().timeout_global(Some(AGONES_CALL_TIMEOUT));
        let stream = local().timeout_connect(Some(AGONES_CALL_TIMEOUT)).timeout_per_read(Some(AGONES_SILENCE_MAX));
        Self { base, calls: calls.build().into(), stream: stream.build().into() }
    }

    pub(super) fn call(&self, call: &Call) -> Result<Reply, Failure> {
        // The gateway answers an empty body with 400.
        let empty = json!({});
        let answer = match call {
            Call::Health => self.post("/health", &empty),
            Call::Ready => self.post("/ready", &empty),
            Call::Allocate => self.post("/allocate", &empty),
            Call::Reserve { seconds } => self.post("/reserve", &json!({ "seconds": seconds.to_string() })),
            Call::Shutdown => self.post("/shutdown", &empty),
            Call::End => return Ok(Reply::default()),
            // 64-bit numbers are texts in the JSON form of protocol buffers.
            Call::SetRooms { count, capacity } => self.patch(
                "/v1beta1/counters/rooms",
                &json!({ "count": count.to_string(), "capacity": capacity.to_string() }),
            ),
            Call::SetPlayersMax(most) => self.patch("/v1beta1/lists/players", &json!({ "capacity": most.to_string() })),
            Call::ReadPlayers => self.calls.get(self.url("/v1beta1/lists/players")).call(),
            Call::AddPlayer(player) => self.post("/v1beta1/lists/players:addValue", &json!({ "value": player })),
            Call::RemovePlayer(player) => self.post("/v1beta1/lists/players:removeValue", &json!({ "value": player })),
        };
        let answer = answer.map_err(|error| Failure::Other(format!("{}: {error}", self.base)))?;
        read(call, answer)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Response<Body>, ureq::Error> {
        self.calls.post(self.url(path)).content_type(JSON).send(body.to_string())
    }

    fn patch(&self, path: &str, body: &Value) -> Result<Response<Body>, ureq::Error> {
        self.calls.patch(self.url(path)).content_type(JSON).send(body.to_string())
    }

    /// Takes in what Agones says until nobody wants to know; asks again when the stream breaks.
    pub(super) fn listen(&self, heard: &Arc<Heard>, pause: Duration) {
        while !heard.is_over.load(Ordering::Relaxed) {
            if let Ok(stream) = self.stream.get(self.url("/watch/gameserver")).call()
                && stream.status().is_success()
            {
                follow(stream.into_body().into_reader(), heard);
            }
            thread::sleep(pause);
        }
    }
}

/// Reads a stream of JSON lines to its end.
fn follow(stream: impl Read, heard: &Heard) {
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    while !heard.is_over.load(Ordering::Relaxed) {
        line.clear();
        let most = AGONES_WORD_BYTES_MAX as u64;
        match lines.by_ref().take(most).read_until(b'\n', &mut line) {
            Ok(read) if read > 0 && line.ends_with(b"\n") => {}
            // It ended, broke, or says more at once than it can have to say.
            _ => return,
        }
        if let Some(said) = word(&line) {
            heard.note(|game_server| *game_server = said);
        }
    }
}

/// What a line of the stream says.
fn word(line: &[u8]) -> Option<GameServer> {
    #[derive(Deserialize)]
    struct Word {
        result: Said,
    }
    #[derive(Deserialize)]
    struct Said {
        #[serde(default, alias = "objectMeta")]
        object_meta: Meta,
        status: Status,
    }
    #[derive(Default, Deserialize)]
    struct Meta {
        #[serde(default)]
        annotations: std::collections::HashMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Status {
        state: String,
    }
    let said = serde_json::from_slice::<Word>(line).ok()?.result;
    let last_allocated = said.object_meta.annotations.get(LAST_ALLOCATED).cloned().unwrap_or_default();
    Some(GameServer { state: said.status.state, last_allocated })
}

fn read(call: &Call, answer: Response<Body>) -> Result<Reply, Failure> {
    let status = answer.status();
    let text = answer.into_body().into_with_config().limit(AGONES_ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
    let text = text.map_err(|error| Failure::Other(error.to_string()))?;
    if status.is_success() {
        let values = if *call == Call::ReadPlayers { values(&text)? } else { BTreeSet::new() };
        return Ok(Reply { values });
    }
    Err(failure(call, status, &text))
}

fn values(text: &str) -> Result<BTreeSet<String>, Failure> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        values: BTreeSet<String>,
    }
    let list: List = serde_json::from_str(text).map_err(|error| Failure::Other(error.to_string()))?;
    Ok(list.values)
}

/// What an error means. The sidecar's own errors have no status of their own: they are told apart by what they say.
fn failure(call: &Call, status: StatusCode, text: &str) -> Failure {
    let said = serde_json::from_str::<Value>(text).ok();
    let said = said.and_then(|said| Some(said.get("message")?.as_str()?.to_owned())).unwrap_or_default();
    let lower = said.to_lowercase();
    let is_of_counts = matches!(
        call,
        Call::SetRooms { .. } | Call::SetPlayersMax(_) | Call::ReadPlayers | Call::AddPlayer(_) | Call::RemovePlayer(_)
    );
    match call {
        Call::AddPlayer(_) if lower.contains("already exists") => Failure::AlreadySo,
        Call::RemovePlayer(_) if lower.contains("not found. value") => Failure::AlreadySo,
        _ if is_of_counts && (lower.contains("not found") || lower.contains("not enabled") || status == 404) => {
            Failure::Unconfigured(if said.is_empty() { status.to_string() } else { said })
        }
        _ => Failure::Other(format!("{status} {said}").trim_end().to_owned()),
    }
}

const JSON: &str = "application/json";

/// Where the sidecar is if Agones says nothing.
const DEFAULT_PORT: &str = "9358";

/// The annotation that each allocation sets.
const LAST_ALLOCATED: &str = "agones.dev/last-allocated";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_the_gateway_writes_them() {
        let line =
            br#"{"result":{"object_meta":{"name":"local","annotations":{"agones.dev/last-allocated":"x"},"labels":{}},
            "spec":{"health":{}},"status":{"state":"Allocated","address":"127.0.0.1","ports":[]}}}"#;
        let said = GameServer { state: "Allocated".to_owned(), last_allocated: "x".to_owned() };
        assert_eq!(word(line), Some(said));
        let plain = word(br#"{"result":{"status":{"state":"Ready"}}}"#).expect("enough is there");
        assert_eq!((plain.state.as_str(), plain.last_allocated.as_str()), ("Ready", ""));
        assert_eq!(word(br#"{"error":{"code":13}}"#), None);
        assert_eq!(word(b"\xff"), None);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let heard = Heard::default();
        let good = b"{\"result\":{\"status\":{\"state\":\"Ready\"}}}\n";
        follow(&good[..], &heard);
        assert_eq!(heard.read().state, "Ready");
        let endless =
            std::io::repeat(b' ').take(100 << 20).chain(&b"\n{\"result\":{\"status\":{\"state\":\"Shutdown\"}}}\n"[..]);
        follow(endless, &heard);
        assert_eq!(heard.read().state, "Ready");
    }

    #[test]
    fn errors_are_told_apart_by_what_they_say() {
        let failed = |call: &Call, status: u16, message: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            failure(call, status, &json!({ "code": 2, "message": message }).to_string())
        };
        let add = Call::AddPlayer("a".to_owned());
        let remove = Call::RemovePlayer("a".to_owned());
        assert_eq!(failed(&add, 500, "already exists. Value: a already in List: players"), Failure::AlreadySo);
        assert_eq!(failed(&remove, 500, "not found. Value: a not found in List: players"), Failure::AlreadySo);
        for said in ["list not found: players", "not found. players List not found", "CountsAndLists not enabled"] {
            assert_eq!(failed(&remove, 500, said), Failure::Unconfigured(said.to_owned()));
        }
        let full = failed(&add, 500, "out of range. No available capacity.");
        assert!(full.to_string().ends_with("500 Internal Server Error out of range. No available capacity."), "{full}");
        assert_eq!(failure(&Call::Ready, StatusCode::NOT_FOUND, "<html>"), Failure::Other("404 Not Found".to_owned()));
    }
}
