//! What must hold after a load, whatever happened while it ran. Read from the log, as an auditor would.

use std::collections::HashMap;

use serde::Serialize;

use super::Failure;
use super::load::Sent;
use super::observer::{Ends, Tally};
use crate::domain::Rules;
use crate::domain::account::{Account, AccountEvent};
use crate::domain::ids::{AggregateId, CommandId};
use crate::domain::transaction::{Transaction, TransactionEvent};
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::log::{Client, Offset, Record, Topic};
use crate::partition::Inspection;
use crate::wire::{self, Wire};

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
    accounts: Lives<Account>,
    transfers: Lives<Transaction>,
}

/// Aggregates of one type, folded.
struct Lives<A> {
    now: HashMap<AggregateId, A>,
    /// How often each command of upstream took effect.
    effects: HashMap<CommandId, u64>,
    events: u64,
    unfit: Vec<String>,
}

impl Evidence {
    /// Folds every event of aggregates whose ids begin with `run`, from `begin` on.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn read(client: &dyn Client, begin: &Ends, run: &str, rules: &Rules) -> Result<Self, Failure> {
        // A leg is posted for a transfer, which took effect before.
        let is_direct =
            |event: &AccountEvent| !matches!(event, AccountEvent::BalanceChanged(posted) if posted.leg.is_some());
        let is_request = |event: &TransactionEvent| matches!(event, TransactionEvent::Requested(_));
        Ok(Evidence {
            accounts: Lives::read(client, begin.of([ACCOUNTS.events]), run, rules, is_direct).await?,
            transfers: Lives::read(client, begin.of([TRANSACTIONS.events]), run, rules, is_request).await?,
        })
    }

    fn effects(&self) -> impl Iterator<Item = (&CommandId, u64)> {
        self.accounts.effects.iter().chain(&self.transfers.effects).map(|(id, times)| (id, *times))
    }
}

impl<A: Wire> Lives<A> {
    async fn read(
        client: &dyn Client,
        begin: impl Iterator<Item = (Topic, u32, Offset)>,
        run: &str,
        rules: &Rules,
        is_effect: impl Fn(&A::Event) -> bool,
    ) -> Result<Self, Failure> {
        let mut lives = Lives { now: HashMap::new(), effects: HashMap::new(), events: 0, unfit: Vec::new() };
        for (topic, partition, from) in begin {
            let end = client.bounds(topic, partition).await?.end;
            let mut chunks = client.read(topic, partition, from..end);
            while let Some(chunk) = chunks.recv().await {
                for record in
                    chunk?.iter().filter(|record| record.key.is_some_and(|key| key.starts_with(run.as_bytes())))
                {
                    lives.take(record, rules, &is_effect);
                }
            }
        }
        Ok(lives)
    }

    fn take(&mut self, record: Record<'_>, rules: &Rules, is_effect: impl Fn(&A::Event) -> bool) {
        self.events += 1;
        let event = match wire::event::decode::<A>(record.value, record.headers.iter()) {
            Ok(event) => event,
            Err(error) => return self.unfit.push(error.to_string()),
        };
        if is_effect(&event.recorded.body) {
            *self.effects.entry(event.recorded.command_id.clone()).or_default() += 1;
        }
        let life = self.now.entry(event.aggregate_id).or_insert_with(|| A::blank(rules));
        if let Err(unfit) = life.apply(&event.recorded) {
            self.unfit.push(unfit.to_string());
        }
    }
}

/// Every promise that a load can show.
pub fn all(evidence: &Evidence, sent: &[Sent], tally: &Tally, inspections: &[Inspection<Account>]) -> Vec<Check> {
    vec![
        answered(sent, tally),
        effect_once(evidence, tally),
        ended_once(evidence, tally),
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
    let twice = evidence.effects().filter(|(_, times)| *times != 1).count();
    let without_reply = evidence.effects().filter(|(id, _)| !tally.accepted.contains_key(id.as_str())).count();
    let (effects, accepted) = (evidence.effects().count(), tally.accepted.len());
    Check {
        name: "every accepted command took effect exactly once",
        ok: twice == 0 && without_reply == 0 && effects == accepted && tally.accepted.values().all(|times| *times == 1),
        detail: format!("{accepted} accepted, {effects} took effect, {twice} of them more than once"),
    }
}

fn ended_once(evidence: &Evidence, tally: &Tally) -> Check {
    let Tally { transfers, ended, completed, failed, compensated, .. } = tally;
    let has_ended = |transfer: &&Transaction| transfer.begun().is_some_and(|begun| begun.status.has_ended());
    let found = evidence.transfers.now.values().filter(has_ended).count() as u64;
    let told_once = ended.values().filter(|times| **times == 1).count() as u64;
    Check {
        name: "every transfer has ended exactly once",
        ok: found == *transfers && told_once == *transfers && completed + failed + compensated == *transfers,
        detail: format!(
            "{transfers} begun, {completed} moved money, {failed} failed, {compensated} put back what had moved"
        ),
    }
}

fn gapless(evidence: &Evidence) -> Check {
    let Evidence { accounts, transfers } = evidence;
    let mut unfit = accounts.unfit.iter().chain(&transfers.unfit);
    let (differing, first) = (unfit.clone().count(), unfit.next());
    let first = first.map(|unfit| format!(", the first: {unfit}")).unwrap_or_default();
    Check {
        name: "every history is without a gap and adds up",
        ok: differing == 0,
        detail: format!(
            "{} events of {} accounts, {} of {} transfers, {differing} do not follow{first}",
            accounts.events,
            accounts.now.len(),
            transfers.events,
            transfers.now.len(),
        ),
    }
}

fn conserved(evidence: &Evidence, sent: &[Sent], tally: &Tally) -> Check {
    let moved: HashMap<&str, i64> = sent.iter().map(|command| (command.id.as_str(), command.cents)).collect();
    let expected: i128 =
        tally.accepted.keys().filter_map(|id| moved.get(id.as_str())).map(|cents| i128::from(*cents)).sum();
    let balances =
        evidence.accounts.now.values().filter_map(|account| account.opened()).map(|opened| opened.balance.mantissa());
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
    let ours: Vec<_> = held.filter(|(id, _)| evidence.accounts.now.contains_key(id)).collect();
    let differing = ours.iter().filter(|(id, account)| evidence.accounts.now.get(id) != Some(account)).count();
    Check {
        name: "what actors hold is the fold of the log",
        ok: differing == 0 && !ours.is_empty(),
        detail: format!("{} of {} accounts in memory, {differing} differ", ours.len(), evidence.accounts.now.len()),
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
