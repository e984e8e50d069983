//! What upstream writes: commands good and bad, on the right partition and on others, once and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use billing_engine::engine::ACCOUNTS;
use billing_engine::partition::placement::partition_of;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::broker::{Fate, TransactionId, Written};
use crate::faults::Fault;
use crate::fragile;
use crate::world::World;

/// Largest value of a command in the simulation.
pub const MESSAGE_BYTES: usize = 4 << 10;
/// Largest event in the simulation; what is [`VAST`] makes a larger one.
pub const EVENT_BYTES: usize = 2 << 10;
/// The reference of a posting whose event does not fit.
pub const VAST: &str = "vast";
/// Carried from a record to everything that it causes.
pub const TRACE: &str = "traceparent";

/// What must become of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// An answer by the rules.
    Answer,
    /// A dead letter of that reason.
    DeadLetter(&'static str),
    /// A dead letter, unless a rule refuses it.
    DeadLetterOrRefusal,
}

/// A command as it is going to be sent.
#[derive(Clone)]
struct Message {
    aggregate: String,
    value: Option<Vec<u8>>,
    expected: Expected,
}

/// Upstream.
pub struct Traffic {
    world: Arc<World>,
    dice: StdRng,
    partitions: u32,
    accounts: Vec<String>,
    /// One account gets this share of the commands.
    hot: f64,
    sent: BTreeMap<String, Expected>,
    /// Good commands, to be sent again.
    memory: Vec<(String, Value)>,
    /// Records that may still end their partition.
    poison: u32,
    open: Option<TransactionId>,
}

impl Traffic {
    /// Upstream of that many partitions: few accounts or many, one of them hot or none.
    pub fn new(world: Arc<World>, partitions: u32, seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(!seed);
        let accounts = *[2, 8, 40].choose(&mut dice).unwrap_or(&8);
        let hot = *[0.0, 0.3, 0.9].choose(&mut dice).unwrap_or(&0.0);
        let accounts = (0..accounts).map(|number| format!("acc-{number}")).collect();
        let sent = BTreeMap::new();
        Traffic { world, dice, partitions, accounts, hot, sent, memory: Vec::new(), poison: 2, open: None }
    }

    /// What must become of each record, by its trace.
    pub fn into_sent(self) -> BTreeMap<String, Expected> {
        self.sent
    }

    /// Opens most of the accounts.
    pub fn open_accounts(&mut self) {
        for account in self.accounts.clone() {
            if self.dice.random_ratio(9, 10) {
                let command = self.create(&account);
                self.send(&command);
            }
        }
    }

    /// Writes some commands.
    pub fn write(&mut self, commands: usize) {
        for _ in 0..commands {
            let message = self.message();
            self.send(&message);
            if self.dice.random_ratio(1, 25) {
                Fault::Duplicate.note();
                self.send(&message);
            }
            self.toggle_transaction();
        }
    }

    /// Ends what is open.
    pub fn settle(&mut self) {
        if let Some(id) = self.open.take() {
            let (fate, fault) = match self.dice.random_bool(0.6) {
                true => (Fate::Committed, Fault::UpstreamCommitted),
                false => (Fate::Aborted, Fault::UpstreamAborted),
            };
            fault.note();
            self.world.change(|state| state.broker.end(id, fate));
        }
    }

    fn toggle_transaction(&mut self) {
        if self.open.is_some() {
            if self.dice.random_ratio(1, 6) {
                self.settle();
            }
        } else if self.dice.random_ratio(1, 40) {
            self.open = Some(self.world.change(|state| state.broker.begin()));
        }
    }

    fn send(&mut self, message: &Message) {
        let home = partition_of(&message.aggregate, self.partitions);
        let partition = match self.dice.random_ratio(1, 20) && self.partitions > 1 {
            true => {
                Fault::Misrouted.note();
                self.dice.random_range(0..self.partitions)
            }
            false => home,
        };
        let trace = format!("trace-{}", self.sent.len());
        self.sent.insert(trace.clone(), message.expected);
        let transaction = self.open.filter(|_| self.dice.random_bool(0.7));
        let record = Written {
            timestamp: self.world.now().0,
            key: self.dice.random_bool(0.9).then(|| message.aggregate.clone().into_bytes()),
            value: message.value.clone(),
            headers: vec![(b"x-anything".to_vec(), None), (TRACE.into(), Some(trace.into_bytes()))],
        };
        self.world.change(|state| state.broker.append((ACCOUNTS.commands, partition), transaction, record));
    }

    fn message(&mut self) -> Message {
        match self.dice.random_range(0..100) {
            0..4 => self.malformed(),
            4..10 if !self.memory.is_empty() => self.again(),
            10..12 => self.poisoned(),
            12 => self.vast(),
            _ => self.ordinary(),
        }
    }

    fn account(&mut self) -> String {
        match self.dice.random_bool(self.hot) {
            true => self.accounts[0].clone(),
            false => self.accounts.choose(&mut self.dice).cloned().unwrap_or_default(),
        }
    }

    fn good(&mut self, aggregate: &str, command_type: &str, data: Value) -> Message {
        let mut command = json!({
            "commandType": command_type,
            "commandId": format!("command-{}", self.sent.len()),
            "aggregateId": aggregate,
            "data": data,
        });
        if self.dice.random_bool(0.8) {
            command["correlationId"] = format!("story-{}", self.sent.len() / 3).into();
        }
        if self.dice.random_ratio(1, 25) {
            command["expectedVersion"] = self.dice.random_range(0..6).into();
        }
        self.memory.push((aggregate.to_owned(), command.clone()));
        Message { aggregate: aggregate.to_owned(), value: Some(command.to_string().into()), expected: Expected::Answer }
    }

    fn create(&mut self, aggregate: &str) -> Message {
        let account_type = *["USER", "USER", "USER", "SYSTEM", "EXTERNAL"].choose(&mut self.dice).unwrap_or(&"USER");
        let currency = *["USD", "USD", "USD", "JPY", "XXX"].choose(&mut self.dice).unwrap_or(&"USD");
        let mut data = json!({"ownerId": "o", "ownerType": "T", "accountType": account_type, "currency": currency});
        if self.dice.random_ratio(1, 4) {
            data["maxBalance"] = "500".into();
            data["minBalance"] = "-20".into();
        }
        self.good(aggregate, "CreateAccount", data)
    }

    fn amount(&mut self) -> &'static str {
        const AMOUNTS: [&str; 9] = ["10", "25", "7", "100", "10.50", "0.01", "1.000", "0.00", "-5"];
        AMOUNTS.choose(&mut self.dice).copied().unwrap_or(AMOUNTS[0])
    }

    fn ordinary(&mut self) -> Message {
        let account = self.account();
        match self.dice.random_range(0..20) {
            0 => self.create(&account),
            1 => {
                let status = *["ACTIVE", "SUSPENDED", "ACTIVE", "CLOSED"].choose(&mut self.dice).unwrap_or(&"ACTIVE");
                self.good(&account, "ChangeAccountStatus", json!({"status": status, "reason": "r"}))
            }
            2 => {
                let (min, max) = (self.amount(), self.amount());
                let data = *[0, 1, 2].choose(&mut self.dice).unwrap_or(&0);
                let data = match data {
                    0 => json!({"minBalance": min, "maxBalance": max}),
                    1 => json!({"minBalance": null}),
                    _ => json!({"maxBalance": null, "minBalance": "-50"}),
                };
                self.good(&account, "ChangeAccountLimits", data)
            }
            kind => {
                let (amount, currency) =
                    (self.amount(), *["USD", "USD", "USD", "USD", "JPY"].choose(&mut self.dice).unwrap_or(&"USD"));
                let command_type = if kind % 2 == 0 { "Debit" } else { "Credit" };
                self.good(&account, command_type, json!({"amount": amount, "currency": currency, "reason": "r"}))
            }
        }
    }

    /// An earlier command, as it was or with other content.
    fn again(&mut self) -> Message {
        let recent = self.memory.len().saturating_sub(40);
        let at = self.dice.random_range(recent..self.memory.len());
        let (aggregate, mut command) = self.memory[at].clone();
        if self.dice.random_ratio(1, 4) && command["data"]["amount"].is_string() {
            Fault::Conflict.note();
            command["data"]["amount"] = "3".into();
        } else {
            Fault::Duplicate.note();
        }
        Message { aggregate, value: Some(command.to_string().into()), expected: Expected::Answer }
    }

    fn malformed(&mut self) -> Message {
        let aggregate = self.account();
        let id = format!("command-{}", self.sent.len());
        let command = |command_type: &str, data: Value| {
            json!({"commandType": command_type, "commandId": id, "aggregateId": aggregate, "data": data})
                .to_string()
                .into_bytes()
        };
        let (value, reason) = match self.dice.random_range(0..7) {
            0 => (None, "MALFORMED"),
            1 => (Some(b"{\"commandType\": ".to_vec()), "MALFORMED"),
            2 => (Some(b"\xff\xfe".to_vec()), "MALFORMED"),
            3 => (Some(command("Credit", json!({"amount": 5.5, "currency": "USD", "reason": "r"}))), "MALFORMED"),
            4 => (Some(command("Credit", json!({"amout": "5", "currency": "USD", "reason": "r"}))), "MALFORMED"),
            5 => (Some(command("Steal", json!({}))), "UNKNOWN_TYPE"),
            _ => (Some(vec![b' '; MESSAGE_BYTES + 1]), "TOO_LARGE"),
        };
        if reason == "TOO_LARGE" { Fault::TooLarge } else { Fault::Malformed }.note();
        Message { aggregate, value, expected: Expected::DeadLetter(reason) }
    }

    fn poisoned(&mut self) -> Message {
        let kind = if self.poison > 0 { self.dice.random_range(0..4) } else { 0 };
        let (reason, fault, expected) = match kind {
            0 | 1 => (fragile::IN_DECIDE, Fault::PanicInDecide, Expected::DeadLetter("PANIC")),
            2 => (fragile::IN_APPLY, Fault::PanicInApply, Expected::DeadLetterOrRefusal),
            _ => (fragile::IN_READING, Fault::PanicInReading, Expected::DeadLetter("PANIC")),
        };
        self.poison = self.poison.saturating_sub(u32::from(kind > 1));
        fault.note();
        let account = self.account();
        let data = json!({"amount": "5", "currency": "USD", "reason": reason});
        let message = self.good(&account, "Credit", data);
        // It is not to be sent again: once is enough to find it.
        self.memory.pop();
        Message { expected, ..message }
    }

    fn vast(&mut self) -> Message {
        Fault::EventTooLarge.note();
        let account = self.account();
        let metadata = json!({"filler": "x".repeat(EVENT_BYTES)});
        let data = json!({"amount": "5", "currency": "USD", "reason": "r", "reference": VAST, "metadata": metadata});
        self.good(&account, "Credit", data)
    }
}
