//! The engine is killed again and again in the middle of its work.

use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::{Kafka, OLDEST};
use crate::support::load::Load;
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// How much work, and how often it is interrupted.
struct Plan {
    seed: u64,
    accounts: usize,
    commands: usize,
    kills: usize,
}

/// How long the engine may take from one interruption to the next.
const STEP_LIMIT: Duration = Duration::from_secs(120);

#[test]
fn two_hundred_thousand_commands_take_effect_exactly_once_through_twelve_kills() {
    let plan = Plan { seed: 3, accounts: 1_000, commands: 200_000, kills: 12 };
    interrupt(Kafka::shared(), "crash", &plan);
}

#[test]
fn commands_take_effect_exactly_once_through_kills_on_the_oldest_kafka() {
    let plan = Plan { seed: 7, accounts: 200, commands: 30_000, kills: 6 };
    interrupt(&Kafka::start_own(OLDEST), "crash-oldest", &plan);
}

/// Two of three kills are aimed at an open transaction, the third comes when it comes; all of them while commands wait.
fn interrupt(kafka: &Kafka, test: &str, plan: &Plan) {
    let setup = Setup::new(kafka, test).with_topics();
    let offsets = Offsets::new(kafka, setup.prefix());
    write(kafka, &setup, plan);
    let mut open = 0;
    let mut engine = setup.spawn();
    for kill in 1..=plan.kills {
        // What is behind the last kill is left for the end.
        let progress = i64::try_from(plan.commands * kill / (plan.kills + 2)).expect("a count");
        wait::until_true(&format!("command {progress}"), STEP_LIMIT, || {
            engine.assert_runs();
            offsets.passed() >= progress
        });
        if kill % 3 != 0 {
            engine.pause_in_transaction(&offsets);
        }
        engine.kill9();
        // Nobody is left to end a transaction or to take a command: these are the facts at the moment of the kill.
        open += usize::from(offsets.transaction_is_open());
        assert!(offsets.lag() > 0, "kill {kill} came when all was done");
        engine = setup.spawn();
    }
    offsets.wait_until_idle(STEP_LIMIT);
    engine.stop();
    assert!(2 * open >= plan.kills, "only {open} of {} kills met an open transaction", plan.kills);
    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_eq!(audit.commands, plan.commands);
    println!("{open} of {} kills met an open transaction; {}", plan.kills, audit.counts());
}

fn write(kafka: &Kafka, setup: &Setup, plan: &Plan) {
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    for command in Load::new(plan.seed, plan.accounts).take(plan.commands) {
        upstream.send(&command);
    }
    upstream.flush();
}
