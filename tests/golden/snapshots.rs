//! Snapshots: written as they were, read as what they said, and told apart from those of other engines.

use billing_engine::domain::account::{Account, AccountStatus, AccountType, Hold, Holds, Opened};
use billing_engine::domain::idempotency::Window;
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency};
use billing_engine::domain::{Aggregate, Cause};
use billing_engine::wire::hash::hex_digits;
use billing_engine::wire::snapshot::{
    Appointment, Conditions, Error, LastEvent, Position, Sources, Value, decode_position, decode_value,
    encode_position, encode_value,
};

use crate::fixture;

pub const CONDITIONS: Conditions = Conditions { partitions: 3, window: 256 };
const OPENED: &str = "account-opened.v1.hex";
const UNOPENED: &str = "account-unopened.v1.hex";
const POSITION: &str = "position.v2.hex";
const POSITION_LEAST: &str = "position-least.v2.hex";

pub fn names() -> Vec<&'static str> {
    vec![OPENED, UNOPENED, POSITION, POSITION_LEAST]
}

fn id() -> AggregateId {
    AggregateId::parse("acc-550e8400-e29b-41d4-a716-446655440000").unwrap()
}

/// A cause whose hash begins at that byte; `story` is its own when it is not another's.
pub fn cause(command: &str, byte: u8, story: Option<&str>) -> Cause {
    let command_id = CommandId::parse(command).unwrap();
    let correlation_id = match story {
        Some(story) => CorrelationId::parse(story).unwrap(),
        None => CorrelationId::from(&command_id),
    };
    Cause { command_id, command_hash: CommandHash(std::array::from_fn(|at| byte + at as u8)), correlation_id }
}

/// Two, that were placed since the last command: one in a story of its own, one in another's.
fn holds(currency: &Currency) -> Holds {
    let hold = |id, amount, expires_at, cause| Hold {
        id: AggregateId::parse(id).unwrap(),
        amount: Amount::parse(amount).unwrap(),
        expires_at: Timestamp(expires_at),
        cause,
    };
    let mut holds = Holds::none(currency);
    for hold in [
        hold("txn-2", "0.00000001", 1_765_886_400_008, cause("authorize-2", 0x20, Some("order-2"))),
        hold("txn-1", "1234.50000000", 1_765_886_400_007, cause("authorize-1", 0x30, None)),
    ] {
        holds.place(hold).unwrap();
    }
    holds
}

fn values() -> [(&'static str, Value<Account>); 2] {
    let amount = |text| Amount::parse(text).unwrap();
    let command = |id, byte: u8, version| {
        (CommandId::parse(id).unwrap(), CommandHash(std::array::from_fn(|at| byte + at as u8)), Version(version))
    };
    let remembered =
        [command("c-1", 0x10, 1), command("0b6f8a56-3a61-4c0e-9a53-5a0f0d7c1c5e", 0x80, 3), command("c.3:_", 0, 404)];
    let currency = Currency::new("BTC", 8).unwrap();
    let opened = Opened {
        owner_id: "owner-1 – März 😀".into(),
        owner_type: "CUSTOMER".into(),
        account_type: AccountType::User,
        holds: holds(&currency),
        currency,
        status: AccountStatus::Suspended,
        balance: amount("-999999999999999999.99999999"),
        min_balance: Some(amount("-10.00000000")),
        max_balance: None,
    };
    let remembered = Window::restored(256, remembered).unwrap();
    let account = Account::restored(Version(406), Timestamp(1_765_281_600_007), remembered, Some(opened)).unwrap();
    let unopened = Account::restored(Version::NONE, Timestamp::default(), Window::new(256), None).unwrap();
    [
        (OPENED, Value { state: account, sources: Sources { commands: Some(1_000_000), inbox: Some(0) } }),
        (UNOPENED, Value { state: unopened, sources: Sources::default() }),
    ]
}

fn positions() -> [(&'static str, Position); 2] {
    let position = Position {
        covered: 71,
        sources: Sources { commands: Some(1_000_000), inbox: None },
        aggregates: 12,
        last_event: Some(LastEvent { offset: 69, crc32: 0xdead_beef }),
        agenda: vec![
            Appointment { id: "txn-1".to_owned(), next_expiry: Some(1_765_886_400_007), is_open: false },
            Appointment { id: "txn-2".to_owned(), next_expiry: None, is_open: true },
        ],
        conditions: CONDITIONS,
        identity: "MkU3OEVBNTcwNTJENDM2Qg/billing-engine.account.events".to_owned(),
        generation: Some(3),
    };
    let least = Position {
        covered: 0,
        sources: Sources::default(),
        aggregates: 0,
        last_event: None,
        agenda: Vec::new(),
        conditions: Conditions { partitions: 1, window: 1 },
        identity: String::new(),
        generation: None,
    };
    [(POSITION, position), (POSITION_LEAST, least)]
}

/// As text: 16 bytes a line.
pub fn hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| {
        let digits = bytes.iter().flat_map(|byte| hex_digits(*byte)).map(char::from);
        digits.chain(['\n']).collect::<String>()
    };
    bytes.chunks(16).map(line).collect()
}

pub fn golden(name: &str) -> Vec<u8> {
    let text = String::from_utf8(fixture("snapshots", name)).unwrap();
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'\n').collect();
    digits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What another engine would have written: the header as it will always be, with another format.
fn in_format(bytes: &[u8], format: u16, whose: &[&str]) -> Vec<u8> {
    let mut other = bytes.to_vec();
    other[4..6].copy_from_slice(&format.to_le_bytes());
    let names: String = whose.iter().map(|name| format!("{name}\0")).collect();
    let checksum = crc32fast::hash(&[&other[..6], names.as_bytes(), &other[10..]].concat());
    other[6..10].copy_from_slice(&checksum.to_le_bytes());
    other
}

#[test]
fn snapshots_are_written_as_they_were() {
    for (name, Value { state, sources }) in values() {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, &id(), &state, sources, CONDITIONS);
        assert_eq!(hex(&bytes), hex(&golden(name)), "{name}");
    }
    for (name, position) in positions() {
        let mut bytes = Vec::new();
        encode_position::<Account>(&mut bytes, &position);
        assert_eq!(hex(&bytes), hex(&golden(name)), "{name}");
    }
}

#[test]
fn snapshots_are_read_as_what_they_said() {
    for (name, value) in values() {
        assert_eq!(decode_value(&id(), &golden(name), CONDITIONS), Ok(value), "{name}");
    }
    for (name, position) in positions() {
        assert_eq!(decode_position::<Account>(&golden(name)), Ok(position), "{name}");
    }
}

#[test]
fn a_newer_format_is_named_and_an_older_one_is_known_as_that() {
    let [id, account] = [&id().to_string(), "account"];
    let value = |format| {
        let bytes = in_format(&golden(OPENED), format, &[account, id]);
        decode_value::<Account>(&self::id(), &bytes, CONDITIONS).map(|value| value.state.version())
    };
    let position = |format| decode_position::<Account>(&in_format(&golden(POSITION), format, &[account]));
    assert_eq!(value(1), Ok(Version(406)));
    assert_eq!(position(2).as_ref(), Ok(&positions()[0].1));
    for newer in [3, u16::MAX] {
        let error = |known| Error::Newer { found: newer, known };
        assert!(error(1).to_string().contains(&format!("format {newer}")), "{}", error(1));
        assert_eq!((value(newer), position(newer)), (Err(error(1)), Err(error(2))));
    }
    let error = |known| Error::Older { found: known - 1, known };
    assert_eq!((value(0), position(1)), (Err(error(1)), Err(error(2))));
}
