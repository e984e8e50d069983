//! Snapshots: what an aggregate is, and how far the snapshots of a partition reach, as bytes that trust nobody.
//!
//! Both begin with the same header, which stays as it is for ever: four bytes that say what follows, the number of its
//! format, and a checksum over all of that, over whose it is and over the rest. So whatever was overwritten, cut off
//! or put under another key is told apart from what another engine wrote, and from what this one did. The rest is
//! bincode, which is not told apart from anything by itself.

use bincode::Options;
use serde::{Deserialize, Serialize};

use super::Wire;
use crate::domain::ids::AggregateId;

const VALUE: &[u8; 4] = b"BEsv";
const POSITION: &[u8; 4] = b"BEsp";

/// Of a position. That of a value is its aggregate type's own.
const POSITION_FORMAT: u16 = 2;

/// What was taken, its format, its checksum.
const HEADER: usize = 4 + 2 + 4;

/// The highest offset of each input that caused an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sources {
    /// In the commands topic.
    pub commands: Option<i64>,
    /// In the inbox.
    pub inbox: Option<i64>,
}

/// What changes the fold of the same events, or where it belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conditions {
    /// Partitions there are.
    pub partitions: u32,
    /// Commands that an aggregate remembers.
    pub window: u64,
}

/// An aggregate as a snapshot has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Value<A> {
    /// What it is.
    pub state: A,
    /// What caused its events.
    pub sources: Sources,
}

/// How far the snapshots of a partition reach: every aggregate that has events below `covered` has a value with at
/// least those.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The offset of the first event that is not spoken of.
    pub covered: i64,
    /// What caused the events below, and maybe some behind.
    pub sources: Sources,
    /// How many aggregates have events below.
    pub aggregates: u64,
    /// The last event below; `None` when there is none.
    pub last_event: Option<LastEvent>,
    /// What is to come of aggregates that have events below.
    pub agenda: Vec<Appointment>,
    /// Under which the values were taken.
    pub conditions: Conditions,
    /// Which log it is, in words of its own.
    pub identity: String,
    /// The generation of the snapshots topic that has it all as well; `None` when none has.
    pub generation: Option<u64>,
}

/// What is to come of an aggregate without anybody asking for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Appointment {
    /// Of which.
    pub id: String,
    /// When something of it ends by time alone, in milliseconds since the epoch.
    pub next_expiry: Option<i64>,
    /// Whether a message of it is under way.
    pub is_open: bool,
}

/// An event, to be recognised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastEvent {
    /// Where it lies.
    pub offset: i64,
    /// Of its key and value.
    pub crc32: u32,
}

impl LastEvent {
    /// The event of these bytes.
    pub fn of(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let mut crc = crc32fast::Hasher::new();
        crc.update(key.unwrap_or_default());
        crc.update(value.unwrap_or_default());
        LastEvent { offset, crc32: crc.finalize() }
    }
}

/// A snapshot that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A newer engine wrote it: nothing of its partition can be done by this one.
    #[error("a snapshot of format {found}; this engine knows formats up to {known}, a newer one is needed")]
    Newer {
        /// Its format.
        found: u16,
        /// The newest format known here.
        known: u16,
    },
    /// An engine wrote it that is too old: fold the events.
    #[error("a snapshot of format {found}; this engine reads formats from {known} on")]
    Older {
        /// Its format.
        found: u16,
        /// The oldest format known here.
        known: u16,
    },
    /// It is sound, and was taken when other things were configured: fold the events.
    #[error("a snapshot of {found:?}, where there is {present:?}")]
    Outdated {
        /// As it was taken.
        found: Conditions,
        /// As it is now.
        present: Conditions,
    },
    /// It is not what was written: fold the events.
    #[error("damaged snapshot: {0}")]
    Damaged(String),
}

/// Appends the value of an aggregate.
pub fn encode_value<A: Wire>(out: &mut Vec<u8>, id: &AggregateId, state: &A, sources: Sources, conditions: Conditions) {
    let start = open(out);
    write(out, &(conditions, sources));
    state.write_snapshot(out);
    seal(&mut out[start..], VALUE, A::SNAPSHOT_FORMAT, &[A::AGGREGATE.as_bytes(), id.as_str().as_bytes()]);
}

/// Reads the value of the aggregate of that id.
///
/// # Errors
/// Everything but what was written for that aggregate, in this format, under these conditions.
pub fn decode_value<A: Wire>(id: &AggregateId, bytes: &[u8], present: Conditions) -> Result<Value<A>, Error> {
    let mut rest = unseal(bytes, VALUE, A::SNAPSHOT_FORMAT, &[A::AGGREGATE.as_bytes(), id.as_str().as_bytes()])?;
    let (found, sources) = options().deserialize_from(&mut rest).map_err(damaged)?;
    if found != present {
        return Err(Error::Outdated { found, present });
    }
    Ok(Value { state: A::read_snapshot(rest, found)?, sources })
}

/// Appends a position of the snapshots of `A`.
pub fn encode_position<A: Wire>(out: &mut Vec<u8>, position: &Position) {
    let start = open(out);
    write(out, position);
    seal(&mut out[start..], POSITION, POSITION_FORMAT, &[A::AGGREGATE.as_bytes()]);
}

/// Reads a position of the snapshots of `A`. Whether it speaks of this log is another question.
///
/// # Errors
/// Everything but what was written, in this format.
pub fn decode_position<A: Wire>(bytes: &[u8]) -> Result<Position, Error> {
    read(unseal(bytes, POSITION, POSITION_FORMAT, &[A::AGGREGATE.as_bytes()])?)
}

/// Appends what bincode makes of `image`.
pub(super) fn write(out: &mut Vec<u8>, image: &impl Serialize) {
    if let Err(error) = options().serialize_into(out, image) {
        // A Vec takes everything, and the images have nothing that bincode does not know.
        panic!("a snapshot cannot be written: {error}");
    }
}

/// What was written as the whole of `bytes`.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    options().deserialize(bytes).map_err(damaged)
}

pub(super) fn damaged(reason: impl ToString) -> Error {
    Error::Damaged(reason.to_string())
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
}

fn open(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    start
}

fn seal(bytes: &mut [u8], what: &[u8; 4], format: u16, whose: &[&[u8]]) {
    bytes[..4].copy_from_slice(what);
    bytes[4..6].copy_from_slice(&format.to_le_bytes());
    let checksum = checksum(bytes, whose);
    bytes[6..HEADER].copy_from_slice(&checksum.to_le_bytes());
}

fn unseal<'a>(bytes: &'a [u8], what: &[u8; 4], known: u16, whose: &[&[u8]]) -> Result<&'a [u8], Error> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(damaged("it is shorter than its header"));
    };
    let [m0, m1, m2, m3, f0, f1, c0, c1, c2, c3] = *header;
    if [m0, m1, m2, m3] != *what {
        return Err(damaged("it begins with something else"));
    }
    // Before the format is believed: a newer one stops the partition.
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(bytes, whose) {
        return Err(damaged("its checksum is another"));
    }
    match u16::from_le_bytes([f0, f1]) {
        found if found > known => Err(Error::Newer { found, known }),
        found if found < known => Err(Error::Older { found, known }),
        _ => Ok(rest),
    }
}

/// Over everything but itself, and over whose it is.
fn checksum(bytes: &[u8], whose: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..6]);
    for name in whose {
        crc.update(name);
        // No name has one in it, so none runs into the next.
        crc.update(&[0]);
    }
    crc.update(&bytes[HEADER..]);
    crc.finalize()
}
