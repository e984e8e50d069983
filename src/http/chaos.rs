//! Faults on request.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Code, Problem};

/// How long an actor with commands to die with is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has one actor killed. Answers the id of its aggregate, or `None` when there is none to kill; whoever stops waiting
/// wants nobody killed any more.
pub type Killer = Arc<dyn Fn() -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// `POST /chaos/kill`
pub(super) async fn kill(State(killer): State<Killer>) -> Result<Json<Value>, Problem> {
    let nobody = |why: String| Problem::new(Code::NobodyKilled, why);
    match tokio::time::timeout(PATIENCE, killer()).await {
        Ok(Some(killed)) => Ok(Json(json!({ "killed": killed }))),
        Ok(None) => Err(nobody("nobody was killed: no partition runs here".to_owned())),
        Err(_) => Err(nobody(format!("nobody was killed: no actor got a command within {} s", PATIENCE.as_secs()))),
    }
}
