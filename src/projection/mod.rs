//! The read side: what the events say, as rows to be asked for.
//!
//! # The tables
//!
//! `migrations/` makes them, alike in both stores but for the types: PostgreSQL has `numeric` and `timestamptz`, SQLite
//! has text for amounts and whole milliseconds for times. Amounts keep the decimals of their currency in both.
//!
//! | Table | A row is |
//! |---|---|
//! | `projection_identity` | the log these rows come from; there is one |
//! | `projection_positions` | how far one partition of one event topic is written: `position` is the next offset, `as_of` the time of the last event applied |
//! | `currencies` | the decimals of a currency that accounts are kept in |
//! | `accounts` | an account as it stands; `held` is the sum of its holds that are `PLACED`, those too whose time is past |
//! | `entries` | a posting, with the balance before and after it |
//! | `holds` | money set aside: `PLACED`, then `CAPTURED` (a release reason tells that there was a rest) or `RELEASED` |
//! | `transactions` | a transaction as its events tell it; `legs` is an object of the posted legs by their number |
//! | `transaction_accounts` | that a transaction names an account, or has posted to it |
//! | `refunds` | what one refund takes of a payment: `RESERVED`, then `SETTLED` or `RELEASED` |
//!
//! A leg in `legs` is `{accountId, changeType, amount, balanceBefore, balanceAfter, postedAt}`, amounts as strings with all their
//! decimals. `request`, `metadata` are the text of the event. No status says that legs are being undone, because no
//! event does.

pub mod audit;
mod gathering;
mod gauges;
mod postgres;
mod projections;
mod projector;
mod read_store;
mod rebuild;
mod resume;
pub mod rows;
mod sqlite;
mod writer;

use std::sync::Arc;

pub use gathering::{Gathering, Pace, Unreadable};
pub use postgres::Postgres;
pub use projections::{GROUP, Plan, Projections, Watcher};
pub use read_store::{AGGREGATES, Answer, Batch, Claim, Error, Origin, Position, ReadStore, Standing, TOPICS};
pub use rebuild::{Error as RebuildError, Rebuild};
pub use sqlite::Sqlite;

/// The store at that address: `postgres://…` or `sqlite:…`. At most `writers` write at a time. It is not looked at yet.
///
/// # Errors
/// [`Error::Address`] for any other.
pub fn open(url: &str, writers: u32) -> Result<Arc<dyn ReadStore>, Error> {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(Postgres::open(url, writers)?)),
        Some(("sqlite", _)) => Ok(Arc::new(Sqlite::open(url)?)),
        // The address may carry a password.
        _ => Err(Error::Address("it begins neither with postgres:// nor with sqlite:".to_owned())),
    }
}
