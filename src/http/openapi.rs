//! `/openapi.json`: all of this in the form that tools read.

use axum::http::header;
use axum::response::IntoResponse;

/// Written by hand, because it says more than types can; held to the real answers by `tests/http`.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
