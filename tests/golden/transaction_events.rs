//! Transaction events.

use billing_engine::domain::account::ChangeType;
use billing_engine::domain::ids::{AggregateId, CommandId, Timestamp};
use billing_engine::domain::message::Reason;
use billing_engine::domain::money::Amount;
use billing_engine::domain::transaction::{
    AuthorizedHold, Compensated, CompensationAction, Failed, LegPosted, PaymentCompleted, RefundCompleted, Requested,
    Reserved, SimpleCompleted, Transaction, TransactionEvent, TransferCompleted, Voided,
};
use billing_engine::wire::event;

use crate::events::{self, Golden, is_read_as_what_happened, is_written_as_it_was};
use crate::record::{Record, damages};
use crate::{fixture, transaction_commands};

const AT: Timestamp = Timestamp(1_765_281_600_007);

fn golden(name: &'static str, topic: &'static str, version: u64, body: TransactionEvent) -> Golden<TransactionEvent> {
    events::golden(name, "txn-1", topic, version, body)
}

/// What a message caused.
fn heard(name: &'static str, version: u64, body: TransactionEvent) -> Golden<TransactionEvent> {
    golden(name, "billing-engine.transaction.inbox", version, body)
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

/// Each event repeats the golden command.
fn requests() -> Vec<Golden<TransactionEvent>> {
    const NAMES: [(&str, &str); 12] = [
        ("request-topup.json", "topup-requested.record"),
        ("request-withdrawal.json", "withdrawal-requested.record"),
        ("request-transfer.json", "transfer-requested.record"),
        ("request-payment.json", "payment-requested.record"),
        ("request-payment-least.json", "payment-requested-least.record"),
        ("request-refund.json", "refund-requested.record"),
        ("request-refund-least.json", "refund-requested-least.record"),
        ("authorize-payment.json", "authorization-requested.record"),
        ("capture-payment.json", "capture-requested.record"),
        ("capture-payment-least.json", "capture-requested-least.record"),
        ("void-payment.json", "void-requested.record"),
        ("void-payment-least.json", "void-requested-least.record"),
    ];
    let idempotency_key = CommandId::parse("0b6f8a56-3a61-4c0e-9a53-5a0f0d7c1c5e").unwrap();
    let requested = NAMES.map(|(command, name)| {
        let command = transaction_commands::body(command);
        let requested = Requested { command, idempotency_key: idempotency_key.clone() };
        golden(name, "billing-engine.transaction.commands", 1, TransactionEvent::Requested(Box::new(requested)))
    });
    requested.into()
}

fn legs_and_ends() -> Vec<Golden<TransactionEvent>> {
    let leg = LegPosted {
        leg: 2,
        account_id: id("acc-2"),
        change_type: ChangeType::Credit,
        amount: amount("50.00"),
        new_balance: amount("150.00"),
    };
    let simple = SimpleCompleted {
        account_id: id("acc-1"),
        amount: amount("50.00"),
        new_balance: amount("150.00"),
        completed_at: AT,
    };
    let transferred = TransferCompleted {
        source_account_id: id("acc-1"),
        destination_account_id: id("acc-2"),
        amount: amount("50"),
        source_new_balance: amount("0"),
        destination_new_balance: amount("50"),
        completed_at: AT,
    };
    let paid = PaymentCompleted {
        transaction_id: id("txn-1"),
        customer_new_balance: amount("0.00"),
        merchant_new_balance: amount("49.00"),
        fee_new_balance: Some(amount("1.00")),
        captured_amount: amount("50.00"),
        completed_at: AT,
    };
    let paid_least = PaymentCompleted { fee_new_balance: None, ..paid.clone() };
    let refunded = RefundCompleted {
        refund_id: id("txn-1"),
        merchant_new_balance: amount("-1.00"),
        customer_new_balance: amount("50.00"),
        completed_at: AT,
    };
    vec![
        heard("leg-posted.record", 2, TransactionEvent::LegPosted(leg)),
        heard("topup-completed.record", 4, TransactionEvent::TopupCompleted(simple.clone())),
        heard("withdrawal-completed.record", 4, TransactionEvent::WithdrawalCompleted(simple)),
        heard("transfer-completed.record", 4, TransactionEvent::TransferCompleted(transferred)),
        heard("payment-completed.record", 5, TransactionEvent::PaymentCompleted(paid)),
        heard("payment-completed-least.record", 4, TransactionEvent::PaymentCompleted(paid_least)),
        heard("refund-completed.record", 4, TransactionEvent::RefundCompleted(refunded)),
    ]
}

fn holds_and_reservations() -> Vec<Golden<TransactionEvent>> {
    let hold =
        AuthorizedHold { hold_id: id("txn-1"), amount: amount("50.00"), expires_at: Timestamp(1_765_886_400_000) };
    let voided = |reason: Option<&str>| {
        let (hold_id, amount, reason) = (id("txn-1"), amount("50.00"), reason.map(Into::into));
        TransactionEvent::PaymentVoided(Voided { hold_id, amount, reason })
    };
    let expired = TransactionEvent::PaymentExpired { hold_id: id("txn-1"), amount: amount("50.00") };
    let reserved = || Reserved { refund_id: id("txn-2"), amount: amount("20.00") };
    vec![
        heard("payment-authorized.record", 2, TransactionEvent::PaymentAuthorized(hold)),
        heard("payment-voided.record", 4, voided(Some("out of stock"))),
        heard("payment-voided-least.record", 4, voided(None)),
        heard("payment-expired.record", 3, expired).without_source(),
        heard("refund-reserved.record", 6, TransactionEvent::RefundReserved(reserved())),
        heard("refund-settled.record", 7, TransactionEvent::RefundSettled(reserved())),
        heard("refund-reservation-released.record", 7, TransactionEvent::RefundReservationReleased(reserved())),
    ]
}

fn failures() -> Vec<Golden<TransactionEvent>> {
    let reason = Reason { code: "ACCOUNT_INACTIVE".into(), message: "account is CLOSED".into() };
    let failed = |leg| TransactionEvent::Failed(Failed { reason: reason.clone(), leg, failed_at: AT });
    let action = |account: &str, action| CompensationAction {
        account_id: id(account),
        action,
        amount: amount("49.00"),
        reason: "Compensation".into(),
    };
    let compensated = TransactionEvent::Compensated(Compensated {
        transaction_id: id("txn-1"),
        reason: reason.clone(),
        actions: vec![action("acc-2", ChangeType::Debit), action("acc-1", ChangeType::Credit)],
        compensated_at: AT,
    });
    vec![
        heard("transaction-failed.record", 2, failed(Some((1, id("acc-1"))))),
        heard("transaction-failed-least.record", 2, failed(None)),
        heard("transaction-compensated.record", 4, compensated),
    ]
}

fn table() -> Vec<Golden<TransactionEvent>> {
    [requests(), legs_and_ends(), holds_and_reservations(), failures()].into_iter().flatten().collect()
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|golden| golden.name).collect()
}

#[test]
fn transaction_events_are_written_as_they_were() {
    table().iter().for_each(is_written_as_it_was::<Transaction>);
}

#[test]
fn transaction_events_are_read_as_what_happened() {
    table().iter().for_each(is_read_as_what_happened::<Transaction>);
}

#[test]
fn a_damaged_transaction_event_is_an_error_or_an_event_but_no_panic() {
    for name in names() {
        let record = Record::parse(&fixture("events", name));
        for damaged in damages(record.value.as_deref().unwrap()) {
            let read = event::decode::<Transaction>(Some(&damaged), record.headers());
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&damaged).is_ok();
            assert!(read.is_err() || is_json, "{}", String::from_utf8_lossy(&damaged));
        }
    }
}
