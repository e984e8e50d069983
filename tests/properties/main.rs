//! What holds for any command, any event and any sequence of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod commands;
mod events;
mod hashes;
mod json;
mod malformed;
mod malformed_fields;
mod sagas;
mod snapshots;
mod transaction_commands;
mod transaction_fields;

use billing_engine::domain::account::{Account, AccountCommand};
use billing_engine::wire::{Reason, Request, command};

/// Reads a command as the engine would, and shows what becomes of what is none.
fn read(value: &[u8]) -> Result<Request<AccountCommand>, Reason> {
    command::decode::<Account>(Some(value), 10 << 20).map_err(|unreadable| {
        assert!(unreadable.error.len() <= 400, "errors are short: {}", unreadable.error);
        assert!(!unreadable.error.contains(&"x".repeat(65)), "errors dump nothing: {}", unreadable.error);
        unreadable.reason
    })
}
