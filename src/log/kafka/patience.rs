//! How long a blocking call may be tried, and how it is broken off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;

use crate::log::Error;

/// A blocking call is made in slices of this length, so that closing never waits longer.
pub(super) const SLICE: Duration = Duration::from_secs(2);

/// Between two tries of a call that failed at once.
const NAP: Duration = Duration::from_millis(20);

/// A deadline, and a flag that ends it early.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    deadline: Instant,
    closing: Arc<AtomicBool>,
}

impl Patience {
    pub(super) fn new(limit: Duration, closing: &Arc<AtomicBool>) -> Self {
        Patience { deadline: Instant::now() + limit, closing: closing.clone() }
    }

    /// Where nobody closes anything.
    pub(super) fn of(limit: Duration) -> Self {
        Patience::new(limit, &Arc::default())
    }

    /// Waits a moment before the next try.
    ///
    /// # Errors
    /// [`Error::Closed`] when the flag was raised, the error of `otherwise` when the time is up.
    pub(super) fn nap(&self, otherwise: impl FnOnce() -> Error) -> Result<(), Error> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if Instant::now() >= self.deadline {
            return Err(otherwise());
        }
        thread::sleep(NAP);
        Ok(())
    }

    /// Makes the call about a topic, which takes its own timeout, until it succeeds.
    pub(super) fn retry<T>(
        &self,
        what: &str,
        topic: &str,
        mut call: impl FnMut(Duration) -> KafkaResult<T>,
    ) -> Result<T, Error> {
        loop {
            match call(SLICE) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.nap(|| unavailable(what, topic, &error))?,
            }
        }
    }
}

/// The error of a call that nobody answered, or not with yes.
pub(super) fn unavailable(what: &str, topic: &str, error: &KafkaError) -> Error {
    if error.rdkafka_error_code().is_some_and(is_missing_topic) {
        Error::TopicMissing { topic: topic.to_owned() }
    } else {
        Error::Unavailable(format!("{what} of {topic}: {error}"))
    }
}

/// True for the codes that say that a topic or partition is not there, whoever says so.
pub(super) fn is_missing_topic(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    matches!(code, UnknownTopic | UnknownPartition | UnknownTopicOrPartition)
}
