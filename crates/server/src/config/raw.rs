//! The configuration as it is written: every key optional, nothing checked but types. `server.toml` documents the keys.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};

/// What one place sets.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) listen: Option<Spanned<Value>>,
    pub(super) tick_rate: Option<Spanned<i64>>,
    pub(super) send_rate: Option<Spanned<i64>>,
    pub(super) rooms_max: Option<Spanned<i64>>,
    pub(super) players_max: Option<Spanned<i64>>,
    pub(super) spectators_max: Option<Spanned<i64>>,
    pub(super) seed: Option<Spanned<i64>>,
    pub(super) drain_deadline: Option<Spanned<f64>>,
    pub(super) hello_timeout: Option<Spanned<f64>>,
    pub(super) resume_window: Option<Spanned<f64>>,
    pub(super) second_login: Option<Spanned<String>>,
    pub(super) client_bytes_per_s: Option<Spanned<i64>>,
    pub(super) address_connections_max: Option<Spanned<i64>>,
    pub(super) address_exempt: Option<Spanned<Value>>,
    pub(super) handshakes_per_s: Option<Spanned<i64>>,
    pub(super) handshakes_burst: Option<Spanned<i64>>,
    pub(super) upload_bytes_per_s: Option<Spanned<i64>>,
    pub(super) datagrams_per_s: Option<Spanned<i64>>,
    pub(super) datagrams_burst: Option<Spanned<i64>>,
    pub(super) malformed_per_s: Option<Spanned<i64>>,
    pub(super) motd: Option<Spanned<String>>,
    pub(super) bans: Option<Spanned<String>>,
    pub(super) shards: Option<Spanned<Value>>,
    pub(super) cpu: Option<Spanned<i64>>,
    pub(super) danger_no_auth: Option<Spanned<bool>>,
    pub(super) log: Option<RawLog>,
    pub(super) orchestrator: Option<Spanned<String>>,
    pub(super) agones: Option<RawAgones>,
    pub(super) results: Option<RawResults>,
    pub(super) tls: Option<RawTls>,
    pub(super) tickets: Option<RawTickets>,
    pub(super) admin: Option<RawAdmin>,
    /// `name`, and a table of rules for each game.
    pub(super) game: Option<BTreeMap<Spanned<String>, Spanned<Value>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) level: Option<Spanned<String>>,
    pub(super) format: Option<Spanned<String>>,
    pub(super) addresses: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawResults {
    pub(super) file: Option<Spanned<String>>,
    pub(super) webhook: Option<Spanned<String>>,
    pub(super) secret: Option<Spanned<String>>,
    pub(super) spool: Option<Spanned<String>>,
    pub(super) waiting_max: Option<Spanned<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) cert: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTickets {
    pub(super) keys: Option<Spanned<String>>,
    pub(super) audience: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAdmin {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) tokens: Option<Spanned<String>>,
    pub(super) token: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAgones {
    pub(super) sidecar: Option<Spanned<String>>,
    pub(super) when_empty: Option<Spanned<String>>,
    pub(super) empty_after: Option<Spanned<f64>>,
    pub(super) reserve_for: Option<Spanned<f64>>,
}

/// All keys but the games' rules.
pub(super) const KEYS: &[&str] = &[
    "listen",
    "tick_rate",
    "send_rate",
    "rooms_max",
    "players_max",
    "spectators_max",
    "seed",
    "drain_deadline",
    "hello_timeout",
    "resume_window",
    "second_login",
    "client_bytes_per_s",
    "address_connections_max",
    "address_exempt",
    "handshakes_per_s",
    "handshakes_burst",
    "upload_bytes_per_s",
    "datagrams_per_s",
    "datagrams_burst",
    "malformed_per_s",
    "motd",
    "bans",
    "shards",
    "cpu",
    "danger_no_auth",
    "log.level",
    "log.format",
    "log.addresses",
    "orchestrator",
    "agones.sidecar",
    "agones.when_empty",
    "agones.empty_after",
    "agones.reserve_for",
    "results.file",
    "results.webhook",
    "results.secret",
    "results.spool",
    "results.waiting_max",
    "tickets.keys",
    "tickets.audience",
    "tls.cert",
    "tls.key",
    "admin.listen",
    "admin.tokens",
    "admin.token",
    "game.name",
];

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    // The game is what is chosen most often: it has the short name.
    let key = if key == "game.name" { "game" } else { key };
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// What the names of all our environment variables begin with.
pub(super) const PREFIX: &str = "DOWNBEAT_";
