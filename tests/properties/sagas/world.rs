//! Some accounts and transactions, and what they say to each other: lanes in which messages keep their order, between
//! which they do not. Everything that leaves an aggregate goes through its bytes.

use std::collections::{BTreeMap, VecDeque};

use billing_engine::domain::account::{Account, AccountCommand, AccountEvent, ChangeType};
use billing_engine::domain::ids::{AggregateId, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::message::{Content, Delivery, Effect, FinalReply, Letter, Participant};
use billing_engine::domain::transaction::{Transaction, TransactionCommand, TransactionEvent};
use billing_engine::domain::{Aggregate, Cause, Command, Decision, Recorded, Rejection, Rules, record};
use billing_engine::wire::Trace;
use billing_engine::wire::message::{self, Inbox, Mail};

use crate::events::stored;

/// Partitions of each topic.
const LANES: usize = 3;

/// An aggregate with its history.
#[derive(Clone)]
pub struct Kept<A: Aggregate> {
    pub state: A,
    pub history: Vec<Recorded<A::Event>>,
}

pub struct World {
    pub rules: Rules,
    pub now: i64,
    pub accounts: BTreeMap<AggregateId, Kept<Account>>,
    pub transactions: BTreeMap<AggregateId, Kept<Transaction>>,
    /// Inboxes of accounts, then of transactions.
    lanes: Vec<VecDeque<Letter>>,
    /// What was accepted, and where it led.
    pub accepted: Vec<(AggregateId, Command<TransactionCommand>, Version)>,
    pub replies: Vec<(AggregateId, FinalReply)>,
    /// Commands of upstream, credits less debits, by currency, in the smallest unit.
    pub direct: BTreeMap<String, i128>,
    /// What the postings of each transaction add up to.
    pub net: BTreeMap<AggregateId, i128>,
}

pub fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).unwrap()
}

fn lane_of(id: &AggregateId) -> usize {
    id.as_str().bytes().map(usize::from).sum::<usize>() % LANES
}

impl World {
    pub fn new(rules: Rules) -> Self {
        World {
            rules,
            now: 0,
            accounts: BTreeMap::new(),
            transactions: BTreeMap::new(),
            lanes: vec![VecDeque::new(); 2 * LANES],
            accepted: Vec::new(),
            replies: Vec::new(),
            direct: BTreeMap::new(),
            net: BTreeMap::new(),
        }
    }

    /// A command to an account, of its own number; whether it was accepted.
    pub fn ask_account(&mut self, account: &AggregateId, command: Command<AccountCommand>) -> bool {
        let state = self.account(account);
        let Decision::Accepted(events) = state.decide(&command, &self.rules, Timestamp(self.now)) else {
            return false;
        };
        self.account_goes_on(account, events, &cause_of(&command));
        true
    }

    /// A command to a transaction.
    pub fn ask(&mut self, transaction: &AggregateId, command: Command<TransactionCommand>) {
        let state = self.transaction(transaction);
        let known = self.accepted.iter().find(|(whose, known, _)| whose == transaction && known.id == command.id);
        let decision = state.decide(&command, &self.rules, Timestamp(self.now));
        match (decision, known) {
            (Decision::Duplicate(version), Some((_, known, then))) => {
                assert_eq!((version, command.hash), (*then, known.hash));
            }
            (Decision::Rejected(Rejection::IdempotencyConflict { version }), Some((_, known, then))) => {
                assert_eq!(version, *then);
                assert_ne!(command.hash, known.hash);
            }
            (decision, Some(_)) => panic!("a command that took effect is decided again: {decision:?}"),
            (Decision::Duplicate(_) | Decision::Rejected(Rejection::IdempotencyConflict { .. }), None) => {
                panic!("a command that never took effect is remembered")
            }
            (Decision::Rejected(_), None) => {}
            (Decision::Accepted(events), None) => {
                self.transaction_goes_on(transaction, events, &cause_of(&command));
                let version = self.transactions[transaction].state.version();
                self.accepted.push((transaction.clone(), command, version));
            }
        }
    }

    /// How many lanes hold something.
    pub fn waiting(&self) -> Vec<usize> {
        (0..self.lanes.len()).filter(|lane| !self.lanes[*lane].is_empty()).collect()
    }

    /// Delivers the first message of a lane.
    pub fn deliver(&mut self, lane: usize) {
        let Some(letter) = self.lanes[lane].pop_front() else { return };
        match letter.body {
            Content::Account(_) => {
                let delivery = read::<Account>(&letter);
                let state = self.account(&delivery.to);
                let receipt = state.receive(&delivery, &self.rules, Timestamp(self.now)).unwrap();
                self.account_goes_on(&delivery.to, receipt.events, &delivery.cause);
                receipt.letters.into_iter().for_each(|letter| self.send(letter));
            }
            Content::Transaction(_) => {
                let delivery = read::<Transaction>(&letter);
                let state = self.transaction(&delivery.to);
                let receipt = state.receive(&delivery, &self.rules, Timestamp(self.now)).unwrap();
                self.transaction_goes_on(&delivery.to, receipt.events, &delivery.cause);
                receipt.letters.into_iter().for_each(|letter| self.send(letter));
            }
        }
    }

    /// The first message of a lane meets an account that cannot be had.
    pub fn meet_nobody(&mut self, lane: usize) {
        let answer = match self.lanes[lane].front() {
            Some(letter @ Delivery { body: Content::Account(_), .. }) => Account::unavailable(&read::<Account>(letter)),
            _ => None,
        };
        match answer {
            Some(answer) => {
                self.lanes[lane].pop_front();
                self.send(answer);
            }
            None => self.deliver(lane),
        }
    }

    /// What time alone brings about.
    pub fn sweep(&mut self) {
        // Nobody caused it; each event must know better.
        let nobody = cause_of(&Command {
            id: CommandId::parse("nobody").unwrap(),
            hash: billing_engine::domain::ids::CommandHash([0; 16]),
            expected_version: None,
            body: (),
        });
        let now = Timestamp(self.now);
        let due = |next: Option<Timestamp>, last_at: Timestamp| next.is_some_and(|next| next <= now.max(last_at));
        for account in self.accounts.keys().cloned().collect::<Vec<_>>() {
            let state = &self.accounts[&account].state;
            let events = state.expire(now);
            assert_eq!(due(state.next_expiry(), state.last_at()), !events.is_empty());
            self.account_goes_on(&account, events, &nobody);
        }
        for transaction in self.transactions.keys().cloned().collect::<Vec<_>>() {
            let state = &self.transactions[&transaction].state;
            let events = state.expire(now);
            assert_eq!(due(state.next_expiry(), state.last_at()), !events.is_empty());
            self.transaction_goes_on(&transaction, events, &nobody);
        }
    }

    fn send(&mut self, letter: Letter) {
        let lane = match letter.body {
            Content::Account(_) => lane_of(&letter.to),
            Content::Transaction(_) => LANES + lane_of(&letter.to),
        };
        self.lanes[lane].push_back(letter);
    }

    fn account(&mut self, account: &AggregateId) -> Account {
        let blank = || Kept { state: Account::blank(&self.rules), history: Vec::new() };
        self.accounts.entry(account.clone()).or_insert_with(blank).state.clone()
    }

    fn transaction(&mut self, transaction: &AggregateId) -> Transaction {
        let blank = || Kept { state: Transaction::blank(&self.rules), history: Vec::new() };
        self.transactions.entry(transaction.clone()).or_insert_with(blank).state.clone()
    }

    fn account_goes_on(&mut self, account: &AggregateId, events: Vec<AccountEvent>, cause: &Cause) {
        let kept = self.accounts.get_mut(account).unwrap();
        for event in record(&kept.state, events, cause, Timestamp(self.now)) {
            assert_eq!(stored::<Account>(&event), event, "an event survives the event store");
            assert_ne!(event.command_id.as_str(), "nobody", "an expiry belongs to its authorization");
            kept.state.apply(&event).unwrap();
            if let AccountEvent::BalanceChanged(posted) = &event.body {
                let change = match posted.change_type {
                    ChangeType::Credit => posted.change_amount.mantissa(),
                    ChangeType::Debit => -posted.change_amount.mantissa(),
                };
                match &posted.leg {
                    Some(leg) => *self.net.entry(leg.transaction_id.clone()).or_default() += change,
                    None => *self.direct.entry(posted.currency.code().to_owned()).or_default() += change,
                }
            }
            kept.history.push(event);
        }
    }

    fn transaction_goes_on(&mut self, transaction: &AggregateId, events: Vec<TransactionEvent>, cause: &Cause) {
        let kept = self.transactions.get_mut(transaction).unwrap();
        let mut effects = Vec::new();
        for event in record(&kept.state, events, cause, Timestamp(self.now)) {
            assert_eq!(stored::<Transaction>(&event), event, "an event survives the event store");
            assert_ne!(event.command_id.as_str(), "nobody", "an expiry belongs to its authorization");
            assert!(end_of(&event.body).is_none_or(|end| end == event.at), "it ends when its event says");
            kept.state.apply(&event).unwrap();
            effects.extend(kept.state.react(transaction, &event, &self.rules));
            kept.history.push(event);
        }
        for effect in effects {
            match effect {
                Effect::Message(letter) => self.send(letter),
                Effect::Reply(reply) => self.replies.push((transaction.clone(), reply)),
            }
        }
    }
}

/// The time that an event says something ended at.
fn end_of(event: &TransactionEvent) -> Option<Timestamp> {
    match event {
        TransactionEvent::TopupCompleted(done) | TransactionEvent::WithdrawalCompleted(done) => Some(done.completed_at),
        TransactionEvent::TransferCompleted(done) => Some(done.completed_at),
        TransactionEvent::PaymentCompleted(done) => Some(done.completed_at),
        TransactionEvent::RefundCompleted(done) => Some(done.completed_at),
        TransactionEvent::Failed(failed) => Some(failed.failed_at),
        TransactionEvent::Compensated(compensated) => Some(compensated.compensated_at),
        _ => None,
    }
}

fn cause_of<C>(command: &Command<C>) -> Cause {
    let correlation_id = CorrelationId::from(&command.id);
    Cause { command_id: command.id.clone(), command_hash: command.hash, correlation_id }
}

/// The message as its receiver reads it from the bytes of the inbox.
fn read<A: Mail>(letter: &Letter) -> Delivery<A::Message> {
    let (mut value, mut headers) = (Vec::new(), Vec::new());
    message::encode_value(&mut value, letter);
    message::encode_headers(letter, Trace::default(), |name, value| {
        headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
    });
    let headers = headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    match message::decode::<A, _>(Some(&value), headers).unwrap() {
        Inbox::Message(delivery) => delivery,
        Inbox::Command(_) => panic!("a message is no command"),
    }
}
