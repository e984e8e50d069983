//! Messages that aggregates send each other.

use billing_engine::domain::Cause;
use billing_engine::domain::account::{
    Account, AccountMessage, Admitted, ChangeType, LegFailure, LegPosting, LegReason, NewHold, Release, Reversal,
};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp};
use billing_engine::domain::message::{Content, Delivery, Letter, Reason};
use billing_engine::domain::money::{Amount, AsSent, RequestedAmount, SentAmount};
use billing_engine::domain::transaction::{LegPosted, Transaction, TransactionMessage};
use billing_engine::wire::Trace;
use billing_engine::wire::message::{self, Error, Inbox};

use crate::record::{Record, damages};
use crate::{assert_golden, fixture};

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn sent(text: &str) -> SentAmount {
    AsSent { text: text.into(), value: RequestedAmount::parse(text).unwrap() }
}

fn reason() -> Reason {
    Reason { code: "MAX_BALANCE_EXCEEDED".into(), message: "balance would be 11.00, at most 10.00 is allowed".into() }
}

fn failure() -> LegFailure {
    LegFailure { leg: 2, account_id: id("acc-2"), reason: reason() }
}

fn to_accounts() -> Vec<(&'static str, AccountMessage)> {
    let posting = LegPosting {
        leg: 2,
        change_type: ChangeType::Credit,
        amount: sent("050.0"),
        currency: "USD".into(),
        reason: LegReason::Payment,
        admitted: Admitted::UserOrSystem,
        next_account: None,
    };
    let refund = LegPosting {
        leg: 1,
        change_type: ChangeType::Debit,
        reason: LegReason::Refund,
        next_account: Some(id("acc-9")),
        ..posting.clone()
    };
    let hold = NewHold {
        amount: sent("50"),
        currency: "USD".into(),
        expires_at: Timestamp(1_765_886_400_000),
        admitted: Admitted::User,
    };
    let reversal = Reversal { leg: 1, change_type: ChangeType::Credit, amount: amount("50.00"), failure: failure() };
    vec![
        ("post-leg.record", AccountMessage::Post(posting)),
        ("post-leg-of-refund.record", AccountMessage::Post(refund)),
        ("place-hold.record", AccountMessage::PlaceHold(hold)),
        ("capture-hold.record", AccountMessage::CaptureHold { amount: sent("30.00") }),
        ("release-hold.record", AccountMessage::ReleaseHold(Release::Voided)),
        ("release-hold-of-failure.record", AccountMessage::ReleaseHold(Release::Compensated(failure()))),
        ("reverse-leg.record", AccountMessage::Reverse(reversal)),
    ]
}

fn to_transactions() -> Vec<(&'static str, TransactionMessage)> {
    let posted = LegPosted {
        leg: 1,
        account_id: id("acc-1"),
        change_type: ChangeType::Debit,
        amount: amount("50.00"),
        new_balance: amount("-1.00"),
    };
    let posted = |next_account| TransactionMessage::Posted { posted: posted.clone(), next_account };
    let held = TransactionMessage::HoldPlaced { amount: amount("50.00"), expires_at: Timestamp(1_765_886_400_000) };
    let reserve =
        |amount: Option<&str>| TransactionMessage::Reserve { amount: amount.map(sent), currency: "USD".into() };
    let made =
        TransactionMessage::ReservationMade { amount: amount("20.00"), merchant: id("acc-2"), customer: id("acc-1") };
    vec![
        ("leg-posted.record", posted(None)),
        ("leg-posted-of-refund.record", posted(Some(id("acc-9")))),
        ("hold-placed.record", held),
        ("hold-released.record", TransactionMessage::HoldReleased(Release::Voided)),
        ("hold-released-of-failure.record", TransactionMessage::HoldReleased(Release::Compensated(failure()))),
        ("leg-reversed.record", TransactionMessage::Reversed { leg: 1, failure: failure() }),
        ("leg-refused.record", TransactionMessage::Refused { leg: 2, reason: reason() }),
        ("reserve-refund.record", reserve(Some("20"))),
        ("reserve-refund-least.record", reserve(None)),
        ("settle-refund.record", TransactionMessage::Settle),
        ("release-refund.record", TransactionMessage::ReleaseReservation { failure: failure() }),
        ("refund-reserved.record", made),
        ("refund-refused.record", TransactionMessage::ReservationRefused(reason())),
        ("refund-settled.record", TransactionMessage::Settled),
        ("refund-released.record", TransactionMessage::ReservationReleased { failure: failure() }),
    ]
}

pub fn names() -> Vec<&'static str> {
    let to_transactions = to_transactions().into_iter().map(|(name, _)| name);
    to_accounts().into_iter().map(|(name, _)| name).chain(to_transactions).collect()
}

fn delivery<M>(to: &str, from: &str, body: M) -> Delivery<M> {
    let cause = Cause {
        command_id: CommandId::parse("cmd-1").unwrap(),
        command_hash: CommandHash([0xa1; 16]),
        correlation_id: CorrelationId::parse("corr-1").unwrap(),
    };
    Delivery { to: id(to), from: id(from), cause, body }
}

fn is_written_as_it_was(name: &str, letter: &Letter) {
    let trace = Trace::of([(&b"traceparent"[..], Some(&b"00-4bf9-01"[..]))].into_iter());
    let (mut value, mut headers) = (Vec::new(), Vec::new());
    message::encode_value(&mut value, letter);
    message::encode_headers(letter, trace, |name, value| headers.push((name.to_vec(), value.map(<[u8]>::to_vec))));
    let key = letter.to.as_str().as_bytes().to_vec();
    assert_golden("messages", name, &Record { key: Some(key), headers, value: Some(value) });
}

#[test]
fn letters_are_written_as_they_were() {
    for (name, message) in to_accounts() {
        is_written_as_it_was(name, &delivery("acc-1", "txn-1", Content::Account(message)));
    }
    for (name, message) in to_transactions() {
        is_written_as_it_was(name, &delivery("txn-1", "acc-1", Content::Transaction(message)));
    }
}

#[test]
fn letters_are_read_as_what_was_said() {
    for (name, message) in to_accounts() {
        let record = Record::parse(&fixture("messages", name));
        let read = message::decode::<Account, _>(record.value.as_deref(), record.headers()).unwrap();
        let Inbox::Message(read) = read else { panic!("{name} is no command") };
        assert_eq!(read, delivery("acc-1", "txn-1", message), "{name}");
    }
    for (name, message) in to_transactions() {
        let record = Record::parse(&fixture("messages", name));
        let read = message::decode::<Transaction, _>(record.value.as_deref(), record.headers()).unwrap();
        let Inbox::Message(read) = read else { panic!("{name} is no command") };
        assert_eq!(read, delivery("txn-1", "acc-1", message), "{name}");
    }
}

#[test]
fn an_inbox_holds_commands_that_were_sent_home_beside_letters() {
    let record = Record::parse(&fixture("messages", "command.record"));
    let read = message::decode::<Transaction, _>(record.value.as_deref(), record.headers()).unwrap();
    assert!(matches!(read, Inbox::Command(command) if command.origin.offset == 77));
}

#[test]
fn a_letter_that_cannot_be_read_says_what_it_needs() {
    let read = |change: &dyn Fn(&mut Record)| {
        let mut record = Record::parse(&fixture("messages", "release-hold.record"));
        change(&mut record);
        message::decode::<Account, _>(record.value.as_deref(), record.headers()).map(|_| ()).unwrap_err()
    };
    let replaced = |from: &str, to: &str| {
        read(&|record| {
            let value = String::from_utf8(record.value.take().unwrap()).unwrap();
            assert!(value.contains(from));
            record.value = Some(value.replace(from, to).into_bytes());
        })
    };
    let newer = read(&|record| record.headers[0].1 = Some(b"2".to_vec()));
    assert_eq!(newer, Error::NewerFormat { needed: 2 });
    let of_transactions = read(&|record| record.headers[1].1 = Some(b"leg-posted".to_vec()));
    assert_eq!(of_transactions, Error::NewerType { message_type: "leg-posted".to_owned() });
    let field = "data has a field \"since\" that is unknown here".to_owned();
    assert_eq!(replaced("{\"reason\"", "{\"since\":1,\"reason\""), Error::NewerField { fault: field });
    for (from, to) in [
        ("VOIDED", "EXPIRED"),
        ("VOIDED", "COMPENSATED"),
        ("a1a1a1a1", "a1a1"),
        ("\"senderId\":\"txn-1\",", ""),
        ("txn-1", "t x"),
    ] {
        assert!(matches!(replaced(from, to), Error::DamagedValue(_)), "{from} to {to}");
    }
    assert!(matches!(read(&|record| record.value = None), Error::DamagedValue(_)));
}

#[test]
fn a_damaged_letter_is_an_error_or_a_letter_but_no_panic() {
    for name in names() {
        let record = Record::parse(&fixture("messages", name));
        for damaged in damages(record.value.as_deref().unwrap()) {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&damaged).is_ok();
            let to_account = message::decode::<Account, _>(Some(&damaged), record.headers()).is_ok();
            let to_transaction = message::decode::<Transaction, _>(Some(&damaged), record.headers()).is_ok();
            assert!(!(to_account || to_transaction) || is_json, "{}", String::from_utf8_lossy(&damaged));
        }
    }
}
