//! The topics, created, checked and repaired.

use std::time::{Duration, Instant};

use billing_engine::log::Error;
use billing_engine::log::kafka::Settings;
use billing_engine::log::kafka::topics::{Admin, Change, Presence};
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};

use crate::stage::{DESIRED, EVENTS, PATIENCE, administrator, settings, within};

#[tokio::test]
async fn ensuring_the_topics_again_changes_nothing_and_keeps_what_others_set() {
    let settings = settings();
    let admin = Admin::new(&settings, DESIRED, PATIENCE);
    assert!(admin.check().await.unwrap().iter().all(|fault| fault.found == "missing"));
    let created = within(admin.ensure()).await.unwrap();
    assert!(created.iter().all(|change| matches!(change, Change::Created { .. })) && created.len() == 11);
    assert_eq!(within(admin.check()).await.unwrap(), []);
    assert_eq!(within(admin.ensure()).await.unwrap(), []);

    let events = EVENTS.full_name(&settings.prefix);
    let foreign = AlterConfig::new(ResourceSpecifier::Topic(&events))
        .set("segment.bytes", "123456789")
        .set("cleanup.policy", "compact")
        .set("retention.ms", "99999999999");
    administrator(&settings).alter_configs([&foreign], &AdminOptions::new()).await.unwrap();
    let faults = within(admin.check()).await.unwrap();
    assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["min.compaction.lag.ms"]);

    let changes = within(admin.ensure()).await.unwrap();
    assert!(matches!(&changes[..], [Change::Configured { key, .. }] if key == "min.compaction.lag.ms"), "{changes:?}");
    let described = within(admin.describe()).await.unwrap();
    let overrides = &described.iter().find(|topic| topic.topic == events).unwrap().overrides;
    let kept = ["segment.bytes", "cleanup.policy", "retention.ms", "min.compaction.lag.ms"].map(|k| &*overrides[k]);
    assert_eq!(kept, ["123456789", "compact", "99999999999", "9223372036854775807"]);
    assert_eq!(within(admin.check()).await.unwrap(), []);
}

#[tokio::test]
async fn a_check_finds_what_would_lose_something() {
    let settings = settings();
    let administrator = administrator(&settings);
    let name = |topic: &str| format!("{}.{topic}", settings.prefix);
    let (commands, events, inbox) = (name("account.commands"), name("account.events"), name("account.inbox"));
    let one = TopicReplication::Fixed(1);
    let topics = [
        NewTopic::new(&commands, 5, TopicReplication::Fixed(1)).set("max.message.bytes", "1000"),
        NewTopic::new(&events, 2, TopicReplication::Fixed(1))
            .set("cleanup.policy", "compact,delete")
            .set("retention.ms", "60000"),
        NewTopic::new(&inbox, 2, one).set("max.message.bytes", "12582912"),
    ];
    administrator.create_topics(&topics, &AdminOptions::new()).await.unwrap();
    let admin = Admin::new(&settings, DESIRED, PATIENCE);
    let faults = within(admin.check()).await.unwrap();
    let of = |topic: &str| faults.iter().filter(|f| f.topic == topic).map(|f| f.key.as_str()).collect::<Vec<_>>();
    assert_eq!(of(&commands), ["partitions", "max.message.bytes"]);
    assert_eq!(of(&events), ["min.compaction.lag.ms", "retention.ms"]);
    assert_eq!(of(&inbox), ["retention.ms"]);
    assert_eq!(of(&name("replies")), ["topic"]);
    let partitions = faults.iter().find(|fault| fault.key == "partitions").unwrap();
    assert_eq!((partitions.found.as_str(), partitions.wanted.as_str()), ("5", "2"));

    within(admin.ensure()).await.unwrap();
    let left = within(admin.check()).await.unwrap();
    assert_eq!(left.iter().map(|f| f.key.as_str()).collect::<Vec<_>>(), ["partitions"], "only a person can: {left:?}");
    let described = within(admin.describe()).await.unwrap();
    assert!(described.iter().all(|topic| topic.presence == Presence::Present && topic.partitions > 0));
}

#[tokio::test]
async fn nobody_answers_within_the_time_that_was_given() {
    let settings = Settings { brokers: "127.0.0.1:1".into(), ..settings() };
    let began = Instant::now();
    let answer = Admin::new(&settings, DESIRED, Duration::from_secs(1)).check().await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}
