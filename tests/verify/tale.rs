//! What happened: stories of accounts and transactions of every kind, told by the domain itself.

use std::time::Duration;

use billing_engine::domain::account::{AccountCommand, AccountType, CreateAccount, Posting};
use billing_engine::domain::ids::{CommandHash, CommandId};
use billing_engine::domain::money::{Amount, Currencies, Currency, RequestedAmount, SentAmount};
use billing_engine::domain::transaction::{Movement, TransactionCommand};
use billing_engine::domain::{Command, Rules};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::story::{self, steps};
use crate::world::{World, id};

/// Rounds of one story: enough that every kind of transaction comes to every end.
const ROUNDS: u8 = 8;

pub fn rules() -> Rules {
    let currencies =
        [("USD", 2), ("EUR", 2), ("KWD", 3)].map(|(code, decimals)| Currency::new(code, decimals).unwrap());
    Rules {
        currencies: Currencies::from_iter(currencies),
        idempotency_window: 4,
        default_hold: Duration::from_millis(60),
    }
}

/// The story of that number, the same in every run, in which everything has come to an end or waits for upstream.
pub fn drained(number: u8) -> World {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut world = World::new(rules());
    story::open(&mut world);
    open_with_everything(&mut world);
    for round in 0..ROUNDS {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        for (step, what) in steps.into_iter().enumerate() {
            story::take(&mut world, usize::from(round) * 1_000 + step, what);
        }
    }
    while let Some(lane) = world.waiting().first().copied() {
        world.deliver(lane);
    }
    world
}

/// The same, and then one topup has taken its money and not yet brought it, and another was only asked for.
pub fn under_way(number: u8) -> World {
    let mut world = drained(number);
    world.ask(&id("halfway"), command("halfway", topup("ann", "7.25")));
    let lane = world.waiting()[0];
    world.deliver(lane);
    world.ask(&id("at-the-beginning"), command("at-the-beginning", topup("ann", "1.00")));
    world
}

/// The same as [`drained`], and the last thing that happened is that a topup brought its money to the account `new`.
pub fn topped_up() -> World {
    let mut world = drained(0);
    let new = AccountCommand::Create(CreateAccount {
        owner_id: "o".into(),
        owner_type: "o".into(),
        account_type: AccountType::User,
        currency: "USD".into(),
        min_balance: None,
        max_balance: None,
        metadata: None,
    });
    assert!(world.ask_account(&id("new"), command("new", new)));
    world.ask(&id("topup"), command("topup", topup("new", "7.25")));
    while let Some(lane) = world.waiting().first().copied() {
        world.deliver(lane);
    }
    world
}

/// From the bank, which always has enough.
fn topup(account: &str, amount: &str) -> TransactionCommand {
    let amount = SentAmount::from(Amount::parse(amount).unwrap());
    let (debited, credited, currency) = (id("bank"), id(account), "USD".into());
    TransactionCommand::Topup(Movement { debited, credited, amount, currency, reference: None, metadata: None })
}

fn command<C>(command_id: &str, body: C) -> Command<C> {
    let id = CommandId::parse(command_id).unwrap();
    Command { id, hash: CommandHash([7; 16]), expected_version: None, body }
}

/// An account that has everything an account can have, in a currency of its own.
fn open_with_everything(world: &mut World) {
    let metadata = Some(r#"{"a":1.50,"b":"ü\n"}"#.into());
    let amount = |text: &str| RequestedAmount::parse(text).unwrap();
    let create = AccountCommand::Create(CreateAccount {
        owner_id: "owner of \"everything\"".into(),
        owner_type: "größe".into(),
        account_type: AccountType::User,
        currency: "KWD".into(),
        min_balance: Some(amount("-5")),
        max_balance: Some(amount("999999999999999999.999")),
        metadata: metadata.clone(),
    });
    let posting = |text: &str| Posting {
        amount: amount(text),
        currency: "KWD".into(),
        reason: "a reason".into(),
        reference: Some("a reference".into()),
        metadata: metadata.clone(),
    };
    let credit = AccountCommand::Credit(posting("123456789012345678.5"));
    let debit = AccountCommand::Debit(posting("0.001"));
    for (number, body) in [create, credit, debit].into_iter().enumerate() {
        assert!(world.ask_account(&id("everything"), command(&format!("everything-{number}"), body)));
    }
}
