//! The log in one directory: what it promises, and that it keeps it.

#![allow(clippy::unwrap_used, reason = "a test that finds something else than it expects is to end there")]

mod ownership;
mod processes;
mod reading;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use billing_engine::log::embedded::Embedded;
use billing_engine::log::{Chunk, Chunks, Client, Commit, Drafts, Error, Offset, Partition, PerLane, Spec, Topic};
use tokio::time::timeout;

const COMMANDS: Topic = Topic("account.commands");
const INBOX: Topic = Topic("account.inbox");
const EVENTS: Topic = Topic("account.events");
const SNAPSHOTS: Topic = Topic("account.snapshots");
const REPLIES: Topic = Topic("replies");
const SPEC: Spec = Spec { group: "accounts", commands: COMMANDS, inbox: INBOX, events: EVENTS, snapshots: SNAPSHOTS };
const PARTITIONS: u32 = 3;

fn open(dir: &Path) -> Embedded {
    Embedded::open(dir, PARTITIONS).unwrap()
}

async fn owned(log: &Embedded, partition: u32) -> Arc<dyn Partition> {
    let handle = log.log(SPEC).open(partition);
    handle.fence().await.unwrap();
    handle
}

fn values(topic: Topic, partition: u32, values: impl IntoIterator<Item = String>) -> Drafts {
    let mut drafts = Drafts::default();
    for value in values {
        drafts.push(topic, partition, None, |r| r.value(value.as_bytes()));
    }
    drafts
}

fn commit(commands: Offset, inbox: Offset, records: Drafts) -> Arc<Commit> {
    Arc::new(Commit { next_offsets: PerLane { commands, inbox }, records })
}

fn texts(chunk: &Chunk) -> Vec<(Offset, String)> {
    chunk.iter().map(|r| (r.offset, String::from_utf8(r.value.unwrap().to_vec()).unwrap())).collect()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), what).await.expect("within the deadline")
}

async fn all(mut chunks: Chunks) -> Vec<(Offset, String)> {
    let mut read = Vec::new();
    while let Some(chunk) = soon(chunks.recv()).await {
        read.extend(texts(&chunk.unwrap()));
    }
    read
}

async fn everything(client: &dyn Client, topic: Topic, partition: u32) -> Vec<(Offset, String)> {
    let bounds = client.bounds(topic, partition).await.unwrap();
    all(client.read(topic, partition, bounds)).await
}

fn numbered(range: Range<Offset>) -> Vec<(Offset, String)> {
    range.map(|n| (n, format!("value {n}"))).collect()
}

fn reason(error: Error) -> String {
    match error {
        Error::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}
