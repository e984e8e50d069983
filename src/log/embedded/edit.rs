//! What one transaction does to the tables. It knows nothing that the tables do not: all of it is read and
//! written inside the transaction, so nothing has to be taken back when that fails.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{ReadableTable, Table, WriteTransaction};

use super::partition::Owner;
use super::run;
use super::store::{COMMITTED, ENDS, EPOCHS, RUNS, Store};
use super::writer::{Request, Verdict};
use crate::log::{Chunk, Commit, Drafts, Millis, Offset, Topic};

/// A run and its key stay below 256 KiB, because the database allocates in powers of two.
const RUN_LEN: usize = 252 * 1024;

/// What one transaction does; its own errors, of the database, end it for all that asked.
pub(super) struct Edit<'a> {
    store: &'a Store,
    runs: Table<'a, (&'static str, u32, Offset), &'static [u8]>,
    ends: Table<'a, (&'static str, u32), Offset>,
    committed: Table<'a, (&'static str, &'static str, u32), Offset>,
    epochs: Table<'a, (&'static str, u32), u64>,
    /// The run that each partition is growing by.
    open: HashMap<(Topic, u32), Chunk>,
    now: Millis,
}

impl<'a> Edit<'a> {
    pub(super) fn begin(store: &'a Store, transaction: &'a WriteTransaction) -> Result<Edit<'a>, redb::Error> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Edit {
            store,
            runs: transaction.open_table(RUNS)?,
            ends: transaction.open_table(ENDS)?,
            committed: transaction.open_table(COMMITTED)?,
            epochs: transaction.open_table(EPOCHS)?,
            open: HashMap::new(),
            now: since_epoch.as_millis() as Millis,
        })
    }

    pub(super) fn apply(&mut self, request: &Request) -> Result<Verdict, redb::Error> {
        match request {
            Request::Fence(owner) => self.fence(owner),
            Request::Commit(owner, commit) => self.commit(owner, commit),
            Request::Append(records) => self.append(records),
            Request::Settle => Ok(Ok(None)),
        }
    }

    /// Stores what was appended; answers the partitions that have grown.
    pub(super) fn finish(mut self) -> Result<Vec<(Topic, u32)>, redb::Error> {
        let mut grown = Vec::with_capacity(self.open.len());
        for ((topic, partition), records) in std::mem::take(&mut self.open) {
            self.ends.insert((topic.0, partition), records.next_offset)?;
            store_run(&mut self.runs, topic, partition, &records)?;
            grown.push((topic, partition));
        }
        Ok(grown)
    }

    fn fence(&mut self, owner: &Owner) -> Result<Verdict, redb::Error> {
        if let Err(refusal) = owner.may_fence().and_then(|()| self.store.check(owner.spec.commands, owner.partition)) {
            return Ok(Err(refusal));
        }
        let epoch = self.newest_epoch(owner)? + 1;
        self.epochs.insert((owner.spec.group, owner.partition), epoch)?;
        owner.set_epoch(epoch);
        Ok(Ok(None))
    }

    fn newest_epoch(&self, owner: &Owner) -> Result<u64, redb::Error> {
        Ok(self.epochs.get((owner.spec.group, owner.partition))?.map_or(0, |epoch| epoch.value()))
    }

    fn commit(&mut self, owner: &Owner, commit: &Commit) -> Result<Verdict, redb::Error> {
        let newest = self.newest_epoch(owner)?;
        if let Err(refusal) = owner.may_commit(newest) {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = self.append(&commit.records)? {
            return Ok(Err(refusal));
        }
        let (group, events, partition) = (owner.spec.group, owner.spec.events, owner.partition);
        let next = commit.next_offsets;
        self.committed.insert((group, owner.spec.commands.0, partition), next.commands)?;
        self.committed.insert((group, owner.spec.inbox.0, partition), next.inbox)?;
        let wrote_events = commit.last_event(events, partition).is_some();
        let grown = self.open.get(&(events, partition)).filter(|_| wrote_events);
        Ok(Ok(grown.map(|run| run.next_offset)))
    }

    fn append(&mut self, records: &Drafts) -> Result<Verdict, redb::Error> {
        let refusal = records.iter().find_map(|record| self.store.check(record.topic, record.partition).err());
        if let Some(refusal) = refusal {
            return Ok(Err(refusal));
        }
        for (index, record) in records.iter().enumerate() {
            let run = match self.open.entry((record.topic, record.partition)) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(vacant) => {
                    let end = self.ends.get((record.topic.0, record.partition))?.map_or(0, |end| end.value());
                    vacant.insert(Chunk::empty(end))
                }
            };
            if run::encoded_len(run) + records.size_of(index) > RUN_LEN && !run.is_empty() {
                store_run(&mut self.runs, record.topic, record.partition, run)?;
                *run = Chunk::empty(run.next_offset);
            }
            let timestamp = record.timestamp.unwrap_or(self.now);
            run.push(run.next_offset, timestamp, |r| r.copy(record.key, record.value, record.headers));
        }
        Ok(Ok(None))
    }
}

fn store_run(
    runs: &mut Table<'_, (&'static str, u32, Offset), &'static [u8]>,
    topic: Topic,
    partition: u32,
    records: &Chunk,
) -> Result<(), redb::Error> {
    let first_offset = records.next_offset - records.len() as Offset;
    let run = run::encode(records).map_err(|error| redb::Error::Io(std::io::Error::other(error)))?;
    runs.insert((topic.0, partition, first_offset), run.as_slice())?;
    Ok(())
}
