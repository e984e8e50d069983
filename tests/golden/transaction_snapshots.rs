//! Snapshots of transactions, one for each way of being one.

use billing_engine::domain::account::ChangeType::{self, Credit, Debit};
use billing_engine::domain::ids::{AggregateId, Timestamp, Version};
use billing_engine::domain::money::{Amount, AsSent, RequestedAmount};
use billing_engine::domain::transaction::{
    Accepted, AuthorizedHold, Begun, Fee, Kind, LegPosted, Operation, Parties, Reservations, Reserved, Status,
    Transaction,
};
use billing_engine::wire::Wire;
use billing_engine::wire::snapshot::{Error, Sources, Value, decode_value, encode_value};

use crate::snapshots::{CONDITIONS, cause, golden, hex};

const UNBEGUN: &str = "transaction-unbegun.v1.hex";
const COMPENSATED: &str = "transaction-compensated.v1.hex";
const CAPTURED: &str = "transaction-captured.v1.hex";
const VOIDING: &str = "transaction-voiding.v1.hex";
const REFUND: &str = "transaction-refund.v1.hex";

pub fn names() -> Vec<&'static str> {
    vec![UNBEGUN, COMPENSATED, CAPTURED, VOIDING, REFUND]
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn leg(leg: u8, account: &str, change_type: ChangeType, of: &str, new_balance: &str) -> LegPosted {
    let (amount, new_balance) = (amount(of), amount(new_balance));
    LegPosted { leg, account_id: id(account), change_type, amount, new_balance }
}

fn accepted(operation: Operation, command: &str, story: Option<&str>, version: u64) -> Accepted {
    Accepted { operation, cause: cause(command, 0x40, story), version: Version(version) }
}

/// Just begun by that command.
fn begun(parties: Parties, operation: Operation) -> Begun {
    Begun {
        parties,
        currency: "USD".into(),
        status: Status::Requested,
        commands: vec![accepted(operation, "c-1", None, 1)],
        legs: Vec::new(),
        hold: None,
        capture: None,
        void_reason: None,
        refunds: Reservations::default(),
        error_code: None,
    }
}

fn payment(fee: Option<Fee>) -> Parties {
    Parties::Payment { customer: id("acc-1"), merchant: id("acc-2"), fee }
}

fn hold() -> Option<AuthorizedHold> {
    Some(AuthorizedHold { hold_id: id("txn-1"), amount: amount("50.00"), expires_at: Timestamp(1_765_886_400_007) })
}

fn captured() -> Begun {
    let sent = AsSent { text: "1.5".into(), value: RequestedAmount::parse("1.5").unwrap() };
    let reserved = |refund, of| Reserved { refund_id: id(refund), amount: amount(of) };
    let open = vec![reserved("txn-9", "3.00"), reserved("txn-8", "0.01")];
    Begun {
        status: Status::Completed,
        commands: vec![
            accepted(Operation::Authorize, "c-1", None, 1),
            accepted(Operation::Capture, "c-2", Some("order-7"), 3),
        ],
        legs: vec![
            leg(1, "acc-1", Debit, "40.00", "-999999999999999999.99"),
            leg(2, "acc-2", Credit, "38.50", "999999999999999999.99"),
            leg(3, "acc-fees", Credit, "1.50", "0.00"),
        ],
        hold: hold(),
        capture: Some(amount("40.00")),
        refunds: Reservations::restored(open, Some(amount("7.25"))).unwrap(),
        ..begun(payment(Some(Fee { account: id("acc-fees"), amount: sent })), Operation::Authorize)
    }
}

fn values() -> [(&'static str, Value<Transaction>); 5] {
    let movement = Parties::Movement { kind: Kind::Transfer, debited: id("acc-1"), credited: id("acc-2") };
    let compensated = Begun {
        status: Status::Compensated,
        legs: vec![leg(1, "acc-1", Debit, "7.00", "0.50")],
        error_code: Some("ACCOUNT_INACTIVE".into()),
        ..begun(movement, Operation::Transfer)
    };
    let voiding = Begun {
        status: Status::Voiding,
        commands: vec![accepted(Operation::Authorize, "c-1", None, 1), accepted(Operation::Void, "c-2", None, 3)],
        hold: hold(),
        void_reason: Some("changed her mind – März 😀".into()),
        ..begun(payment(None), Operation::Authorize)
    };
    let refund = begun(Parties::Refund { original_payment: id("txn-2") }, Operation::Refund);
    let value = |version, begun| Value {
        state: Transaction::restored(Version(version), Timestamp(1_765_281_600_007), Some(begun)).unwrap(),
        sources: Sources { commands: Some(1_000_000), inbox: Some(0) },
    };
    [
        (UNBEGUN, Value { state: Transaction::default(), sources: Sources::default() }),
        (COMPENSATED, value(3, compensated)),
        (CAPTURED, value(300, captured())),
        (VOIDING, value(3, voiding)),
        (REFUND, value(1, refund)),
    ]
}

#[test]
fn transactions_are_written_as_they_were() {
    for (name, Value { state, sources }) in values() {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, &id("txn-1"), &state, sources, CONDITIONS);
        assert_eq!(hex(&bytes), hex(&golden(name)), "{name}");
    }
}

#[test]
fn transactions_are_read_as_what_they_said() {
    for (name, value) in values() {
        assert_eq!(decode_value(&id("txn-1"), &golden(name), CONDITIONS), Ok(value), "{name}");
    }
}

fn image(transaction: &Transaction) -> Vec<u8> {
    let mut image = Vec::new();
    transaction.write_snapshot(&mut image);
    image
}

/// Behind a checksum that is right by accident, too: damage is an error, or says something else, and never a panic.
#[test]
fn what_is_almost_a_transaction_is_read_or_refused() {
    for (name, value) in values() {
        let image = image(&value.state);
        for bit in 0..image.len() * 8 {
            let mut flipped = image.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match Transaction::read_snapshot(&flipped, CONDITIONS) {
                Ok(other) => assert_ne!(self::image(&other), image, "{name}: bit {bit}"),
                Err(error) => assert!(matches!(error, Error::Damaged(_)), "{name}: bit {bit}: {error}"),
            }
        }
        for length in 0..image.len() {
            let read = Transaction::read_snapshot(&image[..length], CONDITIONS);
            assert!(matches!(read, Err(Error::Damaged(_))), "{name}: {length} bytes of it");
        }
    }
}
