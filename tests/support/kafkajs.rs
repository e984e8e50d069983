//! KafkaJS, the client that the seed's services are written with.

use std::env;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::kafka::Kafka;
use super::process::Process;
use super::{fetched, scratch};

/// The last release of KafkaJS 2.
const VERSION: &str = "2.2.4";

/// Set where a machine without Node must not pass for one with it.
const REQUIRED: &str = "BILLING_REQUIRE_NODE";

/// Longer than the scripts' own patience.
const LIMIT: Duration = Duration::from_secs(90);

/// Runs `tests/kafka/kafkajs/{script}` with the broker's address, `args`, and `input` on its standard
/// input; what it says on its standard output.
///
/// `None` where there is no Node, which is said on standard error even when the test passes.
///
/// # Panics
/// When the script fails, or when there is no Node and `BILLING_REQUIRE_NODE` is set.
pub fn run(kafka: &Kafka, script: &str, args: &[&str], input: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/kafkajs").join(script);
    let mut all_args = vec![kafka.address()];
    all_args.extend(args);
    run_file(&path, &all_args, input)
}

/// Runs any script that needs KafkaJS; otherwise as [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_file(script: &Path, args: &[&str], input: &str) -> Option<String> {
    if !node_is_there() {
        return None;
    }
    let mut node = Command::new("node");
    node.arg(script).args(args).env("NODE_PATH", modules());
    let name = script.file_stem().unwrap_or_default().to_string_lossy();
    Some(Process::run(&name, &node, input, scratch::directory(), LIMIT).expect_success())
}

fn node_is_there() -> bool {
    let found = ["node", "npm"]
        .iter()
        .all(|program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()));
    if !found {
        assert!(env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but there is no Node (Debian: nodejs and npm)");
        // Not by a macro: the harness would keep what those print to itself.
        writeln!(stderr(), "\n*** NOT TESTED: KafkaJS, because there is no Node here (Debian: nodejs and npm) ***\n")
            .expect("standard error can be written");
    }
    found
}

fn modules() -> PathBuf {
    fetched::directory(&format!("kafkajs/{VERSION}"), |directory| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-save", "--no-package-lock", "--prefix", directory]);
        npm.arg(format!("kafkajs@{VERSION}"));
        npm
    })
    .join("node_modules")
}
