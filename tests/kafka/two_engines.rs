//! Engines share the partitions, and take over from each other.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::{Engine, Setup};
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// Session timeout, a rebalance, a replay.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn partitions_move_as_engines_join_leave_and_die_and_nothing_happens_twice() {
    let kafka = Kafka::shared();
    let first = Setup::new(kafka, "two").with("BILLING__KAFKA__SESSION_TIMEOUT", "6s").with_topics();
    let second = first.another("two");
    let upstream = Upstream::new(kafka, &first.topic("account.commands"), Partitioner::Murmur2);
    let stream = Stream::start(upstream, Load::new(11, 100), 1_000);

    let one = first.start();
    wait_for_partitions(&[&one]);
    let two = second.start();
    wait_for_partitions(&[&one, &two]);
    two.stop();
    wait_for_partitions(&[&one]);
    let two = second.start();
    wait_for_partitions(&[&one, &two]);
    two.kill9();
    wait_for_partitions(&[&one]);

    stream.stop();
    Offsets::new(kafka, first.prefix()).wait_until_idle(LIMIT);
    one.stop();
    Audit::of(kafka, first.prefix()).assert_clean();
}

/// All three partitions run, and each engine has its share.
fn wait_for_partitions(engines: &[&Engine]) {
    wait::until_true(&format!("{} engines to share the partitions", engines.len()), LIMIT, || {
        let shares: Vec<_> = engines.iter().map(|engine| engine.running_partitions()).collect();
        shares.iter().all(|share| *share >= 1.0) && shares.iter().sum::<f64>() == 3.0
    });
}
