use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;

use super::*;

const OWNED: [(&str, &str); 1] = [("enable.idempotence", "exactly-once rests on it")];

/// A directory with a user's file in it.
fn file(text: &str) -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("billing.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    let (_dir, path) = file(text);
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), variables, &OWNED)
}

fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<Fault> {
    load(text, variables).expect_err("the configuration is wrong")
}

fn keys(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.key.as_str()).collect()
}

#[test]
fn the_defaults_alone_are_sound_and_as_the_contract_names_them() {
    let config = Config::load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(config.kafka.brokers, "localhost:9092");
    assert_eq!(config.kafka.group_protocol, GroupProtocol::Classic);
    assert_eq!(config.kafka.session_timeout, Duration::from_secs(30));
    assert_eq!(config.kafka.options, Options::default());
    assert_eq!(config.topics.prefix, "billing-engine");
    assert_eq!(config.topics.partitions.get(), 3);
    assert_eq!(config.topics.replication_factor.get(), 1);
    assert_eq!(config.topics.events_retention.as_millis(), 31_536_000_000);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8090");
    assert_eq!(config.idempotency.window.get(), 256);
    assert_eq!(config.limits.message_bytes.get(), 10_485_760);
    assert_eq!(config.data_dir.as_deref(), Some(Path::new("data")));
    assert_eq!(config.actors.max_resident.get(), 100_000);
    assert_eq!(config.actors.idle_timeout, Duration::from_mins(10));
    assert_eq!(config.snapshots.interval, Duration::from_secs(30));
    assert_eq!(config.snapshots.every_events.get(), 500_000);
    assert!(config.snapshots.topic);
    assert_eq!(config.snapshots.cache_bytes.get(), 64 << 20);
    assert_eq!(config.transactions.max_open.get(), 10_000);
    assert_eq!(config.transactions.default_hold, Duration::from_hours(7 * 24));
    let decimals = [("BTC", 8), ("EUR", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3), ("POINTS", 0), ("USD", 2)];
    assert!(config.currencies.iter().map(|(code, decimals)| (code.as_str(), *decimals)).eq(decimals));
    assert_eq!(config.instance_id, gethostname::gethostname().to_string_lossy());
}

#[test]
fn every_key_of_the_defaults_is_read_and_explained_in_a_comment_above_it() {
    let mut explained = false;
    for line in DEFAULTS.lines() {
        let starts_something = line.starts_with('[') || line.contains(" = ") && !line.starts_with('#');
        let in_currencies = line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_uppercase()));
        let section_with_keys = line.starts_with('[') && line != "[kafka.options]" && line != "[currencies]";
        assert!(!starts_something || in_currencies || section_with_keys || explained, "no comment above: {line}");
        explained = line.starts_with('#');
    }
    assert!(load(DEFAULTS, &[]).is_ok(), "a copy of the defaults is a sound file, so each of its keys is read");
}

#[test]
fn the_file_lies_over_the_defaults_and_the_environment_over_both() {
    let text = "topics.partitions = 6\ntopics.prefix = 'from-file'\nkafka.options.client.rack = 'a'";
    let variables = [
        ("BILLING__TOPICS__PREFIX", "from-env"),
        ("BILLING__KAFKA__OPTIONS__SASL_PASSWORD", "hunter2"),
        ("BILLING__KAFKA__OPTIONS__SASL_OAUTHBEARER_ASSERTION__FILE", "/jwt"),
        ("BILLING__INSTANCE_ID", "engine-1"),
        ("BILLING_TEST_KAFKA", "of no concern"),
    ];
    let config = load(text, &variables).unwrap();
    assert_eq!((config.topics.partitions.get(), config.topics.prefix.as_str()), (6, "from-env"));
    assert_eq!(config.instance_id, "engine-1");
    let options: Vec<_> = config.kafka.options.iter().collect();
    let expected = [("client.rack", "a"), ("sasl.oauthbearer.assertion.file", "/jwt"), ("sasl.password", "hunter2")];
    assert_eq!(options, expected);
    let origin = |key: &str| config.effective().iter().find(|setting| setting.key == key).unwrap().origin.clone();
    assert_eq!(origin("topics.prefix"), "environment BILLING__TOPICS__PREFIX");
    assert!(origin("topics.partitions").ends_with("billing.toml"));
    assert_eq!(origin("log.level"), "default");
}

#[test]
fn a_table_of_currencies_replaces_the_default_one_and_a_variable_adds_to_it() {
    let config = load("[currencies]\nXTS = 4", &[]).unwrap();
    assert_eq!(config.currencies, BTreeMap::from([("XTS".into(), 4)]));
    let config = load("", &[("BILLING__CURRENCIES__XTS", "4")]).unwrap();
    assert_eq!((config.currencies.len(), config.currencies["XTS"]), (8, 4));
    assert_eq!(keys(&faults("[currencies]", &[])), ["currencies"]);
}

#[test]
fn lists_and_numbers_may_be_written_as_toml_or_as_text() {
    let config =
        load("http.tokens = ['a', 'b']\nkafka.brokers = ['k1:1', 'k2:2']\ntopics.partitions = '6'", &[]).unwrap();
    assert_eq!(config.http.tokens.iter().map(Secret::expose).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.kafka.brokers, "k1:1,k2:2");
    assert_eq!(config.topics.partitions.get(), 6);
}

#[test]
fn a_value_can_be_read_from_a_file_in_every_layer() {
    let (dir, secret) = file("hunter2\r\n");
    let path = secret.to_str().unwrap();
    let config = load(&format!("[kafka.options]\nsasl.password_file = '{path}'"), &[]).unwrap();
    assert_eq!(config.kafka.options.iter().collect::<Vec<_>>(), [("sasl.password", "hunter2")]);
    let variables = [("BILLING__KAFKA__OPTIONS__SASL_PASSWORD_FILE", path), ("BILLING__HTTP__TOKENS_FILE", path)];
    let config = load("kafka.options.sasl.password = 'other'\nhttp.tokens = ['other']", &variables).unwrap();
    assert_eq!(config.kafka.options.iter().collect::<Vec<_>>(), [("sasl.password", "hunter2")]);
    assert_eq!(config.http.tokens[0].expose(), "hunter2");
    drop(dir);
    let faults = faults("", &variables);
    assert_eq!(keys(&faults), ["http.tokens_file", "kafka.options.sasl.password_file"]);
}

#[test]
fn an_engine_without_a_data_dir_keeps_no_snapshots_of_its_own() {
    assert_eq!(load("data_dir = ''", &[]).unwrap().data_dir, None);
    let config = load("", &[("BILLING__DATA_DIR", "/var/lib/billing")]).unwrap();
    assert_eq!(config.data_dir.as_deref(), Some(Path::new("/var/lib/billing")));
}

#[test]
fn a_value_and_its_file_in_one_layer_contradict_each_other() {
    let (_dir, secret) = file("a");
    let faults = faults(&format!("http.tokens = ['b']\nhttp.tokens_file = '{}'", secret.display()), &[]);
    assert_eq!(keys(&faults), ["http.tokens_file"]);
}

/// One fault a key.
const FAULTS: &str = "
        cafe = 1
        data_dir = \"a\\u0000\"
        instance_id = 'ä'
        [kafka]
        brokers = 'localhost'
        group_protocol = 'modern'
        session_timeout = 30
        [kafka.options]
        enable.idempotence = false
        [topics]
        prefix = 'a b'
        partitions = 0
        replication_factor = -1
        min_insync_replicas = 1.5
        partition = 3
        events_retention = '1y'
        [http]
        listen = 'localhost:8090'
        tokens = ['a b ä']
        [currencies]
        usd = 2
        EUR = 11
        [limits]
        message_bytes = '10MB'
        [actors]
        max_resident = 0
        idle_timeout = '10ms'
        [snapshots]
        interval = '10'
        every_events = 0
        topic = 'maybe'
        cache_bytes = '0'
        [log]
        format = true
        level = 'loud'
        [chaos]
        enabled = 'yes'
    ";

#[test]
fn each_kind_of_fault_is_found_and_all_of_them_at_once() {
    let found = faults(FAULTS, &[("BILLING__PARTITION__BATCH_RECORDS", "many"), ("BILLING__SNAPSHOT__EVERY", "1")]);
    let expected = [
        "actors.idle_timeout",
        "actors.max_resident",
        "cafe",
        "chaos.enabled",
        "currencies.EUR",
        "currencies.usd",
        "data_dir",
        "http.listen",
        "http.tokens",
        "instance_id",
        "kafka.brokers",
        "kafka.group_protocol",
        "kafka.options.enable.idempotence",
        "kafka.session_timeout",
        "limits.message_bytes",
        "log.format",
        "log.level",
        "partition.batch_records",
        "snapshot.every",
        "snapshots.cache_bytes",
        "snapshots.every_events",
        "snapshots.interval",
        "snapshots.topic",
        "topics.events_retention",
        "topics.min_insync_replicas",
        "topics.partition",
        "topics.partitions",
        "topics.prefix",
        "topics.replication_factor",
    ];
    assert_eq!(keys(&found), expected);
    let said = |key: &str| found.iter().find(|fault| fault.key == key).unwrap().to_string();
    assert!(said("topics.partition").contains("known there: topics.events_retention, topics.min_insync"));
    assert!(said("snapshot.every").contains("environment BILLING__SNAPSHOT__EVERY"));
    assert!(said("kafka.options.enable.idempotence").contains("exactly-once rests on it"));
    assert!(said("topics.partitions").contains("= \"0\""));
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line_beside_the_faults_of_the_environment() {
    let found = faults("[log]\nlevel = 'info'\nsasl.password = 'hunter2\n", &[("BILLING__LOG__FORMAT", "xml")]);
    assert_eq!(keys(&found), ["line 3", "log.format"]);
    assert!(!format!("{found:?}").contains("hunter2"), "the excerpt could hold a secret");
}

#[test]
fn a_file_that_is_not_there_is_a_fault() {
    let found = Config::load(Some(Path::new("/no/such/file")), std::iter::empty(), &[]).unwrap_err();
    assert_eq!(keys(&found), ["/no/such/file"]);
}

#[test]
fn values_that_are_right_alone_can_be_wrong_together() {
    assert_eq!(keys(&faults("http.listen = '0.0.0.0:8090'", &[])), ["http.listen"]);
    assert!(load("http.listen = '0.0.0.0:8090'\nhttp.tokens = ['secret']", &[]).is_ok());
    assert!(load("http.listen = '[::1]:8090'", &[]).is_ok());
    assert_eq!(keys(&faults("topics.min_insync_replicas = 2", &[])), ["topics.min_insync_replicas"]);
    assert_eq!(keys(&faults("topics.replication_factor = 3", &[])), ["topics.min_insync_replicas"]);
    assert!(load("topics.replication_factor = 3\ntopics.min_insync_replicas = 2", &[]).is_ok());
    let wrong_alone = faults("topics.replication_factor = 'x'\ntopics.min_insync_replicas = 2", &[]);
    assert_eq!(keys(&wrong_alone), ["topics.replication_factor"], "no second fault follows from a first");
}

#[test]
fn no_secret_is_shown_anywhere() {
    let text = "http.tokens = ['hunter2']
        [kafka.options]
        sasl.password = 'hunter2'
        ssl.key.password = 'hunter2'
        ssl.key.pem = 'hunter2'
        sasl.oauthbearer.client.secret = 'hunter2'
        sasl.oauthbearer.token.endpoint.url = 'https://me:hunter2@idp'
        sasl.username = 'billing'";
    let config = load(text, &[]).unwrap();
    let shown = format!("{config:?} {}", serde_json::to_string(config.effective()).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("sasl.username\": \"billing") && shown.contains("\"value\":\"billing\""), "{shown}");
    let found = faults("http.tokens = ['hunter2;']", &[]);
    assert!(!format!("{found:?}{}", found[0]).contains("hunter2"));
}

#[test]
fn what_is_in_effect_is_told_key_by_key() {
    let config = load("topics.partitions = 6", &[]).unwrap();
    let keys: BTreeSet<&str> = config.effective().iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(keys.len(), config.effective().len());
    assert!(keys.contains("topics.partitions") && keys.contains("currencies.USD") && keys.contains("instance_id"));
}

#[test]
fn at_least_one_transaction_is_under_way_and_money_is_held_for_a_second_or_longer() {
    let config = load("[transactions]\nmax_open = 1\ndefault_hold = '1s'", &[]).unwrap();
    assert_eq!((config.transactions.max_open.get(), config.transactions.default_hold), (1, Duration::from_secs(1)));
    let wrong = faults("[transactions]\nmax_open = 0\ndefault_hold = '999ms'\nmax_hold = '1d'", &[]);
    assert_eq!(keys(&wrong), ["transactions.default_hold", "transactions.max_hold", "transactions.max_open"]);
}

#[test]
fn a_duration_elsewhere_is_written_as_in_a_setting() {
    assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
    assert!(duration("soon").unwrap_err().contains("such as 1h30m"));
}
