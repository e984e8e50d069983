//! Creates, checks and describes the engine's topics.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use tokio::runtime::{Builder, Runtime};

use super::faults::{Fault, Found, Remedy, faults};
use super::{Desired, Row, TABLE};
use crate::log::kafka::patience::{Patience, unavailable};
use crate::log::kafka::settings::Settings;
use crate::log::kafka::view::not_created;
use crate::log::kafka::voice::Voice;
use crate::log::kafka::worker::{Owned, Worker};
use crate::log::{Answer, Error};

/// What [`Admin::ensure`] changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The topic was not there.
    Created {
        /// Full name.
        topic: String,
        /// As created.
        partitions: u32,
    },
    /// An override was added; all others are as they were.
    Configured {
        /// Full name.
        topic: String,
        /// The configuration key.
        key: String,
        /// What held before.
        from: String,
        /// What holds now.
        to: String,
    },
}

/// Whether a topic is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It is.
    Present,
    /// It is not.
    Missing,
    /// It, or its configuration, may not be seen: that is not the same as being right.
    Unknown,
}

/// A topic as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Full name.
    pub topic: String,
    /// Whether it is there, as far as can be seen.
    pub presence: Presence,
    /// 0 unless it is present.
    pub partitions: u32,
    /// 0 unless it is present.
    pub replication_factor: u32,
    /// Every key that somebody set on this topic.
    pub overrides: BTreeMap<String, String>,
}

/// The administrator's view of the cluster, on a thread of its own.
pub struct Admin {
    worker: Worker<Result<Office, Error>>,
}

impl Admin {
    /// Nothing is asked yet. A call that nobody answers within `timeout` ends as [`Error::Unavailable`].
    pub fn new(settings: &Settings, desired: Desired, timeout: Duration) -> Admin {
        let settings = settings.clone();
        let open = move || Office::open(settings, desired, timeout);
        Admin { worker: Worker::start("topics".into(), open) }
    }

    /// Creates what is missing; on existing topics it only adds what prevents loss and keeps every other override.
    ///
    /// Kafka's old call for this replaces all overrides of a topic at once: what somebody else sets in the same
    /// moment may be lost.
    pub fn ensure(&self) -> Answer<Vec<Change>> {
        self.ask(Office::ensure)
    }

    /// All faults of all topics; none means that the engine may run.
    pub fn check(&self) -> Answer<Vec<Fault>> {
        self.ask(Office::check)
    }

    /// All topics of the table as they are.
    pub fn describe(&self) -> Answer<Vec<Description>> {
        self.ask(Office::describe)
    }

    fn ask<T: Send + 'static>(&self, work: fn(&Office) -> Result<T, Error>) -> Answer<T> {
        self.worker.ask(move |office| work(office.as_ref().map_err(Error::clone)?))
    }
}

impl Owned for Result<Office, Error> {}

struct Office {
    settings: Settings,
    desired: Desired,
    timeout: Duration,
    client: AdminClient<Voice>,
    runtime: Runtime,
}

/// One topic of the table as the cluster shows it.
struct Seen {
    row: &'static Row,
    name: String,
    found: Found,
    overrides: BTreeMap<String, Option<String>>,
}

impl Office {
    fn open(settings: Settings, desired: Desired, timeout: Duration) -> Result<Office, Error> {
        let client = settings
            .plain()
            .create_with_context(Voice::new("topics"))
            .map_err(|error| not_created("a client for topics", &error))?;
        let runtime = Builder::new_current_thread()
            .build()
            .map_err(|reason| Error::Refused { context: "starting a runtime".into(), reason: reason.to_string() })?;
        Ok(Office { settings, desired, timeout, client, runtime })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    fn look(&self) -> Result<Vec<Seen>, Error> {
        let names: Vec<_> = TABLE.iter().map(|row| row.topic.full_name(&self.settings.prefix)).collect();
        let patience = Patience::of(self.timeout);
        let mut seen = Vec::new();
        for (row, name) in TABLE.iter().zip(&names) {
            let found = patience.retry("the metadata", name, |timeout| self.metadata(name, timeout))?;
            seen.push(Seen { row, name: name.clone(), found, overrides: BTreeMap::new() });
        }
        let mut configs = self.configs(&names)?;
        for topic in &mut seen {
            let resource = configs.remove(&topic.name);
            topic.complete(resource.filter(|resource| !resource.entries.is_empty()));
        }
        Ok(seen)
    }

    fn metadata(&self, name: &str, timeout: Duration) -> KafkaResult<Found> {
        use RDKafkaRespErr::{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
        let metadata = self.client.inner().fetch_metadata(Some(name), timeout)?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return Ok(Found::Missing);
        };
        match topic.error() {
            None => Ok(Found::Topic {
                partitions: topic.partitions().len() as u32,
                replication_factor: topic.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0) as u32,
                configs: BTreeMap::new(),
            }),
            Some(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Ok(Found::Missing),
            Some(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => Ok(Found::Hidden),
            Some(error) => Err(KafkaError::MetadataFetch(error.into())),
        }
    }

    /// By topic; what may not be described comes back without entries.
    fn configs(&self, names: &[String]) -> Result<HashMap<String, ConfigResource>, Error> {
        let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answered = self
            .runtime
            .block_on(self.client.describe_configs(&asked, &self.options()))
            .map_err(|error| unavailable("the configuration", &self.settings.prefix, &error))?;
        let named = answered.into_iter().flatten().filter_map(|resource| match &resource.specifier {
            OwnedResourceSpecifier::Topic(name) => Some((name.clone(), resource)),
            _ => None,
        });
        Ok(named.collect())
    }

    fn check(&self) -> Result<Vec<Fault>, Error> {
        let seen = self.look()?;
        Ok(seen.iter().flat_map(|topic| self.faults(topic)).map(|(fault, _)| fault).collect())
    }

    fn faults(&self, topic: &Seen) -> Vec<(Fault, Remedy)> {
        faults(topic.row, &topic.name, &topic.found, &self.desired)
    }

    fn describe(&self) -> Result<Vec<Description>, Error> {
        Ok(self.look()?.into_iter().map(Seen::into_description).collect())
    }

    fn ensure(&self) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        for topic in self.look()? {
            let faults = self.faults(&topic);
            if faults.iter().any(|(_, remedy)| *remedy == Remedy::Create) {
                self.create(&topic)?;
                changes.push(Change::Created { partitions: topic.row.partitions(&self.desired), topic: topic.name });
                continue;
            }
            let added: Vec<_> = faults
                .into_iter()
                .filter_map(|(fault, remedy)| match remedy {
                    Remedy::Override(key, value) => Some((key, fault.found, value)),
                    Remedy::Create | Remedy::Person => None,
                })
                .collect();
            if added.is_empty() {
                continue;
            }
            self.add_overrides(&topic, &added)?;
            changes.extend(added.into_iter().map(|(key, from, to)| {
                let (topic, key) = (topic.name.clone(), key.to_owned());
                Change::Configured { topic, key, from, to }
            }));
        }
        if changes.iter().any(|change| matches!(change, Change::Created { .. })) {
            self.wait_until_all_are_seen()?;
        }
        Ok(changes)
    }

    /// A broker that has taken a topic may need a moment to hear of it.
    fn wait_until_all_are_seen(&self) -> Result<(), Error> {
        let patience = Patience::of(self.timeout);
        while let Some(unseen) = self.look()?.into_iter().find(|topic| matches!(topic.found, Found::Missing)) {
            patience.nap(|| Error::TopicMissing { topic: unseen.name })?;
        }
        Ok(())
    }

    fn create(&self, topic: &Seen) -> Result<(), Error> {
        let overrides = topic.row.overrides(&self.desired);
        let replication = TopicReplication::Fixed(self.desired.replication_factor.cast_signed());
        let mut new = NewTopic::new(&topic.name, topic.row.partitions(&self.desired).cast_signed(), replication);
        for (key, value) in &overrides {
            new = new.set(key, value);
        }
        let answered = self
            .runtime
            .block_on(self.client.create_topics([&new], &self.options()))
            .map_err(|error| unavailable("the creation", &topic.name, &error))?;
        match answered.into_iter().next() {
            // Somebody else was faster: it is there.
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            // Too few brokers, or those there are have only just started: that is for the patience of the caller.
            Some(Err((_, code @ RDKafkaErrorCode::InvalidReplicationFactor))) => {
                Err(Error::Unavailable(format!("creating {}: {code}", topic.name)))
            }
            Some(Err((_, code))) => Err(refused("creating", &topic.name, code)),
            None => Err(refused("creating", &topic.name, RDKafkaErrorCode::NoError)),
        }
    }

    fn add_overrides(&self, topic: &Seen, added: &[(&'static str, String, String)]) -> Result<(), Error> {
        let mut all = AlterConfig::new(ResourceSpecifier::Topic(&topic.name));
        for (key, value) in &topic.overrides {
            // Left out, it would be wiped.
            let Some(value) = value else {
                let context = format!("configuring {}", topic.name);
                return Err(Error::Refused { context, reason: format!("the value of its {key} is hidden") });
            };
            all = all.set(key, value);
        }
        for (key, _, value) in added {
            all = all.set(key, value);
        }
        let answered = self
            .runtime
            .block_on(self.client.alter_configs([&all], &self.options()))
            .map_err(|error| unavailable("the configuration", &topic.name, &error))?;
        match answered.into_iter().next() {
            Some(Err((_, code))) => Err(refused("configuring", &topic.name, code)),
            _ => Ok(()),
        }
    }
}

impl Seen {
    fn complete(&mut self, resource: Option<ConfigResource>) {
        let Found::Topic { configs, .. } = &mut self.found else { return };
        let Some(resource) = resource else {
            self.found = Found::Hidden;
            return;
        };
        for entry in resource.entries {
            if entry.source == ConfigSource::DynamicTopic {
                self.overrides.insert(entry.name.clone(), entry.value.clone());
            }
            if let Some(value) = entry.value {
                configs.insert(entry.name, value);
            }
        }
    }

    fn into_description(self) -> Description {
        let (presence, partitions, replication_factor) = match self.found {
            Found::Topic { partitions, replication_factor, .. } => (Presence::Present, partitions, replication_factor),
            Found::Missing => (Presence::Missing, 0, 0),
            Found::Hidden => (Presence::Unknown, 0, 0),
        };
        let overrides = self.overrides.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Description { topic: self.name, presence, partitions, replication_factor, overrides }
    }
}

fn refused(what: &str, topic: &str, code: RDKafkaErrorCode) -> Error {
    Error::Refused { context: format!("{what} {topic}"), reason: code.to_string() }
}
