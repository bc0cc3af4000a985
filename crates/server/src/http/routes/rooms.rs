//! Rooms: which there are, opening them and closing them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::players::{Page, Players, page};
use super::{By, Shared};
use crate::control::{Act, Command, RoomView};
use crate::http::api::{Api, Id, Query, json};
use crate::http::problem::Problem;
use crate::limits::REASON_BYTES_MAX;
use crate::text;
use downbeat_wire::CloseCode;

/// Rooms, ascending by id.
#[derive(Serialize, ToSchema)]
pub(super) struct Rooms {
    rooms: Vec<RoomView>,
}

/// All rooms that are open, as they were within the last second.
#[utoipa::path(get, path = "/v1/rooms", tag = "rooms", security(("token" = [])), responses(
    (status = 200, description = "rooms, ascending by id", body = Rooms),
))]
pub(super) async fn list(State(api): Shared) -> Response {
    let mut rooms: Vec<_> = api.views().iter().flat_map(|view| view.rooms.clone()).collect();
    rooms.sort_unstable_by_key(|room| room.id);
    json(&Rooms { rooms })
}

/// One room.
#[utoipa::path(get, path = "/v1/rooms/{id}", tag = "rooms", security(("token" = [])),
    params(("id" = u64, Path, description = "the room")), responses(
    (status = 200, description = "the room", body = RoomView),
    (status = 404, description = "there is none of that number", body = Problem),
))]
pub(super) async fn show(State(api): Shared, Id(id): Id<u64>) -> Result<Response, Problem> {
    Ok(json(&find(&api, id)?))
}

/// Who is in a room.
#[utoipa::path(get, path = "/v1/rooms/{id}/players", tag = "rooms", security(("token" = [])),
    params(("id" = u64, Path, description = "the room"), Page), responses(
    (status = 200, description = "who is in it", body = Players),
    (status = 404, description = "there is none of that number", body = Problem),
))]
pub(super) async fn players(
    State(api): Shared,
    Id(id): Id<u64>,
    Query(wish): Query<Page>,
) -> Result<Response, Problem> {
    find(&api, id)?;
    Ok(json(&page(&api.views(), &wish, |player| player.room == id)?))
}

fn find(api: &Api, id: u64) -> Result<RoomView, Problem> {
    let views = api.views();
    let room = views.iter().flat_map(|view| &view.rooms).find(|room| room.id == id);
    room.cloned().ok_or_else(|| no_such_room(id))
}

pub(super) fn no_such_room(id: u64) -> Problem {
    Problem::not_found(format!("room {id} does not exist"))
}

/// A room that was opened.
#[derive(Serialize, ToSchema)]
struct Opened {
    /// Its id: what tickets and hellos name to be let in there.
    id: u64,
}

/// Opens a room that stays open while nobody is in it, until it is closed.
#[utoipa::path(post, path = "/v1/rooms", tag = "rooms", security(("token" = [])), responses(
    (status = 201, description = "it is open", body = Opened),
    (status = 409, description = "there are as many as there may be, or the server is draining", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn open(State(api): Shared, Extension(by): By) -> Result<Response, Problem> {
    let views = api.views();
    let shards = 0..api.control.shards();
    let shard = shards.min_by_key(|&shard| views[usize::from(shard)].clients).unwrap_or(0);
    let id = api.ask(shard, |answer| Command::OpenRoom { answer }).await??;
    api.tell(Act { room: Some(id), ..Act::new(by.name, "open room") });
    Ok((StatusCode::CREATED, [(LOCATION, format!("/v1/rooms/{id}"))], json(&Opened { id })).into_response())
}

/// How a room is closed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Closing {
    /// What its clients are told.
    #[serde(default)]
    reason: String,
}

/// A room that was closed.
#[derive(Serialize, ToSchema)]
struct Closed {
    /// Clients that were sent away.
    clients: usize,
}

/// Closes a room and sends its clients away.
#[utoipa::path(delete, path = "/v1/rooms/{id}", tag = "rooms", security(("token" = [])),
    params(("id" = u64, Path, description = "the room"), Closing), responses(
    (status = 200, description = "it is closed", body = Closed),
    (status = 404, description = "there is none of that number", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn close(
    State(api): Shared,
    Extension(by): By,
    Id(id): Id<u64>,
    Query(how): Query<Closing>,
) -> Result<Response, Problem> {
    let reason = reason(&how.reason, CloseCode::RoomClosed);
    let close = |answer| Command::CloseRoom { room: id, reason: reason.clone(), answer };
    let clients = api.ask(api.control.shard_of(id), close).await?.ok_or_else(|| no_such_room(id))?;
    api.tell(Act { room: Some(id), text: reason, ..Act::new(by.name, "close room") });
    Ok(json(&Closed { clients }))
}

/// What clients are told: what was given, fit to be shown, or what is told usually.
pub(super) fn reason(given: &str, code: CloseCode) -> String {
    let reason = text::cut(given, REASON_BYTES_MAX);
    if reason.is_empty() { code.reason().to_owned() } else { reason }
}
