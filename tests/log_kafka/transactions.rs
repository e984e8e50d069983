//! Commits, fences and replays.

use std::time::{Duration, Instant};

use billing_engine::log::kafka::{KafkaClient, KafkaLog, Settings};
use billing_engine::log::{Client, Drafts, Error, Log};
use rdkafka::producer::Producer;

use crate::stage::{
    EVENTS, PATIENCE, REPLIES, SNAPSHOTS, SPEC, commit, drafts, numbered, owner, settings, stage, stranger, values,
    visible, within, write,
};

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
async fn a_commit_answers_where_its_last_event_ends_and_snapshots_are_read_back_whole() {
    let settings = stage().await;
    let (_log, partition) = owner(&settings, 0).await;
    let read = async || values(partition.snapshots()).await.unwrap();
    assert_eq!(read().await, Vec::<String>::new());
    let mut records = drafts(EVENTS, 0, numbered("event", 0..3));
    drafts(SNAPSHOTS, 0, numbered("kept", 0..2)).iter().for_each(|draft| records.push_copy(draft));
    assert_eq!(within(partition.commit(commit(1, 0, records))).await.unwrap(), Some(3));
    assert_eq!(
        within(partition.commit(commit(2, 0, drafts(SNAPSHOTS, 0, numbered("kept", 2..3))))).await.unwrap(),
        None
    );
    // Behind the control record of the first transaction.
    let more = drafts(EVENTS, 0, numbered("event", 3..5));
    assert_eq!(within(partition.commit(commit(3, 0, more))).await.unwrap(), Some(6));
    assert_eq!(read().await, numbered("kept", 0..3));
    let identity = within(partition.identity()).await.unwrap();
    assert!(identity.ends_with("account.events"), "{identity}");
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
