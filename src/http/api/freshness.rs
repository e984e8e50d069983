//! How fresh an answer of the read store is.

use serde::Serialize;

use crate::http::events::events_of;
use crate::queries::{Error, Look, Moment, Position, Side};

/// How far the store was when it answered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Freshness {
    /// When the newest event happened that this answer knows; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Moment>,
    /// Of every partition that the answer rests on.
    positions: Vec<Progress>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    topic: String,
    partition: i64,
    /// The next offset: everything before it is in the answer.
    position: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Moment>,
}

impl Freshness {
    /// Of an answer about one partition of a side, or about all.
    pub(super) async fn of(
        look: &mut Look,
        prefix: &str,
        side: Side,
        partition: Option<i64>,
    ) -> Result<Freshness, Error> {
        let mut positions = look.positions(side).await?;
        positions.retain(|position| partition.is_none_or(|partition| position.partition == partition));
        let topic = events_of(side).full_name(prefix);
        let as_of = positions.iter().filter_map(|position| position.as_of).max();
        let progress = |Position { partition, position, as_of }: Position| Progress {
            topic: topic.clone(),
            partition,
            position,
            as_of,
        };
        Ok(Freshness { as_of, positions: positions.into_iter().map(progress).collect() })
    }
}

/// An answer with its freshness.
#[derive(Serialize)]
pub(super) struct Fresh<T> {
    #[serde(flatten)]
    pub(super) answer: T,
    pub(super) freshness: Freshness,
}
