//! What the engine is told before it starts, checked as a whole.
//!
//! Three layers: `config.toml`, which is compiled in and documents every key; the file the user names; variables
//! `BILLING__SECTION__KEY`. All that is wrong is answered at once, and nothing that is secret is ever shown.

mod fault;
mod layers;
mod parse;
mod reader;
mod secret;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::Level;

pub use fault::Fault;
pub use reader::Effective;
pub use secret::{Options, Secret};

use fault::Wrong;
use layers::{Layers, Origin};
use reader::Reader;

/// The layer under all others, and the documentation of every key.
pub const DEFAULTS: &str = include_str!("../../config.toml");

const MIB: usize = 1 << 20;
const MOST_PARTITIONS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");
const MOST_COUNTED: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("not zero");
const MOST_RESIDENT: NonZeroUsize = NonZeroUsize::new(1_000_000_000).expect("not zero");
const MOST_EVENTS: NonZeroU64 = NonZeroU64::new(1_000_000_000_000).expect("not zero");
const DAY: Duration = Duration::from_hours(24);
const LONGEST_HOLD: Duration = Duration::from_hours(24 * 365 * 10);
/// Kafka allows 249 characters in all; this is the longest name that follows.
const LONGEST_PREFIX: usize = 249 - ".dead-letters.redriven".len();

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this engine among those of its groups.
    pub instance_id: String,
    /// Where snapshots are kept; `None` when they are not.
    pub data_dir: Option<PathBuf>,
    /// How to reach the brokers.
    pub kafka: Kafka,
    /// What topics are called and how they are made.
    pub topics: Topics,
    /// The listener.
    pub http: Http,
    /// Decimals by currency code.
    pub currencies: BTreeMap<String, u32>,
    /// What accounts remember of their commands.
    pub idempotency: Idempotency,
    /// What is refused for its size.
    pub limits: Limits,
    /// How much a partition takes at once.
    pub partition: Partition,
    /// Which aggregates stay in memory.
    pub actors: Actors,
    /// When snapshots are written, and where to.
    pub snapshots: Snapshots,
    /// Where rows for queries are kept.
    pub read_store: ReadStore,
    /// What transactions may take.
    pub transactions: Transactions,
    /// What is told while it runs, and how.
    pub log: Log,
    /// Faults on request.
    pub chaos: Chaos,
    effective: Vec<Effective>,
}

/// Section `[kafka]`.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Comma-separated `host:port`.
    pub brokers: String,
    /// The protocol of group membership.
    pub group_protocol: GroupProtocol,
    /// Silence after which a member counts as dead.
    pub session_timeout: Duration,
    /// Passed through to librdkafka.
    pub options: Options,
}

/// How members of a group find out what is theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupProtocol {
    /// The members' leader assigns.
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
}

/// Section `[topics]`.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Begins the names of all topics, groups and transactional ids.
    pub prefix: String,
    /// Of every topic.
    pub partitions: NonZeroU32,
    /// Of every topic that is created.
    pub replication_factor: NonZeroU16,
    /// Never more than `replication_factor`.
    pub min_insync_replicas: NonZeroU16,
    /// `retention.ms` of the event topics.
    pub events_retention: Duration,
}

/// Section `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// Loopback, unless there are tokens.
    pub listen: SocketAddr,
    /// Any of them opens what is protected.
    pub tokens: Vec<Secret>,
}

/// Section `[idempotency]`.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Accepted commands an account remembers.
    pub window: NonZeroUsize,
}

/// Section `[limits]`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of the value of a command.
    pub message_bytes: NonZeroUsize,
}

/// Section `[partition]`.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Of one transaction.
    pub batch_records: NonZeroUsize,
    /// Of one transaction.
    pub batch_bytes: NonZeroUsize,
    /// Of each of the two inputs.
    pub intake_bytes: NonZeroUsize,
}

/// Section `[actors]`.
#[derive(Clone, Debug)]
pub struct Actors {
    /// Of one partition.
    pub max_resident: NonZeroUsize,
    /// Without a command.
    pub idle_timeout: Duration,
}

/// Section `[snapshots]`.
#[derive(Clone, Debug)]
pub struct Snapshots {
    /// Between the beginnings of two checkpoints.
    pub interval: Duration,
    /// Of one partition, after which a checkpoint does not wait for the interval.
    pub every_events: NonZeroU64,
    /// Whether they are written to the snapshots topic as well.
    pub topic: bool,
    /// Of those on this machine, in memory.
    pub cache_bytes: NonZeroUsize,
}

/// Section `[read_store]`.
#[derive(Clone, Debug)]
pub struct ReadStore {
    /// Its address; `None` when there is no read side.
    pub url: Option<Secret>,
    /// Of one batch, more or less.
    pub batch_events: NonZeroUsize,
    /// How long the first event of a batch waits for others.
    pub batch_age: Duration,
    /// How long a query waits for a version it asks for.
    pub wait: Duration,
}

/// Section `[transactions]`.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// Under way in one partition, from which on it takes no more commands.
    pub max_open: NonZeroUsize,
    /// Of an authorization that names no end.
    pub default_hold: Duration,
}

/// Section `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// Of a line on stderr.
    pub format: LogFormat,
    /// The least that is told.
    pub level: Level,
}

/// What a log line looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Section `[chaos]`.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// Whether actors may be killed on request.
    pub enabled: bool,
}

impl Config {
    /// Lays the user's file and the environment over the defaults and checks the whole. `owned` names the options
    /// of librdkafka that are not the user's to set, each with the reason.
    ///
    /// # Errors
    /// All faults, in the order of their keys.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        owned: &[(&str, &str)],
    ) -> Result<Config, Vec<Fault>> {
        let mut defaults = Layers::default();
        defaults.lay_toml(DEFAULTS, &Origin::Default);
        let mut layers = Layers { settings: defaults.settings.clone(), faults: defaults.faults };
        if let Some(path) = file {
            layers.lay_file(path);
        }
        layers.lay_environment(environment);
        let mut reader = Reader::new(defaults.settings, layers);
        let config = Config::read(&mut reader, owned);
        config.cross_check(&mut reader);
        let effective = reader.finish()?;
        Ok(Config { effective, ..config })
    }

    /// Every setting in effect, in the order of the keys, secrets hidden.
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    fn read(from: &mut Reader, owned: &[(&str, &str)]) -> Config {
        Config {
            instance_id: from.instance_id(),
            data_dir: from.value("data_dir", parse::directory),
            kafka: Kafka::read(from, owned),
            topics: Topics::read(from),
            http: Http {
                listen: from.value("http.listen", parse::socket_address),
                tokens: from.value("http.tokens", parse::tokens).into_iter().map(Secret::new).collect(),
            },
            currencies: from.currencies(),
            idempotency: Idempotency { window: from.value("idempotency.window", count) },
            limits: Limits { message_bytes: from.value("limits.message_bytes", |text| parse::size(text, 10 * MIB)) },
            partition: Partition {
                batch_records: from.value("partition.batch_records", count),
                batch_bytes: from.value("partition.batch_bytes", |text| parse::size(text, 1024 * MIB)),
                intake_bytes: from.value("partition.intake_bytes", |text| parse::size(text, 1024 * MIB)),
            },
            actors: Actors {
                max_resident: from
                    .value("actors.max_resident", |text| parse::number(text, NonZeroUsize::MIN..=MOST_RESIDENT)),
                idle_timeout: from
                    .value("actors.idle_timeout", |text| parse::duration(text, Duration::from_secs(1)..=365 * DAY)),
            },
            snapshots: Snapshots {
                interval: from
                    .value("snapshots.interval", |text| parse::duration(text, Duration::from_millis(100)..=DAY)),
                every_events: from
                    .value("snapshots.every_events", |text| parse::number(text, NonZeroU64::MIN..=MOST_EVENTS)),
                topic: from.value("snapshots.topic", parse::switch),
                cache_bytes: from.value("snapshots.cache_bytes", |text| parse::size(text, 1024 * MIB)),
            },
            read_store: ReadStore::read(from),
            transactions: Transactions {
                max_open: from.value("transactions.max_open", count),
                default_hold: from.value("transactions.default_hold", |text| {
                    parse::duration(text, Duration::from_secs(1)..=LONGEST_HOLD)
                }),
            },
            log: Log {
                format: from.value("log.format", |text| {
                    parse::choice(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                }),
                level: from.value("log.level", level),
            },
            chaos: Chaos { enabled: from.value("chaos.enabled", parse::switch) },
            effective: Vec::new(),
        }
    }

    /// What is right alone and wrong together.
    fn cross_check(&self, reader: &mut Reader) {
        let Topics { replication_factor: copies, min_insync_replicas: in_sync, .. } = self.topics;
        if in_sync > copies {
            reader.refuse(
                "topics.min_insync_replicas",
                &["topics.replication_factor"],
                Wrong::new(
                    format!("is more than the {copies} copies there are"),
                    "lower it, or raise topics.replication_factor",
                ),
            );
        }
        if copies.get() >= 3 && in_sync.get() < 2 {
            reader.refuse(
                "topics.min_insync_replicas",
                &["topics.replication_factor"],
                Wrong::new("lets one broker's death lose money in spite of three copies", "set it to 2 or more"),
            );
        }
        if !self.http.listen.ip().is_loopback() && self.http.tokens.is_empty() {
            reader.refuse(
                "http.listen",
                &["http.tokens"],
                Wrong::new("is reachable from outside without a token", "set http.tokens, or listen on 127.0.0.1"),
            );
        }
    }
}

impl Kafka {
    fn read(from: &mut Reader, owned: &[(&str, &str)]) -> Kafka {
        let patience = Duration::from_secs(6)..=Duration::from_mins(30);
        Kafka {
            brokers: from.value("kafka.brokers", parse::brokers),
            group_protocol: from.value("kafka.group_protocol", |text| {
                parse::choice(text, &[("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)])
            }),
            session_timeout: from.value("kafka.session_timeout", |text| parse::duration(text, patience.clone())),
            options: from.options(owned),
        }
    }
}

impl Topics {
    fn read(from: &mut Reader) -> Topics {
        let copies = |text: &str| parse::number(text, NonZeroU16::MIN..=NonZeroU16::MAX);
        let retention = Duration::from_hours(1)..=Duration::from_hours(24 * 365 * 1000);
        Topics {
            prefix: from.value("topics.prefix", |text| parse::kafka_name(text, LONGEST_PREFIX)),
            partitions: from.value("topics.partitions", |text| parse::number(text, NonZeroU32::MIN..=MOST_PARTITIONS)),
            replication_factor: from.value("topics.replication_factor", copies),
            min_insync_replicas: from.value("topics.min_insync_replicas", copies),
            events_retention: from.value("topics.events_retention", |text| parse::duration(text, retention.clone())),
        }
    }
}

impl ReadStore {
    fn read(from: &mut Reader) -> ReadStore {
        let age = Duration::from_millis(1)..=Duration::from_mins(1);
        ReadStore {
            url: from.value("read_store.url", parse::read_store).map(Secret::new),
            batch_events: from.value("read_store.batch_events", count),
            batch_age: from.value("read_store.batch_age", |text| parse::duration(text, age.clone())),
            wait: from.value("read_store.wait", |text| parse::duration(text, age.clone())),
        }
    }
}

/// The variables of this process. What is not UTF-8 is carried as far as it can be read.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// A duration as every setting has it (`1h30m`).
///
/// # Errors
/// What is none, and what to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse::duration(text, Duration::from_millis(1)..=LONGEST_HOLD).map_err(|wrong| wrong.remedy)
}

fn count(text: &str) -> Result<NonZeroUsize, Wrong> {
    parse::number(text, NonZeroUsize::MIN..=MOST_COUNTED)
}

fn level(text: &str) -> Result<Level, Wrong> {
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    parse::choice(text, &levels)
}

#[cfg(test)]
mod tests;
