//! One tree, and a ledger of what must be in it.
//!
//! The database checks what it reads, and still gives an old value for a new one without a word: when the place of the
//! newest one is damaged, it takes the one before as if there had been no other. So the values lie in buckets by a
//! hash of their keys, and of each bucket a sum over everything in it is kept. Sums are written in the same batch as
//! the values that change them, and settled with the position, which has the sum of them all. Before the first value of
//! a bucket is read in a life, the bucket is added up.

use std::collections::HashMap;

use sled::{Batch, Tree};

use super::directory::Ailment;
use super::{BATCH, Key, POSITION};

/// Few values a bucket even of many, and few bytes of sums.
const BUCKETS: usize = 1 << 16;
/// Sums that are settled under one key.
const PART: usize = 1 << 10;

const VALUES: u8 = b'v';
const SUMS: &[u8] = b"/sums/";
/// Sums that changed since the position was settled, a record a batch.
const CHANGES: &[u8] = b"/changes/";

/// A tree and its sums.
pub(super) struct Ledger {
    tree: Tree,
    sums: Vec<u64>,
    /// Buckets that were added up, or have been written to, in this life.
    proven: Vec<bool>,
    /// Parts of the sums that are not settled as they are.
    unsettled: [bool; BUCKETS / PART],
    /// Records of changes there are.
    changes: u64,
}

impl Ledger {
    /// Reads the sums of a tree.
    pub(super) fn open(tree: Tree) -> Result<Self, Ailment> {
        let mut ledger = Ledger {
            tree,
            sums: vec![0; BUCKETS],
            proven: vec![false; BUCKETS],
            unsettled: [false; BUCKETS / PART],
            changes: 0,
        };
        for part in 0..BUCKETS / PART {
            if let Some(sums) = ledger.tree.get(numbered(SUMS, part as u64))? {
                ledger.note(&sums)?;
            }
        }
        let settled = ledger.tree.get(POSITION)?;
        let total =
            settled.as_ref().map_or(Some(0), |settled| settled.first_chunk().map(|sum| u64::from_be_bytes(*sum)));
        if total != Some(ledger.total()) {
            return Err(damaged("the sums are not those that were settled"));
        }
        for record in ledger.tree.scan_prefix(CHANGES) {
            let (key, sums) = record?;
            if *key != *numbered(CHANGES, ledger.changes) {
                return Err(damaged("a record of what changed is missing"));
            }
            ledger.note(&sums)?;
            ledger.changes += 1;
            sums.chunks_exact(ENTRY).for_each(|entry| ledger.unsettled[bucket_in(entry) / PART] = true);
        }
        Ok(ledger)
    }

    fn note(&mut self, sums: &[u8]) -> Result<(), Ailment> {
        let (entries, rest) = sums.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(damaged("the sums of what is there cannot be read"));
        }
        for entry in entries {
            let [_, _, sum @ ..] = *entry;
            self.sums[bucket_in(entry)] = u64::from_be_bytes(sum);
        }
        Ok(())
    }

    pub(super) fn position(&self) -> Result<Option<Vec<u8>>, Ailment> {
        // Before it stands the sum of the sums, which was looked at when the tree was opened.
        Ok(self.tree.get(POSITION)?.and_then(|found| Some(found.get(size_of::<u64>()..)?.to_vec())))
    }

    pub(super) fn load(&mut self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Ailment> {
        let mut wanted: Vec<Wanted> =
            keys.iter().enumerate().map(|(index, key)| Wanted { place: place_of(key), index }).collect();
        // In the order in which they lie, so that no page is read twice.
        wanted.sort_unstable_by(|one, other| one.place.cmp(&other.place));
        let mut values = vec![None; keys.len()];
        for wanted in wanted.chunk_by(|one, other| one.place[..PLACE] == other.place[..PLACE]) {
            let bucket = bucket_of(&keys[wanted[0].index]);
            if self.proven[bucket] {
                for Wanted { place, index } in wanted {
                    values[*index] = self.tree.get(place)?.map(|found| found.to_vec());
                }
            } else {
                self.add_up(bucket, |place, value| {
                    let first = wanted.partition_point(|wanted| wanted.place[..] < *place);
                    for Wanted { index, .. } in wanted[first..].iter().take_while(|wanted| wanted.place[..] == *place) {
                        values[*index] = Some(value.to_vec());
                    }
                })?;
            }
        }
        Ok(values)
    }

    pub(super) fn save(&mut self, values: Vec<(Key, Vec<u8>)>) -> Result<(), Ailment> {
        let mut values = values.into_iter().peekable();
        while values.peek().is_some() {
            // Of a key that comes twice the last one counts.
            self.save_batch(values.by_ref().take(BATCH).collect())?;
        }
        Ok(())
    }

    fn save_batch(&mut self, values: HashMap<Key, Vec<u8>>) -> Result<(), Ailment> {
        let mut batch = Batch::default();
        let mut changed: HashMap<usize, u64> = HashMap::new();
        for (key, value) in values {
            let bucket = bucket_of(&key);
            self.prove(bucket)?;
            let place = place_of(&key);
            let sum = changed.entry(bucket).or_insert(self.sums[bucket]);
            if let Some(old) = self.tree.get(&place)? {
                *sum = sum.wrapping_sub(weight(&place, &old));
            }
            *sum = sum.wrapping_add(weight(&place, &value));
            batch.insert(place, value);
        }
        let entries = changed.iter().flat_map(|(bucket, sum)| entry(*bucket, *sum));
        batch.insert(numbered(CHANGES, self.changes), entries.collect::<Vec<u8>>());
        self.tree.apply_batch(batch)?;
        self.changes += 1;
        for (bucket, sum) in changed {
            self.sums[bucket] = sum;
            self.unsettled[bucket / PART] = true;
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, position: Vec<u8>) -> Result<(), Ailment> {
        let mut batch = Batch::default();
        batch.insert(POSITION, [&self.total().to_be_bytes()[..], &position].concat());
        for part in (0..BUCKETS / PART).filter(|part| self.unsettled[*part]) {
            let buckets = part * PART..(part + 1) * PART;
            let entries =
                buckets.filter(|bucket| self.sums[*bucket] != 0).flat_map(|bucket| entry(bucket, self.sums[bucket]));
            batch.insert(numbered(SUMS, part as u64), entries.collect::<Vec<u8>>());
        }
        (0..self.changes).for_each(|change| batch.remove(numbered(CHANGES, change)));
        self.tree.apply_batch(batch)?;
        self.changes = 0;
        self.unsettled = [false; BUCKETS / PART];
        Ok(())
    }

    /// Nothing that is there is spoken for any more.
    pub(super) fn unsettle(&self) -> Result<(), Ailment> {
        let mut batch = Batch::default();
        batch.remove(POSITION);
        (0..BUCKETS / PART).for_each(|part| batch.remove(numbered(SUMS, part as u64)));
        self.tree.apply_batch(batch)?;
        Ok(())
    }

    /// The sum of the sums: 0 when nothing is there.
    fn total(&self) -> u64 {
        let used = self.sums.iter().zip(1..).filter(|(sum, _)| **sum != 0);
        used.fold(0, |total, (sum, number)| total.wrapping_add(mixed(sum ^ mixed(number))))
    }

    pub(super) fn page(&mut self, after: Option<Key>, most: usize) -> Result<Vec<(Key, Vec<u8>)>, Ailment> {
        let first = after.as_deref().map_or(0, bucket_of);
        let mut start = after.map_or_else(|| vec![VALUES], |key| place_of(&key));
        // The next one that there could be.
        start.push(0);
        let range = self.tree.range(start..vec![VALUES + 1]);
        let values = range.take(most).map(|found| {
            let (place, value) = found?;
            Ok((Key::from(&place[PLACE..]), value.to_vec()))
        });
        let values: Vec<(Key, Vec<u8>)> = values.collect::<Result<_, Ailment>>()?;
        // Those without a value too: all of it may be lost.
        let last = values.last().map_or(BUCKETS - 1, |(key, _)| bucket_of(key));
        for bucket in first..=last {
            if self.sums[bucket] != 0 {
                self.prove(bucket)?;
            }
        }
        values.iter().try_for_each(|(key, _)| self.prove(bucket_of(key)))?;
        Ok(values)
    }

    /// Adds the bucket up, unless it was before.
    fn prove(&mut self, bucket: usize) -> Result<(), Ailment> {
        if self.proven[bucket] { Ok(()) } else { self.add_up(bucket, |_, _| {}) }
    }

    /// Adds the bucket up. What is `seen` on the way, places and values, counts only if this succeeds.
    fn add_up(&mut self, bucket: usize, mut seen: impl FnMut(&[u8], &[u8])) -> Result<(), Ailment> {
        let mut sum = 0u64;
        for found in self.tree.scan_prefix(prefix_of(bucket)) {
            let (place, value) = found?;
            sum = sum.wrapping_add(weight(&place, &value));
            seen(&place, &value);
        }
        if sum != self.sums[bucket] {
            return Err(damaged("values are not those that were written last"));
        }
        self.proven[bucket] = true;
        Ok(())
    }
}

/// A value to be loaded.
struct Wanted {
    /// Where it lies.
    place: Vec<u8>,
    /// Which one of those that were asked for it is.
    index: usize,
}

fn damaged(reason: &str) -> Ailment {
    Ailment::Damaged(reason.to_owned())
}

/// Bytes before the key of a value.
const PLACE: usize = 3;

/// Where a value lies.
fn place_of(key: &[u8]) -> Vec<u8> {
    [&prefix_of(bucket_of(key))[..], key].concat()
}

fn prefix_of(bucket: usize) -> [u8; PLACE] {
    let [high, low] = (bucket as u16).to_be_bytes();
    [VALUES, high, low]
}

pub(super) fn bucket_of(key: &[u8]) -> usize {
    crc32fast::hash(key) as usize % BUCKETS
}

/// What a value adds to the sum of its bucket: a number that has next to nothing in common with that of any other.
fn weight(place: &[u8], value: &[u8]) -> u64 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(place);
    crc.update(value);
    mixed(u64::from(crc.finalize()) | (value.len() as u64) << 32)
}

/// The finaliser of MurmurHash3, by Austin Appleby.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let number = (number ^ (number >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    number ^ (number >> 33)
}

/// Bytes of a bucket's number and its sum.
const ENTRY: usize = 10;

fn entry(bucket: usize, sum: u64) -> impl Iterator<Item = u8> {
    (bucket as u16).to_be_bytes().into_iter().chain(sum.to_be_bytes())
}

fn bucket_in(entry: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([entry[0], entry[1]]))
}

fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}
