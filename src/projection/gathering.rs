//! Events of one partition, taken in until it is worth writing them.

use std::time::{Duration, Instant};

use super::read_store::TOPICS;
use super::rows::Changes;
use crate::domain::account::Account;
use crate::domain::ids::Timestamp;
use crate::domain::transaction::Transaction;
use crate::log::{Chunk, Millis, Offset, Record};
use crate::wire;

/// Bytes of one batch, more or less, however few events they are: what is gathered stands in memory several times over.
const LARGEST: usize = 16 << 20;

/// When a batch is written: by whichever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Events of one batch, more or less.
    pub events: usize,
    /// How long the first of them waits for others.
    pub age: Duration,
}

/// An event that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{topic}:{partition}:{offset}: {source}")]
pub struct Unreadable {
    topic: &'static str,
    partition: u32,
    offset: Offset,
    source: wire::event::Error,
}

/// What was taken in since the last batch.
#[derive(Debug)]
pub struct Gathering {
    partition: u32,
    /// What the events come to.
    pub changes: Changes,
    /// The next offset of each topic.
    pub next: [Offset; 2],
    /// Time of the last event of each topic.
    pub as_of: [Option<Timestamp>; 2],
    /// How many events.
    pub events: usize,
    bytes: usize,
    /// When the first record came to the log.
    pub oldest: Option<Millis>,
    since: Option<Instant>,
}

impl Gathering {
    /// Nothing yet, standing at these offsets.
    pub fn at(partition: u32, next: [Offset; 2]) -> Self {
        Gathering {
            partition,
            changes: Changes::default(),
            next,
            as_of: [None; 2],
            events: 0,
            bytes: 0,
            oldest: None,
            since: None,
        }
    }

    /// Takes in what was read of one topic.
    ///
    /// # Errors
    /// The first event that cannot be read; it and what follows are not taken in.
    pub fn take(&mut self, topic: usize, chunk: &Chunk) -> Result<(), Unreadable> {
        self.since.get_or_insert_with(Instant::now);
        for record in chunk.iter() {
            self.take_event(topic, &record).map_err(|source| {
                let (partition, offset) = (self.partition, record.offset);
                Unreadable { topic: TOPICS[topic].0, partition, offset, source }
            })?;
            self.oldest.get_or_insert(record.timestamp);
            self.next[topic] = record.offset + 1;
            self.events += 1;
            self.bytes += record.value.map_or(0, <[u8]>::len);
        }
        self.next[topic] = self.next[topic].max(chunk.next_offset);
        Ok(())
    }

    fn take_event(&mut self, topic: usize, record: &Record<'_>) -> Result<(), wire::event::Error> {
        let headers = record.headers.iter();
        if topic == 0 {
            let event = wire::event::decode::<Account>(record.value, headers)?;
            self.changes.take_account(&event.aggregate_id, &event.recorded);
            self.as_of[topic] = Some(event.recorded.at);
        } else {
            let event = wire::event::decode::<Transaction>(record.value, headers)?;
            self.changes.take_transaction(&event.aggregate_id, &event.recorded);
            self.as_of[topic] = Some(event.recorded.at);
        }
        Ok(())
    }

    /// True when nothing was taken in, not even a position.
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// True when no more should be taken in before it is written.
    pub fn is_full(&self, pace: Pace) -> bool {
        self.events >= pace.events || self.bytes >= LARGEST
    }

    /// How long it may still wait for more; `None` when there is nothing to write.
    pub fn patience(&self, pace: Pace) -> Option<Duration> {
        let since = self.since?;
        Some(if self.is_full(pace) { Duration::ZERO } else { pace.age.saturating_sub(since.elapsed()) })
    }
}
