//! Messages in an inbox that the engine can neither do nor refuse: their partition halts and names them, and the others
//! go on. Nobody but the engine has a right to write there; here somebody does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::auditor::accounts::home;
use crate::support::auditor::reading;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::upstream::{self, Partitioner, Upstream};
use crate::support::wait;

const LIMIT: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;

/// A message to that account, of a transaction that never was.
struct Forged {
    format: &'static str,
    message_type: &'static str,
    to: &'static str,
    data: Value,
}

impl Forged {
    fn send(&self, kafka: &Kafka, setup: &Setup) {
        let value = json!({
            "aggregateId": self.to, "senderId": "txn-0", "correlationId": "c", "causationId": "c",
            "commandHash": "0".repeat(32), "data": self.data,
        });
        let headers = [("billing.message.format", self.format), ("billing.message.type", self.message_type)];
        let headers = headers.map(|(name, value)| (name, value.as_bytes()));
        let inbox = Upstream::new(kafka, &setup.topic("account.inbox"), Partitioner::Murmur2);
        inbox.send_raw(Some(self.to), Some(value.to_string().as_bytes()), &headers);
        inbox.flush();
    }
}

/// The partition of the message halts with these words; an account elsewhere is credited all the same.
fn assert_halts(test: &str, forged: &Forged, words: &[&str]) {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, test).with_topics();
    let engine = setup.start();
    forged.send(kafka, &setup);
    wait::until_true("one partition to halt", LIMIT, || {
        engine.metric("billing_partition_state", &["state=\"halted\"", "aggregate=\"account\""]) == 1.0
    });
    let told = engine.get("/healthz/ready").expect("it listens");
    assert_eq!(told.status, 503);
    for word in words {
        assert!(told.body.contains(word), "{word} is not in {}", told.body);
    }
    let elsewhere = (0..).map(|number| format!("acc-{number}"));
    let elsewhere = elsewhere.into_iter().find(|id| home(id, PARTITIONS) != home(forged.to, PARTITIONS));
    let elsewhere = elsewhere.expect("there are other partitions");
    let commands = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    commands.send(&upstream::create(&elsewhere));
    commands.flush();
    let is_told = || !reading::all(kafka, &setup.topic("replies")).is_empty();
    wait::until_true("the others to go on", LIMIT, is_told);
    engine.stop();
    let letters = reading::all(kafka, &setup.topic("dead-letters"));
    assert!(letters.is_empty(), "an engine message is never put aside: {letters:?}");
}

#[test]
fn a_message_of_a_newer_format_halts_its_partition_and_says_which_it_needs() {
    let forged = Forged { format: "2", message_type: "post-leg", to: "acc-0", data: json!({}) };
    assert_halts("message-newer", &forged, &["inbox offset 0", "reads format 2"]);
}

#[test]
fn a_reversal_that_cannot_be_posted_halts_its_partition_and_is_named() {
    let failure = json!({ "leg": 2, "accountId": "acc-1", "code": "ACCOUNT_INACTIVE", "message": "m" });
    let data = json!({ "leg": 1, "changeType": "CREDIT", "amount": "5.00", "failure": failure });
    let forged = Forged { format: "1", message_type: "reverse-leg", to: "acc-0", data };
    let place = format!("account.inbox:{}:0", home("acc-0", PARTITIONS));
    assert_halts("message-stuck", &forged, &[&place, "acc-0", "neither done nor refused"]);
}
