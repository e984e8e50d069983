//! How tools reach a log: a Kafka, or the directory of an embedded log, within a bounded time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, read_side, setup};
use crate::config::Config;
use crate::log::embedded::Embedded;
use crate::log::kafka::KafkaClient;
use crate::log::{Client, Subscription};
use crate::projection;

/// How long to try.
#[derive(clap::Args, Debug, Clone)]
pub struct Within {
    /// Give up after this many seconds without an answer of the log
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

impl Within {
    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Which log, and how long to try.
#[derive(clap::Args, Debug, Clone)]
pub struct Reach {
    /// How long to try.
    #[command(flatten)]
    pub within: Within,
    /// Use the embedded log of this directory (as kept by `demo --dir`) instead of Kafka
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Reach {
    /// Looking at an embedded log must not make one.
    ///
    /// # Errors
    /// There is none in the directory.
    pub fn must_exist(&self) -> Result<(), Failure> {
        match &self.dir {
            Some(dir) if !Embedded::is_in(dir) => {
                Err(Failure::not_found(format!("there is no embedded log in {}", dir.display())))
            }
            _ => Ok(()),
        }
    }

    /// A client of that log.
    ///
    /// # Errors
    /// A directory that is no embedded log or is in use, settings that librdkafka refuses.
    pub fn client(&self, config: &Config) -> Result<Arc<dyn Client>, Failure> {
        match &self.dir {
            Some(dir) => Ok(Embedded::open(dir, config.topics.partitions.get())?.client()),
            None => Ok(Arc::new(KafkaClient::new(setup::kafka_settings(config))?)),
        }
    }
}

impl Reach {
    /// What only reads that log, and is not joined.
    ///
    /// # Errors
    /// As [`Reach::client`].
    pub fn event_topics(&self, config: &Config) -> Result<Arc<dyn Subscription>, Failure> {
        match &self.dir {
            Some(dir) => Ok(Embedded::open(dir, config.topics.partitions.get())?.subscription(&projection::TOPICS)),
            None => Ok(Arc::new(read_side::subscription(config)?)),
        }
    }
}

/// Runs `work` on a runtime of its own; fails when the log does not answer within the time allowed.
///
/// # Errors
/// What `work` failed with, or that the time is over.
pub fn block_on<T>(within: &Within, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    run(in_time(within, work))
}

/// Runs `work` on a runtime of its own, however long it takes.
///
/// # Errors
/// What `work` failed with.
pub fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

/// What `work` answers, if it does in time.
///
/// # Errors
/// What `work` failed with, or that the time is over.
pub async fn in_time<T, E: Into<Failure>>(
    within: &Within,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(within.timeout(), work).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Failure::failed("TIMEOUT", format!("no answer of the log within {} s", within.timeout))),
    }
}
