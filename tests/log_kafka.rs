//! The seam to the log on a real broker, named in `BILLING_TEST_KAFKA`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use billing_engine::log::kafka::topics::{Admin, Change, Desired, Presence};
use billing_engine::log::kafka::{GroupProtocol, KafkaClient, KafkaLog, Settings};
use billing_engine::log::{
    Chunks, Client, Commit, Drafts, Error, Intake, Log, Offset, Ownership, Partition, PerLane, Signal, Spec, Topic,
};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use tokio::sync::mpsc::UnboundedReceiver;

const COMMANDS: Topic = Topic("account.commands");
const INBOX: Topic = Topic("account.inbox");
const EVENTS: Topic = Topic("account.events");
const REPLIES: Topic = Topic("replies");
const SPEC: Spec = Spec { group: "accounts", commands: COMMANDS, inbox: INBOX, events: EVENTS };

const DESIRED: Desired = Desired {
    partitions: 2,
    replication_factor: 1,
    min_insync_replicas: None,
    events_retention: Duration::from_secs(31_536_000),
};

/// Everything here is done long before; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn broker() -> String {
    std::env::var("BILLING_TEST_KAFKA").expect("BILLING_TEST_KAFKA names a broker, host:port")
}

fn settings() -> Settings {
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
async fn stage() -> Settings {
    let settings = settings();
    within(Admin::new(&settings, DESIRED, PATIENCE).ensure()).await.unwrap();
    settings
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

fn quiet() -> Signal {
    Arc::new(|| {})
}

fn drafts(topic: Topic, partition: u32, values: impl IntoIterator<Item = String>) -> Drafts {
    let mut drafts = Drafts::default();
    for value in values {
        drafts.push(topic, partition, None, |record| {
            record.key(b"k");
            record.value(value.as_bytes());
        });
    }
    drafts
}

fn numbered(name: &str, numbers: Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{name}-{number}")).collect()
}

fn commit(commands: Offset, inbox: Offset, records: Drafts) -> Arc<Commit> {
    Arc::new(Commit { next_offsets: PerLane { commands, inbox }, records })
}

async fn values(mut chunks: Chunks) -> Result<Vec<String>, Error> {
    let mut values = Vec::new();
    while let Some(chunk) = within(chunks.recv()).await {
        values.extend(chunk?.iter().map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
    }
    Ok(values)
}

async fn visible(settings: &Settings, topic: Topic, partition: u32) -> Vec<String> {
    let client = KafkaClient::new(settings.clone()).unwrap();
    let bounds = within(client.bounds(topic, partition)).await.unwrap();
    values(client.read(topic, partition, bounds)).await.unwrap()
}

async fn owner(settings: &Settings, partition: u32) -> (Arc<KafkaLog>, Arc<dyn Partition>) {
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let opened = log.open(partition);
    within(opened.fence()).await.unwrap();
    (log, opened)
}

/// A producer of somebody else, for transactions that the engine would never write.
fn stranger(settings: &Settings) -> ThreadedProducer<DefaultProducerContext> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("transactional.id", format!("{}-stranger", settings.prefix))
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn write(producer: &ThreadedProducer<DefaultProducerContext>, settings: &Settings, topic: Topic, values: &[&str]) {
    producer.begin_transaction().unwrap();
    let name = topic.full_name(&settings.prefix);
    for value in values {
        producer.send(BaseRecord::to(&name).partition(0).key("k").payload(*value)).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn administrator(settings: &Settings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap()
}

/// Incompressible bytes.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(length)
    .collect()
}

#[tokio::test]
async fn a_commit_becomes_visible_as_a_whole_with_its_offsets() {
    let settings = stage().await;
    let (_log, partition) = owner(&settings, 0).await;
    let fresh = within(partition.inputs()).await.unwrap();
    assert_eq!((fresh.commands.committed, fresh.inbox.committed), (None, None));

    let mut records = drafts(EVENTS, 0, numbered("event", 0..3));
    drafts(REPLIES, 1, numbered("reply", 0..1)).iter().for_each(|draft| records.push_copy(draft));
    within(partition.commit(commit(5, 7, records))).await.unwrap();

    assert_eq!(visible(&settings, EVENTS, 0).await, numbered("event", 0..3));
    assert_eq!(visible(&settings, REPLIES, 1).await, ["reply-0"]);
    let inputs = within(partition.inputs()).await.unwrap();
    assert_eq!((inputs.commands.committed, inputs.inbox.committed), (Some(5), Some(7)));
    within(partition.close()).await.unwrap();
    assert!(matches!(within(partition.commit(commit(6, 7, Drafts::default()))).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_record_that_is_refused_takes_the_whole_commit_with_it_and_the_next_one_goes_on() {
    let settings = stage().await;
    let (_log, partition) = owner(&settings, 0).await;
    within(partition.commit(commit(1, 1, drafts(EVENTS, 0, numbered("before", 0..1))))).await.unwrap();

    let mut records = drafts(EVENTS, 0, numbered("half", 0..5));
    records.push(EVENTS, 0, None, |record| record.value(&noise(12 << 20)));
    let refused = within(partition.commit(commit(2, 2, records))).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert_eq!(within(partition.inputs()).await.unwrap().commands.committed, Some(1));

    within(partition.commit(commit(3, 3, drafts(EVENTS, 0, numbered("after", 0..1))))).await.unwrap();
    assert_eq!(visible(&settings, EVENTS, 0).await, ["before-0", "after-0"]);
}

#[tokio::test]
async fn a_second_owner_shuts_the_first_one_out() {
    let settings = stage().await;
    let (_first_log, first) = owner(&settings, 0).await;
    within(first.commit(commit(1, 1, drafts(EVENTS, 0, numbered("first", 0..1))))).await.unwrap();
    let (_second_log, second) = owner(&settings, 0).await;

    for _ in 0..2 {
        let answer = within(first.commit(commit(9, 9, drafts(EVENTS, 0, numbered("zombie", 0..9))))).await;
        assert!(matches!(answer, Err(Error::Fenced { partition: 0, .. })), "{answer:?}");
    }
    assert_eq!(within(second.inputs()).await.unwrap().commands.committed, Some(1));
    within(second.commit(commit(2, 2, drafts(EVENTS, 0, numbered("second", 0..1))))).await.unwrap();
    assert_eq!(visible(&settings, EVENTS, 0).await, ["first-0", "second-0"]);
}

#[tokio::test]
async fn a_commit_without_a_fence_is_refused() {
    let settings = stage().await;
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let answer = within(log.open(0).commit(commit(1, 1, Drafts::default()))).await;
    assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
}

#[tokio::test]
async fn replay_ends_at_its_end_past_aborted_transactions_and_control_records() {
    let settings = stage().await;
    let (_log, partition) = owner(&settings, 0).await;
    let stranger = stranger(&settings);
    let abort = |values: &[&str]| {
        write(&stranger, &settings, EVENTS, values);
        stranger.abort_transaction(PATIENCE).unwrap();
    };
    abort(&["lost-0", "lost-1"]);
    within(partition.commit(commit(1, 1, drafts(EVENTS, 0, numbered("kept", 0..1000))))).await.unwrap();
    abort(&["lost-2"]);
    within(partition.commit(commit(2, 2, drafts(EVENTS, 0, numbered("kept", 1000..1001))))).await.unwrap();
    abort(&["lost-3", "lost-4"]);

    let bounds = within(partition.events_bounds()).await.unwrap();
    assert_eq!(bounds, 0..1011, "five aborted, five markers");
    assert_eq!(values(partition.replay(bounds.clone())).await.unwrap(), numbered("kept", 0..1001));
    assert_eq!(
        values(partition.replay(500..503)).await.unwrap(),
        numbered("kept", 497..500),
        "behind two and a marker"
    );
    assert_eq!(values(partition.replay(bounds.end..bounds.end)).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn replay_waits_for_a_transaction_that_is_still_open() {
    let settings = stage().await;
    let (_log, partition) = owner(&settings, 0).await;
    let stranger = stranger(&settings);
    write(&stranger, &settings, EVENTS, &["open"]);
    let bounds = within(partition.events_bounds()).await.unwrap();
    let mut chunks = partition.replay(bounds);
    assert!(tokio::time::timeout(Duration::from_secs(1), chunks.recv()).await.is_err(), "it is not committed yet");
    stranger.commit_transaction(PATIENCE).unwrap();
    assert_eq!(values(chunks).await.unwrap(), ["open"]);
}

#[tokio::test]
async fn a_range_that_the_log_does_not_hold_is_an_error_with_its_place() {
    let settings = stage().await;
    let client = KafkaClient::new(settings.clone()).unwrap();
    let answer = values(client.read(EVENTS, 0, 50..60)).await;
    let Err(Error::Refused { context, .. }) = answer else { panic!("{answer:?}") };
    assert!(context.contains("account.events:0:50"), "{context}");
}

/// Takes until `count` records came, with their offsets.
async fn take(intake: &Intake, count: usize) -> Vec<(Offset, String)> {
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

#[tokio::test]
async fn both_lanes_are_followed_from_exactly_their_offsets() {
    let settings = stage().await;
    let client = KafkaClient::new(settings.clone()).unwrap();
    within(client.append(drafts(COMMANDS, 1, numbered("command", 0..10)))).await.unwrap();
    within(client.append(drafts(INBOX, 1, numbered("message", 0..10)))).await.unwrap();
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let partition = log.open(1);
    let (arrivals, signals) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = signals.clone();
    let arrived: Signal = Arc::new(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let lanes = within(partition.follow(PerLane { commands: 4, inbox: 7 }, arrived)).await.unwrap();
    let command = |number: usize| (number as Offset, format!("command-{number}"));
    assert_eq!(take(&lanes.commands, 6).await, (4..10).map(command).collect::<Vec<_>>());
    assert_eq!(take(&lanes.inbox, 3).await.first().unwrap(), &(7, "message-7".to_owned()));
    arrivals.store(signals.load(Ordering::SeqCst), Ordering::SeqCst);
    assert!(arrivals.load(Ordering::SeqCst) >= 2, "each lane says that something arrived");

    within(client.append(drafts(COMMANDS, 1, numbered("command", 10..11)))).await.unwrap();
    assert_eq!(take(&lanes.commands, 1).await, [command(10)]);

    within(partition.close()).await.unwrap();
    within(client.append(drafts(COMMANDS, 1, numbered("late", 0..1)))).await.unwrap();
    let again = log.open(1);
    let lanes = within(again.follow(PerLane { commands: 11, inbox: 10 }, quiet())).await.unwrap();
    assert_eq!(take(&lanes.commands, 1).await, [(11, "late-0".to_owned())], "a new handle reads where it is told to");
}

#[tokio::test]
async fn an_idle_position_passes_control_records() {
    let settings = stage().await;
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let partition = log.open(0);
    let lanes = within(partition.follow(PerLane { commands: 0, inbox: 0 }, quiet())).await.unwrap();
    let stranger = stranger(&settings);
    write(&stranger, &settings, COMMANDS, &["one", "two"]);
    stranger.commit_transaction(PATIENCE).unwrap();
    write(&stranger, &settings, COMMANDS, &["never"]);
    stranger.abort_transaction(PATIENCE).unwrap();

    let mut seen = Vec::new();
    let mut next = 0;
    let deadline = Instant::now() + PATIENCE;
    while next < 5 {
        assert!(Instant::now() < deadline, "the position stands at {next}");
        match lanes.commands.take().unwrap() {
            Some(chunk) => {
                next = chunk.next_offset;
                seen.extend(chunk.iter().map(|record| record.offset));
            }
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    assert_eq!((seen, next), (vec![0, 1], 5));
    assert_eq!(within(partition.ends()).await.unwrap(), PerLane { commands: 5, inbox: 0 });
}

#[tokio::test]
async fn a_full_lane_holds_nobody_up_and_loses_nothing() {
    const MANY: usize = 50_000;
    let settings = Settings { intake_bytes: 20_000, ..stage().await };
    let client = KafkaClient::new(settings.clone()).unwrap();
    within(client.append(drafts(COMMANDS, 0, numbered("full", 0..MANY)))).await.unwrap();
    within(client.append(drafts(COMMANDS, 1, numbered("hungry", 0..MANY)))).await.unwrap();
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let (full, hungry) = (log.open(0), log.open(1));
    let start = PerLane { commands: 0, inbox: 0 };
    let full = within(full.follow(start, quiet())).await.unwrap().commands;
    let hungry = within(hungry.follow(start, quiet())).await.unwrap().commands;

    let in_order =
        |name: &str| -> Vec<_> { (0..MANY).map(|number| (number as Offset, format!("{name}-{number}"))).collect() };
    assert!(take(&hungry, MANY).await == in_order("hungry"), "the hungry lane is lost or reordered");
    assert!(full.is_full());
    let waiting = full.len();
    assert!(waiting < 10_000, "{waiting} records of some 10 bytes wait in a lane of 20,000 bytes");
    assert!(take(&full, MANY).await == in_order("full"), "the full lane is lost or reordered");
}

#[tokio::test]
async fn a_position_outside_the_log_fails_its_lane_alone() {
    let settings = stage().await;
    let client = KafkaClient::new(settings.clone()).unwrap();
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let (lost, well) = (log.open(0), log.open(1));
    let lost = within(lost.follow(PerLane { commands: 77, inbox: 0 }, quiet())).await.unwrap().commands;
    let well = within(well.follow(PerLane { commands: 0, inbox: 0 }, quiet())).await.unwrap().commands;
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        assert!(Instant::now() < deadline, "the lane does not fail");
        match lost.take() {
            Err(error) => break error,
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(error.to_string().contains("account.commands:0:77"), "{error}");
    within(client.append(drafts(COMMANDS, 1, numbered("fine", 0..1)))).await.unwrap();
    assert_eq!(take(&well, 1).await, [(0, "fine-0".to_owned())]);
}

#[tokio::test]
async fn parts_that_are_absent_and_parts_that_are_empty_stay_apart() {
    let settings = stage().await;
    let client = KafkaClient::new(settings.clone()).unwrap();
    let mut records = Drafts::default();
    records.push(COMMANDS, 0, Some(1234), |record| record.value(b""));
    records.push(COMMANDS, 0, None, |record| {
        record.key(b"");
        record.header(b"name", None);
        record.header(b"name", Some(b""));
        record.header(b"name", Some(b"\xff\x00"));
    });
    within(client.append(records)).await.unwrap();
    let mut chunks = client.follow(COMMANDS, 0, 0);
    let first = within(chunks.recv()).await.unwrap().unwrap();
    let second = if first.len() == 2 { first.clone() } else { within(chunks.recv()).await.unwrap().unwrap() };
    let (first, second) = (first.get(0), second.get(second.len() - 1));
    assert_eq!((first.timestamp, first.key, first.value), (1234, None, Some(&b""[..])));
    assert_eq!((second.key, second.value), (Some(&b""[..]), None));
    let headers: Vec<_> = second.headers.iter().map(|(_, value)| value).collect();
    assert_eq!(headers, [None, Some(&b""[..]), Some(&b"\xff\x00"[..])]);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_broker_that_is_away() {
    let settings = Settings { brokers: "127.0.0.1:1".into(), ..settings() };
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let partition = log.open(0);
    let fenced = partition.fence();
    let began = Instant::now();
    partition.close().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(matches!(within(fenced).await, Err(Error::Closed)));
    let _changes = log.join();
    let began = Instant::now();
    log.leave().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// Follows one engine's ownership until it is what the test waits for; revocations are answered at once.
async fn settle(changes: &mut UnboundedReceiver<Ownership>, owned: &mut BTreeSet<u32>) {
    match within(changes.recv()).await.expect("the member is there") {
        Ownership::Assigned(partitions) => {
            for partition in partitions {
                assert!(owned.insert(partition), "{partition} was assigned twice");
            }
        }
        Ownership::Revoked { partitions, lost, done } => {
            assert!(!lost);
            for partition in partitions {
                assert!(owned.remove(&partition), "{partition} was not ours");
            }
            done.send(()).unwrap();
        }
        Ownership::Failed(error) => panic!("{error}"),
    }
}

async fn hand_over(group_protocol: GroupProtocol) {
    let first_settings = Settings { group_protocol, ..stage().await };
    let second_settings = Settings { instance_id: "two".into(), ..first_settings.clone() };
    let first = KafkaLog::new(first_settings, SPEC).unwrap();
    let (mut first_changes, mut first_owned) = (first.join(), BTreeSet::new());
    while first_owned.len() < 2 {
        settle(&mut first_changes, &mut first_owned).await;
    }

    let second = KafkaLog::new(second_settings, SPEC).unwrap();
    let (mut second_changes, mut second_owned) = (second.join(), BTreeSet::new());
    // One partition each, never one twice: the revocation is answered before the other side hears of it.
    while second_owned.is_empty() {
        tokio::select! {
            () = settle(&mut first_changes, &mut first_owned) => {}
            () = settle(&mut second_changes, &mut second_owned) => {}
        }
        assert!(first_owned.is_disjoint(&second_owned));
    }
    assert_eq!((first_owned.len(), second_owned.len()), (1, 1));

    let mut left = first.leave();
    let mut gone = false;
    let began = Instant::now();
    while second_owned.len() < 2 {
        tokio::select! {
            answer = &mut left, if !gone => { answer.unwrap(); gone = true; }
            () = settle(&mut first_changes, &mut first_owned), if !gone => {}
            () = settle(&mut second_changes, &mut second_owned) => {}
        }
        assert!(first_owned.is_disjoint(&second_owned));
    }
    assert!(first_owned.is_empty());
    println!("the second engine owns everything {:?} after the first one began to leave", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(25), "it must not wait for the session to time out");
}

#[tokio::test]
async fn engines_that_join_and_leave_hand_partitions_over_in_order() {
    hand_over(GroupProtocol::Classic).await;
}

#[tokio::test]
async fn partitions_are_handed_over_by_the_newer_protocol_too() {
    hand_over(GroupProtocol::Consumer).await;
}

#[tokio::test]
async fn a_rebalance_waits_for_what_is_open() {
    let settings = stage().await;
    let log = KafkaLog::new(settings, SPEC).unwrap();
    let mut changes = log.join();
    let mut owned = BTreeSet::new();
    while owned.len() < 2 {
        settle(&mut changes, &mut owned).await;
    }
    let mut left = log.leave();
    let Some(Ownership::Revoked { partitions, lost: false, done }) = within(changes.recv()).await else { panic!() };
    assert_eq!(partitions.len(), 2);
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut left).await.is_err(), "it has not left yet");
    done.send(()).unwrap();
    within(left).await.unwrap();
}

#[tokio::test]
async fn a_member_waits_for_topics_that_are_not_there_yet() {
    let settings = settings();
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let mut changes = log.join();
    assert!(tokio::time::timeout(Duration::from_secs(2), changes.recv()).await.is_err());
    within(Admin::new(&settings, DESIRED, PATIENCE).ensure()).await.unwrap();
    let mut owned = BTreeSet::new();
    while owned.len() < 2 {
        settle(&mut changes, &mut owned).await;
    }
    within(async { tokio::join!(log.leave(), settle(&mut changes, &mut owned)).0 }).await.unwrap();
}

#[tokio::test]
async fn more_partitions_under_a_running_engine_end_its_membership() {
    let settings = stage().await;
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let mut changes = log.join();
    let mut owned = BTreeSet::new();
    while owned.len() < 2 {
        settle(&mut changes, &mut owned).await;
    }
    let commands = COMMANDS.full_name(&settings.prefix);
    let more = administrator(&settings);
    let grown = more.create_partitions(&[NewPartitions::new(&commands, 4)], &AdminOptions::new()).await.unwrap();
    grown.into_iter().next().unwrap().unwrap();
    let error = loop {
        match within(changes.recv()).await.unwrap() {
            Ownership::Assigned(partitions) => assert!(partitions.iter().all(|p| *p < 2), "{partitions:?}"),
            Ownership::Revoked { done, .. } => done.send(()).unwrap(),
            Ownership::Failed(error) => break error,
        }
    };
    assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains("4 partitions"), "{error}");
}

#[tokio::test]
async fn ensuring_the_topics_again_changes_nothing_and_keeps_what_others_set() {
    let settings = settings();
    let admin = Admin::new(&settings, DESIRED, PATIENCE);
    assert!(admin.check().await.unwrap().iter().all(|fault| fault.found == "missing"));
    let created = within(admin.ensure()).await.unwrap();
    assert!(created.iter().all(|change| matches!(change, Change::Created { .. })) && created.len() == 11);
    assert_eq!(within(admin.check()).await.unwrap(), []);
    assert_eq!(within(admin.ensure()).await.unwrap(), []);

    let events = EVENTS.full_name(&settings.prefix);
    let foreign = AlterConfig::new(ResourceSpecifier::Topic(&events))
        .set("segment.bytes", "123456789")
        .set("cleanup.policy", "compact")
        .set("retention.ms", "99999999999");
    administrator(&settings).alter_configs([&foreign], &AdminOptions::new()).await.unwrap();
    let faults = within(admin.check()).await.unwrap();
    assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["min.compaction.lag.ms"]);

    let changes = within(admin.ensure()).await.unwrap();
    assert!(matches!(&changes[..], [Change::Configured { key, .. }] if key == "min.compaction.lag.ms"), "{changes:?}");
    let described = within(admin.describe()).await.unwrap();
    let overrides = &described.iter().find(|topic| topic.topic == events).unwrap().overrides;
    let kept = ["segment.bytes", "cleanup.policy", "retention.ms", "min.compaction.lag.ms"].map(|k| &*overrides[k]);
    assert_eq!(kept, ["123456789", "compact", "99999999999", "9223372036854775807"]);
    assert_eq!(within(admin.check()).await.unwrap(), []);
}

#[tokio::test]
async fn a_check_finds_what_would_lose_something() {
    let settings = settings();
    let administrator = administrator(&settings);
    let name = |topic: &str| format!("{}.{topic}", settings.prefix);
    let (commands, events, inbox) = (name("account.commands"), name("account.events"), name("account.inbox"));
    let one = TopicReplication::Fixed(1);
    let topics = [
        NewTopic::new(&commands, 5, TopicReplication::Fixed(1)).set("max.message.bytes", "1000"),
        NewTopic::new(&events, 2, TopicReplication::Fixed(1))
            .set("cleanup.policy", "compact,delete")
            .set("retention.ms", "60000"),
        NewTopic::new(&inbox, 2, one).set("max.message.bytes", "12582912"),
    ];
    administrator.create_topics(&topics, &AdminOptions::new()).await.unwrap();
    let admin = Admin::new(&settings, DESIRED, PATIENCE);
    let faults = within(admin.check()).await.unwrap();
    let of = |topic: &str| faults.iter().filter(|f| f.topic == topic).map(|f| f.key.as_str()).collect::<Vec<_>>();
    assert_eq!(of(&commands), ["partitions", "max.message.bytes"]);
    assert_eq!(of(&events), ["min.compaction.lag.ms", "retention.ms"]);
    assert_eq!(of(&inbox), ["retention.ms"]);
    assert_eq!(of(&name("replies")), ["topic"]);
    let partitions = faults.iter().find(|fault| fault.key == "partitions").unwrap();
    assert_eq!((partitions.found.as_str(), partitions.wanted.as_str()), ("5", "2"));

    within(admin.ensure()).await.unwrap();
    let left = within(admin.check()).await.unwrap();
    assert_eq!(left.iter().map(|f| f.key.as_str()).collect::<Vec<_>>(), ["partitions"], "only a person can: {left:?}");
    let described = within(admin.describe()).await.unwrap();
    assert!(described.iter().all(|topic| topic.presence == Presence::Present && topic.partitions > 0));
}

#[tokio::test]
async fn nobody_answers_within_the_time_that_was_given() {
    let settings = Settings { brokers: "127.0.0.1:1".into(), ..settings() };
    let began = Instant::now();
    let answer = Admin::new(&settings, DESIRED, Duration::from_secs(1)).check().await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Not a promise, but the number everything else is made of.
#[tokio::test]
async fn the_length_of_a_commit_cycle_is_told() {
    let settings = stage().await;
    let (_log, partition) = owner(&settings, 0).await;
    for (batch, rounds) in [(1, 300), (100, 200), (5000, 60)] {
        let value = "x".repeat(300);
        let mut took = Vec::new();
        for round in 0..rounds {
            let records = drafts(EVENTS, 0, std::iter::repeat_n(value.clone(), batch));
            let began = Instant::now();
            within(partition.commit(commit(round, round, records))).await.unwrap();
            took.push(began.elapsed());
        }
        took.sort();
        println!("batch {batch}: p50 {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    }
    let bounds = within(partition.events_bounds()).await.unwrap();
    let began = Instant::now();
    let mut replayed = 0;
    let mut chunks = partition.replay(bounds);
    while let Some(chunk) = within(chunks.recv()).await {
        replayed += chunk.unwrap().len();
    }
    println!("{replayed} events replayed in {:?}", began.elapsed());
    assert_eq!(replayed, 300 + 100 * 200 + 5000 * 60);
}
