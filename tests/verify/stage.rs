//! An embedded log, a read store, and `verify` between them.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use billing_engine::domain::Recorded;
use billing_engine::domain::account::Account;
use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::transaction::Transaction;
use billing_engine::log::Drafts;
use billing_engine::log::embedded::Embedded;
use billing_engine::partition::placement::partition_of;
use billing_engine::projection::TOPICS;
use billing_engine::wire::Wire;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, query, query_as};

use crate::events::Written;
use crate::support::postgres::{Postgres, block_on};
use crate::support::process::{Finished, Process};
use crate::support::scratch;
use crate::world::World;

pub const PARTITIONS: u32 = 3;

/// For anything here, on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(60);

/// Which read store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    Postgres,
    Sqlite,
}

pub struct Stage {
    directory: PathBuf,
    log: String,
    pub store: Store,
    pub url: String,
}

/// What `verify` has said.
#[derive(Debug)]
pub struct Finding {
    pub code: i32,
    pub report: Value,
}

impl Stage {
    /// A log with this history, and a store into which nothing was ever projected.
    pub fn new(store: Store, test: &str, world: &World) -> Stage {
        let directory = scratch::directory().join(format!("{test}-{:08x}", rand::random::<u32>()));
        std::fs::create_dir_all(&directory).unwrap();
        let log = directory.join("log").to_str().unwrap().to_owned();
        let url = match store {
            Store::Postgres => Postgres::shared().database(test),
            Store::Sqlite => format!("sqlite:{}", directory.join("rows.db").display()),
        };
        let stage = Stage { directory, log, store, url };
        stage.write_all(world);
        stage
    }

    /// The same, and everything is projected.
    pub fn projected(store: Store, test: &str, world: &World) -> Stage {
        let stage = Stage::new(store, test, world);
        stage.project();
        stage
    }

    fn write_all(&self, world: &World) {
        let mut drafts = Drafts::default();
        for (id, kept) in &world.accounts {
            kept.history.iter().for_each(|event| push::<Account>(&mut drafts, id, event));
        }
        for (id, kept) in &world.transactions {
            kept.history.iter().for_each(|event| push::<Transaction>(&mut drafts, id, event));
        }
        self.append(drafts);
    }

    /// Writes one more event, whoever may write it.
    pub fn forge<A: Wire>(&self, id: &AggregateId, event: &Recorded<A::Event>) {
        let mut drafts = Drafts::default();
        push::<A>(&mut drafts, id, event);
        self.append(drafts);
    }

    pub fn append(&self, drafts: Drafts) {
        block_on(async {
            let log = Embedded::open(self.log.as_ref(), PARTITIONS).unwrap();
            log.client().append(drafts).await.unwrap();
        });
    }

    /// The file of the store, with nothing in it.
    pub fn create_empty(&self) {
        std::fs::write(self.url.strip_prefix("sqlite:").unwrap(), "").unwrap();
    }

    /// Writes all rows.
    pub fn project(&self) {
        self.call(&["projection", "rebuild", "--dir", &self.log]).expect_success();
    }

    fn call(&self, words: &[&str]) -> Finished {
        self.call_with(words, &[])
    }

    fn call_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billing-engine"));
        for (inherited, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BILLING_")) {
            command.env_remove(inherited);
        }
        command.env("BILLING__DATA_DIR", self.directory.join("data")).env("BILLING__READ_STORE__URL", &self.url);
        command.args(words).envs(variables.iter().copied());
        Process::run("billing-engine", &command, "", &self.directory, LIMIT)
    }

    /// `verify` with these words, as a program hears it.
    pub fn verify(&self, words: &[&str]) -> Finding {
        let finished = self.verify_raw(&[&["--json"], words].concat(), &[]);
        assert_eq!(finished.errors, "", "{words:?}");
        let report = serde_json::from_str(&finished.output).expect(&finished.output);
        Finding { code: finished.code, report }
    }

    pub fn verify_raw(&self, words: &[&str], variables: &[(&str, &str)]) -> Finished {
        self.call_with(&[&["verify", "--dir", &self.log], words].concat(), variables)
    }

    /// The code of a failure, told to a program.
    pub fn refused(&self, words: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
        let finished = self.verify_raw(&[&["--json"], words].concat(), variables);
        assert_eq!(finished.output, "");
        let failure: Value = serde_json::from_str(&finished.errors).expect(&finished.errors);
        let text = |field: &str| failure["error"][field].as_str().unwrap().to_owned();
        (finished.code, text("code"), text("message"))
    }

    /// Does something to the rows by hand, once for every statement; answers to how many in all.
    pub fn by_hand(&self, statements: &[&str]) -> u64 {
        block_on(async {
            let mut rows = 0;
            for statement in statements {
                let safe = AssertSqlSafe((*statement).to_owned());
                rows += match self.store {
                    Store::Postgres => {
                        let mut connection = PgConnection::connect(&self.url).await.unwrap();
                        query(safe).execute(&mut connection).await.expect(statement).rows_affected()
                    }
                    Store::Sqlite => {
                        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                        query(safe).execute(&mut connection).await.expect(statement).rows_affected()
                    }
                };
            }
            rows
        })
    }

    /// Three columns of text.
    pub fn ask(&self, statement: &str) -> Vec<(String, String, String)> {
        let safe = AssertSqlSafe(statement.to_owned());
        block_on(async {
            match self.store {
                Store::Postgres => {
                    let mut connection = PgConnection::connect(&self.url).await.unwrap();
                    query_as(safe).fetch_all(&mut connection).await.expect(statement)
                }
                Store::Sqlite => {
                    let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                    query_as(safe).fetch_all(&mut connection).await.expect(statement)
                }
            }
        })
    }
}

fn push<A: Wire>(drafts: &mut Drafts, id: &AggregateId, event: &Recorded<A::Event>) {
    let [accounts, transactions] = TOPICS;
    let topic = if A::AGGREGATE == Account::AGGREGATE { accounts } else { transactions };
    let Written { value, headers } = Written::of::<A>(id, event);
    drafts.push(topic, partition_of(id.as_str(), PARTITIONS), None, |record| {
        record.key(id.as_str().as_bytes());
        record.value(&value);
        headers.iter().for_each(|(name, value)| record.header(name, value.as_deref()));
    });
}

impl Finding {
    /// Everything is as the log says.
    pub fn assert_ok(&self) {
        assert_eq!((self.code, &self.report["ok"]), (0, &Value::Bool(true)), "{:#}", self.report);
        assert_eq!(self.report["differences"], Value::Array(Vec::new()));
    }

    /// Each difference as `kind id field`, in order.
    pub fn differences(&self) -> Vec<String> {
        let told = self.report["differences"].as_array().unwrap();
        assert_eq!((self.code, self.report["ok"].as_bool()), (i32::from(!told.is_empty()), Some(told.is_empty())));
        let text = |difference: &Value, field: &str| difference[field].as_str().unwrap().to_owned();
        let words = |difference| ["kind", "id", "field"].map(|field| text(difference, field)).join(" ");
        told.iter().map(words).collect()
    }
}
