//! `/api/v1`: what may be asked. Nothing here changes anything; commands come through Kafka.
//!
//! A request is judged first (`parameters`), then answered from one moment of the read store, with how fresh that is
//! (`freshness`). Lists are paged by `cursor`. Events come from the log itself, see [`super::events`].

mod accounts;
mod cursor;
mod freshness;
mod parameters;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use self::freshness::{Fresh, Freshness};
pub(super) use self::parameters::{Id, invalid};
use super::events::Feed;
use super::{Code, Problem, events};
use crate::domain::ids::AggregateId;
use crate::queries::{self, Look, Moment, Queries, Side};

/// How long the read store may take for an answer, waiting for a version not counted.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at a store that has not reached a version: at first, and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// What `/api` is answered from.
#[derive(Clone)]
pub struct Api {
    /// The read store; without it what it would answer is 503.
    pub queries: Option<Queries>,
    /// How long `atLeastVersion` waits.
    pub wait: Duration,
    /// What the names of topics begin with.
    pub prefix: Arc<str>,
    /// The events, as they lie on the log.
    pub feed: Feed,
}

/// All routes under `/api`.
pub(super) fn routes(api: Api) -> Router {
    let patience = api.wait + PATIENCE;
    let bounded = move |request: Request, next: Next| within(patience, request, next);
    let stored = Router::new()
        .route("/api/v1/accounts", get(accounts::list))
        .route("/api/v1/accounts/{id}", get(accounts::show))
        .route("/api/v1/accounts/{id}/entries", get(accounts::entries))
        .route("/api/v1/accounts/{id}/balance", get(accounts::balance))
        .route("/api/v1/transactions", get(transactions::list))
        .route("/api/v1/transactions/{id}", get(transactions::show))
        .route_layer(from_fn(bounded));
    let streamed = Router::new()
        .route("/api/v1/events/stream", get(events::everything))
        .route("/api/v1/events/accounts/{id}", get(events::of_account))
        .route("/api/v1/events/transactions/{id}", get(events::of_transaction));
    stored.merge(streamed).with_state(api)
}

/// A store that hangs is one that does not answer.
async fn within(patience: Duration, request: Request, next: Next) -> Response {
    match timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let late = format!("the read store did not answer within {} s", patience.as_secs());
            Problem::new(Code::ReadStoreUnavailable, late).into_response()
        }
    }
}

impl From<queries::Error> for Problem {
    fn from(error: queries::Error) -> Self {
        tracing::warn!(%error, "a query failed");
        // What a database says of itself is for those who run it.
        Problem::new(Code::ReadStoreUnavailable, "the read store does not answer; the log of this node says why")
    }
}

impl Api {
    async fn look(&self) -> Result<Look, Problem> {
        let disabled = || Problem::new(Code::ReadStoreDisabled, "this node has no read store: read_store.url is empty");
        Ok(self.queries.as_ref().ok_or_else(disabled)?.look().await?)
    }

    /// A moment in which the aggregate has reached `wanted`: now, or within the time there is to wait.
    async fn look_at(&self, side: Side, id: &AggregateId, wanted: Option<u64>) -> Result<Look, Problem> {
        let Some(wanted) = wanted else { return self.look().await };
        let deadline = Instant::now() + self.wait;
        let mut pause = LOOKS.0;
        loop {
            let mut look = self.look().await?;
            let standing = match side {
                Side::Accounts => look.account_version(id).await?,
                Side::Transactions => look.transaction_version(id).await?,
            };
            let (version, partition) = standing.map_or((0, None), |(version, partition)| (version, Some(partition)));
            if u64::try_from(version).is_ok_and(|version| version >= wanted) {
                return Ok(look);
            }
            if Instant::now() + pause > deadline {
                let freshness = self.freshness(&mut look, side, partition).await?;
                let detail = format!("{id} is at version {version} in the read store and did not reach {wanted}");
                return Err(Problem::new(Code::VersionNotReached, detail)
                    .with("version", version)
                    .with("freshness", value(&freshness)));
            }
            drop(look);
            sleep(pause).await;
            pause = (pause * 2).min(LOOKS.1);
        }
    }

    async fn freshness(&self, look: &mut Look, side: Side, partition: Option<i64>) -> Result<Freshness, Problem> {
        Ok(Freshness::of(look, &self.prefix, side, partition).await?)
    }

    /// What is not there, as far as this moment of the store knows.
    async fn not_found(&self, look: &mut Look, side: Side, detail: String) -> Problem {
        let code = match side {
            Side::Accounts => Code::AccountNotFound,
            Side::Transactions => Code::TransactionNotFound,
        };
        match self.freshness(look, side, None).await {
            Ok(freshness) => Problem::new(code, detail).with("freshness", value(&freshness)),
            Err(problem) => problem,
        }
    }

    async fn fresh<T>(
        &self,
        look: &mut Look,
        side: Side,
        partition: Option<i64>,
        answer: T,
    ) -> Result<axum::Json<Fresh<T>>, Problem> {
        let freshness = self.freshness(look, side, partition).await?;
        Ok(axum::Json(Fresh { answer, freshness }))
    }
}

fn value(freshness: &Freshness) -> Value {
    serde_json::to_value(freshness).unwrap_or_default()
}

fn now() -> Moment {
    Moment(jiff::Timestamp::now().as_millisecond())
}

/// A page of a list.
#[derive(serde::Serialize)]
struct Listed<T> {
    items: Vec<T>,
    /// Leads to the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}
