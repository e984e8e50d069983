//! Bytes of many records in one place.

use std::ops::Range;

use super::Headers;
use super::headers::NULL;

/// Where the parts of one record lie in the shared bytes: key, then value, then headers, back to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
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

    pub(super) fn size(&self) -> usize {
        len_of(self.key_len) + len_of(self.value_len) + self.headers_len as usize
    }
}

fn len_of(len: u32) -> usize {
    if len == NULL { 0 } else { len as usize }
}

/// The bytes of many records and where each lies.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    pub(super) bytes: Vec<u8>,
    pub(super) slots: Vec<Slot>,
}

impl Arena {
    pub(super) fn push(&mut self, write: impl FnOnce(&mut RecordWriter<'_>)) {
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

    pub(super) fn parts(&self, slot: Slot) -> (Option<&[u8]>, Option<&[u8]>, Headers<'_>) {
        let key = (slot.key_len != NULL).then(|| &self.bytes[slot.key_range()]);
        let value = (slot.value_len != NULL).then(|| &self.bytes[slot.value_range()]);
        (key, value, Headers { encoded: &self.bytes[slot.headers_range()] })
    }

    pub(super) fn truncate(&mut self, records: usize) {
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
