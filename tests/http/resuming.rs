//! Streams above a real Kafka: cut off, killed, resumed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use billing_engine::http::{Api, Feed};
use billing_engine::log::kafka::{GroupProtocol, KafkaClient, Settings};
use billing_engine::log::{Client, Drafts, Topic};
use serde_json::Value;

use crate::schema::Document;
use crate::server::{Server, api};
use crate::streaming::Listener;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::upstream::{Partitioner, Upstream, create, credit};

const ACCOUNTS: usize = 30;
const CREDITS: usize = 40;

fn id(account: usize) -> String {
    format!("acc-{account:02}")
}

/// Opens every account and credits it, all interleaved.
fn write(kafka: &Kafka, topic: &str) {
    let upstream = Upstream::new(kafka, topic, Partitioner::Murmur2);
    (0..ACCOUNTS).for_each(|account| upstream.send(&create(&id(account))));
    for round in 0..CREDITS {
        (0..ACCOUNTS).for_each(|account| upstream.send(&credit(&id(account), &format!("c-{round}"), "1.00")));
    }
    upstream.flush();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_and_comes_back_with_the_last_id_gets_every_event_once_even_from_an_engine_that_was_killed() {
    const PATH: &str = "/api/v1/events/stream";
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "sse").with_topics();
    let mut engine = setup.start();
    let mut listener = Listener::open(engine.address(), PATH, None).await;
    let mut last = listener.message().await.unwrap().id;
    write(kafka, &setup.topic("account.commands"));

    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let (mut taken, mut killed) = (0, false);
    while taken < ACCOUNTS * (1 + CREDITS) {
        // A stream that a kill or a rebuild ended is opened again, as every EventSource does.
        let Some(message) = listener.message().await else {
            listener = Listener::open(engine.address(), PATH, Some(&last)).await;
            continue;
        };
        last = message.id;
        if message.data.is_empty() {
            continue;
        }
        let event: Value = serde_json::from_str(&message.data).unwrap();
        let account = event["aggregateId"].as_str().unwrap().to_owned();
        seen.entry(account).or_default().push(event["aggregateVersion"].as_u64().unwrap());
        taken += 1;
        if taken == 500 {
            engine.kill9();
            killed = true;
            engine = setup.start();
        }
        if taken % 113 == 0 {
            listener = Listener::open(engine.address(), PATH, Some(&last)).await;
        }
    }
    assert!(killed);
    let every: Vec<u64> = (1..=1 + CREDITS as u64).collect();
    let expected: BTreeMap<String, Vec<u64>> = (0..ACCOUNTS).map(|account| (id(account), every.clone())).collect();
    assert_eq!(seen, expected, "every event once, in order");

    let mut one = Listener::open(engine.address(), "/api/v1/events/accounts/acc-07", None).await;
    for version in every {
        let event: Value = serde_json::from_str(&one.event().await.data).unwrap();
        assert_eq!((&event["aggregateId"], event["aggregateVersion"].as_u64()), (&"acc-07".into(), Some(version)));
    }
    engine.stop();
}

/// A listener above these topics of a real Kafka.
async fn above(kafka: &Kafka, prefix: &str) -> (Server, Arc<dyn Client>) {
    let settings = Settings {
        brokers: kafka.address().into(),
        options: BTreeMap::new().into_iter().collect(),
        prefix: prefix.into(),
        partitions: 1,
        instance_id: "http".into(),
        group_protocol: GroupProtocol::Classic,
        session_timeout: Duration::from_secs(30),
        intake_bytes: 1 << 20,
    };
    let client: Arc<dyn Client> = Arc::new(KafkaClient::new(settings).unwrap());
    let served = client.clone();
    let feed = Feed::new(1, move || Ok(served.clone()));
    (Server::with(&[], None, Api { feed, ..api(None) }).await, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_event_topics_says_what_creates_them() {
    let kafka = Kafka::shared();
    let (server, _client) = above(kafka, &kafka.prefix("no-topics")).await;
    let mut document = Document::of(&server).await;
    let answer = server.get("/api/v1/events/stream").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("EVENTS_UNAVAILABLE")));
    assert!(answer.body.contains("topics ensure"), "{}", answer.body);
    document.check("GET", "/api/v1/events/stream", &answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_whose_events_have_left_the_log_is_gone_and_the_oldest_that_is_there_is_not() {
    let kafka = Kafka::shared();
    let prefix = kafka.prefix("gone");
    for topic in ["account.events", "transaction.events"] {
        let topic = format!("{prefix}.{topic}");
        kafka.tool("topics", &["--create", "--topic", &topic, "--partitions", "1", "--replication-factor", "1"]);
    }
    let (server, client) = above(kafka, &prefix).await;
    let mut drafts = Drafts::default();
    for number in 0..10 {
        drafts.push(Topic("account.events"), 0, None, |record| record.value(format!("{{\"n\":{number}}}").as_bytes()));
    }
    client.append(drafts).await.unwrap();
    let partitions = format!(r#"[{{"topic":"{prefix}.account.events","partition":0,"offset":5}}]"#);
    let file = crate::support::scratch::directory().join(format!("{prefix}.json"));
    std::fs::write(&file, format!(r#"{{"partitions":{partitions},"version":1}}"#)).unwrap();
    kafka.tool("delete-records", &["--offset-json-file", file.to_str().unwrap()]);

    let mut document = Document::of(&server).await;
    let answer = server.ask_with("Last-Event-ID: a0:4,t0:0\r\n", "GET", "/api/v1/events/stream").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (410, Some("EVENTS_GONE")), "{}", answer.body);
    document.check("GET", "/api/v1/events/stream", &answer);
    let mut listener = Listener::open(server.address, "/api/v1/events/stream", Some("a0:5,t0:0")).await;
    assert_eq!(listener.event().await.data, "{\"n\":5}");
}
