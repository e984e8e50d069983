//! One thread a lane topic: it reads every partition of that topic that this engine owns, each from an exact
//! offset, and feeds their [`Intake`]s.
//!
//! It fetches while somebody is hungry. A lane that is full while others are hungry is paused, once it was given
//! half its capacity on top: pausing throws away what was fetched ahead. While nobody is hungry nothing is polled,
//! which stops the fetches by itself; so no partition ever waits for another, and memory stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, Thread};
use std::time::Duration;

use futures_util::FutureExt;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use tokio::sync::oneshot;

use super::lanes::Lanes;
use super::view::not_created;
use super::voice::Voice;
use crate::log::{Answer, Error, Intake, Offset, Signal};

/// The thread is woken by records, by requests and by hunger; this is for what nobody wakes it for.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Names one following of one partition, so that a late goodbye never ends its successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket(u64);

pub(super) enum Request {
    Follow { ticket: Ticket, partition: u32, intake: Intake, done: oneshot::Sender<Result<(), Error>> },
    Leave { ticket: Ticket, done: oneshot::Sender<()> },
}

/// The asking end of the thread, which ends with it.
pub(super) struct Reader {
    topic: String,
    capacity: usize,
    tickets: AtomicU64,
    requests: mpsc::Sender<Request>,
    thread: Thread,
}

impl Reader {
    /// # Errors
    /// [`Error::Refused`] when librdkafka does not take the settings, [`Error::Unavailable`] without a thread.
    pub(super) fn start(topic: String, capacity: usize, config: ClientConfig) -> Result<Reader, Error> {
        // Built here once so that wrong settings are an answer and not a line in the log.
        let consumer = create(&config)?;
        let (requests, asked) = mpsc::channel();
        let lanes = Lanes::new(topic.clone(), capacity, config, consumer);
        let started = thread::Builder::new().name(format!("reader {topic}")).spawn(move || run(lanes, &asked));
        let thread = started.map_err(|reason| Error::Unavailable(format!("no thread for {topic}: {reason}")))?;
        Ok(Reader { topic, capacity, tickets: AtomicU64::new(0), requests, thread: thread.thread().clone() })
    }

    /// Reads that partition from exactly this offset on.
    pub(super) fn follow(&self, partition: u32, from: Offset, arrived: Signal) -> (Ticket, Answer<Intake>) {
        let thread = self.thread.clone();
        let intake = Intake::new(from, self.capacity, arrived, Arc::new(move || thread.unpark()));
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (done, followed) = oneshot::channel();
        self.request(Request::Follow { ticket, partition, intake: intake.clone(), done });
        let topic = self.topic.clone();
        let answer = async move {
            followed.await.unwrap_or_else(|_| {
                Err(Error::Refused { context: format!("reading {topic}"), reason: "the reader ended".into() })
            })?;
            Ok(intake)
        };
        (ticket, answer.boxed())
    }

    /// Stops reading; after the answer nothing more reaches the intake.
    pub(super) fn leave(&self, ticket: Ticket) -> Answer<()> {
        let (done, left) = oneshot::channel();
        self.request(Request::Leave { ticket, done });
        // A reader that is gone reads nothing either.
        async move {
            left.await.ok();
            Ok(())
        }
        .boxed()
    }

    fn request(&self, request: Request) {
        self.requests.send(request).ok();
        self.thread.unpark();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The thread finds the channel closed only once it looks.
        let (requests, _) = mpsc::channel();
        self.requests = requests;
        self.thread.unpark();
    }
}

/// A consumer that wakes its thread when something arrives.
pub(super) fn create(config: &ClientConfig) -> Result<BaseConsumer<Voice>, Error> {
    config.create_with_context(Voice::new("reader")).map_err(|error| not_created("a reader", &error))
}

fn run(mut lanes: Lanes, asked: &mpsc::Receiver<Request>) {
    lanes.wake_by(&thread::current());
    loop {
        loop {
            match asked.try_recv() {
                Ok(request) => lanes.serve(request),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        if !lanes.read() {
            thread::park_timeout(LOOK_UP);
        }
    }
}
