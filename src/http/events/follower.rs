//! One client follows one partition: what lies behind the tail first, then the tail.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::feed::{Feed, Seat};
use super::position::Place;
use crate::http::PATIENCE;
use crate::log::{Chunk, Error, Offset};

/// A client that is so slow is let go, so that it does not keep others from reading further back; it comes back with the
/// id it has. Who takes nothing at all is cut off by the listener.
const STALLED: Duration = PATIENCE;

/// Who reads further back makes room for others after this long, and queues again.
const TURN: Duration = Duration::from_secs(10);

/// What was read of one of the places of a stream. Without a record it only says how far that is.
pub(super) struct Batch {
    /// Its index among the places.
    pub(super) place: usize,
    pub(super) chunk: Arc<Chunk>,
}

/// Why a follower ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The client is gone: nothing to tell.
    #[error("the client is gone")]
    Gone,
    /// The client takes nothing.
    #[error("the client took nothing for {} s", STALLED.as_secs())]
    Stalled,
    /// The log ended it.
    #[error(transparent)]
    Log(#[from] Error),
}

/// Follows one place of a stream, from `next` on.
pub(super) struct Follower {
    pub(super) feed: Feed,
    pub(super) place: Place,
    /// Its index among the places of the stream.
    pub(super) index: usize,
    pub(super) next: Offset,
    pub(super) out: mpsc::Sender<Batch>,
}

impl Follower {
    /// Goes on until it cannot.
    pub(super) async fn run(mut self) -> End {
        loop {
            if let Err(end) = self.follow().await {
                return end;
            }
        }
    }

    /// Catches up and follows, as long as it keeps up.
    async fn follow(&mut self) -> Result<(), End> {
        let Seat { next: tail, mut newest, .. } = self.feed.seat(self.place).await?;
        if self.next < tail {
            self.catch_up(tail).await?;
            if self.next < tail {
                return Ok(());
            }
            // Says how far it is even when nothing on the way was for this client.
            self.send(Arc::new(Chunk::empty(self.next))).await?;
        }
        loop {
            match newest.recv().await {
                Ok(chunk) => {
                    let next = chunk.next_offset;
                    self.send(chunk).await?;
                    self.next = self.next.max(next);
                }
                Err(RecvError::Lagged(_)) => return Ok(()),
                Err(RecvError::Closed) => return Err(Error::Closed.into()),
            }
        }
    }

    /// Reads up to `tail`, or until others should have a turn.
    async fn catch_up(&mut self, tail: Offset) -> Result<(), End> {
        // The semaphore is never closed.
        let _turn = self.feed.readers().acquire_owned().await.map_err(|_| Error::Closed)?;
        let over = Instant::now() + TURN;
        let mut chunks = self.feed.client()?.read(self.place.topic(), self.place.partition, self.next..tail);
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk?;
            let next = chunk.next_offset;
            self.send(Arc::new(chunk)).await?;
            self.next = next;
            if Instant::now() > over {
                return Ok(());
            }
        }
        // Where the range ends with what is never delivered, no chunk says so.
        self.next = tail;
        Ok(())
    }

    async fn send(&self, chunk: Arc<Chunk>) -> Result<(), End> {
        let batch = Batch { place: self.index, chunk };
        match self.out.send_timeout(batch, STALLED).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(End::Stalled),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(End::Gone),
        }
    }
}
