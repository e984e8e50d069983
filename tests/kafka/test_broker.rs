//! The ground the other tests stand on.

use serde_json::Value;

use crate::support::auditor::reading;
use crate::support::kafka::{CURRENT, Kafka, OLDEST};
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
    kafka.try_tool("console-producer", &["--topic", &topic], "one\ntwo\n").expect_success();
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
    let records = read.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let mut pairs: Vec<_> = records.map(|record| format!("{}={}", record["key"], record["value"])).collect();
    pairs.sort();
    assert_eq!(pairs, [r#""a"="1""#, r#""b"="2""#]);
}

#[test]
fn a_killed_broker_starts_again_with_everything_acknowledged() {
    let kafka = Kafka::start_own(CURRENT);
    assert_records_survive_restarts(&kafka);
}

#[test]
fn the_oldest_kafka_starts_and_starts_again() {
    let kafka = Kafka::start_own(OLDEST);
    kafka.tool("broker-api-versions", &[]);
    assert_records_survive_restarts(&kafka);
}

fn assert_records_survive_restarts(kafka: &Kafka) {
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
