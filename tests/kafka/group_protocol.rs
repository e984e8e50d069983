//! The group protocol of KIP-848, where the broker assigns.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// An orderly hand-over.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn partitions_are_shared_and_handed_over_by_the_consumer_protocol_too() {
    let kafka = Kafka::shared();
    let one = Setup::new(kafka, "kip848").with("BILLING__KAFKA__GROUP_PROTOCOL", "consumer").with_topics();
    let two = one.another("two");
    let offsets = Offsets::new(kafka, one.prefix());
    let upstream = Upstream::new(kafka, &one.topic("account.commands"), Partitioner::Murmur2);
    let stream = Stream::start(upstream, Load::new(37, 50), 1_000);

    let first = one.start();
    wait::until_true("the first to own everything", LIMIT, || first.running_partitions() == 3.0);
    let second = two.start();
    wait::until_true("the second to own something", LIMIT, || second.running_partitions() > 0.0);
    wait::until_true("nobody to own the same", LIMIT, || {
        first.running_partitions() + second.running_partitions() == 3.0
    });
    first.stop();
    wait::until_true("the second to own everything", LIMIT, || second.running_partitions() == 3.0);

    stream.stop();
    offsets.wait_until_idle(LIMIT);
    second.stop();
    Audit::of(kafka, one.prefix()).assert_clean();
}
