//! A thread that does not outlive its owner.

use std::thread::{self, JoinHandle};

use crate::log::Error;

/// A thread of the log; dropping it waits for its end, which the owner has to have asked for before.
pub(super) struct Worker {
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Worker, Error> {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| Error::Unavailable(format!("no thread for {name}: {error}")))?;
        Ok(Worker { thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // The last handle may go inside a task of the very thread: it ends by itself right after.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("a thread of the embedded log panicked");
        }
    }
}
