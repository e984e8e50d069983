//! The read store as an auditor sees it: all of its rows as text, and the positions they stand at, of one moment.
//!
//! It shares nothing with those who write the rows but the names of the tables.

mod postgres;
mod sqlite;
mod tables;

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::Origin;
use crate::log::Offset;
pub use tables::{Column, Content, Row, Table};

/// Why the read store cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none of a store known here.
    #[error("not an address of a read store: {0}")]
    Address(String),
    /// Nothing was ever projected into it.
    #[error("the read store has no tables yet; an engine that projects into it makes them")]
    NoTables,
    /// It does not answer, or not as it should.
    #[error("the read store does not answer as it should: {0}")]
    Failed(#[from] sqlx::Error),
}

/// A connection that reads, and holds one moment still.
pub struct Audit {
    connection: Connection,
    /// Whether a moment is held.
    holds: bool,
}

enum Connection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Whose rows these are, and how far they are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The log they are of; `None` before the first projector came.
    pub origin: Option<Origin>,
    positions: BTreeMap<(String, i64), Offset>,
}

impl Standing {
    fn new(origin: Option<(String, String, i64)>, positions: Vec<(String, i64, Offset)>) -> Standing {
        let origin = origin.map(|(cluster_id, prefix, partitions)| Origin {
            cluster_id,
            prefix,
            partitions: u32::try_from(partitions).unwrap_or_default(),
        });
        let positions =
            positions.into_iter().map(|(aggregate, partition, position)| ((aggregate, partition), position));
        Standing { origin, positions: positions.collect() }
    }

    /// The next offset to be written of a partition of the events of `aggregate`; `None` when none was yet.
    pub fn position(&self, aggregate: &str, partition: u32) -> Option<Offset> {
        self.positions.get(&(aggregate.to_owned(), i64::from(partition))).copied()
    }
}

impl Audit {
    /// Connects to the store at that address.
    ///
    /// # Errors
    /// No address of a store, or nobody there.
    pub async fn connect(url: &str) -> Result<Audit, Error> {
        let connection = match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Connection::Postgres(postgres::connect(url).await?),
            Some(("sqlite", _)) => Connection::Sqlite(sqlite::connect(url).await?),
            _ => return Err(Error::Address("it begins with postgres: or sqlite:".to_owned())),
        };
        Ok(Audit { connection, holds: false })
    }

    /// From now on everything is read as it is at this moment, and no longer as it was at the one before.
    ///
    /// # Errors
    /// No tables, or a store that does not answer.
    pub async fn hold(&mut self) -> Result<Standing, Error> {
        let held = std::mem::replace(&mut self.holds, true);
        match &mut self.connection {
            Connection::Postgres(connection) => postgres::hold(connection, held).await,
            Connection::Sqlite(connection) => sqlite::hold(connection, held).await,
        }
    }

    /// Hands every row of the table to `take`, in no order, as they come.
    ///
    /// # Errors
    /// A store that does not answer, or not with text.
    pub async fn rows(&mut self, table: Table, take: impl FnMut(Row)) -> Result<(), Error> {
        match &mut self.connection {
            Connection::Postgres(connection) => postgres::rows(connection, table, take).await,
            Connection::Sqlite(connection) => sqlite::rows(connection, table, take).await,
        }
    }
}

/// The statement that reads all of the table.
fn select(table: Table, as_text: impl Fn(&Column) -> String) -> String {
    let columns: Vec<String> = table.columns().iter().map(as_text).collect();
    format!("SELECT {} FROM {}", columns.join(", "), table.name())
}

/// A row of that statement.
fn read<R>(table: Table, row: &R) -> Result<Row, sqlx::Error>
where
    R: sqlx::Row,
    usize: sqlx::ColumnIndex<R>,
    for<'r> Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let columns = table.columns().iter().enumerate();
    let value = |(place, column): (usize, &Column)| {
        let value: Option<String> = row.try_get(place)?;
        Ok(value.map(|value| column.content.read(value)))
    };
    Ok(Row { table, values: columns.map(value).collect::<Result<_, sqlx::Error>>()? })
}
