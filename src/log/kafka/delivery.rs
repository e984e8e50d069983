//! What became of the records that a transaction sent.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode;

use super::patience::is_missing_topic;
use super::voice::Voice;
use crate::log::{Error, Offset};

/// Marks the record whose offset somebody wants to know.
pub(super) const LAST_EVENT: usize = 1;

/// Marks all others.
pub(super) const ANY: usize = 0;

/// While the offset of the marked record is not known.
const UNKNOWN: Offset = -1;

/// Counts the reports of one producer, and wakes its thread when the last one is in.
///
/// Nothing but the count is handed from one thread to the other through these: what happened before a report is seen by
/// whoever sees the count that it left.
#[derive(Debug)]
pub(super) struct Deliveries {
    voice: Voice,
    outstanding: AtomicUsize,
    last_event: AtomicI64,
    loss: Mutex<Option<Loss>>,
    waiting: Thread,
}

/// The first record that a transaction lost.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    topic: String,
    partition: i32,
    code: Option<RDKafkaErrorCode>,
    reason: String,
}

impl Loss {
    pub(super) fn new(topic: &str, partition: i32, error: &KafkaError) -> Loss {
        Loss { topic: topic.to_owned(), partition, code: error.rdkafka_error_code(), reason: error.to_string() }
    }

    /// True when the same record will be refused for ever.
    pub(super) fn is_final(&self) -> bool {
        use RDKafkaErrorCode::{InvalidMessage, InvalidRecord, MessageBatchTooLarge, MessageSizeTooLarge};
        matches!(self.code, Some(MessageSizeTooLarge | MessageBatchTooLarge | InvalidRecord | InvalidMessage))
    }

    pub(super) fn into_error(self) -> Error {
        let Loss { topic, partition, .. } = &self;
        let context = format!("writing to {topic}:{partition}");
        if self.is_final() {
            Error::Refused { context, reason: self.reason }
        } else if self.code.is_some_and(is_missing_topic) {
            Error::TopicMissing { topic: self.topic }
        } else {
            Error::Unavailable(format!("{context}: {}", self.reason))
        }
    }
}

impl Deliveries {
    /// Reports wake the thread that calls this.
    pub(super) fn to_this_thread(client: String) -> Self {
        Deliveries {
            voice: Voice::new(client),
            outstanding: AtomicUsize::new(0),
            last_event: AtomicI64::new(UNKNOWN),
            loss: Mutex::new(None),
            waiting: thread::current(),
        }
    }

    /// Called before the first of so many records is sent, so that no report can be earlier.
    pub(super) fn expect(&self, records: usize) {
        self.last_event.store(UNKNOWN, Ordering::Relaxed);
        self.outstanding.fetch_add(records, Ordering::Relaxed);
    }

    /// Called when so many of them are not sent after all.
    pub(super) fn expect_less(&self, records: usize) {
        self.outstanding.fetch_sub(records, Ordering::Relaxed);
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }

    /// The offset behind the marked record of those expected last, as far as the broker told it.
    pub(super) fn end_of_events(&self) -> Option<Offset> {
        let offset = self.last_event.load(Ordering::Relaxed);
        (offset >= 0).then(|| offset + 1)
    }

    /// The first record lost since the last call.
    pub(super) fn take_loss(&self) -> Option<Loss> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn has_loss(&self) -> bool {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn note_loss(&self, loss: Loss) {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(loss);
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, mark: usize) {
        match report {
            Ok(message) if mark == LAST_EVENT => self.last_event.store(message.offset(), Ordering::Relaxed),
            Ok(_) => {}
            Err((error, message)) => self.note_loss(Loss::new(message.topic(), message.partition(), error)),
        }
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.unpark();
        }
    }
}
