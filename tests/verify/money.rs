//! Money that is lost or made up is found, even where the read store holds just what the log says.

use billing_engine::domain::account::{
    Account, AccountCreated, AccountEvent, AccountStatus, AccountType, BalanceChanged, ChangeType, Force,
    TransactionLeg,
};
use billing_engine::domain::ids::{AggregateId, CommandHash, CommandId, CorrelationId, Timestamp, Version};
use billing_engine::domain::money::{Amount, Currency};
use billing_engine::domain::transaction::Status;
use billing_engine::domain::{Aggregate, Recorded};
use serde_json::{Value, json};

use crate::stage::{Stage, Store};
use crate::tale;
use crate::world::{World, id};

/// The next event of an account that stands in the world.
fn next(world: &World, account: &AggregateId, body: AccountEvent) -> Recorded<AccountEvent> {
    let standing = world.accounts.get(account).map_or(Version::NONE, |kept| kept.state.version());
    Recorded {
        version: standing.next(),
        at: Timestamp(world.now.max(10_000)),
        command_id: CommandId::parse("forged").unwrap(),
        command_hash: CommandHash([9; 16]),
        correlation_id: CorrelationId::parse("forged").unwrap(),
        body,
    }
}

/// A posting of five to an account that stands in the world, as part of that transaction.
pub fn posting(world: &World, account: &AggregateId, transaction_id: &AggregateId) -> Recorded<AccountEvent> {
    let opened = world.accounts[account].state.opened().unwrap();
    let five = Amount::parse("5.00").unwrap();
    let posted = BalanceChanged {
        previous_balance: opened.balance,
        new_balance: opened.balance.checked_add(five).unwrap(),
        change_amount: five,
        change_type: ChangeType::Credit,
        reason: "Transfer".into(),
        currency: opened.currency.clone(),
        leg: Some(TransactionLeg { transaction_id: transaction_id.clone(), number: 2, force: Force::Judged }),
        reference: None,
        metadata: None,
    };
    next(world, account, AccountEvent::BalanceChanged(posted))
}

/// The sums of a currency as whole numbers of its smallest unit.
fn cents(total: &Value, field: &str) -> i128 {
    total[field].as_str().unwrap().replace('.', "").parse().unwrap()
}

#[test]
fn the_sums_are_those_of_the_stories() {
    for number in 0..4 {
        let world = tale::under_way(number);
        let stage = Stage::projected(Store::Sqlite, "sums", &world);
        let report = stage.verify(&[]).report;
        for (code, total) in report["currencies"].as_object().unwrap() {
            let accounts = world.accounts.values().filter_map(|kept| kept.state.opened());
            let balances = accounts.filter(|account| account.currency.code() == code);
            let balances: i128 = balances.map(|account| account.balance.mantissa()).sum();
            assert_eq!(cents(total, "balances"), balances, "{code}: {total}");
            let direct = cents(total, "directCredits") - cents(total, "directDebits");
            assert_eq!(direct, world.direct.get(code).copied().unwrap_or_default(), "{code}: {total}");
            assert_eq!(cents(total, "inFlight"), balances - direct, "{code}: {total}");
        }
        assert_eq!(report["currencies"]["USD"]["inFlight"], "-7.25");
    }
}

#[test]
fn a_transaction_that_has_ended_and_moves_more_has_made_up_money() {
    let world = tale::drained(0);
    let ended = world.transactions.iter().find(|(_, kept)| kept.state.begun().is_some_and(|b| b.status.has_ended()));
    let (ended, account) = (ended.unwrap().0.clone(), id("shop"));
    let stage = Stage::new(Store::Sqlite, "made-up", &world);
    stage.forge::<Account>(&account, &posting(&world, &account, &ended));
    stage.project();
    let finding = stage.verify(&[]);
    assert_eq!(finding.differences(), ["money USD balances".to_owned(), format!("money USD/{ended} net")]);
    let net = &finding.report["differences"][1];
    assert_eq!((&net["expected"], &net["found"]), (&json!("0.00"), &json!("5.00")));
}

#[test]
fn an_account_that_begins_with_money_has_made_it_up() {
    let world = tale::drained(0);
    let stage = Stage::new(Store::Sqlite, "gift", &world);
    let currency = Currency::new("EUR", 2).unwrap();
    let created = AccountCreated {
        owner_id: "o".into(),
        owner_type: "t".into(),
        account_type: AccountType::User,
        currency,
        status: AccountStatus::Active,
        balance: Amount::parse("100.00").unwrap(),
        min_balance: None,
        max_balance: None,
        metadata: None,
    };
    let account = id("gifted");
    stage.forge::<Account>(&account, &next(&world, &account, AccountEvent::Created(created)));
    stage.project();
    let finding = stage.verify(&[]);
    assert_eq!(finding.differences(), ["money EUR balances"]);
    assert_eq!(finding.report["differences"][0]["found"], finding.report["currencies"]["EUR"]["balances"]);
}

#[test]
fn drained_demands_that_nothing_is_under_way() {
    let world = tale::under_way(0);
    let begun = world.transactions.iter().filter_map(|(id, kept)| Some((id, kept.state.begun()?.status)));
    let open = begun.filter(|(_, status)| matches!(status, Status::Requested | Status::Capturing | Status::Voiding));
    let open: Vec<String> = open.map(|(id, _)| format!("transaction {id} status")).collect();
    assert_eq!(open, ["transaction at-the-beginning status", "transaction halfway status"]);
    let stage = Stage::projected(Store::Sqlite, "open", &world);
    stage.verify(&[]).assert_ok();
    let found = stage.verify(&["--drained"]).differences();
    let (statuses, money): (Vec<String>, Vec<String>) = found.into_iter().partition(|told| told.ends_with(" status"));
    assert_eq!(statuses, open);
    assert_eq!(money, ["money USD/halfway inFlight"]);

    let drained = Stage::projected(Store::Sqlite, "drained", &tale::drained(0));
    drained.verify(&["--drained"]).assert_ok();
}
