//! The database: its tables, and what is read from them.

use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::directory::Directory;
use super::run::{self, Run};
use crate::log::{Chunk, Error, Input, Offset, Topic};

/// (topic, partition, first offset) → a run.
pub(super) const RUNS: TableDefinition<'_, (&str, u32, Offset), &[u8]> = TableDefinition::new("runs");

/// (topic, partition) → the offset the next record will get; 0 without.
pub(super) const ENDS: TableDefinition<'_, (&str, u32), Offset> = TableDefinition::new("ends");

/// (group, topic, partition) → the next offset to read.
pub(super) const COMMITTED: TableDefinition<'_, (&str, &str, u32), Offset> = TableDefinition::new("committed");

/// (group, partition) → the epoch of the newest owner; 0 without.
pub(super) const EPOCHS: TableDefinition<'_, (&str, u32), u64> = TableDefinition::new("epochs");

/// One text that no other database has.
const IDENTITY: TableDefinition<'_, (), &str> = TableDefinition::new("identity");

/// What the directory is.
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");

const FORMAT: u32 = 1;

/// The database and what is read from it. Fields are dropped in this order: the database is closed before the
/// directory is given back.
pub(super) struct Store {
    database: Database,
    partitions: u32,
    _directory: Directory,
}

impl Store {
    pub(super) fn open(dir: &Path, partitions: u32) -> Result<Store, Error> {
        let refused =
            |reason: String| Error::Refused { context: format!("opening the log in {}", dir.display()), reason };
        if partitions == 0 {
            return Err(refused("it needs at least one partition".to_owned()));
        }
        let directory = Directory::take(dir)
            .map_err(|error| refused(error.to_string()))?
            .ok_or_else(|| refused("somebody else has it open".to_owned()))?;
        let database = directory.database(|new| fill(new, partitions)).map_err(|error| refused(error.to_string()))?;
        let [format, made_with] = describe(&database).map_err(|error| refused(error.to_string()))?;
        if format != FORMAT {
            return Err(refused(format!("it has format {format}, this program reads format {FORMAT}")));
        }
        if made_with != partitions {
            return Err(refused(format!("it was made with {made_with} partitions, not with {partitions}")));
        }
        name(&database).map_err(|error| refused(error.to_string()))?;
        Ok(Store { database, partitions, _directory: directory })
    }

    pub(super) fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Tells this database from every other.
    pub(super) fn identity(&self) -> Result<String, Error> {
        let read = || -> Result<Option<String>, redb::Error> {
            let identity = self.database.begin_read()?.open_table(IDENTITY)?;
            Ok(identity.get(())?.map(|text| text.value().to_owned()))
        };
        let found = read().map_err(|error| refused("reading the log's identity".to_owned(), &error))?;
        Ok(found.unwrap_or_default())
    }

    /// Refuses a partition that no topic has.
    pub(super) fn check(&self, topic: Topic, partition: u32) -> Result<(), Error> {
        if partition < self.partitions {
            return Ok(());
        }
        let context = format!("partition {partition} of {}", topic.0);
        Err(Error::Refused { context, reason: format!("there are {} partitions", self.partitions) })
    }

    /// What is written in it is durable once it is committed.
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, redb::Error> {
        Ok(self.database.begin_write()?)
    }

    /// The offset the next record will get.
    pub(super) fn end(&self, topic: Topic, partition: u32) -> Result<Offset, Error> {
        self.check(topic, partition)?;
        let read = || -> Result<Offset, redb::Error> {
            let ends = self.database.begin_read()?.open_table(ENDS)?;
            Ok(ends.get((topic.0, partition))?.map_or(0, |end| end.value()))
        };
        read().map_err(|error| refused(format!("reading the end of {}:{partition}", topic.0), &error))
    }

    /// What `group` has committed of one partition, and where that begins and ends.
    pub(super) fn input(&self, group: &str, topic: Topic, partition: u32) -> Result<Input, Error> {
        let end = self.end(topic, partition)?;
        let read = || -> Result<Option<Offset>, redb::Error> {
            let committed = self.database.begin_read()?.open_table(COMMITTED)?;
            Ok(committed.get((group, topic.0, partition))?.map(|next| next.value()))
        };
        let committed = read()
            .map_err(|error| refused(format!("reading the offset of {group} at {}:{partition}", topic.0), &error))?;
        Ok(Input { committed, start: 0, end })
    }

    /// The records of `wanted` from its start on, as many as `budget` bytes hold, but one at least when there is one.
    pub(super) fn read(
        &self,
        topic: Topic,
        partition: u32,
        wanted: Range<Offset>,
        budget: usize,
    ) -> Result<Chunk, Error> {
        let mut chunk = Chunk::empty(wanted.start);
        self.fill(&mut chunk, topic, partition, wanted.end, budget)
            .map_err(|error| refused(format!("reading {}:{partition} at {}", topic.0, chunk.next_offset), &error))?;
        Ok(chunk)
    }

    fn fill(
        &self,
        chunk: &mut Chunk,
        topic: Topic,
        partition: u32,
        end: Offset,
        budget: usize,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_read()?;
        let written = transaction.open_table(ENDS)?.get((topic.0, partition))?.map_or(0, |end| end.value());
        let wanted = chunk.next_offset..end.min(written);
        if wanted.is_empty() {
            return Ok(());
        }
        let runs = transaction.open_table(RUNS)?;
        let holds_start = runs.range((topic.0, partition, 0)..=(topic.0, partition, wanted.start))?.next_back();
        let from = holds_start.transpose()?.map_or(wanted.start, |(key, _)| key.value().2);
        for entry in runs.range((topic.0, partition, from)..(topic.0, partition, wanted.end))? {
            let (key, value) = entry?;
            let run = Run::decode(key.value().2, value.value()).map_err(|e| redb::Error::Corrupted(e.to_string()))?;
            for record in run.records().filter(|record| wanted.contains(&record.offset)) {
                if !chunk.is_empty() && run::encoded_len(chunk) >= budget {
                    return Ok(());
                }
                chunk.push(record.offset, record.timestamp, |r| r.copy(record.key, record.value, record.headers));
            }
        }
        Ok(())
    }
}

/// A fault of the database as the engine sees it: nothing that a second try would mend.
pub(super) fn refused(context: String, error: &redb::Error) -> Error {
    Error::Refused { context, reason: error.to_string() }
}

/// Makes the tables of a new database, and says in it what it is.
fn fill(database: &Database, partitions: u32) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut meta = transaction.open_table(META)?;
    meta.insert("format", FORMAT)?;
    meta.insert("partitions", partitions)?;
    drop(meta);
    transaction.open_table(RUNS)?;
    transaction.open_table(ENDS)?;
    transaction.open_table(COMMITTED)?;
    transaction.open_table(EPOCHS)?;
    Ok(transaction.commit()?)
}

/// Gives the database an identity, if it has none yet.
fn name(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut identity = transaction.open_table(IDENTITY)?;
    if identity.get(())?.is_none() {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        identity.insert((), format!("{:x}-{:x}", since_epoch.as_nanos(), std::process::id()).as_str())?;
    }
    drop(identity);
    Ok(transaction.commit()?)
}

/// Format and number of partitions, as the database says; 0 where it says nothing.
fn describe(database: &Database) -> Result<[u32; 2], redb::Error> {
    let meta = database.begin_read()?.open_table(META)?;
    let said = |name| -> Result<u32, redb::Error> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
    Ok([said("format")?, said("partitions")?])
}
