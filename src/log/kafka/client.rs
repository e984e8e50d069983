//! The log as the outside sees it: appends without transactions, reads what is committed.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::delivery::Loss;
use super::outgoing;
use super::patience::Patience;
use super::replay::{self, Stretch};
use super::settings::Settings;
use super::verdict::Verdict;
use super::view::{View, not_created};
use super::voice::Voice;
use super::worker::{Owned, Worker};
use crate::log::{Answer, Chunks, Client, Drafts, Error, Offset, Topic};

/// The group whose name a client carries; it is never joined.
const GROUP: &str = "client";

/// How long bounds are asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// While the producer's queue is full.
const QUEUE_STEP: Duration = Duration::from_millis(1);

/// Upstream that appends, an auditor who reads.
pub struct KafkaClient {
    settings: Arc<Settings>,
    appender: Worker<Appender>,
    view: Worker<Arc<View>>,
}

impl KafkaClient {
    /// Needs no broker yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when librdkafka does not take the settings.
    pub fn new(settings: Settings) -> Result<KafkaClient, Error> {
        let settings = Arc::new(settings);
        let producer = settings
            .idempotent_producer()
            .create_with_context(Tallies(Voice::new("client")))
            .map_err(|error| not_created("a producer", &error))?;
        let appender = Appender { settings: settings.clone(), producer };
        let view = Arc::new(View::new(&settings, GROUP)?);
        Ok(KafkaClient {
            settings,
            appender: Worker::start("appender".into(), move || appender),
            view: Worker::start("client view".into(), move || view),
        })
    }

    fn stretch(&self, topic: Topic, partition: u32, range: Range<Offset>) -> Stretch {
        Stretch { group: GROUP.into(), topic: topic.full_name(&self.settings.prefix), partition, range }
    }
}

impl Client for KafkaClient {
    fn append(&self, records: Drafts) -> Answer<()> {
        let (done, durable) = oneshot::channel();
        let queued = self.appender.ask(move |appender| appender.append(&records, done));
        async move {
            queued.await?;
            durable.await.unwrap_or(Err(Error::Closed))
        }
        .boxed()
    }

    fn bounds(&self, topic: Topic, partition: u32) -> Answer<Range<Offset>> {
        let name = topic.full_name(&self.settings.prefix);
        self.view.ask(move |view| view.committed_range(&name, partition, &Patience::of(PATIENCE)))
    }

    fn written_end(&self, topic: Topic, partition: u32) -> Answer<Offset> {
        let name = topic.full_name(&self.settings.prefix);
        self.view.ask(move |view| Ok(view.written_range(&name, partition, &Patience::of(PATIENCE))?.end))
    }

    fn read(&self, topic: Topic, partition: u32, range: Range<Offset>) -> Chunks {
        replay::start(&self.settings, self.stretch(topic, partition, range))
    }

    fn follow(&self, topic: Topic, partition: u32, from: Offset) -> Chunks {
        replay::start(&self.settings, self.stretch(topic, partition, from..Offset::MAX))
    }
}

/// Told when an append is durable, or is not.
type Done = oneshot::Sender<Result<(), Error>>;

/// Owned by the thread that fills the producer's queue, which may have to wait for room.
struct Appender {
    settings: Arc<Settings>,
    producer: ThreadedProducer<Tallies>,
}

impl Owned for Appender {}

impl Appender {
    fn append(&self, records: &Drafts, done: Done) -> Result<(), Error> {
        // One more than there are records, so that the answer waits until all of them are queued.
        let tally = Arc::new(Tally::new(records.len() + 1, done));
        for draft in records.iter() {
            let topic = draft.topic.full_name(&self.settings.prefix);
            let partition = draft.partition.cast_signed();
            let mut record = BaseRecord {
                topic: &topic,
                partition: Some(partition),
                payload: draft.value,
                key: draft.key,
                timestamp: draft.timestamp,
                headers: outgoing::headers(&draft)?,
                delivery_opaque: tally.clone(),
            };
            while let Err((error, unsent)) = self.producer.send(record) {
                if Verdict::on_send(&error) != Verdict::Resume {
                    return Err(Loss::new(&topic, partition, &error).into_error());
                }
                thread::sleep(QUEUE_STEP);
                record = unsent;
            }
        }
        tally.count(None);
        Ok(())
    }
}

/// The records of one append that are not yet reported, and the first loss among them.
struct Tally {
    outstanding: AtomicUsize,
    rest: Mutex<Rest>,
}

struct Rest {
    loss: Option<Loss>,
    done: Option<Done>,
}

impl Tally {
    fn new(outstanding: usize, done: Done) -> Tally {
        Tally { outstanding: AtomicUsize::new(outstanding), rest: Mutex::new(Rest { loss: None, done: Some(done) }) }
    }

    fn count(&self, lost: Option<Loss>) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lost) = lost {
            rest.loss.get_or_insert(lost);
        }
        if self.outstanding.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(done) = rest.done.take()
        {
            done.send(rest.loss.take().map_or(Ok(()), |loss| Err(loss.into_error()))).ok();
        }
    }
}

struct Tallies(Voice);

impl ClientContext for Tallies {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Tallies {
    type DeliveryOpaque = Arc<Tally>;

    fn delivery(&self, report: &DeliveryResult<'_>, tally: Arc<Tally>) {
        let lost = report.as_ref().err();
        tally.count(lost.map(|(error, message)| Loss::new(message.topic(), message.partition(), error)));
    }
}
