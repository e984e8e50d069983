//! The demo as a newcomer meets it: the binary, no set-up, one object at the end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::{Connection, SqliteConnection, query};

/// Runs the demo with these arguments; what it told, and whether it was content.
fn demo(arguments: &[&str]) -> (Value, bool) {
    let ended = billing_engine(&[&["demo", "--json"], arguments].concat(), None);
    let told = str::from_utf8(&ended.stderr).unwrap();
    let outcome = serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    (outcome, ended.status.success())
}

fn billing_engine(arguments: &[&str], read_store: Option<&Path>) -> Output {
    let url = read_store.map(|file| format!("sqlite:{}", file.display())).unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_billing-engine"));
    command.args(arguments).env("BILLING__READ_STORE__URL", url).output().unwrap()
}

/// The check of that name.
fn check<'a>(outcome: &'a Value, name: &str) -> &'a Value {
    let checks = outcome["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {outcome:#}"))
}

#[test]
fn every_actor_that_is_to_be_killed_dies_at_work_however_small_the_load() {
    let (outcome, content) = demo(&["--accounts", "50", "--commands", "400", "--kills", "30"]);
    assert!(content, "{outcome:#}");
    assert_eq!((&outcome["ok"], &outcome["kills"]), (&true.into(), &30.into()), "{outcome:#}");
}

#[test]
fn the_transfers_of_a_demo_all_end_some_moved_some_refused_and_some_put_back() {
    let (outcome, content) = demo(&["--accounts", "20", "--commands", "3000", "--kills", "5"]);
    assert!(content, "{outcome:#}");
    let count = |name: &str| outcome["transfers"][name].as_u64().expect(name);
    let (completed, failed, compensated) = (count("completed"), count("failed"), count("compensated"));
    assert!(completed > 0 && failed > 0 && compensated > 0, "{outcome:#}");
    let begun = completed + failed + compensated;
    let expected =
        format!("{begun} begun, {completed} moved money, {failed} failed, {compensated} put back what had moved");
    assert_eq!(check(&outcome, "every transfer has ended exactly once")["detail"], *expected);
}

#[test]
fn the_read_store_of_a_demo_is_compared_with_its_log_and_a_row_damaged_by_hand_is_told() {
    const CHECK: &str = "the read store holds what the log says";
    let scratch = tempfile::tempdir().unwrap();
    let (log, rows) = (scratch.path().join("log"), scratch.path().join("log/rows.sqlite"));
    let log = log.to_str().unwrap();
    let load = ["--dir", log, "--accounts", "10", "--commands", "200", "--kills", "0"];

    let (outcome, content) = demo(&load);
    let count = |of: &str, name: &str| outcome[of][name].as_u64().expect(name);
    let moved = count("transfers", "completed") + count("transfers", "compensated");
    let transfers = moved + count("transfers", "failed");
    // Every accepted command opens an account or posts once, but for transfers: two postings, or one and its reversal.
    let entries = count("commands", "accepted") - 10 - transfers + 2 * moved;
    let expected = format!("10 accounts, {entries} entries compared, 0 differ");
    assert_eq!((content, check(&outcome, CHECK)["detail"].as_str()), (true, Some(&*expected)), "{outcome:#}");
    let verified = billing_engine(&["verify", "--json", "--drained", "--dir", log], Some(&rows));
    assert!(verified.status.success(), "{verified:?}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let damaged = runtime.block_on(async {
        let mut store = SqliteConnection::connect(&format!("sqlite:{}", rows.display())).await.unwrap();
        let damage = query(
            "UPDATE entries SET amount = '0.07' WHERE account_id || version = \
            (SELECT min(account_id || version) FROM entries)",
        );
        damage.execute(&mut store).await.unwrap().rows_affected()
    });
    let (outcome, content) = demo(&load);
    let found = check(&outcome, CHECK);
    assert_eq!((damaged, content, &found["ok"]), (1, false, &false.into()), "{outcome:#}");
    let detail = found["detail"].as_str().unwrap();
    assert!(detail.starts_with("20 accounts") && detail.contains("1 differ, the first: "), "{detail}");
    assert!(detail.contains(" is 0.07, expected "), "{detail}");
}
