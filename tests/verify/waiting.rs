//! What cannot be verified, and why.

use billing_engine::partition::placement::partition_of;

use crate::stage::{PARTITIONS, Stage, Store};
use crate::tale;

#[test]
fn without_a_read_store_there_is_nothing_to_verify() {
    let stage = Stage::new(Store::Sqlite, "none", &tale::drained(0));
    let (code, name, message) = stage.refused(&[], &[("BILLING__READ_STORE__URL", "")]);
    assert_eq!((code, name.as_str()), (78, "BAD_CONFIGURATION"));
    assert!(message.contains("read_store.url"), "{message}");
}

fn behind(store: Store, test: &str) {
    let stage = Stage::projected(store, test, &tale::drained(0));
    let partition = partition_of("everything", PARTITIONS);
    let back = "UPDATE projection_positions SET position = position - 1";
    stage.by_hand(&[&format!("{back} WHERE aggregate = 'account' AND partition = {partition}")]);
    let (code, name, message) = stage.refused(&["--timeout", "1"], &[]);
    assert_eq!((code, name.as_str()), (1, "READ_STORE_BEHIND"), "{message}");
    assert!(message.contains(&format!("partition {partition} of account.events is written up to")), "{message}");
}

#[test]
fn a_store_that_stays_behind_is_told_apart_from_one_that_is_wrong_on_sqlite() {
    behind(Store::Sqlite, "behind-sqlite");
}

#[test]
fn a_store_that_stays_behind_is_told_apart_from_one_that_is_wrong_on_postgresql() {
    behind(Store::Postgres, "behind-postgres");
}

#[test]
fn a_store_that_is_ahead_of_the_log_is_another_logs() {
    let stage = Stage::projected(Store::Sqlite, "ahead", &tale::drained(0));
    stage.by_hand(&[
        "UPDATE projection_positions SET position = position + 1 WHERE aggregate = 'transaction' AND partition = 0",
    ]);
    let (code, name, message) = stage.refused(&[], &[]);
    assert_eq!((code, name.as_str()), (1, "READ_STORE_FOREIGN"), "{message}");
    assert!(message.contains("projection rebuild"), "{message}");
}

#[test]
fn rows_of_another_log_are_not_compared() {
    let stage = Stage::projected(Store::Sqlite, "foreign", &tale::drained(0));
    for column in ["cluster_id", "prefix"] {
        stage.by_hand(&[&format!("UPDATE projection_identity SET {column} = {column} || 'x'")]);
        let (code, _, message) = stage.refused(&[], &[]);
        assert_eq!(code, 78, "{message}");
        assert!(message.contains("the read store holds"), "{message}");
        stage.project();
    }
    stage.verify(&[]).assert_ok();
}

fn untouched(store: Store, test: &str) {
    let stage = Stage::new(store, test, &tale::drained(0));
    if store == Store::Sqlite {
        stage.create_empty();
    }
    let (code, name, message) = stage.refused(&[], &[]);
    assert_eq!((code, name.as_str()), (1, "READ_STORE_EMPTY"), "{message}");
}

#[test]
fn a_store_without_tables_is_told_apart_from_one_without_rows() {
    untouched(Store::Sqlite, "untouched-sqlite");
    untouched(Store::Postgres, "untouched-postgres");
}

#[test]
fn a_store_that_is_not_there_is_an_answer_and_not_made() {
    let stage = Stage::new(Store::Sqlite, "absent", &tale::drained(0));
    let (code, name, _) = stage.refused(&[], &[]);
    assert_eq!((code, name.as_str()), (1, "READ_STORE_UNAVAILABLE"));
    assert!(!std::path::Path::new(stage.url.strip_prefix("sqlite:").unwrap()).exists());
    let nobody = [("BILLING__READ_STORE__URL", "postgres://nobody@127.0.0.1:1/nothing")];
    let (code, name, _) = stage.refused(&["--timeout", "5"], &nobody);
    assert_eq!((code, name.as_str()), (1, "READ_STORE_UNAVAILABLE"));
}
