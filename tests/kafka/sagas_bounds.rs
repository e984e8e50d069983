//! What transactions may not keep waiting, on a real Kafka: captures at the bound, and commands behind a full inbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use billing_engine::domain::Rules;
use billing_engine::domain::account::Account;
use billing_engine::domain::ids::Timestamp;
use billing_engine::domain::money::Currency;
use billing_engine::domain::transaction::Transaction;
use billing_engine::engine::{ACCOUNTS, Engine, Request, TRANSACTIONS, Threads};
use billing_engine::http::Health;
use billing_engine::log::Spec;
use billing_engine::log::kafka::{GroupProtocol, KafkaLog, Settings as KafkaSettings};
use billing_engine::metrics::Metrics;
use billing_engine::partition::Settings;
use billing_engine::wire::message::Mail;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::auditor::offsets::Offsets;
use crate::support::auditor::reading;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::upstream::{self, Partitioner, Upstream};
use crate::support::wait;

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn captures_go_through_while_many_more_are_authorized_than_may_be_open() {
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "sagas-bound").with_topics();
    let engines = Engines::start(kafka, setup.prefix(), 2);
    write(
        kafka,
        &setup,
        "account",
        &[
            upstream::create("customer"),
            upstream::credit("customer", "opening", "1000.00"),
            upstream::create("merchant"),
        ],
    );
    let authorize = |number: usize| {
        let data = json!({
            "customerAccountId": "customer", "merchantAccountId": "merchant", "amount": "1.00", "currency": "USD"
        });
        asked("AuthorizePayment", number, data)
    };
    let capture = |number| asked("CapturePayment", number, json!({}));
    write(kafka, &setup, "transaction", &(0..60).map(authorize).collect::<Vec<_>>());
    wait_for(kafka, &setup, "COMPLETED", 60);
    write(kafka, &setup, "transaction", &(0..60).map(capture).collect::<Vec<_>>());
    wait_for(kafka, &setup, "COMPLETED", 120);
    let counted = "billing_transactions_total{type=\"payment\",outcome=\"completed\"} 60";
    let exposed = engines.metrics.render();
    assert!(exposed.lines().any(|line| line == counted), "{counted}\nis not in\n{exposed}");
    engines.stop();
}

#[test]
fn a_credit_is_answered_within_a_second_while_the_inbox_is_full() {
    const TRANSFERS: usize = 15_000;
    let kafka = Kafka::shared();
    let setup = Setup::new(kafka, "sagas-inbox").with_topics();
    // Small batches, so that the inbox stays full for long enough.
    let setup = setup.with("BILLING__PARTITION__BATCH_RECORDS", "50");
    let role = |role: &str| setup.another(role).with_arguments(&["--roles".to_owned(), format!("{role},http")]);
    let accounts = role("accounts");
    write(kafka, &setup, "account", &[upstream::create("from"), upstream::create("to")]);
    write(kafka, &setup, "account", &[upstream::credit("from", "opening", "900000.00")]);
    accounts.start().stop();

    let transfer = |number| {
        let data =
            json!({ "sourceAccountId": "from", "destinationAccountId": "to", "amount": "1.00", "currency": "USD" });
        asked("RequestTransfer", number, data)
    };
    write(kafka, &setup, "transaction", &(0..TRANSFERS).map(transfer).collect::<Vec<_>>());
    let sagas = role("sagas").start();
    let asked_for = Offsets::of_sagas(kafka, setup.prefix());
    wait::until_true("all legs to be asked for", LIMIT, || asked_for.lag() == 0);
    sagas.stop();

    // All of them are for one account, whose partition has nothing else to do.
    let offsets = Offsets::new(kafka, setup.prefix());
    assert!(offsets.lag() >= i64::try_from(TRANSFERS).expect("a count"), "the inbox is full");
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    let replies = tail(kafka, &setup.topic("replies"));
    let engine = accounts.start();
    let mut took = Vec::new();
    for number in 0..5 {
        let id = format!("between-{number}");
        let begun = Instant::now();
        upstream.send(&upstream::credit("from", &id, "1.00"));
        wait_for_answer(&replies, &id);
        took.push(begun.elapsed());
        assert!(offsets.lag() > 0, "the inbox is empty, after {took:?}");
    }
    println!("answered after {took:?}, {} messages are left", offsets.lag());
    took.sort_unstable();
    assert!(took[2] < Duration::from_secs(1), "answers took {took:?}");
    drop(engine);
}

/// What is written from now on.
fn tail(kafka: &Kafka, topic: &str) -> BaseConsumer {
    let mut config = kafka.client();
    config.set("group.id", "tail").set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("the client takes these settings");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..reading::partitions(kafka, topic) {
        let end = consumer.fetch_watermarks(topic, partition, LIMIT).expect("the broker answers").1;
        partitions.add_partition_offset(topic, partition, Offset::Offset(end)).expect("an offset to begin at");
    }
    consumer.assign(&partitions).expect("partitions to read");
    consumer
}

fn wait_for_answer(replies: &BaseConsumer, command_id: &str) {
    wait::until_true(&format!("the answer to {command_id}"), LIMIT, || {
        let reply = replies.poll(Duration::from_millis(100)).map(|reply| reply.expect("the broker answers"));
        let reply = reply.and_then(|reply| serde_json::from_slice::<Value>(reply.payload()?).ok());
        reply.is_some_and(|reply| reply["commandId"] == command_id)
    });
}

fn replies(kafka: &Kafka, setup: &Setup) -> Vec<Value> {
    reading::all(kafka, &setup.topic("replies")).iter().filter_map(reading::Seen::json).collect()
}

fn asked(command_type: &str, number: usize, data: Value) -> Value {
    let (id, command_id) = (format!("txn-{number}"), format!("{command_type}-{number}"));
    json!({ "commandType": command_type, "commandId": command_id, "aggregateId": id, "data": data })
}

fn write(kafka: &Kafka, setup: &Setup, aggregate: &str, commands: &[Value]) {
    let upstream = Upstream::new(kafka, &setup.topic(&format!("{aggregate}.commands")), Partitioner::Murmur2);
    commands.iter().for_each(|command| upstream.send(command));
    upstream.flush();
}

fn wait_for(kafka: &Kafka, setup: &Setup, outcome: &str, count: usize) {
    wait::until_true(&format!("{count} times {outcome}"), LIMIT, || {
        replies(kafka, setup).iter().filter(|reply| reply["outcome"] == outcome).count() == count
    });
}

/// Both engines, in a thread of this process.
struct Engines {
    accounts: mpsc::Sender<Request<Account>>,
    sagas: mpsc::Sender<Request<Transaction>>,
    metrics: Arc<Metrics>,
    thread: JoinHandle<()>,
}

impl Engines {
    fn start(kafka: &Kafka, prefix: &str, max_open: usize) -> Self {
        let (accounts, of_accounts) = mpsc::channel(1);
        let (sagas, of_sagas) = mpsc::channel(1);
        let (brokers, prefix) = (kafka.address().to_owned(), prefix.to_owned());
        let metrics = Metrics::new();
        let counted = metrics.clone();
        let thread = thread::spawn(move || {
            actix::System::new().block_on(async {
                let accounts = engine::<Account>(&brokers, &prefix, ACCOUNTS, max_open, &counted).run(of_accounts);
                let sagas = engine::<Transaction>(&brokers, &prefix, TRANSACTIONS, max_open, &counted).run(of_sagas);
                let (accounts, sagas) = tokio::join!(accounts, sagas);
                accounts.and(sagas).expect("both end in order");
            });
        });
        Engines { accounts, sagas, metrics, thread }
    }

    fn stop(self) {
        self.accounts.blocking_send(Request::Shutdown).expect("the engine listens");
        self.sagas.blocking_send(Request::Shutdown).expect("the engine listens");
        self.thread.join().expect("both end in order");
    }
}

fn engine<A: Mail>(brokers: &str, prefix: &str, spec: Spec, max_open: usize, metrics: &Arc<Metrics>) -> Engine<A> {
    let log = KafkaLog::new(
        KafkaSettings {
            brokers: brokers.to_owned(),
            options: BTreeMap::new(),
            prefix: prefix.to_owned(),
            partitions: 3,
            instance_id: "in-process".to_owned(),
            group_protocol: GroupProtocol::Classic,
            session_timeout: Duration::from_secs(30),
            intake_bytes: 1 << 20,
        },
        spec,
    );
    let rules = Rules {
        currencies: Currency::new("USD", 2).into_iter().collect(),
        idempotency_window: 256,
        default_hold: Rules::DEFAULT_HOLD,
    };
    let clock = Arc::new(|| Timestamp(jiff::Timestamp::now().as_millisecond()));
    let mut settings = Settings::new(prefix, spec, 3, rules, clock);
    settings.max_open = max_open;
    Engine::new(
        log.expect("the client takes these settings"),
        settings,
        BTreeMap::new(),
        metrics.clone(),
        Health::new(),
        Threads::start(0),
    )
}
