//! The engine broken on purpose, one mistake a patch. That the simulation sees each is for `run.sh`, which takes a while;
//! that each still is a mistake in the engine as it stands is shown here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

/// What a hunk wants to find: the lines around the mistake, and those it takes away.
fn before(hunk: &str) -> String {
    let kept = hunk.lines().skip(1).filter(|line| !line.starts_with('+'));
    kept.map(|line| line.get(1..).unwrap_or_default().to_owned() + "\n").collect()
}

#[test]
fn every_mutant_applies_to_the_engine_as_it_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut mutants = 0;
    for entry in fs::read_dir(root.join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let patch = fs::read_to_string(&path).unwrap();
        for file in patch.split("--- a/").skip(1) {
            let name = file.lines().next().unwrap();
            let source = fs::read_to_string(root.join(name)).unwrap();
            for hunk in file.split("\n@@").skip(1) {
                assert!(source.contains(&before(hunk)), "{} does not apply to {name}:{hunk}", path.display());
            }
        }
        mutants += 1;
    }
    assert!(mutants > 0, "no mutant was found");
}
