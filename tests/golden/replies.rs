//! Replies.

use billing_engine::domain::Rejection;
use billing_engine::domain::ids::{AggregateId, CommandId, CorrelationId, Version};
use billing_engine::domain::money::Amount;
use billing_engine::wire::reply::{self, Received};
use billing_engine::wire::{Outcome, Reply};

use crate::record::Record;
use crate::{assert_golden, fixture};

const TABLE: [(&str, &str, u64); 3] =
    [("accepted.record", "ACCEPTED", 5), ("rejected.record", "REJECTED", 5), ("duplicate.record", "DUPLICATE", 3)];

pub fn names() -> Vec<&'static str> {
    TABLE.map(|(name, ..)| name).to_vec()
}

fn insufficient() -> Rejection {
    let amount = |text| Amount::parse(text).unwrap();
    Rejection::InsufficientBalance { available: amount("40.00"), requested: amount("50.00") }
}

#[test]
fn replies_are_written_as_they_were() {
    let rejection = insufficient();
    for (name, outcome, version) in TABLE {
        let outcome = match outcome {
            "REJECTED" => Outcome::Rejected(&rejection),
            "DUPLICATE" => Outcome::Duplicate,
            _ => Outcome::Accepted,
        };
        let (command_id, aggregate_id) = (CommandId::parse("cmd-1").unwrap(), AggregateId::parse("acc-1").unwrap());
        let correlation_id = CorrelationId::parse("corr-1").unwrap();
        let reply = Reply {
            command_id: &command_id,
            command_type: "Debit",
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
    }
}

#[test]
fn replies_are_read_by_their_receiver() {
    for (name, outcome, version) in TABLE {
        let refused = outcome == "REJECTED";
        let expected = Received {
            command_id: "cmd-1".into(),
            command_type: "Debit".into(),
            aggregate_id: "acc-1".into(),
            correlation_id: "corr-1".into(),
            outcome: outcome.into(),
            code: refused.then(|| "INSUFFICIENT_BALANCE".into()),
            message: refused.then(|| "available 40.00, requested 50.00".into()),
            aggregate_version: Version(version),
        };
        let record = Record::parse(&fixture("replies", name));
        assert_eq!(reply::decode(&record.value.unwrap()).unwrap(), expected, "{name}");
    }
}
