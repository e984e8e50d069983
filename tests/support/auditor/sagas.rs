//! Transactions in the end: what became of every command, every account and every hold, told by the records alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::Value;

use super::reading::{Seen, read};
use crate::support::kafka::Kafka;

/// Faults beyond this number are only counted.
const SHOWN: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Sagas {
    /// Transaction commands, each of another id.
    pub commands: usize,
    /// Direct replies, by outcome.
    pub answers: BTreeMap<String, usize>,
    /// Final replies, by outcome.
    pub finals: BTreeMap<String, usize>,
    /// Transactions that have not ended.
    pub open: usize,
    /// Holds that are left.
    pub holds: usize,
    /// Each a sentence.
    pub faults: Vec<String>,
}

/// One command of upstream.
#[derive(Debug, Default)]
struct Fate {
    answers: Vec<String>,
    finals: Vec<String>,
}

/// All money there is.
#[derive(Debug, Default)]
struct Books {
    balances: HashMap<String, (u64, Decimal)>,
    direct: Decimal,
    moved: HashMap<String, Decimal>,
    held: HashMap<(String, String), Decimal>,
}

impl Sagas {
    /// Reads the topics of an engine with this prefix, as they are now.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub fn of(kafka: &Kafka, prefix: &str) -> Sagas {
        let mut sagas = Sagas::default();
        let mut fates = HashMap::<(String, String), Fate>::new();
        read(kafka, &format!("{prefix}.transaction.commands"), |record| {
            let command = record.json().unwrap_or_default();
            sagas.commands += 1;
            fates.insert((text(&command, "aggregateId"), text(&command, "commandId")), Fate::default());
        });
        read(kafka, &format!("{prefix}.replies"), |record| {
            let reply = record.json().unwrap_or_default();
            let Some(fate) = fates.get_mut(&(text(&reply, "aggregateId"), text(&reply, "commandId"))) else { return };
            let outcome = text(&reply, "outcome");
            let is_direct = ["ACCEPTED", "REJECTED", "DUPLICATE"].contains(&&*outcome);
            let (told, counted) =
                if is_direct { (&mut fate.answers, &mut sagas.answers) } else { (&mut fate.finals, &mut sagas.finals) };
            *counted.entry(outcome.clone()).or_default() += 1;
            told.push(outcome);
        });
        for (id, Fate { answers, finals }) in &fates {
            let expected = usize::from(answers.first().is_some_and(|answer| answer == "ACCEPTED"));
            if answers.len() != 1 || finals.len() != expected {
                sagas.faults.push(format!("{id:?} was answered {answers:?}, and in the end {finals:?}"));
            }
        }
        let ended = sagas.ended(kafka, prefix);
        sagas.money(kafka, prefix, &ended);
        sagas
    }

    /// Transactions that have ended; each does once.
    fn ended(&mut self, kafka: &Kafka, prefix: &str) -> HashSet<String> {
        let mut ends = HashMap::<String, (u64, usize)>::new();
        read(kafka, &format!("{prefix}.transaction.events"), |record| {
            let event = record.json().unwrap_or_default();
            let (version, count) = ends.entry(text(&event, "aggregateId")).or_default();
            *version += 1;
            *count += usize::from(is_end(&text(&event, "eventType")));
            if event["aggregateVersion"] != *version {
                self.faults.push(format!("version {version} is missing before {event}"));
            }
        });
        let often = ends.iter().filter(|(_, (_, count))| *count > 1);
        self.faults.extend(often.map(|(id, (_, count))| format!("{id} has ended {count} times")));
        self.open = ends.values().filter(|(_, count)| *count == 0).count();
        ends.into_iter().filter(|(_, (_, count))| *count > 0).map(|(id, _)| id).collect()
    }

    /// Balances are what came from outside and what is under way; who has ended has moved all or nothing.
    fn money(&mut self, kafka: &Kafka, prefix: &str, ended: &HashSet<String>) {
        let mut books = Books::default();
        read(kafka, &format!("{prefix}.account.events"), |record| {
            if let Err(fault) = books.take(&record) {
                self.faults.push(fault);
            }
        });
        self.holds = books.held.len();
        let lopsided = books.moved.iter().filter(|(id, moved)| ended.contains(*id) && !moved.is_zero());
        self.faults.extend(lopsided.map(|(id, moved)| format!("{id} has ended and made {moved} out of nothing")));
        let under_way: Decimal =
            books.moved.iter().filter(|(id, _)| !ended.contains(*id)).map(|(_, moved)| moved).sum();
        let found: Decimal = books.balances.values().map(|(_, balance)| balance).sum();
        if found != books.direct + under_way {
            let direct = books.direct;
            self.faults.push(format!("balances are {found}, {direct} came from outside, {under_way} is under way"));
        }
    }

    /// Whether everything has ended.
    pub fn is_over(&self) -> bool {
        self.open == 0 && self.holds == 0
    }

    /// # Panics
    /// When a promise is broken; the message names the first faults.
    pub fn assert_clean(&self) {
        let Sagas { faults, open, holds, .. } = self;
        let shown = faults.iter().take(SHOWN).fold(String::new(), |all, fault| all + "\n  " + fault);
        assert!(faults.is_empty(), "{} promises are broken:{shown}", faults.len());
        assert!(self.is_over(), "{open} transactions have not ended, {holds} holds are left");
    }

    /// The share of commands that failed or were compensated, of those that were accepted, in percent.
    pub fn unlucky(&self) -> usize {
        let count = |outcome: &str| self.finals.get(outcome).copied().unwrap_or(0);
        (count("FAILED") + count("COMPENSATED")) * 100 / self.finals.values().sum::<usize>().max(1)
    }
}

impl Books {
    fn take(&mut self, record: &Seen) -> Result<(), String> {
        let event = record.json().ok_or("an event that is no JSON")?;
        let (id, data) = (text(&event, "aggregateId"), &event["data"]);
        let (version, balance) = self.balances.entry(id.clone()).or_default();
        *version += 1;
        if event["aggregateVersion"] != *version {
            return Err(format!("version {version} is missing before {event}"));
        }
        match &*text(&event, "eventType") {
            "BalanceChanged" => {
                let change = if data["changeType"] == "DEBIT" {
                    -amount(data, "changeAmount")?
                } else {
                    amount(data, "changeAmount")?
                };
                let follows = amount(data, "previousBalance")? == *balance;
                *balance += change;
                if !follows || amount(data, "newBalance")? != *balance {
                    return Err(format!("a break between balances: {event}"));
                }
                match data["transactionId"].as_str() {
                    Some(transaction) => *self.moved.entry(transaction.to_owned()).or_default() += change,
                    None => self.direct += change,
                }
            }
            "HoldPlaced" => {
                self.held.insert((id, text(data, "transactionId")), amount(data, "amount")?);
            }
            "HoldCaptured" => self.let_go(id, data, amount(data, "capturedAmount")?)?,
            "HoldReleased" => self.let_go(id, data, amount(data, "amount")?)?,
            _ => {}
        }
        Ok(())
    }

    fn let_go(&mut self, id: String, data: &Value, gone: Decimal) -> Result<(), String> {
        let key = (id, text(data, "transactionId"));
        let left = self.held.remove(&key).ok_or_else(|| format!("a hold that is not there: {data}"))? - gone;
        if left.is_sign_negative() && !left.is_zero() {
            return Err(format!("more of a hold goes than there is: {data}"));
        }
        if !left.is_zero() {
            self.held.insert(key, left);
        }
        Ok(())
    }
}

fn is_end(event_type: &str) -> bool {
    event_type.ends_with("Completed")
        || ["PaymentVoided", "PaymentExpired", "TransactionFailed", "TransactionCompensated"].contains(&event_type)
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

fn amount(data: &Value, name: &str) -> Result<Decimal, String> {
    let amount = data[name].as_str().and_then(|text| Decimal::from_str(text).ok());
    amount.ok_or_else(|| format!("{name} is no amount in {data}"))
}
