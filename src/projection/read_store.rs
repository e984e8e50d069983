//! The seam to the database, and what every implementation promises.
//!
//! 1. **All or nothing.** The rows of a [`Batch`] and the positions behind it become durable together or never.
//! 2. **One writer.** [`ReadStore::claim`] raises the epoch of a partition. A batch is written only while the epochs are
//!    those of its claim and the positions those it expects; any other is [`Error::Fenced`] and leaves no trace.
//! 3. **Writing again mends.** A batch overwrites whatever stands in its rows, so what was written before, or was
//!    damaged, is right afterwards. A row that an event changes and that is not there is [`Error::Missing`].
//! 4. **What was accepted fits.** Every string and amount that an event can carry is read back as it was.
//! 5. **Readers go on.** Writing, clearing and rebuilding never keep anybody from reading what was there.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::rows::Changes;
use crate::domain::ids::Timestamp;
use crate::log::{Offset, Topic};

/// What is projected, in the order in which everything about it is told.
pub const AGGREGATES: [&str; 2] = ["account", "transaction"];

/// Their event topics.
pub const TOPICS: [Topic; 2] = [Topic("account.events"), Topic("transaction.events")];

/// Every table, in the order in which they are swapped by a rebuild.
pub(super) const TABLES: [&str; 9] = [
    "projection_positions",
    "projection_identity",
    "currencies",
    "holds",
    "accounts",
    "entries",
    "refunds",
    "transactions",
    "transaction_accounts",
];

/// The answer of a store.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Where rows are kept.
pub trait ReadStore: Send + Sync {
    /// Makes the tables, or brings them up to date, and says in them whose events they hold.
    ///
    /// # Errors
    /// [`Error::Foreign`] when they hold another log's.
    fn prepare<'a>(&'a self, origin: &'a Origin) -> Answer<'a, ()>;

    /// Makes the caller the only writer of a partition. What has no position yet stands at `starts` from now on.
    fn claim(&self, partition: u32, starts: [Offset; 2]) -> Answer<'_, Claim>;

    /// Writes one step of a partition.
    fn write<'a>(&'a self, batch: &'a Batch) -> Answer<'a, ()>;

    /// Whose events these are, and how far every partition is written; `None` while there are no tables.
    fn standing(&self) -> Answer<'_, Option<Standing>>;

    /// New empty tables beside those that are asked; what an earlier rebuild left there is gone.
    fn beside(&self) -> Answer<'_, Arc<dyn ReadStore>>;

    /// Puts the tables beside in the place of those that are asked, in one step, and fences every writer. The positions
    /// may have moved on meanwhile; the writers go on at those that were rebuilt.
    fn swap(&self) -> Answer<'_, ()>;
}

/// Tells one log from every other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// As its brokers name it.
    pub cluster_id: String,
    /// Begins the names of its topics.
    pub prefix: String,
    /// Of every topic.
    pub partitions: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} partitions on cluster {}", self.prefix, self.partitions, self.cluster_id)
    }
}

impl Origin {
    /// Rows that say they are of `stored` go with this log; so do rows that say nothing yet.
    ///
    /// # Errors
    /// [`Error::Foreign`] when they are of another.
    pub fn admit(&self, stored: Option<Origin>) -> Result<(), Error> {
        match stored {
            Some(stored) if stored != *self => {
                Err(Error::Foreign { stored: Box::new(stored), found: Box::new(self.clone()) })
            }
            _ => Ok(()),
        }
    }
}

/// The right to write a partition, until somebody else claims it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// One an aggregate.
    pub epochs: [i64; 2],
    /// Next offset of each event topic.
    pub positions: [Offset; 2],
}

impl Claim {
    /// From the rows of `projection_positions`: aggregate, epoch, position.
    pub(super) fn of(rows: Vec<(String, i64, Offset)>, starts: [Offset; 2]) -> Claim {
        let mut claim = Claim { epochs: [0; 2], positions: starts };
        for (aggregate, epoch, position) in rows {
            if let Some(place) = AGGREGATES.iter().position(|name| *name == aggregate) {
                claim.epochs[place] = epoch;
                claim.positions[place] = position;
            }
        }
        claim
    }
}

/// One step of a partition.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// Number.
    pub partition: u32,
    /// Of the claim.
    pub epochs: [i64; 2],
    /// Where the positions stand before.
    pub expected: [Offset; 2],
    /// Where they stand behind it.
    pub next: [Offset; 2],
    /// Time of the last event of each topic; `None` without one.
    pub as_of: [Option<Timestamp>; 2],
    /// Whether all rows of the aggregate and partition go first.
    pub clear: [bool; 2],
    /// Whether sums are taken again of every row that changes, and not only where something of the sum changes.
    pub recount: bool,
    /// The rows.
    pub changes: Changes,
}

/// What the tables say about themselves.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// Whose events they hold; `None` before the first projector came.
    pub origin: Option<Origin>,
    /// By aggregate and partition, in their order.
    pub positions: Vec<Position>,
}

/// How far one partition of one event topic is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Place in [`AGGREGATES`].
    pub aggregate: usize,
    /// Number.
    pub partition: u32,
    /// Next offset.
    pub position: Offset,
    /// Time of the last event applied; `None` before the first.
    pub as_of: Option<Timestamp>,
}

impl Position {
    /// From a row of `projection_positions`; `None` for an aggregate that is none of ours.
    pub(super) fn of(aggregate: &str, partition: u32, position: Offset, as_of: Option<Timestamp>) -> Option<Position> {
        let aggregate = AGGREGATES.iter().position(|name| *name == aggregate)?;
        Some(Position { aggregate, partition, position, as_of })
    }
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer, or two writers were in each other's way: claim the partition again, with backoff. Whether
    /// the last batch was written only the claim tells.
    #[error("the read store is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// It does not do what it is asked: needs a person.
    #[error("the read store refuses: {0}")]
    Refused(#[source] sqlx::Error),
    /// The tables are of a newer engine, or cannot be made: needs a person.
    #[error("the tables of the read store cannot be brought up to date: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Another projector has claimed the partition, or moved it: claim it again, or leave it.
    #[error("partition {partition} has another projector")]
    Fenced {
        /// Number.
        partition: u32,
    },
    /// Rows that events change are not there: write the partition again from the start of the log.
    #[error("{missing} rows of {table} that events change are not there")]
    Missing {
        /// Where.
        table: &'static str,
        /// How many.
        missing: u64,
    },
    /// The rows are of another log: needs a person, who rebuilds them or names another store.
    #[error(
        "the read store holds {stored}, not {found}; name another store, or write it anew with \
         `billing-engine projection rebuild`"
    )]
    Foreign {
        /// What it holds.
        stored: Box<Origin>,
        /// What was to be written.
        found: Box<Origin>,
    },
    /// The address is none of a store known here.
    #[error("not an address of a read store: {0}")]
    Address(String),
}

impl Error {
    /// True when trying again may do.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Fenced { .. })
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            error => Error::Migration(error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if passes(&error) { Error::Unavailable(error) } else { Error::Refused(error) }
    }
}

/// True for what may go well the next time: nobody answers, or somebody was in the way.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code_passes(&code)),
        _ => false,
    }
}

/// By the SQLSTATE of PostgreSQL, five characters, or the result code of SQLite, a number.
fn code_passes(code: &str) -> bool {
    const CONNECTION: &str = "08";
    const ROLLED_BACK: &str = "40";
    const OUT_OF_RESOURCES: &str = "53";
    const SHUT_DOWN: &str = "57";
    const READ_ONLY: &str = "25006";
    const LOCKED: &str = "55P03";
    const TOO_SLOW: &str = "25P03";
    if code.len() == 5 && !code.starts_with('-') {
        let class = [CONNECTION, ROLLED_BACK, OUT_OF_RESOURCES, SHUT_DOWN].iter().any(|class| code.starts_with(class));
        return class || [READ_ONLY, LOCKED, TOO_SLOW].contains(&code);
    }
    /// SQLITE_BUSY and SQLITE_LOCKED, in the lowest byte.
    const IN_THE_WAY: [u32; 2] = [5, 6];
    code.parse::<u32>().is_ok_and(|code| IN_THE_WAY.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_nothing_else() {
        for code in
            ["08006", "40001", "40P01", "53300", "57P01", "57P03", "55P03", "25006", "25P03", "5", "517", "6", "262"]
        {
            assert!(code_passes(code), "{code}");
        }
        for code in ["23505", "42P01", "22001", "28P01", "1", "8", "13", "2067", ""] {
            assert!(!code_passes(code), "{code}");
        }
    }
}
