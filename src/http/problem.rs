//! Errors as problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What went wrong, for programs. Each has one status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// Nothing is served under that path.
    RouteNotFound,
    /// The path is served, with another method.
    MethodNotAllowed,
    /// Protected, and no token or a wrong one was sent.
    Unauthorized,
    /// A parameter is missing, unknown, or means nothing; `parameter` names it.
    InvalidParameter,
    /// A cursor that was not given out for this list.
    InvalidCursor,
    /// A `Last-Event-ID` that was not given out for this stream.
    InvalidLastEventId,
    /// The read store knows no such account.
    AccountNotFound,
    /// The read store knows no such transaction.
    TransactionNotFound,
    /// The read store did not reach `atLeastVersion` in time; `version` says how far it is.
    VersionNotReached,
    /// Events behind a `Last-Event-ID` have left the log.
    EventsGone,
    /// This node has no read store.
    ReadStoreDisabled,
    /// The read store does not answer, or not with what it should.
    ReadStoreUnavailable,
    /// The log does not answer, or has no events.
    EventsUnavailable,
    /// As many event streams are open as this node serves.
    TooManyStreams,
    /// There was no actor to kill.
    NobodyKilled,
}

impl Code {
    /// All of them.
    pub const ALL: [Code; 15] = [
        Code::RouteNotFound,
        Code::MethodNotAllowed,
        Code::Unauthorized,
        Code::InvalidParameter,
        Code::InvalidCursor,
        Code::InvalidLastEventId,
        Code::AccountNotFound,
        Code::TransactionNotFound,
        Code::VersionNotReached,
        Code::EventsGone,
        Code::ReadStoreDisabled,
        Code::ReadStoreUnavailable,
        Code::EventsUnavailable,
        Code::TooManyStreams,
        Code::NobodyKilled,
    ];

    /// As it stands in a document.
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }

    fn parts(self) -> (&'static str, StatusCode) {
        match self {
            Code::RouteNotFound => ("ROUTE_NOT_FOUND", StatusCode::NOT_FOUND),
            Code::MethodNotAllowed => ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED),
            Code::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Code::InvalidParameter => ("INVALID_PARAMETER", StatusCode::BAD_REQUEST),
            Code::InvalidCursor => ("INVALID_CURSOR", StatusCode::BAD_REQUEST),
            Code::InvalidLastEventId => ("INVALID_LAST_EVENT_ID", StatusCode::BAD_REQUEST),
            Code::AccountNotFound => ("ACCOUNT_NOT_FOUND", StatusCode::NOT_FOUND),
            Code::TransactionNotFound => ("TRANSACTION_NOT_FOUND", StatusCode::NOT_FOUND),
            Code::VersionNotReached => ("VERSION_NOT_REACHED", StatusCode::CONFLICT),
            Code::EventsGone => ("EVENTS_GONE", StatusCode::GONE),
            Code::ReadStoreDisabled => ("READ_STORE_DISABLED", StatusCode::SERVICE_UNAVAILABLE),
            Code::ReadStoreUnavailable => ("READ_STORE_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Code::EventsUnavailable => ("EVENTS_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Code::TooManyStreams => ("TOO_MANY_STREAMS", StatusCode::SERVICE_UNAVAILABLE),
            Code::NobodyKilled => ("NOBODY_KILLED", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// One error, for people in `detail` and for programs in `code`.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    more: Vec<(&'static str, Value)>,
}

impl Problem {
    /// An error that its code names well enough.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem { code, detail: detail.into(), more: Vec::new() }
    }

    /// With one more member, as the code's description promises it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((name, value.into()));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, status) = self.code.parts();
        let mut document = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": code,
            "detail": self.detail,
        });
        for (name, value) in self.more {
            document[name] = value;
        }
        let media_type = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, media_type)], Json(document)).into_response()
    }
}

/// The answer where no route leads.
pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::new(Code::RouteNotFound, format!("nothing is served at {}", uri.path()))
}

/// The answer where a route exists, but not with this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("{} does not take {method}", uri.path()))
}
