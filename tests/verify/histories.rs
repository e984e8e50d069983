//! Histories that are not right are named, once each, and their rows are not compared.

use billing_engine::domain::account::{Account, ChangeType};
use billing_engine::domain::money::Amount;
use billing_engine::domain::transaction::{LegPosted, Transaction, TransactionEvent};
use billing_engine::log::Drafts;
use billing_engine::partition::placement::partition_of;
use billing_engine::projection::TOPICS;

use crate::money::posting;
use crate::stage::{Finding, PARTITIONS, Stage, Store};
use crate::tale;
use crate::world::id;

/// What was found instead of an event that follows; there is one difference.
fn found(finding: &Finding) -> String {
    finding.report["differences"][0]["found"].as_str().unwrap().to_owned()
}

#[test]
fn an_event_that_cannot_follow_is_named_and_its_account_is_not_compared() {
    let world = tale::drained(0);
    let stage = Stage::new(Store::Sqlite, "unfit", &world);
    let account = id("shop");
    let mut event = posting(&world, &account, &id("txn-0"));
    event.version = event.version.next();
    stage.forge::<Account>(&account, &event);
    stage.forge::<Account>(&account, &event);
    stage.project();
    let finding = stage.verify(&[]);
    assert_eq!(finding.differences(), ["account shop history"]);
    let found = found(&finding);
    assert!(found.contains("offset") && found.contains("follows version"), "{found}");
}

#[test]
fn an_event_behind_the_end_of_a_transaction_is_named() {
    let world = tale::drained(0);
    let is_over =
        |begun: &billing_engine::domain::transaction::Begun| begun.status.has_ended() && begun.legs.is_empty();
    let ended = world.transactions.iter().find(|(_, kept)| kept.state.begun().is_some_and(is_over));
    let (ended, kept) = ended.unwrap();
    let mut event = kept.history.last().unwrap().clone();
    let five = Amount::parse("5.00").unwrap();
    let (account_id, change_type) = (id("shop"), ChangeType::Credit);
    let posted = LegPosted { leg: 1, account_id, change_type, amount: five, new_balance: five };
    (event.version, event.body) = (event.version.next(), TransactionEvent::LegPosted(posted));
    let stage = Stage::new(Store::Sqlite, "behind-end", &world);
    stage.forge::<Transaction>(ended, &event);
    stage.project();
    let finding = stage.verify(&[]);
    assert_eq!(finding.differences(), [format!("transaction {ended} history")]);
    assert!(found(&finding).contains("behind the end"), "{}", found(&finding));
}

#[test]
fn a_record_that_is_no_event_is_named_by_its_key() {
    let stage = Stage::projected(Store::Sqlite, "unreadable", &tale::drained(0));
    let [accounts, _] = TOPICS;
    let partition = partition_of("shop", PARTITIONS);
    let mut drafts = Drafts::default();
    drafts.push(accounts, partition, None, |record| {
        record.key(b"shop");
        record.value(b"{");
    });
    stage.append(drafts);
    // No projection would pass it.
    let on = "UPDATE projection_positions SET position = position + 1";
    stage.by_hand(&[&format!("{on} WHERE aggregate = 'account' AND partition = {partition}")]);
    let finding = stage.verify(&[]);
    assert_eq!(finding.differences(), ["account shop history"]);
    assert!(found(&finding).contains("damaged event"), "{}", found(&finding));
}
