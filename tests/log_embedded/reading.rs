//! What is read is what was written, in order, and no more of it than there is room for.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use billing_engine::log::{Chunk, Drafts, Error, Intake, Millis, Offset, PerLane, Signal};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::{
    COMMANDS, EVENTS, INBOX, PARTITIONS, REPLIES, SNAPSHOTS, all, commit, everything, numbered, open, owned, reason,
    soon, texts, values,
};

fn signal() -> (Arc<Notify>, Signal) {
    let told = Arc::new(Notify::new());
    let tell = told.clone();
    (told, Arc::new(move || tell.notify_one()))
}

#[tokio::test]
async fn a_lane_that_is_emptied_slowly_holds_little_and_loses_and_reorders_nothing() {
    const RECORDS: Offset = 50_000;
    const CAPACITY: usize = 40_000;
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).with_lane_capacity(CAPACITY);
    for topic in [COMMANDS, INBOX] {
        log.client().append(values(topic, 2, (0..RECORDS).map(|n| format!("value {n}")))).await.unwrap();
    }
    let owner = owned(&log, 2).await;
    let lanes = owner.follow(PerLane { commands: 10, inbox: 20 }, signal().1).await.unwrap();
    soon(full_or_at(RECORDS, &lanes.commands)).await;
    let full_at = lanes.commands.next_offset();
    for _ in 0..500 {
        // The thread that answers this is the one that would read on.
        owner.ends().await.unwrap();
    }
    assert_eq!(lanes.commands.next_offset(), full_at, "nothing is read for a lane that is full");
    // Just below its capacity a lane takes one more chunk of that size; a record has 7 bytes at least.
    assert!(lanes.commands.len() <= 2 * CAPACITY / 7, "{} records wait", lanes.commands.len());
    let mut read = PerLane::<Vec<_>>::default();
    while read.commands.len() + read.inbox.len() < 2 * RECORDS as usize - 30 {
        for (lane, read) in [(&lanes.commands, &mut read.commands), (&lanes.inbox, &mut read.inbox)] {
            soon(full_or_at(RECORDS, lane)).await;
            read.extend(lane.take().unwrap().iter().flat_map(texts));
        }
    }
    assert_eq!(read.commands, numbered(10..RECORDS));
    assert_eq!(read.inbox, numbered(20..RECORDS));
}

async fn full_or_at(end: Offset, lane: &Intake) {
    while !lane.is_full() && lane.next_offset() < end {
        yield_now().await;
    }
}

async fn taken(lane: &Intake, arrived: &Notify) -> Result<Chunk, Error> {
    loop {
        if let Some(chunk) = lane.take()? {
            return Ok(chunk);
        }
        soon(arrived.notified()).await;
    }
}

#[tokio::test]
async fn a_lane_and_a_follower_see_what_is_appended_later() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let client = log.client();
    let owner = owned(&log, 0).await;
    let (arrived, signal) = signal();
    let lanes = owner.follow(PerLane::default(), signal).await.unwrap();
    let mut followed = client.follow(COMMANDS, 0, 0);
    for n in 0..100 {
        client.append(values(COMMANDS, 0, [format!("value {n}")])).await.unwrap();
        assert_eq!(texts(&taken(&lanes.commands, &arrived).await.unwrap()), numbered(n..n + 1));
        assert_eq!(texts(&soon(followed.recv()).await.unwrap().unwrap()), numbered(n..n + 1));
    }
    assert_eq!(owner.ends().await.unwrap(), PerLane { commands: 100, inbox: 0 });
    assert!(lanes.inbox.is_empty());
}

#[tokio::test]
async fn what_is_read_has_exactly_the_bounds_that_were_asked_for() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let owner = owned(&log, 0).await;
    let mut next = 0;
    for records in [1, 3, 40_000, 1, 1, 1, 9_000] {
        let events = values(EVENTS, 0, (next..next + records).map(|n| format!("value {n}")));
        owner.commit(commit(next, next, events)).await.unwrap();
        next += records;
    }
    assert_eq!(owner.events_bounds().await.unwrap(), 0..next);
    for range in [0..next, 0..1, 2..3, 3..20_001, 17_000..17_001, 40_003..40_006, 12_345..next, next..next] {
        assert_eq!(all(owner.replay(range.clone())).await, numbered(range.clone()), "{range:?}");
        assert_eq!(all(log.client().read(EVENTS, 0, range.clone())).await, numbered(range));
    }
}

#[tokio::test]
async fn an_offset_that_is_not_there_is_an_error_and_never_moved() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let client = log.client();
    client.append(values(COMMANDS, 0, ["one".into()])).await.unwrap();
    let (arrived, signal) = signal();
    let owner = owned(&log, 0).await;
    let lanes = owner.follow(PerLane { commands: 2, inbox: -1 }, signal).await.unwrap();
    let beyond = reason(taken(&lanes.commands, &arrived).await.unwrap_err());
    assert_eq!(beyond, "the offset is out of range, which is 0 to 1");
    assert_eq!(reason(taken(&lanes.inbox, &arrived).await.unwrap_err()), "the offset is out of range, which is 0 to 0");
    assert!(soon(client.follow(COMMANDS, 0, 2).recv()).await.unwrap().is_err());
    assert!(soon(client.follow(COMMANDS, PARTITIONS, 0).recv()).await.unwrap().is_err());
    assert!(client.bounds(COMMANDS, PARTITIONS).await.is_err());
}

#[tokio::test]
async fn a_reader_that_is_stopped_is_told_so_instead_of_taking_it_for_the_end() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let owner = owned(&log, 0).await;
    let mut replayed = owner.replay(0..1);
    let mut followed = log.client().follow(EVENTS, 0, 0);
    owner.close().await.unwrap();
    assert!(matches!(soon(replayed.recv()).await, Some(Err(Error::Closed))));
    assert!(soon(replayed.recv()).await.is_none());
    drop((owner, log));
    assert!(matches!(soon(followed.recv()).await, Some(Err(Error::Closed))));
    open(dir.path());
}

#[tokio::test]
async fn null_and_empty_parts_repeated_headers_and_timestamps_survive() {
    let dir = TempDir::new().unwrap();
    let mut drafts = Drafts::default();
    drafts.push(COMMANDS, 0, Some(-5), |_| {});
    drafts.push(COMMANDS, 0, None, |r| {
        r.key(b"");
        r.value(b"");
        r.header(b"", None);
        r.header(b"a", Some(b""));
        r.header(b"a", Some(b"\xff"));
    });
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as Millis;
    let before = now();
    open(dir.path()).client().append(drafts).await.unwrap();
    let after = now();
    let log = open(dir.path());
    let chunk = soon(log.client().read(COMMANDS, 0, 0..2).recv()).await.unwrap().unwrap();
    let (first, second) = (chunk.get(0), chunk.get(1));
    assert_eq!((first.timestamp, first.key, first.value, first.headers.is_empty()), (-5, None, None, true));
    assert_eq!((second.key, second.value), (Some(&b""[..]), Some(&b""[..])));
    let headers: Vec<_> = second.headers.iter().collect();
    assert_eq!(headers, [(&b""[..], None), (b"a", Some(&b""[..])), (b"a", Some(b"\xff"))]);
    assert!((before..=after).contains(&second.timestamp));
}

#[tokio::test]
async fn a_value_of_10_mib_survives_between_small_ones() {
    let dir = TempDir::new().unwrap();
    let large: String = ('a'..='z').cycle().take(10 * 1024 * 1024).collect();
    let sent = ["before".to_owned(), large, "after".to_owned()];
    open(dir.path()).client().append(values(COMMANDS, 0, sent.clone())).await.unwrap();
    let log = open(dir.path());
    let read = everything(&*log.client(), COMMANDS, 0).await;
    assert!(read.into_iter().map(|(_, value)| value).eq(sent));
}

#[tokio::test]
async fn a_commit_answers_where_its_last_event_ends_and_snapshots_are_read_back_whole() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path());
    let owner = owned(&log, 0).await;
    assert_eq!(all(owner.snapshots()).await, []);
    let mut records = values(EVENTS, 0, ["one".into(), "two".into()]);
    values(REPLIES, 0, ["reply".into()]).iter().for_each(|draft| records.push_copy(draft));
    values(SNAPSHOTS, 0, ["old".into(), "new".into()]).iter().for_each(|draft| records.push_copy(draft));
    assert_eq!(owner.commit(commit(1, 0, records)).await.unwrap(), Some(2));
    let without = values(SNAPSHOTS, 0, ["newest".into()]);
    assert_eq!(owner.commit(commit(2, 0, without)).await.unwrap(), None);
    assert_eq!(owner.commit(commit(3, 0, values(EVENTS, 0, ["three".into()]))).await.unwrap(), Some(3));
    let kept: Vec<_> = all(owner.snapshots()).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(kept, ["old", "new", "newest"]);
}

#[tokio::test]
async fn every_log_has_an_identity_of_its_own_and_keeps_it() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let identity = async |dir: &Path| owned(&open(dir), 0).await.identity().await.unwrap();
    let first = identity(dir.path()).await;
    assert_eq!(identity(dir.path()).await, first);
    assert_ne!(identity(other.path()).await, first);
}
