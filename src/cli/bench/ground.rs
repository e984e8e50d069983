//! Topics of its own for every measurement, so that nothing of one weighs on the next.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::cli::reach::{self, Within};
use crate::cli::{Failure, setup, topics};
use crate::config::Config;
use crate::log::Topic;
use crate::log::kafka;

/// Fresh topics, and the settings that name them.
pub struct Ground {
    /// The user's, with the names of this measurement.
    pub config: Config,
    /// How Kafka is reached with them.
    pub kafka: kafka::Settings,
    within: Within,
}

impl Ground {
    /// Creates topics whose names begin with `prefix`.
    ///
    /// # Errors
    /// No broker, a topic that cannot be created.
    pub fn lay(config: &Config, prefix: String, within: &Within) -> Result<Self, Failure> {
        let mut config = config.clone();
        config.topics.prefix = prefix;
        let kafka = setup::kafka_settings(&config);
        topics::ensure_now(&config, &kafka, within)?;
        Ok(Ground { config, kafka, within: within.clone() })
    }

    /// The full name of one of its topics.
    pub fn name(&self, topic: Topic) -> String {
        topic.full_name(&self.config.topics.prefix)
    }

    /// Partitions of every topic.
    pub fn partitions(&self) -> u32 {
        self.config.topics.partitions.get()
    }

    /// How long to wait for answers.
    pub fn within(&self) -> &Within {
        &self.within
    }

    /// Deletes the topics, and with them the offsets of their groups.
    ///
    /// # Errors
    /// No broker, or it does not allow it.
    pub fn clear(self) -> Result<(), Failure> {
        let admin = setup::topics_admin(&self.config, &self.kafka, self.within.timeout());
        let client: AdminClient<DefaultClientContext> = self.kafka.plain().create().map_err(failed)?;
        reach::block_on(&self.within, async {
            let topics = admin.describe().await?;
            let names: Vec<&str> = topics.iter().map(|topic| topic.topic.as_str()).collect();
            client.delete_topics(&names, &AdminOptions::new()).await.map_err(failed)?;
            Ok(())
        })
    }
}

/// A call of librdkafka that a benchmark cannot do without.
pub fn failed(error: impl ToString) -> Failure {
    Failure::failed("KAFKA", error.to_string())
}
