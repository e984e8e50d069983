//! What is refused at once, and in which order.

use super::{Story, authorize, capture, id, movement, payment, payment_of, refund, transfer, void};
use crate::domain::ids::Timestamp;
use crate::domain::money::AsSent;
use crate::domain::transaction::{Authorization, Refund, TransactionCommand};

fn refusal(body: TransactionCommand) -> String {
    Story::new().ask(100, "first", body)
}

const NOT_CONFIGURED: &str = "INVALID_CURRENCY: currency is not configured";
const NOT_POSITIVE: &str = "INVALID_AMOUNT: amount must be greater than zero";
const THREE_DECIMALS: &str = "INVALID_AMOUNT: amount has 3 decimals, the currency has 2";

#[test]
fn a_movement_is_refused_by_the_first_rule_it_breaks() {
    for wrap in [TransactionCommand::Topup, TransactionCommand::Withdrawal, TransactionCommand::Transfer] {
        let refused = |from: &str, amount: &str, currency: &str| refusal(wrap(movement(from, "bob", amount, currency)));
        assert_eq!(refused("bob", "0", "XXX"), NOT_CONFIGURED);
        assert_eq!(refused("bob", "0", "USD"), NOT_POSITIVE);
        assert_eq!(refused("bob", "-1", "USD"), NOT_POSITIVE);
        assert_eq!(refused("bob", "1.000", "USD"), THREE_DECIMALS);
        let digits = "INVALID_AMOUNT: amount has 19 integer digits, at most 18 are allowed";
        assert_eq!(refused("bob", "1000000000000000000", "USD"), digits);
        assert_eq!(refused("bob", "1", "USD"), "SAME_ACCOUNT_TRANSFER: account bob has two parts in this transaction");
        assert!(refused("ann", "1", "USD").contains(" → ann: 1 DEBIT 1 USD"));
    }
}

#[test]
fn a_payment_is_refused_by_the_first_rule_it_breaks() {
    for wrap in [TransactionCommand::Payment, |payment| {
        TransactionCommand::Authorize(Authorization { payment, expires_at: None })
    }] {
        let refused = |amount: &str, fee: Option<&str>| refusal(wrap(payment_of(amount, fee)));
        let mut unknown = payment_of("0", Some("0"));
        unknown.currency = "XXX".into();
        assert_eq!(refusal(wrap(unknown)), NOT_CONFIGURED);
        assert_eq!(refused("0", Some("0.001")), NOT_POSITIVE);
        assert_eq!(refused("5", Some("0.001")), THREE_DECIMALS);
        assert_eq!(refused("5", Some("0")), NOT_POSITIVE);
        let fee = "INVALID_AMOUNT: amount 5.00 must be greater than the fee 5.00";
        assert_eq!(refused("5", Some("5")), fee);
        assert!(refused("5", Some("4.99")).contains(" → ann: "));
        for (customer, merchant, same) in [("x", "x", "x"), ("house", "shop", "house"), ("ann", "house", "house")] {
            let mut twice = payment_of("5", Some("1"));
            (twice.customer, twice.merchant) = (id(customer), id(merchant));
            let then = format!("SAME_ACCOUNT_TRANSFER: account {same} has two parts in this transaction");
            assert_eq!(refusal(wrap(twice.clone())), then);
            twice.amount = super::sent("1");
            assert!(refusal(wrap(twice)).starts_with("INVALID_AMOUNT"), "before the accounts");
        }
    }
}

#[test]
fn an_authorization_whose_time_is_past_is_refused_last() {
    let expired = "HOLD_EXPIRED: hold has expired or is gone";
    assert_eq!(refusal(authorize("5", None, Some(100))), expired);
    assert!(refusal(authorize("5", None, Some(101))).contains("until 101"));
    assert_eq!(refusal(authorize("0", None, Some(100))), NOT_POSITIVE);
    let mut same = payment_of("5", None);
    same.merchant = same.customer.clone();
    let expires_at = Some(AsSent { text: "".into(), value: Timestamp(1) });
    let both = TransactionCommand::Authorize(Authorization { payment: same, expires_at });
    assert!(refusal(both).starts_with("SAME_ACCOUNT_TRANSFER"));
}

#[test]
fn a_refund_is_refused_at_once_by_what_needs_no_payment_to_be_known() {
    let of = |amount: Option<&str>, currency: &str| {
        let TransactionCommand::Refund(refund) = refund(amount) else { panic!("a refund") };
        refusal(TransactionCommand::Refund(Refund { currency: currency.into(), ..refund }))
    };
    assert_eq!(of(Some("0"), "XXX"), NOT_CONFIGURED);
    assert_eq!(of(None, "XXX"), NOT_CONFIGURED);
    assert_eq!(of(Some("0"), "USD"), NOT_POSITIVE);
    assert_eq!(of(Some("0.001"), "USD"), THREE_DECIMALS);
    assert_eq!(of(None, "USD"), "RequestRefund: → p: reserve all USD");
}

#[test]
fn a_transaction_is_asked_for_once_and_remembers_every_command_for_ever() {
    let mut story = Story::of(authorize("5", None, Some(50)));
    let conflict = "IDEMPOTENCY_CONFLICT: this command id was used before with other content, at version 1";
    assert_eq!(story.ask(1, "first", authorize("5", None, Some(50))), "duplicate of 1");
    assert_eq!(story.ask(1, "first", authorize("6", None, Some(50))), conflict);
    assert_eq!(story.ask_at(1, "first", authorize("5", None, Some(50)), Some(7)), "duplicate of 1");
    let again = "INVALID_OPERATION: transaction is REQUESTED";
    for body in [transfer("0"), payment("5", None), refund(None), authorize("5", None, Some(50)), void(), capture(None)]
    {
        assert_eq!(story.ask(1, "second", body), again);
    }
    let version = "VERSION_CONFLICT: expected version 0, the aggregate stands at 1";
    assert_eq!(story.ask_at(1, "second", transfer("5"), Some(0)), version);
    story.hear(2, "ann", super::authorized::held("5.00", 50));
    assert!(story.ask(3, "second", capture(None)).contains("→ ann: capture 5.00"));
    assert_eq!(story.ask(4, "second", capture(None)), "duplicate of 3");
    assert_eq!(story.ask(4, "first", authorize("5", None, Some(50))), "duplicate of 1");
}

#[test]
fn what_does_not_exist_can_neither_be_captured_nor_voided() {
    let not_found = "TRANSACTION_NOT_FOUND: transaction does not exist";
    assert_eq!(refusal(capture(Some("0"))), not_found);
    assert_eq!(refusal(void()), not_found);
    let version = "VERSION_CONFLICT: expected version 3, the aggregate stands at 0";
    assert_eq!(Story::new().ask_at(0, "first", void(), Some(3)), version);
}

#[test]
fn a_capture_is_refused_by_the_first_rule_it_breaks() {
    let authorized = |fee| {
        let mut story = Story::of(authorize("5", fee, Some(50)));
        story.hear(2, "ann", super::authorized::held("5.00", 50));
        story
    };
    let refused = |now, fee, amount| authorized(fee).ask(now, "capture", capture(amount));
    assert_eq!(refused(50, None, Some("0")), NOT_POSITIVE);
    assert_eq!(refused(50, None, Some("6.001")), THREE_DECIMALS);
    let fee = "INVALID_AMOUNT: amount 1.00 must be greater than the fee 1.00";
    assert_eq!(refused(50, Some("1"), Some("1")), fee);
    assert_eq!(refused(50, None, Some("6")), "HOLD_EXPIRED: hold has expired or is gone");
    assert_eq!(refused(50, None, None), "HOLD_EXPIRED: hold has expired or is gone");
    let exceeds = "CAPTURE_EXCEEDS_AUTHORIZATION: captured amount 5.01 is greater than the authorized 5.00";
    assert_eq!(refused(49, None, Some("5.01")), exceeds);
    assert_eq!(refused(49, Some("1"), Some("1.01")), "CapturePayment: → ann: capture 1.01");
    let mut swept = authorized(None);
    assert_eq!(swept.sweep(50), "expired(t 5.00)");
    assert_eq!(swept.ask(51, "capture", capture(Some("0"))), NOT_POSITIVE);
    assert_eq!(swept.ask(51, "capture", capture(None)), "HOLD_EXPIRED: hold has expired or is gone");
    assert_eq!(swept.ask(51, "void", void()), "INVALID_OPERATION: transaction is EXPIRED");
    assert_eq!(authorized(None).ask(50, "void", void()), "INVALID_OPERATION: transaction is AUTHORIZED");
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let mut story = Story::new();
    story.ask(0, "first", transfer("0"));
    assert_eq!(story.transaction, Default::default());
    assert!(story.ask(0, "first", transfer("1")).starts_with("RequestTransfer: → "), "and may be sent again");
}
