//! How tools reach a log: a Kafka, or the directory of an embedded log, within a bounded time.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::config::Config;
use crate::log::Client;
use crate::log::embedded::Embedded;
use crate::log::kafka::KafkaClient;

/// Which log, and how long to try.
#[derive(clap::Args, Debug, Clone)]
pub struct Reach {
    /// Give up after this many seconds without an answer of the log
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Read the embedded log of this directory (as kept by `demo --dir`) instead of Kafka
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Reach {
    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// A client of that log.
    ///
    /// # Errors
    /// A directory that is no embedded log or is in use, settings that librdkafka refuses.
    pub fn client(&self, config: &Config) -> Result<Arc<dyn Client>, Failure> {
        match &self.dir {
            Some(dir) => Ok(Embedded::open(dir, config.topics.partitions.get())?.client()),
            None => Ok(KafkaClient::new(&config.kafka_settings())?),
        }
    }
}

/// Runs `work` on a runtime of its own; fails when the log does not answer within the time allowed.
///
/// # Errors
/// What `work` failed with, or that the time is over.
pub fn block_on<T>(reach: &Reach, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(reach.timeout(), work).await.unwrap_or_else(|_| {
            Err(Failure::failed("TIMEOUT", format!("no answer of the log within {} s", reach.timeout)))
        })
    })
}
