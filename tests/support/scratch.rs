//! Where tests keep their files: under `target`, gone when nobody uses them any more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

/// The build directory, wherever cargo was told to put it.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's temporary directory lies in the build directory")
}

/// The directory of this test process. It is left behind for those who look for logs, and removed by the next test
/// process that comes by.
///
/// # Panics
/// When it cannot be made.
pub fn directory() -> &'static Path {
    static OURS: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (path, _held) = OURS.get_or_init(|| {
        let all = target().join("kafka-tests");
        sweep(&all);
        let ours = all.join(process::id().to_string());
        fs::create_dir_all(&ours).expect("the test directory can be made");
        let owner = File::create(owner_of(&ours)).expect("the owner's file can be made");
        owner.lock().expect("the owner's file can be locked");
        (ours, owner)
    });
    path
}

/// Removes what processes that have ended left behind: the system took the lock from them.
fn sweep(all: &Path) {
    for left in fs::read_dir(all).into_iter().flatten().flatten() {
        let path = left.path();
        if File::open(owner_of(&path)).is_ok_and(|owner| owner.try_lock().is_ok()) {
            fs::remove_dir_all(&path).unwrap_or_else(|error| eprintln!("cannot remove {}: {error}", path.display()));
        }
    }
}

fn owner_of(directory: &Path) -> PathBuf {
    directory.join("owner")
}
