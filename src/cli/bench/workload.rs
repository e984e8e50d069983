//! The commands of a benchmark: about 290 bytes each, all to be accepted, numbered inside their ids.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

use crate::partition::placement::partition_of;

/// How strongly the load prefers few accounts.
const SKEW: f64 = 1.0;

/// Digits of a command's number, at the end of its id.
const NUMBER_DIGITS: usize = 12;

/// One command, and where it goes.
#[derive(Clone, Debug)]
pub struct Command {
    /// Where its account lives.
    pub partition: i32,
    /// The account.
    pub key: String,
    /// The record's value.
    pub value: String,
}

/// Makes numbered commands, the same at every run.
pub struct Workload {
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
    pub fn new(accounts: u32, partitions: u32) -> Self {
        let zipf = Zipf::new(f64::from(accounts), SKEW).expect("there is at least one account");
        Workload { accounts: accounts.into(), partitions, zipf, random: StdRng::seed_from_u64(42) }
    }

    /// How many commands open accounts: the first so many numbers.
    pub fn openings(&self) -> u64 {
        self.accounts
    }

    /// Command `number`, counted from 0: the first ones open the accounts, all others put money on one.
    pub fn command(&mut self, number: u64) -> Command {
        let id = self.id(number);
        if number < self.accounts {
            let account = account(number);
            return self.addressed(&account, format!(
                r#"{{"commandType":"CreateAccount","commandId":"{id}","aggregateId":"{account}","data":{{"ownerId":"customer-{number}","ownerType":"customer","accountType":"USER","currency":"USD"}}}}"#
            ));
        }
        let rank = self.zipf.sample(&mut self.random) as u64;
        let account = account(rank.clamp(1, self.accounts) - 1);
        let cents = self.random.random_range(1..100_000);
        let (units, rest) = (cents / 100, cents % 100);
        self.addressed(&account, format!(
            r#"{{"commandType":"Credit","commandId":"{id}","aggregateId":"{account}","correlationId":"corr-{id}","data":{{"amount":"{units}.{rest:02}","currency":"USD","reason":"Usage of the day","reference":"invoice-2025-12-{number:07}"}}}}"#
        ))
    }

    /// As hard to compress as an id of upstream.
    fn id(&mut self, number: u64) -> String {
        let random: u64 = self.random.random();
        let [a, b, c, d] = [random >> 32, random >> 16 & 0xffff, random >> 4 & 0xfff, random & 0xfff];
        format!("{a:08x}-{b:04x}-4{c:03x}-a{d:03x}-{number:0NUMBER_DIGITS$x}")
    }

    fn addressed(&self, account: &str, value: String) -> Command {
        let partition = partition_of(account, self.partitions).cast_signed();
        Command { partition, key: account.to_owned(), value }
    }
}

fn account(number: u64) -> String {
    format!("acc-550e8400-e29b-41d4-a716-{number:012}")
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
    use crate::wire::command;

    #[test]
    fn every_command_can_be_read_and_tells_its_number() {
        let mut workload = Workload::new(10, 3);
        for number in [0, 9, 10, 11, 999_999] {
            let command = workload.command(number);
            assert_eq!(number_of(command.value.as_bytes()), Some(number));
            assert!(command::decode::<Account>(Some(command.value.as_bytes()), 1 << 20).is_ok(), "{}", command.value);
        }
        assert_eq!(number_of(b"{}"), None);
    }
}
