//! An engine with a read store on a real Kafka, and what its tables must hold by the events that lie there.

use std::time::Duration;

use serde_json::Value;

use crate::database::{Database, assert_same};
use crate::expected::{Fold, Tables};
use crate::sagas::story;
use crate::support::auditor::offsets::{Offsets, come_to_rest};
use crate::support::auditor::reading;
use crate::support::engine::{Engine, Setup};
use crate::support::kafka::Kafka;
use crate::support::load::{Load, Stream};
use crate::support::postgres::block_on;
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// A session that must run out, a start, a replay, a rebuild.
pub const LIMIT: Duration = Duration::from_secs(90);

const TOPICS: [&str; 2] = ["account.events", "transaction.events"];

/// Commands that took effect in this life of an engine.
pub fn accepted(engine: &Engine) -> f64 {
    engine.metric("billing_commands_total", &["outcome=\"accepted\""])
}

pub struct Stage {
    pub kafka: &'static Kafka,
    pub setup: Setup,
    pub url: String,
}

impl Stage {
    /// Topics, an empty database, and some transactions told on the log; engines that do not drive transactions, so
    /// that those stay as they are told.
    pub fn new(test: &str, url: String) -> Stage {
        let mut stage = Stage::empty(test, url);
        let roles = ["--roles", "accounts,projections,http"].map(String::from);
        stage.setup = stage.setup.with_arguments(&roles);
        stage.tell_transactions();
        stage
    }

    /// Topics, an empty database, and engines that do everything. Batches are small, so that there are many.
    pub fn empty(test: &str, url: String) -> Stage {
        let kafka = Kafka::shared();
        let setup = Setup::new(kafka, test)
            .with("BILLING__KAFKA__SESSION_TIMEOUT", "6s")
            .with("BILLING__READ_STORE__URL", &url)
            .with("BILLING__READ_STORE__BATCH_EVENTS", "100")
            .with("BILLING__READ_STORE__BATCH_AGE", "10ms")
            .with_topics();
        Stage { kafka, setup, url }
    }

    /// Events as an engine writes them that drives transactions.
    fn tell_transactions(&self) {
        let writer = Upstream::new(self.kafka, &self.setup.topic(TOPICS[1]), Partitioner::Murmur2);
        for event in &story(77).topics[1] {
            let headers: Vec<(&str, &[u8])> = event
                .headers
                .iter()
                .map(|(name, value)| (std::str::from_utf8(name).unwrap(), value.as_deref().unwrap()))
                .collect();
            let json = event.json();
            writer.send_raw(json["aggregateId"].as_str(), Some(&event.value), &headers);
        }
        writer.flush();
    }

    pub fn stream(&self, seed: u64, per_second: u32) -> Stream {
        let upstream = Upstream::new(self.kafka, &self.setup.topic("account.commands"), Partitioner::Murmur2);
        Stream::start(upstream, Load::new(seed, 60), per_second)
    }

    /// Some commands, until the engine has done them.
    pub fn work(&self, load: &mut Load, commands: usize) {
        let upstream = Upstream::new(self.kafka, &self.setup.topic("account.commands"), Partitioner::Murmur2);
        load.take(commands).for_each(|command| upstream.send(&command));
        upstream.flush();
        self.engine_is_idle();
    }

    /// Transactions of every kind between the accounts of a [`Load`], some of which come to nothing, until all is at rest.
    pub fn move_money(&self, rounds: usize) {
        let [accounts, sagas] = [Offsets::new, Offsets::of_sagas].map(|of| of(self.kafka, self.setup.prefix()));
        let send = |topic: &str, commands: Vec<Value>| {
            let upstream = Upstream::new(self.kafka, &self.setup.topic(topic), Partitioner::Murmur2);
            commands.iter().for_each(|command| upstream.send(command));
            upstream.flush();
            come_to_rest(&[&accounts, &sagas], LIMIT);
        };
        send("account.commands", transactions::accounts());
        for step in transactions::steps(rounds) {
            send("transaction.commands", step);
        }
    }

    pub fn engine_is_idle(&self) {
        Offsets::new(self.kafka, self.setup.prefix()).wait_until_idle(LIMIT);
    }

    /// `projection status`, a row a partition of a topic.
    pub fn status(&self) -> Vec<Value> {
        let told = self.setup.call(&["projection", "status", "--json"], "");
        told.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until everything on the log is written.
    pub fn wait_until_current(&self) {
        let all_current = |rows: &[Value]| rows.len() == 6 && rows.iter().all(|row| row["state"] == "current");
        wait::until_true("every partition to be written", LIMIT, || all_current(&self.status()));
    }

    /// How far the rows are, all partitions together; 0 while they cannot be asked.
    pub fn written(&self) -> i64 {
        block_on(async {
            let database = Database::at(self.url.clone());
            let sum = "SELECT coalesce(CAST(sum(position) AS bigint), 0) FROM projection_positions";
            database.try_number(sum).await.unwrap_or(0)
        })
    }

    /// Does something to the rows by hand.
    pub fn by_hand(&self, statement: &str) -> u64 {
        block_on(async { Database::at(self.url.clone()).by_hand(statement).await })
    }

    pub fn tables(&self) -> Tables {
        block_on(async { Database::at(self.url.clone()).tables().await })
    }

    /// What the events on the log come to.
    pub fn folded(&self) -> Tables {
        let mut fold = Fold::default();
        for (topic, name) in TOPICS.iter().enumerate() {
            reading::read(self.kafka, &self.setup.topic(name), |record| {
                let (event, value) = (record.json().unwrap(), record.value.unwrap());
                let partition = record.partition.cast_unsigned();
                fold.take(topic, partition, &event, std::str::from_utf8(&value).unwrap());
            });
        }
        fold.tables
    }

    /// The rows are what the events come to.
    pub fn assert_right(&self, when: &str) {
        self.wait_until_current();
        let wanted = self.folded();
        assert!(wanted["accounts"].len() > 50 && wanted["transactions"].len() > 5, "there is something to compare");
        assert_same(&self.tables(), &wanted, when);
    }

    /// Moves the group by Kafka's own tool, which refuses while it has members.
    pub fn reset(&self, to: &[&str]) {
        let group = format!("{}-projections", self.setup.prefix());
        let topics = TOPICS.map(|topic| self.setup.topic(topic));
        let args = ["--group", &group, "--topic", &topics[0], "--topic", &topics[1], "--reset-offsets"];
        let args = [&args, to, &["--execute"]].concat();
        wait::until_true("the tool to move the group", LIMIT, || {
            let told = self.kafka.try_tool("consumer-groups", &args, "");
            told.code == 0 && told.output.contains(&topics[1])
        });
    }

    /// Waits until the group stands at the end: what it was moved back to is written again.
    pub fn wait_until_the_group_is_at_rest(&self) {
        wait::until_true("the group to show no lag", LIMIT, || {
            let lag = self.lag();
            lag.len() == 6 && lag.iter().all(|(_, lag)| *lag == Some(0))
        });
    }

    /// What Kafka's own tool says about the group: topic, partition, offset and lag of each line.
    pub fn lag(&self) -> Vec<(String, Option<i64>)> {
        let group = format!("{}-projections", self.setup.prefix());
        let told = self.kafka.tool("consumer-groups", &["--describe", "--group", &group]);
        let row = |line: &str| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let topic = cells.iter().position(|cell| cell.ends_with(".events"))?;
            Some((format!("{}:{}", cells[topic], cells[topic + 1]), cells[topic + 4].parse().ok()))
        };
        told.lines().filter_map(row).collect()
    }
}

/// Commands to transactions.
mod transactions {
    use serde_json::{Value, json};

    fn command(kind: &str, id: &str, step: &str, data: Value) -> Value {
        json!({ "commandType": kind, "commandId": format!("{id}-{step}"), "aggregateId": id, "data": data })
    }

    /// The outside, two customers, a shop, and the house.
    pub fn accounts() -> Vec<Value> {
        let account = |(id, kind): (&str, &str)| {
            let data = json!({ "ownerId": id, "ownerType": "x", "accountType": kind, "currency": "KWD" });
            json!({ "commandType": "CreateAccount", "commandId": "open", "aggregateId": id, "data": data })
        };
        [("bank", "EXTERNAL"), ("ann", "USER"), ("bob", "USER"), ("shop", "USER"), ("house", "SYSTEM")]
            .map(account)
            .into()
    }

    /// What is sent at once, one step behind the other.
    pub fn steps(rounds: usize) -> [Vec<Value>; 3] {
        let (mut first, mut second, mut third) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let id = |kind: &str| format!("{kind}-{round}");
            let payment = json!({
                "customerAccountId": "ann", "merchantAccountId": "shop", "amount": "2.5", "currency": "KWD",
                "feeAccountId": "house", "feeAmount": "0.125", "metadata": { "round": round }
            });
            // More than is asked for below: a withdrawal that is to be undone has what it took until then.
            first.extend([
                command("RequestTopup", &id("topup"), "1", json!({ "accountId": "ann", "sourceAccountId": "bank", "amount": "20", "currency": "KWD" })),
                command("RequestTransfer", &id("broke"), "1", json!({ "sourceAccountId": "bob", "destinationAccountId": "ann", "amount": "9999", "currency": "KWD" })),
            ]);
            second.extend([
                command("RequestWithdrawal", &id("gone"), "1", json!({ "accountId": "ann", "destinationAccountId": "nobody", "amount": "0.001", "currency": "KWD" })),
                command("RequestPayment", &id("payment"), "1", payment.clone()),
                command("AuthorizePayment", &id("captured"), "1", payment.clone()),
                command("AuthorizePayment", &id("voided"), "1", payment.clone()),
                command("AuthorizePayment", &id("held"), "1", payment),
            ]);
            let refund = |amount: Option<&str>| json!({ "originalPaymentId": id("payment"), "currency": "KWD", "refundAmount": amount });
            third.extend([
                command("CapturePayment", &id("captured"), "2", json!({ "amount": "1.5" })),
                command("VoidPayment", &id("voided"), "2", json!({ "reason": "changed \u{1F600} mind" })),
                command("RequestRefund", &id("part"), "1", refund(Some("1.000"))),
                command("RequestRefund", &id("rest"), "1", refund(None)),
            ]);
        }
        [first, second, third]
    }
}
