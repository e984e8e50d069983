//! Being asked to stop, and being started wrongly.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::{CURRENT, Kafka};
use crate::support::load::{Load, Stream};
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// An orderly step of an engine that is well.
const LIMIT: Duration = Duration::from_secs(60);

/// Exit code of a configuration that cannot be used.
const BAD_CONFIGURATION: i32 = 78;

#[test]
fn an_engine_that_is_asked_to_stop_under_load_drains_and_ends_with_0() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "stop").with_topics();
    let offsets = Offsets::new(kafka, setup.prefix());
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let stream = Stream::start(upstream, Load::new(19, 50), 2_000);
    for round in 1..=3 {
        let engine = setup.start();
        wait::until_true("commands to be worked on", LIMIT, || offsets.passed() > round * 1_000);
        engine.stop();
        assert!(!offsets.transaction_is_open(), "a transaction was left open");
    }
    stream.stop();
    let engine = setup.start();
    offsets.wait_until_idle(LIMIT);
    engine.stop();
    Audit::of(kafka, setup.prefix()).assert_clean();
}

#[test]
fn a_second_request_to_stop_ends_an_engine_that_cannot_drain() {
    let kafka = Kafka::start_own(CURRENT);
    let setup = Setup::new(&kafka, "stop-twice").with_topics();
    let offsets = Offsets::new(&kafka, setup.prefix());
    let upstream = Upstream::new(&kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let mut engine = setup.start();
    for command in Load::new(23, 10).take(20_000) {
        upstream.send(&command);
    }
    wait::until_true("a transaction to be open", LIMIT, || offsets.transaction_is_open());
    kafka.kill9();
    engine.terminate();
    wait::until_true("the engine to be ready no more", LIMIT, || !engine.is_ready());
    engine.terminate();
    engine.wait(Duration::from_secs(3));
}

#[test]
fn a_bad_configuration_ends_the_engine_with_78_and_all_faults_at_once() {
    let setup = Setup::new(Kafka::shared(), "misconfigured")
        .with("BILLING__TOPICS__PARTITIONS", "0")
        .with("BILLING__HTTP__LISTEN", "nowhere")
        .with("BILLING__TOPICS__PREFXI", "misspelt")
        .with("BILLING__KAFKA__OPTIONS__ISOLATION_LEVEL", "read_uncommitted");
    let refused = setup.call(&["run"], "");
    let complaint = refused.errors.to_lowercase();
    assert_eq!(refused.code, BAD_CONFIGURATION, "{complaint}");
    for fault in ["topics.partitions", "http.listen", "prefxi", "isolation.level"] {
        assert!(complaint.contains(fault), "{fault} is not named:\n{complaint}");
    }
}

#[test]
fn topics_that_would_lose_events_are_refused_with_78() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "lossy").with_topics();
    let events = setup.topic("account.events");
    let lossy = ["--alter", "--entity-type", "topics", "--entity-name", &events];
    kafka.tool("configs", &[&lossy[..], &["--add-config", "min.compaction.lag.ms=0"]].concat());
    let refused = setup.call(&["run"], "");
    let complaint = refused.errors.to_lowercase();
    assert_eq!(refused.code, BAD_CONFIGURATION, "{complaint}");
    assert!(complaint.contains(&events) && complaint.contains("min.compaction.lag.ms"), "{complaint}");

    let cured = setup.with_topics();
    cured.call(&["topics", "check"], "").expect_success();
}
