//! Beside a running engine on a real Kafka, whose transactions leave offsets of no record.

use std::time::Duration;

use serde_json::Value;

use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::postgres::Postgres;
use crate::support::upstream::{self, Partitioner, Upstream};

/// A few hundred commands through an unoptimised build.
const LIMIT: Duration = Duration::from_secs(90);

fn verified(setup: &Setup, words: &[&str]) -> Value {
    let text = setup.call(&[&["verify", "--json"], words].concat(), "").expect_success();
    serde_json::from_str(&text).expect(&text)
}

#[test]
fn the_store_of_an_engine_at_work_is_what_the_log_says_at_any_moment() {
    let kafka = Kafka::shared();
    let url = Postgres::shared().database("running");
    let setup = Setup::new(kafka, "running").with("BILLING__READ_STORE__URL", &url).with_topics();
    let topic = setup.topic("account.commands");
    let engine = setup.start();
    let stream = Stream::start(Upstream::new(kafka, &topic, Partitioner::Murmur2), Load::new(11, 20), 200);
    let mut checked = Vec::new();
    for _ in 0..3 {
        let report = verified(&setup, &[]);
        checked.push(report["checked"].as_u64().unwrap());
    }
    stream.stop();
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);
    let report = verified(&setup, &["--drained"]);
    assert_eq!(report["currencies"]["USD"]["inFlight"], "0.00");
    checked.push(report["checked"].as_u64().unwrap());
    assert!(checked.is_sorted() && checked.first() < checked.last(), "rows came in between: {checked:?}");
    engine.stop();

    // Whoever is stopped leaves nothing that is not right.
    assert_eq!(verified(&setup, &["--drained"]), report);
    let late = Upstream::new(kafka, &topic, Partitioner::Murmur2);
    late.send(&upstream::create("latecomer"));
    late.flush();
    let without = setup.clone().with("BILLING__READ_STORE__URL", "").start();
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);
    let finished = setup.call(&["verify", "--json", "--timeout", "2"], "");
    assert!(finished.code == 1 && finished.errors.contains("READ_STORE_BEHIND"), "{finished:?}");
    without.stop();
}
