//! Players, and keeping order among them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use downbeat_transport::network_of;
use downbeat_wire::CloseCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::operate::{BanView, bans_of};
use super::rooms::reason;
use super::{By, Shared};
use crate::config::Prefix;
use crate::control::{Act, Banned, Command, PlayerKey, PlayerView, ShardView, Who};
use crate::http::api::{Api, Id, Json, Query, json, seconds};
use crate::http::problem::Problem;
use crate::limits::{MUTE_S_MAX, PAGE_PLAYERS_DEFAULT, PAGE_PLAYERS_MAX};

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only those whose id is greater.
    after: Option<u64>,
    /// At most so many, 1 to 10000; 1000 if nothing is said.
    limit: Option<usize>,
}

/// Clients, ascending by id.
#[derive(Serialize, ToSchema)]
pub(super) struct Players {
    players: Vec<PlayerView>,
    /// If there are more: what to give as `after` for the next part.
    #[schema(value_type = Option<u64>)]
    next: Option<PlayerKey>,
}

pub(super) fn page(
    views: &[Arc<ShardView>],
    wish: &Page,
    is_meant: impl Fn(&PlayerView) -> bool,
) -> Result<Players, Problem> {
    let limit = wish.limit.unwrap_or(PAGE_PLAYERS_DEFAULT);
    if !(1..=PAGE_PLAYERS_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("`limit` is {limit}; 1 to {PAGE_PLAYERS_MAX} are allowed")));
    }
    let after = wish.after.map(PlayerKey::from);
    let all = views.iter().flat_map(|view| &view.players);
    let mut players: Vec<_> =
        all.filter(|player| after.is_none_or(|after| player.id > after) && is_meant(player)).collect();
    players.sort_unstable_by_key(|player| player.id);
    let next = players.get(limit).and_then(|_| players.get(limit - 1)).map(|last| last.id);
    Ok(Players { players: players.into_iter().take(limit).cloned().collect(), next })
}

/// Everybody who is connected, as they were within the last second.
#[utoipa::path(get, path = "/v1/players", tag = "players", security(("token" = [])), params(Page), responses(
    (status = 200, description = "clients, ascending by id", body = Players),
    (status = 400, description = "no such part", body = Problem),
))]
pub(super) async fn list(State(api): Shared, Query(wish): Query<Page>) -> Result<Response, Problem> {
    Ok(json(&page(&api.views(), &wish, |_| true)?))
}

/// One client.
#[utoipa::path(get, path = "/v1/players/{id}", tag = "players", security(("token" = [])),
    params(("id" = u64, Path, description = "the client")), responses(
    (status = 200, description = "the client", body = PlayerView),
    (status = 404, description = "there is none of that number", body = Problem),
))]
pub(super) async fn show(State(api): Shared, Id(id): Id<PlayerKey>) -> Result<Response, Problem> {
    let views = api.views();
    let player = views.iter().flat_map(|view| &view.players).find(|player| player.id == id);
    player.map(json).ok_or_else(|| no_such_player(id))
}

fn no_such_player(id: PlayerKey) -> Problem {
    Problem::not_found(format!("there is no client {id}"))
}

/// Why somebody is sent away.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Kick {
    /// What he is told; 200 bytes at most.
    reason: String,
}

/// Whom something was done to.
#[derive(Serialize, ToSchema)]
struct Done {
    /// What he is called.
    #[schema(value_type = String)]
    name: Arc<str>,
    /// His account; null where no tickets are asked for.
    #[schema(value_type = Option<String>)]
    account: Option<Arc<str>>,
    /// Where he takes part, or did.
    room: u64,
}

impl From<Who> for Done {
    fn from(who: Who) -> Self {
        Self { name: who.name, account: who.account, room: who.room }
    }
}

/// Sends a client away. It may come back.
#[utoipa::path(post, path = "/v1/players/{id}/kick", tag = "players", security(("token" = [])),
    params(("id" = u64, Path, description = "the client")), request_body = Kick, responses(
    (status = 200, description = "it is gone", body = Done),
    (status = 404, description = "there is none of that number", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn kick(
    State(api): Shared,
    Extension(by): By,
    Id(id): Id<PlayerKey>,
    Json(wish): Json<Kick>,
) -> Result<Response, Problem> {
    let text = reason(&wish.reason, CloseCode::Kicked);
    let who = ask(&api, id, |answer| Command::Kick { session: id.session, reason: text.clone(), answer }).await?;
    api.tell(Act { room: Some(who.room), to: Some(who.clone()), text, ..Act::new(by.name, "kick") });
    Ok(json(&Done::from(who)))
}

/// Asks the shard of a client about it.
async fn ask(
    api: &Api,
    id: PlayerKey,
    command: impl FnOnce(crate::control::Answer<Option<Who>>) -> Command,
) -> Result<Who, Problem> {
    if id.shard >= api.control.shards() {
        return Err(no_such_player(id));
    }
    api.ask(id.shard, command).await?.ok_or_else(|| no_such_player(id))
}

/// For how long somebody is muted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mute {
    /// Seconds from now, a year at most; as long as he stays if nothing is said.
    #[serde(default = "longest")]
    seconds: u64,
}

const fn longest() -> u64 {
    MUTE_S_MAX
}

/// From now on nobody hears what a client says, until it leaves.
#[utoipa::path(post, path = "/v1/players/{id}/mute", tag = "players", security(("token" = [])),
    params(("id" = u64, Path, description = "the client")), request_body = Mute, responses(
    (status = 200, description = "it is muted", body = Done),
    (status = 404, description = "there is none of that number", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn mute(
    State(api): Shared,
    Extension(by): By,
    Id(id): Id<PlayerKey>,
    Json(wish): Json<Mute>,
) -> Result<Response, Problem> {
    let time = seconds(wish.seconds, MUTE_S_MAX, "seconds")?;
    let who = ask(&api, id, |answer| Command::Mute { session: id.session, time, answer }).await?;
    let text = format!("{} s", time.as_secs());
    api.tell(Act { room: Some(who.room), to: Some(who.clone()), text, ..Act::new(by.name, "mute") });
    Ok(json(&Done::from(who)))
}

/// A client is heard again.
#[utoipa::path(delete, path = "/v1/players/{id}/mute", tag = "players", security(("token" = [])),
    params(("id" = u64, Path, description = "the client")), responses(
    (status = 200, description = "it is heard", body = Done),
    (status = 404, description = "there is none of that number", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn unmute(State(api): Shared, Extension(by): By, Id(id): Id<PlayerKey>) -> Result<Response, Problem> {
    let unmute = |answer| Command::Mute { session: id.session, time: Duration::ZERO, answer };
    let who = ask(&api, id, unmute).await?;
    api.tell(Act { room: Some(who.room), to: Some(who.clone()), ..Act::new(by.name, "unmute") });
    Ok(json(&Done::from(who)))
}

/// How somebody is banned.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BanPlayer {
    /// Seconds from now; for good if nothing is said.
    seconds: Option<u64>,
    /// What he is told; 200 bytes at most.
    reason: String,
    /// His address is banned and not his account. Where no tickets are asked for, it is in any case.
    by_address: bool,
}

/// Bans a client's account, or its address where it has none, and sends away whom that means.
#[utoipa::path(post, path = "/v1/players/{id}/ban", tag = "players", security(("token" = [])),
    params(("id" = u64, Path, description = "the client")), request_body = BanPlayer, responses(
    (status = 200, description = "it is banned, and about to be gone", body = BanView),
    (status = 404, description = "there is none of that number", body = Problem),
    (status = 501, description = "this server keeps no bans", body = Problem),
    (status = 503, description = "not at the moment", body = Problem),
))]
pub(super) async fn ban(
    State(api): Shared,
    Extension(by): By,
    Id(id): Id<PlayerKey>,
    Json(wish): Json<BanPlayer>,
) -> Result<Response, Problem> {
    bans_of(&api)?;
    let who = whom(&api, id).ok_or_else(|| no_such_player(id))?;
    let account = who.account.as_ref().filter(|_| !wish.by_address);
    let whom = match (account, who.address) {
        (Some(account), _) => Banned::Account(account.to_string()),
        (None, Some(address)) => Banned::Network(network(address)),
        (None, None) => return Err(Problem::bad_request("the client has no connection; ban its account")),
    };
    let time = wish.seconds.map(Duration::from_secs);
    super::operate::ban(&api, by, whom, time, &wish.reason, Some(who)).await
}

/// What is one customer's, by and large: an address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> Prefix {
    let network = network_of(address);
    let bits = if network.is_ipv4() { 32 } else { 64 };
    Prefix::new(network, bits).expect("its family has as many bits")
}

/// Who a client was within the last second.
fn whom(api: &Api, id: PlayerKey) -> Option<Who> {
    let views = api.views();
    let player = views.iter().flat_map(|view| &view.players).find(|player| player.id == id)?;
    let PlayerView { name, account, address, room, .. } = player.clone();
    Some(Who { id, name, account, address, room })
}
