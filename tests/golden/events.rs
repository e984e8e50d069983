//! Events: read as what happened, written as they were.

use billing_engine::domain::Recorded;
use billing_engine::domain::account::{
    Account, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, LimitsChanged,
    StatusChanged,
};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency};
use billing_engine::wire::event::{self, StoredEvent};
use billing_engine::wire::{Source, Trace};

use crate::record::Record;
use crate::{assert_golden, fixture};

const HASH: CommandHash =
    CommandHash([0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
const SOURCE: Source<'static> = Source { topic: "billing-engine.account.commands", partition: 2, offset: 41 };
const TRACE: [(&[u8], Option<&[u8]>); 2] = [
    (b"traceparent", Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
    (b"tracestate", Some(b"congo=t61rcWkgMzE")),
];

struct Golden {
    name: &'static str,
    traced: bool,
    event: StoredEvent<'static, AccountEvent>,
}

fn golden(name: &'static str, version: u64, body: AccountEvent) -> Golden {
    let recorded = Recorded {
        version: Version(version),
        at: Timestamp(1_765_281_600_007),
        command_id: CommandId::parse("0b6f8a56-3a61-4c0e-9a53-5a0f0d7c1c5e").unwrap(),
        command_hash: HASH,
        correlation_id: CorrelationId::parse("corr-uuid").unwrap(),
        body,
    };
    let event = StoredEvent {
        aggregate_id: AggregateId::parse("acc-550e8400-e29b-41d4-a716-446655440000").unwrap(),
        recorded,
        source: Some(SOURCE),
    };
    Golden { name, traced: false, event }
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn table() -> Vec<Golden> {
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
        golden("account-created.record", 1, AccountEvent::Created(created)),
        golden("account-created-least.record", 1, AccountEvent::Created(created_least)),
        golden("balance-changed-credit.record", 5, AccountEvent::BalanceChanged(credited)),
        Golden {
            traced: true,
            ..golden("balance-changed-debit.record", u64::MAX >> 1, AccountEvent::BalanceChanged(debited))
        },
        golden("account-status-changed.record", 6, AccountEvent::StatusChanged(suspended)),
        golden("account-limits-changed.record", 7, AccountEvent::LimitsChanged(limited)),
    ]
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|golden| golden.name).collect()
}

#[test]
fn events_are_written_as_they_were() {
    for Golden { name, traced, event } in table() {
        let trace = if traced { Trace::of(TRACE.into_iter()) } else { Trace::default() };
        let mut value = Vec::new();
        event::encode_value::<Account>(&mut value, &event.aggregate_id, &event.recorded);
        let mut headers = Vec::new();
        event::encode_headers::<Account>(&event.recorded, event.source, trace, |name, value| {
            headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        });
        let key = event.aggregate_id.as_str().as_bytes().to_vec();
        assert_golden("events", name, &Record { key: Some(key), headers, value: Some(value) });
    }
}

#[test]
fn events_are_read_as_what_happened() {
    for golden in table() {
        let record = Record::parse(&fixture("events", golden.name));
        let read = event::decode::<Account>(record.value.as_deref(), record.headers()).unwrap();
        assert_eq!(read, golden.event, "{}", golden.name);
    }
}
