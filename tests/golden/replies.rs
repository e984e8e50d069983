//! Replies.

use billing_engine::domain::Rejection;
use billing_engine::domain::ids::{AggregateId, CommandId, CorrelationId, Version};
use billing_engine::domain::message::{Ending, Reason};
use billing_engine::domain::money::Amount;
use billing_engine::domain::transaction::{Progress, Status};
use billing_engine::wire::reply::{self, Received};
use billing_engine::wire::{Outcome, Reply};

use crate::record::Record;
use crate::{assert_golden, fixture};

/// Fixture, type of the command, version; then what its receiver reads: outcome, status, code, message.
type Row = (&'static str, &'static str, u64, [Option<&'static str>; 4]);

const INSUFFICIENT: [Option<&str>; 2] = [Some("INSUFFICIENT_BALANCE"), Some("available 40.00, requested 50.00")];
const INACTIVE: [Option<&str>; 2] = [Some("ACCOUNT_INACTIVE"), Some("account is CLOSED")];

const TABLE: [Row; 8] = [
    ("accepted.record", "Debit", 5, [Some("ACCEPTED"), None, None, None]),
    ("rejected.record", "Debit", 5, [Some("REJECTED"), None, INSUFFICIENT[0], INSUFFICIENT[1]]),
    ("duplicate.record", "Debit", 3, [Some("DUPLICATE"), None, None, None]),
    ("duplicate-under-way.record", "CapturePayment", 3, [Some("DUPLICATE"), Some("CAPTURING"), None, None]),
    ("duplicate-failed.record", "RequestTopup", 1, [Some("DUPLICATE"), Some("FAILED"), INACTIVE[0], None]),
    ("completed.record", "AuthorizePayment", 2, [Some("COMPLETED"), None, None, None]),
    ("failed.record", "RequestTopup", 2, [Some("FAILED"), None, INACTIVE[0], INACTIVE[1]]),
    ("compensated.record", "RequestPayment", 5, [Some("COMPENSATED"), None, INACTIVE[0], INACTIVE[1]]),
];

pub fn names() -> Vec<&'static str> {
    TABLE.map(|(name, ..)| name).to_vec()
}

/// Calls `with` with what the engine would say in that row.
fn say(name: &str, with: impl FnOnce(Outcome<'_>)) {
    let amount = |text| Amount::parse(text).unwrap();
    let reason = || Reason { code: "ACCOUNT_INACTIVE".into(), message: "account is CLOSED".into() };
    match name {
        "accepted.record" => with(Outcome::Accepted),
        "rejected.record" => with(Outcome::Rejected(&Rejection::InsufficientBalance {
            available: amount("40.00"),
            requested: amount("50.00"),
        })),
        "duplicate.record" => with(Outcome::Duplicate),
        "duplicate-under-way.record" => {
            with(Outcome::DuplicateOf(&Progress { status: Status::Capturing, error_code: None }));
        }
        "duplicate-failed.record" => {
            with(Outcome::DuplicateOf(&Progress { status: Status::Failed, error_code: Some(reason().code) }));
        }
        "completed.record" => with(Outcome::Ended(&Ending::Completed)),
        "failed.record" => with(Outcome::Ended(&Ending::Failed(reason()))),
        _ => with(Outcome::Ended(&Ending::Compensated(reason()))),
    }
}

#[test]
fn replies_are_written_as_they_were() {
    for (name, command_type, version, _) in TABLE {
        let (command_id, aggregate_id) = (CommandId::parse("cmd-1").unwrap(), AggregateId::parse("acc-1").unwrap());
        let correlation_id = CorrelationId::parse("corr-1").unwrap();
        say(name, |outcome| {
            let reply = Reply {
                command_id: &command_id,
                command_type,
                aggregate_id: &aggregate_id,
                correlation_id: &correlation_id,
                outcome,
                aggregate_version: Version(version),
            };
            let mut value = Vec::new();
            reply.encode_value(&mut value);
            let (header, content) = reply.header();
            let headers = vec![(header.to_vec(), content.map(<[u8]>::to_vec))];
            assert_golden("replies", name, &Record { key: Some(b"acc-1".to_vec()), headers, value: Some(value) });
        });
    }
}

#[test]
fn replies_are_read_by_their_receiver() {
    for (name, command_type, version, [outcome, status, code, message]) in TABLE {
        let expected = Received {
            command_id: "cmd-1".into(),
            command_type: command_type.into(),
            aggregate_id: "acc-1".into(),
            correlation_id: "corr-1".into(),
            outcome: outcome.unwrap().into(),
            status: status.map(Into::into),
            code: code.map(Into::into),
            message: message.map(Into::into),
            aggregate_version: Version(version),
        };
        let record = Record::parse(&fixture("replies", name));
        assert_eq!(reply::decode(&record.value.unwrap()).unwrap(), expected, "{name}");
    }
}
