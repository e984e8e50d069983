//! Lanes, positions and back-pressure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use billing_engine::log::kafka::{KafkaClient, KafkaLog, Settings};
use billing_engine::log::{Client, Drafts, Log, Offset, PerLane, Signal};
use rdkafka::producer::Producer;

use crate::stage::{COMMANDS, INBOX, PATIENCE, SPEC, drafts, numbered, quiet, stage, stranger, take, within, write};

#[tokio::test]
async fn both_lanes_are_followed_from_exactly_their_offsets() {
    let settings = stage().await;
    let client = KafkaClient::new(settings.clone()).unwrap();
    within(client.append(drafts(COMMANDS, 1, numbered("command", 0..10)))).await.unwrap();
    within(client.append(drafts(INBOX, 1, numbered("message", 0..10)))).await.unwrap();
    let log = KafkaLog::new(settings.clone(), SPEC).unwrap();
    let partition = log.open(1);
    let arrivals = Arc::new(AtomicUsize::new(0));
    let seen = arrivals.clone();
    let arrived: Signal = Arc::new(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let lanes = within(partition.follow(PerLane { commands: 4, inbox: 7 }, arrived)).await.unwrap();
    let command = |number: usize| (number as Offset, format!("command-{number}"));
    assert_eq!(take(&lanes.commands, 6).await, (4..10).map(command).collect::<Vec<_>>());
    assert_eq!(take(&lanes.inbox, 3).await.first().unwrap(), &(7, "message-7".to_owned()));
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
