//! The page for people: a few files inside the program, which need nothing from elsewhere and nothing but the interface.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

macro_rules! files {
    ($($path:literal, $file:literal, $kind:literal;)*) => {
        &[$(($path, $kind, include_str!(concat!("../../../../assets/dashboard/", $file)))),*]
    };
}

/// Path, kind and text.
const FILES: &[(&str, &str, &str)] = files! {
    "/", "index.html", "text/html; charset=utf-8";
    "/dashboard/actions.js", "actions.js", "text/javascript; charset=utf-8";
    "/dashboard/api.js", "api.js", "text/javascript; charset=utf-8";
    "/dashboard/app.js", "app.js", "text/javascript; charset=utf-8";
    "/dashboard/chart.js", "chart.js", "text/javascript; charset=utf-8";
    "/dashboard/charts.js", "charts.js", "text/javascript; charset=utf-8";
    "/dashboard/dialogs.js", "dialogs.js", "text/javascript; charset=utf-8";
    "/dashboard/format.js", "format.js", "text/javascript; charset=utf-8";
    "/dashboard/icon.svg", "icon.svg", "image/svg+xml";
    "/dashboard/players.js", "players.js", "text/javascript; charset=utf-8";
    "/dashboard/rooms.js", "rooms.js", "text/javascript; charset=utf-8";
    "/dashboard/state.js", "state.js", "text/javascript; charset=utf-8";
    "/dashboard/style.css", "style.css", "text/css; charset=utf-8";
    "/dashboard/table.js", "table.js", "text/javascript; charset=utf-8";
};

/// Nothing but our own files, nothing in another's frame, and no way out.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the page's files.
pub(super) fn add<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    FILES.iter().fold(router, |router, &(path, kind, text)| {
        router.route(path, get(move || async move { (headers(kind), text).into_response() }))
    })
}

fn headers(kind: &'static str) -> [(HeaderName, HeaderValue); 5] {
    [
        (CONTENT_TYPE, kind),
        // The next version of the program has others.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
}
