//! What is as the log says is found to be.

use billing_engine::projection::audit::Table;
use serde_json::json;

use crate::stage::{Stage, Store};
use crate::tale;

fn is_clean(store: Store, test: &str) {
    for number in 0..3 {
        let stage = Stage::projected(store, test, &tale::under_way(number));
        let finding = stage.verify(&[]);
        finding.assert_ok();
        let rows: i64 = Table::ALL.iter().map(|table| count(&stage, table.name())).sum();
        assert_eq!(finding.report["checked"], json!(rows));
    }
}

fn count(stage: &Stage, table: &str) -> i64 {
    let counted = stage.ask(&format!("SELECT CAST(count(*) AS text), '', '' FROM {table}"));
    counted[0].0.parse().unwrap()
}

#[test]
fn a_store_that_holds_what_the_log_says_is_found_right_on_sqlite() {
    is_clean(Store::Sqlite, "clean-sqlite");
}

#[test]
fn a_store_that_holds_what_the_log_says_is_found_right_on_postgresql() {
    is_clean(Store::Postgres, "clean-postgres");
}

/// Finding two nulls alike proves little.
#[test]
fn the_stories_fill_every_column() {
    let stage = Stage::projected(Store::Sqlite, "columns", &tale::under_way(0));
    for table in Table::ALL {
        for column in table.columns() {
            let filled = format!("{} WHERE \"{}\" IS NOT NULL", table.name(), column.name);
            assert!(count(&stage, &filled) > 0, "{filled}");
        }
    }
}

#[test]
fn an_empty_log_and_an_empty_store_are_alike() {
    let world = crate::world::World::new(crate::tale::rules());
    let stage = Stage::projected(Store::Sqlite, "empty", &world);
    let finding = stage.verify(&["--drained"]);
    assert_eq!(
        (finding.code, finding.report),
        (0, json!({"ok": true, "checked": 0, "differences": [], "currencies": {}}))
    );
}

#[test]
fn people_are_told_in_words_and_shown_the_money() {
    let stage = Stage::projected(Store::Sqlite, "words", &tale::under_way(0));
    let text = stage.verify_raw(&[], &[]).expect_success();
    assert!(text.contains("rows are what the log says"), "{text}");
    for word in
        ["CURRENCY", "BALANCES", "DIRECT CREDITS", "DIRECT DEBITS", "IN FLIGHT", "KWD", "123456789012345678.499"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    stage.by_hand(&["UPDATE accounts SET status = 'SLEEPING' WHERE account_id = 'everything'"]);
    let finished = stage.verify_raw(&[], &[]);
    let line = finished.output.lines().find(|line| line.contains("SLEEPING")).expect(&finished.output);
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((finished.code, words), (1, vec!["account", "everything", "status", "ACTIVE", "SLEEPING"]));
}
