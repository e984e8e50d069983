//! Records in bulk: many in one allocation, because a record costs less to
//! process than an allocation of its own would.

use std::ops::Range;

/// Offset of a record in its partition; as a position it is always the next one to read.
pub type Offset = i64;

/// Milliseconds since the Unix epoch, as the log stores them with a record.
pub type Millis = i64;

/// One topic of the engine, named without the configured prefix (`account.events`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Topic(pub &'static str);

impl Topic {
    /// The name on the log: prefix, a dot, the topic.
    pub fn full_name(self, prefix: &str) -> String {
        format!("{prefix}.{}", self.0)
    }
}

/// Key, value and headers of one record, borrowed from whatever holds its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it lies in its partition.
    pub offset: Offset,
    /// The timestamp it was written with.
    pub timestamp: Millis,
    /// Absent is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// Absent is not the same as empty.
    pub value: Option<&'a [u8]>,
    /// In the order in which they were written; names may repeat.
    pub headers: Headers<'a>,
}

/// Headers of one record. Names are bytes: nothing in the protocol makes them UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    encoded: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The last header of that name, as Kafka's own clients answer it; `None` when absent or null.
    pub fn last(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(n, _)| *n == name.as_bytes()).last().and_then(|(_, value)| value)
    }

    /// All headers in order.
    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter { rest: self.encoded }
    }

    /// True when the record has none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The headers as they lie in memory, for whoever stores them as they are.
    pub(super) fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// Headers from bytes that [`Headers::encoded`] once answered; any others make walking them panic.
    pub(super) fn from_encoded(encoded: &'a [u8]) -> Self {
        Headers { encoded }
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum()
    }
}

/// Walks the headers of one record.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, rest) = self.rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at(u32::from_le_bytes(*name_len) as usize);
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let value_len = u32::from_le_bytes(*value_len);
        if value_len == NULL {
            self.rest = rest;
            return Some((name, None));
        }
        let (value, rest) = rest.split_at(value_len as usize);
        self.rest = rest;
        Some((name, Some(value)))
    }
}

const NULL: u32 = u32::MAX;

/// Where the parts of one record lie in the shared bytes: key, then value, then headers, back to back.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u32,
    key_len: u32,
    value_len: u32,
    headers_len: u32,
}

impl Slot {
    fn key_range(&self) -> Range<usize> {
        let start = self.start as usize;
        start..start + len_of(self.key_len)
    }

    fn value_range(&self) -> Range<usize> {
        let start = self.key_range().end;
        start..start + len_of(self.value_len)
    }

    fn headers_range(&self) -> Range<usize> {
        let start = self.value_range().end;
        start..start + self.headers_len as usize
    }

    fn size(&self) -> usize {
        len_of(self.key_len) + len_of(self.value_len) + self.headers_len as usize
    }
}

fn len_of(len: u32) -> usize {
    if len == NULL { 0 } else { len as usize }
}

/// The bytes of many records and where each lies.
#[derive(Clone, Debug, Default)]
struct Arena {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Arena {
    fn push(&mut self, write: impl FnOnce(&mut RecordWriter<'_>)) {
        let start = self.bytes.len();
        let mut writer = RecordWriter {
            bytes: &mut self.bytes,
            key_len: NULL,
            value_len: NULL,
            part_start: start,
            stage: Stage::Key,
        };
        write(&mut writer);
        let (key_len, value_len) = (writer.key_len, writer.value_len);
        let written = self.bytes.len() - start;
        let headers_len = (written - len_of(key_len) - len_of(value_len)) as u32;
        self.slots.push(Slot { start: start as u32, key_len, value_len, headers_len });
    }

    fn parts(&self, slot: Slot) -> (Option<&[u8]>, Option<&[u8]>, Headers<'_>) {
        let key = (slot.key_len != NULL).then(|| &self.bytes[slot.key_range()]);
        let value = (slot.value_len != NULL).then(|| &self.bytes[slot.value_range()]);
        (key, value, Headers { encoded: &self.bytes[slot.headers_range()] })
    }

    fn truncate(&mut self, records: usize) {
        if let Some(slot) = self.slots.get(records) {
            self.bytes.truncate(slot.start as usize);
            self.slots.truncate(records);
        }
    }
}

#[derive(PartialEq, PartialOrd)]
enum Stage {
    Key,
    Value,
    Headers,
}

/// Writes one record straight into shared bytes: key, value, headers, in this order, each at most once.
pub struct RecordWriter<'a> {
    bytes: &'a mut Vec<u8>,
    key_len: u32,
    value_len: u32,
    part_start: usize,
    stage: Stage,
}

impl RecordWriter<'_> {
    /// The key; without this call it is null.
    pub fn key(&mut self, key: &[u8]) {
        debug_assert!(self.stage == Stage::Key, "the key comes first");
        self.bytes.extend_from_slice(key);
        self.key_len = key.len() as u32;
        self.part_start = self.bytes.len();
        self.stage = Stage::Value;
    }

    /// The value; without this call it is null.
    pub fn value(&mut self, value: &[u8]) {
        self.value_with(|bytes| bytes.extend_from_slice(value));
    }

    /// The value, appended in place by an encoder.
    pub fn value_with(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        debug_assert!(self.stage <= Stage::Value, "the value comes before the headers");
        encode(self.bytes);
        self.value_len = (self.bytes.len() - self.part_start) as u32;
        self.stage = Stage::Headers;
    }

    /// One more header.
    pub fn header(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.stage = Stage::Headers;
        self.bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(&value.map_or(NULL, |v| v.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    /// The whole of another record.
    pub fn copy(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: Headers<'_>) {
        if let Some(key) = key {
            self.key(key);
        }
        if let Some(value) = value {
            self.value(value);
        }
        self.stage = Stage::Headers;
        self.bytes.extend_from_slice(headers.encoded);
    }
}

/// What was read of one partition in one go: consecutive records, and the position behind them.
#[derive(Clone, Debug)]
pub struct Chunk {
    arena: Arena,
    stamps: Vec<(Offset, Millis)>,
    /// The next offset to read; beyond the last record when control records or gaps follow it.
    pub next_offset: Offset,
}

impl Chunk {
    /// Nothing read yet, standing at `next_offset`.
    pub fn empty(next_offset: Offset) -> Self {
        Chunk { arena: Arena::default(), stamps: Vec::new(), next_offset }
    }

    /// Nothing read yet, standing behind `earlier`, with room for as much as that holds.
    pub fn following(earlier: &Chunk) -> Self {
        let arena = Arena {
            bytes: Vec::with_capacity(earlier.arena.bytes.len()),
            slots: Vec::with_capacity(earlier.arena.slots.len()),
        };
        Chunk { arena, stamps: Vec::with_capacity(earlier.stamps.len()), next_offset: earlier.next_offset }
    }

    /// Adds one record; its offset must not lie below `next_offset`, which moves behind it.
    pub fn push(&mut self, offset: Offset, timestamp: Millis, write: impl FnOnce(&mut RecordWriter<'_>)) {
        debug_assert!(offset >= self.next_offset, "offsets only grow");
        self.arena.push(write);
        self.stamps.push((offset, timestamp));
        self.next_offset = offset + 1;
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.stamps.len()
    }

    /// True when it carries only a position.
    pub fn is_empty(&self) -> bool {
        self.stamps.is_empty()
    }

    /// Bytes that it holds in memory, keys, values and headers together.
    pub fn size(&self) -> usize {
        self.arena.bytes.len()
    }

    /// Record `index`, counted from 0.
    pub fn get(&self, index: usize) -> Record<'_> {
        let (offset, timestamp) = self.stamps[index];
        let (key, value, headers) = self.arena.parts(self.arena.slots[index]);
        Record { offset, timestamp, key, value, headers }
    }

    /// All records in offset order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// A record that is to be written, borrowed from its [`Drafts`].
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Where it goes.
    pub topic: Topic,
    /// The partition of that topic, always explicit.
    pub partition: u32,
    /// Set when the record keeps another record's timestamp; otherwise the log stamps it.
    pub timestamp: Option<Millis>,
    /// Null without.
    pub key: Option<&'a [u8]>,
    /// Null without.
    pub value: Option<&'a [u8]>,
    /// In the order to be written.
    pub headers: Headers<'a>,
}

/// Records that are to be written, in the order in which they are to be written.
#[derive(Clone, Debug, Default)]
pub struct Drafts {
    arena: Arena,
    targets: Vec<(Topic, u32, Option<Millis>)>,
}

impl Drafts {
    /// Adds one record for partition `partition` of `topic`.
    pub fn push(
        &mut self,
        topic: Topic,
        partition: u32,
        timestamp: Option<Millis>,
        write: impl FnOnce(&mut RecordWriter<'_>),
    ) {
        self.arena.push(write);
        self.targets.push((topic, partition, timestamp));
    }

    /// Adds a copy of another draft.
    pub fn push_copy(&mut self, draft: Draft<'_>) {
        self.push(draft.topic, draft.partition, draft.timestamp, |record| {
            record.copy(draft.key, draft.value, draft.headers);
        });
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Bytes of keys, values and headers.
    pub fn size(&self) -> usize {
        self.arena.bytes.len()
    }

    /// Bytes of one record: key, value and headers with their framing.
    pub fn size_of(&self, index: usize) -> usize {
        self.arena.slots[index].size()
    }

    /// Record `index`, counted from 0.
    pub fn get(&self, index: usize) -> Draft<'_> {
        let (topic, partition, timestamp) = self.targets[index];
        let (key, value, headers) = self.arena.parts(self.arena.slots[index]);
        Draft { topic, partition, timestamp, key, value, headers }
    }

    /// All records in order.
    pub fn iter(&self) -> impl Iterator<Item = Draft<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Takes back what was pushed beyond the first `records`, and was not arranged since.
    pub fn truncate(&mut self, records: usize) {
        self.arena.truncate(records);
        self.targets.truncate(records);
    }

    /// Puts the records from `first` on into the order of `order`, which names them by their index; those it
    /// does not name are dropped.
    pub fn arrange(&mut self, first: usize, order: impl Iterator<Item = usize>) {
        let slots = self.arena.slots.split_off(first);
        let targets = self.targets.split_off(first);
        for index in order {
            self.arena.slots.push(slots[index - first]);
            self.targets.push(targets[index - first]);
        }
    }

    /// Forgets all records, keeps the memory.
    pub fn clear(&mut self) {
        self.arena.bytes.clear();
        self.arena.slots.clear();
        self.targets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_parts_stay_apart() {
        let mut chunk = Chunk::empty(7);
        chunk.push(9, 1, |r| r.value(b""));
        chunk.push(12, 2, |r| {
            r.key(b"");
            r.header(b"a", None);
            r.header(b"a", Some(b""));
        });
        let first = chunk.get(0);
        assert_eq!((first.offset, first.key, first.value), (9, None, Some(&b""[..])));
        let second = chunk.get(1);
        assert_eq!((second.key, second.value), (Some(&b""[..]), None));
        assert_eq!(second.headers.iter().collect::<Vec<_>>(), [(&b"a"[..], None), (&b"a"[..], Some(&b""[..]))]);
        assert_eq!(chunk.next_offset, 13);
    }

    #[test]
    fn records_are_arranged_without_moving_their_bytes() {
        let mut drafts = Drafts::default();
        for value in [&b"first"[..], b"c", b"lost", b"a", b"b"] {
            drafts.push(Topic("t"), 0, None, |r| r.value(value));
        }
        drafts.arrange(1, [3, 4, 1].into_iter());
        let values: Vec<_> = drafts.iter().filter_map(|d| d.value).collect();
        assert_eq!(values, [&b"first"[..], b"a", b"b", b"c"]);
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest_whole() {
        let mut drafts = Drafts::default();
        for value in [&b"one"[..], b"two", b"three"] {
            drafts.push(Topic("t"), 0, None, |r| r.value(value));
        }
        drafts.truncate(1);
        drafts.push(Topic("t"), 0, None, |r| r.value(b"four"));
        let values: Vec<_> = drafts.iter().map(|d| d.value).collect();
        assert_eq!(values, [Some(&b"one"[..]), Some(&b"four"[..])]);
    }
}
