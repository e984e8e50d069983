//! The one member that a group has here: every partition is its own from joining to leaving.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::log::{Answer, Ownership};

type Changes = mpsc::UnboundedSender<Ownership>;

pub(super) struct Member {
    partitions: u32,
    changes: Mutex<Option<Changes>>,
}

impl Member {
    /// Of a log with so many partitions; it has not joined.
    pub(super) fn new(partitions: u32) -> Self {
        Member { partitions, changes: Mutex::new(None) }
    }

    pub(super) fn join(&self) -> mpsc::UnboundedReceiver<Ownership> {
        let (tell, changes) = mpsc::unbounded_channel();
        // The receiver is in our own hands, so this cannot fail.
        tell.send(Ownership::Assigned(self.all())).ok();
        self.replace(Some(tell));
        changes
    }

    pub(super) fn leave(&self) -> Answer<()> {
        let (changes, partitions) = (self.replace(None), self.all());
        Box::pin(async move {
            let Some(changes) = changes else { return Ok(()) };
            let (done, closed) = oneshot::channel();
            if changes.send(Ownership::Revoked { partitions, lost: false, done }).is_ok() {
                // Answered or dropped: both mean given up.
                closed.await.ok();
            }
            Ok(())
        })
    }

    fn all(&self) -> Vec<u32> {
        (0..self.partitions).collect()
    }

    fn replace(&self, changes: Option<Changes>) -> Option<Changes> {
        std::mem::replace(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner), changes)
    }
}
