//! The ground the other tests stand on.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::support::auditor::reading;
use crate::support::kafka::{Kafka, OLDEST};
use crate::support::kafkajs;
use crate::support::upstream::{Partitioner, Upstream};

fn create(kafka: &Kafka, topic: &str) {
    kafka.tool("topics", &["--create", "--topic", topic, "--partitions", "3", "--replication-factor", "1"]);
}

#[test]
fn kafkas_own_tools_work_on_the_shared_broker() {
    let kafka = Kafka::shared();
    let topic = kafka.prefix("tools");
    create(kafka, &topic);
    assert!(kafka.tool("topics", &["--list"]).lines().any(|line| line == topic));
    kafka.tool_with_input("console-producer", &["--topic", &topic], "one\ntwo\n");
    let mut values: Vec<_> = reading::all(kafka, &topic).into_iter().filter_map(|record| record.value).collect();
    values.sort();
    assert_eq!(values, [b"one".to_vec(), b"two".to_vec()]);
}

#[test]
fn what_kafkajs_writes_is_what_kafkajs_reads() {
    let kafka = Kafka::shared();
    let topic = kafka.prefix("kafkajs");
    create(kafka, &topic);
    let lines = "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"2\"}\n";
    let Some(written) = kafkajs::run(kafka, "produce.js", &[&topic], lines) else { return };
    assert_eq!(written.trim(), "2");
    let read = kafkajs::run(kafka, "consume.js", &["2", &topic], "").expect("node was there a moment ago");
    let mut values: Vec<_> = read
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|seen| (seen["key"].clone(), seen["value"].clone()))
        .collect();
    values.sort_by_key(|(key, _)| key.to_string());
    assert_eq!(values, [("a".into(), "1".into()), ("b".into(), "2".into())]);
}

#[test]
fn a_killed_broker_starts_again_with_everything_acknowledged() {
    let kafka = Kafka::start_own(crate::support::kafka::CURRENT);
    restart_keeps_records(&kafka);
}

#[test]
fn the_oldest_kafka_starts_and_starts_again() {
    let kafka = Kafka::start_own(OLDEST);
    restart_keeps_records(&kafka);
}

fn restart_keeps_records(kafka: &Kafka) {
    let topic = kafka.prefix("restart");
    create(kafka, &topic);
    let upstream = Upstream::new(kafka, &topic, Partitioner::Murmur2);
    for number in 0..1_000 {
        upstream.send_raw(Some(&number.to_string()), Some(b"value"), &[]);
    }
    upstream.flush();
    kafka.kill9();
    kafka.start();
    assert_eq!(reading::all(kafka, &topic).len(), 1_000);
    kafka.stop();
    kafka.start();
    assert_eq!(reading::all(kafka, &topic).len(), 1_000);
}

#[test]
fn two_prefixes_never_meet() {
    let kafka = Kafka::shared();
    assert_ne!(kafka.prefix("same"), kafka.prefix("same"));
    let client: BaseConsumer = kafka.client().create().expect("a client");
    assert!(client.fetch_metadata(None, Duration::from_secs(5)).is_ok());
}
