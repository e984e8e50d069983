//! Plain `COPY` of the same rows, as text, on one connection, into tables with as many columns and indexes.
//!
//! `COPY` cannot change a row. So every image of an account that the store has written is copied as a row of its own,
//! and its table has the version in its key. Steps are copied in turns with the store's own, so that both see the same
//! machine; in the end all of it is copied once more, with one statement a table.

use std::time::{Duration, Instant};

use billing_engine::projection::Batch;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Tables that are filled a step at a time, and at once.
const SETS: [&str; 2] = ["by_step", "at_once"];

/// What was copied, and how long it took.
#[derive(Default)]
pub struct Copied {
    /// Rows.
    pub rows: usize,
    /// In the store's steps, each committed.
    pub by_step: Duration,
    /// With one statement a table, committed together.
    pub at_once: Duration,
}

/// Copies what a store writes into PostgreSQL.
pub struct Copying {
    url: String,
    /// There from the first step on, when the store has its tables.
    connection: Option<PgConnection>,
    copied: Copied,
}

impl Copying {
    /// Of the rows of the store at `url`, in the same database.
    pub fn of(url: &str) -> Copying {
        Copying { url: url.to_owned(), connection: None, copied: Copied::default() }
    }

    /// Copies the rows of a step that was written.
    pub async fn copy(&mut self, batch: &Batch) {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.url).await);
        }
        let connection = self.connection.as_mut().unwrap();
        let accounts = read(connection, &images(batch)).await;
        let entries = read(connection, &postings(batch)).await;
        let began = Instant::now();
        self.copied.rows += write(connection, SETS[0], &accounts, &entries).await;
        self.copied.by_step += began.elapsed();
    }

    /// Copies all of it once more.
    pub async fn finish(self) -> Copied {
        let (mut connection, mut copied) = (self.connection.expect("there were steps"), self.copied);
        let all = |table: &str| format!("{}_{table}", SETS[0]);
        let accounts = read(&mut connection, &all("accounts")).await;
        let entries = read(&mut connection, &all("entries")).await;
        let began = Instant::now();
        let rows = write(&mut connection, SETS[1], &accounts, &entries).await;
        copied.at_once = began.elapsed();
        assert_eq!(rows, copied.rows, "the same rows");
        copied
    }
}

/// A connection, and the tables to copy into.
async fn connect(url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.unwrap();
    for set in SETS {
        let tables = format!(
            "CREATE TABLE {set}_accounts (LIKE accounts INCLUDING ALL) WITH (fillfactor = 80); \
             ALTER TABLE {set}_accounts DROP CONSTRAINT {set}_accounts_pkey, ADD PRIMARY KEY (account_id, version); \
             CREATE TABLE {set}_entries (LIKE entries INCLUDING ALL)"
        );
        sqlx::raw_sql(AssertSqlSafe(tables)).execute(&mut connection).await.unwrap();
    }
    connection
}

/// The accounts of a step as they stand behind it.
fn images(batch: &Batch) -> String {
    let ids = batch.changes.accounts.keys().map(|id| id.as_str());
    format!("(SELECT * FROM accounts WHERE account_id = ANY('{{{}}}') ORDER BY account_id)", joined(ids))
}

/// The entries of a step.
fn postings(batch: &Batch) -> String {
    let keys = batch.changes.entries.keys();
    let ids = joined(keys.clone().map(|(id, _)| id.as_str()));
    let versions = joined(keys.map(|(_, version)| version.0.to_string()));
    format!(
        "(SELECT entries.* FROM entries JOIN unnest('{{{ids}}}'::text[], '{{{versions}}}'::bigint[]) AS step \
         (account_id, version) USING (account_id, version) ORDER BY account_id, version)"
    )
}

/// The inside of an array; no id needs quotes there.
fn joined(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(if text.is_empty() { "" } else { "," });
        text.push_str(item.as_ref());
    }
    text
}

/// Rows of a table or a query, as `COPY` wants them back.
async fn read(connection: &mut PgConnection, rows: &str) -> Vec<u8> {
    let mut lines = connection.copy_out_raw(&format!("COPY {rows} TO STDOUT")).await.unwrap();
    let mut text = Vec::new();
    while let Some(part) = lines.try_next().await.unwrap() {
        text.extend_from_slice(&part);
    }
    text
}

/// Copies rows into a set of tables and commits them; answers how many they are.
async fn write(connection: &mut PgConnection, set: &str, accounts: &[u8], entries: &[u8]) -> usize {
    let mut transaction = connection.begin().await.unwrap();
    let mut rows = 0;
    for (table, text) in [("accounts", accounts), ("entries", entries)] {
        let mut copy = transaction.copy_in_raw(&format!("COPY {set}_{table} FROM STDIN")).await.unwrap();
        copy.send(text).await.unwrap();
        rows += copy.finish().await.unwrap();
    }
    transaction.commit().await.unwrap();
    usize::try_from(rows).unwrap()
}
