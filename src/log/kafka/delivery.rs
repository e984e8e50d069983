//! What became of the records that a transaction sent.

use std::sync::atomic::{AtomicUsize, Ordering};
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
use crate::log::Error;

/// Counts the reports of one producer, and wakes its thread when the last one is in.
#[derive(Debug)]
pub(super) struct Deliveries {
    voice: Voice,
    outstanding: AtomicUsize,
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
            loss: Mutex::new(None),
            waiting: thread::current(),
        }
    }

    /// Called before a record is sent, so that its report cannot be earlier.
    pub(super) fn expect_one(&self) {
        self.outstanding.fetch_add(1, Ordering::SeqCst);
    }

    /// Called when a record could not be sent after all.
    pub(super) fn expect_one_less(&self) {
        self.outstanding.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::SeqCst)
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
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = report {
            self.note_loss(Loss::new(message.topic(), message.partition(), error));
        }
        if self.outstanding.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.waiting.unpark();
        }
    }
}
