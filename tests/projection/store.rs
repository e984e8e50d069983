//! The store alone: batches of events go in, in every way that a projector might hand them over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use billing_engine::projection::rows::Changes;
use billing_engine::projection::{Batch, Claim, Error, Gathering, Origin, Pace, ReadStore};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::database::{Database, assert_same, origin, sqlite};
use crate::events::chunk;
use crate::expected::{Fold, Tables};
use crate::sagas::{Story, story};
use crate::strings;
use crate::support::postgres::{Postgres, block_on};

/// Runs a test on a fresh database of each kind.
fn on_both(test: &str, run: impl AsyncFn(Database)) {
    for url in [Postgres::shared().database(test), sqlite(test)] {
        println!("on {url}");
        block_on(async { run(Database::at(url)).await });
    }
}

/// Where a story is written to.
const PARTITION: u32 = 1;

/// What a story comes to.
fn folded(story: &Story) -> Tables {
    let mut fold = Fold::default();
    for (topic, events) in story.topics.iter().enumerate() {
        for event in events {
            fold.take(topic, PARTITION, &event.json(), std::str::from_utf8(&event.value).unwrap());
        }
    }
    fold.tables
}

fn ends(story: &Story) -> [i64; 2] {
    story.topics.each_ref().map(|events| events.len() as i64)
}

/// What lies between these offsets.
fn gathered(story: &Story, from: [i64; 2], next: [i64; 2]) -> Gathering {
    let mut gathering = Gathering::at(PARTITION, from);
    for (topic, events) in story.topics.iter().enumerate() {
        let events = &events[from[topic] as usize..next[topic] as usize];
        gathering.take(topic, &chunk(from[topic], events)).unwrap();
    }
    gathering
}

fn batch(claim: &Claim, gathering: Gathering, recount: bool) -> Batch {
    Batch {
        partition: PARTITION,
        epochs: claim.epochs,
        expected: claim.positions,
        next: gathering.next,
        as_of: gathering.as_of,
        clear: [false; 2],
        recount,
        changes: gathering.changes,
    }
}

/// Writes the story from these offsets on, cut at random; the claim moves along.
async fn project(
    store: &dyn ReadStore,
    story: &Story,
    claim: &mut Claim,
    mut from: [i64; 2],
    random: &mut StdRng,
    recount: bool,
) -> Result<(), Error> {
    let ends = ends(story);
    while from != ends {
        let next = [0, 1].map(|topic| (from[topic] + random.random_range(0..40)).min(ends[topic]));
        let batch = batch(claim, gathered(story, from, next), recount);
        store.write(&batch).await?;
        claim.positions = next;
        from = next;
    }
    Ok(())
}

#[test]
fn a_story_stands_in_the_store_as_its_events_tell_it_however_they_are_cut() {
    for number in 0..12 {
        let (story, mut random) = (story(number), StdRng::seed_from_u64(number.into()));
        let wanted = folded(&story);
        assert!(
            wanted.values().map(std::collections::BTreeMap::len).sum::<usize>() > 50,
            "a story has something to tell"
        );
        let seed: u64 = random.random();
        on_both("story", async |database| {
            let store = database.store().await;
            let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
            let mut random = StdRng::seed_from_u64(seed);
            project(&*store, &story, &mut claim, [0, 0], &mut random, false).await.unwrap();
            assert_same(&database.tables().await, &wanted, &format!("story {number}"));
        });
    }
}

#[test]
fn a_writer_that_is_not_the_newest_or_stands_elsewhere_leaves_no_trace() {
    let story = story(40);
    on_both("fence", async |database| {
        let store = database.store().await;
        let first = store.claim(PARTITION, [0, 0]).await.unwrap();
        let second = store.claim(PARTITION, [0, 0]).await.unwrap();
        let next = ends(&story);
        let late = batch(&first, gathered(&story, [0, 0], next), false);
        assert!(matches!(store.write(&late).await, Err(Error::Fenced { partition: PARTITION })));
        for topic in [0, 1] {
            let mut elsewhere = batch(&second, gathered(&story, [0, 0], next), false);
            elsewhere.expected[topic] += 1;
            assert!(matches!(store.write(&elsewhere).await, Err(Error::Fenced { .. })), "{topic}");
            let mut of_old = batch(&second, gathered(&story, [0, 0], next), false);
            of_old.epochs[topic] -= 1;
            assert!(matches!(store.write(&of_old).await, Err(Error::Fenced { .. })), "{topic}");
        }
        assert!(database.tables().await.is_empty(), "nothing was written");
        let standing = store.standing().await.unwrap().unwrap();
        assert!(standing.positions.iter().all(|position| position.position == 0 && position.as_of.is_none()));
        store.write(&batch(&second, gathered(&story, [0, 0], next), false)).await.unwrap();
        assert_same(&database.tables().await, &folded(&story), "the newest writes");
    });
}

#[test]
fn two_projectors_of_one_partition_never_both_write() {
    let story = Arc::new(story(41));
    on_both("two", async |database| {
        let store = database.store().await;
        let both_have_claimed = Arc::new(tokio::sync::Barrier::new(2));
        let projector = |seed: u64| {
            let (store, story, barrier) = (store.clone(), story.clone(), both_have_claimed.clone());
            async move {
                let mut random = StdRng::seed_from_u64(seed);
                let mut fenced = 0;
                let mut first = Some(barrier);
                loop {
                    let mut claim = match store.claim(PARTITION, [0, 0]).await {
                        Ok(claim) => claim,
                        Err(error) if error.is_retriable() => continue,
                        Err(error) => panic!("{error}"),
                    };
                    if let Some(barrier) = first.take() {
                        barrier.wait().await;
                    }
                    let from = claim.positions;
                    match project(&*store, &story, &mut claim, from, &mut random, false).await {
                        Ok(()) => return fenced,
                        Err(error) if error.is_retriable() => fenced += 1,
                        Err(error) => panic!("{error}"),
                    }
                    tokio::task::yield_now().await;
                }
            }
        };
        let (one, other) = tokio::join!(projector(1), projector(2));
        assert!(one + other > 0, "they were in each other's way");
        assert_same(&database.tables().await, &folded(&story), "after both");
    });
}

/// The first events open all seven accounts.
const BEHIND_THE_OPENINGS: [i64; 2] = [7, 0];

/// Damage, and from where on the events have to be written again that mend it.
const DAMAGE: [(&str, [i64; 2]); 8] = [
    ("DELETE FROM entries WHERE version = (SELECT max(version) FROM entries)", BEHIND_THE_OPENINGS),
    (
        "UPDATE entries SET change_type = 'x', amount = '1', balance_before = '2', balance_after = '3', currency = 'x', \
         reason = 'x', reference = 'x', transaction_id = 'x', leg = 9, metadata = 'x', at = created.at, \
         correlation_id = 'x', causation_id = 'x' FROM (SELECT min(created_at) AS at FROM accounts) AS created",
        BEHIND_THE_OPENINGS,
    ),
    ("UPDATE accounts SET held = '1' WHERE version > 1", BEHIND_THE_OPENINGS),
    (
        "UPDATE transactions SET refunded_amount = '1.00' WHERE transaction_id IN (SELECT transaction_id FROM refunds)",
        [0, 0],
    ),
    (
        "UPDATE accounts SET balance = '77.77', owner_id = 'x', status = 'CLOSED', min_balance = '3', version = 1",
        [0, 0],
    ),
    ("UPDATE holds SET status = 'PLACED', captured_amount = '5', amount = '3.33'", [0, 0]),
    ("UPDATE transactions SET status = 'FAILED', legs = '{}', amount = NULL, request = '', error_code = 'x'", [0, 0]),
    ("DELETE FROM transaction_accounts", [0, 0]),
];

#[test]
fn rows_that_were_damaged_by_hand_are_right_once_their_events_were_written_again() {
    let (story, wanted) = (story(42), folded(&story(42)));
    on_both("damage", async |database| {
        let store = database.store().await;
        let mut random = StdRng::seed_from_u64(42);
        let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
        project(&*store, &story, &mut claim, [0, 0], &mut random, false).await.unwrap();
        for (damage, from) in DAMAGE {
            assert!(database.by_hand(damage).await > 0, "{damage}: nothing was there to be damaged");
            assert_ne!(database.tables().await, wanted, "{damage}");
            project(&*store, &story, &mut claim, from, &mut random, true).await.unwrap();
            assert_same(&database.tables().await, &wanted, damage);
        }
    });
}

#[test]
fn what_is_written_twice_from_any_offset_is_as_if_it_were_written_once() {
    on_both("again", async |database| {
        let story = story(43);
        let (store, wanted) = (database.store().await, folded(&story));
        let mut random = StdRng::seed_from_u64(43);
        let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
        project(&*store, &story, &mut claim, [0, 0], &mut random, false).await.unwrap();
        for recount in [true, false].repeat(6) {
            let from = ends(&story).map(|end| random.random_range(0..=end));
            project(&*store, &story, &mut claim, from, &mut random, recount).await.unwrap();
            assert_same(&database.tables().await, &wanted, &format!("written again from {from:?}"));
        }
    });
}

#[test]
fn a_partition_that_is_cleared_loses_its_rows_and_no_other_does() {
    on_both("clear", async |database| {
        let story = story(44);
        let store = database.store().await;
        let mut random = StdRng::seed_from_u64(44);
        let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
        project(&*store, &story, &mut claim, [0, 0], &mut random, false).await.unwrap();
        let other = store.claim(2, [0, 0]).await.unwrap();
        let nothing = |partition: u32, claim: &Claim, next: [i64; 2], clear: [bool; 2]| Batch {
            partition,
            clear,
            ..Batch { changes: Changes::default(), ..batch(claim, Gathering::at(partition, next), false) }
        };
        store.write(&nothing(2, &other, [0, 0], [true; 2])).await.unwrap();
        assert_same(&database.tables().await, &folded(&story), "another partition was cleared");
        let accounts = nothing(PARTITION, &claim, [0, claim.positions[1]], [true, false]);
        store.write(&accounts).await.unwrap();
        let left = database.tables().await;
        assert!(["accounts", "entries", "holds"].iter().all(|table| !left.contains_key(table)), "{:?}", left.keys());
        assert_eq!(left["transactions"], folded(&story)["transactions"]);
        claim.positions = accounts.next;
        let from = claim.positions;
        project(&*store, &story, &mut claim, from, &mut random, false).await.unwrap();
        assert_same(&database.tables().await, &folded(&story), "and was written again");
    });
}

#[test]
fn a_row_that_changes_and_is_not_there_is_missed() {
    on_both("missing", async |database| {
        let story = story(45);
        for (table, topic) in [("accounts", 0), ("transactions", 1)] {
            let store = database.store().await;
            let claim = store.claim(PARTITION, [0, 0]).await.unwrap();
            let mut next = claim.positions;
            // Behind the first events of all.
            next[topic] = ends(&story)[topic];
            let mut from = claim.positions;
            from[topic] = next[topic] - 1;
            let missed = store.write(&batch(&claim, gathered(&story, from, next), false)).await;
            assert!(matches!(missed, Err(Error::Missing { table: found, missing: 1 }) if found == table), "{missed:?}");
            assert!(database.tables().await.is_empty(), "nothing of it was written");
        }
    });
}

#[test]
fn the_store_of_another_log_is_refused_and_named() {
    on_both("foreign", async |database| {
        let store = database.store().await;
        store.prepare(&origin()).await.unwrap();
        for other in [
            Origin { cluster_id: "elsewhere".into(), ..origin() },
            Origin { prefix: "other".into(), ..origin() },
            Origin { partitions: 4, ..origin() },
        ] {
            let refused = store.prepare(&other).await.unwrap_err();
            assert!(matches!(refused, Error::Foreign { .. }) && !refused.is_retriable());
            assert!(refused.to_string().contains("projection rebuild"), "{refused}");
        }
    });
}

#[test]
fn a_rebuild_takes_the_place_of_the_rows_in_one_step_while_they_are_asked() {
    on_both("swap", async |database| {
        let story = story(46);
        let (store, wanted) = (database.store().await, folded(&story));
        let mut random = StdRng::seed_from_u64(46);
        let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
        project(&*store, &story, &mut claim, [0, 0], &mut random, false).await.unwrap();
        let entries = database.number("SELECT count(*) FROM entries").await;
        database.by_hand("UPDATE accounts SET owner_id = 'nobody'").await;

        let done = AtomicBool::new(false);
        let asking = async {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(database.number("SELECT count(*) FROM entries").await, entries);
                asked += 1;
                tokio::task::yield_now().await;
            }
            asked
        };
        let rebuilding = async {
            let beside = store.beside().await.unwrap();
            beside.prepare(&origin()).await.unwrap();
            let mut anew = beside.claim(PARTITION, [0, 0]).await.unwrap();
            project(&*beside, &story, &mut anew, [0, 0], &mut random, false).await.unwrap();
            drop(beside);
            while let Err(error) = store.swap().await {
                assert!(error.is_retriable(), "{error}");
            }
            done.store(true, Ordering::Relaxed);
        };
        let (asked, ()) = tokio::join!(asking, rebuilding);
        assert!(asked > 1, "it was asked meanwhile");
        assert_same(&database.tables().await, &wanted, "the damage is gone");
        let late = store.write(&batch(&claim, Gathering::at(PARTITION, claim.positions), false)).await;
        assert!(
            matches!(late, Err(Error::Fenced { .. })),
            "who wrote the old rows has to claim the new ones: {late:?}"
        );
        assert_eq!(store.claim(PARTITION, [0, 0]).await.unwrap().positions, ends(&story));
    });
}

#[test]
fn every_string_and_every_amount_that_is_accepted_is_read_back_as_it_was() {
    let mut random = StdRng::seed_from_u64(47);
    let story = strings::story(&mut random, 150);
    on_both("strings", async |database| {
        let store = database.store().await;
        let mut claim = store.claim(PARTITION, [0, 0]).await.unwrap();
        project(&*store, &story, &mut claim, [0, 0], &mut StdRng::seed_from_u64(1), false).await.unwrap();
        assert_same(&database.tables().await, &folded(&story), "strings");
    });
}

#[test]
fn a_batch_is_full_by_its_bytes_however_few_events_are_wanted_of_it() {
    let event = &story(1).topics[0][0];
    let pace = Pace { events: usize::MAX, age: Duration::MAX };
    let mut gathering = Gathering::at(PARTITION, [0, 0]);
    let events = vec![event.clone(); 1_000];
    for taken in 1.. {
        gathering.take(0, &chunk(gathering.next[0], &events)).unwrap();
        let bytes = taken * events.len() * event.value.len();
        assert_eq!(gathering.is_full(pace), bytes >= 16 << 20, "{bytes}");
        if gathering.is_full(pace) {
            return;
        }
    }
}
