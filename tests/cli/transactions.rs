//! `transaction show | list` and what transactions leave on accounts, on a log that the test has written.

use super::stage::{Stage, payment, refund, transfer};
use super::*;

/// Whose event it is and which, one after the other.
pub fn steps(story: &Value) -> Vec<String> {
    let step = |event: &Value| {
        let [whose, what] = ["aggregateId", "eventType"].map(|name| event[name].as_str().unwrap());
        format!("{whose} {what}")
    };
    story["events"].as_array().unwrap().iter().map(step).collect()
}

fn legs(story: &Value) -> Vec<String> {
    let leg = |leg: &Value| {
        let words = ["accountId", "changeType", "amount", "newBalance"].map(|name| leg[name].as_str().unwrap());
        format!("{} {} {}", leg["leg"], words.join(" "), leg["reversed"])
    };
    story["legs"].as_array().unwrap().iter().map(leg).collect()
}

#[test]
fn the_story_of_a_transfer_is_told_across_its_accounts_within_one_millisecond() {
    let mut stage = Stage::new();
    stage.town.run("t-0", "RequestTransfer", transfer("3.00"));
    stage.town.run("t-1", "RequestTransfer", transfer("7.00"));
    let story = stage.show("t-1");
    assert_eq!(
        steps(&story),
        [
            "t-1 TransferRequested",
            "ann BalanceChanged",
            "t-1 LegPosted",
            "bob BalanceChanged",
            "t-1 LegPosted",
            "t-1 TransferCompleted"
        ]
    );
    let leg = |leg, account, change, balance| {
        json!({
            "leg": leg, "accountId": account, "changeType": change, "amount": "7.00", "newBalance": balance,
            "reversed": false,
        })
    };
    let told = json!({
        "transactionId": "t-1", "type": "TRANSFER", "status": "COMPLETED", "version": 4, "events": story["events"],
        "legs": [leg(1, "ann", "DEBIT", "90.00"), leg(2, "bob", "CREDIT", "15.00")],
    });
    assert_eq!(story, told);
    assert!(story["events"].as_array().unwrap().iter().all(|event| event["data"].is_object()));

    let people = stage.call("transaction show t-1").expect_success();
    for essential in ["TRANSFER", "COMPLETED", "7.00 USD from ann to bob", "-7.00 USD, balance 90.00: Transfer, leg 1"]
    {
        assert!(people.contains(essential), "{essential} is missing:\n{people}");
    }
    assert!(!people.contains("t-0"), "another transaction is none of it:\n{people}");
}

#[test]
fn the_story_of_a_transaction_that_is_under_way_ends_where_it_is() {
    let mut stage = Stage::new();
    stage.town.ask("t-1", "RequestTransfer", transfer("7.00"));
    assert_eq!(steps(&stage.show("t-1")), ["t-1 TransferRequested"]);
    stage.town.deliver();
    let story = stage.show("t-1");
    assert_eq!((&story["status"], &story["version"]), (&json!("REQUESTED"), &json!(1)));
    assert_eq!(
        legs(&story),
        ["1 ann DEBIT 7.00 93.00 false"],
        "the account has posted it, the transaction has not heard"
    );
}

#[test]
fn what_was_undone_is_told_in_the_order_in_which_it_was() {
    let mut stage = Stage::new();
    stage.town.account("house", "ChangeAccountStatus", json!({ "status": "SUSPENDED", "reason": "audit" }));
    stage.town.run("p-1", "RequestPayment", payment("20.00"));
    let story = stage.show("p-1");
    assert_eq!(
        steps(&story),
        [
            "p-1 PaymentRequested",
            "ann BalanceChanged",
            "p-1 LegPosted",
            "shop BalanceChanged",
            "p-1 LegPosted",
            "shop BalanceChanged",
            "ann BalanceChanged",
            "p-1 TransactionCompensated"
        ]
    );
    assert_eq!(story["status"], "COMPENSATED");
    assert_eq!(legs(&story), ["1 ann DEBIT 20.00 80.00 true", "2 shop CREDIT 19.00 19.00 true"]);
    let people = stage.call("transaction show p-1").expect_success();
    for essential in ["undone", "ACCOUNT_INACTIVE", "undoes leg 2 of p-1", "-19.00 on shop, +20.00 on ann"] {
        assert!(people.contains(essential), "{essential} is missing:\n{people}");
    }
}

#[test]
fn a_closed_account_that_is_opened_to_take_money_back_is_part_of_the_story() {
    let mut stage = Stage::new();
    stage.town.ask("t-1", "RequestTransfer", transfer("100.00"));
    stage.town.deliver();
    stage.town.account("ann", "ChangeAccountStatus", json!({ "status": "CLOSED", "reason": "gone" }));
    stage.town.account("bob", "ChangeAccountStatus", json!({ "status": "SUSPENDED", "reason": "audit" }));
    while stage.town.deliver() {}
    let steps = steps(&stage.show("t-1"));
    assert_eq!(
        steps[3..],
        ["ann BalanceChanged", "ann AccountStatusChanged", "t-1 TransactionCompensated"],
        "closing it was none of the transaction's doing: {steps:?}"
    );
}

#[test]
fn a_refund_is_told_with_what_its_payment_says_about_it_and_nothing_of_other_refunds() {
    let mut stage = Stage::new();
    stage.town.run("p-1", "RequestPayment", payment("20.00"));
    stage.town.run("r-1", "RequestRefund", refund("p-1", "4.00"));
    stage.town.run("r-2", "RequestRefund", refund("p-1", "5.00"));
    let story = stage.show("r-2");
    assert_eq!(
        steps(&story),
        [
            "r-2 RefundRequested",
            "p-1 RefundReserved",
            "shop BalanceChanged",
            "r-2 LegPosted",
            "ann BalanceChanged",
            "r-2 LegPosted",
            "p-1 RefundSettled",
            "r-2 RefundCompleted"
        ]
    );
    assert_eq!(legs(&story), ["1 shop DEBIT 5.00 10.00 false", "2 ann CREDIT 5.00 89.00 false"]);
    let payment = steps(&stage.show("p-1"));
    assert_eq!(payment.iter().filter(|step| step.starts_with("p-1 Refund")).count(), 4, "{payment:?}");
    assert_eq!(payment.last().unwrap(), "p-1 RefundSettled");
}

#[test]
fn transactions_are_listed_oldest_first_by_what_is_asked_for() {
    let mut stage = Stage::new();
    for (id, command, data) in [
        ("t-2", "RequestTransfer", transfer("1.00")),
        ("p-1", "RequestPayment", payment("20.00")),
        ("r-1", "RequestRefund", refund("p-1", "4.00")),
        ("r-2", "RequestRefund", refund("nothing", "4.00")),
        ("t-1", "RequestTransfer", transfer("500.00")),
        (
            "w-1",
            "RequestWithdrawal",
            json!({ "accountId": "bob", "destinationAccountId": "bank", "amount": "1.00", "currency": "USD" }),
        ),
        ("a-1", "AuthorizePayment", payment("2.00")),
    ] {
        stage.town.now += 1;
        stage.town.run(id, command, data);
    }
    stage.town.now += 1;
    stage.town.ask("t-3", "RequestTransfer", transfer("2.00"));
    for (filter, found) in [
        ("", "t-2 p-1 r-1 r-2 t-1 w-1 a-1 t-3"),
        ("--account bank", "w-1"),
        ("--account shop", "p-1 r-1 a-1"),
        ("--account house", "p-1 a-1"),
        ("--account nobody", ""),
        ("--status FAILED", "r-2 t-1"),
        ("--status completed --account ann", "t-2 p-1 r-1"),
        ("--status REQUESTED", "t-3"),
        ("--status AUTHORIZED --type PAYMENT", "a-1"),
        ("--type refund", "r-1 r-2"),
        ("--type REFUND --account ann", "r-1"),
        ("--status VOIDED", ""),
    ] {
        assert_eq!(stage.list(filter), split(found), "{filter}");
    }
    let payment = stage.json("transaction list --type payment --status completed").remove(0);
    let listed = json!({
        "transactionId": "p-1", "type": "PAYMENT", "status": "COMPLETED", "version": 7, "currency": "USD",
        "requestedAt": "2025-12-09T12:00:00.002Z", "updatedAt": "2025-12-09T12:00:00.003Z",
    });
    assert_eq!(payment, listed, "refunds of it count");
    let failed = &stage.json("transaction list --status failed")[1];
    assert_eq!(failed["errorCode"], "INSUFFICIENT_BALANCE");
    let authorized = &stage.json("transaction list --status authorized")[0];
    assert_eq!(authorized["expiresAt"], "2025-12-16T12:00:00.007Z");
    let table = stage.call("transaction list").expect_success();
    assert!(table.lines().count() == 9 && table.contains("INSUFFICIENT_BALANCE"), "{table}");
}

#[test]
fn what_is_stuck_has_not_ended_and_waits_for_the_engine_for_too_long() {
    let mut stage = Stage::new();
    let now = jiff::Timestamp::now().as_millisecond();
    let minutes = |count: i64| count * 60_000;
    let at = |millis: i64| jiff::Timestamp::from_millisecond(millis).unwrap().to_string();
    let until = |millis: i64| {
        let mut data = payment("2.00");
        data["expiresAt"] = json!(at(millis));
        data
    };
    stage.town.now = now - minutes(60);
    stage.town.run("ended", "RequestTransfer", transfer("1.00"));
    stage.town.run("waits", "AuthorizePayment", until(now + minutes(60)));
    stage.town.run("just-past", "AuthorizePayment", until(now - minutes(2)));
    stage.town.run("long-past", "AuthorizePayment", until(now - minutes(20)));
    stage.town.ask("silent", "RequestTransfer", transfer("2.00"));
    stage.town.now = now - minutes(3);
    stage.town.ask("young", "RequestTransfer", transfer("2.00"));
    assert_eq!(stage.list("--stuck 10m"), ["long-past", "silent"]);
    assert_eq!(stage.list("--stuck 1m"), ["just-past", "long-past", "silent", "young"]);
    assert_eq!(stage.list("--stuck 1m --status REQUESTED"), ["silent", "young"]);
    assert_eq!(stage.list("--stuck 2h"), Vec::<String>::new());
}

#[test]
fn nothing_is_told_of_a_transaction_that_is_none() {
    let mut stage = Stage::new();
    for (words, code) in [
        ("transaction show t-1", "NOT_FOUND"),
        ("transaction show a/b", "INVALID_ID"),
        ("transaction list --account a/b", "INVALID_ID"),
    ] {
        let finished = stage.call(&format!("{words} --json"));
        assert_eq!((finished.code, told(&finished).0.as_str()), (1, code), "{words}");
    }
    let elsewhere = stage.desk.run(&["transaction", "list", "--dir", "nowhere", "--json"]);
    assert_eq!((elsewhere.code, told(&elsewhere).0.as_str()), (1, "NOT_FOUND"));
    assert!(!stage.desk.path().join("nowhere").exists(), "looking makes nothing");
}

#[test]
fn a_history_that_is_damaged_is_named_and_hides_no_other() {
    let mut stage = Stage::new();
    stage.town.ask("t-1", "RequestTransfer", transfer("1.00"));
    stage.town.ask("t-2", "RequestTransfer", transfer("1.00"));
    stage.town.damage("t-1");
    stage.town.damage("t-1");
    let listed = stage.call("transaction list --json");
    assert_eq!(listed.code, 1);
    let ids: Vec<_> = lines(&listed.output).iter().map(|row| row["transactionId"].clone()).collect();
    assert_eq!(ids, ["t-1", "t-2"]);
    let failure: Value = serde_json::from_str(&listed.errors).unwrap();
    let message = "event 9 of t-1 cannot be applied: version 9 follows version 1 (the first of 2 faults)";
    assert_eq!(failure["error"], json!({ "code": "UNREADABLE_EVENT", "message": message }));

    let shown = stage.call("transaction show t-1 --json");
    assert_eq!((shown.code, told(&shown).0.as_str()), (1, "UNREADABLE_EVENT"));
    stage.call("transaction show t-2").expect_success();
}
