//! From what was read of several partitions to the messages of one stream.

use std::convert::Infallible;

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::follower::Batch;
use super::position::Positions;
use crate::domain::ids::AggregateId;
use crate::log::Record;

/// The messages of one stream, made as the client takes them.
pub(super) struct Outgoing {
    batches: mpsc::Receiver<Batch>,
    /// The batch that is being sent, and the next of its records.
    current: Option<(Batch, usize)>,
    positions: Positions,
    /// Of whom the events are; `None`: of everybody.
    wanted: Option<AggregateId>,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

impl Outgoing {
    /// What comes out of `batches`, from these positions on.
    pub(super) fn new(
        batches: mpsc::Receiver<Batch>,
        positions: Positions,
        wanted: Option<AggregateId>,
        permit: OwnedSemaphorePermit,
    ) -> Outgoing {
        Outgoing { batches, current: None, positions, wanted, begun: false, _permit: permit }
    }

    /// All messages, until the stream ends.
    pub(super) fn messages(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(self, |mut outgoing| async move {
            let message = outgoing.message().await?;
            Some((Ok(message), outgoing))
        })
    }

    async fn message(&mut self) -> Option<Event> {
        if !self.begun {
            self.begun = true;
            return Some(self.place());
        }
        loop {
            if let Some(message) = self.next_of_batch() {
                return Some(message);
            }
            let batch = self.batches.recv().await?;
            if batch.chunk.is_empty() {
                self.pass(batch.place, batch.chunk.next_offset);
                return Some(self.place());
            }
            self.current = Some((batch, 0));
        }
    }

    /// The next event of the current batch that is wanted and was not sent before.
    fn next_of_batch(&mut self) -> Option<Event> {
        let (batch, mut at) = self.current.take()?;
        while at < batch.chunk.len() {
            let record = batch.chunk.get(at);
            at += 1;
            let new = record.offset >= self.positions.0[batch.place].1;
            self.pass(batch.place, record.offset + 1);
            if new && self.wants(&record) {
                let data = String::from_utf8_lossy(record.value.unwrap_or_default());
                let message = self.place().data(data);
                self.current = Some((batch, at));
                return Some(message);
            }
        }
        self.pass(batch.place, batch.chunk.next_offset);
        None
    }

    fn wants(&self, record: &Record<'_>) -> bool {
        self.wanted.as_ref().is_none_or(|id| record.key == Some(id.as_str().as_bytes()))
    }

    fn pass(&mut self, place: usize, next: i64) {
        let position = &mut self.positions.0[place].1;
        *position = (*position).max(next);
    }

    /// A message that says where the stream is.
    fn place(&self) -> Event {
        Event::default().id(self.positions.to_string())
    }
}
