//! The listener as those meet it who ask: over a socket, above a real read store and a real log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod balances;
mod contract;
mod paging;
mod parameters;
mod probes;
mod reading_back;
mod resuming;
mod schema;
mod server;
mod stalling;
mod stores;
mod streaming;
mod tokens;
mod transactions;
mod unavailable;
mod waiting;

#[path = "../support/mod.rs"]
mod support;
