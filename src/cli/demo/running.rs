//! One engine of the demo: at work, asked for what it holds, and taken down.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cli::{Failure, setup};
use crate::config::Config;
use crate::engine::{Engine, Error, Request, Threads};
use crate::http::Health;
use crate::log::{Log, Spec};
use crate::metrics::Metrics;
use crate::partition::Inspection;
use crate::wire::message::Mail;

/// Requests that may wait for an engine.
const REQUESTS: usize = 64;

/// What both engines share.
pub struct Ground<'a> {
    /// As the operator has it.
    pub config: &'a Config,
    /// Where they count.
    pub metrics: Arc<Metrics>,
    /// Where they tell how they are.
    pub health: Health,
    /// Where their partitions live.
    pub threads: Threads,
}

/// An engine that has been started.
pub struct Running<A: Mail> {
    /// Where it is asked for something.
    pub requests: mpsc::Sender<Request<A>>,
    ended: JoinHandle<Result<(), Error>>,
}

impl<A: Mail> Running<A> {
    /// Starts the engine of these aggregates on their view of the log.
    pub fn start(ground: &Ground<'_>, spec: Spec, log: Arc<dyn Log>) -> Self {
        let Ground { config, metrics, health, threads } = ground;
        let (requests, inbox) = mpsc::channel(REQUESTS);
        let settings = setup::partition_settings(config, spec);
        let engine = Engine::<A>::new(log, settings, BTreeMap::new(), metrics.clone(), health.clone(), threads.clone());
        Running { requests, ended: actix::spawn(engine.run(inbox)) }
    }

    /// What its actors hold, once it is at rest.
    pub async fn inspect(&self) -> Vec<Inspection<A>> {
        let (answer, inspections) = oneshot::channel();
        self.requests.send(Request::Inspect(answer)).await.ok();
        inspections.await.unwrap_or_default()
    }

    /// Takes it down in order.
    ///
    /// # Errors
    /// What had ended it before.
    pub async fn stop(self) -> Result<(), Failure> {
        self.requests.send(Request::Shutdown).await.ok();
        match self.ended.await {
            Ok(ended) => ended.map_err(|error| Failure::failed("ENGINE", error.to_string())),
            Err(error) => Err(Failure::failed("ENGINE", error.to_string())),
        }
    }
}
