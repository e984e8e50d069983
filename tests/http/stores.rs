//! Real read stores, filled by plain SQL: what the projection would have written.

use std::collections::BTreeMap;
use std::fmt::Write;

use billing_engine::queries::Queries;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tempfile::TempDir;

use crate::support::postgres::Postgres;

static POSTGRES_TABLES: Migrator = sqlx::migrate!("src/projection/migrations/postgres");
static SQLITE_TABLES: Migrator = sqlx::migrate!("src/projection/migrations/sqlite");

/// When the first thing happened: 2025-12-09T12:00:00.000Z.
pub const BEGIN: i64 = 1_765_281_600_000;

/// A store with its tables, and nothing in them but positions.
pub struct Store {
    pub name: &'static str,
    pub url: String,
    kind: Kind,
}

enum Kind {
    Postgres(PgPool),
    Sqlite(SqlitePool, #[expect(dead_code, reason = "the file lives as long as this")] TempDir),
}

impl Store {
    /// One of each.
    pub async fn both() -> [Store; 2] {
        [Store::sqlite().await, Store::postgres().await]
    }

    pub async fn sqlite() -> Store {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("reads.db").display());
        let options: SqliteConnectOptions = url.parse().unwrap();
        let options = options.create_if_missing(true).journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        SQLITE_TABLES.run(&pool).await.unwrap();
        Store { name: "sqlite", url, kind: Kind::Sqlite(pool, directory) }.begun().await
    }

    pub async fn postgres() -> Store {
        let url = tokio::task::spawn_blocking(|| Postgres::shared().database("http")).await.unwrap();
        let pool = PgPool::connect(&url).await.unwrap();
        POSTGRES_TABLES.run(&pool).await.unwrap();
        Store { name: "postgres", url, kind: Kind::Postgres(pool) }.begun().await
    }

    async fn begun(self) -> Store {
        let mut positions = String::new();
        for (aggregate, partition) in ["account", "transaction"].into_iter().flat_map(|a| (0..3).map(move |p| (a, p))) {
            let position = 100 + partition;
            let as_of = if partition == 2 { "NULL".to_owned() } else { self.at(BEGIN + partition) };
            writeln!(
                positions,
                "INSERT INTO projection_positions VALUES ('{aggregate}', {partition}, 1, {position}, {as_of});"
            )
            .unwrap();
        }
        self.run(&positions).await;
        self
    }

    pub fn queries(&self) -> Queries {
        Queries::open(&self.url).unwrap()
    }

    /// Runs statements that both understand.
    pub async fn run(&self, statements: &str) {
        let text = AssertSqlSafe(statements.to_owned());
        match &self.kind {
            Kind::Postgres(pool) => drop(sqlx::raw_sql(text).execute(pool).await.unwrap()),
            Kind::Sqlite(pool, _) => drop(sqlx::raw_sql(text).execute(pool).await.unwrap()),
        }
    }

    /// A time, in the words of this store.
    pub fn at(&self, millis: i64) -> String {
        match self.kind {
            Kind::Postgres(_) => format!("(TIMESTAMPTZ 'epoch' + CAST({millis} AS BIGINT) * INTERVAL '1 millisecond')"),
            Kind::Sqlite(..) => millis.to_string(),
        }
    }

    fn truth(&self, value: bool) -> &'static str {
        match (&self.kind, value) {
            (Kind::Postgres(_), true) => "true",
            (Kind::Postgres(_), false) => "false",
            (Kind::Sqlite(..), true) => "1",
            (Kind::Sqlite(..), false) => "0",
        }
    }

    /// Writes one row; `at` and `bool` values are marked by the caller through [`Value`].
    pub async fn insert(&self, table: &str, row: &Row) {
        self.run(&self.insertion(table, row)).await;
    }

    pub fn insertion(&self, table: &str, row: &Row) -> String {
        let columns: Vec<&str> = row.0.keys().copied().collect();
        let values: Vec<String> = row.0.values().map(|value| self.literal(value)).collect();
        format!("INSERT INTO {table} ({}) VALUES ({});\n", columns.join(", "), values.join(", "))
    }

    fn literal(&self, value: &Value) -> String {
        match value {
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Number(number) => number.to_string(),
            Value::At(millis) => self.at(*millis),
            Value::Bool(value) => self.truth(*value).to_owned(),
        }
    }
}

/// A value, whatever a store calls it.
#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    Number(i64),
    At(i64),
    Bool(bool),
}

/// Columns that are set.
#[derive(Clone, Default, Debug)]
pub struct Row(BTreeMap<&'static str, Value>);

impl Row {
    #[must_use]
    pub fn text(mut self, column: &'static str, value: impl Into<String>) -> Row {
        self.0.insert(column, Value::Text(value.into()));
        self
    }

    #[must_use]
    pub fn number(mut self, column: &'static str, value: i64) -> Row {
        self.0.insert(column, Value::Number(value));
        self
    }

    #[must_use]
    pub fn at(mut self, column: &'static str, millis: i64) -> Row {
        self.0.insert(column, Value::At(millis));
        self
    }

    #[must_use]
    pub fn truth(mut self, column: &'static str, value: bool) -> Row {
        self.0.insert(column, Value::Bool(value));
        self
    }
}

/// A user's account in dollars that was opened at [`BEGIN`].
pub fn account(id: &str, owner: &str) -> Row {
    Row::default()
        .text("account_id", id)
        .number("version", 1)
        .text("owner_id", owner)
        .text("owner_type", "customer")
        .text("account_type", "USER")
        .text("currency", "USD")
        .text("status", "ACTIVE")
        .text("balance", "0.00")
        .text("held", "0.00")
        .number("partition", 1)
        .at("created_at", BEGIN)
        .at("updated_at", BEGIN)
}

/// A credit of one dollar, `millis` after [`BEGIN`].
pub fn entry(account: &str, version: i64, millis: i64, balances: (&str, &str)) -> Row {
    Row::default()
        .text("account_id", account)
        .number("version", version)
        .number("partition", 1)
        .text("change_type", "CREDIT")
        .text("amount", "1.00")
        .text("balance_before", balances.0)
        .text("balance_after", balances.1)
        .text("currency", "USD")
        .text("reason", "Topup")
        .truth("forced", false)
        .at("at", BEGIN + millis)
        .text("correlation_id", "corr")
        .text("causation_id", "cause")
}

/// A hold of 30 dollars.
pub fn hold(account: &str, id: &str, expires_at: i64) -> Row {
    Row::default()
        .text("account_id", account)
        .text("hold_id", id)
        .number("partition", 1)
        .text("amount", "30.00")
        .text("currency", "USD")
        .at("expires_at", expires_at)
        .text("transaction_id", id)
        .text("status", "PLACED")
        .at("placed_at", BEGIN)
}

/// A transfer of five dollars that ended, requested `millis` after [`BEGIN`].
pub fn transfer(id: &str, millis: i64) -> Row {
    Row::default()
        .text("transaction_id", id)
        .number("version", 4)
        .text("type", "TRANSFER")
        .text("status", "COMPLETED")
        .text("amount", "5.00")
        .text("currency", "USD")
        .text("request", r#"{"sourceAccountId":"acc-1","destinationAccountId":"acc-2","amount":"5","currency":"USD"}"#)
        .text("legs", legs())
        .number("partition", 0)
        .at("requested_at", BEGIN + millis)
        .at("updated_at", BEGIN + millis + 7)
        .at("ended_at", BEGIN + millis + 7)
}

fn legs() -> String {
    let leg = |account: &str, change: &str, before: &str, after: &str| {
        format!(
            r#"{{"accountId":"{account}","changeType":"{change}","amount":"5.00","balanceBefore":"{before}","balanceAfter":"{after}","postedAt":"2025-12-09T12:00:00.003Z"}}"#
        )
    };
    let (first, second) = (leg("acc-1", "DEBIT", "100.00", "95.00"), leg("acc-2", "CREDIT", "0.00", "5.00"));
    format!(r#"{{"2":{second},"1":{first}}}"#)
}

/// That a transaction concerns an account.
pub fn concerns(transaction: &str, account: &str, millis: i64) -> Row {
    Row::default()
        .text("transaction_id", transaction)
        .text("account_id", account)
        .number("partition", 0)
        .at("requested_at", BEGIN + millis)
}
