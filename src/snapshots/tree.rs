//! A shelf that is one tree of the database.

use std::future::ready;
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::worker::{Database, Handle, Job, QUEUE};
use super::{Answer, BATCH, Error, Key, POSITION, Shelf};

/// Asks the store's thread.
pub(super) struct TreeShelf {
    queue: mpsc::Sender<Job>,
    handle: Arc<Handle>,
}

impl TreeShelf {
    pub(super) fn new(queue: mpsc::Sender<Job>, handle: Handle) -> Self {
        TreeShelf { queue, handle: Arc::new(handle) }
    }

    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database, &Arc<str>) -> sled::Result<T> + Send + 'static,
    ) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        let handle = self.handle.clone();
        let job: Job = Box::new(move |worker| {
            // Whoever asked may have gone.
            answer.send(worker.serve(&handle, work)).ok();
        });
        match self.queue.try_send(job) {
            Ok(()) => Box::pin(async { answered.await.map_err(|_| Error::Closed)? }),
            Err(TrySendError::Full(_)) => {
                Box::pin(ready(Err(self.handle.failed(format!("{QUEUE} calls wait already")))))
            }
            Err(TrySendError::Closed(_)) => Box::pin(ready(Err(Error::Closed))),
        }
    }
}

impl Shelf for TreeShelf {
    fn position(&self) -> Answer<Option<Vec<u8>>> {
        self.ask(|database, name| Ok(database.tree(name)?.get(POSITION)?.map(|found| found.to_vec())))
    }

    fn load(&self, keys: Vec<Key>) -> Answer<Vec<Option<Vec<u8>>>> {
        self.ask(move |database, name| {
            let tree = database.tree(name)?;
            keys.iter().map(|key| Ok(tree.get(key)?.map(|found| found.to_vec()))).collect()
        })
    }

    fn save(&self, values: Vec<(Key, Vec<u8>)>) -> Answer<()> {
        self.ask(move |database, name| {
            let tree = database.tree(name)?;
            let mut values = values.into_iter().peekable();
            while values.peek().is_some() {
                let mut batch = sled::Batch::default();
                values.by_ref().take(BATCH).for_each(|(key, value)| batch.insert(key, value));
                tree.apply_batch(batch)?;
            }
            Ok(())
        })
    }

    fn settle(&self, position: Vec<u8>) -> Answer<()> {
        self.ask(move |database, name| database.tree(name)?.insert(POSITION, position).map(drop))
    }

    fn clear(&self) -> Answer<()> {
        self.ask(|database, name| {
            database.tree(name)?.remove(POSITION)?;
            database.fell(name)
        })
    }

    fn page(&self, after: Option<Key>, most: usize) -> Answer<Vec<(Key, Vec<u8>)>> {
        self.ask(move |database, name| {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let range = database.tree(name)?.range::<Key, _>((start, Bound::Unbounded));
            let values = range.filter(|entry| !matches!(entry, Ok((key, _)) if key == POSITION));
            values.take(most).map(|entry| entry.map(|(key, value)| (Key::from(&*key), value.to_vec()))).collect()
        })
    }
}
