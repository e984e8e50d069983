//! A seeded load: some accounts are hot, most are cold, and not every command is a good one.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::log::{Drafts, Topic};
use crate::partition::placement::partition_of;

/// How strongly the load prefers few accounts: 1 is what is found for words, cities and customers.
const SKEW: f64 = 1.0;

/// One command of the load.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Where it is sent.
    pub topic: Topic,
    /// Its aggregate.
    pub aggregate: String,
    /// Its id; the same again for a repetition.
    pub id: String,
    /// Cents that it brings in when it is accepted, negative for a debit; a transfer only moves what is there.
    pub cents: i64,
    /// The record's value.
    pub value: String,
}

/// Makes commands, the same for the same seed.
pub struct Load {
    run: String,
    accounts: usize,
    partitions: u32,
    zipf: Zipf<f64>,
    random: StdRng,
    made: u64,
    last: Option<Sent>,
}

impl Load {
    /// A load over `accounts` accounts whose ids begin with `run`.
    ///
    /// # Panics
    /// Without any account.
    pub fn new(run: &str, accounts: usize, partitions: u32, seed: u64) -> Self {
        let zipf = Zipf::new(accounts as f64, SKEW).expect("there is at least one account");
        let random = StdRng::seed_from_u64(seed);
        Load { run: run.to_owned(), accounts, partitions, zipf, random, made: 0, last: None }
    }

    /// Commands that open every account.
    pub fn openings(&self) -> impl Iterator<Item = Sent> {
        (0..self.accounts).map(|number| {
            let (account, id) = (self.account(number), format!("{}-open-{number}", self.run));
            let value = format!(
                r#"{{"commandType":"CreateAccount","commandId":"{id}","aggregateId":"{account}","data":{{"ownerId":"owner-{number}","ownerType":"customer","accountType":"USER","currency":"USD"}}}}"#
            );
            Sent { topic: ACCOUNTS.commands, aggregate: account, id, cents: 0, value }
        })
    }

    fn account(&self, number: usize) -> String {
        format!("{}-acc-{number}", self.run)
    }

    /// The next command: mostly credits and debits, some transfers, some repeated, some bound to be refused, some
    /// unreadable.
    pub fn next_command(&mut self) -> Sent {
        self.made += 1;
        let sent = match (self.random.random_range(0..100), &self.last) {
            (0..3, Some(last)) => return last.clone(),
            (3..5, _) => self.unreadable(),
            (5..10, _) => self.posting("Debit", 9_999_999_900),
            (10..12, _) => self.transfer(),
            (12..40, _) => self.debit(),
            _ => self.credit(),
        };
        self.last = Some(sent.clone());
        sent
    }

    fn credit(&mut self) -> Sent {
        let cents = self.random.random_range(1..20_000);
        self.posting("Credit", cents)
    }

    fn debit(&mut self) -> Sent {
        let cents = self.random.random_range(1..5_000);
        self.posting("Debit", cents)
    }

    fn posting(&mut self, command_type: &str, cents: i64) -> Sent {
        let (account, id) = self.address();
        let (units, rest) = (cents / 100, cents % 100);
        let value = format!(
            r#"{{"commandType":"{command_type}","commandId":"{id}","aggregateId":"{account}","correlationId":"{}","data":{{"amount":"{units}.{rest:02}","currency":"USD","reason":"Usage of the day"}}}}"#,
            self.run
        );
        let cents = if command_type == "Debit" { -cents } else { cents };
        Sent { topic: ACCOUNTS.commands, aggregate: account, id, cents, value }
    }

    fn unreadable(&mut self) -> Sent {
        let (account, id) = self.address();
        let value = format!(
            r#"{{"commandType":"Credit","commandId":"{id}","aggregateId":"{account}","data":{{"amout":"1.00"}}}}"#
        );
        Sent { topic: ACCOUNTS.commands, aggregate: account, id, cents: 0, value }
    }

    /// From one account to another: now and then to one that does not exist, to the same, or of more than anyone has.
    fn transfer(&mut self) -> Sent {
        let (source, id) = self.address();
        let destination =
            if self.random.random_ratio(1, 10) { format!("{}-nobody", self.run) } else { self.some_account() };
        let units = if self.random.random_ratio(1, 10) { 99_999_999 } else { self.random.random_range(1..20) };
        let aggregate = format!("{}-txn-{}", self.run, self.made);
        let value = format!(
            r#"{{"commandType":"RequestTransfer","commandId":"{id}","aggregateId":"{aggregate}","data":{{"sourceAccountId":"{source}","destinationAccountId":"{destination}","amount":"{units}.00","currency":"USD"}}}}"#
        );
        Sent { topic: TRANSACTIONS.commands, aggregate, id, cents: 0, value }
    }

    fn address(&mut self) -> (String, String) {
        (self.some_account(), format!("{}-{}", self.run, self.made))
    }

    fn some_account(&mut self) -> String {
        let rank = self.zipf.sample(&mut self.random) as usize;
        self.account(rank.clamp(1, self.accounts) - 1)
    }

    /// The records of these commands, each for the partition of its aggregate.
    pub fn records(&self, commands: &[Sent]) -> Drafts {
        let mut drafts = Drafts::default();
        for Sent { topic, aggregate, value, .. } in commands {
            drafts.push(*topic, partition_of(aggregate, self.partitions), None, |draft| {
                draft.key(aggregate.as_bytes());
                draft.value(value.as_bytes());
            });
        }
        drafts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_load_again() {
        let values = |seed| {
            let mut load = Load::new("run", 10, 3, seed);
            (0..200).map(|_| load.next_command().value).collect::<Vec<_>>()
        };
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
    }
}
