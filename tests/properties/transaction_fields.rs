//! Each field of each transaction command with each kind of bad value.

use billing_engine::wire::Reason;
use serde_json::{Value, json};

use crate::malformed_fields::{changed, kinds};
use crate::transaction_commands::read;

/// The verdicts of [`kinds`], a column each: `.` read, `m` malformed.
///
/// ```text
/// missing, null, "", 10 kB of x, 10 kB of 9, U+0000, half a pair, 5, 5.5, 1e400, 20 digits, -1, -0, true, [], {}, "ä b"
/// ```
const ID: &str = "mmmmmmmmmmmmmmmmm";
const AMOUNT: &str = "mmmm.mmmmmmmmmmmm";
const CURRENCY: &str = "mm...mmmmmmmmmmm.";
const OPTIONAL_AMOUNT: &str = "..mm.mmmmmmmmmmmm";
const OPTIONAL_TEXT: &str = "..mmmmmmmmmmmmmm.";
const OPTIONAL_TIME: &str = "..mmmmmmmmmmmmmmm";
const METADATA: &str = "..mmmmmmmmmmmmm.m";
const UNKNOWN: &str = ".mmmmmmmmmmmmmmmm";

fn check(command_type: &str, data: &Value, rows: &[(&str, &str)]) {
    let command = json!({ "commandType": command_type, "commandId": "c-1", "aggregateId": "t-1", "data": data });
    for (field, verdicts) in rows.iter().chain([&("unknown", UNKNOWN)]) {
        assert_eq!(kinds().len(), verdicts.len(), "{field}");
        for (kind, verdict) in kinds().iter().zip(verdicts.chars()) {
            let text = changed(&command, &format!("/data/{field}"), kind.as_ref());
            let shown: String = text.chars().take(300).collect();
            let expected = (verdict == 'm').then_some(Reason::Malformed);
            assert_eq!(read(text.as_bytes()).err(), expected, "{field}: {shown}");
        }
    }
    let fields: Vec<_> = data.as_object().unwrap().keys().collect();
    assert!(rows.iter().map(|(field, _)| field).eq(&fields), "every field has a row: {fields:?}");
}

#[test]
fn each_field_of_a_movement_takes_only_what_the_contract_allows() {
    for (command_type, one, other) in
        [("RequestTopup", "accountId", "sourceAccountId"), ("RequestWithdrawal", "accountId", "destinationAccountId")]
    {
        let data = json!({ one: "a", other: "b", "amount": "1", "currency": "USD", "metadata": {} });
        let rows = [(one, ID), (other, ID), ("amount", AMOUNT), ("currency", CURRENCY), ("metadata", METADATA)];
        check(command_type, &data, &rows);
    }
    let data = json!({ "sourceAccountId": "a", "destinationAccountId": "b", "amount": "1", "currency": "USD",
                       "reference": "r", "metadata": {} });
    let rows = [
        ("sourceAccountId", ID),
        ("destinationAccountId", ID),
        ("amount", AMOUNT),
        ("currency", CURRENCY),
        ("reference", OPTIONAL_TEXT),
        ("metadata", METADATA),
    ];
    check("RequestTransfer", &data, &rows);
}

const PAYMENT: [(&str, &str); 8] = [
    ("customerAccountId", ID),
    ("merchantAccountId", ID),
    ("amount", AMOUNT),
    ("currency", CURRENCY),
    ("feeAccountId", ID),
    ("feeAmount", AMOUNT),
    ("paymentMetadata", METADATA),
    ("metadata", METADATA),
];

fn payment() -> Value {
    json!({ "customerAccountId": "a", "merchantAccountId": "b", "amount": "9", "currency": "USD", "feeAccountId": "f",
            "feeAmount": "1", "paymentMetadata": {}, "metadata": {} })
}

#[test]
fn each_field_of_a_payment_takes_only_what_the_contract_allows() {
    check("RequestPayment", &payment(), &PAYMENT);
    let mut authorization = payment();
    authorization["expiresAt"] = json!("2025-12-16T12:00:00Z");
    check("AuthorizePayment", &authorization, &[&PAYMENT[..], &[("expiresAt", OPTIONAL_TIME)]].concat());
}

#[test]
fn each_field_of_what_follows_a_payment_takes_only_what_the_contract_allows() {
    let refund = json!({ "originalPaymentId": "p", "refundAmount": "1", "currency": "USD", "reason": "r",
                         "refundMetadata": {}, "metadata": {} });
    let rows = [
        ("originalPaymentId", ID),
        ("refundAmount", OPTIONAL_AMOUNT),
        ("currency", CURRENCY),
        ("reason", OPTIONAL_TEXT),
        ("refundMetadata", METADATA),
        ("metadata", METADATA),
    ];
    check("RequestRefund", &refund, &rows);
    let capture = json!({ "amount": "1", "metadata": {} });
    check("CapturePayment", &capture, &[("amount", OPTIONAL_AMOUNT), ("metadata", METADATA)]);
    let void = json!({ "reason": "r", "metadata": {} });
    check("VoidPayment", &void, &[("reason", OPTIONAL_TEXT), ("metadata", METADATA)]);
}

#[test]
fn a_command_of_an_account_is_unknown_to_transactions() {
    let credit = br#"{"commandType":"Credit","commandId":"c","aggregateId":"a","data":{"amount":"1","currency":"USD","reason":"r"}}"#;
    assert_eq!(read(credit).err(), Some(Reason::UnknownType));
    let transfer = br#"{"commandType":"RequestTransfer","commandId":"c","aggregateId":"a","data":{}}"#;
    assert_eq!(crate::read(transfer).err(), Some(Reason::UnknownType));
}

#[test]
fn half_a_fee_is_malformed() {
    for (field, value) in [("feeAccountId", None), ("feeAmount", None), ("feeAmount", Some(Value::Null))] {
        let mut data = payment();
        match value {
            Some(value) => data[field] = value,
            None => drop(data.as_object_mut().unwrap().remove(field)),
        }
        let command = json!({ "commandType": "RequestPayment", "commandId": "c", "aggregateId": "a", "data": data });
        assert_eq!(read(command.to_string().as_bytes()).err(), Some(Reason::Malformed), "{command}");
    }
}

#[test]
fn texts_of_transactions_are_counted_in_characters() {
    for (command_type, field) in
        [("VoidPayment", "reason"), ("RequestRefund", "reason"), ("RequestTransfer", "reference")]
    {
        let verdict = |count: usize| {
            let mut data = match command_type {
                "VoidPayment" => json!({}),
                "RequestRefund" => json!({ "originalPaymentId": "p", "currency": "USD" }),
                _ => json!({ "sourceAccountId": "a", "destinationAccountId": "b", "amount": "1", "currency": "USD" }),
            };
            data[field] = json!("😀".repeat(count));
            let command = json!({ "commandType": command_type, "commandId": "c", "aggregateId": "a", "data": data });
            read(command.to_string().as_bytes()).is_ok()
        };
        assert_eq!([verdict(0), verdict(1), verdict(500), verdict(501)], [false, true, true, false], "{command_type}");
    }
}
