//! Transactions as people run them: sent, waited for, and looked at.

use serde_json::{Value, json};

use crate::support::engine::Setup;
use crate::support::kafka::Kafka;

fn command(command_type: &str, command_id: &str, aggregate_id: &str, data: &Value) -> String {
    let command = json!({
        "commandType": command_type, "commandId": command_id, "aggregateId": aggregate_id, "data": data,
    });
    format!("{command}\n")
}

fn open(id: &str) -> String {
    let data = json!({ "ownerId": "o", "ownerType": "customer", "accountType": "USER", "currency": "USD" });
    command("CreateAccount", "open", id, &data)
}

#[test]
fn transactions_that_are_sent_and_waited_for_can_be_looked_at() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "stories").with_topics();
    let engine = setup.start();
    let start = json!({ "amount": "50.00", "currency": "USD", "reason": "Start" });
    let accounts = [open("ann"), open("bob"), command("Credit", "start", "ann", &start)].concat();
    setup.call(&["send", "-", "--wait"], &accounts).expect_success();
    let transfer = |amount: &str| json!({ "sourceAccountId": "ann", "destinationAccountId": "bob", "amount": amount, "currency": "USD" });
    let hold = json!({
        "customerAccountId": "ann", "merchantAccountId": "bob", "amount": "5.00", "currency": "USD",
    });
    let transactions = [
        command("RequestTransfer", "c-1", "t-1", &transfer("7.00")),
        command("RequestTransfer", "c-1", "t-2", &transfer("700.00")),
        command("RequestTransfer", "c-1", "t-1", &transfer("7.00")),
        command("AuthorizePayment", "c-1", "p-1", &hold),
        command("CapturePayment", "c-2", "p-2", &json!({})),
    ];
    let answers = setup.call(&["send", "-", "--wait", "--json"], &transactions.concat()).expect_success();
    let mut outcomes: Vec<_> = answers
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line))
        .map(|reply| format!("{} {}", reply["aggregateId"].as_str().unwrap(), reply["outcome"].as_str().unwrap()))
        .collect();
    outcomes.sort();
    let expected = [
        "p-1 ACCEPTED",
        "p-1 COMPLETED",
        "p-2 REJECTED",
        "t-1 ACCEPTED",
        "t-1 COMPLETED",
        "t-1 DUPLICATE",
        "t-2 ACCEPTED",
        "t-2 FAILED",
    ];
    assert_eq!(outcomes, expected);
    let json = |words: &[&str]| -> Vec<Value> {
        let output = setup.call(&[words, &["--json"]].concat(), "").expect_success();
        output.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    let story = json(&["transaction", "show", "t-1"]).remove(0);
    let steps: Vec<_> = story["events"].as_array().unwrap().iter().map(|event| &event["eventType"]).collect();
    let expected =
        ["TransferRequested", "BalanceChanged", "LegPosted", "BalanceChanged", "LegPosted", "TransferCompleted"];
    assert_eq!(steps, expected);
    println!("{}", setup.call(&["transaction", "show", "t-1"], "").expect_success());
    let ids = |words: &[&str]| -> Vec<Value> {
        let listed = json(&[&["transaction", "list"], words].concat());
        listed.into_iter().map(|row| row["transactionId"].clone()).collect()
    };
    assert_eq!(ids(&["--status", "FAILED"]), ["t-2"]);
    assert_eq!(ids(&["--stuck", "1ms"]), Vec::<Value>::new());
    let account = json(&["account", "show", "ann"]).remove(0);
    assert_eq!((&account["balance"], &account["available"]), (&json!("43.00"), &json!("38.00")));
    assert_eq!(account["holds"][0]["holdId"], "p-1");
    engine.stop();
}
