//! What was read.

use super::arena::{Arena, Slot};
use super::{Millis, Offset, Record, RecordWriter};

/// What it takes to find one record.
const BYTES_TO_FIND_IT: usize = size_of::<Slot>() + size_of::<(Offset, Millis)>();

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

    /// Bytes that it holds in memory: keys, values and headers, and where they lie, so that records of nothing
    /// weigh something.
    pub fn size(&self) -> usize {
        self.arena.bytes.len() + self.len() * BYTES_TO_FIND_IT
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
}
