//! Commands written, and events read, by clients that know nothing of the engine.

use std::time::Duration;

use serde_json::Value;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::{Engine, Setup};
use crate::support::kafka::Kafka;
use crate::support::kafkajs;
use crate::support::load::Load;
use crate::support::upstream::{Partitioner, Upstream};

/// A few thousand commands through an unoptimised build.
const LIMIT: Duration = Duration::from_secs(60);

fn started(test: &str) -> (&'static Kafka, Setup, Engine) {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, test).with_topics();
    let engine = setup.start();
    (kafka, setup, engine)
}

fn commands(seed: u64, count: usize) -> Vec<Value> {
    Load::new(seed, 40).take(count).collect()
}

/// All commands are done, exactly once.
fn assert_done(kafka: &Kafka, setup: &Setup, count: usize) -> Audit {
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);
    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_eq!((audit.commands, audit.dead_letters), (count, 0), "{}", audit.counts());
    audit
}

#[test]
fn commands_of_librdkafka_with_its_default_partitioner_find_their_way_home() {
    let (kafka, setup, engine) = started("crc32");
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Default);
    let commands = commands(31, 3_000);
    commands.iter().for_each(|command| upstream.send(command));
    upstream.flush();
    assert_done(kafka, &setup, commands.len());
    assert!(engine.metric("billing_misrouted_commands_total", &["aggregate=\"account\""]) > 0.0);
    engine.stop();
}

#[test]
fn commands_of_the_java_console_producer_take_effect() {
    let (kafka, setup, engine) = started("java");
    let commands = commands(37, 500);
    let line = |command: &Value| format!("{}|{command}\n", command["aggregateId"].as_str().expect("an id"));
    let lines: String = commands.iter().map(line).collect();
    let topic = setup.topic("account.commands");
    let keyed = ["--topic", &topic, "--reader-property", "parse.key=true", "--reader-property", "key.separator=|"];
    kafka.try_tool("console-producer", &keyed, &lines).expect_success();
    assert_done(kafka, &setup, commands.len());
    let misrouted = engine.metric("billing_misrouted_commands_total", &["aggregate=\"account\""]);
    assert!(misrouted == 0.0, "{misrouted} commands lay on another partition than Java's");
    engine.stop();
}

#[test]
fn kafkajs_writes_commands_and_reads_events_and_replies_as_the_seed_does() {
    let (kafka, setup, engine) = started("seed-js");
    let commands = commands(41, 500);
    let line = |command: &Value| {
        let value = command.to_string();
        serde_json::json!({ "key": command["aggregateId"], "value": value }).to_string() + "\n"
    };
    let lines: String = commands.iter().map(line).collect();
    let Some(_) = kafkajs::run(kafka, "produce.js", &[&setup.topic("account.commands")], &lines) else { return };
    let audit = assert_done(kafka, &setup, commands.len());
    let misrouted = engine.metric("billing_misrouted_commands_total", &["aggregate=\"account\""]);
    assert!(misrouted == 0.0, "{misrouted} commands lay on another partition than KafkaJS's");

    let count = (audit.events + audit.commands).to_string();
    let topics = ["account.events", "transaction.events", "replies"].map(|topic| setup.topic(topic));
    let args = [&count, &topics[0], &topics[1], &topics[2]].map(String::as_str);
    let read = kafkajs::run(kafka, "consume.js", &args, "").expect("node was there a moment ago");
    let records: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let events = records.iter().filter(|record| record["topic"] == topics[0]);
    let (mut seen, mut of_seed) = (0, 0);
    for event in events {
        seen += 1;
        of_seed += usize::from(has_the_seeds_shape(event));
    }
    assert_eq!((seen, of_seed), (audit.events, audit.events));
    assert_eq!(records.iter().filter(|record| record["topic"] == topics[2]).count(), audit.commands);
    engine.stop();
}

/// Key, value and headers of the section "Event Format".
fn has_the_seeds_shape(record: &Value) -> bool {
    let value: Value = serde_json::from_str(record["value"].as_str().unwrap_or_default()).unwrap_or_default();
    record["key"] == value["aggregateId"]
        && record["headers"]["eventType"] == value["eventType"]
        && record["headers"]["aggregateType"] == "Account"
        && value["aggregateVersion"].is_u64()
        && value["timestamp"].as_str().is_some_and(|time| time.len() == "2025-12-09T12:00:00.000Z".len())
        && value["correlationId"].is_string()
        && value["data"].is_object()
}

#[test]
fn send_reports_the_reply_to_every_command() {
    let (kafka, setup, engine) = started("send");
    let commands = commands(43, 100);
    let lines: String = commands.iter().map(|command| format!("{command}\n")).collect();
    let replies = setup.call(&["send", "-", "--wait", "--json"], &lines).expect_success();
    let outcomes = replies.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    assert_eq!(outcomes.filter(|reply| reply["outcome"].is_string()).count(), commands.len(), "{replies}");
    assert_done(kafka, &setup, commands.len());
    engine.stop();
}
