//! What only another process can prove: kill -9 and the lock.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use billing_engine::log::Offset;
use billing_engine::log::embedded::Embedded;
use tempfile::TempDir;

use crate::{EVENTS, PARTITIONS, REPLIES, commit, everything, open, owned, reason, values};

/// Names the directory that a child process of a test works in.
const CHILD: &str = "BILLING_TEST_LOG_DIR";

/// Runs the test of that name in another process, where [`CHILD`] is set.
fn child(test: &str, dir: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Commits to every partition without end; says so each time one is done.
#[tokio::main(flavor = "current_thread")]
async fn commit_for_ever(dir: &Path) {
    println!("\nopening");
    let log = open(dir);
    let work = (0..PARTITIONS).map(async |partition| {
        let owner = owned(&log, partition).await;
        let mut done = owner.inputs().await.unwrap().commands.committed.unwrap_or(0);
        loop {
            let mut records = values(EVENTS, partition, (0..3).map(|part| format!("{done}.{part}")));
            for reply in values(REPLIES, partition, [format!("{done}")]).iter() {
                records.push_copy(reply);
            }
            owner.commit(commit(done + 1, 2 * (done + 1), records)).await.unwrap();
            done += 1;
            println!("\nacknowledged {partition} {done}");
        }
    });
    futures_util::future::join_all(work).await;
}

/// Kills the child once it has acknowledged `enough` commits; answers how many it had of each partition.
fn kill_after(enough: usize, mut child: Child) -> Vec<Offset> {
    let mut acknowledged = vec![0; PARTITIONS as usize];
    let mut seen = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let ["acknowledged", partition, done] = line.split(' ').collect::<Vec<_>>()[..] {
            acknowledged[partition.parse::<usize>().unwrap()] = done.parse().unwrap();
            seen += 1;
        }
        if seen == enough && (seen > 0 || line == "opening") {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

#[test]
fn a_commit_is_whole_or_absent_and_never_lost_once_acknowledged_under_kill_9() {
    if let Some(dir) = env::var_os(CHILD) {
        return commit_for_ever(Path::new(&dir));
    }
    let dir = TempDir::new().unwrap();
    let test = "processes::a_commit_is_whole_or_absent_and_never_lost_once_acknowledged_under_kill_9";
    let mut before = vec![0; PARTITIONS as usize];
    for round in 0..20 {
        // Every fifth is killed while it opens the log, the first while it makes it.
        let enough = if round % 5 == 0 { 0 } else { 7 * round };
        let acknowledged = kill_after(enough, child(test, dir.path()));
        before = check_what_is_left(dir.path(), &before, &acknowledged);
    }
    assert!(before.iter().sum::<Offset>() > 1000, "{before:?}");
}

#[tokio::main(flavor = "current_thread")]
async fn check_what_is_left(dir: &Path, before: &[Offset], acknowledged: &[Offset]) -> Vec<Offset> {
    let log = open(dir);
    let client = log.client();
    let mut left = Vec::new();
    for partition in 0..PARTITIONS {
        let inputs = owned(&log, partition).await.inputs().await.unwrap();
        let done = inputs.commands.committed.unwrap_or(0);
        let known = before[partition as usize].max(acknowledged[partition as usize]);
        assert!(done == known || done == known + 1, "{known} acknowledged, {done} there, one at most was under way");
        assert_eq!(inputs.inbox.committed.unwrap_or(0), 2 * done);
        let events = (0..3 * done).map(|offset| (offset, format!("{}.{}", offset / 3, offset % 3)));
        assert_eq!(everything(&*client, EVENTS, partition).await, events.collect::<Vec<_>>());
        let replies = (0..done).map(|offset| (offset, offset.to_string()));
        assert_eq!(everything(&*client, REPLIES, partition).await, replies.collect::<Vec<_>>());
        left.push(done);
    }
    left
}

#[test]
fn a_directory_that_another_process_has_open_is_refused_until_that_ends() {
    if let Some(dir) = env::var_os(CHILD) {
        let _log = open(Path::new(&dir));
        println!("\nopen");
        std::io::stdin().lines().for_each(drop);
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut other =
        child("processes::a_directory_that_another_process_has_open_is_refused_until_that_ends", dir.path());
    let mut said = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "open"));
    assert_eq!(reason(Embedded::open(dir.path(), PARTITIONS).err().unwrap()), "somebody else has it open");
    drop(other.stdin.take());
    said.for_each(drop);
    assert!(other.wait().unwrap().success());
    open(dir.path());
}

#[test]
fn a_directory_is_open_once_and_keeps_its_partition_count() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path());
    assert_eq!(reason(Embedded::open(dir.path(), PARTITIONS).err().unwrap()), "somebody else has it open");
    drop(first);
    let refused = reason(Embedded::open(dir.path(), 5).err().unwrap());
    assert_eq!(refused, "it was made with 3 partitions, not with 5");
    assert!(Embedded::open(&dir.path().join("none"), 0).is_err());
    open(dir.path());
}

#[test]
fn a_database_that_was_killed_while_it_was_made_is_made_anew_and_a_foreign_file_is_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log.redb.unfinished"), "half a database").unwrap();
    open(dir.path());
    let other = TempDir::new().unwrap();
    let foreign = other.path().join("log.redb");
    fs::write(&foreign, "somebody's notes").unwrap();
    assert!(Embedded::open(other.path(), PARTITIONS).is_err());
    assert_eq!(fs::read_to_string(foreign).unwrap(), "somebody's notes");
}
