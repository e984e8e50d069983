//! Projections in this process, on the embedded log: the same code without a broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_engine::log::Drafts;
use billing_engine::log::embedded::Embedded;
use billing_engine::metrics::{Metrics, PartitionState};
use billing_engine::projection::{self, Pace, Plan, Projections, TOPICS, Watcher};

use crate::database::{Database, assert_same, sqlite};
use crate::events::Written;
use crate::expected::Fold;
use crate::sagas::story;
use crate::support::postgres::Postgres;
use crate::support::scratch;

const PARTITIONS: u32 = 3;

/// Everything here is done long before.
const LIMIT: Duration = Duration::from_secs(30);

/// Remembers what it was told.
#[derive(Default)]
struct Told {
    obstacle: Mutex<Option<String>>,
    partitions: Mutex<BTreeMap<u32, PartitionState>>,
}

impl Watcher for Told {
    fn projections(&self, obstacle: Option<String>) {
        *self.obstacle.lock().unwrap() = obstacle;
    }

    fn projection(&self, partition: u32, state: Option<(PartitionState, Option<String>)>) {
        let mut partitions = self.partitions.lock().unwrap();
        match state {
            Some((state, _)) => partitions.insert(partition, state),
            None => partitions.remove(&partition),
        };
    }
}

async fn append(log: &Embedded, partition: u32, topic: usize, events: &[Written]) {
    let mut drafts = Drafts::default();
    for event in events {
        drafts.push(TOPICS[topic], partition, None, |record| {
            record.value(&event.value);
            event.headers.iter().for_each(|(name, value)| record.header(name, value.as_deref()));
        });
    }
    log.client().append(drafts).await.unwrap();
}

fn start(log: &Embedded, url: &str, told: &Arc<Told>) -> Projections {
    Projections::start(Plan {
        store: projection::open(url, PARTITIONS).unwrap(),
        subscription: log.subscription(&TOPICS),
        pace: Pace { events: 20, age: Duration::from_millis(5) },
        prefix: "billing-engine".into(),
        partitions: PARTITIONS,
        metrics: Metrics::new(),
        watcher: told.clone(),
    })
}

/// Waits until the positions are these ends.
async fn wait_until_written(database: &Database, ends: i64) {
    let written = async {
        let sum = "SELECT coalesce(CAST(sum(position) AS bigint), 0) FROM projection_positions";
        while database.try_number(sum).await.unwrap_or(0) < ends {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, written).await.expect("everything is written in time");
}

#[test]
fn rows_follow_the_embedded_log_through_stops_and_starts() {
    for url in [Postgres::shared().database("embedded"), sqlite("embedded")] {
        actix::System::new().block_on(follow(&url));
    }
}

async fn follow(url: &str) {
    let directory = scratch::directory().join(format!("log-{:08x}", rand::random::<u32>()));
    let log = Embedded::open(&directory, PARTITIONS).unwrap();
    let (database, told) = (Database::at(url.to_owned()), Arc::new(Told::default()));
    let (story, partition) = (story(90), 2);
    let mut fold = Fold::default();
    let mut ends = 0;
    for part in 0..4 {
        let projections = start(&log, url, &told);
        for (topic, events) in story.topics.iter().enumerate() {
            let quarter = &events[events.len() * part / 4..events.len() * (part + 1) / 4];
            append(&log, partition, topic, quarter).await;
            ends += quarter.len() as i64;
            for event in quarter {
                fold.take(topic, partition, &event.json(), std::str::from_utf8(&event.value).unwrap());
            }
        }
        wait_until_written(&database, ends).await;
        assert_same(&database.tables().await, &fold.tables, &format!("part {part}"));
        assert!(told.partitions.lock().unwrap().values().all(|state| *state == PartitionState::Running));
        projections.stop().await;
        assert!(told.partitions.lock().unwrap().is_empty(), "all was given up");
    }
    assert_eq!(*told.obstacle.lock().unwrap(), None);
}

#[test]
fn rows_of_another_log_are_left_alone_and_the_obstacle_is_told() {
    let url = sqlite("other-log");
    actix::System::new().block_on(async {
        let directory = scratch::directory().join(format!("log-{:08x}", rand::random::<u32>()));
        let log = Embedded::open(&directory, PARTITIONS).unwrap();
        let (database, told) = (Database::at(url.clone()), Arc::new(Told::default()));
        database.store().await;
        append(&log, 0, 0, &story(91).topics[0]).await;
        let projections = start(&log, &url, &told);
        let refused = async {
            while told.obstacle.lock().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, refused).await.expect("it is told in time");
        let obstacle = told.obstacle.lock().unwrap().clone().unwrap();
        assert!(obstacle.contains("projection rebuild"), "{obstacle}");
        projections.stop().await;
        assert!(database.tables().await.is_empty());
    });
}
