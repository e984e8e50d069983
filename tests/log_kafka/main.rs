//! The seam to the log on a real broker.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

mod foreign;
mod membership;
mod reading;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod topics;
mod transactions;
