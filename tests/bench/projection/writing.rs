//! What the store writes on its own: one partition, one writer, step behind step.

use std::time::{Duration, Instant};

use billing_engine::projection::{self, Batch, Claim, Gathering, Origin};

use crate::BATCH;
use crate::events::{Events, chunk};

const PARTITION: u32 = 0;

/// What was written, and how long it took.
#[derive(Default)]
pub struct Written {
    /// Accounts and entries of all steps together: an account that two of them change counts twice.
    pub rows: usize,
    /// All of it.
    pub took: Duration,
    /// The part of it that goes for reading events and folding them to rows.
    pub gathering: Duration,
}

/// Projects so many events into the store at `url`; after each step `copy` has its turn, which is not counted.
pub async fn write(url: &str, events: usize, mut copy: impl AsyncFnMut(&Batch)) -> Written {
    let store = projection::open(url, 1).unwrap();
    let origin = Origin { cluster_id: "bench".to_owned(), prefix: "billing-engine".to_owned(), partitions: 1 };
    store.prepare(&origin).await.unwrap();
    let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
    let (mut source, mut left, mut written) = (Events::new(events, 1), events, Written::default());
    while left > 0 {
        let drafts = source.take(BATCH.min(left));
        let read = chunk(claim.positions[0], &drafts);
        let began = Instant::now();
        let mut gathering = Gathering::at(PARTITION, claim.positions);
        gathering.take(0, &read).unwrap();
        let batch = step(&claim, gathering);
        written.gathering += began.elapsed();
        store.write(&batch).await.unwrap();
        written.took += began.elapsed();
        written.rows += batch.changes.accounts.len() + batch.changes.entries.len();
        claim.positions = batch.next;
        left = left.saturating_sub(drafts.len());
        copy(&batch).await;
    }
    written
}

fn step(claim: &Claim, gathering: Gathering) -> Batch {
    Batch {
        partition: PARTITION,
        epochs: claim.epochs,
        expected: claim.positions,
        next: gathering.next,
        as_of: gathering.as_of,
        clear: [false; 2],
        recount: false,
        changes: gathering.changes,
    }
}
