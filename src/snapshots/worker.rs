//! The one thread that works on the database, and what becomes of it when the database fails.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::Error;
use super::directory::{Ailment, Directory, unusable};
use super::ledger::Ledger;

/// What the thread is asked to do.
pub(super) type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// Jobs that may wait, of all shelves. Partitions wait for an answer before they ask much more, so some thousand of
/// them would have to wait at once.
pub(super) const QUEUE: usize = 4_096;

/// Called each time a database is given up and begun anew.
pub type Discarded = Box<dyn Fn() + Send>;

/// One handle on one tree.
pub(super) struct Handle {
    pub(super) aggregate: Box<str>,
    pub(super) partition: u32,
    /// Name of the tree.
    pub(super) tree: Arc<str>,
    /// The life of the database that it has seen; [`UNSEEN`] before its first answer.
    pub(super) life: AtomicU64,
}

/// Of no life: lives are counted from 1.
pub(super) const UNSEEN: u64 = 0;

/// How long a database that fails is asked again before another is begun, if the disk would take one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Owns the database.
pub(super) struct Worker {
    directory: Directory,
    cache_bytes: NonZeroUsize,
    /// `None` when it only looks: then nothing is given up and begun anew.
    discarded: Option<Discarded>,
    /// Counts up whenever acknowledged values may have been lost.
    life: u64,
    /// `None` after it was given up, until somebody asks for a fresh handle.
    database: Option<Database>,
    /// What happened last to the database since it was opened.
    ailment: Option<Ailment>,
    ailing_since: Option<Instant>,
}

/// An open database.
pub(super) struct Database {
    pub(super) sled: sled::Db,
    ledgers: HashMap<Arc<str>, Ledger>,
}

impl Database {
    fn new(sled: sled::Db) -> Self {
        Database { sled, ledgers: HashMap::new() }
    }

    pub(super) fn ledger(&mut self, name: &Arc<str>) -> Result<&mut Ledger, Ailment> {
        match self.ledgers.entry(name.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => Ok(unknown.insert(Ledger::open(self.sled.open_tree(&**name)?)?)),
        }
    }

    /// Forgets everything of that name, the position first.
    pub(super) fn clear(&mut self, name: &Arc<str>) -> Result<(), Ailment> {
        self.ledger(name)?.unsettle()?;
        // A handle that outlives its tree reads pages that belong to another.
        self.ledgers.remove(name);
        self.sled.drop_tree(&**name)?;
        Ok(())
    }
}

impl Worker {
    /// Opens the database; one that is damaged is set aside and another begun.
    pub(super) fn open(
        mut directory: Directory,
        cache_bytes: NonZeroUsize,
        discarded: Discarded,
    ) -> Result<Self, Error> {
        let database = match directory.open(cache_bytes) {
            Err(Ailment::Damaged(reason)) => {
                directory.set_aside().map_err(|error| unusable(directory.path(), &error.to_string()))?;
                tracing::warn!(reason, "the snapshots' database cannot be opened; beginning without any");
                discarded();
                directory.open(cache_bytes)
            }
            opened => opened,
        };
        let sled = database.map_err(|ailment| unusable(directory.path(), ailment.reason()))?;
        Ok(Worker::new(directory, cache_bytes, Some(discarded), sled))
    }

    /// Opens the database that is there, and touches nothing when it cannot.
    pub(super) fn look(directory: Directory, cache_bytes: NonZeroUsize) -> Result<Self, Error> {
        let sled = directory.open(cache_bytes).map_err(|ailment| unusable(directory.path(), ailment.reason()))?;
        Ok(Worker::new(directory, cache_bytes, None, sled))
    }

    fn new(directory: Directory, cache_bytes: NonZeroUsize, discarded: Option<Discarded>, sled: sled::Db) -> Self {
        let database = Some(Database::new(sled));
        Worker { directory, cache_bytes, discarded, life: 1, database, ailment: None, ailing_since: None }
    }

    /// Works until nobody can ask any more, or until it is told to end; what is queued by then is still done.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>, mut closing: oneshot::Receiver<()>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the snapshots' thread cannot work"),
        };
        runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    // Sent, or dropped with the store.
                    _ = &mut closing => break,
                    job = jobs.recv() => match job {
                        Some(job) => job(&mut self),
                        None => return,
                    },
                }
            }
            jobs.close();
            while let Ok(job) = jobs.try_recv() {
                job(&mut self);
            }
        });
        match (self.database.take(), &self.ailment) {
            (Some(database), None) => close(database),
            (Some(database), Some(_)) => bury(database),
            (None, _) => {}
        }
    }

    /// Does `work` for that handle, as long as what was acknowledged to it is there.
    pub(super) fn serve<T>(
        &mut self,
        handle: &Handle,
        work: impl FnOnce(&mut Database, &Arc<str>) -> Result<T, Ailment>,
    ) -> Result<T, Error> {
        let seen = handle.life.load(Ordering::Relaxed);
        if seen == UNSEEN && (self.database.is_none() || self.ailment.is_some()) {
            self.begin_anew().map_err(|reason| handle.failed(reason))?;
        }
        let Some(database) = self.database.as_mut().filter(|_| seen == UNSEEN || seen == self.life) else {
            return Err(handle.lost());
        };
        match catch_unwind(AssertUnwindSafe(|| work(database, &handle.tree))) {
            Ok(Ok(answer)) => {
                handle.life.store(self.life, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(ailment)) => Err(self.failed(handle, ailment)),
            // Nobody knows what it left half done.
            Err(_) => Err(self.failed(handle, Ailment::Damaged("the database panicked".to_owned()))),
        }
    }

    /// Notes what happened to the database, and judges whether it can be relied on any more.
    fn failed(&mut self, handle: &Handle, ailment: Ailment) -> Error {
        let reason = ailment.reason().to_owned();
        let since = *self.ailing_since.get_or_insert_with(Instant::now);
        let is_over = match ailment {
            Ailment::Damaged(_) => true,
            // After its first refusal it refuses for ever, even when the disk has space again.
            Ailment::Refused(_) => since.elapsed() >= PATIENCE && self.directory.takes_writes(),
        };
        self.ailment = Some(ailment);
        if is_over {
            self.end_life();
        }
        let relied_on_it = handle.life.load(Ordering::Relaxed) != UNSEEN;
        let another_may_begin = self.discarded.is_some();
        if is_over && relied_on_it && another_may_begin { handle.lost() } else { handle.failed(reason) }
    }

    fn end_life(&mut self) {
        if let Some(database) = self.database.take() {
            bury(database);
            self.life += 1;
        }
    }

    /// A database that failed once may go on failing, or forget what it acknowledged: whoever comes new gets another,
    /// and whoever relied on this one hears that it is lost.
    fn begin_anew(&mut self) -> Result<(), String> {
        if self.discarded.is_none() {
            return Err(self.ailment.as_ref().map_or("the database failed", Ailment::reason).to_owned());
        }
        self.end_life();
        self.ailing_since = None;
        if let Some(ailment) = self.ailment.as_ref().filter(|_| self.directory.has_database()) {
            match ailment {
                Ailment::Damaged(_) => self.directory.set_aside(),
                // Nothing in it is worth a look, and space may be what is missing.
                Ailment::Refused(_) => self.directory.discard(),
            }
            .map_err(|error| error.to_string())?;
            tracing::warn!(reason = ailment.reason(), "the snapshots' database failed; beginning without any");
            self.discarded.iter().for_each(|discarded| discarded());
        }
        let opened = self.directory.open(self.cache_bytes);
        let sled = opened.map_err(|ailment| {
            let reason = ailment.reason().to_owned();
            self.ailment = Some(ailment);
            reason
        })?;
        self.ailment = None;
        self.database = Some(Database::new(sled));
        Ok(())
    }

    /// Trees by their names.
    pub(super) fn tree_names(&self) -> Vec<String> {
        let names = self.database.iter().flat_map(|database| database.sled.tree_names());
        names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect()
    }
}

impl Handle {
    pub(super) fn failed(&self, reason: String) -> Error {
        Error::Failed { aggregate: self.aggregate.to_string(), partition: self.partition, reason }
    }

    fn lost(&self) -> Error {
        Error::Lost { aggregate: self.aggregate.to_string(), partition: self.partition }
    }
}

/// Closes a database and waits until it is.
fn close(database: Database) {
    if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
        tracing::warn!("the snapshots' database panicked when it was closed");
    }
}

/// Closes a database that failed. It may wait for a thread of its own that died, so nobody waits for it.
fn bury(database: Database) {
    thread::spawn(move || close(database));
}
