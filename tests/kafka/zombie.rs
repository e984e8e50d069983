//! An engine that does not know that it has been given up.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// Session timeout, a rebalance, a replay.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn an_engine_that_slept_past_its_session_writes_nothing_and_recovers_or_ends_clearly() {
    let kafka = Kafka::shared();
    let sleeper = Setup::new(kafka, "zombie").with("BILLING__KAFKA__SESSION_TIMEOUT", "6s").with_topics();
    let heir = sleeper.another("heir");
    let offsets = Offsets::new(kafka, sleeper.prefix());
    let upstream = Upstream::new(kafka, &sleeper.topic("account.commands"), Partitioner::Murmur2);
    let stream = Stream::start(upstream, Load::new(13, 100), 2_000);

    let mut zombie = sleeper.start();
    zombie.pause_in_transaction(&offsets);
    let given_up_at = offsets.passed();

    let mut heir = heir.start();
    wait::until_true("the heir to run all partitions", LIMIT, || heir.running_partitions() == 3.0);
    wait::until_true("the heir to go on", LIMIT, || offsets.passed() > given_up_at + 1_000);

    zombie.resume();
    let code = wait::until("the zombie to recover or to end", LIMIT, || match zombie.exit_code() {
        Some(code) => Some(Some(code)),
        None if zombie.is_ready() && zombie.running_partitions() >= 1.0 => Some(None),
        None => None,
    });
    assert_ne!(code, Some(0), "an engine that lost its partitions is not done:\n{}", zombie.log());

    let moved_on_at = offsets.passed();
    wait::until_true("work to go on with the zombie awake", LIMIT, || offsets.passed() > moved_on_at + 1_000);
    stream.stop();
    offsets.wait_until_idle(LIMIT);
    assert_eq!(heir.exit_code(), None, "the heir ended too");
    Audit::of(kafka, sleeper.prefix()).assert_clean();
}
