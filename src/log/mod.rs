//! The seam to the log: what the engine needs of Kafka, and nothing it does not.
//!
//! Two real implementations stand behind it: [`kafka`], and [`embedded`], one directory without a broker.
//! The log moves bytes and offsets. It does not know what an account is.
//!
//! What every implementation promises, and the partition machinery builds on:
//!
//! 1. **One writer.** After [`Partition::fence`] has answered, no commit of an earlier handle of the same
//!    partition becomes visible, and none of theirs is open any more.
//! 2. **All or nothing.** The records and the next offsets of a [`Commit`] become visible together or never.
//!    Committing the same value again after an error that [`Error::is_retriable`] is safe: an
//!    implementation answers such an error only when it knows that nothing of it took effect.
//! 3. **Readers see committed records only**, in offset order, with gaps.
//! 4. **Offsets are answers, not guesses.** [`Partition::inputs`] waits until no transaction over them is open.

pub mod embedded;
pub mod kafka;

mod intake;
mod records;
mod subscription;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

pub use intake::{Intake, Signal};
pub use records::{Chunk, Draft, Drafts, HeaderIter, Headers, Millis, Offset, Record, RecordWriter, Topic};
pub use subscription::{Following, Subscription};

/// The answer to a request to the log, whichever thread works on it.
pub type Answer<T> = BoxFuture<'static, Result<T, Error>>;

/// Chunks as they are read, bounded; closed when the end asked for is reached.
pub type Chunks = mpsc::Receiver<Result<Chunk, Error>>;

/// The two topics a partition consumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// What upstream asks for.
    Commands,
    /// What other partitions of the engine send.
    Inbox,
}

impl Lane {
    /// Both.
    pub const ALL: [Lane; 2] = [Lane::Commands, Lane::Inbox];
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lane::Commands => "commands",
            Lane::Inbox => "inbox",
        })
    }
}

/// One value a lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PerLane<T> {
    /// Of the commands topic.
    pub commands: T,
    /// Of the inbox topic.
    pub inbox: T,
}

impl<T> PerLane<T> {
    /// The value that `of` gives for each lane.
    pub fn from_fn(mut of: impl FnMut(Lane) -> T) -> Self {
        PerLane { commands: of(Lane::Commands), inbox: of(Lane::Inbox) }
    }

    /// The value of that lane.
    pub fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Commands => &self.commands,
            Lane::Inbox => &self.inbox,
        }
    }

    /// The value of that lane, to change it.
    pub fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Commands => &mut self.commands,
            Lane::Inbox => &mut self.inbox,
        }
    }
}

/// The topics of one aggregate type and the group that works on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec {
    /// Consumer group and stem of the transactional ids, without the prefix (`accounts`).
    pub group: &'static str,
    /// Upstream's commands.
    pub commands: Topic,
    /// Messages of the engine to itself.
    pub inbox: Topic,
    /// The event store.
    pub events: Topic,
    /// The newest snapshot of every aggregate, and how far they reach.
    pub snapshots: Topic,
}

impl Commit {
    /// Which of the records is the last event of that partition.
    pub fn last_event(&self, events: Topic, partition: u32) -> Option<usize> {
        let is_event = |index: &usize| {
            let draft = self.records.get(*index);
            draft.topic == events && draft.partition == partition
        };
        (0..self.records.len()).rev().find(is_event)
    }
}

impl Spec {
    /// The topic of that lane.
    pub fn topic(&self, lane: Lane) -> Topic {
        match lane {
            Lane::Commands => self.commands,
            Lane::Inbox => self.inbox,
        }
    }
}

/// What is known of one input of a partition when it is taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Input {
    /// The group's committed offset; `None` when it has none, or lost it.
    pub committed: Option<Offset>,
    /// The oldest offset still there.
    pub start: Offset,
    /// The offset the next record will get.
    pub end: Offset,
}

/// One step of a partition: everything it causes and everything it consumed, together or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The next offset to read of each lane. Always both, so that neither offset ever expires.
    pub next_offsets: PerLane<Offset>,
    /// Events, replies, dead letters, messages.
    pub records: Drafts,
}

/// Who owns which partitions, as it changes.
#[derive(Debug)]
pub enum Ownership {
    /// These partitions are ours from now on.
    Assigned(Vec<u32>),
    /// These are not, once `done` is answered; what is open of them is committed or abandoned first.
    Revoked {
        /// The partitions to give up; none when membership is lost and nothing was owned.
        partitions: Vec<u32>,
        /// True when membership is lost, and somebody else may own them already: nothing can be committed any more.
        lost: bool,
        /// Answered, or dropped, when they are closed.
        done: oneshot::Sender<()>,
    },
    /// Membership itself ended; nothing is owned any more.
    Failed(Error),
}

/// One group's view of the log.
pub trait Log: Send + Sync {
    /// Joins the group. Every change of ownership comes through the channel, in order.
    fn join(&self) -> mpsc::UnboundedReceiver<Ownership>;

    /// Leaves the group; ownership is revoked first, so partitions are closed before this answers.
    fn leave(&self) -> Answer<()>;

    /// A fresh handle on an owned partition. The one before it must be closed.
    fn open(&self, partition: u32) -> Arc<dyn Partition>;
}

/// One owned partition, from fencing to closing.
pub trait Partition: Send + Sync {
    /// Its number.
    fn number(&self) -> u32;

    /// Ends whatever an earlier owner left open and shuts it out.
    fn fence(&self) -> Answer<()>;

    /// Committed offsets and bounds of both inputs. Meaningful only after [`Partition::fence`].
    fn inputs(&self) -> Answer<PerLane<Input>>;

    /// Oldest offset of the events partition, and the offset behind everything ever written to it,
    /// committed or not.
    fn events_bounds(&self) -> Answer<Range<Offset>>;

    /// Committed events of `range`, in order; the channel closes when `range.end` is reached.
    fn replay(&self, range: Range<Offset>) -> Chunks;

    /// Everything committed to this partition of the snapshots topic so far, in order; the channel closes behind the
    /// last of it. Meaningful only after [`Partition::fence`].
    fn snapshots(&self) -> Chunks;

    /// Tells this events partition from every other that ever was, as far as the log can: of another cluster, of a
    /// topic that was made again. Text that means something to nobody else.
    fn identity(&self) -> Answer<String>;

    /// Starts reading both lanes at exactly these offsets. `arrived` is called when records wait.
    fn follow(&self, from: PerLane<Offset>, arrived: Signal) -> Answer<PerLane<Intake>>;

    /// Where both inputs end now, committed records only: what the lag is measured against.
    fn ends(&self) -> Answer<PerLane<Offset>>;

    /// Makes `commit` visible, one at a time; answers the offset behind the last of its events, `None` when it has
    /// none, or when the log knows only that they are there.
    ///
    /// # Errors
    /// [`Error::Fenced`] and everything not retriable: whether it took effect is known only to the next
    /// owner's [`Partition::inputs`]; the partition has to be built again from there.
    fn commit(&self, commit: Arc<Commit>) -> Answer<Option<Offset>>;

    /// Stops reading, abandons what is open. After the answer nothing of this handle writes.
    fn close(&self) -> Answer<()>;
}

/// The log as the outside sees it: upstream that appends, an auditor who reads.
pub trait Client: Send + Sync {
    /// Writes the records and waits until they are durable. Not atomic across records.
    fn append(&self, records: Drafts) -> Answer<()>;

    /// Oldest offset, and the end of what is committed.
    fn bounds(&self, topic: Topic, partition: u32) -> Answer<Range<Offset>>;

    /// The end of everything ever written, of what is not committed yet too: a transaction of the log is committed in one
    /// partition a moment before it is in another, but all of it is written before any of it is committed.
    fn written_end(&self, topic: Topic, partition: u32) -> Answer<Offset>;

    /// Committed records of `range`, in order; the channel closes when `range.end` is reached.
    fn read(&self, topic: Topic, partition: u32, range: Range<Offset>) -> Chunks;

    /// Committed records from `from` on, as they come, until the receiver is dropped.
    fn follow(&self, topic: Topic, partition: u32, from: Offset) -> Chunks;
}

/// What can go wrong at the log.
#[derive(Debug, thiserror::Error, Clone)]
pub enum Error {
    /// Nobody answers, or not in time: try again with backoff. Nothing took effect.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// A topic the engine needs is not there; `topics ensure` creates it.
    #[error("topic {topic} does not exist; create it with `billing-engine topics ensure`")]
    TopicMissing {
        /// Full name.
        topic: String,
    },
    /// Another owner took over, or the log gave up on a transaction of ours: build the partition again.
    #[error("partition {partition} of {group} has a newer owner or its transaction was given up: {reason}")]
    Fenced {
        /// Consumer group.
        group: String,
        /// Partition number.
        partition: u32,
        /// What the log said.
        reason: String,
    },
    /// The handle was closed while the call was under way: nothing to do.
    #[error("closed")]
    Closed,
    /// A record that the log refuses, or what it answers makes no sense: needs a person.
    #[error("{context}: {reason}")]
    Refused {
        /// What was tried, with topic, partition and offset.
        context: String,
        /// What the log said.
        reason: String,
    },
}

impl Error {
    /// True when the same call may simply be made again.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::TopicMissing { .. })
    }
}
