//! What is done to the server as a whole.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rooms::no_such_room;
use super::{By, Shared};
use crate::control::{Act, Ban, Banned, Bans, Command, Who};
use crate::http::api::{Api, Id, Json, json, seconds};
use crate::http::problem::Problem;
use crate::http::tokens::{Access, Bearer};
use crate::limits::{DRAIN_S_MAX, MODERATOR_BAN_BITS_MIN};
use crate::text;

/// What is to be said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Broadcast {
    /// One line; 255 bytes at most.
    text: String,
    /// The room that hears it; all rooms if nothing is said.
    room: Option<u64>,
}

/// How far something was heard.
#[derive(Serialize, ToSchema)]
struct Heard {
    /// Clients that were told.
    clients: usize,
}

/// Says something to everybody, or to everybody in a room.
#[utoipa::path(post, path = "/v1/broadcast", tag = "server", security(("token" = [])), request_body = Broadcast, responses(
    (status = 200, description = "it is said", body = Heard),
    (status = 400, description = "nothing of the text shows", body = Problem),
    (status = 404, description = "there is no such room", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn broadcast(
    State(api): Shared,
    Extension(by): By,
    Json(wish): Json<Broadcast>,
) -> Result<Response, Problem> {
    let text = text::chat(&wish.text).ok_or_else(|| Problem::bad_request("nothing of `text` shows"))?;
    let room = wish.room;
    let say = |answer| Command::Broadcast { room, text: text.clone(), answer };
    let clients = match room {
        Some(id) => api.ask(api.control.shard_of(id), say).await?.ok_or_else(|| no_such_room(id))?,
        None => api.ask_all(say).await?.into_iter().flatten().sum(),
    };
    api.tell(Act { room, text, ..Act::new(by.name, "broadcast") });
    Ok(json(&Heard { clients }))
}

/// How the server ends.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Drain {
    /// Seconds that players have to finish; what is configured as `drain_deadline` if nothing is said.
    deadline_s: Option<u64>,
}

/// A server that drains.
#[derive(Serialize, ToSchema)]
struct Draining {
    /// Clients that it waits for.
    clients: usize,
}

/// Takes no players any more, tells those who are there, waits for them until the deadline, and ends. Asking again changes
/// nothing.
#[utoipa::path(post, path = "/v1/drain", tag = "server", security(("token" = [])), request_body = Drain, responses(
    (status = 202, description = "it drains", body = Draining),
    (status = 400, description = "no such deadline", body = Problem),
))]
pub(super) async fn drain(State(api): Shared, Extension(by): By, Json(wish): Json<Drain>) -> Result<Response, Problem> {
    let deadline = wish.deadline_s.map(|given| seconds(given, DRAIN_S_MAX, "deadline_s")).transpose()?;
    if api.stop.drain(deadline) {
        let text = deadline.map_or(String::new(), |deadline| format!("{} s", deadline.as_secs()));
        api.tell(Act { text, ..Act::new(by.name, "drain") });
    }
    let clients = api.views().iter().map(|view| view.clients).sum();
    Ok((StatusCode::ACCEPTED, json(&Draining { clients })).into_response())
}

/// Which log lines are told.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLevel {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    level: String,
}

/// Changes which log lines are told, until the server ends.
#[utoipa::path(put, path = "/v1/log-level", tag = "server", security(("token" = [])), request_body = LogLevel, responses(
    (status = 200, description = "it is changed", body = LogLevel),
    (status = 400, description = "no such level", body = Problem),
    (status = 501, description = "this server's log cannot be changed", body = Problem),
))]
pub(super) async fn log_level(
    State(api): Shared,
    Extension(by): By,
    Json(wish): Json<LogLevel>,
) -> Result<Response, Problem> {
    let set = api.hooks.log_level.as_ref().ok_or_else(|| Problem::missing("log that can be changed"))?;
    set(&wish.level)?;
    api.tell(Act { text: wish.level.clone(), ..Act::new(by.name, "log level") });
    Ok(json(&wish))
}

/// Reads the configuration again, and takes over what can change while the server runs. A bad one changes nothing.
#[utoipa::path(post, path = "/v1/config/reload", tag = "server", security(("token" = [])), responses(
    (status = 200, description = "what changed, and what could not", body = Object),
    (status = 400, description = "it is not allowed, and where it is wrong", body = Problem),
    (status = 501, description = "this server cannot read it again", body = Problem),
))]
pub(super) async fn reload(State(api): Shared, Extension(by): By) -> Result<Response, Problem> {
    let reload = api.hooks.reload.clone().ok_or_else(|| Problem::missing("configuration that can be read again"))?;
    let changed = wait_for(move || reload()).await??;
    api.tell(Act::new(by.name, "reload"));
    Ok(json(&changed))
}

/// Does what may have to wait for a file.
async fn wait_for<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "it broke off; the log says where");
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// Somebody who may not come in: an account, or a network.
#[derive(Serialize, ToSchema)]
pub(super) struct BanView {
    /// Names it.
    id: u64,
    /// The account, if it is one.
    account: Option<String>,
    /// The addresses, if it is those: `192.0.2.0/24`.
    network: Option<String>,
    /// Until when, in seconds since 1970 (UTC); for good if null.
    until: Option<u64>,
    /// Why.
    reason: String,
}

impl From<Ban> for BanView {
    fn from(Ban { id, whom, until, reason }: Ban) -> Self {
        let (account, network) = match whom {
            Banned::Account(account) => (Some(account), None),
            Banned::Network(prefix) => (None, Some(prefix.to_string())),
        };
        Self { id, account, network, until, reason }
    }
}

/// All bans.
#[derive(Serialize, ToSchema)]
struct AllBans {
    bans: Vec<BanView>,
}

/// Who is to be banned: an account, or a network.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBan {
    /// An account, as tickets name it.
    account: Option<String>,
    /// An address, or a block of them: `192.0.2.0/24`.
    network: Option<String>,
    /// Seconds from now; for good if nothing is said.
    seconds: Option<u64>,
    /// What they are told; 200 bytes at most.
    #[serde(default)]
    reason: String,
}

pub(super) fn bans_of(api: &Api) -> Result<Arc<dyn Bans>, Problem> {
    api.hooks.bans.clone().ok_or_else(|| Problem::missing("list of bans"))
}

/// Everybody who may not come in.
#[utoipa::path(get, path = "/v1/bans", tag = "bans", security(("token" = [])), responses(
    (status = 200, description = "all bans", body = AllBans),
    (status = 501, description = "this server keeps none", body = Problem),
))]
pub(super) async fn bans(State(api): Shared) -> Result<Response, Problem> {
    let bans = bans_of(&api)?;
    Ok(json(&AllBans { bans: bans.list().into_iter().map(BanView::from).collect() }))
}

/// Bans an account or a network, and sends away whom that means.
#[utoipa::path(post, path = "/v1/bans", tag = "bans", security(("token" = [])), request_body = NewBan, responses(
    (status = 200, description = "it is kept", body = BanView),
    (status = 400, description = "no such account or network", body = Problem),
    (status = 501, description = "this server keeps none", body = Problem),
))]
pub(super) async fn add_ban(
    State(api): Shared,
    Extension(by): By,
    Json(wish): Json<NewBan>,
) -> Result<Response, Problem> {
    let whom = match (wish.account, wish.network) {
        (Some(account), None) => Banned::Account(account),
        (None, Some(network)) => Banned::Network(network.parse().map_err(|()| {
            Problem::bad_request(format!(
                "`network` is `{network}`; an address or a block such as 192.0.2.0/24 is allowed"
            ))
        })?),
        _ => return Err(Problem::bad_request("either `account` or `network` is to be given")),
    };
    if let Banned::Network(network) = &whom
        && by.access < Access::Admin
        && network.bits() < least_bits(network.network())
    {
        let detail = format!("{network} is more than a moderator may ban at a time; an admin may");
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    ban(&api, by, whom, wish.seconds.map(Duration::from_secs), &wish.reason, None).await
}

/// Bits of a network that a moderator may ban.
const fn least_bits(address: IpAddr) -> u8 {
    let (v4, v6) = MODERATOR_BAN_BITS_MIN;
    if address.is_ipv4() { v4 } else { v6 }
}

/// Keeps a ban. The shards send away whom it means.
pub(super) async fn ban(
    api: &Api,
    by: Bearer,
    whom: Banned,
    time: Option<Duration>,
    given: &str,
    to: Option<Who>,
) -> Result<Response, Problem> {
    let (bans, given) = (bans_of(api)?, given.to_owned());
    let ban = wait_for(move || bans.add(whom, time, &given)).await??;
    // Addresses are kept in the list of bans alone, which the number leads to.
    let text = match &ban.whom {
        Banned::Account(account) => format!("{} of account {account}: {}", ban.id, ban.reason),
        Banned::Network(_) => format!("{} of a network: {}", ban.id, ban.reason),
    };
    api.tell(Act { room: to.as_ref().map(|who| who.room), to, text, ..Act::new(by.name, "ban") });
    Ok(json(&BanView::from(ban)))
}

/// Takes a ban back.
#[utoipa::path(delete, path = "/v1/bans/{id}", tag = "bans", security(("token" = [])),
    params(("id" = u64, Path, description = "the ban")), responses(
    (status = 204, description = "it is gone"),
    (status = 404, description = "there is none of that number", body = Problem),
    (status = 501, description = "this server keeps none", body = Problem),
))]
pub(super) async fn remove_ban(State(api): Shared, Extension(by): By, Id(id): Id<u64>) -> Result<StatusCode, Problem> {
    let bans = bans_of(&api)?;
    if !wait_for(move || bans.remove(id)).await?? {
        return Err(Problem::not_found(format!("there is no ban {id}")));
    }
    api.tell(Act { text: id.to_string(), ..Act::new(by.name, "unban") });
    Ok(StatusCode::NO_CONTENT)
}
