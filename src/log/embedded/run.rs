//! A run: consecutive records of one partition as one value of the database.
//!
//! Layout: format (1 byte), crc32 of all that follows (4 bytes, little endian), index (bincode), then key,
//! value and headers of each record, back to back. The offset of the first record is the run's key.

use serde::{Deserialize, Serialize};

use crate::log::{Chunk, Headers, Millis, Offset, Record};

const FORMAT: u8 = 1;

/// One record in the index: where it ends follows from the lengths, its offset from its place.
#[derive(Serialize, Deserialize)]
struct Entry {
    timestamp: Millis,
    key_len: Option<u32>,
    value_len: Option<u32>,
    headers_len: u32,
}

/// The most that one [`Entry`] takes.
const ENTRY_LEN: usize = 22;

/// Why a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("format {0} is newer than this program, which reads up to {FORMAT}")]
    Newer(u8),
    #[error("its bytes are not those that were written")]
    Damaged,
}

/// Bytes that these records take as a run, or a little less.
pub(super) fn encoded_len(records: &Chunk) -> usize {
    records.size() + records.len() * ENTRY_LEN
}

/// Records without a gap between them, as one value.
pub(super) fn encode(records: &Chunk) -> Result<Vec<u8>, bincode::Error> {
    let mut run = Vec::with_capacity(encoded_len(records) + 16);
    run.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
    let index: Vec<_> = records.iter().map(|record| Entry::of(&record)).collect();
    bincode::serialize_into(&mut run, &index)?;
    for record in records.iter() {
        run.extend_from_slice(record.key.unwrap_or_default());
        run.extend_from_slice(record.value.unwrap_or_default());
        run.extend_from_slice(record.headers.encoded());
    }
    let crc = crc32fast::hash(&run[5..]);
    run[1..5].copy_from_slice(&crc.to_le_bytes());
    Ok(run)
}

/// A run as it lies in the database, with its index taken apart.
pub(super) struct Run<'a> {
    first_offset: Offset,
    index: Vec<Entry>,
    bytes: &'a [u8],
}

impl<'a> Run<'a> {
    pub(super) fn decode(first_offset: Offset, run: &'a [u8]) -> Result<Run<'a>, Unreadable> {
        let (&format, rest) = run.split_first().ok_or(Unreadable::Damaged)?;
        if format != FORMAT {
            return Err(Unreadable::Newer(format));
        }
        let (crc, mut rest) = rest.split_first_chunk::<4>().ok_or(Unreadable::Damaged)?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
            return Err(Unreadable::Damaged);
        }
        let index = bincode::deserialize_from(&mut rest).map_err(|_| Unreadable::Damaged)?;
        Ok(Run { first_offset, index, bytes: rest })
    }

    /// All records in offset order.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'a>> {
        let mut rest = self.bytes;
        (self.first_offset..).zip(&self.index).map(move |(offset, entry)| Record {
            offset,
            timestamp: entry.timestamp,
            key: entry.key_len.map(|len| split_front(&mut rest, len)),
            value: entry.value_len.map(|len| split_front(&mut rest, len)),
            headers: Headers::from_encoded(split_front(&mut rest, entry.headers_len)),
        })
    }
}

impl Entry {
    fn of(record: &Record<'_>) -> Entry {
        Entry {
            timestamp: record.timestamp,
            key_len: record.key.map(|key| key.len() as u32),
            value_len: record.value.map(|value| value.len() as u32),
            headers_len: record.headers.encoded().len() as u32,
        }
    }
}

fn split_front<'a>(rest: &mut &'a [u8], len: u32) -> &'a [u8] {
    let (front, back) = rest.split_at(len as usize);
    *rest = back;
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_records() -> Chunk {
        let mut records = Chunk::empty(40);
        records.push(40, 7, |r| {
            r.key(b"k");
            r.value(b"");
            r.header(b"h", None);
        });
        records.push(41, 8, |_| {});
        records.push(42, 9, |r| r.value(b"last"));
        records
    }

    #[test]
    fn what_was_encoded_is_read_back_to_the_letter() {
        let encoded = encode(&three_records()).unwrap();
        let run = Run::decode(40, &encoded).unwrap();
        let read: Vec<_> = run.records().map(|r| (r.offset, r.timestamp, r.key, r.value)).collect();
        assert_eq!(
            read,
            [(40, 7, Some(&b"k"[..]), Some(&b""[..])), (41, 8, None, None), (42, 9, None, Some(&b"last"[..]))]
        );
        let first = run.records().next().unwrap();
        assert_eq!(first.headers.iter().collect::<Vec<_>>(), [(&b"h"[..], None)]);
    }

    #[test]
    fn a_single_flipped_bit_is_noticed_wherever_it_is() {
        let encoded = encode(&three_records()).unwrap();
        for position in 0..encoded.len() {
            let mut damaged = encoded.clone();
            damaged[position] ^= 1;
            assert!(Run::decode(40, &damaged).is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_run_of_a_newer_format_says_which_it_needs() {
        let mut encoded = encode(&three_records()).unwrap();
        encoded[0] = 2;
        let reason = Run::decode(40, &encoded).err().unwrap().to_string();
        assert_eq!(reason, "format 2 is newer than this program, which reads up to 1");
    }

    #[test]
    fn bytes_of_the_first_format_still_read() {
        let golden = [
            &[1u8][..],                              // format
            &[0x19, 0x57, 0x29, 0x2d],               // crc32
            &[1, 0, 0, 0, 0, 0, 0, 0],               // records
            &[5, 0, 0, 0, 0, 0, 0, 0],               // timestamp
            &[1, 2, 0, 0, 0],                        // a key of 2 bytes
            &[0],                                    // no value
            &[9, 0, 0, 0],                           // headers of 9 bytes
            b"id",                                   // the key
            &[1, 0, 0, 0, b'a', 255, 255, 255, 255], // a header without a value
        ]
        .concat();
        let mut records = Chunk::empty(3);
        records.push(3, 5, |r| {
            r.key(b"id");
            r.header(b"a", None);
        });
        assert_eq!(encode(&records).unwrap(), golden);
    }
}
