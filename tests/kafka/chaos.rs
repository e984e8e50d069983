//! Actors that die on request.

use std::time::Duration;

use serde_json::Value;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// An orderly step of an engine that is well.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn an_actor_that_is_killed_on_request_comes_back_and_loses_nothing() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "chaos").with("BILLING__CHAOS__ENABLED", "true").with_topics();
    let offsets = Offsets::new(kafka, setup.prefix());
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let engine = setup.start();
    let stream = Stream::start(upstream, Load::new(29, 20), 500);
    wait::until_true("commands to be worked on", LIMIT, || offsets.passed() > 100);
    for _ in 0..5 {
        let answer = engine.post("/chaos/kill").expect("an answer while there is load");
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(answer.status, 200, "{body}");
        assert!(body["killed"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
    }
    wait::until_true("killed actors to be built again", LIMIT, || {
        engine.metric("billing_actor_restarts_total", &["reason=\"killed\""]) >= 1.0
    });
    stream.stop();
    offsets.wait_until_idle(LIMIT);
    engine.stop();
    Audit::of(kafka, setup.prefix()).assert_clean();
}
