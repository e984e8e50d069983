//! The commands that the seed's text tells an operator to type.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::Load;
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// An idle engine shows no lag after this time, tool included.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// A few hundred commands through an unoptimised build.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_seeds_own_commands_show_what_the_seed_shows() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "seed").with_topics();
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let engine = setup.start();
    Load::new(47, 20).take(300).for_each(|command| upstream.send(&command));
    upstream.flush();
    Offsets::new(kafka, setup.prefix()).wait_until_idle(LIMIT);

    assert_lag_is_0(kafka, &setup);
    assert_topics_are_described(kafka, &setup);
    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_events_are_consumed(kafka, &setup.topic("account.events"), audit.events);
    kafka.tool("broker-api-versions", &[]);
    assert_more_retention_is_right(kafka, &setup);
    engine.stop();
}

fn assert_lag_is_0(kafka: &Kafka, setup: &Setup) {
    let group = format!("{}-accounts", setup.prefix());
    assert!(kafka.tool("consumer-groups", &["--list"]).lines().any(|line| line == group));
    wait::until_true("the tool to show no lag", IDLE_LIMIT, || {
        let table = kafka.tool("consumer-groups", &["--describe", "--group", &group]);
        let lags: Vec<_> = table
            .lines()
            .filter(|line| line.contains(&setup.topic("account.")))
            .filter_map(|line| line.split_whitespace().nth(5))
            .collect();
        // Three partitions of commands and three of the inbox.
        lags.len() == 6 && lags.iter().all(|lag| *lag == "0")
    });
}

fn assert_topics_are_described(kafka: &Kafka, setup: &Setup) {
    let listed = kafka.tool("topics", &["--list"]);
    for topic in ["account.events", "transaction.events"].map(|topic| setup.topic(topic)) {
        assert!(listed.lines().any(|line| line == topic), "{topic} is not listed");
        let described = kafka.tool("topics", &["--describe", "--topic", &topic]);
        let settings = [
            "PartitionCount: 3",
            "ReplicationFactor: 1",
            "retention.ms=31536000000",
            "cleanup.policy=compact",
            "max.message.bytes=10485760",
            "min.compaction.lag.ms=9223372036854775807",
        ];
        for setting in settings {
            assert!(described.contains(setting), "{setting} is missing:\n{described}");
        }
    }
}

fn assert_events_are_consumed(kafka: &Kafka, topic: &str, events: usize) {
    let count = events.to_string();
    let consume = |properties: &[&str]| {
        let mut args = vec!["--topic", topic, "--from-beginning", "--max-messages", &count];
        args.extend(["--isolation-level", "read_committed", "--timeout-ms", "30000"]);
        properties.iter().for_each(|property| args.extend(["--formatter-property", property]));
        let shown = kafka.tool("console-consumer", &args);
        shown.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let plain = consume(&[]);
    assert_eq!(plain.len(), events);
    assert!(plain.iter().all(|line| line.starts_with('{') && line.contains("\"eventType\"")));
    let keyed = consume(&["print.key=true", "key.separator=: "]);
    assert!(keyed.len() == events && keyed.iter().all(|line| line.starts_with("acc-") && line.contains(": {")));
    let timed = consume(&["print.timestamp=true", "print.offset=true"]);
    assert!(timed.len() == events && timed.iter().all(|line| line.starts_with("CreateTime:")));
}

fn assert_more_retention_is_right(kafka: &Kafka, setup: &Setup) {
    let topic = setup.topic("account.events");
    let longer = ["--entity-type", "topics", "--entity-name", &topic, "--alter", "--add-config"];
    kafka.tool("configs", &[&longer[..], &["retention.ms=315360000000"]].concat());
    setup.call(&["topics", "check"], "").expect_success();
    let again = setup.clone().with_topics();
    let described = kafka.tool("topics", &["--describe", "--topic", &again.topic("account.events")]);
    assert!(described.contains("retention.ms=315360000000"), "topics ensure took the retention back:\n{described}");
}
