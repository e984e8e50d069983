//! Accounts whose every field is at its limits.

use billing_engine::domain::Recorded;
use billing_engine::domain::account::{
    Account, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, Force,
    TransactionLeg,
};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::events::Written;
use crate::sagas::Story;

/// What databases, escapes and collations trip over, and the ends of every plane.
const CHARACTERS: &[char] = &[
    '\u{1}',
    '\u{8}',
    '\t',
    '\n',
    '\r',
    '\u{1b}',
    '\u{1f}',
    ' ',
    '"',
    '\'',
    '\\',
    '%',
    '_',
    '{',
    '}',
    ',',
    '$',
    '\u{7f}',
    '\u{80}',
    '\u{85}',
    'ß',
    'İ',
    'ı',
    'é',
    '\u{301}',
    '\u{200b}',
    '\u{200d}',
    '\u{202e}',
    '\u{2028}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{fdd0}',
    '\u{feff}',
    '\u{fffd}',
    '\u{fffe}',
    '\u{ffff}',
    '\u{10000}',
    '😀',
    '\u{1ffff}',
    '\u{10ffff}',
    'a',
    'Z',
    '0',
];
const ID: &[u8] = b"ABYZabyz0189._:-";

pub fn story(random: &mut StdRng, accounts: usize) -> Story {
    let mut events = Vec::new();
    for number in 0..accounts {
        let id = AggregateId::parse(&id(random, number)).unwrap();
        let decimals = *[0, 2, 3, 8, 10].choose(random).unwrap();
        let currency = Currency::new(&format!("C{decimals}"), decimals).unwrap();
        for (version, body) in (1..).zip([created(random, &currency), posted(random, &currency)]) {
            let recorded = Recorded {
                version: Version(if version == 1 { 1 } else { random.random_range(2..=i64::MAX as u64) }),
                at: Timestamp(random.random_range(-62_167_219_200_000..=253_402_300_799_999)),
                command_id: CommandId::parse(&self::id(random, 0)).unwrap(),
                command_hash: CommandHash([7; 16]),
                correlation_id: CorrelationId::parse(&self::id(random, 0)).unwrap(),
                body,
            };
            events.push(Written::of::<Account>(&id, &recorded));
        }
    }
    Story { topics: [events, Vec::new()] }
}

/// As long as it may be, or as short.
fn text(random: &mut StdRng, longest: usize) -> String {
    let length = if random.random() { longest } else { random.random_range(1..=longest) };
    let one = if random.random() { None } else { CHARACTERS.choose(random) };
    (0..length).map(|_| *one.unwrap_or_else(|| CHARACTERS.choose(random).unwrap())).collect()
}

/// Different for every number.
fn id(random: &mut StdRng, number: usize) -> String {
    let length = random.random_range(8..=128);
    let mut id = format!("{number}.");
    while id.len() < length {
        id.push(char::from(*ID.choose(random).unwrap()));
    }
    id
}

fn amount(random: &mut StdRng, currency: &Currency) -> Amount {
    const MOST: i128 = 9_999_999_999_999_999_999_999_999_999;
    let mantissa = *[0, 1, -1, MOST, -MOST, random.random_range(-MOST..=MOST)].choose(random).unwrap();
    Amount::of_digits(mantissa, currency.decimals().into()).unwrap()
}

/// Compact JSON of up to 4 KiB, numbers as they were sent.
fn metadata(random: &mut StdRng) -> String {
    let value = serde_json::Value::String(text(random, 300)).to_string();
    let number = *["1e308", "-0.0", "1E5", "123456789012345678901234567890.10", "0.1000"].choose(random).unwrap();
    format!(r#"{{"":{value},"n":{number},"b":true,"z":1,"a":2}}"#)
}

fn created(random: &mut StdRng, currency: &Currency) -> AccountEvent {
    AccountEvent::Created(AccountCreated {
        owner_id: text(random, 256).into(),
        owner_type: text(random, 256).into(),
        account_type: AccountType::User,
        currency: currency.clone(),
        status: AccountStatus::Active,
        balance: amount(random, currency),
        min_balance: Some(amount(random, currency)),
        max_balance: Some(amount(random, currency)),
        metadata: Some(metadata(random).into()),
    })
}

fn posted(random: &mut StdRng, currency: &Currency) -> AccountEvent {
    let transaction_id = AggregateId::parse(&id(random, 1)).unwrap();
    AccountEvent::BalanceChanged(BalanceChanged {
        previous_balance: amount(random, currency),
        new_balance: amount(random, currency),
        change_amount: amount(random, currency),
        change_type: ChangeType::Credit,
        reason: text(random, 500).into(),
        currency: currency.clone(),
        leg: Some(TransactionLeg { transaction_id, number: 3, force: Force::Forced }),
        reference: Some(text(random, 500).into()),
        metadata: Some(metadata(random).into()),
    })
}
