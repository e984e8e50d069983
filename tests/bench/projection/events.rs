//! The events that are projected: what accounts make of the commands of the other benchmarks, byte for byte as the
//! engine writes it.

use std::collections::HashMap;
use std::vec;

use billing_engine::domain::account::Account;
use billing_engine::domain::ids::{AggregateId, Timestamp};
use billing_engine::domain::money::Currency;
use billing_engine::domain::{Aggregate, Cause, Decision, Rules, record};
use billing_engine::log::{Chunk, Drafts, Offset, Record};
use billing_engine::partition::placement::partition_of;
use billing_engine::projection::TOPICS;
use billing_engine::wire::{Source, Trace, command, event};

use crate::commands::{Commands, Spread};

/// Events of one account in the end, on average.
const EVENTS_OF_AN_ACCOUNT: usize = 100;

/// When the first event happened.
const BEGIN: i64 = 1_765_281_600_000;

/// Events that happen within one millisecond.
const IN_A_MILLISECOND: i64 = 20;

/// Makes events, the same at every run. First every account is opened, then all are posted to alike.
pub struct Events {
    partitions: u32,
    rules: Rules,
    accounts: HashMap<AggregateId, Account>,
    openings: vec::IntoIter<Chunk>,
    commands: Commands,
    /// How many were made.
    made: i64,
}

impl Events {
    /// Of as many accounts as befit that many events.
    pub fn new(events: usize, partitions: u32) -> Events {
        let mut commands = Commands::new((events / EVENTS_OF_AN_ACCOUNT).max(1), Spread::Uniform);
        Events {
            partitions,
            rules: Rules {
                currencies: Currency::new("USD", 2).into_iter().collect(),
                // No command is ever sent again.
                idempotency_window: 1,
                default_hold: Rules::DEFAULT_HOLD,
            },
            accounts: HashMap::new(),
            openings: commands.openings(0).into_iter(),
            commands,
            made: 0,
        }
    }

    /// The next `count` of them; fewer while accounts are opened.
    pub fn take(&mut self, count: usize) -> Drafts {
        let mut drafts = Drafts::default();
        let commands = self.openings.next().map_or_else(|| self.commands.postings(0, count), |chunk| vec![chunk]);
        commands.iter().flat_map(Chunk::iter).for_each(|command| self.decide(&command, &mut drafts));
        drafts
    }

    fn decide(&mut self, command: &Record<'_>, drafts: &mut Drafts) {
        let request = command::decode::<Account>(command.value, usize::MAX).unwrap();
        let id = request.aggregate_id;
        let account = self.accounts.entry(id.clone()).or_insert_with(|| Account::blank(&self.rules));
        let now = Timestamp(BEGIN + self.made / IN_A_MILLISECOND);
        let Decision::Accepted(decided) = account.decide(&request.command, &self.rules, now) else {
            panic!("nothing is refused")
        };
        let cause = Cause {
            command_id: request.command.id,
            command_hash: request.command.hash,
            correlation_id: request.correlation_id,
        };
        let partition = partition_of(id.as_str(), self.partitions);
        let source = Source { topic: "billing-engine.account.commands", partition, offset: self.made };
        for recorded in record(account, decided, &cause, now) {
            account.apply(&recorded).unwrap();
            drafts.push(TOPICS[0], partition, None, |record| {
                record.key(id.as_str().as_bytes());
                record.value_with(|bytes| event::encode_value::<Account>(bytes, &id, &recorded));
                event::encode_headers::<Account>(&recorded, Some(source), Trace::default(), |name, value| {
                    record.header(name, value);
                });
            });
            self.made += 1;
        }
    }
}

/// The same as they are read, the first at offset `from`.
pub fn chunk(from: Offset, drafts: &Drafts) -> Chunk {
    let mut chunk = Chunk::empty(from);
    for (offset, draft) in (from..).zip(drafts.iter()) {
        chunk.push(offset, BEGIN, |record| record.copy(draft.key, draft.value, draft.headers));
    }
    chunk
}
