//! Golden bytes: what was written yesterday still reads, and is still written so.
//!
//! Each file under `tests/fixtures` is one command, event, reply, dead letter, message or snapshot, and stands in one
//! table here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod dead_letters;
mod events;
mod letters;
mod messages;
mod record;
mod replies;
mod schema;
mod snapshots;
mod transaction_commands;
mod transaction_events;
mod transaction_snapshots;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn fixtures(kind: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", kind].iter().collect()
}

fn fixture(kind: &str, name: &str) -> Vec<u8> {
    let path = fixtures(kind).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_golden(kind: &str, name: &str, written: &record::Record) {
    let golden = String::from_utf8(fixture(kind, name)).unwrap();
    assert_eq!(written.to_string(), golden, "{kind}/{name}");
}

#[test]
fn every_fixture_stands_in_a_table() {
    let tables = [
        ("commands", [commands::names(), transaction_commands::names()].concat()),
        ("events", [events::names(), transaction_events::names()].concat()),
        ("replies", replies::names()),
        ("dead-letters", dead_letters::names()),
        ("messages", [messages::names(), letters::names()].concat()),
        ("snapshots", [snapshots::names(), transaction_snapshots::names()].concat()),
    ];
    for (kind, names) in tables {
        let files = fs::read_dir(fixtures(kind)).unwrap();
        let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, names.into_iter().map(str::to_owned).collect(), "{kind}");
    }
}
