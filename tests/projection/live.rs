//! Engines that project while everything around them breaks. After each test the rows are what the events come to.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::database::sqlite;
use crate::stage::{LIMIT, Stage, accepted};
use crate::support::load::Load;
use crate::support::postgres::Postgres;
use crate::support::wait;

/// How often something is killed.
const KILLS: usize = 10;

/// Waits until more is written than there was, so that the next blow meets a projection at work.
fn wait_for_progress(stage: &Stage, since: i64) -> i64 {
    wait::until("rows to be written", LIMIT, || Some(stage.written()).filter(|written| *written > since + 100))
}

#[test]
fn rows_are_right_after_the_engine_was_killed_ten_times_in_the_middle_of_batches() {
    let stage = Stage::new("engine-killed", Postgres::shared().database("engine_killed"));
    let stream = stage.stream(3, 1_200);
    let mut written = 0;
    for _ in 0..KILLS {
        let engine = stage.setup.spawn();
        written = wait_for_progress(&stage, written);
        engine.kill9();
    }
    stream.stop();
    let engine = stage.setup.start();
    stage.engine_is_idle();
    stage.assert_right("after ten kills of the engine");
    engine.stop();
}

#[test]
fn rows_are_right_after_postgresql_was_killed_ten_times_and_the_engine_never_waited_for_it() {
    let postgres = Postgres::start_own();
    let stage = Stage::new("postgres-killed", postgres.database("postgres_killed"));
    let stream = stage.stream(5, 800);
    let mut engine = stage.setup.start();
    let mut written = 0;
    for kill in 0..KILLS {
        written = wait_for_progress(&stage, written);
        postgres.kill9();
        if kill == 0 {
            let before = accepted(&engine);
            wait::until_true("commands to go on without rows", LIMIT, || accepted(&engine) > before + 100.0);
            wait::until_true("the projection to say what it lacks", LIMIT, || {
                engine.metric("billing_partition_state", &["aggregate=\"projection\"", "state=\"failed\""]) > 0.0
            });
            assert!(engine.is_ready(), "money moves without a read side");
        }
        postgres.start();
        engine.assert_runs();
    }
    stream.stop();
    stage.engine_is_idle();
    stage.assert_right("after ten kills of PostgreSQL");
    engine.stop();
}

#[test]
fn a_reset_by_kafkas_own_tool_mends_rows_that_were_damaged_by_hand_on_postgresql() {
    reset_mends("reset-postgres", Postgres::shared().database("reset"));
}

#[test]
fn a_reset_by_kafkas_own_tool_mends_rows_that_were_damaged_by_hand_on_sqlite() {
    reset_mends("reset-sqlite", sqlite("reset"));
}

fn reset_mends(test: &str, url: String) {
    const DAMAGE: [&str; 4] = [
        "UPDATE accounts SET balance = '1.23', held = '9'",
        "UPDATE entries SET amount = '0.01' WHERE version > 20",
        "DELETE FROM entries WHERE version > 30",
        "UPDATE transactions SET status = 'FAILED' WHERE partition = 0",
    ];
    let stage = Stage::new(test, url);
    let mut load = Load::new(29, 60);
    let engine = stage.setup.start();
    stage.work(&mut load, 3_000);
    stage.assert_right("before anything was damaged");
    engine.stop();

    // Every account was posted to since, so what the damage did is said again. Transactions begin at their start.
    let partial = [&["--to-offset", "20"][..], &["--shift-by", "-1000000"]];
    let whole = &["--to-earliest"][..];
    for (to, beyond_repair) in [(partial[0], false), (whole, true), (partial[1], true)] {
        for damage in &DAMAGE[..if beyond_repair { 4 } else { 3 }] {
            assert!(stage.by_hand(damage) > 0, "{damage}");
        }
        if beyond_repair {
            stage.by_hand("DELETE FROM accounts WHERE version > 10");
            stage.by_hand("UPDATE transactions SET request = 'forged', requested_at = updated_at");
        }
        stage.reset(to);
        let engine = stage.setup.start();
        stage.wait_until_the_group_is_at_rest();
        stage.assert_right(&format!("after a reset {to:?}"));
        assert!(engine.log().contains(if beyond_repair { "anew" } else { "again" }), "it says so");
        engine.stop();
    }
}

#[test]
fn rows_that_were_deleted_by_hand_come_back_when_events_change_them() {
    let stage = Stage::new("deleted", Postgres::shared().database("deleted"));
    let mut load = Load::new(31, 60);
    let engine = stage.setup.start();
    stage.work(&mut load, 1_000);
    stage.wait_until_current();
    assert!(stage.by_hand("DELETE FROM accounts") > 0);
    stage.work(&mut load, 500);
    wait::until_true("the partitions to be written anew", LIMIT, || engine.log().contains("rows are missing"));
    stage.assert_right("after all accounts were deleted");
    engine.stop();
}

#[test]
fn transactions_that_an_engine_drives_stand_in_both_stores_as_their_events_tell_them() {
    for (test, url) in [("driven-postgres", Postgres::shared().database("driven")), ("driven-sqlite", sqlite("driven"))]
    {
        let stage = Stage::empty(test, url);
        let engine = stage.setup.start();
        stage.work(&mut Load::new(41, 60), 100);
        stage.move_money(8);
        stage.assert_right("after transactions of every kind");
        let tables = stage.tables();
        let statuses: BTreeSet<_> = tables["transactions"].values().filter_map(|row| row["status"].clone()).collect();
        assert_eq!(
            statuses.into_iter().collect::<Vec<_>>(),
            ["AUTHORIZED", "COMPENSATED", "COMPLETED", "FAILED", "VOIDED"]
        );
        assert_eq!(tables["accounts"][&vec!["ann".to_owned()]]["held"].as_deref(), Some("20.000"), "8 holds of 2.500");
        assert!(tables["refunds"].values().any(|row| row["status"].as_deref() == Some("SETTLED")));
        engine.stop();
    }
}

#[test]
fn a_projector_that_was_thought_dead_does_not_write_beside_its_successor() {
    let stage = Stage::new("zombie", Postgres::shared().database("zombie"));
    let second = stage.setup.another("two");
    let stream = stage.stream(7, 800);
    let first = stage.setup.start();
    wait_for_progress(&stage, 0);
    first.pause();
    let other = second.start();
    wait_for_progress(&stage, stage.written());
    wait::until_true("the second to project alone", LIMIT, || {
        other.metric("billing_partition_state", &["aggregate=\"projection\"", "state=\"running\""]) == 3.0
    });
    first.resume();
    wait::until_true("both to share", LIMIT, || {
        let shares = [&first, &other]
            .map(|engine| engine.metric("billing_partition_state", &["aggregate=\"projection\"", "state=\"running\""]));
        shares.iter().all(|share| *share >= 1.0) && shares.iter().sum::<f64>() == 3.0
    });
    stream.stop();
    stage.engine_is_idle();
    stage.assert_right("after a projector came back from the dead");
    first.stop();
    other.stop();
}

#[test]
fn a_rebuild_under_load_ends_with_rows_that_are_right_and_a_group_that_has_come_to_rest() {
    for (test, url) in
        [("rebuild-postgres", Postgres::shared().database("rebuild")), ("rebuild-sqlite", sqlite("rebuild"))]
    {
        let stage = Stage::new(test, url);
        let stream = stage.stream(11, 500);
        let engine = stage.setup.start();
        wait_for_progress(&stage, 0);
        stage.by_hand("UPDATE accounts SET owner_id = 'nobody'");
        let told = stage.setup.call(&["projection", "rebuild", "--json"], "").expect_success();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert!(told["rebuilt"] == true && told["events"].as_u64() > Some(100), "{told}");
        stream.stop();
        stage.engine_is_idle();
        stage.assert_right("after a rebuild");
        let idle = Instant::now();
        stage.wait_until_the_group_is_at_rest();
        // The tool itself takes a second or two.
        assert!(idle.elapsed() < Duration::from_secs(10), "it took {:?}", idle.elapsed());
        engine.stop();
    }
}

#[test]
fn a_position_that_the_log_does_not_have_stops_the_projection_until_a_rebuild_and_nothing_else() {
    let stage = Stage::new("astray", Postgres::shared().database("astray"));
    let mut load = Load::new(37, 60);
    let engine = stage.setup.start();
    stage.work(&mut load, 500);
    stage.wait_until_current();
    engine.stop();
    stage.by_hand("UPDATE projection_positions SET position = position + 1000000 WHERE aggregate = 'account'");
    let engine = stage.setup.start();
    wait::until_true("the projection to halt", LIMIT, || {
        engine.metric("billing_partition_state", &["aggregate=\"projection\"", "state=\"halted\""]) == 3.0
    });
    assert!(engine.log().contains("projection rebuild"), "the way on is named:\n{}", engine.log());
    stage.work(&mut load, 500);
    assert!(engine.is_ready(), "money moves without a read side");
    assert!(stage.status().iter().any(|row| row["state"] == "astray"));
    stage.setup.call(&["projection", "rebuild"], "").expect_success();
    stage.assert_right("after a rebuild, without another start");
    engine.stop();
}
