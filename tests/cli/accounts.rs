//! What transactions leave on accounts: holds, and balances at any time.

use super::stage::{Stage, payment, transfer};
use super::transactions::steps;
use super::*;

#[test]
fn a_hold_counts_until_it_is_captured_released_or_past() {
    let mut stage = Stage::new();
    let until = "2100-01-01T00:00:00Z";
    let hold = |amount: &str| {
        let mut data = payment(amount);
        data["expiresAt"] = json!(until);
        data
    };
    stage.town.run("p-1", "AuthorizePayment", hold("30.00"));
    stage.town.run("p-2", "AuthorizePayment", hold("10.00"));
    let past = stage.town.now + 60_000;
    let mut short = payment("5.00");
    short["expiresAt"] = json!("2025-12-09T12:01:00Z");
    stage.town.run("p-3", "AuthorizePayment", short);

    let account = stage.json("account show ann").remove(0);
    let held = |id: &str, amount: &str| {
        json!({
            "holdId": id, "amount": amount, "currency": "USD", "expiresAt": "2100-01-01T00:00:00.000Z",
            "transactionId": id,
        })
    };
    assert_eq!((&account["balance"], &account["available"]), (&json!("100.00"), &json!("60.00")));
    assert_eq!(account["holds"], json!([held("p-1", "30.00"), held("p-2", "10.00")]), "that of p-3 is past");
    let people = stage.call("account show ann").expect_success();
    assert!(people.contains("30.00 USD for p-1 until 2100-01-01"), "{people}");

    stage.town.run("p-1", "CapturePayment", json!({ "amount": "25.00" }));
    stage.town.run("p-2", "VoidPayment", json!({ "reason": "out of stock" }));
    stage.town.now = past;
    stage.town.sweep();
    let account = stage.json("account show ann").remove(0);
    assert_eq!((&account["balance"], &account["available"]), (&json!("75.00"), &json!("75.00")));
    assert_eq!(account["holds"], json!([]));

    let captured = stage.show("p-1");
    assert_eq!(
        steps(&captured)[..7],
        [
            "p-1 AuthorizationRequested",
            "ann HoldPlaced",
            "p-1 PaymentAuthorized",
            "p-1 CaptureRequested",
            "ann HoldCaptured",
            "ann BalanceChanged",
            "ann HoldReleased"
        ]
    );
    let [voided, expired] = ["p-2", "p-3"].map(|id| steps(&stage.show(id))[3..].to_vec());
    assert_eq!(voided, ["p-2 VoidRequested", "ann HoldReleased", "p-2 PaymentVoided"]);
    assert_eq!(expired, ["ann HoldReleased", "p-3 PaymentExpired"]);
    let history = stage.call("account history ann").expect_success();
    for essential in [
        "30.00 USD set aside for p-1 until 2100-01-01T00:00:00.000Z",
        "25.00 of the hold of p-1 is taken",
        "5.00 of the hold of p-1 is free again: PARTIAL_CAPTURE",
        "10.00 of the hold of p-2 is free again: VOIDED",
        "5.00 of the hold of p-3 is free again: EXPIRED",
        "-25.00 USD, balance 75.00: Payment, leg 1 of p-1",
        "USER account in USD of o (customer)",
    ] {
        assert!(history.contains(essential), "{essential} is missing:\n{history}");
    }
}

#[test]
fn a_balance_is_that_of_the_last_event_that_is_not_later() {
    let mut stage = Stage::new();
    stage.town.now += 1_000;
    stage.town.run("t-1", "RequestTransfer", transfer("7.00"));
    stage.town.now += 1_000;
    stage.town.run("p-1", "AuthorizePayment", payment("10.00"));
    for (time, version, balance, available) in [
        ("2025-12-09T12:00:00Z", 2, "100.00", "100.00"),
        ("2025-12-09T13:00:00.999+01:00", 2, "100.00", "100.00"),
        ("2025-12-09T12:00:01Z", 3, "93.00", "93.00"),
        ("2025-12-09T12:00:02.000Z", 4, "93.00", "83.00"),
        ("2025-12-16T12:00:01.999Z", 4, "93.00", "83.00"),
        ("2025-12-16T12:00:02Z", 4, "93.00", "93.00"),
    ] {
        let told = stage.json(&format!("account balance ann --at {time}")).remove(0);
        let expected = [json!("ann"), json!(version), json!(balance), json!(available), json!("USD")];
        let names = ["accountId", "version", "balance", "available", "currency"];
        assert_eq!(names.map(|name| told[name].clone()), expected, "{time}");
    }
    assert_eq!(stage.call("account balance ann").expect_success(), "93.00 USD\n");
    let newest = stage.json("account balance ann").remove(0);
    assert_eq!((&newest["version"], &newest["timestamp"]), (&json!(4), &json!("2025-12-09T12:00:02.000Z")));

    let before = stage.call("account balance ann --at 2025-12-09T11:59:59.999Z --json");
    assert_eq!((before.code, told(&before).0.as_str()), (1, "NOT_FOUND"));
    let nobody = stage.call("account balance zoe --json");
    assert_eq!((nobody.code, told(&nobody).0.as_str()), (1, "NOT_FOUND"));
    for time in ["yesterday", "2025-12-09", "2025-12-09 12:00:00Z"] {
        let finished = stage.desk.run(&["account", "balance", "ann", "--dir", &stage.log, "--json", "--at", time]);
        assert_eq!((finished.code, told(&finished).0.as_str()), (2, "USAGE"), "{time}");
    }
}
