//! The auditor itself: a log as it must be passes, and no break of a promise escapes it.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::support::auditor::accounts::home;
use crate::support::auditor::{Audit, reading};
use crate::support::kafka::Kafka;
use crate::support::upstream::{self, Partitioner, Upstream};

const ACCOUNT: &str = "acc-1";
const PARTITIONS: i32 = 2;

/// A record of a log written by hand.
#[derive(Clone)]
struct Written {
    topic: &'static str,
    partition: i32,
    value: Value,
    headers: Vec<(&'static str, String)>,
}

/// What an engine leaves of an account that is opened, credited (the command comes twice) and debited too much.
fn right_log() -> Vec<Written> {
    let credit = upstream::credit(ACCOUNT, "c1", "5.00");
    let commands = [upstream::create(ACCOUNT), credit.clone(), credit, upstream::debit(ACCOUNT, "d1", "9.00")];
    let replies =
        [("create-acc-1", "ACCEPTED", 1), ("c1", "ACCEPTED", 2), ("c1", "DUPLICATE", 2), ("d1", "REJECTED", 2)];
    let created = json!({ "ownerId": "owner", "balance": "0.00" });
    let changed = json!({
        "previousBalance": "0.00", "newBalance": "5.00", "changeAmount": "5.00", "changeType": "CREDIT"
    });
    let events = [("AccountCreated", "create-acc-1", created), ("BalanceChanged", "c1", changed)];
    let written = |topic, value, headers| Written { topic, partition: home(ACCOUNT, PARTITIONS), value, headers };
    let commands = commands.map(|command| written("account.commands", command, Vec::new()));
    let replies = replies.map(|(id, outcome, version)| {
        let reply = json!({
            "commandId": id, "aggregateId": ACCOUNT, "outcome": outcome, "aggregateVersion": version
        });
        written("replies", reply, Vec::new())
    });
    let events = (0..).zip(events).map(|(offset, (kind, cause, data)): (i32, _)| {
        let event = json!({
            "eventType": kind, "aggregateId": ACCOUNT, "aggregateVersion": offset + 1, "causationId": cause, "data": data
        });
        let headers = vec![
            ("eventType", kind.to_owned()),
            ("aggregateType", "Account".to_owned()),
            ("source", format!("{{p}}.account.commands:{}:{offset}", home(ACCOUNT, PARTITIONS))),
        ];
        written("account.events", event, headers)
    });
    commands.into_iter().chain(replies).chain(events).collect()
}

/// Writes a log under a prefix of its own, and has it audited.
fn audit(log: &[Written]) -> Audit {
    let kafka = Kafka::shared();
    let prefix = kafka.prefix("audited");
    let topics = ["account.commands", "account.events", "replies", "dead-letters"];
    create(&kafka.client(), &topics.map(|topic| format!("{prefix}.{topic}")), PARTITIONS);
    let producer: BaseProducer = kafka.client().set("linger.ms", "0").create().expect("a client");
    for written in log {
        let topic = format!("{prefix}.{}", written.topic);
        let headers = written.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header { key, value: Some(&value.replace("{p}", &prefix)) })
        });
        let value = written.value.to_string();
        let record = BaseRecord::to(&topic).key(ACCOUNT).payload(&value).partition(written.partition).headers(headers);
        producer.send(record).map_err(|(error, _)| error).expect("the client takes the record");
    }
    producer.flush(std::time::Duration::from_secs(10)).expect("the broker takes the records");
    Audit::of(kafka, &prefix)
}

fn create(client: &ClientConfig, topics: &[String], partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = client.create().expect("a client");
    let topics: Vec<_> =
        topics.iter().map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let created = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("the broker answers");
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

#[test]
fn a_log_as_it_must_be_passes() {
    let audit = audit(&right_log());
    audit.assert_clean();
    assert_eq!(audit.counts(), "4 commands: 2 accepted, 1 rejected, 1 duplicates, 0 dead letters; 2 events");
}

#[test]
fn every_broken_promise_is_found() {
    /// Positions in the log: four commands, four replies, two events.
    const REPLY: usize = 4;
    const EVENT: usize = 8;
    type Break = fn(&mut Vec<Written>);
    let breaks: [(&str, Break); 13] = [
        ("1 records, 0 replies", |log| drop(log.remove(REPLY + 3))),
        ("one too many", |log| log.push(log[REPLY + 3].clone())),
        ("out of order", |log| log.swap(REPLY + 1, REPLY + 3)),
        ("accepted twice", |log| log[REPLY + 2].value["outcome"] = "ACCEPTED".into()),
        ("took effect as None", |log| drop(log.pop())),
        ("a gap between versions", |log| log[EVENT + 1].value["aggregateVersion"] = 3.into()),
        ("a second event from one record", |log| log[EVENT + 1].headers[2] = log[EVENT].headers[2].clone()),
        ("a break between balances", |log| log[EVENT + 1].value["data"]["previousBalance"] = "1.00".into()),
        ("a wrong sum", |log| log[EVENT + 1].value["data"]["newBalance"] = "6.00".into()),
        ("something else than its command", |log| {
            log[EVENT + 1].value["data"]["changeAmount"] = "4.00".into();
            log[EVENT + 1].value["data"]["newBalance"] = "4.00".into();
        }),
        ("another partition", |log| log[EVENT + 1].partition = 1 - log[EVENT + 1].partition),
        ("nobody asked for", |log| log[EVENT + 1].value["causationId"] = "c2".into()),
        ("a command that took effect twice", |log| {
            let mut again = log[EVENT + 1].clone();
            again.value["aggregateVersion"] = 3.into();
            again.value["data"]["previousBalance"] = "5.00".into();
            again.value["data"]["newBalance"] = "10.00".into();
            again.headers[2].1 = again.headers[2].1.replace(":1", ":2");
            log.push(again);
        }),
    ];
    for (fault, break_it) in breaks {
        let mut log = right_log();
        break_it(&mut log);
        let faults = audit(&log).faults;
        assert!(faults.iter().any(|found| found.contains(fault)), "not found: {fault}\namong {faults:#?}");
    }
}

#[test]
fn the_auditor_knows_the_partition_of_an_account_as_other_clients_do() {
    let kafka = Kafka::shared();
    let topic = kafka.prefix("murmur2");
    create(&kafka.client(), std::slice::from_ref(&topic), 7);
    let upstream = Upstream::new(kafka, &topic, Partitioner::Murmur2);
    for length in 1..=64 {
        upstream.send_raw(Some(&"acc-7f.Z_".repeat(8)[..length]), Some(b"{}"), &[]);
    }
    upstream.flush();
    let records = reading::all(kafka, &topic);
    assert_eq!(records.len(), 64);
    for record in records {
        assert_eq!(home(record.key().expect("a key"), 7), record.partition, "{record:?}");
    }
}
