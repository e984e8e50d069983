//! One handle on one owned partition.

use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::readers::{LastWord, feed, send};
use super::store::Store;
use super::writer::Request;
use super::{CHUNKS_AHEAD, Core};
use crate::log::{Answer, Chunks, Commit, Error, Input, Intake, Offset, Partition, PerLane, Signal, Spec, Topic};

/// Who asks for a commit: what the writer has to know of a handle.
pub(super) struct Owner {
    pub(super) spec: Spec,
    pub(super) partition: u32,
    /// The epoch that its fence gave it; 0 before.
    epoch: AtomicU64,
    closed: AtomicBool,
}

impl Owner {
    /// A handle that was closed must not shut out its successor.
    pub(super) fn may_fence(&self) -> Result<(), Error> {
        if self.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Whether it is still the owner, `newest` being the epoch of the last one that fenced.
    pub(super) fn may_commit(&self, newest: u64) -> Result<(), Error> {
        let (group, partition) = (self.spec.group, self.partition);
        match self.epoch.load(Ordering::Acquire) {
            _ if self.is_closed() => Err(Error::Closed),
            0 => Err(Error::Refused {
                context: format!("committing partition {partition} of {group}"),
                reason: "it was never fenced".to_owned(),
            }),
            epoch if epoch == newest => Ok(()),
            epoch => Err(Error::Fenced {
                group: group.to_owned(),
                partition,
                reason: format!("epoch {epoch} is over, {newest} has begun"),
            }),
        }
    }

    pub(super) fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

pub(super) struct Handle {
    core: Arc<Core>,
    owner: Arc<Owner>,
    lane_capacity: usize,
    /// Everything that reads for this handle, and ends with it.
    readers: Mutex<JoinSet<()>>,
}

impl Handle {
    pub(super) fn new(core: Arc<Core>, spec: Spec, partition: u32, lane_capacity: usize) -> Handle {
        let owner = Owner { spec, partition, epoch: AtomicU64::new(0), closed: AtomicBool::new(false) };
        Handle { core, owner: Arc::new(owner), lane_capacity, readers: Mutex::new(JoinSet::new()) }
    }

    fn readers(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `reading` until it ends or this handle is closed, which drops it.
    fn read(&self, reading: impl Future<Output = ()> + Send + 'static) {
        let mut readers = self.readers();
        if !self.owner.is_closed() {
            readers.spawn_on(reading, self.core.readers.tasks());
        }
    }

    /// An answer from the database, unless this handle is closed.
    fn look_up<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Store, &Owner) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let owner = self.owner.clone();
        self.core.look_up(move |store| if owner.is_closed() { Err(Error::Closed) } else { look(store, &owner) })
    }

    /// A lane that is read from `from` on.
    fn lane(&self, topic: Topic, from: Offset, arrived: &Signal) -> Intake {
        let hungry = Arc::new(Notify::new());
        let wake = hungry.clone();
        let lane = Intake::new(from, self.lane_capacity, arrived.clone(), Arc::new(move || wake.notify_one()));
        let cursor = self.core.cursor(topic, self.owner.partition, from);
        self.read(feed(cursor, lane.clone(), hungry, self.lane_capacity));
        lane
    }
}

impl Partition for Handle {
    fn number(&self) -> u32 {
        self.owner.partition
    }

    fn fence(&self) -> Answer<()> {
        self.core.tell(Request::Fence(self.owner.clone()))
    }

    fn inputs(&self) -> Answer<PerLane<Input>> {
        self.look_up(|store, Owner { spec, partition, .. }| {
            Ok(PerLane {
                commands: store.input(spec.group, spec.commands, *partition)?,
                inbox: store.input(spec.group, spec.inbox, *partition)?,
            })
        })
    }

    fn events_bounds(&self) -> Answer<Range<Offset>> {
        self.look_up(|store, owner| Ok(0..store.end(owner.spec.events, owner.partition)?))
    }

    fn replay(&self, range: Range<Offset>) -> Chunks {
        let (chunks, reading) = self.core.chunks(self.owner.spec.events, self.owner.partition, range);
        self.read(reading);
        chunks
    }

    fn snapshots(&self) -> Chunks {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let last_word = LastWord::reserve(&sender);
        let (core, topic, partition) = (self.core.clone(), self.owner.spec.snapshots, self.owner.partition);
        self.read(async move {
            match core.store.end(topic, partition) {
                Ok(end) => send(core.cursor(topic, partition, 0), end, sender, last_word).await,
                Err(error) => last_word.say(Err(error)),
            }
        });
        chunks
    }

    fn identity(&self) -> Answer<String> {
        self.look_up(|store, Owner { spec, .. }| Ok(format!("{}/{}", store.identity()?, spec.events.0)))
    }

    fn follow(&self, from: PerLane<Offset>, arrived: Signal) -> Answer<PerLane<Intake>> {
        if self.owner.is_closed() {
            return Box::pin(future::ready(Err(Error::Closed)));
        }
        let Spec { commands, inbox, .. } = self.owner.spec;
        let lanes = PerLane {
            commands: self.lane(commands, from.commands, &arrived),
            inbox: self.lane(inbox, from.inbox, &arrived),
        };
        Box::pin(future::ready(Ok(lanes)))
    }

    fn ends(&self) -> Answer<PerLane<Offset>> {
        self.look_up(|store, Owner { spec, partition, .. }| {
            Ok(PerLane { commands: store.end(spec.commands, *partition)?, inbox: store.end(spec.inbox, *partition)? })
        })
    }

    fn commit(&self, commit: Arc<Commit>) -> Answer<Option<Offset>> {
        self.core.ask(Request::Commit(self.owner.clone(), commit))
    }

    fn close(&self) -> Answer<()> {
        self.owner.close();
        let mut readers = mem::take(&mut *self.readers());
        let settled = self.core.ask(Request::Settle);
        Box::pin(async move {
            readers.shutdown().await;
            // A writer that failed does not write either.
            settled.await.ok();
            Ok(())
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.owner.close();
    }
}
