//! Stories of accounts and transactions, told by the domain itself: every kind of event, in any interleaving.

#[path = "../properties/sagas/story.rs"]
mod story;
#[path = "../properties/sagas/world.rs"]
mod world;

use std::time::Duration;

use billing_engine::domain::Rules;
use billing_engine::domain::account::Account;
use billing_engine::domain::money::{Currencies, Currency};
use billing_engine::domain::transaction::Transaction;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::events::Written;
use story::steps;
use world::World;

/// What a story leaves in one partition of the two event topics.
#[derive(Clone, Debug)]
pub struct Story {
    pub topics: [Vec<Written>; 2],
}

/// The story of that number, the same in every run.
pub fn story(number: u8) -> Story {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut world = World::new(rules());
    story::open(&mut world);
    for round in 0..6 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        for (step, what) in steps.into_iter().enumerate() {
            story::take(&mut world, round * 1000 + step, what);
        }
    }
    Story { topics: [told::<Account>(&world.accounts), told::<Transaction>(&world.transactions)] }
}

fn rules() -> Rules {
    let currencies = [("USD", 2), ("EUR", 2)].map(|(code, decimals)| Currency::new(code, decimals).unwrap());
    Rules {
        currencies: Currencies::from_iter(currencies),
        idempotency_window: 4,
        default_hold: Duration::from_millis(60),
    }
}

/// All events, of different aggregates in turns.
fn told<A: billing_engine::wire::Wire>(
    kept: &std::collections::BTreeMap<billing_engine::domain::ids::AggregateId, world::Kept<A>>,
) -> Vec<Written> {
    let longest = kept.values().map(|kept| kept.history.len()).max().unwrap_or(0);
    let turn = |turn: usize| {
        let events = kept.iter().filter_map(move |(id, kept)| Some((id, kept.history.get(turn)?)));
        events.map(|(id, event)| Written::of::<A>(id, event))
    };
    (0..longest).flat_map(turn).collect()
}
