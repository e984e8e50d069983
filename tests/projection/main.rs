//! The read side on a real PostgreSQL and on SQLite: what it holds is what the events say, whatever happens.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

mod apart;
mod database;
mod embedded;
mod events;
mod expected;
mod live;
mod sagas;
mod stage;
mod store;
mod strings;
#[path = "../support/mod.rs"]
mod support;
