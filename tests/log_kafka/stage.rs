//! What the tests stand on: a broker, topics of their own, and somebody else's clients.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::kafka::Kafka;
use billing_engine::log::kafka::topics::{Admin, Desired};
use billing_engine::log::kafka::{GroupProtocol, KafkaClient, KafkaLog, Settings};
use billing_engine::log::{
    Chunks, Client, Commit, Drafts, Error, Intake, Log, Offset, Partition, PerLane, Signal, Spec, Topic,
};
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

pub(crate) const COMMANDS: Topic = Topic("account.commands");

pub(crate) const INBOX: Topic = Topic("account.inbox");

pub(crate) const EVENTS: Topic = Topic("account.events");

pub(crate) const SNAPSHOTS: Topic = Topic("account.snapshots");

pub(crate) const REPLIES: Topic = Topic("replies");

pub(crate) const SPEC: Spec =
    Spec { group: "accounts", commands: COMMANDS, inbox: INBOX, events: EVENTS, snapshots: SNAPSHOTS };

pub(crate) const DESIRED: Desired = Desired {
    partitions: 2,
    replication_factor: 1,
    min_insync_replicas: None,
    events_retention: Duration::from_secs(31_536_000),
};

/// Everything here is done long before; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn broker() -> String {
    Kafka::shared().address().to_owned()
}

pub(crate) fn settings() -> Settings {
    static STAGES: AtomicUsize = AtomicUsize::new(0);
    let stage = STAGES.fetch_add(1, Ordering::Relaxed);
    let moment = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    Settings {
        brokers: broker(),
        options: BTreeMap::new(),
        prefix: format!("log-{moment}-{stage}"),
        partitions: DESIRED.partitions,
        instance_id: "one".into(),
        group_protocol: GroupProtocol::Classic,
        session_timeout: Duration::from_secs(30),
        intake_bytes: 1 << 20,
    }
}

/// Topics of its own for every test.
pub(crate) async fn stage() -> Settings {
    let settings = settings();
    within(Admin::new(&settings, DESIRED, PATIENCE).ensure()).await.unwrap();
    settings
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

pub(crate) fn quiet() -> Signal {
    Arc::new(|| {})
}

pub(crate) fn drafts(topic: Topic, partition: u32, values: impl IntoIterator<Item = String>) -> Drafts {
    let mut drafts = Drafts::default();
    for value in values {
        drafts.push(topic, partition, None, |record| {
            record.key(b"k");
            record.value(value.as_bytes());
        });
    }
    drafts
}

pub(crate) fn numbered(name: &str, numbers: Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{name}-{number}")).collect()
}

pub(crate) fn commit(commands: Offset, inbox: Offset, records: Drafts) -> Arc<Commit> {
    Arc::new(Commit { next_offsets: PerLane { commands, inbox }, records })
}

pub(crate) async fn values(mut chunks: Chunks) -> Result<Vec<String>, Error> {
    let mut values = Vec::new();
    while let Some(chunk) = within(chunks.recv()).await {
        values.extend(chunk?.iter().map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
    }
    Ok(values)
}

pub(crate) async fn visible(settings: &Settings, topic: Topic, partition: u32) -> Vec<String> {
    let client = KafkaClient::new(settings.clone()).unwrap();
    let bounds = within(client.bounds(topic, partition)).await.unwrap();
    values(client.read(topic, partition, bounds)).await.unwrap()
}

pub(crate) async fn owner(settings: &Settings, partition: u32) -> (Arc<KafkaLog>, Arc<dyn Partition>) {
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let opened = log.open(partition);
    within(opened.fence()).await.unwrap();
    (log, opened)
}

/// A producer of somebody else, for transactions that the engine would never write.
pub(crate) fn stranger(settings: &Settings) -> ThreadedProducer<DefaultProducerContext> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("transactional.id", format!("{}-stranger", settings.prefix))
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

pub(crate) fn write(
    producer: &ThreadedProducer<DefaultProducerContext>,
    settings: &Settings,
    topic: Topic,
    values: &[&str],
) {
    producer.begin_transaction().unwrap();
    let name = topic.full_name(&settings.prefix);
    for value in values {
        producer.send(BaseRecord::to(&name).partition(0).key("k").payload(*value)).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

pub(crate) fn administrator(settings: &Settings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap()
}

/// Takes until `count` records came, with their offsets.
pub(crate) async fn take(intake: &Intake, count: usize) -> Vec<(Offset, String)> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken = Vec::new();
    while taken.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} came", taken.len());
        match intake.take().unwrap() {
            Some(chunk) => {
                taken.extend(chunk.iter().map(|r| (r.offset, String::from_utf8(r.value.unwrap().to_vec()).unwrap())))
            }
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    taken
}
