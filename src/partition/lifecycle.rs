//! The life of one partition: which stages it passes and how it ends. Pure.

use crate::log::{Lane, Offset, PerLane};

/// Where a partition stands. It only ever moves down this list, or ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// Shutting out the owner before, folding the log.
    Recovering,
    /// Deciding commands.
    Running,
    /// Taking no more, committing what is decided.
    Draining,
    /// Nothing of it is left.
    Closed,
}

impl Stage {
    /// True when a partition may go from here to `next`: forward only, and only a recovered one runs.
    pub fn may_become(self, next: Stage) -> bool {
        match self {
            Stage::Recovering => next != Stage::Recovering,
            Stage::Running => next > Stage::Running,
            Stage::Draining => next == Stage::Closed,
            Stage::Closed => false,
        }
    }
}

/// Why a partition ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum End {
    /// It was told to, and everything decided is committed or abandoned.
    #[error("released")]
    Released,
    /// The log failed it: build it again, with backoff.
    #[error(transparent)]
    Log(#[from] crate::log::Error),
    /// The snapshots on this machine failed it: build it again, with backoff.
    #[error(transparent)]
    Snapshots(#[from] crate::snapshots::Error),
    /// A snapshot that it needed cannot be used, and is forgotten: build it again.
    #[error("its snapshots are built again: {0}")]
    Distrusted(String),
    /// The log takes no such batch, however often it is tried: build it again, with backoff, and watch that batch.
    #[error("{error}")]
    Refused {
        /// What the log said.
        error: crate::log::Error,
        /// The batch, if it had any record.
        batch: Option<BatchId>,
    },
    /// Something in it panicked: build it again, and watch the batch that it happened in.
    #[error("panicked with a batch of {} records", batch.map_or(0, |batch| batch.records))]
    Panicked {
        /// The batch that was being decided, if there was any.
        batch: Option<BatchId>,
    },
    /// Its history or its offsets cannot be trusted: only a person can let it go on.
    #[error("{0}")]
    Halted(Halt),
}

/// Names a batch by where it lies in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchId {
    /// Offset of each lane where it starts, the same at every attempt.
    pub start: PerLane<Offset>,
    /// Next offset of each lane behind it.
    pub end: PerLane<Offset>,
    /// How many records it had.
    pub records: usize,
    /// Its first record.
    pub first: (Lane, Offset),
}

/// Why a partition must not go on by itself.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// Offsets are gone although there are events: from where to go on cannot be known.
    #[error(
        "group {group} has no offset for {topic}:{partition}, but its events partition is not empty; \
         the topic holds offsets {start} to {end}, the highest one known to have caused an event is {}; \
         go on with `billing-engine run --accept-offset {topic}:{partition}=OFFSET`",
        highest_source.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
    )]
    OffsetLost {
        /// Consumer group.
        group: String,
        /// Full name.
        topic: String,
        /// Partition number.
        partition: u32,
        /// Log start of the topic.
        start: Offset,
        /// Log end of the topic.
        end: Offset,
        /// Highest offset of the topic that an event names as its source.
        highest_source: Option<Offset>,
    },
    /// The committed offset points outside of the log.
    #[error(
        "group {group} stands at offset {committed} of {topic}:{partition}, which holds offsets {start} to {end}: \
         records between were never decided; \
         go on with `billing-engine run --accept-offset {topic}:{partition}=OFFSET`"
    )]
    OffsetOutside {
        /// Consumer group.
        group: String,
        /// Full name.
        topic: String,
        /// Partition number.
        partition: u32,
        /// What the group committed, or the operator accepts.
        committed: Offset,
        /// Log start of the topic.
        start: Offset,
        /// Log end of the topic.
        end: Offset,
    },
    /// The committed offset lies before records whose events are in the log already.
    #[error(
        "group {group} stands at offset {committed} of {topic}:{partition}, but offset {highest_source} has caused \
         an event already: going on here would decide it twice; \
         go on with `billing-engine run --accept-offset {topic}:{partition}={}`",
        highest_source + 1
    )]
    OffsetMovedBack {
        /// Consumer group.
        group: String,
        /// Full name.
        topic: String,
        /// Partition number.
        partition: u32,
        /// What the group committed.
        committed: Offset,
        /// Highest offset of the topic that an event names as its source.
        highest_source: Offset,
    },
    /// An event that cannot be applied to the history before it.
    #[error("event at {topic}:{partition}:{offset} of aggregate {aggregate} cannot be applied: {reason}")]
    History {
        /// Full name of the events topic.
        topic: String,
        /// Partition number.
        partition: u32,
        /// Offset of the event.
        offset: Offset,
        /// Its aggregate, or `unknown`.
        aggregate: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An aggregate that does not belong here under the present number of partitions.
    #[error(
        "aggregate {aggregate} lies in partition {partition} of {topic}, but among {partitions} partitions it belongs \
         to {home}: the number of partitions was changed, which moves accounts away from their history; \
         recreate the topic with its old number of partitions"
    )]
    Misplaced {
        /// The aggregate.
        aggregate: String,
        /// Full name of the events topic.
        topic: String,
        /// Where it lies.
        partition: u32,
        /// Where it belongs.
        home: u32,
        /// The present number of partitions.
        partitions: u32,
    },
    /// A snapshot in a format that this version does not know.
    #[error("a snapshot cannot be read: {reason}")]
    Snapshot {
        /// What is wrong, and which version it needs.
        reason: String,
    },
    /// A message of the engine in a format that this version does not know.
    #[error("message at {lane} offset {offset} cannot be read: {reason}")]
    Message {
        /// Which topic.
        lane: Lane,
        /// Its offset.
        offset: Offset,
        /// What is wrong, and which version it needs.
        reason: String,
    },
    /// What an aggregate can neither do nor refuse.
    #[error(
        "{} asks something of {aggregate} that can be neither done nor refused: {reason}",
        message.as_deref().map_or_else(|| "time".to_owned(), |source| format!("message {source}"))
    )]
    Stuck {
        /// Where the message lies; none when time alone asks.
        message: Option<String>,
        /// The aggregate.
        aggregate: String,
        /// What is wrong.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_only_moves_forward() {
        let stages = [Stage::Recovering, Stage::Running, Stage::Draining, Stage::Closed];
        for (from, stage) in stages.into_iter().enumerate() {
            for (to, next) in stages.into_iter().enumerate() {
                assert_eq!(stage.may_become(next), to > from, "{stage:?} to {next:?}");
            }
        }
    }
}
