//! The demo as a newcomer meets it: the binary, no set-up, one object at the end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::Value;

#[test]
fn every_actor_that_is_to_be_killed_dies_at_work_however_small_the_load() {
    let arguments = ["demo", "--json", "--accounts", "50", "--commands", "400", "--kills", "30"];
    let ended = Command::new(env!("CARGO_BIN_EXE_billing-engine")).args(arguments).output().unwrap();
    let outcome: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(ended.status.success(), "{outcome:#}");
    assert_eq!((&outcome["ok"], &outcome["kills"]), (&true.into(), &30.into()), "{outcome:#}");
}
