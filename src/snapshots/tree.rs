//! A shelf that is one tree of the database.

use std::future::ready;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::directory::Ailment;
use super::worker::{Database, Handle, Job, QUEUE};
use super::{Answer, Error, Key, Shelf};

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
        work: impl FnOnce(&mut Database, &Arc<str>) -> Result<T, Ailment> + Send + 'static,
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
        self.ask(|database, name| database.ledger(name)?.position())
    }

    fn load(&self, keys: Vec<Key>) -> Answer<Vec<Option<Vec<u8>>>> {
        self.ask(move |database, name| database.ledger(name)?.load(&keys))
    }

    fn save(&self, values: Vec<(Key, Vec<u8>)>) -> Answer<()> {
        self.ask(move |database, name| database.ledger(name)?.save(values))
    }

    fn settle(&self, position: Vec<u8>) -> Answer<()> {
        self.ask(move |database, name| database.ledger(name)?.settle(position))
    }

    fn clear(&self) -> Answer<()> {
        self.ask(|database, name| database.clear(name))
    }

    fn page(&self, after: Option<Key>, most: usize) -> Answer<Vec<(Key, Vec<u8>)>> {
        self.ask(move |database, name| database.ledger(name)?.page(after, most))
    }
}
