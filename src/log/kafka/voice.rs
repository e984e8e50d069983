//! What librdkafka says, as tracing events.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use tracing::{debug, error, warn};

/// A broker that is away is said by every client every second; once in this time is enough.
const SILENCE: Duration = Duration::from_secs(30);

/// The voice of one client: what went wrong as a warning, but seldom; the rest for those who debug.
#[derive(Debug)]
pub(super) struct Voice {
    client: String,
    warned: Mutex<Option<Instant>>,
}

impl Voice {
    pub(super) fn new(client: impl Into<String>) -> Self {
        Voice { client: client.into(), warned: Mutex::new(None) }
    }

    fn may_warn(&self) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned.is_none_or(|at| at.elapsed() >= SILENCE);
        if due {
            *warned = Some(Instant::now());
        }
        due
    }
}

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = &self.client;
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                error!(client, facility, "{message}");
            }
            // An option for consumers is passed to producers too: that is how options work here.
            _ if facility == "CONFWARN" => debug!(client, facility, "{message}"),
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if self.may_warn() => {
                warn!(client, facility, "{message}");
            }
            _ => debug!(client, facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition arrives here too, and is none.
        if reason.contains("end of partition") {
            return;
        }
        let client = &self.client;
        if self.may_warn() {
            warn!(client, %error, "{reason}");
        } else {
            debug!(client, %error, "{reason}");
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Voice {}
