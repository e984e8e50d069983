//! The command line as people and programs meet it, wherever it needs no Kafka.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cli/accounts.rs"]
mod accounts;
#[path = "cli/sending.rs"]
mod sending;
#[path = "cli/snapshots.rs"]
mod snapshots;
#[path = "cli/stage.rs"]
mod stage;
#[path = "support/mod.rs"]
mod support;
#[path = "cli/town.rs"]
mod town;
#[path = "cli/transactions.rs"]
mod transactions;

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use support::process::{Finished, Process};
use support::{http, ports, wait};

/// For anything here, on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(60);

/// A broker that nobody runs: port 1 is reserved.
const NO_BROKER: &str = "127.0.0.1:1";

/// Where one test works: its directory, its variables.
struct Desk {
    directory: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Desk {
    fn new() -> Desk {
        Desk { directory: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Desk {
        self.variables.push((variable, value.into()));
        self
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `billing-engine` with these words.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billing-engine"));
        for (inherited, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BILLING_")) {
            command.env_remove(inherited);
        }
        // Not the one of whoever works on the engine.
        command.env("BILLING__DATA_DIR", self.path().join("data"));
        command.args(words).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, words: &[&str]) -> Finished {
        self.feed(words, "")
    }

    fn feed(&self, words: &[&str], input: &str) -> Finished {
        Process::run("billing-engine", &self.command(words), input, self.path(), LIMIT)
    }
}

/// The words of a line.
fn split(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The code and the message of a failure that was told to a program: one line on stderr, nothing on stdout.
fn told(finished: &Finished) -> (String, String) {
    assert_eq!(finished.output, "", "a failure leaves stdout to those who succeed");
    let failure: Value = serde_json::from_str(&finished.errors).expect(&finished.errors);
    let (code, message) = (failure["error"]["code"].as_str(), failure["error"]["message"].as_str());
    let (code, message) = (code.expect("a code").to_owned(), message.expect("a message").to_owned());
    assert_eq!(failure, json!({ "error": { "code": code, "message": message } }));
    (code, message)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The lines of one part of a help text, which begins with its title and ends with an empty line before another.
fn part<'a>(help: &'a str, title: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with(' ')).collect()
}

/// The commands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let entries = part(help, "Commands:").into_iter().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    entries.map(|line| split(line)[0].to_owned()).filter(|name| name != "help").collect()
}

/// Arguments and options of a help text that nothing is said about.
fn unexplained(help: &str) -> Vec<&str> {
    let lines = [part(help, "Arguments:"), part(help, "Options:")].concat();
    // A dash and a space begin a possible value.
    let takes = |line: &str| {
        let line = line.trim_start();
        line.starts_with(['-', '<', '[']) && !line.starts_with("- ") && !line.starts_with("[default")
    };
    let below = |at: usize| lines.get(at + 1).is_some_and(|next| !next.trim().is_empty() && !takes(next));
    let beside = |line: &str| line.trim_start().contains("  ");
    (0..lines.len()).filter(|at| takes(lines[*at]) && !beside(lines[*at]) && !below(*at)).map(|at| lines[at]).collect()
}

#[test]
fn every_command_says_what_it_does_and_what_each_of_its_arguments_does() {
    let desk = Desk::new();
    let mut paths = vec![String::new()];
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        let help = desk.run(&[split(&path), vec!["--help"]].concat());
        assert_eq!((help.code, help.errors.as_str()), (0, ""), "{path} --help");
        let help = help.output;
        assert!(split(help.lines().next().unwrap()).len() >= 3, "`{path}` says what it does:\n{help}");
        assert!(help.contains(&format!("\nUsage: {}", ["billing-engine", &path].join(" ").trim_end())), "{help}");
        assert_eq!(unexplained(&help), Vec::<&str>::new(), "{path}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "`{path}` fits a screen:\n{help}");
        paths.extend(subcommands(&help).into_iter().map(|name| format!("{path} {name}").trim_start().to_owned()));
        at += 1;
    }
    for expected in [
        "run",
        "demo",
        "topics ensure",
        "send",
        "account history",
        "schema",
        "snapshots verify",
        "verify",
        "config check",
    ] {
        assert!(paths.iter().any(|path| path == expected), "{expected} is listed: {paths:?}");
    }
}

#[test]
fn the_scan_of_a_help_text_sees_what_is_not_explained() {
    let help = "Does it.\n\nArguments:\n  <ID>\n\n  <FILE>  A file\n\n  <OF>\n          Possible values:\n          - it: That\n\nOptions:\n      --far <N>\n          Far\n\n      --near\n  -h, --help  Help\n\nMore:\n  --else";
    assert_eq!(unexplained(help), ["  <ID>", "      --near"]);
}

#[test]
fn the_help_of_a_command_holds_what_its_user_must_know() {
    let desk = Desk::new();
    for (command, essentials) in [
        (
            "",
            "demo|topics ensure|run &|send commands.jsonl --wait|account show|\"commandType\"|config.toml|BILLING__SECTION__KEY",
        ),
        ("run", "SIGTERM|--accept-offset <TOPIC:PARTITION=OFFSET>|--config <FILE>"),
        ("demo", "--accounts|--commands|--kills|--seed|--dir <DIR>|--brokers <HOST:PORT>|--json"),
        ("topics ensure", "missing|override|--timeout <SECONDS>|30]"),
        ("topics check", "lose events|exit code|--json"),
        ("topics describe", "--json"),
        ("send", "JSON lines|`-` reads standard input|--wait|the final one|dead letter|--timeout <SECONDS>"),
        ("account show", "<ID>|fold of its events|--dir <DIR>|--timeout <SECONDS>"),
        ("account history", "<ID>|oldest first|--json"),
        ("account balance", "<ID>|--at <TIME>|RFC 3339|not later|Exit code 1|--json"),
        ("transaction show", "<ID>|what they did to accounts|order of time|--dir <DIR>|--json"),
        (
            "transaction list",
            "oldest first|--account <ID>|--status <STATUS>|COMPENSATED|--type <KIND>|REFUND|--stuck <DURATION>|5m",
        ),
        ("snapshots list", "how far they reach|--json"),
        ("snapshots verify", "byte for byte|must be stopped|Exit code 1|--dir <DIR>|--timeout <SECONDS>"),
        ("verify", "--drained|in flight|Engines may run|Exit code 1|--dir <DIR>|--timeout <SECONDS>"),
        ("snapshots drop", "Remove all|Nothing is lost|--json"),
        ("schema", "command: What upstream writes|event: |reply: |JSON Schema"),
        ("config check", "every fault|secrets stay hidden"),
    ] {
        let help = desk.run(&[split(command), vec!["--help"]].concat()).expect_success();
        for essential in essentials.split('|') {
            assert!(help.contains(essential), "`{essential}` is missing from `{command} --help`:\n{help}");
        }
    }
}

#[test]
fn arguments_that_make_no_sense_end_with_2_for_people_and_for_programs() {
    let desk = Desk::new();
    for (words, complaint) in [
        ("fly", "unrecognized subcommand 'fly'"),
        ("run --fast", "unexpected argument '--fast'"),
        ("run --accept-offset here", "TOPIC:PARTITION=OFFSET"),
        ("topics", "requires a subcommand"),
        ("account show", "<ID>"),
        ("account balance acc-1 --at yesterday", "2025-12-09T12:00:00Z"),
        ("transaction", "requires a subcommand"),
        ("transaction list --status DONE", "REQUESTED, AUTHORIZED"),
        ("transaction list --type LOAN", "TOPUP, WITHDRAWAL"),
        ("transaction list --stuck soon", "such as 1h30m"),
        ("account show acc-1 acc-2", "unexpected argument 'acc-2'"),
        ("send", "<FILE>"),
        ("schema table", "command, event, reply"),
        ("demo --accounts 0", "0 is not in"),
        ("demo --dir here --brokers there:1", "cannot be used with"),
        ("config check --timeout soon", "unexpected argument"),
    ] {
        let people = desk.run(&split(words));
        assert_eq!((people.code, people.output.as_str()), (2, ""), "{words}");
        assert!(people.errors.contains("Usage: ") || people.errors.contains("--help"), "{words}: {}", people.errors);
        // A command without its subcommand shows its help; any other fault is named.
        let says = |text: &str| text.contains(complaint) || text.contains("Commands:");
        assert!(says(&people.errors), "{words}: {}", people.errors);
        for program in [format!("--json {words}"), format!("{words} --json")] {
            let finished = desk.run(&split(&program));
            assert_eq!(finished.code, 2, "{program}");
            let (code, message) = told(&finished);
            assert_eq!(code, "USAGE", "{program}");
            assert!(says(&message), "{program}: {message}");
        }
    }
}

#[test]
fn a_bad_configuration_ends_every_command_with_78_and_all_of_its_faults() {
    let desk = Desk::new().with("BILLING__LOG__FORMAT", "xml");
    let file = desk.file("bad.toml", "[topics]\npartitions = 0\npartition = 3\n[http]\nlisten = '0.0.0.0:0'\n");
    let faults =
        ["topics.partitions", "topics.partition ", "http.listen", "log.format", "BILLING__LOG__FORMAT", "bad.toml"];
    for words in ["config check", "run", "demo", "topics check", "send -", "account show acc-1", "snapshots list"] {
        let words = [split(words), vec!["--config", &file]].concat();
        let people = desk.run(&words);
        assert_eq!((people.code, people.output.as_str()), (78, ""), "{words:?}: {}", people.errors);
        let program = desk.run(&[words.as_slice(), &["--json"]].concat());
        assert_eq!(program.code, 78, "{words:?}");
        let (code, message) = told(&program);
        assert_eq!(code, "BAD_CONFIGURATION");
        for fault in faults {
            assert!(people.errors.contains(fault) && message.contains(fault), "{words:?} names {fault}: {message}");
        }
    }
}

#[test]
fn a_good_configuration_is_shown_key_by_key_without_its_secrets() {
    let desk = Desk::new().with("BILLING__HTTP__TOKENS", "hunter2").with("BILLING__TOPICS__PARTITIONS", "6");
    let settings = lines(&desk.run(&["config", "check", "--json"]).expect_success());
    let of = |key: &str| settings.iter().find(|setting| setting["key"] == key).expect(key);
    assert_eq!(of("topics.partitions")["value"], "6");
    assert!(of("topics.partitions")["origin"].as_str().unwrap().contains("BILLING__TOPICS__PARTITIONS"));
    assert_eq!(
        (&of("topics.prefix")["value"], &of("topics.prefix")["origin"]),
        (&json!("billing-engine"), &json!("default"))
    );
    let table = desk.run(&["config", "check"]).expect_success();
    assert_eq!(table.lines().count(), settings.len() + 1, "a header and a line a key:\n{table}");
    assert!(table.contains("http.tokens") && !table.contains("hunter2"), "{table}");
    assert!(!of("http.tokens").to_string().contains("hunter2"));
}

#[test]
fn the_schemas_are_json_and_need_no_configuration() {
    let desk = Desk::new().with("BILLING__TOPICS__PARTITIONS", "none");
    let transactions = "RequestTopup RequestWithdrawal RequestTransfer RequestPayment RequestRefund AuthorizePayment \
        CapturePayment VoidPayment";
    let accounts = "CreateAccount Credit Debit ChangeAccountStatus ChangeAccountLimits";
    let events = "AccountCreated BalanceChanged AccountStatusChanged AccountLimitsChanged HoldPlaced HoldCaptured \
        HoldReleased TopupRequested WithdrawalRequested TransferRequested PaymentRequested RefundRequested \
        AuthorizationRequested CaptureRequested VoidRequested LegPosted TopupCompleted WithdrawalCompleted \
        TransferCompleted PaymentCompleted RefundCompleted PaymentAuthorized PaymentVoided PaymentExpired \
        RefundReserved RefundSettled RefundReservationReleased TransactionFailed TransactionCompensated";
    let outcomes = "ACCEPTED REJECTED DUPLICATE COMPLETED FAILED COMPENSATED";
    for (subject, names) in [
        ("command", format!("commandType aggregateId {accounts} {transactions}")),
        ("event", format!("eventType aggregateVersion {events}")),
        ("reply", format!("commandId status {outcomes} {accounts} {transactions}")),
    ] {
        let text = desk.run(&["schema", subject]).expect_success();
        let schema: Value = serde_json::from_str(&text).expect(subject);
        assert!(schema["$schema"].as_str().unwrap().starts_with("https://json-schema.org/"), "{subject}");
        for name in split(&names) {
            assert!(text.contains(&format!("\"{name}\"")), "{name} is missing from the schema of a {subject}");
        }
        assert_eq!(desk.run(&["schema", subject, "--json"]).expect_success(), text);
    }
}

#[test]
fn without_a_broker_a_tool_gives_up_in_time_and_says_so() {
    let desk = Desk::new().with("BILLING__KAFKA__BROKERS", NO_BROKER);
    let file = desk.file("commands.jsonl", "{}\n");
    for words in [
        "topics ensure",
        "topics check",
        "topics describe",
        "account show acc-1",
        "account history acc-1",
        "account balance acc-1",
        "transaction show t-1",
        "transaction list",
    ] {
        assert_unanswered(&desk, &split(words));
    }
    assert_unanswered(&desk, &["send", &file]);
    assert_unanswered(&desk, &["send", &file, "--wait"]);
}

fn assert_unanswered(desk: &Desk, words: &[&str]) {
    let started = std::time::Instant::now();
    let finished = desk.run(&[words, &["--timeout", "1", "--json"]].concat());
    assert_eq!(finished.code, 1, "{words:?}: {}", finished.errors);
    let (code, message) = told(&finished);
    assert!(!code.is_empty() && message.contains("within 1 s"), "{words:?}: {message}");
    assert!(started.elapsed() < Duration::from_secs(20), "{words:?} took {:?}", started.elapsed());
}

/// `run` without a broker, and the port it listens on once it does.
fn start_waiting(desk: Desk) -> (Desk, Process, u16) {
    let port = ports::free();
    let desk =
        desk.with("BILLING__KAFKA__BROKERS", NO_BROKER).with("BILLING__HTTP__LISTEN", format!("127.0.0.1:{port}"));
    let engine = Process::start("engine", &desk.command(&["run"]), &desk.path().join("log"));
    wait::until("a sign of life", LIMIT, || http::get(port, "/healthz/live").filter(|answer| answer.status == 200));
    (desk, engine, port)
}

#[test]
fn an_engine_without_a_broker_waits_says_so_and_ends_in_order() {
    let (_desk, mut engine, port) = start_waiting(Desk::new());
    let ready = http::get(port, "/healthz/ready").unwrap();
    assert_eq!(ready.status, 503);
    let readiness: Value = serde_json::from_str(&ready.body).unwrap();
    assert!(readiness["waitingFor"].as_str().unwrap().contains(NO_BROKER), "{readiness}");
    wait::until_true("the log to name the broker", LIMIT, || engine.output().contains(NO_BROKER));
    assert!(http::get(port, "/metrics").unwrap().body.contains("billing_build_info{version="));
    assert_eq!(engine.exit_code(), None, "it waits, it does not give up");
    engine.signal(Signal::SIGTERM);
    assert_eq!(engine.wait(LIMIT), 0);
}

#[test]
fn chaos_is_served_only_when_it_is_enabled_and_only_to_those_with_a_token() {
    let (_desk, _engine, port) = start_waiting(Desk::new());
    assert_eq!(http::post(port, "/chaos/kill").unwrap().status, 404);
    let desk = Desk::new().with("BILLING__CHAOS__ENABLED", "true").with("BILLING__HTTP__TOKENS", "open-sesame");
    let (_desk, _engine, port) = start_waiting(desk);
    assert_eq!(http::post(port, "/chaos/kill").unwrap().status, 401);
}

#[test]
fn what_is_sent_to_an_embedded_log_is_worked_on_by_the_demo_and_can_be_looked_at() {
    let desk = Desk::new();
    let log = desk.path().join("log").to_str().unwrap().to_owned();
    let commands = r#"{"commandType":"CreateAccount","commandId":"c-1","aggregateId":"acc-1","data":{"ownerId":"o","ownerType":"customer","accountType":"USER","currency":"USD"}}
{"commandType":"Credit","commandId":"c-2","aggregateId":"acc-1","data":{"amount":"5.00","currency":"USD","reason":"Topup"}}
"#;
    let sent = desk.feed(&["send", "-", "--dir", &log, "--json"], commands).expect_success();
    assert_eq!(lines(&sent), [json!({ "sent": 2 })]);

    let demo = ["demo", "--dir", &log, "--accounts", "20", "--commands", "2000", "--kills", "3", "--json"];
    assert_demo_is_green(&lines(&desk.run(&demo).expect_success())[0]);

    let shown = lines(&desk.run(&["account", "show", "acc-1", "--dir", &log, "--json"]).expect_success());
    let expected = json!({
        "accountId": "acc-1", "version": 2, "ownerId": "o", "ownerType": "customer", "accountType": "USER",
        "currency": "USD", "status": "ACTIVE", "balance": "5.00", "available": "5.00",
        "minBalance": null, "maxBalance": null, "holds": [],
    });
    assert_eq!(shown, [expected]);
    let history = lines(&desk.run(&["account", "history", "acc-1", "--dir", &log, "--json"]).expect_success());
    let steps: Vec<_> = history.iter().map(|event| (&event["eventType"], &event["aggregateVersion"])).collect();
    assert_eq!(steps, [(&json!("AccountCreated"), &json!(1)), (&json!("BalanceChanged"), &json!(2))]);
    let table = desk.run(&["account", "show", "acc-1", "--dir", &log]).expect_success();
    assert!(table.contains("5.00 USD") && table.contains("ACTIVE"), "{table}");

    let nobody = desk.run(&["account", "show", "acc-2", "--dir", &log, "--json"]);
    assert_eq!((nobody.code, told(&nobody).0.as_str()), (1, "NOT_FOUND"));
}

fn assert_demo_is_green(found: &Value) {
    assert_eq!(found["ok"], true, "{found}");
    let count = |name: &str| found["commands"][name].as_u64().expect(name);
    assert_eq!(count("accepted") + count("rejected") + count("duplicate") + count("deadLettered"), 2_020);
    // Who dies last may not be needed again.
    let (kills, restarts) = (found["kills"].as_u64().unwrap(), found["restarts"].as_u64().unwrap());
    assert!(kills == 3 && (1..=kills).contains(&restarts), "{found}");
    assert!(found["perSecond"].as_f64().unwrap() > 0.0);
    assert!(found["latencyMs"]["p50"].as_f64().unwrap() <= found["latencyMs"]["p99"].as_f64().unwrap());
    let checks = found["checks"].as_array().unwrap();
    assert!(
        checks.len() >= 4 && checks.iter().all(|check| check["ok"] == true && check["detail"].is_string()),
        "{found}"
    );
}
