//! The read side of a running engine: from the configuration to projections at work.

use std::sync::Arc;

use super::{Failure, setup};
use crate::config::Config;
use crate::http::Health;
use crate::log::Subscription;
use crate::log::kafka::KafkaSubscription;
use crate::metrics::Metrics;
use crate::projection::{self, GROUP, Pace, Plan, Projections, ReadStore, TOPICS};

/// Starts the projections, if there is a read store to keep up to date.
///
/// # Errors
/// An address that is none, settings that librdkafka refuses. A store that does not answer is waited for.
pub fn start(config: &Config, metrics: &Arc<Metrics>, health: &Health) -> Result<Option<Projections>, Failure> {
    let Some(url) = &config.read_store.url else { return Ok(None) };
    let store = projection::open(url.expose(), config.topics.partitions.get())?;
    Ok(Some(project(config, Arc::new(subscription(config)?), store, metrics, health)))
}

/// Starts projections from there into this store.
pub fn project(
    config: &Config,
    subscription: Arc<dyn Subscription>,
    store: Arc<dyn ReadStore>,
    metrics: &Arc<Metrics>,
    health: &Health,
) -> Projections {
    Projections::start(Plan {
        store,
        subscription,
        pace: pace(config),
        prefix: config.topics.prefix.clone(),
        partitions: config.topics.partitions.get(),
        metrics: metrics.clone(),
        watcher: Arc::new(health.clone()),
    })
}

/// Stops them in order, if there are any.
pub async fn stop(projections: Option<Projections>) {
    if let Some(projections) = projections {
        projections.stop().await;
    }
}

/// The event topics as the group of the read side has them.
///
/// # Errors
/// Settings that librdkafka refuses.
pub fn subscription(config: &Config) -> Result<KafkaSubscription, Failure> {
    Ok(KafkaSubscription::new(setup::kafka_settings(config), GROUP, &TOPICS)?)
}

/// When a batch is written.
pub fn pace(config: &Config) -> Pace {
    Pace { events: config.read_store.batch_events.get(), age: config.read_store.batch_age }
}
