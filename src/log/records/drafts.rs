//! What is to be written.

use super::arena::Arena;
use super::{Headers, Millis, RecordWriter, Topic};

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

    /// The indices of all records, those for one partition of a topic together, in their order.
    pub fn by_destination(&self) -> Vec<usize> {
        let mut destinations: Vec<(Topic, u32, Vec<usize>)> = Vec::new();
        let mut last = 0;
        for (index, (topic, partition, _)) in self.targets.iter().enumerate() {
            let is_there = |known: &(Topic, u32, Vec<usize>)| (known.0, known.1) == (*topic, *partition);
            if !destinations.get(last).is_some_and(is_there) {
                last = destinations.iter().position(is_there).unwrap_or(destinations.len());
            }
            if last == destinations.len() {
                destinations.push((*topic, *partition, Vec::new()));
            }
            destinations[last].2.push(index);
        }
        destinations.into_iter().flat_map(|(_, _, indices)| indices).collect()
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
    fn records_for_one_partition_are_together_and_in_their_order() {
        let mut drafts = Drafts::default();
        for (topic, partition) in [("a", 0), ("b", 0), ("a", 0), ("a", 1), ("b", 0), ("a", 0)] {
            drafts.push(Topic(topic), partition, None, |r| r.value(b"x"));
        }
        assert_eq!(drafts.by_destination(), [0, 2, 5, 1, 4, 3]);
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
