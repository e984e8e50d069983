//! Snapshots of an engine that is killed while it writes them, and of one that hands over to a machine without any.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::auditor::Audit;
use crate::support::auditor::offsets::Offsets;
use crate::support::engine::Setup;
use crate::support::kafka::Kafka;
use crate::support::load::Load;
use crate::support::upstream::{Partitioner, Upstream};
use crate::support::wait;

/// How long the engine may take from one interruption to the next.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// An engine that writes snapshots all the time and keeps few accounts in memory.
fn busy(kafka: &Kafka, test: &str) -> Setup {
    let setup = Setup::new(kafka, test).with_topics();
    setup
        .with("BILLING__ACTORS__MAX_RESIDENT", "40")
        .with("BILLING__SNAPSHOTS__INTERVAL", "100ms")
        .with("BILLING__SNAPSHOTS__EVERY_EVENTS", "200")
}

fn write(kafka: &Kafka, setup: &Setup, load: &mut Load, commands: usize) {
    let upstream = Upstream::new(kafka, &setup.topic("account.commands"), Partitioner::Murmur2);
    for command in load.by_ref().take(commands) {
        upstream.send(&command);
    }
    upstream.flush();
}

#[test]
fn whatever_a_kill_leaves_on_the_disk_is_what_the_log_says() {
    const COMMANDS: usize = 50_000;
    const KILLS: usize = 25;
    let kafka = Kafka::shared();
    let setup = busy(kafka, "snapshots-killed");
    let offsets = Offsets::new(kafka, setup.prefix());
    write(kafka, &setup, &mut Load::new(5, 500), COMMANDS);
    for kill in 1..=KILLS {
        let progress = i64::try_from(COMMANDS * kill / (KILLS + 1)).expect("a count");
        let mut engine = setup.spawn();
        wait::until_true(&format!("command {progress}"), STEP_LIMIT, || {
            engine.assert_runs();
            offsets.passed() >= progress
        });
        engine.kill9();
        setup.call(&["snapshots", "verify"], "").expect_success();
    }
    let engine = setup.start();
    offsets.wait_until_idle(STEP_LIMIT);
    assert!(engine.metric("billing_snapshot_writes_total", &[]) > 0.0);
    assert!(engine.metric("billing_passivations_total", &[]) > 0.0);
    engine.stop();
    setup.call(&["snapshots", "verify"], "").expect_success();
    let audit = Audit::of(kafka, setup.prefix());
    audit.assert_clean();
    assert_eq!(audit.commands, COMMANDS);
}

#[test]
fn a_machine_without_snapshots_goes_on_from_the_topic_and_not_from_the_first_event() {
    const COMMANDS: usize = 20_000;
    let kafka = Kafka::shared();
    let first = busy(kafka, "snapshots-moved");
    let offsets = Offsets::new(kafka, first.prefix());
    let mut load = Load::new(9, 300);
    write(kafka, &first, &mut load, COMMANDS);
    let engine = first.start();
    offsets.wait_until_idle(STEP_LIMIT);
    wait::until_true("everything to be covered", STEP_LIMIT, || {
        engine.metric("billing_snapshot_age_seconds", &[]) == 0.0
    });
    engine.stop();

    let second = first.another("two");
    let engine = second.start();
    let replayed = engine.metric("billing_recovery_replayed_events_total", &[]);
    write(kafka, &second, &mut load, COMMANDS);
    offsets.wait_until_idle(STEP_LIMIT);
    engine.stop();
    let audit = Audit::of(kafka, first.prefix());
    audit.assert_clean();
    assert_eq!(audit.commands, 2 * COMMANDS);
    assert!(replayed < COMMANDS as f64 / 10.0, "{replayed} events were read again");
    second.call(&["snapshots", "verify"], "").expect_success();
}

#[test]
fn snapshots_that_are_damaged_or_gone_change_nothing_but_the_time_to_start() {
    let kafka = Kafka::shared();
    let setup = busy(kafka, "snapshots-damaged").with("BILLING__SNAPSHOTS__TOPIC", "false");
    let offsets = Offsets::new(kafka, setup.prefix());
    let mut load = Load::new(37, 100);
    let mut work_on = |commands: usize| {
        write(kafka, &setup, &mut load, commands);
        let engine = setup.start();
        offsets.wait_until_idle(STEP_LIMIT);
        wait::until_true("snapshots to be written", STEP_LIMIT, || {
            engine.metric("billing_snapshot_writes_total", &[]) > 0.0
        });
        engine.stop();
    };
    work_on(4_000);
    assert!(damage(&setup.data()) > 0, "there is something to damage");
    work_on(2_000);
    fs::remove_dir_all(setup.data()).expect("snapshots can be deleted");
    work_on(2_000);
    setup.call(&["snapshots", "verify"], "").expect_success();
    Audit::of(kafka, setup.prefix()).assert_clean();
}

#[test]
fn a_checkpoint_comes_to_its_end_however_many_accounts_come_and_go() {
    const ACCOUNTS: usize = 90_000;
    let kafka = Kafka::shared();
    // So many that some leave all the time, and there is always room for those who come.
    let setup = busy(kafka, "snapshots-crowded").with("BILLING__ACTORS__MAX_RESIDENT", "2000");
    let setup = setup.with("BILLING__SNAPSHOTS__TOPIC", "false");
    let offsets = Offsets::new(kafka, setup.prefix());
    write(kafka, &setup, &mut Load::new(11, ACCOUNTS), ACCOUNTS);
    let mut engine = setup.spawn();
    wait::until_true("most accounts to be open", STEP_LIMIT, || {
        engine.assert_runs();
        offsets.passed() >= (ACCOUNTS * 5 / 6) as i64
    });
    engine.kill9();
    let engine = setup.start();
    let replayed = engine.metric("billing_recovery_replayed_events_total", &[]);
    offsets.wait_until_idle(STEP_LIMIT);
    engine.stop();
    assert!(replayed < ACCOUNTS as f64 / 2.0, "{replayed} events were read again");
    setup.call(&["snapshots", "verify"], "").expect_success();
    Audit::of(kafka, setup.prefix()).assert_clean();
}

/// Turns over the middle of every file; answers how many bytes that were.
fn damage(directory: &Path) -> usize {
    let mut damaged = 0;
    for entry in fs::read_dir(directory).expect("the directory is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            damaged += damage(&path);
            continue;
        }
        let mut bytes = fs::read(&path).expect("a file of the store");
        let middle = bytes.len() / 4..bytes.len() * 3 / 4;
        damaged += middle.len();
        bytes[middle].iter_mut().for_each(|byte| *byte = !*byte);
        fs::write(&path, bytes).expect("a file of the store");
    }
    damaged
}
