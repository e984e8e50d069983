//! Transactions through kills, on a real Kafka: all of them end once, and money is conserved to the cent.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::auditor::offsets::{Offsets, come_to_rest};
use crate::support::auditor::sagas::Sagas;
use crate::support::engine::{Engine, Setup};
use crate::support::kafka::Kafka;
use crate::support::upstream::{self, Partitioner, Upstream};
use crate::support::wait;

const TRANSACTIONS: usize = 20_000;
const ACCOUNTS: usize = 200;
const KILLS: usize = 10;

/// How long the engine may take from one interruption to the next, and to come to rest.
const STEP_LIMIT: Duration = Duration::from_secs(180);

#[test]
fn twenty_thousand_transactions_end_once_through_ten_kills_and_money_is_conserved_to_the_cent() {
    let kafka = Kafka::shared();
    // Little stays in memory, and much is saved.
    let setup = Setup::new(kafka, "sagas").with_topics();
    let setup = setup.with("BILLING__ACTORS__MAX_RESIDENT", "400").with("BILLING__SNAPSHOTS__INTERVAL", "2s");
    let (accounts, sagas) = (Offsets::new(kafka, setup.prefix()), Offsets::of_sagas(kafka, setup.prefix()));
    let upstream = Upstream::new(kafka, &setup.topic("transaction.commands"), Partitioner::Murmur2);
    open_accounts(kafka, &setup);
    let mut load = Load { random: StdRng::seed_from_u64(11), begun: 0, payments: Vec::new(), held: Vec::new() };
    for _ in 0..TRANSACTIONS {
        upstream.send(&load.next());
    }
    upstream.flush();

    let mut engine = setup.spawn();
    for kill in 1..=KILLS {
        let progress = i64::try_from(TRANSACTIONS * kill / (KILLS + 2)).expect("a count");
        wait::until_true(&format!("command {progress}"), STEP_LIMIT, || {
            engine.assert_runs();
            sagas.passed() >= progress
        });
        catch_open(&mut engine);
        engine.kill9();
        assert!(sagas.lag() + accounts.lag() > 0, "kill {kill} came when all was done");
        engine = setup.spawn();
    }
    come_to_rest(&[&accounts, &sagas], STEP_LIMIT);
    // Those that wait for upstream, and are not past yet.
    for command in load.endings() {
        upstream.send(&command);
    }
    upstream.flush();
    come_to_rest(&[&accounts, &sagas], STEP_LIMIT);
    wait::until_true("the last hold to be past", STEP_LIMIT, || Sagas::of(kafka, setup.prefix()).is_over());
    engine.stop();
    let verified = setup.call(&["snapshots", "verify", "--json"], "").expect_success();
    let verified: Value = serde_json::from_str(&verified).expect("an object");
    assert!(verified["checked"].as_u64() > Some(TRANSACTIONS as u64 / 2), "few snapshots were compared: {verified}");

    let audit = Sagas::of(kafka, setup.prefix());
    audit.assert_clean();
    println!("{} commands: {:?}, then {:?}", audit.commands, audit.answers, audit.finals);
    assert!(audit.unlucky() >= 25, "only {} % failed or were compensated", audit.unlucky());
}

/// Stops the engine while messages of transactions are under way.
fn catch_open(engine: &mut Engine) {
    wait::until_true("an open transaction", STEP_LIMIT, || {
        engine.assert_runs();
        engine.metric("billing_transactions_open", &[]) > 0.0
    });
}

fn open_accounts(kafka: &Kafka, setup: &Setup) {
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    for number in 0..ACCOUNTS {
        upstream.send(&upstream::create(&user(number)));
        upstream.send(&upstream::credit(&user(number), "opening", "500.00"));
    }
    for (account, account_type) in [("world", "EXTERNAL"), ("house", "SYSTEM"), ("merchant", "USER"), ("gone", "USER")]
    {
        let mut command = upstream::create(account);
        command["data"]["accountType"] = account_type.into();
        upstream.send(&command);
    }
    upstream.send(&json!({
        "commandType": "ChangeAccountStatus", "commandId": "close", "aggregateId": "gone",
        "data": { "status": "CLOSED", "reason": "Test" }
    }));
    upstream.flush();
}

fn user(number: usize) -> String {
    format!("acc-{number:03}")
}

/// Transactions of every kind. Three of ten cannot succeed: too much is asked for, nobody is there to get it, or its
/// receiver is closed.
struct Load {
    random: StdRng,
    begun: usize,
    payments: Vec<String>,
    held: Vec<String>,
}

impl Load {
    fn next(&mut self) -> Value {
        self.begun += 1;
        let (from, to) = (self.user(), self.user());
        let amount = format!("{}.{:02}", self.random.random_range(1..30), self.random.random_range(0..100));
        match self.random.random_range(0..100) {
            0..15 => self.transfer(&from, &to, &amount),
            15..28 => self.transfer(&from, "nobody", &amount),
            28..38 => self.transfer(&from, &to, "1000000.00"),
            38..45 => self.pay("RequestPayment", &from, "gone", &amount, false),
            45..55 => self.command(
                "RequestTopup",
                json!({
                    "accountId": to, "sourceAccountId": "world", "amount": amount, "currency": "USD"
                }),
            ),
            55..60 => self.command(
                "RequestWithdrawal",
                json!({
                    "accountId": from, "destinationAccountId": "world", "amount": amount, "currency": "USD"
                }),
            ),
            60..75 => self.pay("RequestPayment", &from, "merchant", &amount, true),
            75..87 => self.pay("AuthorizePayment", &from, "merchant", &amount, false),
            _ => self.refund(),
        }
    }

    fn user(&mut self) -> String {
        user(self.random.random_range(0..ACCOUNTS))
    }

    fn id(&self) -> String {
        format!("txn-{}", self.begun)
    }

    fn command(&self, command_type: &str, data: Value) -> Value {
        let id = self.id();
        json!({ "commandType": command_type, "commandId": format!("cmd-{id}"), "aggregateId": id, "data": data })
    }

    fn transfer(&self, from: &str, to: &str, amount: &str) -> Value {
        self.command(
            "RequestTransfer",
            json!({
                "sourceAccountId": from, "destinationAccountId": to, "amount": amount, "currency": "USD"
            }),
        )
    }

    fn pay(&mut self, command_type: &str, from: &str, merchant: &str, amount: &str, with_fee: bool) -> Value {
        let mut data = json!({
            "customerAccountId": from, "merchantAccountId": merchant, "amount": amount, "currency": "USD"
        });
        if with_fee {
            data["feeAccountId"] = "house".into();
            data["feeAmount"] = "0.30".into();
        }
        if command_type == "AuthorizePayment" {
            self.held.push(self.id());
            if self.random.random_bool(0.3) {
                let soon = jiff::Timestamp::now() + Duration::from_secs(self.random.random_range(5..60));
                data["expiresAt"] = soon.to_string().into();
            }
        } else if merchant != "gone" {
            self.payments.push(self.id());
        }
        self.command(command_type, data)
    }

    /// Of a payment that may not have ended yet, or been refunded already.
    fn refund(&mut self) -> Value {
        let number = self.random.random_range(0..self.payments.len().max(1));
        let payment = self.payments.get(number).map_or("none", String::as_str);
        self.command("RequestRefund", json!({ "originalPaymentId": payment, "currency": "USD" }))
    }

    /// A capture or a void of everything that was authorized.
    fn endings(&self) -> Vec<Value> {
        let ending = |(number, id): (usize, &String)| {
            let command_type = if number % 2 == 0 { "CapturePayment" } else { "VoidPayment" };
            json!({ "commandType": command_type, "commandId": "ending", "aggregateId": id, "data": {} })
        };
        self.held.iter().enumerate().map(ending).collect()
    }
}
