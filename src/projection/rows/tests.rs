//! What single events do to rows, and how they fold.

use super::*;
use crate::domain::Recorded;
use crate::domain::account::{
    AccountCreated, AccountEvent, AccountStatus, AccountType, HoldCaptured, HoldPlaced, HoldReleased, LimitsChanged,
    ReleaseReason, StatusChanged,
};
use crate::domain::account::{BalanceChanged, ChangeType};
use crate::domain::ids::{CommandHash, CommandId, CorrelationId, Timestamp};
use crate::domain::message::Reason;
use crate::domain::money::{Amount, AsSent, Currency, RequestedAmount};
use crate::domain::transaction::{
    AuthorizedHold, Capture, Failed, LegPosted, Refund, Requested, Reserved, Status, TransactionCommand,
    TransactionEvent,
};

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn usd() -> Currency {
    Currency::new("USD", 2).unwrap()
}

/// Event `version`, decided at `version` thousand.
fn recorded<E>(version: u64, body: E) -> Recorded<E> {
    Recorded {
        version: Version(version),
        at: Timestamp(version as i64 * 1000),
        command_id: CommandId::parse("c").unwrap(),
        command_hash: CommandHash([0; 16]),
        correlation_id: CorrelationId::parse("s").unwrap(),
        body,
    }
}

fn account(events: impl IntoIterator<Item = (u64, AccountEvent)>) -> Changes {
    let mut changes = Changes::default();
    events.into_iter().for_each(|(version, event)| changes.take_account(&id("a"), &recorded(version, event)));
    changes
}

fn transaction(events: impl IntoIterator<Item = (u64, TransactionEvent)>) -> Changes {
    let mut changes = Changes::default();
    events.into_iter().for_each(|(version, event)| changes.take_transaction(&id("t"), &recorded(version, event)));
    changes
}

fn created() -> AccountEvent {
    AccountEvent::Created(AccountCreated {
        owner_id: "o".into(),
        owner_type: "t".into(),
        account_type: AccountType::User,
        currency: usd(),
        status: AccountStatus::Active,
        balance: amount("0.00"),
        min_balance: None,
        max_balance: Some(amount("9.00")),
        metadata: None,
    })
}

fn posted(balance: &str) -> AccountEvent {
    AccountEvent::BalanceChanged(BalanceChanged {
        previous_balance: amount("0.00"),
        new_balance: amount(balance),
        change_amount: amount("1.00"),
        change_type: ChangeType::Credit,
        reason: "r".into(),
        currency: usd(),
        leg: None,
        reference: None,
        metadata: None,
    })
}

fn placed() -> AccountEvent {
    let (hold_id, expires_at) = (id("h"), Timestamp(9));
    AccountEvent::HoldPlaced(HoldPlaced { hold_id, amount: amount("3.00"), currency: usd(), expires_at })
}

fn captured() -> AccountEvent {
    AccountEvent::HoldCaptured(HoldCaptured { hold_id: id("h"), captured_amount: amount("2.00") })
}

fn released(reason: ReleaseReason) -> AccountEvent {
    AccountEvent::HoldReleased(HoldReleased { hold_id: id("h"), amount: amount("1.00"), reason })
}

#[test]
fn many_events_of_an_account_are_one_row_and_an_entry_for_every_posting() {
    let limits = LimitsChanged {
        previous_min_balance: None,
        previous_max_balance: Some(amount("9.00")),
        new_min_balance: Some(amount("1.00")),
        new_max_balance: None,
    };
    let suspended = StatusChanged {
        previous_status: AccountStatus::Active,
        new_status: AccountStatus::Suspended,
        reason: "r".into(),
    };
    let changes = account([
        (1, created()),
        (2, posted("1.00")),
        (3, AccountEvent::LimitsChanged(limits)),
        (4, posted("2.00")),
        (5, AccountEvent::StatusChanged(suspended)),
    ]);
    let row = &changes.accounts[&id("a")];
    assert_eq!((row.version, row.updated_at, row.balance), (Version(5), Timestamp(5000), Some(amount("2.00"))));
    assert_eq!(row.status, Some(AccountStatus::Suspended));
    assert_eq!(row.limits, Some(Limits { min_balance: Some(amount("1.00")), max_balance: None }));
    assert_eq!(row.opened.as_ref().map(|opened| opened.at), Some(Timestamp(1000)));
    assert_eq!(changes.entries.keys().map(|(_, version)| version.0).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(changes.currencies["USD"], 2);
    assert_eq!(changes.rows(), 4);
}

#[test]
fn what_an_event_does_not_say_stays_as_it_is() {
    let changes = account([(7, posted("1.00"))]);
    let row = &changes.accounts[&id("a")];
    assert_eq!((&row.opened, row.status, row.limits, row.holds_changed), (&None, None, None, false));
}

#[test]
fn a_hold_stays_captured_when_its_rest_is_released_in_the_same_batch_or_in_the_next() {
    let rest = || released(ReleaseReason::PartialCapture);
    let end = |changes: &Changes| changes.holds[&(id("a"), id("h"))].end.clone().unwrap();
    let together = end(&account([(2, placed()), (3, captured()), (4, rest())]));
    assert_eq!((together.status, together.captured_amount), (HoldStatus::Captured, Some(amount("2.00"))));
    assert_eq!(together.release_reason, Some(ReleaseReason::PartialCapture));
    let apart = end(&account([(4, rest())]));
    assert_eq!((apart.status, apart.captured_amount), (HoldStatus::Captured, None));
    for reason in [ReleaseReason::Voided, ReleaseReason::Expired, ReleaseReason::Compensated] {
        assert_eq!(end(&account([(4, released(reason))])).status, HoldStatus::Released, "{reason}");
    }
}

#[test]
fn a_hold_that_is_placed_says_all_of_its_row() {
    let changes = account([(2, placed())]);
    let hold = &changes.holds[&(id("a"), id("h"))];
    assert_eq!((hold.status(), &hold.end), (HoldStatus::Placed, &None));
    assert!(hold.placed.is_some() && changes.accounts[&id("a")].holds_changed);
}

fn refund(asked: Option<&str>) -> TransactionEvent {
    let asked = asked.map(|text| AsSent { text: text.into(), value: RequestedAmount::parse(text).unwrap() });
    let command = TransactionCommand::Refund(Refund {
        original_payment: id("p"),
        amount: asked,
        currency: "USD".into(),
        reason: None,
        refund_metadata: None,
        metadata: None,
    });
    let idempotency_key = CommandId::parse("c").unwrap();
    TransactionEvent::Requested(Box::new(Requested { command, idempotency_key }))
}

fn leg(number: u8, change_type: ChangeType) -> TransactionEvent {
    let (account_id, amount, new_balance) = (id("a"), self::amount("2.50"), self::amount("10.00"));
    TransactionEvent::LegPosted(LegPosted { leg: number, account_id, change_type, amount, new_balance })
}

#[test]
fn a_refund_of_all_that_is_left_learns_its_amount_from_its_first_leg() {
    let changes = transaction([(1, refund(None)), (2, leg(1, ChangeType::Debit))]);
    let row = &changes.transactions[&id("t")];
    let begun = row.begun.as_ref().unwrap();
    assert_eq!((begun.asked, &begun.parent, row.amount()), (None, &Some(id("p")), Some(amount("2.50"))));
    assert_eq!(begun.request, r#"{"originalPaymentId":"p","currency":"USD","idempotencyKey":"c"}"#);
    let asked = transaction([(1, refund(Some("2.5")))]);
    assert_eq!(asked.transactions[&id("t")].amount(), Some(amount("2.5")), "as it was sent, before anything is posted");
}

#[test]
fn what_was_authorized_is_the_amount_however_much_is_captured() {
    let hold = AuthorizedHold { hold_id: id("t"), amount: amount("9.00"), expires_at: Timestamp(7) };
    let command = TransactionCommand::Capture(Capture { amount: None, metadata: None });
    let capture = Requested { command, idempotency_key: CommandId::parse("c").unwrap() };
    let changes = transaction([
        (2, TransactionEvent::PaymentAuthorized(hold)),
        (3, TransactionEvent::Requested(Box::new(capture))),
        (4, leg(1, ChangeType::Debit)),
    ]);
    let row = &changes.transactions[&id("t")];
    assert_eq!((row.amount(), &row.begun), (Some(amount("9.00")), &None));
    assert_eq!(row.turn.as_ref().map(|turn| turn.status), Some(Status::Capturing));
}

#[test]
fn a_leg_tells_the_balance_before_it_too() {
    let changes = transaction([(2, leg(1, ChangeType::Debit)), (3, leg(2, ChangeType::Credit))]);
    let legs = &changes.transactions[&id("t")].legs;
    assert_eq!(legs[&1].balance_before, Some(amount("12.50")));
    assert_eq!(legs[&2].balance_before, Some(amount("7.50")));
    let json = changes.transactions[&id("t")].legs_json();
    let first = r#"{"1":{"accountId":"a","changeType":"DEBIT","amount":"2.50","balanceBefore":"12.50","balanceAfter":"10.00","postedAt":"1970-01-01T00:00:02.000Z"},"2":{"#;
    assert!(json.starts_with(first), "{json}");
    assert!(changes.participants.contains(&(id("t"), id("a"))));
}

#[test]
fn a_failure_says_why_and_when() {
    let reason = Reason { code: "ACCOUNT_INACTIVE".into(), message: "it is".into() };
    let failed = TransactionEvent::Failed(Failed { reason, leg: None, failed_at: Timestamp(2000) });
    let changes = transaction([(2, failed)]);
    let turn = changes.transactions[&id("t")].turn.clone().unwrap();
    assert_eq!((turn.status, turn.ended_at), (Status::Failed, Some(Timestamp(2000))));
    assert_eq!((turn.error_code.as_deref(), turn.reason.as_deref()), (Some("ACCOUNT_INACTIVE"), Some("it is")));
}

#[test]
fn only_the_last_word_about_a_refund_is_written() {
    let reserved = || Reserved { refund_id: id("r"), amount: amount("1.00") };
    let changes = transaction([
        (5, TransactionEvent::RefundReserved(reserved())),
        (6, TransactionEvent::RefundReservationReleased(reserved())),
    ]);
    assert_eq!(changes.refunds[&(id("t"), id("r"))].status, RefundStatus::Released);
    let row = &changes.transactions[&id("t")];
    assert!(row.refunds_changed && row.turn.is_none(), "a payment stays what it is");
}
