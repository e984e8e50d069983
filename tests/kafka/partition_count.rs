//! A topic that is given more partitions while the engine runs: plain Kafka allows it, and it moves accounts away
//! from their history.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::Load;
use crate::support::upstream::{Partitioner, Upstream};

/// The engine looks at the count every few seconds.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_running_engine_that_sees_another_number_of_partitions_drains_and_ends_with_78() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "count").with_topics();
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let mut engine = setup.start();
    Load::new(31, 20).take(200).for_each(|command| upstream.send(&command));
    upstream.flush();
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);
    // Before the change: afterwards every client computes other partitions.
    Audit::of(kafka, setup.prefix()).assert_clean();

    kafka.tool("topics", &["--alter", "--topic", &setup.topic("account.commands"), "--partitions", "6"]);
    assert_eq!(engine.wait(LIMIT), 78);
    assert!(engine.log().contains("partitions"), "the log does not say why:\n{}", engine.log());

    let again = setup.spawn().wait(LIMIT);
    assert_eq!(again, 78, "it must not start either");
}
