//! What holds for transactions in any interleaving of their legs, whatever upstream does in between.

mod story;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use billing_engine::domain::account::Account;
use billing_engine::domain::ids::AggregateId;
use billing_engine::domain::message::Ending;
use billing_engine::domain::money::{Currencies, Currency};
use billing_engine::domain::transaction::{Begun, Kind, Parties, Status, Transaction, TransactionEvent};
use billing_engine::domain::{Aggregate, Rules};
use billing_engine::wire::Wire;
use billing_engine::wire::snapshot::{Conditions, Sources, decode_value, encode_value};
use proptest::prelude::*;

use story::{Step, steps};
use world::World;

fn rules() -> Rules {
    let currencies = [("USD", 2), ("EUR", 2)].map(|(code, decimals)| Currency::new(code, decimals).unwrap());
    Rules {
        currencies: Currencies::from_iter(currencies),
        idempotency_window: 4,
        default_hold: Duration::from_millis(60),
    }
}

fn begun(world: &World) -> impl Iterator<Item = (&AggregateId, &Begun)> {
    world.transactions.iter().filter_map(|(id, kept)| kept.state.begun().map(|begun| (id, begun)))
}

/// Per currency, all balances are what came in directly and what is under way; what has ended moved nothing on the
/// whole.
fn money_is_conserved(world: &World) {
    let mut balances: BTreeMap<String, i128> = BTreeMap::new();
    for account in world.accounts.values().filter_map(|kept| kept.state.opened()) {
        *balances.entry(account.currency.code().to_owned()).or_default() += account.balance.mantissa();
    }
    let mut expected = world.direct.clone();
    for (id, begun) in begun(world) {
        let net = world.net.get(id).copied().unwrap_or_default();
        if begun.status.has_ended() {
            assert_eq!(net, 0, "{id} has ended as {}", begun.status);
        } else if net != 0 {
            *expected.entry(begun.currency.to_string()).or_default() += net;
        }
    }
    balances.retain(|_, sum| *sum != 0);
    expected.retain(|_, sum| *sum != 0);
    assert_eq!(balances, expected);
}

/// Refunds of a payment, promised and settled, never exceed what was captured, and are what refunds have moved.
fn nothing_is_refunded_twice(world: &World) {
    for (id, payment) in begun(world).filter(|(_, begun)| begun.kind() == Kind::Payment) {
        let Some(captured) = payment.captured().filter(|_| payment.status == Status::Completed) else { continue };
        let left = payment.refunds.left(captured).unwrap();
        assert!(!left.is_negative(), "{id}");
        let has_moved = |refund: &Begun| match &refund.parties {
            Parties::Refund { original_payment } => original_payment == id && refund.status == Status::Completed,
            Parties::Movement { .. } | Parties::Payment { .. } => false,
        };
        let refunds = world.transactions.values().filter(|kept| kept.state.begun().is_some_and(has_moved));
        let posted = refunds.flat_map(|kept| &kept.history).filter_map(|event| match &event.body {
            TransactionEvent::LegPosted(leg) if leg.leg == 2 => Some(leg.amount.mantissa()),
            _ => None,
        });
        let moved: i128 = posted.sum();
        let settled = payment.refunds.settled().map_or(0, |settled| settled.mantissa());
        assert!(moved <= settled, "{id}: what has moved is settled first");
        if world.waiting().is_empty() {
            assert_eq!(moved, settled, "{id}");
            assert!(payment.refunds.open().is_empty(), "{id}: nothing is promised to a refund that has ended");
        }
    }
}

/// Every command that was accepted is answered once more, and no other.
fn every_command_has_its_last_reply(world: &World) {
    let mut answered: Vec<_> = world.replies.iter().map(|(id, reply)| (id, &reply.cause.command_id)).collect();
    let mut accepted: Vec<_> = world.accepted.iter().map(|(id, command, _)| (id, &command.id)).collect();
    answered.sort();
    accepted.sort();
    assert_eq!(answered, accepted);
    for (id, reply) in &world.replies {
        let begun = world.transactions[id].state.begun().unwrap();
        if begun.commands.last().unwrap().cause == reply.cause {
            let ended = match &reply.ending {
                Ending::Completed => {
                    matches!(begun.status, Status::Completed | Status::Authorized | Status::Voided | Status::Expired)
                }
                Ending::Failed(reason) => {
                    begun.status == Status::Failed && begun.error_code == Some(reason.code.clone())
                }
                Ending::Compensated(reason) => {
                    begun.status == Status::Compensated && begun.error_code == Some(reason.code.clone())
                }
            };
            assert!(ended, "{id}: {reply:?} of what is {}", begun.status);
        }
    }
}

/// Every hold belongs to a payment that may still take it.
fn holds_belong_to_payments(world: &World) {
    for (id, account) in &world.accounts {
        for hold in account.state.opened().iter().flat_map(|account| account.holds.iter()) {
            let status = world.transactions[&hold.id].state.begun().unwrap().status;
            let waits = matches!(status, Status::Authorized | Status::Expired);
            assert!(waits, "{id} holds for {}, which is {status}", hold.id);
        }
    }
}

fn all_is_folded_again(world: &World) {
    let reconfigured = Rules { currencies: Currencies::default(), default_hold: Duration::ZERO, ..rules() };
    for (id, kept) in &world.accounts {
        let mut folded = Account::blank(&reconfigured);
        kept.history.iter().for_each(|event| folded.apply(event).unwrap());
        assert_eq!(folded, kept.state, "{id}");
    }
    for (id, kept) in &world.transactions {
        let mut folded = Transaction::blank(&reconfigured);
        kept.history.iter().for_each(|event| folded.apply(event).unwrap());
        assert_eq!(folded, kept.state, "{id}");
    }
}

const CONDITIONS: Conditions = Conditions { partitions: 3, window: 4 };

/// What comes back is what was saved, with every digit.
fn is_restored<A: Wire + PartialEq + std::fmt::Debug>(id: &AggregateId, state: &A) {
    let encoded = |state: &A| {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, id, state, Sources::default(), CONDITIONS);
        bytes
    };
    let bytes = encoded(state);
    let value = decode_value::<A>(id, &bytes, CONDITIONS).unwrap();
    assert_eq!((&value.state, encoded(&value.state)), (state, bytes), "{id}");
}

/// Every aggregate comes back from its snapshot, whatever is under way.
fn all_is_restored(world: &World) {
    world.accounts.iter().for_each(|(id, kept)| is_restored(id, &kept.state));
    world.transactions.iter().for_each(|(id, kept)| is_restored(id, &kept.state));
}

/// More messages than any story can need.
const MANY: usize = 10_000;

fn deliver_all(world: &mut World, order: &mut impl Iterator<Item = usize>) {
    for _ in 0..MANY {
        let waiting = world.waiting();
        let Some(lane) = order.next().and_then(|place| waiting.get(place % waiting.len().max(1))) else { return };
        world.deliver(*lane);
        money_is_conserved(world);
    }
    panic!("messages without end");
}

fn happens(steps: Vec<Step>, order: &[usize]) -> World {
    let mut world = World::new(rules());
    story::open(&mut world);
    for (number, step) in steps.into_iter().enumerate() {
        story::take(&mut world, number, step);
        money_is_conserved(&world);
        nothing_is_refunded_twice(&world);
    }
    all_is_restored(&world);
    deliver_all(&mut world, &mut order.iter().copied().cycle());
    all_is_restored(&world);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 768, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transactions_end_and_leave_nothing_behind(
        steps in steps(),
        order in proptest::collection::vec(0..6usize, 1..20),
    ) {
        let mut world = happens(steps, &order);
        for (id, begun) in begun(&world) {
            prop_assert!(begun.status.has_ended() || begun.status == Status::Authorized, "{} is {}", id, begun.status);
        }
        nothing_is_refunded_twice(&world);
        every_command_has_its_last_reply(&world);
        holds_belong_to_payments(&world);

        world.now += 1_000;
        world.sweep();
        for (id, begun) in begun(&world) {
            prop_assert!(begun.status.has_ended(), "{} is {}", id, begun.status);
        }
        for kept in world.accounts.values() {
            prop_assert_eq!(kept.state.opened().map_or(0, |account| account.holds.iter().len()), 0, "no hold is left");
        }
        money_is_conserved(&world);
        all_is_folded_again(&world);
    }
}

/// The stories above mean something only if they reach every end of every kind.
#[test]
fn every_kind_of_transaction_comes_to_every_end() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeMap::new();
    for _ in 0..400 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut world = happens(steps, &[0, 1, 2, 3, 4, 5]);
        for account in world.accounts.values().filter_map(|kept| kept.state.opened()) {
            *reached.entry(format!("HOLDS {}", account.holds.iter().len() > 0)).or_insert(0) += 1;
        }
        world.now += 1_000;
        world.sweep();
        for (_, begun) in begun(&world) {
            let authorized = begun.commands.len() > 1 || begun.hold.is_some();
            *reached.entry(format!("{} {} {authorized}", begun.kind(), begun.status)).or_insert(0) += 1;
        }
    }
    for end in [
        "TOPUP COMPLETED false",
        "TOPUP FAILED false",
        "TOPUP COMPENSATED false",
        "WITHDRAWAL COMPLETED false",
        "WITHDRAWAL FAILED false",
        "WITHDRAWAL COMPENSATED false",
        "TRANSFER COMPLETED false",
        "TRANSFER FAILED false",
        "TRANSFER COMPENSATED false",
        "PAYMENT COMPLETED false",
        "PAYMENT FAILED false",
        "PAYMENT COMPENSATED false",
        "PAYMENT COMPLETED true",
        "PAYMENT FAILED true",
        "PAYMENT COMPENSATED true",
        "PAYMENT VOIDED true",
        "PAYMENT EXPIRED true",
        "REFUND COMPLETED false",
        "REFUND FAILED false",
        "REFUND COMPENSATED false",
        "HOLDS true",
    ] {
        assert!(reached.get(end).is_some_and(|count| *count >= 3), "{end}: {reached:#?}");
    }
}
