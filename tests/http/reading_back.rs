//! From a command on a real Kafka to an answer: through the engine, the projection and either store.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::schema::Document;
use crate::server::Answer;
use crate::support::engine::{Engine, Setup};
use crate::support::http::Response;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::upstream::{Partitioner, Upstream, create, credit};
use crate::support::{kafkajs, scratch, wait};

/// A projection that has yet to join its group.
pub const LIMIT: Duration = Duration::from_secs(60);

pub fn with_read_store(kafka: &Kafka, test: &str, url: &str) -> Setup {
    Setup::new(kafka, test).with("BILLING__READ_STORE__URL", url).with_topics()
}

pub fn sqlite(test: &str) -> String {
    format!("sqlite:{}", scratch::directory().join(format!("{test}.db")).display())
}

/// Waits for 200; whoever asks for a version may be told that it is not there yet.
pub fn found(engine: &Engine, path: &str) -> Value {
    let answered = |answer: &Response| answer.status == 200;
    let answer = wait::until(path, LIMIT, || engine.get(path).filter(answered));
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn what_was_written_through_kafka_is_read_back_from_either_store() {
    let kafka = Kafka::shared();
    for (test, url) in [("back-sqlite", sqlite("back")), ("back-pg", Postgres::shared().database("back"))] {
        let setup = with_read_store(kafka, test, &url);
        let engine = setup.start();
        let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
        upstream.send(&create("acc-1"));
        (0..10).for_each(|number| upstream.send(&credit("acc-1", &format!("c-{number}"), "2.50")));
        upstream.flush();
        let balance = found(&engine, "/api/v1/accounts/acc-1/balance?atLeastVersion=11");
        assert_eq!((&balance["balance"], &balance["version"]), (&"25.00".into(), &11.into()), "{test}");
        let entries = found(&engine, "/api/v1/accounts/acc-1/entries?limit=3");
        let newest: Vec<&Value> =
            entries["items"].as_array().unwrap().iter().map(|entry| &entry["newBalance"]).collect();
        assert_eq!(newest, ["25.00", "22.50", "20.00"], "{test}");

        let mut document = Document::new(found(&engine, "/openapi.json"));
        for (route, path) in [
            ("/api/v1/accounts/{id}", "/api/v1/accounts/acc-1"),
            ("/api/v1/accounts", "/api/v1/accounts?ownerId=owner&ownerType=CUSTOMER"),
            ("/api/v1/accounts/{id}/entries", "/api/v1/accounts/acc-1/entries"),
            ("/healthz/ready", "/healthz/ready"),
        ] {
            let Response { status, body } = engine.get(path).unwrap();
            let head = "content-type: application/json".to_owned();
            document.check("GET", route, &Answer { status, head, body });
        }
        engine.stop();
    }
}

/// The example of the README, as it stands there but for the addresses.
fn example(kafka: &Kafka, setup: &Setup, engine: &Engine) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```js\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
    let code = blocks.filter(|block| block.contains("atLeastVersion")).collect::<Vec<_>>().concat();
    let prefix = format!("{}.", setup.prefix());
    let places = [
        ("localhost:9092", kafka.address()),
        ("billing-engine.", &prefix),
        ("localhost:8090", &engine.address().to_string()),
    ];
    places.into_iter().fold(code, |code, (written, real)| {
        assert!(code.contains(written), "the example of the README names {written}");
        code.replace(written, real)
    })
}

#[test]
fn the_example_of_the_readme_sends_waits_retries_safely_and_reads_back() {
    let kafka = Kafka::shared();
    let setup = with_read_store(kafka, "readme", &sqlite("readme"));
    let engine = setup.start();
    let script = scratch::directory().join(format!("{}.js", setup.prefix()));
    fs::write(&script, example(kafka, &setup, &engine)).unwrap();
    // The second run sends the same commands again: nothing happens twice.
    for run in ["first", "second"] {
        let Some(said) = kafkajs::run_file(&script, &[], "") else { return };
        // Lines of KafkaJS's own log are JSON.
        let own: Vec<&str> = said.lines().filter(|line| !line.starts_with('{')).collect();
        assert_eq!(own, ["acc-1 holds 50.00 USD at version 2"], "the {run} run: {said}");
    }
    engine.stop();
}
