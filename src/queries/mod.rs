//! The reading half of the read store: what the tables of [`crate::projection`] say, asked of either store.
//!
//! A [`Look`] is one moment of the store: everything it answers, and how far the store was, belong together, however
//! much is written meanwhile. The statements are written once for PostgreSQL and SQLite; see `statement`.
//!
//! Nothing here writes, waits for the projection, or knows HTTP.

mod accounts;
mod answers;
mod page;
mod statement;
mod transactions;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

pub use answers::{Account, Balance, Document, Entry, Hold, Leg, Moment, Position, TransactionRow};
pub use page::{Page, TransactionKey};

use statement::{rows, statement};

/// Connections of one node that only read.
const CONNECTIONS: u32 = 8;

/// How long a free connection is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which event topic an answer rests on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// `account.events`
    Accounts,
    /// `transaction.events`
    Transactions,
}

impl Side {
    fn aggregate(self) -> &'static str {
        match self {
            Side::Accounts => "account",
            Side::Transactions => "transaction",
        }
    }
}

/// What can go wrong at the read store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none of a store; needs a person.
    #[error("read_store.url is the address of no store: {0}")]
    Address(#[source] sqlx::Error),
    /// It does not answer, or not in time, or its tables are not there yet: ask again later.
    #[error("the read store does not answer: {0}")]
    Unavailable(#[from] sqlx::Error),
}

/// A read store to ask. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Queries {
    pool: Pool,
}

#[derive(Clone, Debug)]
enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Queries {
    /// The store at `url` (`postgres://…` or `sqlite:…`), which need not be there yet: it is connected to when it is
    /// asked. Called on a runtime, which tends the connections.
    ///
    /// # Errors
    /// [`Error::Address`]
    pub fn open(url: &str) -> Result<Queries, Error> {
        let pool = if url.starts_with("sqlite:") {
            // A store that is not there yet is the projection's to make.
            let options = SqliteConnectOptions::from_str(url).map_err(Error::Address)?.read_only(true);
            let pools = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
            Pool::Sqlite(pools.connect_lazy_with(options))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(Error::Address)?;
            let pools = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
            Pool::Postgres(pools.connect_lazy_with(options.application_name("billing-engine queries")))
        } else {
            return Err(Error::Address(sqlx::Error::Configuration("neither postgres:// nor sqlite:".into())));
        };
        Ok(Queries { pool })
    }

    /// Looks at the store as it is now.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn look(&self) -> Result<Look, Error> {
        let moment = match &self.pool {
            Pool::Postgres(pool) => {
                Snapshot::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
            Pool::Sqlite(pool) => Snapshot::Sqlite(pool.begin().await?),
        };
        Ok(Look { moment })
    }
}

/// One moment of the store.
pub struct Look {
    moment: Snapshot,
}

/// A transaction that never ends otherwise than by being dropped.
enum Snapshot {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Look {
    /// How far every partition of that side is, by number.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub async fn positions(&mut self, side: Side) -> Result<Vec<Position>, Error> {
        let positions = statement!(
            "SELECT CAST(partition AS BIGINT) AS partition, position, " at "as_of" " AS as_of
             FROM projection_positions WHERE aggregate = $1 ORDER BY partition"
        );
        rows!(self, Position, positions, side.aggregate())
    }
}
