//! The yardstick: the least work that exactly-once through librdkafka can be. For each command one record as
//! large as an event and one as large as a reply, and the offsets, in one transaction; nothing is looked at and
//! nothing is remembered. One consumer, one producer and one thread a partition.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;

use super::ground::failed;
use crate::cli::{Failure, setup};
use crate::config::Config;
use crate::engine::ACCOUNTS;
use crate::log::kafka::Settings;
use crate::partition::REPLIES;

/// Bytes of an event's value.
const EVENT_BYTES: usize = 432;
/// Bytes of a reply's value.
const REPLY_BYTES: usize = 234;
/// Most records of one transaction, as the engine has it.
const BATCH_RECORDS: usize = 5_000;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at what is in flight.
const STEP: Duration = Duration::from_micros(50);

/// Copies until it is killed.
///
/// # Errors
/// Whatever goes wrong; nothing is tried again.
pub fn run(config: &Config) -> Result<ExitCode, Failure> {
    let settings = setup::kafka_settings(config);
    let loops: Vec<_> = (0..settings.partitions)
        .map(|partition| {
            let settings = settings.clone();
            thread::spawn(move || BareLoop::new(&settings, partition)?.run())
        })
        .collect();
    for each in loops {
        each.join().map_err(|_| Failure::failed("PANIC", "a bare loop panicked"))?.map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts the reports of a producer and wakes its thread when the last one is in.
struct Reports {
    outstanding: AtomicUsize,
    waiting: Thread,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        assert!(report.is_ok(), "a record was lost, and with it the measurement");
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.unpark();
        }
    }
}

/// One partition.
struct BareLoop {
    partition: i32,
    commands: String,
    events: String,
    replies: String,
    consumer: BaseConsumer,
    group: ConsumerGroupMetadata,
    producer: ThreadedProducer<Reports>,
    reports: Arc<Reports>,
}

impl BareLoop {
    fn new(settings: &Settings, partition: u32) -> Result<Self, KafkaError> {
        let name = |topic: crate::log::Topic| topic.full_name(&settings.prefix);
        let (commands, number) = (name(ACCOUNTS.commands), partition.cast_signed());
        let consumer: BaseConsumer = settings.lane_reader(ACCOUNTS.group).create()?;
        let group = consumer.group_metadata().ok_or(KafkaError::Canceled)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&commands, number, Offset::Beginning)?;
        consumer.assign(&from)?;
        let reports = Reports { outstanding: AtomicUsize::new(0), waiting: thread::current() };
        let producer: ThreadedProducer<Reports> =
            settings.transactional_producer(ACCOUNTS.group, partition).create_with_context(reports)?;
        producer.init_transactions(PATIENCE)?;
        let reports = producer.client().context().clone();
        let (events, replies) = (name(ACCOUNTS.events), name(REPLIES));
        Ok(BareLoop { partition: number, commands, events, replies, consumer, group, producer, reports })
    }

    fn run(self) -> Result<(), KafkaError> {
        let (mut batch, mut scratch) = (Vec::with_capacity(BATCH_RECORDS), Vec::with_capacity(EVENT_BYTES));
        loop {
            self.gather(&mut batch)?;
            if let Some(last) = batch.last() {
                self.commit(&batch, last.offset() + 1, &mut scratch)?;
            }
            batch.clear();
        }
    }

    /// Whatever waits, and never longer than for the first.
    fn gather<'a>(&'a self, batch: &mut Vec<BorrowedMessage<'a>>) -> Result<(), KafkaError> {
        let mut patience = PATIENCE;
        while batch.len() < BATCH_RECORDS
            && let Some(polled) = self.consumer.poll(patience)
        {
            batch.push(polled?);
            patience = Duration::ZERO;
        }
        Ok(())
    }

    fn commit(&self, batch: &[BorrowedMessage<'_>], next: i64, scratch: &mut Vec<u8>) -> Result<(), KafkaError> {
        self.producer.begin_transaction()?;
        let mut offsets = TopicPartitionList::with_capacity(1);
        offsets.add_partition_offset(&self.commands, self.partition, Offset::Offset(next))?;
        self.producer.send_offsets_to_transaction(&offsets, &self.group, PATIENCE)?;
        self.reports.outstanding.fetch_add(2 * batch.len(), Ordering::AcqRel);
        for command in batch {
            let (key, value) = (command.key().unwrap_or_default(), command.payload().unwrap_or_default());
            scratch.clear();
            scratch.extend(value.iter().cycle().take(EVENT_BYTES));
            self.send(&self.events, key, scratch)?;
            self.send(&self.replies, key, &value[..value.len().min(REPLY_BYTES)])?;
        }
        while self.reports.outstanding.load(Ordering::Acquire) > 0 {
            thread::park_timeout(PATIENCE);
        }
        while self.producer.in_flight_count() > 0 {
            thread::sleep(STEP);
        }
        self.producer.commit_transaction(PATIENCE)
    }

    fn send(&self, topic: &str, key: &[u8], value: &[u8]) -> Result<(), KafkaError> {
        let header = Header { key: "source", value: Some("bench.account.commands:0:0000000000000000000000000000") };
        let headers = OwnedHeaders::new_with_capacity(1).insert(header);
        let mut record = BaseRecord::to(topic).partition(self.partition).key(key).payload(value).headers(headers);
        while let Err((error, unsent)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            thread::sleep(STEP);
            record = unsent;
        }
        Ok(())
    }
}
