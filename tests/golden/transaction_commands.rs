//! Transaction commands: what each means, and the hash it has for ever.

use billing_engine::domain::ids::{AggregateId, Timestamp};
use billing_engine::domain::money::{AsSent, RequestedAmount, SentAmount};
use billing_engine::domain::transaction::{
    Authorization, Capture, Fee, Movement, Payment, Refund, Transaction, TransactionCommand, Void,
};
use billing_engine::wire::{command, hash};

use crate::fixture;

type Golden = (&'static str, &'static str, TransactionCommand);

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn sent(text: &str) -> SentAmount {
    AsSent { text: text.into(), value: RequestedAmount::parse(text).unwrap() }
}

fn movement(debited: &str, credited: &str) -> Movement {
    Movement {
        debited: id(debited),
        credited: id(credited),
        amount: sent("50"),
        currency: "USD".into(),
        reference: None,
        metadata: None,
    }
}

fn payment() -> Payment {
    Payment {
        customer: id("acc-1"),
        merchant: id("acc-2"),
        amount: sent("050.0"),
        currency: "USD".into(),
        fee: Some(Fee { account: id("fees"), amount: sent("0.5") }),
        payment_metadata: Some(r#"{"order":"o-1"}"#.into()),
        metadata: Some(r#"{"trial":false}"#.into()),
    }
}

fn movements() -> Vec<Golden> {
    let referenced = Movement {
        reference: Some("rent \"May\"".into()),
        metadata: Some(r#"{"n":1.50}"#.into()),
        ..movement("acc-1", "acc-2")
    };
    vec![
        (
            "request-topup.json",
            "975e6b7c3c982de10e02b255f4bbd4ae",
            TransactionCommand::Topup(movement("bank", "acc-1")),
        ),
        (
            "request-withdrawal.json",
            "4b281ecbb9a25a7a92376a45b8d5d6e3",
            TransactionCommand::Withdrawal(movement("acc-1", "bank")),
        ),
        ("request-transfer.json", "5da79dd1f32cac3a2505ef7296a970e0", TransactionCommand::Transfer(referenced)),
    ]
}

fn payments() -> Vec<Golden> {
    let least = Payment { fee: None, payment_metadata: None, metadata: None, ..payment() };
    let expires_at = AsSent { text: "2025-12-16T13:00:00.5+01:00".into(), value: Timestamp(1_765_886_400_500) };
    let authorization = Authorization { payment: payment(), expires_at: Some(expires_at) };
    vec![
        ("request-payment.json", "7a0873436859e14043df6ed8f75d47e0", TransactionCommand::Payment(payment())),
        ("request-payment-least.json", "24133f853016fefe84d8efcd9563c377", TransactionCommand::Payment(least)),
        ("authorize-payment.json", "1eedf6522946b4070bed2a7492f4f7c5", TransactionCommand::Authorize(authorization)),
    ]
}

fn what_follows_payments() -> Vec<Golden> {
    let refund = Refund {
        original_payment: id("txn-1"),
        amount: Some(sent("20.00")),
        currency: "USD".into(),
        reason: Some("broken".into()),
        refund_metadata: Some(r#"{"ticket":7}"#.into()),
        metadata: Some("{}".into()),
    };
    let least = Refund { amount: None, reason: None, refund_metadata: None, metadata: None, ..refund.clone() };
    let capture = Capture { amount: Some(sent("30")), metadata: Some(r#"{"parcel":"a"}"#.into()) };
    let void = Void { reason: Some("out of stock".into()), metadata: Some("{}".into()) };
    vec![
        ("request-refund.json", "143e550a7d66711b0f692d156cf1432f", TransactionCommand::Refund(refund)),
        ("request-refund-least.json", "c0d0b4cc25785ff3df7ad628c962e0a8", TransactionCommand::Refund(least)),
        ("capture-payment.json", "929109400b7f892eea0d8d398bdca953", TransactionCommand::Capture(capture)),
        (
            "capture-payment-least.json",
            "059a1803be74aa92e348b6d978169942",
            TransactionCommand::Capture(Capture { amount: None, metadata: None }),
        ),
        ("void-payment.json", "a067a520dd311fc794db5a0933dd0e9a", TransactionCommand::Void(void)),
        (
            "void-payment-least.json",
            "cacdf3806018ebc371f0e56e35efdb91",
            TransactionCommand::Void(Void { reason: None, metadata: None }),
        ),
    ]
}

fn table() -> Vec<Golden> {
    [movements(), payments(), what_follows_payments()].into_iter().flatten().collect()
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|(name, ..)| *name).collect()
}

/// What the command of that fixture asks for.
pub fn body(name: &str) -> TransactionCommand {
    table().into_iter().find(|(found, ..)| *found == name).map(|(.., body)| body).unwrap()
}

#[test]
fn transaction_commands_mean_what_they_meant() {
    for (name, hash, body) in table() {
        let read = command::decode::<Transaction>(Some(&fixture("commands", name)), 10 << 20).unwrap();
        assert_eq!(read.command_type, body.operation().as_str());
        assert_eq!(read.command.body, body, "{name}");
        assert_eq!(read.command.hash, hash::parse_hex(hash.as_bytes()).unwrap(), "{name}");
        assert_eq!((read.aggregate_id.as_str(), read.command.id.as_str()), ("txn-1", "cmd-1"));
    }
}
