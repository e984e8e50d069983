//! Every account, folded from its events: no gap between versions, no break between balances, no event without a cause.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::Value;

use super::fates::{Fate, Fates};
use super::reading::Seen;

/// Where an account stands.
#[derive(Debug, Default)]
struct Account {
    version: u64,
    balance: Decimal,
}

/// All of them.
#[derive(Debug)]
pub struct Accounts {
    all: HashMap<String, Account>,
    sources: HashSet<String>,
    commands: String,
    partitions: i32,
}

impl Accounts {
    /// `commands` is the topic of their commands; all topics have that many `partitions`.
    pub fn new(commands: String, partitions: i32) -> Accounts {
        Accounts { all: HashMap::new(), sources: HashSet::new(), commands, partitions }
    }

    /// The next event of a partition.
    pub fn event(&mut self, fates: &mut Fates, record: &Seen, faults: &mut Vec<String>) {
        if let Err(fault) = self.check(fates, record) {
            faults.push(format!("{fault}: {} at {}:{}", text(record), record.partition, record.offset));
        }
    }

    fn check(&mut self, fates: &mut Fates, record: &Seen) -> Result<(), &'static str> {
        let event = record.json().ok_or("an event that is no JSON")?;
        let id = event["aggregateId"].as_str().ok_or("an event of nobody")?;
        ensure(record.key() == Some(id), "an event under another key")?;
        ensure(record.partition == home(id, self.partitions), "an event on another partition than its account's")?;
        ensure(record.header("eventType") == event["eventType"].as_str(), "a header with another type")?;
        ensure(record.header("aggregateType") == Some("Account"), "a header with another aggregate")?;
        let account = self.all.entry(id.to_owned()).or_default();
        account.version += 1;
        ensure(event["aggregateVersion"] == account.version, "a gap between versions")?;
        account.follow(&event)?;
        let source = record.header("source").ok_or("an event from nowhere")?;
        ensure(self.sources.insert(source.to_owned()), "a second event from one record")?;
        let fate = fates.cause_of(&event).ok_or("an event that nobody asked for")?;
        ensure(fate.effect.replace(account.version).is_none(), "a command that took effect twice")?;
        ensure(self.came_from(source, fate), "an event from another record than its command")?;
        ensure(does_what_was_asked(&event, &fate.command), "an event that does something else than its command")
    }

    /// A command sent home from a wrong partition comes from the inbox; all others name their own record.
    fn came_from(&self, source: &str, fate: &Fate) -> bool {
        let place = source.strip_prefix(&self.commands).and_then(|rest| rest.strip_prefix(':'));
        place.map_or(source.contains(".account.inbox:"), |place| {
            fate.places.iter().any(|(partition, offset)| place == format!("{partition}:{offset}"))
        })
    }
}

impl Account {
    /// Takes the balance along.
    fn follow(&mut self, event: &Value) -> Result<(), &'static str> {
        let data = &event["data"];
        match event["eventType"].as_str() {
            Some("AccountCreated") => self.balance = amount(&data["balance"])?,
            Some("BalanceChanged") => {
                let change = amount(&data["changeAmount"])?;
                let change = if data["changeType"] == "DEBIT" { -change } else { change };
                ensure(amount(&data["previousBalance"])? == self.balance, "a break between balances")?;
                self.balance += change;
                ensure(amount(&data["newBalance"])? == self.balance, "a wrong sum")?;
                ensure(!self.balance.is_sign_negative(), "a user in debt")?;
            }
            Some("AccountStatusChanged" | "AccountLimitsChanged") => {}
            _ => return Err("an event of a kind that no command of these tests causes"),
        }
        Ok(())
    }
}

fn does_what_was_asked(event: &Value, command: &Value) -> bool {
    let (done, asked) = (&event["data"], &command["data"]);
    match command["commandType"].as_str() {
        Some("CreateAccount") => event["eventType"] == "AccountCreated" && done["ownerId"] == asked["ownerId"],
        Some(kind @ ("Credit" | "Debit")) => {
            event["eventType"] == "BalanceChanged"
                && done["changeType"] == kind.to_uppercase()
                && amount(&done["changeAmount"]) == amount(&asked["amount"])
        }
        Some("ChangeAccountStatus") => done["newStatus"] == asked["status"],
        Some("ChangeAccountLimits") => event["eventType"] == "AccountLimitsChanged",
        _ => false,
    }
}

/// The partition of an account: murmur2 as in Java's client.
///
/// # Panics
/// When the id is longer than 4 GiB.
pub fn home(id: &str, partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(M);
        (word ^ (word >> 24)).wrapping_mul(M)
    };
    let (words, rest) = id.as_bytes().as_chunks::<4>();
    let length = u32::try_from(id.len()).expect("a short id");
    let mut hash =
        words.iter().fold(0x9747_b28c ^ length, |hash, word| hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(*word)));
    if !rest.is_empty() {
        hash = rest.iter().zip([0, 8, 16]).fold(hash, |hash, (byte, shift)| hash ^ (u32::from(*byte) << shift));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    i32::try_from(hash & 0x7fff_ffff).expect("31 bits") % partitions
}

fn amount(value: &Value) -> Result<Decimal, &'static str> {
    value.as_str().and_then(|text| Decimal::from_str(text).ok()).ok_or("an amount that is none")
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    holds.then_some(()).ok_or(otherwise)
}

fn text(record: &Seen) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}
