//! A read store of a test, and what its tables hold, asked by a plain client.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use billing_engine::projection::{self, Origin, ReadStore};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlitePool};

use crate::expected::{Row, Tables};
use crate::support::scratch;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Amount,
    Time,
    Flag,
    Object,
}
use Kind::{Amount, Flag, Number, Object, Text, Time};

/// A table, how many columns its key has, and all columns, the key's first.
type Table = (&'static str, usize, &'static [(&'static str, Kind)]);

const TABLES: &[Table] = &[
    ("currencies", 1, &[("code", Text), ("decimals", Number)]),
    (
        "accounts",
        1,
        &[
            ("account_id", Text),
            ("version", Number),
            ("owner_id", Text),
            ("owner_type", Text),
            ("account_type", Text),
            ("currency", Text),
            ("status", Text),
            ("balance", Amount),
            ("held", Amount),
            ("min_balance", Amount),
            ("max_balance", Amount),
            ("metadata", Text),
            ("partition", Number),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    ),
    (
        "entries",
        2,
        &[
            ("account_id", Text),
            ("version", Number),
            ("partition", Number),
            ("change_type", Text),
            ("amount", Amount),
            ("balance_before", Amount),
            ("balance_after", Amount),
            ("currency", Text),
            ("reason", Text),
            ("reference", Text),
            ("transaction_id", Text),
            ("leg", Number),
            ("forced", Flag),
            ("metadata", Text),
            ("at", Time),
            ("correlation_id", Text),
            ("causation_id", Text),
        ],
    ),
    (
        "holds",
        2,
        &[
            ("account_id", Text),
            ("hold_id", Text),
            ("partition", Number),
            ("amount", Amount),
            ("currency", Text),
            ("expires_at", Time),
            ("transaction_id", Text),
            ("status", Text),
            ("captured_amount", Amount),
            ("release_reason", Text),
            ("placed_at", Time),
            ("ended_at", Time),
        ],
    ),
    (
        "transactions",
        1,
        &[
            ("transaction_id", Text),
            ("version", Number),
            ("type", Text),
            ("status", Text),
            ("amount", Amount),
            ("currency", Text),
            ("request", Text),
            ("parent_id", Text),
            ("legs", Object),
            ("captured_amount", Amount),
            ("refunded_amount", Amount),
            ("hold_expires_at", Time),
            ("error_code", Text),
            ("reason", Text),
            ("partition", Number),
            ("requested_at", Time),
            ("updated_at", Time),
            ("ended_at", Time),
        ],
    ),
    (
        "transaction_accounts",
        2,
        &[("transaction_id", Text), ("account_id", Text), ("partition", Number), ("requested_at", Time)],
    ),
    (
        "refunds",
        2,
        &[("transaction_id", Text), ("refund_id", Text), ("partition", Number), ("amount", Amount), ("status", Text)],
    ),
];

/// A database with nothing in it, not even tables.
pub struct Database {
    pub url: String,
    client: Client,
}

enum Client {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

pub fn origin() -> Origin {
    Origin { cluster_id: "here".into(), prefix: "billing-engine".into(), partitions: 3 }
}

/// The address of a new file.
pub fn sqlite(test: &str) -> String {
    let file = scratch::directory().join(format!("{test}-{:08x}.db", rand::random::<u32>()));
    format!("sqlite:{}", file.display())
}

impl Database {
    /// What is at that address; wants a runtime around it.
    pub fn at(url: String) -> Database {
        let client = match url.strip_prefix("sqlite:") {
            Some(file) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(Path::new(file));
                Client::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options))
            }
            None => Client::Postgres(PgPoolOptions::new().max_connections(4).connect_lazy(&url).unwrap()),
        };
        Database { url, client }
    }

    /// The engine's own store there.
    pub async fn store(&self) -> Arc<dyn ReadStore> {
        let store = projection::open(&self.url, 3).unwrap();
        store.prepare(&origin()).await.unwrap();
        store
    }

    /// Does something to the rows by hand; answers how many it was done to.
    pub async fn by_hand(&self, statement: &str) -> u64 {
        let statement = AssertSqlSafe(statement.to_owned());
        match &self.client {
            Client::Postgres(pool) => sqlx::query(statement).execute(pool).await.unwrap().rows_affected(),
            Client::Sqlite(pool) => sqlx::query(statement).execute(pool).await.unwrap().rows_affected(),
        }
    }

    /// A number that a query answers.
    pub async fn number(&self, query: &str) -> i64 {
        self.try_number(query).await.unwrap()
    }

    /// The same, of a database that may not be there.
    pub async fn try_number(&self, query: &str) -> Result<i64, sqlx::Error> {
        let query = AssertSqlSafe(query.to_owned());
        match &self.client {
            Client::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
            Client::Sqlite(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
        }
    }

    /// Everything the tables hold; tables without a row are left out.
    pub async fn tables(&self) -> Tables {
        let mut tables = Tables::new();
        for (table, keys, columns) in TABLES {
            let mut rows = BTreeMap::new();
            for cells in self.cells(table, columns).await {
                let row: Row =
                    columns.iter().zip(cells).map(|((name, kind), cell)| (*name, shown(*kind, cell))).collect();
                let key = columns[..*keys].iter().map(|(name, kind)| {
                    let text = row[name].clone().unwrap();
                    if *kind == Number { format!("{text:0>10}") } else { text }
                });
                rows.insert(key.collect::<Vec<_>>(), row);
            }
            if !rows.is_empty() {
                tables.insert(*table, rows);
            }
        }
        tables
    }

    async fn cells(&self, table: &str, columns: &[(&str, Kind)]) -> Vec<Vec<Option<String>>> {
        match &self.client {
            Client::Postgres(pool) => {
                let cast = |(name, kind): &(&str, Kind)| match kind {
                    Time => format!("(extract(epoch FROM {name}) * 1000)::numeric(20, 0)::text"),
                    Flag => format!("{name}::integer::text"),
                    _ => format!("{name}::text"),
                };
                let query = select(table, columns.iter().map(cast).collect());
                let rows = sqlx::query(query).fetch_all(pool).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|cell| row.get(cell)).collect()).collect()
            }
            Client::Sqlite(pool) => {
                let query = select(table, columns.iter().map(|(name, _)| format!("CAST({name} AS TEXT)")).collect());
                let rows = sqlx::query(query).fetch_all(pool).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|cell| row.get(cell)).collect()).collect()
            }
        }
    }
}

fn select(table: &str, columns: Vec<String>) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("SELECT {} FROM {table}", columns.join(", ")))
}

/// Objects look alike however their fields are ordered.
fn shown(kind: Kind, cell: Option<String>) -> Option<String> {
    if kind != Object {
        return cell;
    }
    cell.map(|text| ordered(serde_json::from_str(&text).unwrap()).to_string())
}

pub fn ordered(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<String, Value> =
                members.into_iter().map(|(key, value)| (key, ordered(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        other => other,
    }
}

/// Fails with the first rows that differ.
pub fn assert_same(found: &Tables, wanted: &Tables, when: &str) {
    if found == wanted {
        return;
    }
    let mut told = Vec::new();
    for (table, ..) in TABLES {
        let none = BTreeMap::new();
        let (found, wanted) = (found.get(table).unwrap_or(&none), wanted.get(table).unwrap_or(&none));
        for key in found.keys().chain(wanted.keys()).collect::<std::collections::BTreeSet<_>>() {
            match (found.get(key), wanted.get(key)) {
                (Some(one), Some(other)) if one == other => {}
                (Some(one), Some(other)) => {
                    let cells = other.iter().filter(|(name, cell)| one.get(*name) != Some(cell));
                    told.extend(
                        cells.map(|(name, cell)| format!("{table} {key:?} {name}: {:?}, not {cell:?}", one.get(name))),
                    );
                }
                (Some(_), None) => told.push(format!("{table} {key:?} should not be there")),
                (None, _) => told.push(format!("{table} {key:?} is missing")),
            }
        }
    }
    let count = told.len();
    told.truncate(20);
    panic!("{when}: {count} differences\n{}", told.join("\n"));
}
