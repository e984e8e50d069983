//! A process that does nothing but project, beside one that does everything else.

use serde_json::Value;

use crate::database::sqlite;
use crate::stage::{LIMIT, Stage, accepted};
use crate::support::load::Load;
use crate::support::postgres::Postgres;
use crate::support::wait;

/// What `verify` finds, which has to be nothing.
fn assert_verified(stage: &Stage) {
    let told = stage.setup.call(&["verify", "--json"], "").expect_success();
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&report["ok"], &report["differences"]), (&true.into(), &Value::Array(Vec::new())), "{report}");
    assert!(report["checked"].as_u64() > Some(1_000), "{report}");
}

#[test]
fn a_reset_needs_only_the_projections_stopped_while_money_goes_on_on_postgresql() {
    reset_beside_an_engine_at_work("apart-postgres", Postgres::shared().database("apart"));
}

#[test]
fn a_reset_needs_only_the_projections_stopped_while_money_goes_on_on_sqlite() {
    reset_beside_an_engine_at_work("apart-sqlite", sqlite("apart"));
}

fn reset_beside_an_engine_at_work(test: &str, url: String) {
    let stage = Stage::empty(test, url);
    let with_roles = |roles: &str| ["--roles", roles].map(String::from);
    let projecting = stage.setup.another("projector").with_arguments(&with_roles("projections"));
    let engine = stage.setup.clone().with_arguments(&with_roles("accounts,sagas,http")).start();
    let projector = projecting.spawn();
    stage.work(&mut Load::new(43, 60), 1_000);
    stage.move_money(4);
    stage.assert_right("of two processes");
    projector.stop();

    let stream = stage.stream(47, 200);
    assert!(stage.by_hand("UPDATE accounts SET balance = '1.23', owner_id = 'nobody'") > 0);
    assert!(stage.by_hand("DELETE FROM entries WHERE version > 3") > 0);
    assert!(stage.by_hand("UPDATE transactions SET status = 'FAILED', legs = '{}'") > 0);
    let before = accepted(&engine);
    stage.reset(&["--to-earliest"]);
    wait::until_true("money to go on", LIMIT, || accepted(&engine) > before + 100.0);

    let projector = projecting.spawn();
    wait::until_true("all rows to be written anew", LIMIT, || {
        projector.log().matches("writing all rows anew").count() == stage.lag().len()
    });
    assert_verified(&stage);
    stream.stop();
    stage.engine_is_idle();
    stage.wait_until_the_group_is_at_rest();
    stage.assert_right("after a reset");
    assert_verified(&stage);
    projector.stop();
    engine.stop();
}
