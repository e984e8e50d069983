//! All shelves of a node in one database, with one thread that works on it.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};

use super::directory::{Directory, unusable};
use super::tree::TreeShelf;
use super::worker::{Discarded, Handle, Job, QUEUE, UNSEEN, Worker};
use super::{Answer, Error, Shelf, Shelves};

/// The snapshots of this node. Dropping it waits for what is queued, and closes the database.
pub struct Store {
    queue: mpsc::Sender<Job>,
    closing: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    opened: watch::Receiver<Option<Result<(), Error>>>,
    present: Vec<(String, u32)>,
}

impl Store {
    /// Takes the snapshots in `directory`, and makes it first when it is not there. They are opened while the caller
    /// goes on: what is asked meanwhile waits, see [`Store::opened`]. A database that is damaged is moved aside,
    /// `discarded` is called, and an empty one begun; so it is later, when the database fails while it is in use.
    /// `cache_bytes` are kept in memory.
    ///
    /// # Errors
    /// [`Error::Locked`] and [`Error::Unusable`].
    pub fn open(directory: &Path, cache_bytes: NonZeroUsize, discarded: Discarded) -> Result<Store, Error> {
        fs::create_dir_all(directory).map_err(|error| unusable(directory, &error.to_string()))?;
        let taken = Directory::take(directory)?;
        Store::start(directory, Vec::new(), move || Worker::open(taken, cache_bytes, discarded))
    }

    /// Answers when the snapshots are open.
    ///
    /// # Errors
    /// [`Error::Unusable`]: nothing that is asked will ever be answered.
    pub fn opened(&self) -> Answer<()> {
        let mut opened = self.opened.clone();
        Box::pin(async move {
            let outcome = opened.wait_for(Option::is_some).await.map_err(|_| Error::Closed)?;
            outcome.clone().unwrap_or(Err(Error::Closed))
        })
    }

    /// Opens the snapshots that are in `directory`, to look at them; `None` when there are none. A damaged database
    /// stays as it is.
    ///
    /// # Errors
    /// [`Error::Locked`], and [`Error::Unusable`] for what cannot be opened too.
    pub fn look(directory: &Path, cache_bytes: NonZeroUsize) -> Result<Option<Store>, Error> {
        let Some(directory) = taken(directory)?.filter(Directory::has_database) else { return Ok(None) };
        let path = directory.path().to_owned();
        let worker = Worker::look(directory, cache_bytes)?;
        let mut present: Vec<_> = worker.tree_names().iter().filter_map(|name| shelf_of(name)).collect();
        present.sort_unstable();
        Store::start(&path, present, || Ok(worker)).map(Some)
    }

    /// Removes all snapshots from `directory`, damaged ones too. Answers whether there were any.
    ///
    /// # Errors
    /// [`Error::Locked`] and [`Error::Unusable`].
    pub fn remove(directory: &Path) -> Result<bool, Error> {
        let Some(directory) = taken(directory)? else { return Ok(false) };
        let had_any = directory.has_database();
        directory.clear().map_err(|error| unusable(directory.path(), &error.to_string()))?;
        Ok(had_any)
    }

    /// Aggregate type and partition of every shelf that was there when somebody began to look, in order.
    pub fn present(&self) -> &[(String, u32)] {
        &self.present
    }

    #[cfg(test)]
    pub(super) fn probe(&self, handle: Handle) -> TreeShelf {
        TreeShelf::new(self.queue.clone(), handle)
    }

    fn start(
        directory: &Path,
        present: Vec<(String, u32)>,
        open: impl FnOnce() -> Result<Worker, Error> + Send + 'static,
    ) -> Result<Store, Error> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (closing, closed) = oneshot::channel();
        let (tell, opened) = watch::channel(None);
        let work = move || {
            let (worker, outcome) = match open() {
                Ok(worker) => (Some(worker), Ok(())),
                Err(error) => (None, Err(error)),
            };
            tell.send_replace(Some(outcome));
            if let Some(worker) = worker {
                worker.run(jobs, closed);
            }
        };
        let thread = thread::Builder::new().name("snapshots".to_owned()).spawn(work);
        let thread = thread.map_err(|error| unusable(directory, &error.to_string()))?;
        Ok(Store { queue, closing: Some(closing), thread: Some(thread), opened, present })
    }
}

impl Shelves for Store {
    fn shelf(&self, aggregate: &str, partition: u32) -> Arc<dyn Shelf> {
        let handle = Handle {
            aggregate: aggregate.into(),
            partition,
            tree: tree_of(aggregate, partition).into(),
            life: AtomicU64::new(UNSEEN),
        };
        Arc::new(TreeShelf::new(self.queue.clone(), handle))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.closing.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the snapshots' thread had panicked");
        }
    }
}

/// The directory, if it is there.
fn taken(directory: &Path) -> Result<Option<Directory>, Error> {
    if directory.is_dir() { Directory::take(directory).map(Some) } else { Ok(None) }
}

/// The name of a shelf's tree.
fn tree_of(aggregate: &str, partition: u32) -> String {
    format!("{aggregate}/{partition}")
}

fn shelf_of(tree: &str) -> Option<(String, u32)> {
    let (aggregate, partition) = tree.rsplit_once('/')?;
    Some((aggregate.to_owned(), partition.parse().ok()?))
}
