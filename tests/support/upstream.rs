//! Those who write commands, with a plain client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use serde_json::{Value, json};

use super::kafka::Kafka;

/// How long a broker that is restarted may keep records waiting.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// Which partition a client of librdkafka chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partitioner {
    /// As Java's client and KafkaJS 2 do.
    Murmur2,
    /// CRC32, what librdkafka does when it is not told otherwise.
    Default,
}

/// A service that writes commands to one topic.
pub struct Upstream {
    producer: ThreadedProducer<Deliveries>,
    failed: Arc<AtomicUsize>,
    topic: String,
}

impl Upstream {
    /// A producer of its own, idempotent as the seed asks.
    ///
    /// # Panics
    /// When the client refuses its settings.
    pub fn new(kafka: &Kafka, topic: &str, partitioner: Partitioner) -> Upstream {
        let mut config = kafka.client();
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("message.max.bytes", "20000000");
        if partitioner == Partitioner::Murmur2 {
            config.set("partitioner", "murmur2_random");
        }
        let failed = Arc::new(AtomicUsize::new(0));
        let producer = config
            .create_with_context(Deliveries { failed: Arc::clone(&failed) })
            .expect("the client takes these settings");
        Upstream { producer, failed, topic: topic.to_owned() }
    }

    /// Writes a command under its aggregate's id.
    ///
    /// # Panics
    /// When the client does not take it.
    pub fn send(&self, command: &Value) {
        let key = command["aggregateId"].as_str().expect("a command names its aggregate");
        self.send_raw(Some(key), Some(command.to_string().as_bytes()), &[]);
    }

    /// Writes any record.
    ///
    /// # Panics
    /// When the client does not take it.
    pub fn send_raw(&self, key: Option<&str>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let mut record = BaseRecord::<str, [u8]>::to(&self.topic).headers(headers);
        record.key = key;
        record.payload = value;
        while let Err((error, refused)) = self.producer.send(record) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), "a record was refused");
            std::thread::sleep(Duration::from_millis(1));
            record = refused;
        }
    }

    /// Waits until all that was written is acknowledged.
    ///
    /// # Panics
    /// When something was not.
    pub fn flush(&self) {
        self.producer.flush(FLUSH_LIMIT).expect("the broker acknowledges in time");
        assert_eq!(self.failed.load(Ordering::Relaxed), 0, "records that the broker did not take");
    }
}

/// Counts what did not arrive.
struct Deliveries {
    failed: Arc<AtomicUsize>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// `CreateAccount` of a user in dollars; its id is `create-{account}`.
pub fn create(account: &str) -> Value {
    json!({
        "commandType": "CreateAccount", "commandId": format!("create-{account}"), "aggregateId": account,
        "data": { "ownerId": "owner", "ownerType": "CUSTOMER", "accountType": "USER", "currency": "USD" }
    })
}

/// `Credit` in dollars.
pub fn credit(account: &str, id: &str, amount: &str) -> Value {
    posting("Credit", account, id, amount)
}

/// `Debit` in dollars.
pub fn debit(account: &str, id: &str, amount: &str) -> Value {
    posting("Debit", account, id, amount)
}

fn posting(command: &str, account: &str, id: &str, amount: &str) -> Value {
    json!({
        "commandType": command, "commandId": id, "aggregateId": account,
        "data": { "amount": amount, "currency": "USD", "reason": "Test" }
    })
}
