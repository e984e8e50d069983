//! Commands of upstream: what each means, and the hash it has for ever.

use billing_engine::domain::Command;
use billing_engine::domain::account::{
    Account, AccountCommand, AccountStatus, AccountType, Change, CreateAccount, Posting,
};
use billing_engine::domain::ids::{AggregateId, CommandId, CorrelationId, Version};
use billing_engine::domain::money::RequestedAmount;
use billing_engine::wire::{Request, command, hash};

use crate::fixture;

/// Id, aggregate, correlation, expected version.
type Envelope = (&'static str, &'static str, &'static str, Option<u64>);

struct Golden {
    name: &'static str,
    command_type: &'static str,
    envelope: Envelope,
    hash: &'static str,
    body: AccountCommand,
}

fn amount(text: &str) -> RequestedAmount {
    RequestedAmount::parse(text).unwrap()
}

fn golden(
    name: &'static str,
    command_type: &'static str,
    envelope: Envelope,
    hash: &'static str,
    body: AccountCommand,
) -> Golden {
    Golden { name, command_type, envelope, hash, body }
}

fn creations() -> Vec<Golden> {
    vec![
        golden(
            "create-account.json",
            "CreateAccount",
            ("cmd-1", "acc-1", "corr-1", Some(0)),
            "f788d8698cbb987862180fe439afaf3c",
            AccountCommand::Create(CreateAccount {
                owner_id: "owner-1".into(),
                owner_type: "CUSTOMER".into(),
                account_type: AccountType::User,
                currency: "USD".into(),
                min_balance: Some(amount("-10.00")),
                max_balance: Some(amount("1000")),
                metadata: Some(r#"{"plan":"gold","seats":3,"rate":1.50,"trial":false}"#.into()),
            }),
        ),
        golden(
            "create-account-least.json",
            "CreateAccount",
            ("cmd-2", "acc-2", "cmd-2", None),
            "b7726001ed2c4bdf2565f5869ad0cac0",
            AccountCommand::Create(CreateAccount {
                owner_id: "owner-2".into(),
                owner_type: "BANK".into(),
                account_type: AccountType::External,
                currency: "BTC".into(),
                min_balance: None,
                max_balance: None,
                metadata: None,
            }),
        ),
    ]
}

fn postings() -> Vec<Golden> {
    let seeds_own =
        ("0b6f8a56-3a61-4c0e-9a53-5a0f0d7c1c5e", "acc-550e8400-e29b-41d4-a716-446655440000", "corr-uuid", Some(4));
    let topup = Posting {
        amount: amount("50.00"),
        currency: "USD".into(),
        reason: "Topup".into(),
        reference: None,
        metadata: None,
    };
    vec![
        golden(
            "credit.json",
            "Credit",
            seeds_own,
            "ba82344505d8a2e2ac0119cf7e5763d8",
            AccountCommand::Credit(topup.clone()),
        ),
        golden(
            "credit-written-otherwise.json",
            "Credit",
            seeds_own,
            "ba82344505d8a2e2ac0119cf7e5763d8",
            AccountCommand::Credit(topup),
        ),
        golden(
            "debit.json",
            "Debit",
            ("cmd-3", "acc-1", "cmd-3", None),
            "5b5d415d36a1b1ea4830debdf979ce4c",
            AccountCommand::Debit(Posting {
                amount: amount("007.5"),
                currency: "EUR".into(),
                reason: "Nutzung – März 😀".into(),
                reference: Some("inv/2025/12 \"a\"\n".into()),
                metadata: Some(r#"{"b":1e-2,"a":"x\u0001y"}"#.into()),
            }),
        ),
    ]
}

fn changes() -> Vec<Golden> {
    vec![
        golden(
            "change-account-status.json",
            "ChangeAccountStatus",
            ("cmd-4", "acc-1", "cmd-4", None),
            "e9ce90fa4338c8864b29d16787efad73",
            AccountCommand::ChangeStatus { status: AccountStatus::Suspended, reason: "chargeback".into() },
        ),
        golden(
            "change-account-limits.json",
            "ChangeAccountLimits",
            ("cmd-5", "acc-1", "cmd-5", None),
            "b7a829b12113609e8816be54c9e6f19e",
            AccountCommand::ChangeLimits { min_balance: Change::Clear, max_balance: Change::Set(amount("250.5")) },
        ),
        golden(
            "change-account-limits-one.json",
            "ChangeAccountLimits",
            ("cmd-6", "acc-1", "cmd-6", None),
            "92ff615402486d1271009c4f7cb49a45",
            AccountCommand::ChangeLimits { min_balance: Change::Keep, max_balance: Change::Set(amount("250.5")) },
        ),
    ]
}

fn table() -> Vec<Golden> {
    [creations(), postings(), changes()].into_iter().flatten().collect()
}

pub fn names() -> Vec<&'static str> {
    table().iter().map(|golden| golden.name).collect()
}

#[test]
fn commands_mean_what_they_meant() {
    for golden in table() {
        let (id, aggregate_id, correlation_id, expected_version) = golden.envelope;
        let expected = Request {
            aggregate_id: AggregateId::parse(aggregate_id).unwrap(),
            correlation_id: CorrelationId::parse(correlation_id).unwrap(),
            command_type: golden.command_type,
            command: Command {
                id: CommandId::parse(id).unwrap(),
                hash: hash::parse_hex(golden.hash.as_bytes()).unwrap(),
                expected_version: expected_version.map(Version),
                body: golden.body,
            },
        };
        let read = command::decode::<Account>(Some(&fixture("commands", golden.name)), 10 << 20).unwrap();
        assert_eq!(read, expected, "{}", golden.name);
    }
}
