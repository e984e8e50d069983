//! The commands of a benchmark: about 290 bytes each, all to be accepted, numbered inside their ids.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

use super::tally::Tally;
use crate::engine::{ACCOUNTS, TRANSACTIONS};
use crate::log::Topic;
use crate::partition::placement::partition_of;

/// How strongly the load prefers few accounts.
const SKEW: f64 = 1.0;

/// What an account has before transactions begin: more than all of them could take from it.
const FUNDS: &str = "900000000000.00";

/// Digits of a command's number, at the end of its id.
const NUMBER_DIGITS: usize = 12;

/// Transactions a partition that prepare the measurement: when they are answered, everybody is known to be at work.
const WARM_UP: u64 = 32;

/// What is asked of a contender, once the accounts are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// Money for one account.
    Credits,
    /// Money from one account to another.
    Transfers,
    /// The same as payments without a fee, which cost as much.
    Payments,
    /// All payments to a single merchant.
    PaymentsToOne,
}

impl Load {
    /// True when it takes several steps, and a final answer tells that all are done.
    pub fn is_saga(self) -> bool {
        self != Load::Credits
    }
}

/// One command, and where it goes.
#[derive(Clone, Debug)]
pub struct Command {
    /// The topic.
    pub topic: Topic,
    /// Where its aggregate lives.
    pub partition: i32,
    /// The aggregate.
    pub key: String,
    /// The record's value.
    pub value: String,
}

/// Makes numbered commands, the same at every run.
pub struct Workload {
    load: Load,
    accounts: u64,
    partitions: u32,
    zipf: Zipf<f64>,
    random: StdRng,
}

impl Workload {
    /// A load over `accounts` accounts.
    ///
    /// # Panics
    /// Without any account.
    pub fn new(load: Load, accounts: u32, partitions: u32) -> Self {
        let zipf = Zipf::new(f64::from(accounts), SKEW).expect("there is at least one account");
        Workload { load, accounts: accounts.into(), partitions, zipf, random: StdRng::seed_from_u64(42) }
    }

    /// What is asked.
    pub fn load(&self) -> Load {
        self.load
    }

    /// How many commands prepare the measurement: the first so many numbers.
    pub fn preparation(&self) -> u64 {
        match self.load.is_saga() {
            false => self.opened(),
            true => self.funded() + WARM_UP * u64::from(self.partitions),
        }
    }

    /// How many of them open accounts and fund them. Nothing else may be sent before they are answered.
    pub fn opening(&self) -> u64 {
        if self.load.is_saga() { self.funded() } else { self.opened() }
    }

    /// Transactions need one more account: the one merchant, or whoever takes what would go back to its sender.
    fn opened(&self) -> u64 {
        self.accounts + u64::from(self.load.is_saga())
    }

    /// Accounts that transactions go between have money.
    fn funded(&self) -> u64 {
        2 * self.opened()
    }

    /// Nothing answered yet, of the first so many commands. A transaction is answered at once and at its end.
    pub fn tally(&self, commands: u64) -> Tally {
        let once = if self.load.is_saga() { self.funded() } else { commands };
        Tally::of((0..commands).map(|number| if number < once { 1 } else { 2 }))
    }

    /// Command `number`, counted from 0: the first ones open the accounts and fund them, all others are the load.
    pub fn command(&mut self, number: u64) -> Command {
        let id = self.id(number);
        if number < self.opened() {
            let account = account(number);
            return self.addressed(ACCOUNTS.commands, &account, format!(
                r#"{{"commandType":"CreateAccount","commandId":"{id}","aggregateId":"{account}","data":{{"ownerId":"customer-{number}","ownerType":"customer","accountType":"USER","currency":"USD"}}}}"#
            ));
        }
        match self.load {
            Load::Credits => {
                let (account, amount) = (account(self.rank()), self.amount());
                self.credit(number, &id, &account, &amount)
            }
            _ if number < self.funded() => self.credit(number, &id, &account(number - self.opened()), FUNDS),
            Load::Transfers => self.transfer(number, &id),
            Load::Payments | Load::PaymentsToOne => self.payment(number, &id),
        }
    }

    fn credit(&self, number: u64, id: &str, account: &str, amount: &str) -> Command {
        self.addressed(ACCOUNTS.commands, account, format!(
            r#"{{"commandType":"Credit","commandId":"{id}","aggregateId":"{account}","correlationId":"corr-{id}","data":{{"amount":"{amount}","currency":"USD","reason":"Usage of the day","reference":"invoice-2025-12-{number:07}"}}}}"#
        ))
    }

    fn transfer(&mut self, number: u64, id: &str) -> Command {
        let (transaction, [source, destination], amount) = (transaction(number), self.parties(), self.amount());
        self.addressed(TRANSACTIONS.commands, &transaction, format!(
            r#"{{"commandType":"RequestTransfer","commandId":"{id}","aggregateId":"{transaction}","correlationId":"corr-{id}","data":{{"sourceAccountId":"{source}","destinationAccountId":"{destination}","amount":"{amount}","currency":"USD"}}}}"#
        ))
    }

    fn payment(&mut self, number: u64, id: &str) -> Command {
        let (transaction, [customer, merchant], amount) = (transaction(number), self.parties(), self.amount());
        self.addressed(TRANSACTIONS.commands, &transaction, format!(
            r#"{{"commandType":"RequestPayment","commandId":"{id}","aggregateId":"{transaction}","correlationId":"corr-{id}","data":{{"customerAccountId":"{customer}","merchantAccountId":"{merchant}","amount":"{amount}","currency":"USD"}}}}"#
        ))
    }

    /// From whom, and to whom; never the same.
    fn parties(&mut self) -> [String; 2] {
        let (from, to) = (self.rank(), self.rank());
        let one = self.load == Load::PaymentsToOne || from == to;
        [account(from), account(if one { self.accounts } else { to })]
    }

    /// An account, few of them often.
    fn rank(&mut self) -> u64 {
        let rank = self.zipf.sample(&mut self.random) as u64;
        rank.clamp(1, self.accounts) - 1
    }

    fn amount(&mut self) -> String {
        let cents = self.random.random_range(1..100_000);
        let (units, rest) = (cents / 100, cents % 100);
        format!("{units}.{rest:02}")
    }

    /// As hard to compress as an id of upstream.
    fn id(&mut self, number: u64) -> String {
        let random: u64 = self.random.random();
        let [a, b, c, d] = [random >> 32, random >> 16 & 0xffff, random >> 4 & 0xfff, random & 0xfff];
        format!("{a:08x}-{b:04x}-4{c:03x}-a{d:03x}-{number:0NUMBER_DIGITS$x}")
    }

    fn addressed(&self, topic: Topic, aggregate: &str, value: String) -> Command {
        let partition = partition_of(aggregate, self.partitions).cast_signed();
        Command { topic, partition, key: aggregate.to_owned(), value }
    }
}

fn account(number: u64) -> String {
    format!("acc-550e8400-e29b-41d4-a716-{number:012}")
}

fn transaction(number: u64) -> String {
    format!("txn-550e8400-e29b-41d4-a716-{number:012}")
}

/// The number of the command that a record repeats or answers.
pub fn number_of(value: &[u8]) -> Option<u64> {
    const NAME: &[u8] = br#""commandId":""#;
    const ID_LEN: usize = 36;
    let at = value.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let digits = value.get(at + ID_LEN - NUMBER_DIGITS..at + ID_LEN)?;
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Account;
    use crate::domain::transaction::Transaction;
    use crate::wire::command;

    #[test]
    fn every_command_can_be_read_and_tells_its_number() {
        for load in [Load::Credits, Load::Transfers, Load::Payments, Load::PaymentsToOne] {
            let mut workload = Workload::new(load, 10, 3);
            for number in [0, 9, 10, 11, 21, 22, 999_999] {
                let command = workload.command(number);
                let value = command.value.as_bytes();
                assert_eq!(number_of(value), Some(number));
                let readable = match command.topic == ACCOUNTS.commands {
                    true => command::decode::<Account>(Some(value), 1 << 20).is_ok(),
                    false => command::decode::<Transaction>(Some(value), 1 << 20).is_ok(),
                };
                assert!(readable, "{}", command.value);
            }
        }
        assert_eq!(number_of(b"{}"), None);
    }

    #[test]
    fn nobody_pays_oneself() {
        for load in [Load::Transfers, Load::PaymentsToOne] {
            let mut workload = Workload::new(load, 1, 3);
            let [from, to] = workload.parties();
            assert_eq!((from, to), (account(0), account(1)));
        }
    }
}
