//! The one listener: what the engine measures and how it is.

mod health;
mod problem;

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

pub use health::{Health, Membership, PartitionReadiness, PartitionStatus, Readiness};
pub use problem::Problem;

use crate::metrics::Metrics;

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers on `listener` until `shutdown` is over; requests under way are still answered then.
///
/// # Errors
/// When the listener itself breaks.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(metrics, health)).with_graceful_shutdown(shutdown).await
}

fn router(metrics: Arc<Metrics>, health: Health) -> Router {
    Router::new()
        .route("/metrics", get(exposition).with_state(metrics))
        .route("/healthz/live", get(live))
        .route("/healthz/ready", get(ready).with_state(health))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
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
