//! What only another process can prove: kill -9.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// Names the directory that a child process of a test works in.
const CHILD: &str = "BILLING_TEST_SNAPSHOTS_DIR";

/// Saves generation after generation of [`CROWD`] values, each with its position behind it; tells what is settled.
#[tokio::main(flavor = "current_thread")]
async fn save_for_ever(directory: &Path) {
    let store = Store::open(directory, CACHE, Box::new(|| println!("\ndiscarded"))).unwrap();
    let shelf = store.shelf("account", 0);
    let mut generation = shelf.position().await.unwrap().map_or(0, |position| u64::from(position[0]));
    println!("\nopen");
    loop {
        generation = (generation + 1) % 256;
        if generation == 0 {
            shelf.clear().await.unwrap();
        }
        for from in (0..CROWD).step_by(200) {
            shelf.save(super::generation(from..from + 200, generation)).await.unwrap();
            println!("\nsaved");
        }
        shelf.settle(vec![generation as u8]).await.unwrap();
    }
}

const CROWD: u64 = 2_000;

fn kill_after(saves: usize, mut child: Child) {
    let out = io::BufReader::new(child.stdout.take().unwrap());
    let mut seen = 0;
    for line in io::BufRead::lines(out).map(Result::unwrap) {
        assert_ne!(line, "discarded", "kill -9 damages nothing");
        seen += usize::from(line == "saved" || line == "open");
        if seen == saves + 1 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

#[test]
fn a_process_that_is_killed_leaves_a_position_only_with_everything_before_it() {
    if let Some(directory) = env::var_os(CHILD) {
        return save_for_ever(Path::new(&directory));
    }
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut furthest = None;
    for round in 0..12 {
        let mut command = Command::new(env::current_exe().unwrap());
        let test =
            "snapshots::tests::killed::a_process_that_is_killed_leaves_a_position_only_with_everything_before_it";
        command.args(["--exact", test, "--nocapture"]).env(CHILD, place.path()).stdout(Stdio::piped());
        kill_after(round * 13, command.spawn().unwrap());
        let store = place.open();
        furthest = furthest.max(runtime.block_on(check_beginning(&*store.shelf("account", 0), CROWD)).unwrap());
    }
    assert_eq!(place.discarded(), 0);
    assert!(furthest.is_some_and(|furthest| furthest > 5), "positions were reached: {furthest:?}");
}
