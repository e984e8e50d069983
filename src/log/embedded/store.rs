//! The database: its tables, and what is read from them.

use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

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

/// What the directory is.
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");

const FORMAT: u32 = 1;

const FILE: &str = "log.redb";

/// Pages that the database may keep in memory; the system caches the file as well.
const CACHE: usize = 64 * 1024 * 1024;

pub(super) struct Store {
    database: Database,
    partitions: u32,
}

impl Store {
    pub(super) fn open(dir: &Path, partitions: u32) -> Result<Store, Error> {
        let context = format!("opening the log in {}", dir.display());
        let refused = |reason: String| Error::Refused { context: context.clone(), reason };
        if partitions == 0 {
            return Err(refused("it needs at least one partition".to_owned()));
        }
        fs::create_dir_all(dir).map_err(|error| refused(error.to_string()))?;
        let database =
            Database::builder().set_cache_size(CACHE).create(dir.join(FILE)).map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => refused("somebody else has it open".to_owned()),
                other => refused(other.to_string()),
            })?;
        let found = describe(&database, partitions).map_err(|error| refused(error.to_string()))?;
        if found.format != FORMAT {
            let reason = format!("it has format {}, this program reads format {FORMAT}", found.format);
            return Err(refused(reason));
        }
        if found.partitions != partitions {
            let reason = format!("it was made with {} partitions, not with {partitions}", found.partitions);
            return Err(refused(reason));
        }
        // The database syncs its file, but not the name of a file that it has just made.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| refused(error.to_string()))?;
        Ok(Store { database, partitions })
    }

    pub(super) fn partitions(&self) -> u32 {
        self.partitions
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

struct Description {
    format: u32,
    partitions: u32,
}

/// What the directory says it is; a new one is told, and gets its tables.
fn describe(database: &Database, partitions: u32) -> Result<Description, redb::Error> {
    let transaction = database.begin_write()?;
    let mut meta = transaction.open_table(META)?;
    let format = meta.get("format")?.map(|format| format.value());
    let count = meta.get("partitions")?.map(|count| count.value());
    if let (Some(format), Some(partitions)) = (format, count) {
        return Ok(Description { format, partitions });
    }
    meta.insert("format", FORMAT)?;
    meta.insert("partitions", partitions)?;
    drop(meta);
    transaction.open_table(RUNS)?;
    transaction.open_table(ENDS)?;
    transaction.open_table(COMMITTED)?;
    transaction.open_table(EPOCHS)?;
    transaction.commit()?;
    Ok(Description { format: FORMAT, partitions })
}
