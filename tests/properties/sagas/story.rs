//! What upstream does, and when: transactions of every kind over few accounts, so that they meet.

use std::hash::{DefaultHasher, Hash, Hasher};

use billing_engine::domain::Command;
use billing_engine::domain::account::{AccountCommand, AccountStatus, AccountType, Change, CreateAccount, Posting};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, Timestamp};
use billing_engine::domain::money::{AsSent, RequestedAmount, SentAmount};
use billing_engine::domain::transaction::{
    Authorization, Capture, Fee, Kind, Movement, Payment, Refund, Status, TransactionCommand, Void,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::world::{World, id};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// The first message of some lane is delivered.
    Deliver(Index),
    /// It meets an account that cannot be had.
    MeetNobody(Index),
    /// Upstream asks for something new, of the transaction of that number.
    Ask(u8, TransactionCommand),
    /// Upstream goes on with one of the payments that are authorized.
    GoOn(Index, TransactionCommand),
    /// Upstream asks for a refund of one of the payments that were begun, as the transaction of that number.
    GiveBack(Index, u8, Option<SentAmount>),
    /// Upstream sends a command again.
    Repeat(Index),
    /// Upstream sends other content under the id of a command.
    Confuse(Index, TransactionCommand),
    /// Upstream does something to an account.
    Account(AggregateId, AccountCommand),
    /// Time passes, or the clock is set back.
    Wait(i64),
    /// What time alone brings about is recorded.
    Sweep,
}

/// Most of them exist; `tom` can have little, `eve` has euros, `zoe` does not exist.
const CUSTOMERS: &[&str] = &["ann", "ann", "bob", "bob", "tom", "eve", "zoe"];
const MERCHANTS: &[&str] = &["shop", "shop", "shop", "bob", "house", "tom", "bank"];
const TRANSACTIONS: u8 = 32;

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => any::<Index>().prop_map(Step::Deliver),
        1 => any::<Index>().prop_map(Step::MeetNobody),
        12 => (0..TRANSACTIONS, command()).prop_map(|(number, command)| Step::Ask(number, command)),
        5 => (any::<Index>(), go_on()).prop_map(|(which, command)| Step::GoOn(which, command)),
        5 => (any::<Index>(), 0..TRANSACTIONS, option::of(amount()))
            .prop_map(|(which, number, amount)| Step::GiveBack(which, number, amount)),
        2 => any::<Index>().prop_map(Step::Repeat),
        1 => (any::<Index>(), command()).prop_map(|(which, command)| Step::Confuse(which, command)),
        4 => (account(CUSTOMERS), on_account()).prop_map(|(account, command)| Step::Account(account, command)),
        2 => prop_oneof![5 => 1..20i64, 1 => -9..0i64].prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ];
    proptest::collection::vec(step, 1..160)
}

fn account(names: &'static [&'static str]) -> impl Strategy<Value = AggregateId> {
    select(names).prop_map(id)
}

fn amount() -> impl Strategy<Value = SentAmount> {
    select(&["1", "2.5", "7.00", "20", "60", "0", "1.001"])
        .prop_map(|text| AsSent { text: text.into(), value: RequestedAmount::parse(text).unwrap() })
}

fn command() -> impl Strategy<Value = TransactionCommand> {
    let currency = || select(&["USD", "USD", "USD", "USD", "EUR", "XXX"]).prop_map(Box::<str>::from);
    let movement =
        |from, to| {
            (account(from), account(to), amount(), currency()).prop_map(|(debited, credited, amount, currency)| {
                Movement { debited, credited, amount, currency, reference: None, metadata: None }
            })
        };
    let payment = || {
        let fee = (select(&["house", "house", "shop"]), amount());
        let fee = option::of(fee.prop_map(|(account, amount)| Fee { account: id(account), amount }));
        (movement(CUSTOMERS, MERCHANTS), fee).prop_map(|(movement, fee)| Payment {
            customer: movement.debited,
            merchant: movement.credited,
            amount: movement.amount,
            currency: movement.currency,
            fee,
            payment_metadata: None,
            metadata: None,
        })
    };
    let expires_at = (5..120i64)
        .prop_map(|at| AsSent { text: format!("1970-01-01T00:00:00.{at:03}Z").into(), value: Timestamp(at) });
    let authorization = (payment(), option::of(expires_at))
        .prop_map(|(payment, expires_at)| TransactionCommand::Authorize(Authorization { payment, expires_at }));
    let refund = (0..TRANSACTIONS, option::of(amount()), currency())
        .prop_map(|(number, amount, currency)| refund_of(transaction(number), amount, currency));
    prop_oneof![
        1 => movement(&["bank", "bank", "ann"], CUSTOMERS).prop_map(TransactionCommand::Topup),
        1 => movement(CUSTOMERS, &["bank", "bank", "house"]).prop_map(TransactionCommand::Withdrawal),
        2 => movement(CUSTOMERS, CUSTOMERS).prop_map(TransactionCommand::Transfer),
        3 => payment().prop_map(TransactionCommand::Payment),
        5 => authorization,
        1 => go_on(),
        1 => refund,
    ]
}

/// Of a payment that is authorized.
fn go_on() -> impl Strategy<Value = TransactionCommand> {
    prop_oneof![
        3 => option::of(amount()).prop_map(|amount| TransactionCommand::Capture(Capture { amount, metadata: None })),
        1 => Just(TransactionCommand::Void(Void { reason: None, metadata: None })),
    ]
}

fn refund_of(original_payment: AggregateId, amount: Option<SentAmount>, currency: Box<str>) -> TransactionCommand {
    let (reason, refund_metadata, metadata) = (None, None, None);
    TransactionCommand::Refund(Refund { original_payment, amount, currency, reason, refund_metadata, metadata })
}

fn on_account() -> impl Strategy<Value = AccountCommand> {
    let posting = || {
        select(&["1", "5", "30"]).prop_map(|amount| Posting {
            amount: RequestedAmount::parse(amount).unwrap(),
            currency: "USD".into(),
            reason: "r".into(),
            reference: None,
            metadata: None,
        })
    };
    let limit = || select(&["0", "3", "50"]).prop_map(|limit| Change::Set(RequestedAmount::parse(limit).unwrap()));
    prop_oneof![
        2 => posting().prop_map(AccountCommand::Credit),
        2 => posting().prop_map(AccountCommand::Debit),
        2 => select(AccountStatus::ALL).prop_map(|status| AccountCommand::ChangeStatus { status, reason: "r".into() }),
        1 => limit().prop_map(|min_balance| AccountCommand::ChangeLimits { min_balance, max_balance: Change::Keep }),
        1 => limit().prop_map(|max_balance| AccountCommand::ChangeLimits { min_balance: Change::Keep, max_balance }),
    ]
}

fn transaction(number: u8) -> AggregateId {
    id(&format!("txn-{number}"))
}

fn of<C: std::fmt::Debug>(command_id: String, body: C) -> Command<C> {
    let mut hasher = DefaultHasher::new();
    format!("{body:?}").hash(&mut hasher);
    let mut hash = CommandHash([0; 16]);
    hash.0[..8].copy_from_slice(&hasher.finish().to_le_bytes());
    Command { id: CommandId::parse(&command_id).unwrap(), hash, expected_version: None, body }
}

/// Opens the accounts, each with some money.
pub fn open(world: &mut World) {
    for (name, account_type, currency, max, credit) in [
        ("ann", AccountType::User, "USD", None, Some("100")),
        ("bob", AccountType::User, "USD", None, Some("20")),
        ("tom", AccountType::User, "USD", Some("10"), Some("5")),
        ("eve", AccountType::User, "EUR", None, Some("50")),
        ("shop", AccountType::User, "USD", None, None),
        ("house", AccountType::System, "USD", Some("4"), None),
        ("bank", AccountType::External, "USD", None, None),
    ] {
        let create = CreateAccount {
            owner_id: "o".into(),
            owner_type: "t".into(),
            account_type,
            currency: currency.into(),
            min_balance: None,
            max_balance: max.map(|max| RequestedAmount::parse(max).unwrap()),
            metadata: None,
        };
        assert!(world.ask_account(&id(name), of("open".into(), AccountCommand::Create(create))));
        if let Some(amount) = credit {
            let amount = RequestedAmount::parse(amount).unwrap();
            let (reference, metadata, reason) = (None, None, "r".into());
            let posting = Posting { amount, currency: currency.into(), reason, reference, metadata };
            assert!(world.ask_account(&id(name), of("credit".into(), AccountCommand::Credit(posting))));
        }
    }
}

fn one_of<T: Clone>(all: &[T], which: Index) -> Option<T> {
    (!all.is_empty()).then(|| which.get(all).clone())
}

fn payments(world: &World, statuses: &[Status]) -> Vec<AggregateId> {
    let begun = world.transactions.iter().filter_map(|(id, kept)| kept.state.begun().map(|begun| (id, begun)));
    let payments = begun.filter(|(_, begun)| begun.kind() == Kind::Payment && statuses.contains(&begun.status));
    payments.map(|(id, _)| id.clone()).collect()
}

/// What happens in this step; `number` is its own.
pub fn take(world: &mut World, number: usize, step: Step) {
    match step {
        Step::Deliver(which) => one_of(&world.waiting(), which).into_iter().for_each(|lane| world.deliver(lane)),
        Step::MeetNobody(which) => one_of(&world.waiting(), which).into_iter().for_each(|lane| world.meet_nobody(lane)),
        Step::Ask(whose, command) => world.ask(&transaction(whose), of(format!("command-{number}"), command)),
        Step::GoOn(which, command) => {
            if let Some(payment) = one_of(&payments(world, &[Status::Authorized]), which) {
                world.ask(&payment, of(format!("command-{number}"), command));
            }
        }
        Step::GiveBack(which, whose, amount) => {
            if let Some(payment) = one_of(&payments(world, &[Status::Completed, Status::Requested]), which) {
                let command = refund_of(payment, amount, "USD".into());
                world.ask(&transaction(whose), of(format!("command-{number}"), command));
            }
        }
        Step::Repeat(which) => {
            if let Some((whose, command, _)) = one_of(&world.accepted, which) {
                world.ask(&whose, command);
            }
        }
        Step::Confuse(which, body) => {
            if let Some((whose, command, _)) = one_of(&world.accepted, which) {
                world.ask(&whose, of(command.id.to_string(), body));
            }
        }
        Step::Account(account, command) => {
            world.ask_account(&account, of(format!("command-{number}"), command));
        }
        Step::Wait(time) => world.now += time,
        Step::Sweep => world.sweep(),
    }
}
