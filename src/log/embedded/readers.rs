//! The readers: one thread, one task for everybody who reads.

use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::yield_now;

use super::cursor::Cursor;
use super::worker::Worker;
use crate::log::{Chunk, Error, Intake, Offset};

/// Bytes that one chunk holds, more or less.
const CHUNK_LEN: usize = 256 * 1024;

/// The thread that reads. Fields are dropped in this order: the thread is told to end, then it is waited for.
pub(super) struct Readers {
    tasks: Handle,
    _stop: oneshot::Sender<()>,
    _thread: Worker,
}

impl Readers {
    pub(super) fn start() -> Result<Readers, Error> {
        let runtime = Builder::new_current_thread()
            .build()
            .map_err(|error| Error::Unavailable(format!("no runtime for the readers: {error}")))?;
        let tasks = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = Worker::spawn("log-readers", move || {
            // Never sent, only dropped: an error is how the end comes.
            runtime.block_on(stopped).ok();
        })?;
        Ok(Readers { tasks, _stop: stop, _thread: thread })
    }

    /// Where the tasks run.
    pub(super) fn tasks(&self) -> &Handle {
        &self.tasks
    }
}

/// A place kept free in a channel, so that nobody takes a reader that was stopped for one that has reached its end.
pub(super) struct LastWord {
    place: Option<mpsc::OwnedPermit<Result<Chunk, Error>>>,
}

impl LastWord {
    /// The first place of a new channel.
    pub(super) fn reserve(chunks: &mpsc::Sender<Result<Chunk, Error>>) -> LastWord {
        LastWord { place: chunks.clone().try_reserve_owned().ok() }
    }

    /// Ends the channel: with this error, or without when everything was sent.
    pub(super) fn say(mut self, outcome: Result<(), Error>) {
        if let Some(place) = self.place.take()
            && let Err(error) = outcome
        {
            place.send(Err(error));
        }
    }
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            place.send(Err(Error::Closed));
        }
    }
}

/// Sends everything from the cursor to `end`, and waits for what is not there yet.
pub(super) async fn send(cursor: Cursor, end: Offset, chunks: mpsc::Sender<Result<Chunk, Error>>, last_word: LastWord) {
    last_word.say(send_all(cursor, end, &chunks).await);
}

async fn send_all(mut cursor: Cursor, end: Offset, chunks: &mpsc::Sender<Result<Chunk, Error>>) -> Result<(), Error> {
    if cursor.next_offset() < end {
        cursor.check()?;
    }
    while cursor.next_offset() < end {
        // Nobody reads any more: nothing to tell.
        let Ok(place) = chunks.reserve().await else { break };
        tokio::select! {
            chunk = cursor.next(end, CHUNK_LEN) => place.send(Ok(chunk?)),
            () = chunks.closed() => break,
        };
    }
    Ok(())
}

/// Fills a lane from the cursor on whenever it is not full.
pub(super) async fn feed(mut cursor: Cursor, lane: Intake, hungry: Arc<Notify>, capacity: usize) {
    let budget = capacity.min(CHUNK_LEN);
    let mut position = cursor.check();
    while position.is_ok() {
        while lane.is_full() {
            hungry.notified().await;
        }
        position = cursor.next(Offset::MAX, budget).await.map(|chunk| lane.push(chunk));
        // Lanes that are far behind take turns.
        yield_now().await;
    }
    if let Err(error) = position {
        lane.fail(error);
    }
}
