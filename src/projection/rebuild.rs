//! Writes all rows anew from the log, beside those that are asked, and puts them in their place when they are whole.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::gathering::{Gathering, Pace, Unreadable};
use super::read_store::{self, Batch, Claim, Origin, ReadStore, TOPICS};
use crate::log::{self, Client, Offset};

/// Each round reads what came during the one before; the last is short enough to swap behind it.
const ROUNDS: usize = 3;

/// How often it is tried to swap while others ask.
const SWAPS: usize = 200;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Why rows could not be written anew. Those that are asked are as they were.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] read_store::Error),
    /// The log did not answer.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The log holds what cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// One rebuild.
pub struct Rebuild {
    /// What is to be replaced.
    pub store: Arc<dyn ReadStore>,
    /// Where events come from.
    pub client: Arc<dyn Client>,
    /// Whose they are.
    pub origin: Origin,
    /// When a batch is written.
    pub pace: Pace,
}

impl Rebuild {
    /// Does it; `written` is told of every batch how many offsets it passed and how many events it held.
    ///
    /// # Errors
    /// What went wrong, before anything was replaced.
    pub async fn run(self, written: impl Fn(u64, usize)) -> Result<(), Error> {
        match self.store.prepare(&self.origin).await {
            Ok(()) | Err(read_store::Error::Foreign { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let beside = self.store.beside().await?;
        beside.prepare(&self.origin).await?;
        let partitions = 0..self.origin.partitions;
        let mut writers = try_join_all(partitions.map(|partition| self.begin(&*beside, partition))).await?;
        for _ in 0..ROUNDS {
            try_join_all(writers.iter_mut().map(|writer| writer.catch_up(&*self.client, self.pace, &written))).await?;
        }
        drop(writers);
        drop(beside);
        Ok(self.swap().await?)
    }

    async fn begin<'a>(&self, store: &'a dyn ReadStore, partition: u32) -> Result<Partition<'a>, Error> {
        let mut starts = [0; 2];
        for (start, topic) in starts.iter_mut().zip(TOPICS) {
            *start = self.client.bounds(topic, partition).await?.start;
        }
        Ok(Partition { store, partition, claim: store.claim(partition, starts).await? })
    }

    async fn swap(&self) -> Result<(), read_store::Error> {
        let mut tries = 0;
        loop {
            match self.store.swap().await {
                Err(error) if error.is_retriable() && tries < SWAPS => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }
}

/// A partition that is written anew.
struct Partition<'a> {
    store: &'a dyn ReadStore,
    partition: u32,
    claim: Claim,
}

impl Partition<'_> {
    /// Writes everything up to where the log ends now.
    async fn catch_up(&mut self, client: &dyn Client, pace: Pace, written: &impl Fn(u64, usize)) -> Result<(), Error> {
        let mut gathering = Gathering::at(self.partition, self.claim.positions);
        for (topic, name) in TOPICS.into_iter().enumerate() {
            let end = client.bounds(name, self.partition).await?.end;
            let mut chunks = client.read(name, self.partition, gathering.next[topic]..end);
            while let Some(chunk) = chunks.recv().await {
                gathering.take(topic, &chunk?)?;
                if gathering.is_full(pace) {
                    let next = gathering.next;
                    self.write(std::mem::replace(&mut gathering, Gathering::at(self.partition, next)), written).await?;
                }
            }
            gathering.next[topic] = gathering.next[topic].max(end);
        }
        self.write(gathering, written).await
    }

    async fn write(&mut self, gathered: Gathering, written: &impl Fn(u64, usize)) -> Result<(), Error> {
        let batch = Batch {
            partition: self.partition,
            epochs: self.claim.epochs,
            expected: self.claim.positions,
            next: gathered.next,
            as_of: gathered.as_of,
            clear: [false; 2],
            recount: false,
            changes: gathered.changes,
        };
        self.store.write(&batch).await?;
        let passed = |(next, from): (Offset, Offset)| next.saturating_sub(from).unsigned_abs();
        written(batch.next.into_iter().zip(batch.expected).map(passed).sum(), gathered.events);
        self.claim.positions = batch.next;
        Ok(())
    }
}
