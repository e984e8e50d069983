//! The rules of the house, as tests: who may import whom, how large a file may grow, and that what is said twice is
//! said alike. Every rule is also shown a sample that breaks it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One row for each module at the top of the crate. `None`: it may import every other.
struct Layer {
    module: &'static str,
    own: Option<&'static [&'static str]>,
    /// Crates, and names of the standard library, that have no place in it.
    never: &'static [&'static str],
}

const fn layer(module: &'static str, own: &'static [&'static str], never: &'static [&'static str]) -> Layer {
    Layer { module, own: Some(own), never }
}

const fn top(module: &'static str) -> Layer {
    Layer { module, own: None, never: &[] }
}

const IMPURE: &[&str] = &[
    "serde",
    "serde_json",
    "bincode",
    "toml",
    "tokio",
    "futures_util",
    "actix",
    "axum",
    "rdkafka",
    "redb",
    "sled",
    "sqlx",
    "tracing",
    "metrics",
    "rand",
    "rand_distr",
    "anyhow",
    "clap",
    "SystemTime",
    "Instant",
    "Zoned",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
];

/// The table of section "who may import whom" in the README.
const LAYERS: &[Layer] = &[
    layer("domain", &[], IMPURE),
    layer("wire", &["domain"], &["actix", "axum", "tokio", "rdkafka", "redb", "sled", "sqlx", "rand", "anyhow"]),
    layer("log", &["config", "metrics"], &["actix", "axum", "sqlx", "anyhow"]),
    layer("snapshots", &["config"], &["actix", "axum", "rdkafka", "sqlx", "anyhow"]),
    layer(
        "partition",
        &["domain", "wire", "log", "snapshots", "config", "metrics"],
        &["axum", "rdkafka", "redb", "sled", "sqlx", "anyhow"],
    ),
    layer(
        "projection",
        &["domain", "wire", "log", "config", "metrics"],
        &["axum", "rdkafka", "redb", "sled", "anyhow"],
    ),
    layer("queries", &["domain", "wire"], &["actix", "axum", "rdkafka", "redb", "sled", "tokio", "anyhow"]),
    layer("config", &[], &["actix", "axum", "rdkafka", "anyhow"]),
    layer("metrics", &[], &["actix", "axum", "rdkafka", "anyhow"]),
    layer("telemetry", &["config"], &["actix", "axum", "rdkafka", "anyhow"]),
    top("http"),
    top("engine"),
    top("cli"),
    top("lib"),
    top("main"),
];

const LONGEST_FILE: usize = 400;
const NO_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "manager"];
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "config.toml",
    "docker-compose.yml",
    "grafana",
    "src",
    "tests",
];

#[test]
fn modules_import_only_what_the_table_allows() {
    let faults: Vec<String> = sources().iter().flat_map(|(path, text)| import_faults(path, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_import_rule_sees_groups_full_paths_and_ways_around_it() {
    let faults = |path: &str, text: &str| import_faults(Path::new(path), text);
    let told = |path: &str, text: &str, name: &str| {
        let faults = faults(path, text);
        assert!(faults.iter().any(|fault| fault.contains(&format!("`{name}`"))), "{text}: {faults:?}");
    };
    told("wire/event.rs", "use crate::log::Record;", "log");
    told("wire/event.rs", "use crate::{domain::Event, log::{self, Topic}};", "log");
    told("wire/event.rs", "fn f(r: &crate::log::Record) {}", "log");
    told("wire/event.rs", "use super::super::log::Record;", "log");
    told("wire/event.rs", "use billing_engine::log::Record;", "log");
    told("wire.rs", "use super::log::Record;", "log");
    told("partition/batch.rs", "use {rdkafka::error::KafkaError};", "rdkafka");
    told("partition/batch.rs", "fn f() -> ::rdkafka::Message { todo!() }", "rdkafka");
    told("domain/ids.rs", "let now = std::time::SystemTime::now();", "SystemTime");
    told("domain/ids.rs", "use std::{fmt, fs};", "std::fs");
    told("domain/ids.rs", "fn f() { std::thread::yield_now() }", "std::thread");
    told("domain/ids.rs", "#[derive(serde::Serialize)] struct A;", "serde");
    told("helpers.rs", "", "helpers");
    let clean = "//! Not crate::log.\nuse crate::domain::Event; /* crate::log */\nconst A: &str = \"crate::log\";\n\
                 const B: &str = r#\"rdkafka::\"#; fn f<'a>(x: &'a str, c: char) -> bool { c == '\"' || crate::domain::is(x) }";
    assert_eq!(faults("wire/event.rs", clean), Vec::<String>::new());
    assert_eq!(
        faults(
            "domain/money.rs",
            "use super::ids::Version; use thiserror::Error; fn f() { Amount::net(&env, Self::thread) }"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn no_file_is_longer_than_one_idea_and_none_is_named_after_nothing() {
    for (path, text) in sources() {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(text.lines().count() <= LONGEST_FILE, "{} has more than {LONGEST_FILE} lines", path.display());
        assert!(!NO_NAMES.contains(&stem.as_str()), "{} is named after nothing", path.display());
    }
}

#[test]
fn the_dashboards_and_the_metrics_know_the_same_names() {
    let declared = declared_metrics(&fs::read_to_string(root().join("src/metrics/families.rs")).unwrap());
    assert!(declared.len() > 10, "the scan of the declarations finds them: {declared:?}");
    let mut shown = BTreeSet::new();
    for path in files(&root().join("grafana")) {
        shown.extend(metrics_in(&fs::read_to_string(&path).unwrap(), &declared));
    }
    let unshown: Vec<_> = declared.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&declared).collect();
    assert!(unshown.is_empty() && unknown.is_empty(), "not in grafana/: {unshown:?}, not declared: {unknown:?}");
}

#[test]
fn the_scan_of_dashboards_folds_histograms_and_passes_over_host_names() {
    let declared = declared_metrics("family(\"billing_actors\", …\n family(\"billing_wait_seconds\", …");
    assert_eq!(declared, ["billing_actors", "billing_wait_seconds"].map(String::from).into());
    let text =
        "rate(billing_wait_seconds_bucket[1m]) / billing_actors, billing_gone{a=\"b\"}, http://billing_engine:8090";
    let shown = metrics_in(text, &declared);
    assert_eq!(shown, ["billing_actors", "billing_gone", "billing_wait_seconds"].map(String::from).into());
}

#[test]
fn the_top_level_holds_nothing_but_what_a_newcomer_needs() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let expected = name.starts_with('.') || ignored.contains(&name.as_str()) || TOP_LEVEL.contains(&name.as_str());
        assert!(expected, "{name} has no place at the top level");
    }
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let unexplained = unexplained_dependencies(&fs::read_to_string(root().join("Cargo.toml")).unwrap());
    assert!(unexplained.is_empty(), "no comment above {unexplained:?}");
    let sample =
        "[dependencies]\n# For b.\nb = \"1\"\nc = \"1\"\n[lints.rust]\nd = \"warn\"\n[dev-dependencies]\n\ne = \"1\"";
    assert_eq!(unexplained_dependencies(sample), ["c", "e"]);
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every Rust file under `src`, by its path there.
fn sources() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let paths = files(&src).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    paths.map(|path| (path.strip_prefix(&src).unwrap().to_owned(), fs::read_to_string(&path).unwrap())).collect()
}

/// What the file at `path` (under `src`) imports, or names in full, against the table.
fn import_faults(path: &Path, text: &str) -> Vec<String> {
    let module = path.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == module) else {
        return vec![format!("{}: `{module}` has no row in the table", path.display())];
    };
    let tokens = tokens(&code_of(text));
    let mut faults = Vec::new();
    for name in own_modules(&tokens, depth(path)) {
        let known = LAYERS.iter().any(|layer| layer.module == name);
        if known && name != module && layer.own.is_some_and(|own| !own.contains(&name.as_str())) {
            faults.push(format!("{}: imports `{name}`", path.display()));
        }
    }
    for at in 0..tokens.len() {
        if let Some(name) = layer.never.iter().find(|name| is_used(name, &tokens, at)) {
            faults.push(format!("{}: uses `{name}`", path.display()));
        }
    }
    faults
}

/// How many `super` lead from this file to the crate's root.
fn depth(path: &Path) -> usize {
    let parts = path.components().count();
    if path.ends_with("mod.rs") { parts - 1 } else { parts }
}

/// Names right behind the crate's root: `crate::a`, `crate::{a, b::c}`, and as many `super` as lead there.
fn own_modules(tokens: &[String], depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    let (mut at, mut climbed) = (0, 0);
    while at + 1 < tokens.len() {
        climbed = if tokens[at] == "super" {
            climbed + 1
        } else if tokens[at] == "::" {
            climbed
        } else {
            0
        };
        let at_root = matches!(tokens[at].as_str(), "crate" | "billing_engine") || climbed > 0 && climbed == depth;
        if at_root && tokens[at] != "::" && tokens[at + 1] == "::" {
            names.extend(heads(&tokens[at + 2..]));
        }
        at += 1;
    }
    names
}

/// The first name of a path, or of each path in a group.
fn heads(tokens: &[String]) -> Vec<String> {
    if tokens.first().is_none_or(|token| token != "{") {
        return tokens.first().cloned().into_iter().collect();
    }
    let (mut level, mut names) = (0, Vec::new());
    for pair in tokens.windows(2) {
        match pair[0].as_str() {
            "{" => level += 1,
            "}" => level -= 1,
            _ => {}
        }
        if level == 0 {
            break;
        }
        if level == 1 && matches!(pair[0].as_str(), "{" | ",") {
            names.push(pair[1].clone());
        }
    }
    names
}

/// True where a path goes through, or ends at, `name`; not for a field, an argument or a method of that name.
fn is_used(name: &str, tokens: &[String], at: usize) -> bool {
    let token = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", String::as_str);
    let (before, parent, after) = (token(at.checked_sub(1)), token(at.checked_sub(2)), token(Some(at + 1)));
    let opening = tokens[..at].iter().rposition(|token| token == "use" || token == ";");
    let in_group_of = |root: &str| {
        let statement = &tokens[opening.unwrap_or(at)..at];
        statement.first().is_some_and(|t| t == "use")
            && matches!(before, "{" | ",")
            && (root.is_empty() || statement[1] == root)
    };
    if let Some(name) = name.strip_prefix("std::") {
        return tokens[at] == name && (before == "::" && parent == "std" || in_group_of("std"));
    }
    let own = before == "::" && matches!(parent, "crate" | "self" | "super" | "Self");
    tokens[at] == name && !own && (after == "::" || matches!(before, "::" | "use" | "crate") || in_group_of(""))
}

/// Identifiers and the punctuation of paths; everything else is a `?`.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let len = match first {
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        let known = word(first) || len == 2 || matches!(first, '{' | '}' | ',' | ';');
        tokens.push(if known { rest[..len].to_owned() } else { "?".to_owned() });
        rest = rest[len..].trim_start();
    }
    tokens
}

/// The text without comments and without what stands in quotes.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest, '"'),
            'r' if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw_quoted(rest),
            '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => quoted(rest, '\''),
            _ => 0,
        };
        code.push(if skipped > 0 { ' ' } else { c });
        rest = &rest[skipped.max(c.len_utf8())..];
    }
    code
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let found = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        found
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// Length of `r#"…"#`; 0 when it is no raw string.
fn raw_quoted(text: &str) -> usize {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    text[body..].find(&close).map_or(text.len(), |end| body + end + close.len())
}

fn declared_metrics(source: &str) -> BTreeSet<String> {
    let declarations = source.split("family(\"").skip(1);
    declarations.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Every name with the metrics' prefix; the parts of a histogram count as the histogram.
fn metrics_in(text: &str, declared: &BTreeSet<String>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("billing_") {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let host = behind.strip_prefix(':').is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()));
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        if !host {
            names.insert(histogram.filter(|base| declared.contains(*base)).unwrap_or(name).to_owned());
        }
    }
    names
}

fn unexplained_dependencies(manifest: &str) -> Vec<String> {
    let (mut in_dependencies, mut explained, mut unexplained) = (false, false, Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies]");
        } else if let Some((name, _)) = line.split_once(" = ")
            && in_dependencies
            && !line.starts_with('#')
            && !explained
        {
            unexplained.push(name.to_owned());
        }
        explained = line.starts_with('#');
    }
    unexplained
}
