//! The one listener: what the engine measures, how it is, what may be asked of it, and faults on request.

mod api;
mod auth;
mod chaos;
mod events;
mod health;
mod openapi;
mod patience;
mod problem;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

pub use api::Api;
pub use auth::Tokens;
pub use chaos::Killer;
pub use events::Feed;
pub use health::{Health, Membership, PartitionReadiness, PartitionStatus, Readiness};
pub use openapi::DOCUMENT as OPENAPI;
pub use problem::{Code, Problem};

use crate::metrics::Metrics;
use patience::Patient;

/// A client that takes nothing of its answer for so long is cut off; one that follows a stream of events comes back with
/// the id it has.
pub const PATIENCE: Duration = Duration::from_secs(30);

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served, and to whom.
#[derive(Clone)]
pub struct Routes {
    /// Told to everybody.
    pub metrics: Arc<Metrics>,
    /// Told to everybody.
    pub health: Health,
    /// Who may use `/api` and `/chaos`.
    pub tokens: Tokens,
    /// Behind `/api`.
    pub api: Api,
    /// Behind `POST /chaos/kill`, which does not exist without it.
    pub killer: Option<Killer>,
    /// With clients that take nothing.
    pub patience: Duration,
}

/// Answers on `listener` until `shutdown` is over; requests under way are still answered then, streams of events end.
///
/// # Errors
/// When the listener itself breaks.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (feed, patience) = (routes.api.feed.clone(), routes.patience);
    let shutdown = async move {
        shutdown.await;
        feed.close();
    };
    axum::serve(Patient { listener, patience }, router(routes)).with_graceful_shutdown(shutdown).await
}

fn router(Routes { metrics, health, tokens, api, killer, .. }: Routes) -> Router {
    let open = Router::new()
        .route("/metrics", get(exposition).with_state(metrics))
        .route("/healthz/live", get(live))
        .route("/healthz/ready", get(ready).with_state(health))
        .route("/openapi.json", get(openapi::document));
    let chaos = killer.map(|killer| Router::new().route("/chaos/kill", post(chaos::kill).with_state(killer)));
    open.merge(api::routes(api))
        .merge(chaos.unwrap_or_default())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(tokens, auth::guard))
}

async fn exposition(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, EXPOSITION)], metrics.render())
}

/// Whoever can answer lives.
async fn live() -> impl IntoResponse {
    Json(json!({ "live": true }))
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let readiness = health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
