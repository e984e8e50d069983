//! The real engine, supervisors and actors on a simulated log: one thread, paused time, everything drawn from a
//! seed.
//!
//! `BILLING_SIMULATION_SEED=17 cargo test --test simulation` replays one seed;
//! `BILLING_SIMULATION_SEEDS=100000` tries so many.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod checkers;
mod cluster;
mod disks;
mod faults;
mod fragile;
mod lanes;
mod ledger;
mod log;
mod node;
mod oracle;
mod sagas;
mod snapshots;
mod traffic;
mod transfers;
mod unit;
mod world;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;
use std::{env, panic, thread};

use billing_engine::domain::account::Account;
use billing_engine::domain::transaction::Transaction;
use billing_engine::partition::{DEAD_LETTERS, Inspection, Keep, Pace, REPLIES};
use rand::Rng;

use crate::broker::Broker;
use crate::checkers::Audit;
use crate::cluster::Cluster;
use crate::faults::{Fault, Weather};
use crate::fragile::{Fragile, FragileAccount, POISON};
use crate::node::{PREFIX, Setup};
use crate::sagas::Sagas;
use crate::snapshots::Snapshots;
use crate::transfers::OF_SAGAS;
use crate::unit::Kind;
use crate::world::World;

/// Seeds of an ordinary run.
const SEEDS: u64 = 500;

#[test]
fn the_promises_hold_under_every_fault_at_every_step() {
    silence_poison();
    if let Some(seed) = variable("BILLING_SIMULATION_SEED") {
        tracing_subscriber::fmt()
            .without_time()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(std::io::stderr)
            .init();
        simulate(seed).unwrap_or_else(|fault| panic!("{fault}"));
        return;
    }
    let seeds = variable("BILLING_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let worker = || {
        while failed.lock().unwrap().is_empty() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            if let Err(fault) = simulate(seed) {
                failed.lock().unwrap().push((seed, fault));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    if let Some((seed, fault)) = failed.into_inner().unwrap().first() {
        panic!("seed {seed} fails, replay it with BILLING_SIMULATION_SEED={seed}:\n{fault}");
    }
    if seeds >= SEEDS {
        let tally = faults::tally();
        let missing: Vec<_> = Fault::all().into_iter().filter(|fault| !tally.contains_key(fault)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}, of {tally:?}");
        for (fault, times) in &*tally {
            println!("{times:>7}  {fault}");
        }
    }
}

#[test]
fn a_seed_always_goes_the_same_way() {
    silence_poison();
    for seed in [3, 14, 15, 92] {
        assert_eq!(simulate(seed).unwrap(), simulate(seed).unwrap(), "seed {seed}");
    }
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Panics that are made on purpose are not worth a line each.
fn silence_poison() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let speak = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with(POISON) {
                speak(info);
            }
        }));
    });
}

/// Runs one seed from the first command to the last check; answers a fingerprint of all that was written.
fn simulate(seed: u64) -> Result<u64, String> {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    });
    system.block_on(live(seed))
}

async fn live(seed: u64) -> Result<u64, String> {
    let mut weather = Weather::of(seed);
    let setup = Setup {
        partitions: weather.dice().random_range(1..=3),
        batch_records: weather.dice().random_range(1..=60),
        window: weather.dice().random_range(1..=8),
        max_open: [1, 3, 1000][weather.dice().random_range(0..3)],
        keep: keep(&mut weather),
        disks: !weather.one_in(4),
    };
    tracing::debug!(?setup);
    let start = weather.dice().random_range(0..=5);
    let world = World::new(Broker::new(setup.partitions, start), weather);
    let mut cluster = Cluster::new(world.clone(), setup, seed);
    cluster.storm().await?;
    let are_remade = world.state().weather.one_in(5);
    if are_remade {
        cluster.remake_topics().await?;
        cluster.storm().await?;
    }
    cluster.calm_down().await?;
    let (mut accounts, mut transactions) = (Vec::new(), Vec::new());
    for node in cluster.nodes() {
        let (of_accounts, of_transactions) = node.inspect().await;
        accounts.extend(of_accounts);
        transactions.extend(of_transactions);
    }
    let disks = cluster.disks();
    let (traffic, transfers) = cluster.shut_down().await?;
    let (sent, asked) = (traffic.into_sent(), transfers.into_sent());
    let state = world.state();
    let (broker, partitions) = (&state.broker, setup.partitions);
    let audit = Audit { broker, partitions, sent: &sent, window: setup.window, prefix: PREFIX };
    let mut faults = audit.faults();
    faults.extend(memory_differs(&accounts, &audit.accounts()));
    faults.extend(Sagas { broker, partitions, sent: &asked }.faults());
    let keepers: Snapshots<'_, Account> = Snapshots::of(Kind::Accounts, broker, setup);
    faults.extend(keepers.faults(&disks, &accounts));
    let keepers: Snapshots<'_, Transaction> = Snapshots::of(Kind::Sagas, broker, setup);
    faults.extend(keepers.faults(&disks, &transactions));
    if faults.is_empty() { Ok(fingerprint(broker, partitions)) } else { Err(faults.join("\n")) }
}

/// Little stays in memory and much is saved, most of the time.
fn keep(weather: &mut Weather) -> Keep {
    let mut one_of = |choices: &[u64]| choices[weather.dice().random_range(0..choices.len())];
    let max_resident = one_of(&[1, 2, 3, 5, 8, 1000]) as usize;
    let idle_timeout = Duration::from_millis(one_of(&[100, 1000, 100_000]));
    let interval = Duration::from_millis(one_of(&[50, 300, 2000, 100_000]));
    let every_events = one_of(&[1, 5, 30, 1000]);
    let topic = one_of(&[0, 1, 1]) == 1;
    Keep { max_resident, idle_timeout, pace: Pace { interval, every_events }, topic }
}

/// What actors hold must be what the oracle has folded. Who died last has not been asked.
fn memory_differs(
    inspections: &[Inspection<FragileAccount>],
    accounts: &BTreeMap<String, oracle::Account>,
) -> Vec<String> {
    let held = inspections.iter().flat_map(|inspection| &inspection.aggregates);
    let judged = held.filter(|(id, _)| !id.as_str().starts_with(OF_SAGAS));
    let differences = judged.filter_map(|(id, Fragile(account))| {
        let found = account.opened().map(|open| {
            let limits = [open.min_balance, open.max_balance].map(|limit| limit.map(|amount| amount.to_string()));
            (open.balance.to_string(), open.status.to_string(), limits)
        });
        let expected = accounts.get(id.as_str()).and_then(|account| account.open.as_ref());
        let expected = expected.map(|open| (open.balance(), open.status.clone(), open.limits()));
        let same = found.is_some() && found == expected;
        (!same).then(|| format!("{id} in memory is {found:?}, its commands make it {expected:?}"))
    });
    differences.collect()
}

fn fingerprint(broker: &Broker, partitions: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    let of_kinds = Kind::ALL.map(Kind::spec).into_iter().flat_map(|spec| [spec.commands, spec.inbox, spec.events]);
    for topic in of_kinds.chain([REPLIES, DEAD_LETTERS]) {
        for partition in 0..partitions {
            for (offset, record) in broker.committed_records((topic, partition), 0) {
                (offset, record.timestamp, &record.key, &record.value, &record.headers).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}
