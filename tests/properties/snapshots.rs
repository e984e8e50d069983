//! What holds for a snapshot of any account, and for any bytes that come back in its place.

use billing_engine::domain::Aggregate;
use billing_engine::domain::account::Account;
use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::transaction::Transaction;
use billing_engine::wire::snapshot::{
    Appointment, Conditions, Error, LastEvent, Position, Sources, Value, decode_position, decode_value,
    encode_position, encode_value,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::accounts::{Ledger, WINDOW, command};

const CONDITIONS: Conditions = Conditions { partitions: 3, window: WINDOW as u64 };

fn id() -> AggregateId {
    AggregateId::parse("acc-1").unwrap()
}

fn sources() -> impl Strategy<Value = Sources> {
    (any::<Option<i64>>(), any::<Option<i64>>()).prop_map(|(commands, inbox)| Sources { commands, inbox })
}

fn position() -> impl Strategy<Value = Position> {
    let last_event = proptest::option::of(any::<(i64, u32)>().prop_map(|(offset, crc32)| LastEvent { offset, crc32 }));
    let conditions = any::<(u32, u64)>().prop_map(|(partitions, window)| Conditions { partitions, window });
    let appointment = (".*", any::<Option<i64>>(), any::<bool>());
    let appointment = appointment.prop_map(|(id, next_expiry, is_open)| Appointment { id, next_expiry, is_open });
    let agenda = vec(appointment, 0..3);
    (any::<i64>(), sources(), any::<u64>(), last_event, agenda, conditions, ".*", any::<Option<u64>>()).prop_map(
        |(covered, sources, aggregates, last_event, agenda, conditions, identity, generation)| Position {
            covered,
            sources,
            aggregates,
            last_event,
            agenda,
            conditions,
            identity,
            generation,
        },
    )
}

fn encoded(account: &Account, sources: Sources) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    encode_value(&mut bytes, &id(), account, sources, CONDITIONS);
    bytes.split_off(b"before".len())
}

fn decoded(bytes: &[u8]) -> Result<Value<Account>, Error> {
    decode_value(&id(), bytes, CONDITIONS)
}

/// Hears of damage, and of nothing else, for each byte string that is almost `bytes`.
fn assert_only_itself<T: std::fmt::Debug>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, Error>) {
    let assert_damaged = |bytes: &[u8], what: &str| {
        let answer = read(bytes);
        assert!(matches!(answer, Err(Error::Damaged(_))), "{what}: {answer:?}");
    };
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_damaged(&flipped, "a bit is flipped");
    }
    for length in 0..bytes.len() {
        assert_damaged(&bytes[..length], "the end is missing");
        assert_damaged(&bytes[length + 1..], "the beginning is missing");
    }
    for more in [&b"\0"[..], b"x", bytes] {
        assert_damaged(&[bytes, more].concat(), "something follows");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_commands_the_account_comes_back_from_its_snapshot_and_goes_on_as_before(
        commands in vec(command(), 0..60),
        further in vec(command(), 1..20),
        sources in sources(),
    ) {
        let mut ledger = Ledger::new();
        commands.iter().for_each(|command| ledger.take(command));
        let bytes = encoded(&ledger.account, sources);
        let value = decoded(&bytes).unwrap();
        prop_assert_eq!(&value, &Value { state: ledger.account.clone(), sources });
        prop_assert_eq!(encoded(&value.state, sources), bytes, "amounts with all their digits, too");

        let taken = ledger.events.len();
        further.iter().for_each(|command| ledger.take(command));
        let mut restored = value.state;
        for event in &ledger.events[taken..] {
            restored.apply(event).unwrap();
        }
        prop_assert_eq!(encoded(&restored, sources), encoded(&ledger.account, sources), "byte for byte");
    }

    #[test]
    fn a_position_comes_back_as_it_was(position in position()) {
        let mut bytes = Vec::new();
        encode_position::<Account>(&mut bytes, &position);
        prop_assert_eq!(decode_position::<Account>(&bytes), Ok(position));
    }

    #[test]
    fn any_bytes_at_all_are_damaged(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(matches!(decoded(&bytes), Err(Error::Damaged(_))));
        prop_assert!(matches!(decode_value::<Transaction>(&id(), &bytes, CONDITIONS), Err(Error::Damaged(_))));
        prop_assert!(matches!(decode_position::<Account>(&bytes), Err(Error::Damaged(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_almost_a_snapshot_is_damaged_and_never_another_value(
        commands in vec(command(), 0..30),
        sources in sources(),
        position in position(),
    ) {
        let mut ledger = Ledger::new();
        commands.iter().for_each(|command| ledger.take(command));
        let value = encoded(&ledger.account, sources);
        assert_only_itself(&value, decoded);
        let other = AggregateId::parse("acc-2").unwrap();
        prop_assert!(matches!(decode_value::<Account>(&other, &value, CONDITIONS), Err(Error::Damaged(_))));
        let mut bytes = Vec::new();
        encode_position::<Account>(&mut bytes, &position);
        assert_only_itself(&bytes, decode_position::<Account>);
        prop_assert!(matches!(decode_position::<Account>(&value), Err(Error::Damaged(_))));
        prop_assert!(matches!(decoded(&bytes), Err(Error::Damaged(_))));
    }
}

#[test]
fn a_value_that_was_taken_under_other_conditions_is_outdated() {
    let bytes = encoded(&Ledger::new().account, Sources::default());
    for present in [Conditions { partitions: 4, ..CONDITIONS }, Conditions { window: 5, ..CONDITIONS }] {
        let outdated = Err(Error::Outdated { found: CONDITIONS, present });
        assert_eq!(decode_value::<Account>(&id(), &bytes, present), outdated);
    }
}
