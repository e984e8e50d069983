//! Accounts and transactions that live on an embedded log without an engine: the domain decides, and what it decides is
//! written as the engine writes it. Time stands still until a test says otherwise.
#![allow(dead_code, reason = "each target uses the part it needs")]

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use billing_engine::domain::account::Account;
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp};
use billing_engine::domain::message::{Content, Delivery, Effect, Letter, Participant};
use billing_engine::domain::money::Currency;
use billing_engine::domain::transaction::{Transaction, TransactionEvent};
use billing_engine::domain::{Aggregate, Cause, Command, Decision, Recorded, Rules, record};
use billing_engine::engine::{ACCOUNTS, TRANSACTIONS};
use billing_engine::log::embedded::Embedded;
use billing_engine::log::{Drafts, Topic};
use billing_engine::partition::placement::partition_of;
use billing_engine::wire::{self, Request, Trace, Wire, command};
use serde_json::{Value, json};

const PARTITIONS: u32 = 3;

/// The aggregates of a log as they are now, and what they have still to say to each other.
pub struct Town {
    /// The time at which whatever happens next happens, in milliseconds.
    pub now: i64,
    rules: Rules,
    accounts: BTreeMap<AggregateId, Account>,
    transactions: BTreeMap<AggregateId, Transaction>,
    letters: VecDeque<Letter>,
    drafts: Drafts,
    asked: u32,
}

impl Town {
    pub fn new() -> Self {
        let currencies = Currency::new("USD", 2).into_iter().collect();
        let rules = Rules { currencies, idempotency_window: 256, default_hold: Rules::DEFAULT_HOLD };
        Town {
            now: 1_765_281_600_000,
            rules,
            accounts: BTreeMap::new(),
            transactions: BTreeMap::new(),
            letters: VecDeque::new(),
            drafts: Drafts::default(),
            asked: 0,
        }
    }

    /// An account in dollars with that much on it.
    pub fn open(&mut self, id: &str, account_type: &str, balance: &str) {
        let data = json!({ "ownerId": "o", "ownerType": "customer", "accountType": account_type, "currency": "USD" });
        self.account(id, "CreateAccount", data);
        if balance != "0" {
            self.account(id, "Credit", json!({ "amount": balance, "currency": "USD", "reason": "Start" }));
        }
    }

    /// A command to an account, which must be accepted.
    pub fn account(&mut self, id: &str, command_type: &str, data: Value) {
        let (id, cause, command) = self.read::<Account>(id, command_type, data);
        let account = self.accounts.entry(id.clone()).or_insert_with(|| Account::blank(&self.rules));
        let decision = account.decide(&command, &self.rules, Timestamp(self.now));
        let Decision::Accepted(events) = decision else { panic!("{command_type} to {id:?}: {decision:?}") };
        let events = record(account, events, &cause, Timestamp(self.now));
        settle(account, &id, &events, ACCOUNTS.events, &mut self.drafts);
    }

    /// A command to a transaction, which must be accepted; what it sets in motion waits.
    pub fn ask(&mut self, id: &str, command_type: &str, data: Value) {
        let (id, cause, command) = self.read::<Transaction>(id, command_type, data);
        let transaction = self.transactions.entry(id.clone()).or_default();
        let decision = transaction.decide(&command, &self.rules, Timestamp(self.now));
        let Decision::Accepted(events) = decision else { panic!("{command_type} to {id:?}: {decision:?}") };
        self.transaction_goes_on(&id, events, &cause);
    }

    /// The same, and everything that follows.
    pub fn run(&mut self, id: &str, command_type: &str, data: Value) {
        self.ask(id, command_type, data);
        while self.deliver() {}
    }

    /// Delivers the message that waits longest; whether there was one.
    pub fn deliver(&mut self) -> bool {
        let Some(Delivery { to, from, cause, body }) = self.letters.pop_front() else { return false };
        let now = Timestamp(self.now);
        let (to_id, cause_of) = (to.clone(), cause.clone());
        match body {
            Content::Account(body) => {
                let account = self.accounts.entry(to_id.clone()).or_insert_with(|| Account::blank(&self.rules));
                let receipt = account.receive(&Delivery { to, from, cause, body }, &self.rules, now).unwrap();
                let events = record(account, receipt.events, &cause_of, now);
                settle(account, &to_id, &events, ACCOUNTS.events, &mut self.drafts);
                self.letters.extend(receipt.letters);
            }
            Content::Transaction(body) => {
                let transaction = self.transactions.entry(to_id.clone()).or_default();
                let receipt = transaction.receive(&Delivery { to, from, cause, body }, &self.rules, now).unwrap();
                self.letters.extend(receipt.letters);
                self.transaction_goes_on(&to_id, receipt.events, &cause_of);
            }
        }
        true
    }

    /// What time alone brings about.
    pub fn sweep(&mut self) {
        let now = Timestamp(self.now);
        // Each of these events knows whose doing it is.
        let nobody = CommandId::parse("nobody").unwrap();
        let nobody = Cause {
            correlation_id: CorrelationId::from(&nobody),
            command_hash: CommandHash([0; 16]),
            command_id: nobody,
        };
        for (id, account) in &mut self.accounts {
            let events = record(account, account.expire(now), &nobody, now);
            settle(account, id, &events, ACCOUNTS.events, &mut self.drafts);
        }
        for (id, transaction) in &mut self.transactions {
            let events = record(transaction, transaction.expire(now), &nobody, now);
            settle(transaction, id, &events, TRANSACTIONS.events, &mut self.drafts);
        }
    }

    /// A transaction as it is now.
    pub fn transaction(&self, id: &str) -> &Transaction {
        &self.transactions[&AggregateId::parse(id).unwrap()]
    }

    /// An event that the history of a transaction does not allow.
    pub fn damage(&mut self, id: &str) {
        let hash = "0".repeat(32);
        let event = json!({
            "eventType": "PaymentExpired", "aggregateId": id, "aggregateVersion": 9, "timestamp": "2025-12-09T12:00:00.000Z",
            "correlationId": "c", "causationId": "c", "data": { "holdId": id, "amount": "1.00" },
        });
        self.drafts.push(TRANSACTIONS.events, partition_of(id, PARTITIONS), None, |draft| {
            draft.key(id.as_bytes());
            draft.value(event.to_string().as_bytes());
            draft.header(b"commandHash", Some(hash.as_bytes()));
        });
    }

    /// Writes everything that happened since to the log in `dir`.
    #[tokio::main(flavor = "current_thread")]
    pub async fn write(&mut self, dir: impl AsRef<Path>) {
        let log = Embedded::open(dir.as_ref(), PARTITIONS).unwrap();
        log.client().append(std::mem::take(&mut self.drafts)).await.unwrap();
    }

    fn transaction_goes_on(&mut self, id: &AggregateId, events: Vec<TransactionEvent>, cause: &Cause) {
        let transaction = self.transactions.get_mut(id).unwrap();
        for event in record(transaction, events, cause, Timestamp(self.now)) {
            settle(transaction, id, std::slice::from_ref(&event), TRANSACTIONS.events, &mut self.drafts);
            for effect in transaction.react(id, &event, &self.rules) {
                if let Effect::Message(letter) = effect {
                    self.letters.push_back(letter);
                }
            }
        }
    }

    fn read<A: Wire>(
        &mut self,
        id: &str,
        command_type: &str,
        data: Value,
    ) -> (AggregateId, Cause, Command<A::Command>) {
        self.asked += 1;
        let text = json!({
            "commandType": command_type, "commandId": format!("6ba7b810-9dad-4fd1-80b4-{:012x}", self.asked),
            "aggregateId": id, "correlationId": format!("order-{}", self.asked), "data": data,
        });
        let request = command::decode::<A>(Some(text.to_string().as_bytes()), 1 << 20).unwrap();
        let Request { aggregate_id, correlation_id, command, .. } = request;
        let cause = Cause { command_id: command.id.clone(), command_hash: command.hash, correlation_id };
        (aggregate_id, cause, command)
    }
}

/// Events take effect, and wait to be written.
fn settle<A: Wire>(
    aggregate: &mut A,
    id: &AggregateId,
    events: &[Recorded<A::Event>],
    topic: Topic,
    drafts: &mut Drafts,
) {
    for event in events {
        aggregate.apply(event).unwrap();
        drafts.push(topic, partition_of(id.as_str(), PARTITIONS), None, |draft| {
            draft.key(id.as_str().as_bytes());
            draft.value_with(|out| wire::event::encode_value::<A>(out, id, event));
            wire::event::encode_headers::<A>(event, None, Trace::default(), |name, value| draft.header(name, value));
        });
    }
}
