//! What holds for an account after any sequence of commands, beside a model that knows only sums and ids.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use billing_engine::domain::account::{
    Account, AccountCommand, AccountEvent, AccountStatus, AccountType, Change, ChangeType, CreateAccount, Posting,
};
use billing_engine::domain::ids::{CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency, RequestedAmount};
use billing_engine::domain::{Aggregate, Command, Decision, Recorded, Rejection, Rules};
use proptest::prelude::*;
use proptest::sample::select;

use crate::events::stored;

pub const WINDOW: usize = 4;

fn rules(codes: &[(&str, u8)]) -> Rules {
    let currencies = codes.iter().map(|(code, decimals)| Currency::new(code, *decimals).unwrap());
    Rules { currencies: currencies.collect(), idempotency_window: WINDOW, default_hold: Rules::DEFAULT_HOLD }
}

fn amount() -> impl Strategy<Value = RequestedAmount> {
    const AMOUNTS: &[&str] = &[
        "1",
        "1.5",
        "2.25",
        "10",
        "0",
        "-1",
        "0.01",
        "0.001",
        "7",
        "999999999999999999",
        "999999999999999999.99",
        "9999999999999999999",
    ];
    select(AMOUNTS).prop_map(|amount| RequestedAmount::parse(amount).unwrap())
}

fn change() -> impl Strategy<Value = Change<RequestedAmount>> {
    prop_oneof![Just(Change::Keep), Just(Change::Clear), amount().prop_map(Change::Set)]
}

fn currency() -> impl Strategy<Value = Box<str>> {
    prop_oneof![8 => Just("USD"), 1 => Just("JPY"), 1 => Just("XXX")].prop_map(Box::from)
}

fn body() -> impl Strategy<Value = AccountCommand> {
    let limit = || prop_oneof![3 => Just(None), 1 => amount().prop_map(Some)];
    let create = (select(AccountType::ALL), currency(), limit(), limit());
    let create = create.prop_map(|(account_type, currency, min_balance, max_balance)| {
        AccountCommand::Create(CreateAccount {
            owner_id: "o".into(),
            owner_type: "t".into(),
            account_type,
            currency,
            min_balance,
            max_balance,
            metadata: None,
        })
    });
    let posting = || {
        (amount(), currency()).prop_map(|(amount, currency)| Posting {
            amount,
            currency,
            reason: "r".into(),
            reference: None,
            metadata: None,
        })
    };
    let limits = (change(), change());
    prop_oneof![
        2 => create,
        6 => posting().prop_map(AccountCommand::Credit),
        6 => posting().prop_map(AccountCommand::Debit),
        1 => select(AccountStatus::ALL).prop_map(|status| AccountCommand::ChangeStatus { status, reason: "r".into() }),
        1 => limits.prop_map(|(min_balance, max_balance)| AccountCommand::ChangeLimits { min_balance, max_balance }),
    ]
}

pub fn command() -> impl Strategy<Value = Command<AccountCommand>> {
    let expected = prop_oneof![9 => Just(None), 1 => (0..9u64).prop_map(|version| Some(Version(version)))];
    (0..60u8, expected, body()).prop_map(|(id, expected_version, body)| {
        let mut hasher = DefaultHasher::new();
        format!("{body:?}").hash(&mut hasher);
        let mut hash = CommandHash([0; 16]);
        hash.0[..8].copy_from_slice(&hasher.finish().to_le_bytes());
        Command { id: CommandId::parse(&format!("command-{id}")).unwrap(), hash, expected_version, body }
    })
}

/// An account with what the model knows of it.
pub struct Ledger {
    rules: Rules,
    pub account: Account,
    pub events: Vec<Recorded<AccountEvent>>,
    /// Sum of all postings, all digits as one number.
    sum: i128,
    accepted: VecDeque<(CommandId, CommandHash, Version)>,
}

impl Ledger {
    pub fn new() -> Self {
        let rules = rules(&[("USD", 2), ("JPY", 0)]);
        let account = Account::blank(&rules);
        Ledger { rules, account, events: Vec::new(), sum: 0, accepted: VecDeque::new() }
    }

    pub fn take(&mut self, command: &Command<AccountCommand>) {
        let known = self.accepted.iter().find(|(id, ..)| *id == command.id);
        let decision = self.account.decide(command, &self.rules, Timestamp::default());
        match (decision, known) {
            (Decision::Duplicate(version), Some((_, hash, then))) => {
                assert_eq!((&command.hash, version), (hash, *then))
            }
            (Decision::Rejected(Rejection::IdempotencyConflict { .. }), Some((_, hash, _))) => {
                assert_ne!(command.hash, *hash);
            }
            (Decision::Rejected(Rejection::IdempotencyConflict { .. }) | Decision::Duplicate(_), None) => {
                panic!("a command that is not remembered was answered before")
            }
            (decision, Some(_)) => panic!("a command that is remembered was decided again: {decision:?}"),
            (Decision::Rejected(_), None) => {}
            (Decision::Accepted(events), None) => {
                assert!(!events.is_empty());
                for body in events {
                    self.record(command, body);
                }
                self.accepted.push_back((command.id.clone(), command.hash, self.account.version()));
                if self.accepted.len() > WINDOW {
                    self.accepted.pop_front();
                }
            }
        }
    }

    fn record(&mut self, command: &Command<AccountCommand>, body: AccountEvent) {
        let event = Recorded {
            version: Version(self.events.len() as u64 + 1),
            at: Timestamp(self.events.len() as i64),
            command_id: command.id.clone(),
            command_hash: command.hash,
            correlation_id: CorrelationId::from(&command.id),
            body,
        };
        assert_eq!(stored::<Account>(&event), event, "an event survives the event store");
        self.account.apply(&event).unwrap();
        if let AccountEvent::BalanceChanged(posted) = &event.body {
            assert!(posted.change_amount.mantissa() > 0);
            self.sum += match posted.change_type {
                ChangeType::Credit => posted.change_amount.mantissa(),
                ChangeType::Debit => -posted.change_amount.mantissa(),
            };
            self.check_bounds(posted.change_type);
        }
        self.events.push(event);
        self.check_sum();
    }

    fn check_sum(&self) {
        let opened = self.account.opened().unwrap();
        assert_eq!(opened.balance.mantissa(), self.sum, "the balance is the sum of the postings");
        assert_eq!(opened.balance.decimals(), u32::from(opened.currency.decimals()));
        let most = 10i128.pow(18 + opened.balance.decimals());
        assert!(self.sum.abs() < most, "at most 18 integer digits");
    }

    fn check_bounds(&self, change: ChangeType) {
        let opened = self.account.opened().unwrap();
        assert_eq!(opened.status, AccountStatus::Active);
        let zero = Amount::zero(&opened.currency);
        if change == ChangeType::Debit && opened.account_type != AccountType::External {
            assert!(opened.balance >= opened.min_balance.unwrap_or(zero), "a debit stays above the minimum");
        }
        if change == ChangeType::Credit {
            assert!(opened.max_balance.is_none_or(|max| opened.balance <= max), "a credit stays below the maximum");
        }
        if opened.account_type == AccountType::External {
            assert_eq!((opened.min_balance, opened.max_balance), (None, None));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_commands_the_account_is_the_fold_of_its_events(commands in proptest::collection::vec(command(), 1..80)) {
        let mut ledger = Ledger::new();
        commands.iter().for_each(|command| ledger.take(command));

        let reconfigured = rules(&[("USD", 5)]);
        let mut folded = Account::blank(&reconfigured);
        for event in &ledger.events {
            folded.apply(&stored::<Account>(event)).unwrap();
        }
        prop_assert_eq!(&folded, &ledger.account, "whatever is configured now");
        prop_assert_eq!(folded.version(), Version(ledger.events.len() as u64));
    }

    #[test]
    fn an_event_out_of_its_place_is_refused(
        commands in proptest::collection::vec(command(), 20..80),
        place in any::<prop::sample::Index>(),
    ) {
        let mut ledger = Ledger::new();
        commands.iter().for_each(|command| ledger.take(command));
        prop_assume!(ledger.events.len() > 1);
        let missing = place.index(ledger.events.len() - 1);
        let mut folded = Account::blank(&ledger.rules);
        for event in &ledger.events[..missing] {
            folded.apply(event).unwrap();
        }
        let before = folded.clone();
        prop_assert!(folded.apply(&ledger.events[missing + 1]).is_err(), "one is missing");
        if missing > 0 {
            prop_assert!(folded.apply(&ledger.events[missing - 1]).is_err(), "one comes twice");
        }
        prop_assert_eq!(folded, before, "and changes nothing");
    }
}
