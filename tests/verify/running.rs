//! Beside a running engine on a real Kafka, whose transactions leave offsets of no record.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::auditor::offsets::{Offsets, come_to_rest};
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::postgres::Postgres;
use crate::support::upstream::{self, Partitioner, Upstream};

/// Some thousand steps of an unoptimised build.
const LIMIT: Duration = Duration::from_secs(120);

const TRANSACTIONS: usize = 1_000;
const USERS: usize = 10;

/// What `verify` says when everything is right.
fn verified(setup: &Setup, words: &[&str]) -> Value {
    let text = setup.call(&[&["verify", "--json"], words].concat(), "").expect_success();
    serde_json::from_str(&text).expect(&text)
}

fn user(number: usize) -> String {
    format!("user-{}", number % USERS)
}

/// The bank, and users without money.
fn open_accounts(accounts: &Upstream) {
    let mut bank = upstream::create("bank");
    bank["data"]["accountType"] = json!("EXTERNAL");
    accounts.send(&bank);
    (0..USERS).for_each(|number| accounts.send(&upstream::create(&user(number))));
    accounts.flush();
}

/// Topups, transfers of more and of less than there is, holds that are captured and holds that stay.
fn transaction(number: usize) -> Value {
    let (one, other) = (user(number), user(number * 7 + 1));
    let amount = format!("{}.{:02}", number % 40 + 1, number % 100);
    let (kind, data) = match number % 4 {
        0 => ("RequestTopup", json!({ "accountId": one, "sourceAccountId": "bank" })),
        1 => ("RequestTransfer", json!({ "sourceAccountId": one, "destinationAccountId": other })),
        2 => ("AuthorizePayment", json!({ "customerAccountId": one, "merchantAccountId": other })),
        _ => ("CapturePayment", json!({})),
    };
    let mut command = json!({ "commandType": kind, "commandId": format!("do-{number}"), "data": data });
    // A capture is of the hold asked for just before.
    command["aggregateId"] = json!(format!("txn-{}", if number % 4 == 3 { number - 1 } else { number }));
    if number % 4 != 3 {
        command["data"]["amount"] = json!(amount);
        command["data"]["currency"] = json!("USD");
    }
    command
}

#[test]
fn the_store_of_an_engine_at_work_is_what_the_log_says_at_any_moment() {
    let kafka = Kafka::shared();
    let url = Postgres::shared().database("running");
    let setup = Setup::new(kafka, "running").with("BILLING__READ_STORE__URL", &url).with_topics();
    let upstream = |topic| Upstream::new(kafka, &setup.topic(topic), Partitioner::Murmur2);
    let (accounts, sagas) = (Offsets::new(kafka, setup.prefix()), Offsets::of_sagas(kafka, setup.prefix()));
    open_accounts(&upstream("account.commands"));
    let engine = setup.start();
    come_to_rest(&[&accounts, &sagas], LIMIT);

    let stream = Stream::start(upstream("account.commands"), Load::new(11, 20), 100);
    let transactions = upstream("transaction.commands");
    (0..TRANSACTIONS).for_each(|number| transactions.send(&transaction(number)));
    transactions.flush();
    let mut checked: Vec<u64> = (0..3).map(|_| verified(&setup, &[])["checked"].as_u64().unwrap()).collect();
    stream.stop();
    come_to_rest(&[&accounts, &sagas], LIMIT);
    let report = verified(&setup, &["--drained"]);
    assert_eq!(report["currencies"]["USD"]["inFlight"], "0.00");
    checked.push(report["checked"].as_u64().unwrap());
    assert!(checked.is_sorted() && checked.first() < checked.last(), "rows came in between: {checked:?}");
    engine.stop();

    // Whoever is stopped leaves nothing that is not right.
    assert_eq!(verified(&setup, &["--drained"]), report);
    let late = upstream("account.commands");
    late.send(&upstream::create("latecomer"));
    late.flush();
    let without = setup.clone().with("BILLING__READ_STORE__URL", "").start();
    come_to_rest(&[&accounts, &sagas], LIMIT);
    let finished = setup.call(&["verify", "--json", "--timeout", "2"], "");
    assert!(finished.code == 1 && finished.errors.contains("READ_STORE_BEHIND"), "{finished:?}");
    without.stop();
}
