//! `send` onto an embedded log: what lands where, and what is said about lines that are no commands.

use std::collections::BTreeSet;

use billing_engine::engine::{ACCOUNTS, TRANSACTIONS};
use billing_engine::log::Topic;
use billing_engine::log::embedded::Embedded;
use billing_engine::partition::placement::partition_of;

use super::*;

const PARTITIONS: u32 = 3;

/// Partition, key and value of every record of a topic.
#[tokio::main(flavor = "current_thread")]
async fn records(log: &str, topic: Topic) -> Vec<(u32, Option<String>, String)> {
    let log = Embedded::open(log.as_ref(), PARTITIONS).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        let client = log.client();
        let bounds = client.bounds(topic, partition).await.unwrap();
        let mut chunks = client.read(topic, partition, bounds);
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk.unwrap();
            found.extend(chunk.iter().map(|record| (partition, record.key.map(text), text(record.value.unwrap()))));
        }
    }
    found
}

fn command(command_type: &str, aggregate_id: &str) -> String {
    json!({ "commandType": command_type, "commandId": "c-1", "aggregateId": aggregate_id, "data": {} }).to_string()
}

#[test]
fn commands_go_to_accounts_and_transactions_by_their_type_each_to_the_partition_of_its_aggregate() {
    let desk = Desk::new();
    let log = desk.path().join("log").to_str().unwrap().to_owned();
    let of_accounts = ["CreateAccount", "Credit", "Debit", "ChangeAccountStatus", "ChangeAccountLimits", "Fly"];
    let of_transactions = [
        "RequestTopup",
        "RequestWithdrawal",
        "RequestTransfer",
        "RequestPayment",
        "RequestRefund",
        "AuthorizePayment",
        "CapturePayment",
        "VoidPayment",
    ];
    let mut file = String::new();
    for (number, command_type) in of_accounts.iter().chain(&of_transactions).enumerate() {
        // One id for both kinds: they are told apart by what is asked.
        file += &format!("{}\n", command(command_type, &format!("id-{}", number % 4)));
    }
    let sent = desk.feed(&["send", "-", "--dir", &log, "--json"], &file).expect_success();
    assert_eq!(lines(&sent), [json!({ "sent": 14 })]);
    for (topic, types) in [(ACCOUNTS.commands, &of_accounts[..]), (TRANSACTIONS.commands, &of_transactions[..])] {
        let mut found = BTreeSet::new();
        for (partition, key, value) in records(&log, topic) {
            let value: Value = serde_json::from_str(&value).unwrap();
            let id = value["aggregateId"].as_str().unwrap();
            assert_eq!((key.as_deref(), partition), (Some(id), partition_of(id, PARTITIONS)), "{value}");
            found.insert(value["commandType"].as_str().unwrap().to_owned());
        }
        assert_eq!(found, types.iter().map(|name| (*name).to_owned()).collect(), "{topic:?}");
    }
}

#[test]
fn a_line_that_nobody_can_read_is_told_with_its_number_and_stops_no_other() {
    let desk = Desk::new();
    let log = desk.path().join("log").to_str().unwrap().to_owned();
    let good = command("Credit", "acc-1");
    let file = format!("{good}\n\nnot json\n{{\"commandType\":\"Credit\"}}\n{good}\n");
    let program = desk.feed(&["send", "-", "--dir", &log, "--json"], &file);
    assert_eq!((program.code, program.errors.as_str()), (1, ""));
    let fault =
        |line, message| json!({ "line": line, "sent": true, "error": { "code": "UNREADABLE", "message": message } });
    let told = [
        fault(3, "expected ident, at character 2"),
        fault(4, "missing field `aggregateId`, at character 24"),
        json!({ "sent": 4 }),
    ];
    assert_eq!(lines(&program.output), told);
    let values = records(&log, ACCOUNTS.commands);
    assert_eq!(values.iter().filter(|(.., value)| *value == good).count(), 2);
    assert!(values.contains(&(0, None, "not json".to_owned())), "the engine puts it aside and says why: {values:?}");

    let people = desk.feed(&["send", "-", "--dir", &log], &file);
    assert_eq!(people.code, 1);
    assert!(people.output.contains("line 3: sent, and will be a dead letter: expected ident"), "{}", people.output);
    assert!(people.output.ends_with("sent 4 commands\n"), "{}", people.output);
}

#[test]
fn a_line_that_no_topic_takes_is_left_out_and_told_with_its_number() {
    let desk = Desk::new();
    let log = desk.path().join("log").to_str().unwrap().to_owned();
    let good = command("RequestTransfer", "t-1");
    let file = desk.file("commands.jsonl", &format!("{good}\n{}\n{good}\n", "x".repeat((16 << 20) + 1)));
    let program = desk.run(&["send", &file, "--dir", &log, "--json"]);
    assert_eq!((program.code, program.errors.as_str()), (1, ""));
    let fault = json!({ "code": "NOT_SENT", "message": "longer than any topic takes" });
    let told = [json!({ "line": 2, "sent": false, "error": fault }), json!({ "sent": 2 })];
    assert_eq!(lines(&program.output), told);
    assert_eq!((records(&log, TRANSACTIONS.commands).len(), records(&log, ACCOUNTS.commands).len()), (2, 0));
    let people = desk.run(&["send", &file, "--dir", &log]);
    assert_eq!(people.output, "line 2: not sent: longer than any topic takes\nsent 2 commands\n");
}
