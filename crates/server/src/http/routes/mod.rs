//! The routes, by who may take them. What is registered here is in the document that the server tells (`/v1/openapi.json`),
//! since both come from the same list.

mod health;
mod operate;
mod players;
mod rooms;

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::{Api, admit, bound};
use super::page;
use super::problem::Problem;
use super::tokens::{Access, Bearer};

type Shared = axum::extract::State<Arc<Api>>;

/// Who asks, in routes that ask for a token.
type By = Extension<Bearer>;

/// All routes.
pub(super) fn router(api: Arc<Api>) -> Router {
    let (router, document) = documented(&api).split_for_parts();
    let mut document = serde_json::to_value(&document).expect("a document is plain data, which always encodes");
    tell_problems(&mut document);
    let document = serde_json::to_vec_pretty(&document).expect("a document is plain data, which always encodes");
    let document = axum::body::Bytes::from(document);
    let tell = move || async move { ([("content-type", "application/json")], document) };
    page::add(router)
        .route("/v1/openapi.json", get(tell))
        .fallback(|uri: Uri| async move { Problem::not_found(format!("there is nothing at {}", uri.path())) })
        .method_not_allowed_fallback(|| async {
            let detail = "not with this method; `/v1/openapi.json` lists what there is";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
        })
        .layer(from_fn_with_state(Arc::clone(&api), bound))
        .with_state(api)
}

fn documented(api: &Arc<Api>) -> OpenApiRouter<Arc<Api>> {
    let only = |routes: OpenApiRouter<Arc<Api>>, least: Access| {
        routes.route_layer(from_fn_with_state((Arc::clone(api), least), admit))
    };
    let open = OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics));
    let viewers = OpenApiRouter::new()
        .routes(routes!(health::server))
        .routes(routes!(health::history))
        .routes(routes!(rooms::list))
        .routes(routes!(rooms::show))
        .routes(routes!(rooms::players))
        .routes(routes!(players::list))
        .routes(routes!(players::show));
    let moderators = OpenApiRouter::new()
        .routes(routes!(players::kick))
        .routes(routes!(players::mute))
        .routes(routes!(players::unmute))
        .routes(routes!(players::ban))
        .routes(routes!(operate::broadcast))
        .routes(routes!(operate::bans))
        .routes(routes!(operate::add_ban))
        .routes(routes!(operate::remove_ban));
    let admins = OpenApiRouter::new()
        .routes(routes!(rooms::open))
        .routes(routes!(rooms::close))
        .routes(routes!(operate::drain))
        .routes(routes!(operate::log_level))
        .routes(routes!(operate::reload));
    OpenApiRouter::with_openapi(about())
        .merge(open)
        .merge(only(viewers, Access::Viewer))
        .merge(only(moderators, Access::Moderator))
        .merge(only(admins, Access::Admin))
}

/// What all routes have in common: how problems are told, and that tokens are looked at first.
fn tell_problems(document: &mut Value) {
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = operations.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut());
    for operation in operations {
        let asks = operation.get("security").is_some();
        let Some(answers) = operation["responses"].as_object_mut() else { continue };
        let problem = |description: &str| json!({ "description": description, "content": { "application/json": { "schema": { "$ref": PROBLEM } } } });
        if asks {
            answers.insert("401".to_owned(), problem("without a token, or with one that is not known"));
            answers.insert("403".to_owned(), problem("the token's role may not do this"));
        }
        answers.insert("4XX".to_owned(), problem("the request cannot be understood, or is too large or too slow"));
        answers.insert("5XX".to_owned(), problem("it could not be done, and the log says why"));
        for answer in answers.values_mut().filter_map(|answer| answer.get_mut("content")?.as_object_mut()) {
            if answer.get("application/json").is_some_and(|body| body["schema"]["$ref"] == PROBLEM)
                && let Some(body) = answer.remove("application/json")
            {
                answer.insert("application/problem+json".to_owned(), body);
            }
        }
    }
}

/// What a problem document holds.
const PROBLEM: &str = "#/components/schemas/Problem";

/// What the document says besides the routes.
fn about() -> OpenApi {
    let about = "Looks into a running server, and changes it. All problems are told as RFC 9457 documents.";
    let info = InfoBuilder::new().title("Downbeat").version(env!("CARGO_PKG_VERSION")).description(Some(about)).build();
    let mut document = OpenApiBuilder::new().info(info).build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("token", bearer);
    document
}
