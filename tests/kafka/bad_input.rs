//! Records that are no commands, or look like none, between those of accounts that have nothing to do with them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::auditor::reading::{self, Seen};
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::upstream::{self, Partitioner, Upstream};

/// The largest record value that is a command.
const MAX_VALUE: usize = 10 * 1024 * 1024;

/// Large records through an unoptimised build.
const LIMIT: Duration = Duration::from_secs(60);

/// One bad record: its name travels with it as the header `case`.
struct Case {
    name: &'static str,
    value: Option<Vec<u8>>,
    reason: &'static str,
}

fn cases() -> Vec<Case> {
    let credit = |field: &str, value: Value| {
        let mut command = upstream::credit("acc-bad", "cmd-bad", "1.00");
        command["data"][field] = value;
        command.to_string().into_bytes()
    };
    let unknown = json!({ "commandType": "Burn", "commandId": "c", "aggregateId": "acc-bad", "data": {} });
    let nested = format!(r#"{{"ignored":{}{}}}"#, "[".repeat(1 << 19), "]".repeat(1 << 19));
    let case = |name, value, reason| Case { name, value, reason };
    vec![
        case("no value", None, "MALFORMED"),
        case("an empty value", Some(Vec::new()), "MALFORMED"),
        case("no JSON", Some(b"credit me".to_vec()), "MALFORMED"),
        case("no UTF-8", Some(b"{\"commandType\":\"\xff\xfe\"}".to_vec()), "MALFORMED"),
        case("a megabyte of nesting", Some(nested.into_bytes()), "MALFORMED"),
        case("an amount that is a number", Some(credit("amount", json!(1.5))), "MALFORMED"),
        case("a misspelt field", Some(credit("amout", json!("1.00"))), "MALFORMED"),
        case("a zero byte", Some(credit("reason", json!("a\0b"))), "MALFORMED"),
        case("an unknown type", Some(unknown.to_string().into_bytes()), "UNKNOWN_TYPE"),
        case("a byte too much", Some(vec![b'x'; MAX_VALUE + 1]), "TOO_LARGE"),
    ]
}

#[test]
fn bad_records_become_dead_letters_and_other_accounts_do_not_notice() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "bad").with_topics();
    let commands = setup.topic("account.commands");
    let upstream = Upstream::new(kafka, &commands, Partitioner::Murmur2);
    let cases = cases();

    let engine = setup.start();
    upstream.send(&upstream::create("acc-good"));
    for (number, case) in cases.iter().enumerate() {
        // Under the key of the good account: they lie between its commands.
        let headers: [(&str, &[u8]); 2] = [("case", case.name.as_bytes()), ("traceparent", b"00-trace")];
        upstream.send_raw(Some("acc-good"), case.value.as_deref(), &headers);
        upstream.send(&upstream::credit("acc-good", &format!("cmd-{number}"), "1.00"));
    }
    upstream.flush();
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);
    engine.stop();

    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_eq!((audit.dead_letters, audit.accepted), (cases.len(), cases.len() + 1), "{}", audit.counts());
    let dead_letters = reading::all(kafka, &setup.topic("dead-letters"));
    let originals = reading::all(kafka, &commands);
    for case in &cases {
        assert_is_dead_letter(case, &commands, &originals, &dead_letters);
    }
}

/// Key, value and headers are unchanged, and the added headers say what and where it was.
fn assert_is_dead_letter(case: &Case, commands: &str, originals: &[Seen], dead_letters: &[Seen]) {
    let of_case = |records: &[Seen]| {
        let found = records.iter().find(|record| record.header("case") == Some(case.name)).cloned();
        found.unwrap_or_else(|| panic!("{} has vanished", case.name))
    };
    let (original, dead) = (of_case(originals), of_case(dead_letters));
    assert_eq!(dead.key, original.key, "{}", case.name);
    assert!(dead.value == original.value, "{}: the value is another", case.name);
    assert_eq!(dead.headers[..original.headers.len()], original.headers[..], "{}", case.name);
    assert_eq!(dead.partition, original.partition, "{}", case.name);
    let added = [
        ("billing.dlq.reason", case.reason.to_owned()),
        ("billing.dlq.topic", commands.to_owned()),
        ("billing.dlq.partition", original.partition.to_string()),
        ("billing.dlq.offset", original.offset.to_string()),
    ];
    for (name, value) in added {
        assert_eq!(dead.header(name), Some(value.as_str()), "{}: {name}", case.name);
    }
    for name in ["billing.dlq.error", "billing.dlq.timestamp", "billing.dlq.engine-version"] {
        assert!(dead.header(name).is_some_and(|value| !value.is_empty()), "{}: {name} is missing", case.name);
    }
    if case.reason == "TOO_LARGE" {
        let error = format!("Event too large: {} bytes", MAX_VALUE + 1);
        assert_eq!(dead.header("billing.dlq.error"), Some(error.as_str()));
    }
}

#[test]
fn odd_records_around_a_good_command_do_not_keep_it_from_taking_effect() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "odd").with_topics();
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let command = |id: &str| upstream::credit("acc-odd", id, "1.00").to_string().into_bytes();
    let bomb: Vec<_> = (0..20_000).map(|_| ("h", b"".as_slice())).collect();
    let state = vec![b's'; 10_000_000];
    let traced: [(&str, &[u8]); 2] =
        [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", &state)];

    let engine = setup.start();
    upstream.send(&upstream::create("acc-odd"));
    upstream.send_raw(Some("acc-odd"), Some(&command("cmd-bomb")), &bomb);
    upstream.send_raw(Some("acc-odd"), Some(&command("cmd-state")), &traced);
    upstream.flush();
    // Without a key it lands anywhere; it is the aggregate's id that counts.
    upstream.send_raw(None, Some(&command("cmd-keyless")), &[]);
    upstream.flush();
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);
    engine.stop();

    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_eq!((audit.accepted, audit.dead_letters), (4, 0), "{}", audit.counts());
    for event in reading::all(kafka, &setup.topic("account.events")) {
        let caused_by = event.json().map(|event| event["causationId"].clone());
        let expected = (caused_by == Some("cmd-state".into())).then(|| String::from_utf8_lossy(traced[0].1));
        assert_eq!(event.header("traceparent"), expected.as_deref(), "{caused_by:?}");
        assert_eq!(event.header("tracestate"), None, "{caused_by:?}");
    }
}

#[test]
fn a_command_whose_event_the_broker_takes_no_more_is_found_and_put_aside() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "refused").with_topics();
    let offsets = Offsets::new(kafka, setup.prefix());
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let engine = setup.start();
    let events = setup.topic("account.events");
    let lowered = ["--alter", "--entity-type", "topics", "--entity-name", &events, "--add-config"];
    kafka.tool("configs", &[&lowered[..], &["max.message.bytes=2000"]].concat());
    upstream.send(&upstream::create("acc-1"));
    let mut large = upstream::credit("acc-1", "cmd-large", "1.00");
    large["data"]["metadata"] = json!({ "note": "x".repeat(3_000) });
    upstream.send(&large);
    upstream.send(&upstream::credit("acc-1", "cmd-after", "2.00"));
    upstream.flush();
    offsets.wait_until_idle(LIMIT);
    engine.stop();
    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_eq!((audit.dead_letters, audit.events), (1, 2), "{}", audit.counts());
}
