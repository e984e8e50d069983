//! The broker goes away and comes back.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::{Engine, Setup};
use crate::support::kafka::{CURRENT, Kafka};
use crate::support::load::{Load, Stream};
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// Reconnecting, fencing, a replay.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_engine_outlives_a_broker_that_stops_and_one_that_is_killed() {
    let kafka = Kafka::start_own(CURRENT);
    let setup = Setup::new(&kafka, "restart").with_topics();
    let offsets = Offsets::new(&kafka, setup.prefix());
    let upstream = Upstream::new(&kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let mut engine = setup.start();
    let stream = Stream::start(upstream, Load::new(17, 100), 2_000);

    wait_for_progress(&mut engine, &offsets);
    kafka.stop();
    kafka.start();
    wait_for_progress(&mut engine, &offsets);
    kafka.kill9();
    kafka.start();
    wait_for_progress(&mut engine, &offsets);

    stream.stop();
    offsets.wait_until_idle(LIMIT);
    assert!(engine.is_ready());
    engine.stop();
    Audit::of(&kafka, setup.prefix()).assert_clean();
}

#[test]
fn an_engine_without_a_broker_waits_and_one_without_topics_names_the_cure() {
    let kafka = Kafka::start_own(CURRENT);
    let setup = Setup::new(&kafka, "absent");
    kafka.kill9();

    let mut engine = setup.spawn();
    wait::until_true("the engine to say that it lives", LIMIT, || {
        engine.get("/healthz/live").is_some_and(|answer| answer.status == 200)
    });
    assert!(wait::stays(Duration::from_secs(5), || engine.exit_code().is_none() && !engine.is_ready()));
    assert!(engine.log().contains(kafka.address()), "the log does not name the broker:\n{}", engine.log());

    kafka.start();
    wait::until_true("the engine to name the cure", LIMIT, || engine.log().contains("topics ensure"));
    assert!(!engine.is_ready());

    let _topics = setup.with_topics();
    engine.wait_until_ready();
    engine.stop();
}

fn wait_for_progress(engine: &mut Engine, offsets: &Offsets) {
    let from = offsets.passed();
    wait::until_true("the engine to go on", LIMIT, || {
        engine.assert_runs();
        offsets.passed() > from + 1_000
    });
}
