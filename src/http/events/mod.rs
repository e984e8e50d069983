//! `/api/v1/events`: what happened, as Server-Sent Events, from the log and not from the read store.
//!
//! Each event is one message whose data is the event as it lies on the log, and whose id leads back to behind it
//! (`position`). A stream begins with a message that has only an id, so that a client that is cut off before its first
//! event comes back to the same place. Nothing is kept for a slow client (`feed`, `follower`).

mod feed;
mod follower;
mod outgoing;
mod position;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use feed::Feed;

use self::feed::Seat;
use self::follower::{Batch, End, Follower};
use self::outgoing::Outgoing;
use self::position::{Place, Positions};
use super::api::{Api, Id, invalid};
use super::{Code, Problem};
use crate::domain::ids::AggregateId;
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::log::{Error, Offset, Topic};
use crate::partition::placement::partition_of;
use crate::queries::Side;

/// How long the log may take to say where its partitions end; a missing topic is not believed at once.
const PATIENCE: Duration = Duration::from_secs(15);

/// Chunks that wait for a client, of all partitions together.
const AHEAD: usize = 2;

/// A comment is sent after so much silence, so that nobody on the way takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);

type Answer = Result<Sse<axum::response::sse::KeepAliveStream<Messages>>, Problem>;

type Messages = std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;

/// The topic of that side's events.
pub(super) fn events_of(side: Side) -> Topic {
    match side {
        Side::Accounts => ACCOUNTS.events,
        Side::Transactions => TRANSACTIONS.events,
    }
}

/// `GET /api/v1/events/stream`
pub(super) async fn everything(State(api): State<Api>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    no_parameters(query.as_deref())?;
    let partitions = 0..api.feed.partitions();
    let of = |side| partitions.clone().map(move |partition| Place { side, partition });
    let places: Vec<Place> = of(Side::Accounts).chain(of(Side::Transactions)).collect();
    stream(&api.feed, &places, None, &headers).await
}

/// `GET /api/v1/events/accounts/{id}`
pub(super) async fn of_account(
    State(api): State<Api>,
    Id(id): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    no_parameters(query.as_deref())?;
    of_one(&api.feed, Side::Accounts, id, &headers).await
}

/// `GET /api/v1/events/transactions/{id}`
pub(super) async fn of_transaction(
    State(api): State<Api>,
    Id(id): Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    no_parameters(query.as_deref())?;
    of_one(&api.feed, Side::Transactions, id, &headers).await
}

async fn of_one(feed: &Feed, side: Side, id: AggregateId, headers: &HeaderMap) -> Answer {
    let place = Place { side, partition: partition_of(id.as_str(), feed.partitions()) };
    stream(feed, &[place], Some(id), headers).await
}

/// Answers with the events of these places, of `wanted` alone if there is one: behind the header `Last-Event-ID`, or
/// from the first event of one aggregate, or from now.
async fn stream(feed: &Feed, places: &[Place], wanted: Option<AggregateId>, headers: &HeaderMap) -> Answer {
    let crowded = || Problem::new(Code::TooManyStreams, "too many event streams are open on this node");
    let permit = feed.streams().try_acquire_owned().map_err(|_| crowded())?;
    let positions = timeout(PATIENCE, begin(feed, places, wanted.is_some(), headers));
    let late = || unavailable(&Error::Unavailable(format!("no answer within {} s", PATIENCE.as_secs())));
    let positions = positions.await.map_err(|_| late())??;
    let (out, batches) = mpsc::channel(AHEAD);
    tokio::spawn(follow(feed.clone(), positions.clone(), out));
    let messages: Messages = Box::pin(Outgoing::new(batches, positions, wanted, permit).messages());
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(SILENCE)))
}

/// Where a stream begins.
async fn begin(feed: &Feed, places: &[Place], from_first: bool, headers: &HeaderMap) -> Result<Positions, Problem> {
    let foreign = || Problem::new(Code::InvalidLastEventId, "the header Last-Event-ID is no id of this stream");
    let last = match headers.get("last-event-id") {
        Some(id) => Some(id.to_str().ok().and_then(|id| Positions::parse(id, places)).ok_or_else(foreign)?),
        None => None,
    };
    let mut positions = Vec::with_capacity(places.len());
    for (index, place) in places.iter().enumerate() {
        let Seat { first, next: end, .. } = feed.seat(*place).await.map_err(|error| unavailable(&error))?;
        let next = match &last {
            Some(last) => resumed(feed, *place, last.0[index].1, first..end).await?.ok_or_else(foreign)?,
            None if from_first => first,
            None => end,
        };
        positions.push((*place, next));
    }
    Ok(Positions(positions))
}

/// The position to go on at; `None` when the log never was so far.
async fn resumed(
    feed: &Feed,
    place: Place,
    next: Offset,
    known: std::ops::Range<Offset>,
) -> Result<Option<Offset>, Problem> {
    if next < known.start {
        let gone = format!("events of {place} from {next} to {} have left the log", known.start);
        return Err(Problem::new(Code::EventsGone, gone));
    }
    if next <= known.end {
        return Ok(Some(next));
    }
    // Another node may have been a little further than the tail of this one.
    let bounds = feed.client().map_err(|error| unavailable(&error))?.bounds(place.topic(), place.partition).await;
    let end = bounds.map_err(|error| unavailable(&error))?.end;
    Ok((next <= end).then_some(next))
}

/// Feeds one client until it is gone, the log ends it, or the feed is closed.
async fn follow(feed: Feed, positions: Positions, out: mpsc::Sender<Batch>) {
    let mut followers = JoinSet::new();
    for (index, (place, next)) in positions.0.into_iter().enumerate() {
        followers.spawn(Follower { feed: feed.clone(), place, index, next, out: out.clone() }.run());
    }
    tokio::select! {
        ended = followers.join_next() => match ended {
            Some(Ok(End::Gone)) | None => {}
            Some(Ok(End::Stalled)) => tracing::debug!("a client of an event stream took nothing and was let go"),
            Some(Ok(End::Log(error))) => tracing::warn!(%error, "an event stream ended"),
            Some(Err(error)) => tracing::warn!(%error, "an event stream ended"),
        },
        () = out.closed() => {}
        () = feed.closed() => {}
    }
}

fn no_parameters(query: Option<&str>) -> Result<(), Problem> {
    match query {
        None | Some("") => Ok(()),
        Some(_) => Err(invalid("query", "is not empty, and this route takes no parameters")),
    }
}

fn unavailable(error: &Error) -> Problem {
    Problem::new(Code::EventsUnavailable, error.to_string())
}
