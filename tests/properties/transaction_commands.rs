//! Any transaction command reads as what it says, has the hash of what it says, and its event says it again.

use billing_engine::domain::Recorded;
use billing_engine::domain::ids::{AggregateId, CommandHash, CorrelationId, Timestamp, Version};
use billing_engine::domain::transaction::{Requested, Transaction, TransactionCommand, TransactionEvent};
use billing_engine::wire::{Reason, Request, command, event};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::events::stored;
use crate::hashes::{Content, Member, amounts, meaning, object, optional, required, texts, words};
use crate::json::{Json, Style, metadata, style};

/// Reads a command as the engine would.
pub fn read(value: &[u8]) -> Result<Request<TransactionCommand>, Reason> {
    command::decode::<Transaction>(Some(value), 10 << 20).map_err(|unreadable| unreadable.reason)
}

fn ids() -> impl Strategy<Value = Json> {
    words(&["a", "b", "acc-550e8400-e29b-41d4-a716-446655440000"])
}

fn times() -> impl Strategy<Value = Json> {
    words(&["2025-12-16T12:00:00Z", "2025-12-16T13:00:00.5+01:00", "2025-12-16T12:00:00.500Z"])
}

/// What every payment has; both halves of a fee, or none.
fn payment(more: Vec<Member>) -> impl Strategy<Value = Json> {
    let fields = || {
        vec![
            required("customerAccountId", ids()),
            required("merchantAccountId", ids()),
            required("amount", amounts()),
            required("currency", words(&["USD", "EUR"])),
            optional("paymentMetadata", metadata()),
            optional("metadata", metadata()),
        ]
    };
    let fee = vec![required("feeAccountId", ids()), required("feeAmount", amounts())];
    let null = || vec![Just(None).boxed(), Just(Some(("feeAmount", Json::Null))).boxed()];
    let with = [fields(), fee, more.clone()].into_iter().flatten().collect();
    let without = [fields(), null(), more].into_iter().flatten().collect();
    prop_oneof![object(with), object(without)]
}

fn content() -> impl Strategy<Value = Content> {
    let movement = |one: &'static str, other: &'static str| {
        object(vec![
            required(one, ids()),
            required(other, ids()),
            required("amount", amounts()),
            required("currency", words(&["USD", "EUR"])),
            optional("metadata", metadata()),
        ])
    };
    let transfer = object(vec![
        required("sourceAccountId", ids()),
        required("destinationAccountId", ids()),
        required("amount", amounts()),
        required("currency", words(&["USD", "EUR"])),
        optional("reference", texts()),
        optional("metadata", metadata()),
    ]);
    let refund = object(vec![
        required("originalPaymentId", ids()),
        optional("refundAmount", amounts()),
        required("currency", words(&["USD", "EUR"])),
        optional("reason", texts()),
        optional("refundMetadata", metadata()),
        optional("metadata", metadata()),
    ]);
    let capture = object(vec![optional("amount", amounts()), optional("metadata", metadata())]);
    let void = object(vec![optional("reason", texts()), optional("metadata", metadata())]);
    prop_oneof![
        movement("accountId", "sourceAccountId").prop_map(|data| ("RequestTopup", data)),
        movement("accountId", "destinationAccountId").prop_map(|data| ("RequestWithdrawal", data)),
        transfer.prop_map(|data| ("RequestTransfer", data)),
        payment(vec![]).prop_map(|data| ("RequestPayment", data)),
        payment(vec![optional("expiresAt", times())]).prop_map(|data| ("AuthorizePayment", data)),
        refund.prop_map(|data| ("RequestRefund", data)),
        capture.prop_map(|data| ("CapturePayment", data)),
        void.prop_map(|data| ("VoidPayment", data)),
    ]
}

fn value((command_type, data): &Content, style: u64) -> String {
    let data = data.write(&mut Style::new(style));
    format!(r#"{{"commandType":"{command_type}","commandId":"c","aggregateId":"a","data":{data}}}"#)
}

fn decoded(content: &Content, style: u64) -> Request<TransactionCommand> {
    let value = value(content, style);
    read(value.as_bytes()).unwrap_or_else(|reason| panic!("{reason:?}: {value}"))
}

/// The event that repeats the command.
fn requested(request: &Request<TransactionCommand>) -> Recorded<TransactionEvent> {
    let (command, idempotency_key) = (request.command.body.clone(), request.command.id.clone());
    Recorded {
        version: Version(1),
        at: Timestamp(0),
        command_id: request.command.id.clone(),
        command_hash: CommandHash([0; 16]),
        correlation_id: CorrelationId::from(&request.command.id),
        body: TransactionEvent::Requested(Box::new(Requested { command, idempotency_key })),
    }
}

/// What stands under `data`, as JSON, without nulls.
fn data(value: &[u8]) -> Map<String, Value> {
    let mut value: Value = serde_json::from_slice(value).unwrap();
    let mut data = value["data"].take().as_object().unwrap().clone();
    data.retain(|_, value| !value.is_null());
    data
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_repeats_the_data_of_its_command(content in content(), style in style()) {
        let event = requested(&decoded(&content, style));
        prop_assert_eq!(&stored::<Transaction>(&event), &event);
        let mut written = Vec::new();
        event::encode_value::<Transaction>(&mut written, &AggregateId::parse("a").unwrap(), &event);
        let mut repeated = data(&written);
        prop_assert_eq!(repeated.remove("idempotencyKey"), Some(Value::from("c")));
        prop_assert_eq!(repeated, data(value(&content, style).as_bytes()));
    }

    #[test]
    fn hashes_of_transaction_commands_are_equal_exactly_when_type_and_data_are(
        one in content(),
        other in content(),
        same: bool,
        styles in (style(), style()),
    ) {
        let other = if same { one.clone() } else { other };
        let equal = meaning(&one) == meaning(&other);
        let (one, other) = (decoded(&one, styles.0).command, decoded(&other, styles.1).command);
        prop_assert_eq!(one.hash == other.hash, equal);
    }
}
