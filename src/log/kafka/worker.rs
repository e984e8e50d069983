//! A thread that owns a value and works on what it is asked, one question after the other.
//!
//! Most calls of librdkafka block, so they are made on threads like this one and never on a runtime.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::error;

use crate::log::{Answer, Error};

/// [`Owned::tend`] is called this often, whether somebody asks or not.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// What a [`Worker`] owns.
pub(super) trait Owned: 'static {
    /// Called about once a second, between two questions.
    fn tend(&mut self) {}
}

type Question<S> = Box<dyn FnOnce(&mut S) + Send>;

/// The asking end. The thread ends, and drops its value, when all ends are gone.
pub(super) struct Worker<S> {
    name: String,
    questions: mpsc::Sender<Question<S>>,
}

impl<S> Clone for Worker<S> {
    fn clone(&self) -> Self {
        Worker { name: self.name.clone(), questions: self.questions.clone() }
    }
}

impl<S: Owned> Worker<S> {
    /// Starts the thread; the value is built there, so it needs not travel.
    pub(super) fn start(name: String, build: impl FnOnce() -> S + Send + 'static) -> Self {
        let (questions, asked) = mpsc::channel::<Question<S>>();
        let started = thread::Builder::new().name(name.clone()).spawn(move || work(build(), &asked));
        if let Err(reason) = started {
            error!(thread = name, %reason, "no thread can be started");
        }
        Worker { name, questions }
    }

    /// Asks; the work is done even when nobody waits for the answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        // When the thread is gone the question is dropped, and with it the answering end.
        let question: Question<S> = Box::new(move |owned| {
            answer.send(work(owned)).ok();
        });
        self.questions.send(question).ok();
        let name = self.name.clone();
        Box::pin(async move {
            answered.await.unwrap_or_else(|_| {
                Err(Error::Refused { context: format!("thread {name}"), reason: "it ended unexpectedly".into() })
            })
        })
    }
}

fn work<S: Owned>(mut owned: S, asked: &mpsc::Receiver<Question<S>>) {
    let mut due = Instant::now() + TEND_EVERY;
    loop {
        match asked.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(question) => question(&mut owned),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        if Instant::now() >= due {
            owned.tend();
            due = Instant::now() + TEND_EVERY;
        }
    }
}
