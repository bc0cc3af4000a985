//! What is said when something is not done: a problem document (RFC 9457), with a label for programs beside the sentence for
//! people.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::{HookError, Refused};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The status of the answer.
    status: u16,
    /// What the status means.
    title: &'static str,
    /// What is wrong, and what to do about it.
    detail: String,
    /// The kind of problem, for programs.
    code: &'static str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { status: status.as_u16(), title, detail: detail.into(), code }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(super) fn timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the request took too long; send its body faster, or less of it",
        )
    }

    /// There is nothing that could do it.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_available", format!("this server has no {what}"))
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, code) = match refused {
            Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Refused::Gone => (StatusCode::SERVICE_UNAVAILABLE, "ending"),
            Refused::Draining => (StatusCode::CONFLICT, "draining"),
            Refused::Full => (StatusCode::CONFLICT, "full"),
            Refused::Game(_) => (StatusCode::INTERNAL_SERVER_ERROR, "game"),
        };
        Self::new(status, code, refused.to_string())
    }
}

impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Asked(detail) => Self::bad_request(detail),
            HookError::Failed(detail) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("it came from one");
        let body = serde_json::to_vec(&self).expect("texts and a number always encode");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"downbeat\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
