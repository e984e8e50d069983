//! Events: read as what happened, written as they were.

use std::fmt::Debug;

use billing_engine::domain::Recorded;
use billing_engine::domain::account::{
    Account, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, Force, HoldCaptured,
    HoldPlaced, HoldReleased, LimitsChanged, ReleaseReason, StatusChanged, TransactionLeg,
};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency};
use billing_engine::wire::event::{self, StoredEvent};
use billing_engine::wire::{Source, Trace, Wire};

use crate::record::Record;
use crate::{assert_golden, fixture};

const HASH: CommandHash =
    CommandHash([0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
const TRACE: [(&[u8], Option<&[u8]>); 2] = [
    (b"traceparent", Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
    (b"tracestate", Some(b"congo=t61rcWkgMzE")),
];

pub struct Golden<E> {
    pub name: &'static str,
    traced: bool,
    event: StoredEvent<'static, E>,
}

/// An event of that aggregate, caused by a record of that topic.
pub fn golden<E>(name: &'static str, whose: &str, topic: &'static str, version: u64, body: E) -> Golden<E> {
    let recorded = Recorded {
        version: Version(version),
        at: Timestamp(1_765_281_600_007),
        command_id: CommandId::parse("0b6f8a56-3a61-4c0e-9a53-5a0f0d7c1c5e").unwrap(),
        command_hash: HASH,
        correlation_id: CorrelationId::parse("corr-uuid").unwrap(),
        body,
    };
    let source = Some(Source { topic, partition: 2, offset: 41 });
    let event = StoredEvent { aggregate_id: AggregateId::parse(whose).unwrap(), recorded, source };
    Golden { name, traced: false, event }
}

impl<E> Golden<E> {
    /// As time alone brings it about.
    pub fn without_source(mut self) -> Self {
        self.event.source = None;
        self
    }
}

fn of_account(name: &'static str, version: u64, body: AccountEvent) -> Golden<AccountEvent> {
    golden(name, "acc-550e8400-e29b-41d4-a716-446655440000", "billing-engine.account.commands", version, body)
}

fn of_leg(name: &'static str, version: u64, body: AccountEvent) -> Golden<AccountEvent> {
    golden(name, "acc-1", "billing-engine.account.inbox", version, body)
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn of_commands() -> Vec<Golden<AccountEvent>> {
    let created = AccountCreated {
        owner_id: "owner-1".into(),
        owner_type: "CUSTOMER".into(),
        account_type: AccountType::User,
        currency: Currency::new("USD", 2).unwrap(),
        status: AccountStatus::Active,
        balance: amount("0.00"),
        min_balance: Some(amount("-10.00")),
        max_balance: Some(amount("1000.00")),
        metadata: Some(r#"{"plan":"gold","seats":3,"rate":1.50,"trial":false}"#.into()),
    };
    let created_least = AccountCreated {
        owner_type: "BANK".into(),
        account_type: AccountType::External,
        currency: Currency::new("JPY", 0).unwrap(),
        balance: amount("0"),
        min_balance: None,
        max_balance: None,
        metadata: None,
        ..created.clone()
    };
    let credited = BalanceChanged {
        previous_balance: amount("100.00"),
        new_balance: amount("150.00"),
        change_amount: amount("50.00"),
        change_type: ChangeType::Credit,
        reason: "Topup".into(),
        currency: Currency::new("USD", 2).unwrap(),
        leg: None,
        reference: None,
        metadata: None,
    };
    let debited = BalanceChanged {
        previous_balance: amount("0.00000001"),
        new_balance: amount("-999999999999999999.99999999"),
        change_amount: amount("1000000000000000000.00000000"),
        change_type: ChangeType::Debit,
        reason: "Nutzung – März 😀".into(),
        currency: Currency::new("BTC", 8).unwrap(),
        leg: None,
        reference: Some("inv/2025/12 \"a\"\\\n\u{1}".into()),
        metadata: Some(r#"{"b":1e-2,"a":"x\u0001y"}"#.into()),
    };
    let suspended = StatusChanged {
        previous_status: AccountStatus::Active,
        new_status: AccountStatus::Suspended,
        reason: "chargeback".into(),
    };
    let limited = LimitsChanged {
        previous_min_balance: None,
        previous_max_balance: Some(amount("1000.00")),
        new_min_balance: Some(amount("-0.50")),
        new_max_balance: None,
    };
    vec![
        of_account("account-created.record", 1, AccountEvent::Created(created)),
        of_account("account-created-least.record", 1, AccountEvent::Created(created_least)),
        of_account("balance-changed-credit.record", 5, AccountEvent::BalanceChanged(credited)),
        Golden {
            traced: true,
            ..of_account("balance-changed-debit.record", u64::MAX >> 1, AccountEvent::BalanceChanged(debited))
        },
        of_account("account-status-changed.record", 6, AccountEvent::StatusChanged(suspended)),
        of_account("account-limits-changed.record", 7, AccountEvent::LimitsChanged(limited)),
    ]
}

fn of_transactions() -> Vec<Golden<AccountEvent>> {
    let hold_id = AggregateId::parse("txn-1").unwrap();
    let leg = TransactionLeg { transaction_id: hold_id.clone(), number: 1, force: Force::Judged };
    let posted = BalanceChanged {
        previous_balance: amount("100.00"),
        new_balance: amount("70.00"),
        change_amount: amount("30.00"),
        change_type: ChangeType::Debit,
        reason: "Payment".into(),
        currency: Currency::new("USD", 2).unwrap(),
        leg: Some(leg.clone()),
        reference: None,
        metadata: None,
    };
    let undone = BalanceChanged {
        previous_balance: amount("0.00"),
        new_balance: amount("30.00"),
        change_type: ChangeType::Credit,
        reason: "Compensation".into(),
        leg: Some(TransactionLeg { force: Force::Forced, ..leg }),
        ..posted.clone()
    };
    let reopened = StatusChanged {
        previous_status: AccountStatus::Closed,
        new_status: AccountStatus::Suspended,
        reason: "Compensation".into(),
    };
    let placed = HoldPlaced {
        hold_id: hold_id.clone(),
        amount: amount("50.00"),
        currency: Currency::new("USD", 2).unwrap(),
        expires_at: Timestamp(1_765_886_400_000),
    };
    let captured = HoldCaptured { hold_id: hold_id.clone(), captured_amount: amount("30.00") };
    let released = |reason| HoldReleased { hold_id: hold_id.clone(), amount: amount("20.00"), reason };
    vec![
        of_leg("balance-changed-leg.record", 9, AccountEvent::BalanceChanged(posted)),
        of_leg("balance-changed-forced.record", 9, AccountEvent::BalanceChanged(undone)),
        of_leg("account-status-changed-forced.record", 10, AccountEvent::StatusChanged(reopened)),
        of_leg("hold-placed.record", 7, AccountEvent::HoldPlaced(placed)),
        of_leg("hold-captured.record", 8, AccountEvent::HoldCaptured(captured)),
        of_leg("hold-released.record", 10, AccountEvent::HoldReleased(released(ReleaseReason::PartialCapture))),
        of_leg("hold-released-expired.record", 10, AccountEvent::HoldReleased(released(ReleaseReason::Expired)))
            .without_source(),
    ]
}

fn table() -> Vec<Golden<AccountEvent>> {
    [of_commands(), of_transactions()].into_iter().flatten().collect()
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|golden| golden.name).collect()
}

pub fn is_written_as_it_was<A: Wire>(golden: &Golden<A::Event>) {
    let Golden { name, traced, event } = golden;
    let trace = if *traced { Trace::of(TRACE.into_iter()) } else { Trace::default() };
    let mut value = Vec::new();
    event::encode_value::<A>(&mut value, &event.aggregate_id, &event.recorded);
    let mut headers = Vec::new();
    event::encode_headers::<A>(&event.recorded, event.source, trace, |name, value| {
        headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
    });
    let key = event.aggregate_id.as_str().as_bytes().to_vec();
    assert_golden("events", name, &Record { key: Some(key), headers, value: Some(value) });
}

pub fn is_read_as_what_happened<A: Wire>(golden: &Golden<A::Event>)
where
    A::Event: PartialEq + Debug,
{
    let record = Record::parse(&fixture("events", golden.name));
    let read = event::decode::<A>(record.value.as_deref(), record.headers()).unwrap();
    assert_eq!(read, golden.event, "{}", golden.name);
}

#[test]
fn account_events_are_written_as_they_were() {
    table().iter().for_each(is_written_as_it_was::<Account>);
}

#[test]
fn account_events_are_read_as_what_happened() {
    table().iter().for_each(is_read_as_what_happened::<Account>);
}
