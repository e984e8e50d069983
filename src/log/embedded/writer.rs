//! The writer: one thread, one transaction for everything that waits, one fsync.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::cursor::Bells;
use super::edit::Edit;
use super::partition::Owner;
use super::store::{Store, refused};
use super::worker::Worker;
use crate::log::{Commit, Drafts, Error, Offset};

/// Requests that may wait while a transaction is written; the next one holds them all.
const QUEUE: usize = 256;

/// What can be asked of the writer.
pub(super) enum Request {
    /// Makes this owner the newest of its partition.
    Fence(Arc<Owner>),
    /// One step of this owner's partition.
    Commit(Arc<Owner>, Arc<Commit>),
    /// Records from outside.
    Append(Drafts),
    /// Nothing: the answer tells that everything asked before is done.
    Settle,
}

/// Whether a request was granted; for a commit, the offset behind the last of its events.
pub(super) type Verdict = Result<Option<Offset>, Error>;

struct Waiting {
    request: Request,
    answer: oneshot::Sender<Verdict>,
}

/// The writer's end that is asked. Fields are dropped in this order: the queue closes, the thread writes what is
/// left of it and ends.
pub(super) struct Writer {
    queue: mpsc::Sender<Waiting>,
    _thread: Worker,
}

impl Writer {
    pub(super) fn start(store: Arc<Store>, bells: Arc<Bells>) -> Result<Writer, Error> {
        let (queue, mut requests) = mpsc::channel(QUEUE);
        let thread = Worker::spawn("log-writer", move || {
            let mut waiting = Vec::with_capacity(QUEUE);
            while requests.blocking_recv_many(&mut waiting, QUEUE) > 0 {
                write(&store, &bells, &mut waiting);
            }
        })?;
        Ok(Writer { queue, _thread: thread })
    }

    /// Hands the request over as soon as the queue has room; from then on it is carried out, awaited or not.
    pub(super) async fn ask(&self, request: Request) -> Verdict {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { request, answer }).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

fn ended() -> Error {
    Error::Refused { context: "writing the log".to_owned(), reason: "its writer has ended".to_owned() }
}

/// Writes all that waits together and tells everybody how it went.
fn write(store: &Store, bells: &Bells, waiting: &mut Vec<Waiting>) {
    let verdicts = match transact(store, bells, waiting) {
        Ok(verdicts) => verdicts,
        Err(error) => {
            let failed = refused("writing the log".to_owned(), &error);
            vec![Err(failed); waiting.len()]
        }
    };
    for (Waiting { answer, .. }, verdict) in waiting.drain(..).zip(verdicts) {
        // Whoever stopped waiting does not want to know.
        answer.send(verdict).ok();
    }
}

fn transact(store: &Store, bells: &Bells, waiting: &[Waiting]) -> Result<Vec<Verdict>, redb::Error> {
    let transaction = store.begin_write()?;
    let mut edit = Edit::begin(store, &transaction)?;
    let mut verdicts = Vec::with_capacity(waiting.len());
    for Waiting { request, .. } in waiting {
        verdicts.push(edit.apply(request)?);
    }
    let grown = edit.finish()?;
    transaction.commit()?;
    bells.ring(&grown);
    Ok(verdicts)
}
