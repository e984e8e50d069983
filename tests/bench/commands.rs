//! The commands that are measured: about 290 bytes each, as an upstream of uuids and invoices writes them.

use billing_engine::log::{Chunk, Offset};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// Records of one chunk, as a reader of Kafka hands them on.
const CHUNK_RECORDS: usize = 512;

/// How a load spreads over its accounts.
#[derive(Clone, Copy)]
pub enum Spread {
    /// All alike.
    Uniform,
    /// The second is asked half as often as the first, the third a third as often, and so on.
    Zipf,
}

/// Makes commands, the same at every run.
pub struct Commands {
    accounts: usize,
    spread: Spread,
    zipf: Zipf<f64>,
    random: StdRng,
    made: u64,
}

impl Commands {
    pub fn new(accounts: usize, spread: Spread) -> Self {
        let zipf = Zipf::new(accounts as f64, 1.0).expect("there is at least one account");
        Commands { accounts, spread, zipf, random: StdRng::seed_from_u64(42), made: 0 }
    }

    /// Opens every account.
    pub fn openings(&mut self, from: Offset) -> Vec<Chunk> {
        let values: Vec<_> = (0..self.accounts).map(|account| self.opening(account)).collect();
        chunks(from, values)
    }

    /// The next `count` postings.
    pub fn postings(&mut self, from: Offset, count: usize) -> Vec<Chunk> {
        let values: Vec<_> = (0..count).map(|_| self.posting()).collect();
        chunks(from, values)
    }

    fn opening(&mut self, account: usize) -> (String, String) {
        let (account, id) = (account_id(account), self.command_id());
        let value = format!(
            r#"{{"commandType":"CreateAccount","commandId":"{id}","aggregateId":"{account}","data":{{"ownerId":"customer-{account}","ownerType":"customer","accountType":"USER","currency":"USD"}}}}"#
        );
        (account, value)
    }

    /// Account and value of a credit, which nothing refuses.
    pub fn posting(&mut self) -> (String, String) {
        let account = match self.spread {
            Spread::Uniform => self.random.random_range(0..self.accounts),
            Spread::Zipf => self.zipf.sample(&mut self.random) as usize - 1,
        };
        let (account, id, cents) = (account_id(account), self.command_id(), self.random.random_range(1..100_000));
        let (units, rest) = (cents / 100, cents % 100);
        let value = format!(
            r#"{{"commandType":"Credit","commandId":"{id}","aggregateId":"{account}","correlationId":"corr-{id}","data":{{"amount":"{units}.{rest:02}","currency":"USD","reason":"Usage of the day","reference":"invoice-2025-12-{:07}"}}}}"#,
            self.made
        );
        (account, value)
    }

    fn command_id(&mut self) -> String {
        self.made += 1;
        let random: u64 = self.random.random();
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            random >> 32,
            random >> 16 & 0xffff,
            random >> 4 & 0xfff,
            random & 0xfff,
            self.made
        )
    }
}

fn account_id(number: usize) -> String {
    format!("acc-550e8400-e29b-41d4-a716-{number:012}")
}

fn chunks(from: Offset, values: Vec<(String, String)>) -> Vec<Chunk> {
    let mut offset = from;
    values
        .chunks(CHUNK_RECORDS)
        .map(|values| {
            let mut chunk = Chunk::empty(offset);
            for (key, value) in values {
                chunk.push(offset, 0, |record| {
                    record.key(key.as_bytes());
                    record.value(value.as_bytes());
                });
                offset += 1;
            }
            chunk
        })
        .collect()
}
