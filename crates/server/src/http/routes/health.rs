//! Whether the server lives and takes players, and what is measured: for those who watch many servers.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{By, Shared};
use crate::http::api::{Facts, Query, json};
use crate::http::history::Second;
use crate::http::problem::Problem;

/// Whether the process lives: every shard has gone on within the last seconds.
#[utoipa::path(get, path = "/healthz", tag = "health", responses(
    (status = 200, description = "it lives", body = String),
    (status = 503, description = "a shard has hung: end the process", body = Problem),
))]
pub(super) async fn healthz(State(api): Shared) -> Result<&'static str, Problem> {
    match api.hung() {
        None => Ok("ok\n"),
        Some(shard) => Err(unavailable("hung", format!("shard {shard} does not go on; end the process"))),
    }
}

/// Whether players are taken: it lives, and does not drain.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "players are taken", body = String),
    (status = 503, description = "none are, for now or for good", body = Problem),
))]
pub(super) async fn readyz(State(api): Shared) -> Result<&'static str, Problem> {
    if api.stop.is_requested() {
        return Err(unavailable("draining", "the server is draining".to_owned()));
    }
    if api.control.beats().contains(&0) {
        return Err(unavailable("starting", "the server is starting".to_owned()));
    }
    healthz(State(api)).await
}

fn unavailable(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
}

/// What is measured, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "metrics", body = String, content_type = "text/plain"),
))]
pub(super) async fn metrics(State(api): Shared) -> Response {
    let text = api.metrics.render() + &api.answered.render();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Which seconds.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Only those that came after this one.
    #[serde(default)]
    after: u64,
}

/// The last minutes.
#[derive(Serialize, ToSchema)]
struct Seconds {
    /// Oldest first.
    seconds: Vec<Second>,
}

/// What the last minutes were like, second by second.
#[utoipa::path(get, path = "/v1/history", tag = "server", security(("token" = [])), params(After), responses(
    (status = 200, description = "seconds, oldest first", body = Seconds),
))]
pub(super) async fn history(State(api): Shared, Query(wish): Query<After>) -> Response {
    json(&Seconds { seconds: api.history().after(wish.after) })
}

/// A server at a glance.
#[derive(Serialize, ToSchema)]
struct Glance {
    #[serde(flatten)]
    facts: Facts,
    /// Seconds that it has run.
    seconds: f64,
    /// Rooms that are open.
    rooms: usize,
    /// Clients in them, spectators included.
    clients: usize,
    /// Whether it takes nobody any more.
    is_draining: bool,
    /// Who asks.
    you: You,
}

/// The bearer of a token.
#[derive(Serialize, ToSchema)]
struct You {
    /// What logs call him.
    name: String,
    /// What he may do: `viewer`, `moderator` or `admin`.
    role: &'static str,
}

/// The server at a glance.
#[utoipa::path(get, path = "/v1/server", tag = "server", security(("token" = [])), responses(
    (status = 200, description = "at a glance", body = Glance),
))]
pub(super) async fn server(State(api): Shared, Extension(by): By) -> Response {
    let views = api.views();
    json(&Glance {
        facts: api.facts.clone(),
        seconds: views.iter().map(|view| view.seconds).fold(0.0, f64::max),
        rooms: views.iter().map(|view| view.rooms.len()).sum(),
        clients: views.iter().map(|view| view.clients).sum(),
        is_draining: api.stop.is_requested(),
        you: You { name: by.name, role: by.access.name() },
    })
}
