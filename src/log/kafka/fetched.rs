//! From a fetched message to a record in a chunk, copied once and in place.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{BorrowedMessage, Headers, Message};
use tracing::warn;

use crate::log::{Chunk, RecordWriter};

/// A chunk is handed on when it holds this many records …
const CHUNK_RECORDS: usize = 512;

/// … or this many bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// True when the chunk is worth handing on while more is at hand.
pub(super) fn is_complete(chunk: &Chunk) -> bool {
    chunk.len() >= CHUNK_RECORDS || chunk.size() >= CHUNK_BYTES
}

/// Copies one message into the chunk.
pub(super) fn append(chunk: &mut Chunk, message: &BorrowedMessage<'_>) {
    // Kafka itself stores -1 where a record has no timestamp.
    let timestamp = message.timestamp().to_millis().unwrap_or(-1);
    chunk.push(message.offset(), timestamp, |record| {
        if let Some(key) = message.key() {
            record.key(key);
        }
        if let Some(value) = message.payload() {
            record.value(value);
        }
        append_headers(record, message);
    });
}

/// A record with more headers that cannot be had gives none of those behind them: each costs a panic.
const MOST_UNREADABLE: usize = 8;

/// Copies all headers that can be had. The protocol allows any bytes as a name; rdkafka panics on a name that
/// is not UTF-8 and cuts one at its first zero byte. Such a header is left out, said once a record, and the
/// record goes on without it.
fn append_headers(record: &mut RecordWriter<'_>, message: &BorrowedMessage<'_>) {
    let Some(headers) = message.headers() else { return };
    let mut unreadable = 0;
    for index in 0..headers.count() {
        match catch_unwind(AssertUnwindSafe(|| headers.try_get(index))) {
            Ok(Some(header)) => record.header(header.key.as_bytes(), header.value),
            Ok(None) | Err(_) => unreadable += 1,
        }
        if unreadable == MOST_UNREADABLE {
            break;
        }
    }
    if unreadable > 0 {
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        warn!(topic, partition, offset, unreadable, "left out headers whose names are not utf-8");
    }
}
