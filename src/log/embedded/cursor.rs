//! A place in one partition, and how it waits for what comes next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::store::Store;
use crate::log::{Chunk, Error, Offset, Topic};

/// Who waits for which partition to grow. A bell carries no news: whoever hears it looks into the database.
#[derive(Default)]
pub(super) struct Bells {
    bells: Mutex<HashMap<(Topic, u32), watch::Sender<()>>>,
}

impl Bells {
    fn listen(&self, topic: Topic, partition: u32) -> watch::Receiver<()> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry((topic, partition)).or_default().subscribe()
    }

    /// Wakes everybody who waits for one of these partitions.
    pub(super) fn ring(&self, grown: &[(Topic, u32)]) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in grown.iter().filter_map(|partition| bells.get(partition)) {
            bell.send_replace(());
        }
    }
}

/// Reads one partition from an offset on.
pub(super) struct Cursor {
    store: Arc<Store>,
    topic: Topic,
    partition: u32,
    next_offset: Offset,
    grown: watch::Receiver<()>,
}

impl Cursor {
    /// A cursor that stands at exactly this offset.
    pub(super) fn at(store: &Arc<Store>, bells: &Bells, topic: Topic, partition: u32, next_offset: Offset) -> Cursor {
        Cursor { store: store.clone(), topic, partition, next_offset, grown: bells.listen(topic, partition) }
    }

    pub(super) fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Refuses to stand where the partition is not: nothing is ever read from an offset that nobody asked for.
    pub(super) fn check(&self) -> Result<(), Error> {
        let end = self.store.end(self.topic, self.partition)?;
        if (0..=end).contains(&self.next_offset) {
            return Ok(());
        }
        let context = format!("reading {}:{} at {}", self.topic.0, self.partition, self.next_offset);
        Err(Error::Refused { context, reason: format!("the offset is out of range, which is 0 to {end}") })
    }

    /// The next records below `end`, some `budget` bytes of them; waits until there are any.
    pub(super) async fn next(&mut self, end: Offset, budget: usize) -> Result<Chunk, Error> {
        loop {
            // Marked as heard before looking, so that what is committed in between rings again.
            self.grown.borrow_and_update();
            let chunk = self.store.read(self.topic, self.partition, self.next_offset..end, budget)?;
            if !chunk.is_empty() {
                self.next_offset = chunk.next_offset;
                return Ok(chunk);
            }
            self.grown.changed().await.map_err(|_| Error::Closed)?;
        }
    }
}
