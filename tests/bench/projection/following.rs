//! The real projections behind an embedded log of three partitions: how fast they catch up, and how far behind they are
//! when events come at a steady rate.
//!
//! Whether an event can be asked for is asked of the store the way the API does: the position of its partition is
//! written in one step with its rows. Everything runs in this process, on the same processors as the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_engine::log::embedded::Embedded;
use billing_engine::log::{Drafts, Offset};
use billing_engine::metrics::{Metrics, PartitionState};
use billing_engine::projection::{self, Pace, Plan, Projections, TOPICS, Watcher};
use billing_engine::queries::{Queries, Side};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::BATCH;
use crate::events::Events;

const PARTITIONS: u32 = 3;

/// As the configuration has it.
const PACE: Pace = Pace { events: BATCH, age: Duration::from_millis(50) };

/// Events a second that come while the lag is measured.
pub const RATE: usize = 20_000;

/// Events that come together.
const SLICE: usize = 200;

/// From one slice to the next.
const APART: Duration = Duration::from_millis((SLICE * 1_000 / RATE) as u64);

/// The lag is measured for fewer events: ten seconds of a million.
const PART: usize = 5;

/// How often the store is asked where it stands: how much too long a lag may seem.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Not to wait for ever for a store that has stopped.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What was followed, and how fast.
pub struct Followed {
    /// Events that were there.
    pub events: usize,
    /// Until the store had all of them.
    pub caught_up: Duration,
    /// Events a second that came then.
    pub rate: f64,
    /// Of each slice, from when it was due until it could be asked for; in order.
    pub lags: Vec<Duration>,
}

/// The next offset of every partition.
type Ends = [Offset; PARTITIONS as usize];

/// A log that grows.
struct Growing {
    log: Embedded,
    events: Events,
    ends: Ends,
}

/// Events that are due at the same time.
struct Slice {
    due: Instant,
    drafts: Drafts,
    /// Where the log stands behind them.
    ends: Ends,
}

/// Fills a log with so many events and has the store at `url` follow it.
pub async fn follow(url: &str, events: usize) -> Followed {
    let directory = tempfile::tempdir().unwrap();
    let log = Embedded::open(directory.path(), PARTITIONS).unwrap();
    let mut growing = Growing { log, events: Events::new(events, PARTITIONS), ends: Ends::default() };
    growing.fill(events).await;
    let store = Queries::open(url).unwrap();
    let began = Instant::now();
    let projections = start(&growing.log, url);
    wait_for(&store, growing.ends).await;
    let caught_up = began.elapsed();
    let (rate, lags) = growing.keep_coming(&store, (events / PART).max(SLICE)).await;
    projections.stop().await;
    Followed { events, caught_up, rate, lags }
}

impl Growing {
    async fn fill(&mut self, events: usize) {
        let mut left = events;
        while left > 0 {
            let drafts = self.next(BATCH.min(left));
            left = left.saturating_sub(drafts.len());
            self.log.client().append(drafts).await.unwrap();
        }
    }

    fn next(&mut self, count: usize) -> Drafts {
        let drafts = self.events.take(count);
        drafts.iter().for_each(|draft| self.ends[draft.partition as usize] += 1);
        drafts
    }

    /// Has events come at [`RATE`]: how many a second came in truth, and the lags. What is late counts as if it had
    /// come in time, so that a log that cannot keep up hides nothing.
    async fn keep_coming(&mut self, store: &Queries, events: usize) -> (f64, Vec<Duration>) {
        let made: Vec<_> = (0..events / SLICE).map(|_| (self.next(SLICE), self.ends)).collect();
        let began = Instant::now();
        let slices: Vec<_> = (1..)
            .zip(made)
            .map(|(number, (drafts, ends))| Slice { due: began + APART * number, drafts, ends })
            .collect();
        let expected: Vec<_> = slices.iter().map(|slice| (slice.due, slice.ends)).collect();
        let (took, lags) = tokio::join!(self.append(slices), lags(store, &expected));
        ((expected.len() * SLICE) as f64 / took.as_secs_f64(), lags)
    }

    /// Hands each slice to the log when it is due, whether or not those before it are written; answers how long it
    /// took until all are.
    async fn append(&self, slices: Vec<Slice>) -> Duration {
        let (began, client, mut appending) = (Instant::now(), self.log.client(), JoinSet::new());
        for slice in slices {
            sleep_until(slice.due.into()).await;
            appending.spawn(client.append(slice.drafts));
        }
        appending.join_all().await.into_iter().for_each(Result::unwrap);
        began.elapsed()
    }
}

fn start(log: &Embedded, url: &str) -> Projections {
    Projections::start(Plan {
        store: projection::open(url, PARTITIONS).unwrap(),
        subscription: log.subscription(&TOPICS),
        pace: PACE,
        prefix: "billing-engine".to_owned(),
        partitions: PARTITIONS,
        metrics: Metrics::new(),
        watcher: Arc::new(Loud),
    })
}

/// Where the store stands; at the start while it has no tables.
async fn stands(store: &Queries) -> Ends {
    let mut ends = Ends::default();
    let Ok(mut look) = store.look().await else { return ends };
    for position in look.positions(Side::Accounts).await.unwrap_or_default() {
        ends[position.partition as usize] = position.position;
    }
    ends
}

fn reached(stands: Ends, wanted: Ends) -> bool {
    stands.iter().zip(wanted).all(|(stands, wanted)| *stands >= wanted)
}

async fn wait_for(store: &Queries, ends: Ends) {
    let waiting = async {
        while !reached(stands(store).await, ends) {
            sleep(ASK_EVERY).await;
        }
    };
    timeout(LIMIT, waiting).await.expect("the store catches up in time");
}

/// How long after its time each slice could be asked for; shortest first.
async fn lags(store: &Queries, expected: &[(Instant, Ends)]) -> Vec<Duration> {
    let mut lags = Vec::with_capacity(expected.len());
    let watching = async {
        while lags.len() < expected.len() {
            let (stands, now) = (stands(store).await, Instant::now());
            let there = expected[lags.len()..].iter().take_while(|(_, ends)| reached(stands, *ends));
            lags.extend(there.map(|(due, _)| now.saturating_duration_since(*due)));
            sleep(ASK_EVERY).await;
        }
    };
    timeout(LIMIT, watching).await.expect("the store keeps up in time");
    lags.sort_unstable();
    lags
}

/// Says what keeps the store from following.
struct Loud;

impl Watcher for Loud {
    fn projections(&self, obstacle: Option<String>) {
        obstacle.into_iter().for_each(|obstacle| eprintln!("the read side waits: {obstacle}"));
    }

    fn projection(&self, partition: u32, state: Option<(PartitionState, Option<String>)>) {
        if let Some((state, Some(reason))) = state {
            eprintln!("partition {partition} is {state:?}: {reason}");
        }
    }
}
