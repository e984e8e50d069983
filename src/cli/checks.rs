//! What must hold after a load, whatever happened while it ran. Read from the log, as an auditor would.

use std::collections::HashMap;

use serde::Serialize;

use super::Failure;
use super::load::Sent;
use super::observer::{Ends, Tally};
use crate::domain::account::Account;
use crate::domain::ids::{AggregateId, CommandId};
use crate::domain::{Aggregate, Rules};
use crate::engine::ACCOUNTS;
use crate::log::{Client, Record};
use crate::partition::Inspection;
use crate::wire;

/// One promise, looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What must hold.
    pub name: &'static str,
    /// Whether it does.
    pub ok: bool,
    /// The figures behind it.
    pub detail: String,
}

/// What the event store says about one run.
pub struct Evidence {
    accounts: HashMap<AggregateId, Account>,
    effects: HashMap<CommandId, u64>,
    events: u64,
    unfit: Vec<String>,
}

impl Evidence {
    /// Folds every event of accounts whose ids begin with `run`, from `begin` on.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn read(client: &dyn Client, begin: &Ends, run: &str, rules: &Rules) -> Result<Self, Failure> {
        let mut evidence = Evidence { accounts: HashMap::new(), effects: HashMap::new(), events: 0, unfit: Vec::new() };
        for (topic, partition, from) in begin.of([ACCOUNTS.events]) {
            let end = client.bounds(topic, partition).await?.end;
            let mut chunks = client.read(topic, partition, from..end);
            while let Some(chunk) = chunks.recv().await {
                for record in
                    chunk?.iter().filter(|record| record.key.is_some_and(|key| key.starts_with(run.as_bytes())))
                {
                    evidence.take(record, rules);
                }
            }
        }
        Ok(evidence)
    }

    fn take(&mut self, record: Record<'_>, rules: &Rules) {
        self.events += 1;
        let event = match wire::event::decode::<Account>(record.value, record.headers.iter()) {
            Ok(event) => event,
            Err(error) => return self.unfit.push(error.to_string()),
        };
        *self.effects.entry(event.recorded.command_id.clone()).or_default() += 1;
        let account = self.accounts.entry(event.aggregate_id).or_insert_with(|| Account::blank(rules));
        if let Err(unfit) = account.apply(&event.recorded) {
            self.unfit.push(unfit.to_string());
        }
    }
}

/// Every promise that a load can show.
pub fn all(evidence: &Evidence, sent: &[Sent], tally: &Tally, inspections: &[Inspection<Account>]) -> Vec<Check> {
    vec![
        answered(sent, tally),
        effect_once(evidence, tally),
        gapless(evidence),
        conserved(evidence, sent, tally),
        memory_is_fold(evidence, inspections),
    ]
}

fn answered(sent: &[Sent], tally: &Tally) -> Check {
    let (sent, answered) = (sent.len() as u64, tally.answered());
    Check {
        name: "every command is answered exactly once",
        ok: sent == answered,
        detail: format!("{sent} sent, {answered} answered"),
    }
}

fn effect_once(evidence: &Evidence, tally: &Tally) -> Check {
    let twice = evidence.effects.values().filter(|times| **times != 1).count();
    let without_reply = evidence.effects.keys().filter(|id| !tally.accepted.contains_key(id.as_str())).count();
    let (effects, accepted) = (evidence.effects.len(), tally.accepted.len());
    Check {
        name: "every accepted command took effect exactly once",
        ok: twice == 0 && without_reply == 0 && effects == accepted && tally.accepted.values().all(|times| *times == 1),
        detail: format!("{accepted} accepted, {effects} took effect, {twice} of them more than once"),
    }
}

fn gapless(evidence: &Evidence) -> Check {
    let first = evidence.unfit.first().map(|unfit| format!(", the first: {unfit}")).unwrap_or_default();
    Check {
        name: "every history is without a gap and adds up",
        ok: evidence.unfit.is_empty(),
        detail: format!(
            "{} events of {} accounts, {} do not follow{first}",
            evidence.events,
            evidence.accounts.len(),
            evidence.unfit.len()
        ),
    }
}

fn conserved(evidence: &Evidence, sent: &[Sent], tally: &Tally) -> Check {
    let moved: HashMap<&str, i64> = sent.iter().map(|command| (command.id.as_str(), command.cents)).collect();
    let expected: i128 =
        tally.accepted.keys().filter_map(|id| moved.get(id.as_str())).map(|cents| i128::from(*cents)).sum();
    let balances =
        evidence.accounts.values().filter_map(|account| account.opened()).map(|opened| opened.balance.mantissa());
    let found: i128 = balances.sum();
    Check {
        name: "money is conserved to the cent",
        ok: expected == found,
        detail: format!("credits less debits are {}, balances are {} USD", dollars(expected), dollars(found)),
    }
}

fn dollars(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, (cents % 100).abs())
}

fn memory_is_fold(evidence: &Evidence, inspections: &[Inspection<Account>]) -> Check {
    let held = inspections.iter().flat_map(|partition| &partition.aggregates);
    let ours: Vec<_> = held.filter(|(id, _)| evidence.accounts.contains_key(id)).collect();
    let differing = ours.iter().filter(|(id, account)| evidence.accounts.get(id) != Some(account)).count();
    Check {
        name: "what actors hold is the fold of the log",
        ok: differing == 0 && !ours.is_empty(),
        detail: format!("{} of {} accounts in memory, {differing} differ", ours.len(), evidence.accounts.len()),
    }
}

/// Enough actors were killed while they worked.
pub fn kills(killed: u64, asked: u64) -> Check {
    let wanted = asked.min(20);
    Check {
        name: "actors died with commands in their batch",
        ok: killed >= wanted,
        detail: format!("{killed} died, at least {wanted} wanted"),
    }
}
