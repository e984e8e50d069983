//! The seam to the log on a real broker, named in `BILLING_TEST_KAFKA`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends where it stands")]

mod foreign;
mod membership;
mod reading;
mod stage;
mod topics;
mod transactions;
