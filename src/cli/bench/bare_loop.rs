//! The yardstick: the least work that exactly-once through librdkafka can be. For each command one record as
//! large as an event and one as large as a reply, and the offsets, in one transaction; nothing is looked at but a
//! header that says which step of a transfer is asked for, and nothing is remembered. One consumer, one producer and
//! one thread a partition, for accounts and for transactions.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaErrorCode;

use super::ground::failed;
use super::script::{ACCOUNT_SIDE, SAGA_SIDE, Script, Write};
use crate::cli::{Failure, setup};
use crate::config::Config;
use crate::log::kafka::Settings;

/// Above what any value takes.
const VALUE_BYTES: usize = 1024;
/// The header of what it writes, as long as the engine's; its last byte is the step that is asked for.
const SOURCE: [u8; 52] = *b"bench.account.commands:0:000000000000000000000000000";
/// Most records of one transaction, as the engine has it.
const BATCH_RECORDS: usize = 5_000;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at what is in flight.
const STEP: Duration = Duration::from_micros(50);

/// What a bare loop stands in for.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Args {
    /// Transactions too, not accounts alone
    #[arg(long)]
    pub sagas: bool,
}

/// Copies until it is killed.
///
/// # Errors
/// Whatever goes wrong; nothing is tried again.
pub fn run(args: Args, config: &Config) -> Result<ExitCode, Failure> {
    let settings = setup::kafka_settings(config);
    let sides: &[&'static Script] = if args.sagas { &[&ACCOUNT_SIDE, &SAGA_SIDE] } else { &[&ACCOUNT_SIDE] };
    let mut loops = Vec::new();
    for side in sides {
        for partition in 0..settings.partitions {
            let (side, settings) = (*side, settings.clone());
            loops.push(thread::spawn(move || BareLoop::new(&settings, side, partition)?.run()));
        }
    }
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

/// One partition of one side.
struct BareLoop {
    writes: [Vec<Write>; 3],
    partition: u32,
    partitions: u32,
    consumer: BaseConsumer,
    group: ConsumerGroupMetadata,
    producer: ThreadedProducer<Reports>,
    reports: Arc<Reports>,
}

impl BareLoop {
    fn new(settings: &Settings, side: &'static Script, partition: u32) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer = settings.lane_reader(side.group).create()?;
        let group = consumer.group_metadata().ok_or(KafkaError::Canceled)?;
        let mut from = TopicPartitionList::new();
        for lane in &side.lanes {
            let name = lane.full_name(&settings.prefix);
            from.add_partition_offset(&name, partition.cast_signed(), Offset::Beginning)?;
        }
        consumer.assign(&from)?;
        let reports = Reports { outstanding: AtomicUsize::new(0), waiting: thread::current() };
        let producer: ThreadedProducer<Reports> =
            settings.transactional_producer(side.group, partition).create_with_context(reports)?;
        producer.init_transactions(PATIENCE)?;
        let reports = producer.client().context().clone();
        let (writes, partitions) = (side.writes(&settings.prefix), settings.partitions);
        Ok(BareLoop { writes, partition, partitions, consumer, group, producer, reports })
    }

    fn run(self) -> Result<(), KafkaError> {
        let (mut batch, mut scratch) = (Vec::with_capacity(BATCH_RECORDS), Vec::with_capacity(VALUE_BYTES));
        loop {
            self.gather(&mut batch)?;
            if !batch.is_empty() {
                self.commit(&batch, &mut scratch)?;
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

    fn commit(&self, batch: &[BorrowedMessage<'_>], scratch: &mut Vec<u8>) -> Result<(), KafkaError> {
        self.producer.begin_transaction()?;
        self.producer.send_offsets_to_transaction(&self.next_offsets()?, &self.group, PATIENCE)?;
        for record in batch {
            for write in &self.writes[step(record)] {
                self.send(write, record, scratch)?;
            }
        }
        while self.reports.outstanding.load(Ordering::Acquire) > 0 {
            thread::park_timeout(PATIENCE);
        }
        while self.producer.in_flight_count() > 0 {
            thread::sleep(STEP);
        }
        self.producer.commit_transaction(PATIENCE)
    }

    /// Behind what was read, of the lanes that something was read from.
    fn next_offsets(&self) -> Result<TopicPartitionList, KafkaError> {
        let (positions, mut next) = (self.consumer.position()?, TopicPartitionList::with_capacity(2));
        for lane in positions.elements() {
            if let offset @ Offset::Offset(_) = lane.offset() {
                next.add_partition_offset(lane.topic(), lane.partition(), offset)?;
            }
        }
        Ok(next)
    }

    fn send(&self, write: &Write, of: &BorrowedMessage<'_>, scratch: &mut Vec<u8>) -> Result<(), KafkaError> {
        scratch.clear();
        scratch.extend(of.payload().unwrap_or_default().iter().cycle().take(write.bytes));
        let header = Header { key: "source", value: Some(&source(write.asks.unwrap_or_default())) };
        let mut record = BaseRecord::to(&write.topic)
            .partition(self.target(write, of.offset()))
            .key(of.key().unwrap_or_default())
            .payload(scratch)
            .headers(OwnedHeaders::new_with_capacity(1).insert(header));
        self.reports.outstanding.fetch_add(1, Ordering::AcqRel);
        while let Err((error, unsent)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            thread::sleep(STEP);
            record = unsent;
        }
        Ok(())
    }

    /// Its own partition, but a step of a transfer is as likely as not for another one.
    fn target(&self, write: &Write, offset: i64) -> i32 {
        match write.asks {
            None => self.partition.cast_signed(),
            Some(_) => (offset % i64::from(self.partitions)) as i32,
        }
    }
}

/// A header that asks for `step`.
fn source(step: u8) -> [u8; SOURCE.len()] {
    let mut source = SOURCE;
    source[SOURCE.len() - 1] = step;
    source
}

/// The step that a record asks for; commands have no header and ask for the first.
fn step(record: &BorrowedMessage<'_>) -> usize {
    let asked = record.headers().and_then(|headers| headers.get(0).value?.last().copied());
    asked.map_or(0, usize::from)
}
