//! One directory, no broker: the log of one process, with the promises of the real one.
//!
//! Everything lies in one [redb](https://www.redb.org) database, `log.redb`. A commit is one transaction of
//! it: records, offsets and the check of the fencing epoch become durable together, fsynced, or not at all.
//! The log is open while a handle of it is; what still reads then is told that it was closed.
//!
//! Two threads do all the blocking work: the writer folds whatever waits into one transaction, the readers'
//! thread runs a task for everybody who reads. Both sleep when there is nothing to do.

mod client;
mod cursor;
mod directory;
mod edit;
mod group;
mod member;
mod partition;
mod readers;
mod run;
mod store;
mod subscription;
mod worker;
mod writer;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use self::client::EmbeddedClient;
use self::cursor::{Bells, Cursor};
use self::group::Group;
use self::readers::{LastWord, Readers, send};
use self::store::Store;
use self::subscription::EmbeddedSubscription;
use self::writer::{Request, Writer};
use super::{Answer, Chunks, Client, Error, Log, Offset, Spec, Subscription, Topic};

/// Bytes that wait in one lane before its reader pauses, unless told otherwise.
const LANE_CAPACITY: usize = 8 * 1024 * 1024;

/// Chunks that are read ahead of whoever takes them from their channel.
const CHUNKS_AHEAD: usize = 4;

/// The log in one directory.
pub struct Embedded {
    core: Arc<Core>,
    lane_capacity: usize,
}

/// What every handle shares. Dropped with the last of them, which waits until both threads have ended, so that
/// the directory can be opened again at once.
struct Core {
    store: Arc<Store>,
    bells: Arc<Bells>,
    writer: Writer,
    readers: Readers,
}

impl Embedded {
    /// Opens the log in `dir`, and makes it when it is not there: all topics, `partitions` partitions each.
    ///
    /// # Errors
    /// [`Error::Refused`] when the directory cannot be used, is open elsewhere, or was made with another
    /// number of partitions.
    pub fn open(dir: &Path, partitions: u32) -> Result<Embedded, Error> {
        let store = Arc::new(Store::open(dir, partitions)?);
        let bells = Arc::new(Bells::default());
        let writer = Writer::start(store.clone(), bells.clone())?;
        let readers = Readers::start()?;
        Ok(Embedded { core: Arc::new(Core { store, bells, writer, readers }), lane_capacity: LANE_CAPACITY })
    }

    /// True when there is a log in `dir`.
    pub fn is_in(dir: &Path) -> bool {
        directory::has_database(dir)
    }

    /// Lets `bytes` wait in each lane of the groups that are asked for from now on, before its reader pauses.
    #[must_use]
    pub fn with_lane_capacity(mut self, bytes: usize) -> Embedded {
        self.lane_capacity = bytes;
        self
    }

    /// The view of the group that `spec` names. Whoever joins through it owns all partitions at once and keeps
    /// them until it leaves; two that joined own the same, and only fencing tells them apart.
    pub fn log(&self, spec: Spec) -> Arc<dyn Log> {
        Arc::new(Group::new(self.core.clone(), spec, self.lane_capacity))
    }

    /// The view of those who only read these topics. Whoever joins through it is given all partitions at once.
    pub fn subscription(&self, topics: &[Topic]) -> Arc<dyn Subscription> {
        Arc::new(EmbeddedSubscription::new(self.core.clone(), topics, self.lane_capacity))
    }

    /// The log as the outside sees it.
    pub fn client(&self) -> Arc<dyn Client> {
        Arc::new(EmbeddedClient::new(self.core.clone()))
    }
}

impl Core {
    /// The writer's answer; the log stays open until it is there.
    fn ask(self: &Arc<Self>, request: Request) -> Answer<Option<Offset>> {
        let core = self.clone();
        Box::pin(async move { core.writer.ask(request).await })
    }

    /// The same, for what has no answer but that it is done.
    fn tell(self: &Arc<Self>, request: Request) -> Answer<()> {
        let answer = self.ask(request);
        Box::pin(async move { answer.await.map(|_| ()) })
    }

    /// What `look` finds in the database, looked up on the readers' thread.
    fn look_up<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let core = self.clone();
        Box::pin(async move {
            let store = core.store.clone();
            core.readers.tasks().spawn(async move { look(&store) }).await.unwrap_or_else(|panic| {
                Err(Error::Refused { context: "looking into the log".to_owned(), reason: panic.to_string() })
            })
        })
    }

    fn cursor(&self, topic: Topic, partition: u32, next_offset: Offset) -> Cursor {
        Cursor::at(&self.store, &self.bells, topic, partition, next_offset)
    }

    /// Everything of `range` as it comes, and the task that has to run for it.
    fn chunks(&self, topic: Topic, partition: u32, range: Range<Offset>) -> (Chunks, impl Future<Output = ()> + use<>) {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let last_word = LastWord::reserve(&sender);
        let cursor = self.cursor(topic, partition, range.start);
        (chunks, send(cursor, range.end, sender, last_word))
    }
}
