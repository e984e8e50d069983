//! Rows in SQLite: one file, one process that writes.

mod rows;
mod statements;
mod writing;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, query, query_as, query_scalar};

use super::read_store::{AGGREGATES, Answer, Batch, Claim, Error, Origin, Position, ReadStore, Standing, TABLES};
use crate::domain::ids::Timestamp;
use crate::log::Offset;

static MIGRATIONS: Migrator = sqlx::migrate!("src/projection/migrations/sqlite");

/// What of the file is kept in memory, in KiB: a step of postings is all over it, and the usual 2 MB would have most of
/// those pages read again.
const CACHE_KIB: u32 = 64 * 1024;

/// Pages (of 4 KiB) that are written ahead before they go to their places. Steps write the same pages again and again:
/// the more of them there are between two checkpoints, the fewer pages are written twice, and the fewer times it is
/// waited for the disk.
const PAGES_AHEAD: u32 = 16 * 1024;

/// How long one writer waits for another.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// A read store in one file.
pub struct Sqlite {
    options: SqliteConnectOptions,
    pool: SqlitePool,
}

impl Sqlite {
    /// The store at that address, `sqlite:` and a path, which is not looked at yet.
    ///
    /// # Errors
    /// [`Error::Address`] when it is none of SQLite.
    pub fn open(url: &str) -> Result<Sqlite, Error> {
        let options = SqliteConnectOptions::from_str(url).map_err(|error| Error::Address(error.to_string()))?;
        // Readers go on while a batch is written. A crash of the machine may cost the last batches, never a part of
        // one: they are read again from the position that is left.
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("cache_size", format!("-{CACHE_KIB}"))
            .pragma("wal_autocheckpoint", PAGES_AHEAD.to_string())
            .busy_timeout(BUSY_LIMIT);
        Ok(Sqlite::with(options))
    }

    /// SQLite has one writer at a time, so more connections would only wait for each other.
    fn with(options: SqliteConnectOptions) -> Sqlite {
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        Sqlite { options, pool }
    }

    /// The file of a rebuild.
    fn file_beside(&self) -> PathBuf {
        let mut name = self.options.get_filename().as_os_str().to_owned();
        name.push(".rebuild");
        PathBuf::from(name)
    }

    async fn origin(&self) -> Result<Option<Origin>, Error> {
        let row: Option<(String, String, u32)> =
            query_as("SELECT cluster_id, prefix, partitions FROM projection_identity")
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(cluster_id, prefix, partitions)| Origin { cluster_id, prefix, partitions }))
    }
}

impl ReadStore for Sqlite {
    fn prepare<'a>(&'a self, origin: &'a Origin) -> Answer<'a, ()> {
        async {
            MIGRATIONS.run(&self.pool).await?;
            query(
                "INSERT INTO projection_identity (cluster_id, prefix, partitions) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(&origin.cluster_id)
            .bind(&origin.prefix)
            .bind(origin.partitions)
            .execute(&self.pool)
            .await?;
            origin.admit(self.origin().await?)
        }
        .boxed()
    }

    fn claim(&self, partition: u32, starts: [Offset; 2]) -> Answer<'_, Claim> {
        async move {
            let row = |(aggregate, start): (&&str, Offset)| json!({ "aggregate": aggregate, "start": start });
            let wanted: Value = AGGREGATES.iter().zip(starts).map(row).collect();
            let rows: Vec<(String, i64, i64)> =
                query_as(statements::CLAIM).bind(partition).bind(wanted.to_string()).fetch_all(&self.pool).await?;
            Ok(Claim::of(rows, starts))
        }
        .boxed()
    }

    fn write<'a>(&'a self, batch: &'a Batch) -> Answer<'a, ()> {
        async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            writing::write(&mut transaction, batch).await?;
            Ok(transaction.commit().await?)
        }
        .boxed()
    }

    fn standing(&self) -> Answer<'_, Option<Standing>> {
        async {
            let there: bool =
                query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'projection_positions'")
                    .fetch_one(&self.pool)
                    .await?;
            if !there {
                return Ok(None);
            }
            let positions: Vec<(String, u32, i64, Option<i64>)> =
                query_as("SELECT aggregate, partition, position, as_of FROM projection_positions ORDER BY 1, 2")
                    .fetch_all(&self.pool)
                    .await?;
            let position = |(aggregate, partition, position, as_of): (String, u32, i64, Option<i64>)| {
                Position::of(&aggregate, partition, position, as_of.map(Timestamp))
            };
            let positions = positions.into_iter().filter_map(position).collect();
            Ok(Some(Standing { origin: self.origin().await?, positions }))
        }
        .boxed()
    }

    fn beside(&self) -> Answer<'_, Arc<dyn ReadStore>> {
        async {
            let file = self.file_beside();
            remove(&file)?;
            Ok(Arc::new(Sqlite::with(self.options.clone().filename(file))) as Arc<dyn ReadStore>)
        }
        .boxed()
    }

    /// Copies instead of moving: readers see the old rows until the copy is whole.
    fn swap(&self) -> Answer<'_, ()> {
        async {
            let file = self.file_beside();
            let mut connection = self.pool.acquire().await?;
            query("ATTACH DATABASE ?1 AS beside")
                .bind(file.to_string_lossy().as_ref())
                .execute(&mut *connection)
                .await?;
            let copied = copy(&mut connection).await;
            query("DETACH DATABASE beside").execute(&mut *connection).await?;
            copied?;
            remove(&file)
        }
        .boxed()
    }
}

async fn copy(connection: &mut sqlx::SqliteConnection) -> Result<(), Error> {
    let mut transaction = sqlx::Connection::begin_with(connection, "BEGIN IMMEDIATE").await?;
    query(
        "UPDATE beside.projection_positions AS b SET epoch = a.epoch + 1 FROM main.projection_positions AS a \
         WHERE a.aggregate = b.aggregate AND a.partition = b.partition",
    )
    .execute(&mut *transaction)
    .await?;
    for table in TABLES {
        for statement in
            [format!("DELETE FROM main.{table}"), format!("INSERT INTO main.{table} SELECT * FROM beside.{table}")]
        {
            query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// With what SQLite keeps beside it.
fn remove(file: &Path) -> Result<(), Error> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::Refused(error.into())),
            _ => {}
        }
    }
    Ok(())
}
