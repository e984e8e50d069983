//! Who may use what is protected: the bearers of one of the configured tokens.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Code, Problem};
use crate::config::Secret;

/// The tokens that open what is protected; where there are none, everything is open.
#[derive(Clone, Default, Debug)]
pub struct Tokens {
    /// All of one length, so that the time of a comparison tells nothing about the tokens.
    digests: Arc<[[u8; 32]]>,
}

impl Tokens {
    /// Any of `tokens` opens.
    pub fn new(tokens: &[Secret]) -> Self {
        Tokens { digests: tokens.iter().map(|token| Sha256::digest(token.expose()).into()).collect() }
    }

    fn are_opened_by(&self, token: &str) -> bool {
        let offered: [u8; 32] = Sha256::digest(token).into();
        self.digests.iter().fold(Choice::from(0), |opened, digest| opened | digest.ct_eq(&offered)).into()
    }
}

/// Under what everything is protected, what is not there too: without a token nobody learns what is.
const PROTECTED: [&str; 2] = ["/api", "/chaos"];

/// Lets a request pass that bears a token, or needs none.
pub(super) async fn guard(State(tokens): State<Tokens>, request: Request, next: Next) -> Response {
    if tokens.digests.is_empty() || !is_protected(request.uri().path()) {
        return next.run(request).await;
    }
    match bearer(request.headers()) {
        Some(token) if tokens.are_opened_by(token) => next.run(request).await,
        Some(_) => unauthorized(
            "Bearer error=\"invalid_token\"",
            "the token in the header Authorization is none of http.tokens",
        ),
        None => unauthorized("Bearer", "send one of http.tokens in the header `Authorization: Bearer …`"),
    }
}

fn is_protected(path: &str) -> bool {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    PROTECTED.into_iter().any(below)
}

/// The token in `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(challenge: &'static str, detail: &str) -> Response {
    let problem = Problem::new(Code::Unauthorized, detail);
    ([(header::WWW_AUTHENTICATE, challenge)], problem).into_response()
}
