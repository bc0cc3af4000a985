//! What all routes share: the way into the shards, who may do what, and how bodies are read.

use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::answered::Answered;
use super::history::History;
use super::problem::Problem;
use super::tokens::{Access, Bearer, Tokens};
use crate::control::{Act, Answer, Command, Control, Hooks, ShardView};
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_REQUEST_TIME_MAX};
use crate::metrics::Metrics;
use crate::notice::{Notice, Notify};
use crate::pulse::Pulse;
use crate::records::{Event, Recorder};
use crate::stop::Stop;

/// What routes work with.
pub(crate) struct Api {
    pub(crate) control: Arc<Control>,
    pub(crate) facts: Facts,
    pub(crate) tokens: Tokens,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) hooks: Hooks,
    pub(crate) stop: Stop,
    /// Takes what operators did.
    pub(crate) notify: Mutex<Notify>,
    pub(crate) answered: Answered,
    pub(crate) pulse: Mutex<Pulse>,
    pub(crate) history: Mutex<History>,
}

/// What does not change while a server runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    /// The version of the program.
    pub(crate) version: &'static str,
    /// The name of the game.
    pub(crate) game: String,
    /// The hash of the game's schema, in hexadecimal.
    pub(crate) schema: String,
    /// Ticks per second.
    pub(crate) tick_rate_hz: u32,
    /// Snapshots per second.
    pub(crate) send_rate_hz: u32,
    /// Most rooms at a time.
    pub(crate) rooms_max: u16,
    /// Most players of a room.
    pub(crate) players_max: u16,
    /// Threads that rooms are spread over.
    pub(crate) shards: u8,
}

impl Api {
    /// Asks a shard for something, and waits for the answer.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        shard: u8,
        command: impl FnOnce(Answer<T>) -> Command,
    ) -> Result<T, Problem> {
        let (give, answer) = oneshot::channel();
        // Whoever asked may have gone meanwhile.
        self.control.send(shard, command(Answer::new(move |answer| drop(give.send(answer)))))?;
        answer.await.map_err(|_| crate::control::Refused::Gone.into())
    }

    /// Asks all shards for something, one after the other.
    pub(super) async fn ask_all<T: Send + 'static>(
        &self,
        command: impl Fn(Answer<T>) -> Command,
    ) -> Result<Vec<T>, Problem> {
        let mut answers = Vec::new();
        for shard in 0..self.control.shards() {
            answers.push(self.ask(shard, &command).await?);
        }
        Ok(answers)
    }

    pub(super) fn views(&self) -> Vec<Arc<ShardView>> {
        self.control.views()
    }

    /// Notes what somebody did.
    pub(super) fn tell(&self, act: Act) {
        self.recorder.tell(&Event::of(&act));
        // Whoever takes notices may panic; it is called again all the same.
        let mut notify = self.notify.lock().unwrap_or_else(PoisonError::into_inner);
        notify(&Notice::Act(act));
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        // What is measured next is measured from what was left.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_second(&self) {
        self.history().note(self.views(), &self.metrics);
    }

    /// The shard that has hung, if one has. Ask it now and then: it is compared with what was seen before.
    pub(super) fn hung(&self) -> Option<usize> {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.hung(&self.control.beats())
    }
}

/// Lets in whoever shows a token of at least this access, and notes who it is.
pub(super) async fn admit(
    State((api, least)): State<(Arc<Api>, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let unauthorized = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    let shown = shown.ok_or_else(|| unauthorized("a token is asked for: `Authorization: Bearer TOKEN`"))?;
    let (scheme, token) = shown.split_once(' ').unwrap_or_default();
    let bearer = api.tokens.bearer(token.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    let bearer: Bearer = bearer.cloned().ok_or_else(|| unauthorized("the token is none of this server's"))?;
    if bearer.access < least {
        let detail = format!("this is for the role {}; the token's is {}", least.name(), bearer.access.name());
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    request.extensions_mut().insert(bearer);
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(next.run(request).await);
    }
    // On a task of its own, so that what is done is also told: whoever asks and hangs up, or waits too long, stops nothing.
    tokio::spawn(next.run(request)).await.map_err(|error| {
        let problem = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "ending", "the server ends");
        error.try_into_panic().map_or_else(|_| problem(), |panic| std::panic::resume_unwind(panic))
    })
}

/// Bounds the time of a request, counts it, and says what every answer says.
pub(super) async fn bound(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(ADMIN_REQUEST_TIME_MAX, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| Problem::timeout().into_response());
    api.answered.note(response.status());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A body of JSON. An empty one is an object without fields.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return parse(b"{}");
        }
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            let detail = "the body must be JSON, and say so: `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
        }
        parse(&bytes)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Json<T>, Problem> {
    serde_json::from_slice(bytes).map(Json).map_err(|error| Problem::bad_request(format!("the body: {error}")))
}

async fn read(body: Body) -> Result<axum::body::Bytes, Problem> {
    to_bytes(body, ADMIN_BODY_BYTES_MAX).await.map_err(|_| {
        let detail = format!("the body is longer than {ADMIN_BODY_BYTES_MAX} bytes, or did not arrive");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    })
}

/// An answer of JSON.
pub(super) fn json<T: Serialize>(answer: &T) -> Response {
    let body = serde_json::to_vec(answer).expect("views are plain data, which always encodes");
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// A time in whole seconds, if it may be so long.
pub(super) fn seconds(given: u64, most: u64, what: &str) -> Result<Duration, Problem> {
    if given > most {
        return Err(Problem::bad_request(format!("`{what}` is {given}; 0 to {most} seconds are allowed")));
    }
    Ok(Duration::from_secs(given))
}

/// What a path names: a number.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Id).ok_or_else(|| Problem::not_found("what is named here are numbers"))
    }
}

/// What is behind the question mark.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}
