//! Whatever stands in the store and is not as the log says is named, and nothing else.
//!
//! Which columns there are the database itself is asked: a new one fails here until it is compared, or is listed as not
//! compared, with the reason.

use std::collections::BTreeSet;

use billing_engine::projection::audit::Table;

use crate::stage::{Stage, Store};
use crate::tale;

/// What is not compared with the log, and why.
const NOT_COMPARED: &[(&str, &str)] = &[
    ("_sqlx_migrations", "says how the tables were made, not what is in them"),
    ("projection_identity", "another log's rows are refused as a whole"),
    ("projection_positions", "says where the comparison ends; who writes and since when does not follow from events"),
];

/// Tables, columns and types, as the database has them.
fn catalog(stage: &Stage) -> Vec<(String, String, String)> {
    stage.ask(match stage.store {
        Store::Postgres => {
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        }
        Store::Sqlite => {
            "SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' ORDER BY t.name, c.cid"
        }
    })
}

fn table_of(name: &str) -> Option<Table> {
    Table::ALL.into_iter().find(|table| table.name() == name)
}

/// Another value than the one that stands there.
fn other_value(store: Store, table: &str, column: &str, data_type: &str) -> String {
    match (store, table, column, data_type) {
        (_, "holds" | "refunds", "status", _) => "CASE status WHEN 'RELEASED' THEN 'PLACED' ELSE 'RELEASED' END"
            .replace("PLACED", if table == "holds" { "PLACED" } else { "SETTLED" }),
        (Store::Sqlite, _, "legs", _) => r#"json_set(legs, '$."9"', json('{}'))"#.to_owned(),
        (Store::Postgres, _, "legs", _) => r#"legs || '{"9": {}}'"#.to_owned(),
        (Store::Sqlite, _, "forced", _) => "1 - forced".to_owned(),
        (_, _, _, "boolean") => format!("NOT \"{column}\""),
        (_, _, _, "text" | "TEXT") => format!("coalesce(\"{column}\", '') || '1'"),
        (_, _, _, "timestamp with time zone") => {
            format!("coalesce(\"{column}\", timestamptz 'epoch') + interval '1 microsecond'")
        }
        // The next version may well be there.
        (_, "entries", "version", _) => "version + 1000".to_owned(),
        (_, _, _, "integer" | "bigint" | "smallint" | "numeric" | "INTEGER") => {
            format!("coalesce(\"{column}\", 0) + 1")
        }
        other => panic!("damage for {other:?}"),
    }
}

/// The first row of the table, in words of SQL.
fn one_row(table: Table) -> String {
    let keys: Vec<&str> = table.columns()[..table.key_columns()].iter().map(|column| column.name).collect();
    let keys = keys.join(", ");
    format!("({keys}) IN (SELECT {keys} FROM {} ORDER BY {keys} LIMIT 1)", table.name())
}

/// Does it to the table, asks what is found, and undoes it.
fn differences_after(stage: &Stage, table: Table, statement: &str) -> Vec<String> {
    let table = table.name();
    stage.by_hand(&[&format!("CREATE TABLE kept AS SELECT * FROM {table}")]);
    assert_eq!(stage.by_hand(&[statement]), 1, "{statement}");
    let differences = stage.verify(&[]).differences();
    let undo = [
        format!("DELETE FROM {table}"),
        format!("INSERT INTO {table} SELECT * FROM kept"),
        "DROP TABLE kept".to_owned(),
    ];
    stage.by_hand(&undo.each_ref().map(String::as_str));
    differences
}

fn every_column(store: Store, test: &str) {
    let stage = Stage::projected(store, test, &tale::drained(0));
    let columns = catalog(&stage);
    let tables: BTreeSet<&str> = columns.iter().map(|(table, ..)| table.as_str()).collect();
    for table in Table::ALL {
        assert!(tables.contains(table.name()), "{table:?} is in the catalog");
    }
    for (table_name, column, data_type) in &columns {
        let Some(table) = table_of(table_name) else {
            assert!(NOT_COMPARED.iter().any(|(table, _)| table == table_name), "{table_name} is compared");
            continue;
        };
        let value = other_value(store, table_name, column, data_type);
        let statement = format!("UPDATE {table_name} SET \"{column}\" = {value} WHERE {}", one_row(table));
        let found = differences_after(&stage, table, &statement);
        let fields: Vec<&str> = found.iter().filter_map(|difference| difference.split(' ').nth(2)).collect();
        let is_key = table.columns()[..table.key_columns()].iter().any(|key| key.name == column);
        // What is known by another name is missing under its own.
        let wanted = if is_key { vec!["row", "row"] } else { vec![column.as_str()] };
        assert_eq!(fields, wanted, "{statement}: {found:?}");
    }
    stage.verify(&[]).assert_ok();
}

#[test]
fn every_column_of_every_table_is_compared_on_sqlite() {
    every_column(Store::Sqlite, "damage-sqlite");
}

#[test]
fn every_column_of_every_table_is_compared_on_postgresql() {
    every_column(Store::Postgres, "damage-postgres");
}

#[test]
fn a_row_that_is_gone_is_missing_in_every_table() {
    let stage = Stage::projected(Store::Sqlite, "gone", &tale::drained(0));
    for table in Table::ALL {
        let statement = format!("DELETE FROM {} WHERE {}", table.name(), one_row(table));
        let found = differences_after(&stage, table, &statement);
        assert!(found.len() == 1 && found[0].ends_with(" row"), "{statement}: {found:?}");
    }
}

#[test]
fn a_posting_that_is_there_twice_is_one_too_many() {
    let stage = Stage::projected(Store::Sqlite, "twice", &tale::drained(0));
    let columns: Vec<&str> = Table::Entries.columns().iter().map(|column| column.name).collect();
    let again = columns.iter().map(|name| if *name == "version" { "version + 1000" } else { name });
    let statement = format!(
        "INSERT INTO entries ({}) SELECT {} FROM entries WHERE account_id = 'everything' AND version = 2",
        columns.join(", "),
        again.collect::<Vec<_>>().join(", ")
    );
    assert_eq!(differences_after(&stage, Table::Entries, &statement), ["entry everything/1002 row"]);
}

#[test]
fn what_is_expected_and_what_is_found_are_told() {
    let stage = Stage::projected(Store::Sqlite, "told", &tale::drained(0));
    stage.by_hand(&[
        "UPDATE entries SET amount = '0.002', reference = NULL WHERE account_id = 'everything' AND version = 3",
    ]);
    let finding = stage.verify(&[]);
    assert_eq!(
        finding.report["differences"],
        serde_json::json!([
            {"kind": "entry", "id": "everything/3", "field": "amount", "expected": "0.001", "found": "0.002"},
            {"kind": "entry", "id": "everything/3", "field": "reference", "expected": "a reference", "found": null},
        ])
    );
}

/// More than a handful, and all of them are named.
#[test]
fn all_rows_may_be_wrong_at_once() {
    let stage = Stage::projected(Store::Sqlite, "all", &tale::drained(0));
    let rows = stage.by_hand(&["UPDATE entries SET reason = reason || '!'"]);
    let found = stage.verify(&[]).differences();
    assert_eq!(
        (found.len() as u64, found.iter().filter(|told| told.ends_with(" reason")).count()),
        (rows, found.len())
    );
    assert!(rows > 30, "{rows}");
}
