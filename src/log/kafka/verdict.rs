//! What an error of a transaction's call means for the transaction.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// What to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The call goes on behind the scenes: make the same one again.
    Resume,
    /// The transaction is to be aborted; the producer is fine.
    Abort,
    /// The producer is dead: somebody fenced it, or the broker gave up on its transaction, or nobody knows.
    Fatal,
}

impl Verdict {
    /// In the order that librdkafka prescribes: fatal, abortable, retriable, and everything else is fatal.
    pub(super) fn on(error: &KafkaError) -> Verdict {
        match error {
            KafkaError::Transaction(error) if error.is_fatal() => Verdict::Fatal,
            KafkaError::Transaction(error) if error.txn_requires_abort() => Verdict::Abort,
            KafkaError::Transaction(error) if error.is_retriable() => Verdict::Resume,
            // The wait for delivery reports that comes before the commit proper, and has no flags.
            KafkaError::Flush(_) => Verdict::Resume,
            _ => Verdict::Fatal,
        }
    }

    /// For the commit itself. Once it is under way the broker may have done it, whatever comes back; only records
    /// that were lost before it are known to have kept it from being asked for.
    pub(super) fn on_commit(error: &KafkaError) -> Verdict {
        match Verdict::on(error) {
            Verdict::Abort if error.rdkafka_error_code() != Some(RDKafkaErrorCode::Inconsistent) => Verdict::Fatal,
            verdict => verdict,
        }
    }

    /// For one record that could not be sent.
    pub(super) fn on_send(error: &KafkaError) -> Verdict {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => Verdict::Fatal,
            Some(RDKafkaErrorCode::QueueFull) => Verdict::Resume,
            _ => Verdict::Abort,
        }
    }
}
