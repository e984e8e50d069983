//! From the configuration to what the modules are built with.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::config::{Config, GroupProtocol};
use crate::domain::Rules;
use crate::domain::ids::Timestamp;
use crate::domain::money::Currency;
use crate::http::{Api, Feed};
use crate::log::Spec;
use crate::log::kafka::{self, Desired, KafkaClient};
use crate::metrics::{DiscardReason, Metrics};
use crate::partition::{self, Keep, Pace};
use crate::queries::Queries;
use crate::snapshots::{self, Store};

/// What decisions depend on.
pub fn rules(config: &Config) -> Rules {
    let currencies =
        config.currencies.iter().filter_map(|(code, decimals)| Currency::new(code, u8::try_from(*decimals).ok()?));
    Rules {
        currencies: currencies.collect(),
        idempotency_window: config.idempotency.window.get(),
        default_hold: config.transactions.default_hold,
    }
}

/// What the partitions of `spec` are run with.
pub fn partition_settings(config: &Config, spec: Spec) -> partition::Settings {
    let clock = Arc::new(|| Timestamp(jiff::Timestamp::now().as_millisecond()));
    let partitions = config.topics.partitions.get();
    let mut settings = partition::Settings::new(&config.topics.prefix, spec, partitions, rules(config), clock);
    settings.batch_records = config.partition.batch_records.get();
    settings.batch_bytes = config.partition.batch_bytes.get();
    settings.message_bytes = config.limits.message_bytes.get();
    settings.max_open = config.transactions.max_open.get();
    settings
}

/// What a running engine keeps in memory and what it saves.
pub fn keep(config: &Config) -> Keep {
    let Config { actors, snapshots, .. } = config;
    Keep {
        max_resident: actors.max_resident.get(),
        idle_timeout: actors.idle_timeout,
        pace: Pace { interval: snapshots.interval, every_events: snapshots.every_events.get() },
        topic: snapshots.topic,
    }
}

/// The snapshots of this machine, if it is to keep any.
///
/// # Errors
/// A directory that another engine has, or that cannot be used.
pub fn shelves(config: &Config, metrics: &Metrics) -> Result<Option<Arc<Store>>, snapshots::Error> {
    let Some(directory) = &config.data_dir else { return Ok(None) };
    let discarded = metrics.engine().snapshots_discarded.of(DiscardReason::Store).clone();
    let store = Store::open(directory, config.snapshots.cache_bytes, Box::new(move || discarded.increment(1)))?;
    Ok(Some(Arc::new(store)))
}

/// What `/api` is answered from.
///
/// # Errors
/// A read store whose address is none.
pub fn api(config: &Config) -> Result<Api, Failure> {
    let kafka = kafka_settings(config);
    let feed = Feed::new(config.topics.partitions.get(), move || Ok(Arc::new(KafkaClient::new(kafka.clone())?)));
    let prefix = config.topics.prefix.as_str().into();
    let queries = config.read_store.url.as_ref().map(|url| Queries::open(url.expose())).transpose();
    let queries = queries.map_err(|error| Failure::refused(error.to_string()))?;
    Ok(Api { queries, wait: config.read_store.wait, prefix, feed })
}

/// How Kafka is reached.
pub fn kafka_settings(config: &Config) -> kafka::Settings {
    kafka::Settings {
        brokers: config.kafka.brokers.clone(),
        options: config.kafka.options.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        prefix: config.topics.prefix.clone(),
        partitions: config.topics.partitions.get(),
        instance_id: config.instance_id.clone(),
        group_protocol: match config.kafka.group_protocol {
            GroupProtocol::Classic => kafka::GroupProtocol::Classic,
            GroupProtocol::Consumer => kafka::GroupProtocol::Consumer,
        },
        session_timeout: config.kafka.session_timeout,
        intake_bytes: config.partition.intake_bytes.get(),
    }
}

/// The administrator of the configured topics; each call is answered within `timeout`.
pub fn topics_admin(config: &Config, settings: &kafka::Settings, timeout: Duration) -> kafka::Admin {
    let desired = Desired {
        partitions: config.topics.partitions.get(),
        replication_factor: u32::from(config.topics.replication_factor.get()),
        min_insync_replicas: Some(u32::from(config.topics.min_insync_replicas.get())),
        events_retention: config.topics.events_retention,
    };
    kafka::Admin::new(settings, desired, timeout)
}
