//! What is fetched once and kept under `target`.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use super::scratch;

/// Whether `target/{name}` has been fetched before.
pub fn is_there(name: &str) -> bool {
    scratch::target().join(name).is_dir()
}

/// The directory `target/{name}`, filled by the command that `fill` makes for a directory, if it is not there yet.
///
/// Test processes that run at the same time wait for each other, and a fetch that was cut short counts as none.
///
/// # Panics
/// When the command fails, with what it said.
pub fn directory(name: &str, fill: impl FnOnce(&str) -> Command) -> PathBuf {
    let done = scratch::target().join(name);
    if done.is_dir() {
        return done;
    }
    let parent = done.parent().expect("a directory below target");
    fs::create_dir_all(parent).expect("target can be written");
    let beside = |suffix: &str| PathBuf::from(format!("{}.{suffix}", done.display()));
    let lock = File::create(beside("lock")).expect("the lock file can be made");
    lock.lock().expect("the lock file can be locked");
    if done.is_dir() {
        return done;
    }
    let partial = beside("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).expect("a fetch that was cut short can be removed");
    }
    fs::create_dir(&partial).expect("target can be written");
    let mut command = fill(partial.to_str().expect("target has a name in UTF-8"));
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&partial, &done).expect("what was fetched can be put in its place");
    done
}
