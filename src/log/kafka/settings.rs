//! What each kind of client is told, as pure functions from [`Settings`].
//!
//! The user's options are laid over all of them, except the keys of [`OWNED_KEYS`]: those carry a promise.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::config::ClientConfig;

/// Where Kafka is and how the engine appears there.
#[derive(Clone)]
pub struct Settings {
    /// Bootstrap servers, comma-separated.
    pub brokers: String,
    /// Passed to librdkafka; keys of [`OWNED_KEYS`] are ignored, configuration refuses them before.
    pub options: BTreeMap<String, String>,
    /// Stem of topics, groups and transactional ids.
    pub prefix: String,
    /// Partitions of every topic.
    pub partitions: u32,
    /// Names this engine among its peers: the static member of the group.
    pub instance_id: String,
    /// How the group agrees on who owns what.
    pub group_protocol: GroupProtocol,
    /// After this long without a sign of life a member of the group is gone; with KIP-848 the broker's counts.
    pub session_timeout: Duration,
    /// Bytes a lane of a partition holds before its reader stops; up to half as much again may be under way.
    pub intake_bytes: usize,
}

/// How a consumer group agrees on who owns what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GroupProtocol {
    /// Every broker speaks it; the engine's session timeout counts.
    #[default]
    Classic,
    /// KIP-848, brokers from 4.0; the broker's session timeout counts.
    Consumer,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("prefix", &self.prefix)
            .field("partitions", &self.partitions)
            .field("instance_id", &self.instance_id)
            .field("group_protocol", &self.group_protocol)
            .field("session_timeout", &self.session_timeout)
            .field("intake_bytes", &self.intake_bytes)
            .finish()
    }
}

/// Keys of librdkafka that the engine sets itself, each with the reason why no option may change it.
pub const OWNED_KEYS: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is `kafka.brokers`"),
    ("metadata.broker.list", "it is `kafka.brokers`"),
    ("group.id", "it follows `topics.prefix`"),
    ("group.instance.id", "it follows `instance_id`"),
    ("group.protocol", "it is `kafka.group_protocol`"),
    ("partition.assignment.strategy", "a rebalance must leave the partitions alone that do not move"),
    ("enable.auto.commit", "offsets are committed with the events they caused, or not at all"),
    ("auto.commit.enable", "offsets are committed with the events they caused, or not at all"),
    ("enable.auto.offset.store", "offsets are committed with the events they caused, or not at all"),
    ("auto.offset.reset", "an automatic reset loses or doubles money"),
    ("isolation.level", "records of aborted transactions do not exist"),
    ("enable.partition.eof", "replay ends by it"),
    ("max.poll.interval.ms", "revocation is given a part of it"),
    ("transactional.id", "it is the fence between two owners of a partition"),
    ("transaction.timeout.ms", "a takeover without a fence would wait for it"),
    ("enable.idempotence", "exactly once needs it"),
    ("enable.gapless.guarantee", "a lost record must abort its transaction, not end the producer"),
    ("acks", "exactly once needs `all`"),
    ("request.required.acks", "exactly once needs `all`"),
    ("max.in.flight", "order needs at most five"),
    ("max.in.flight.requests.per.connection", "order needs at most five"),
    ("message.timeout.ms", "it is bound to the transaction's timeout"),
    ("delivery.timeout.ms", "it is bound to the transaction's timeout"),
    ("delivery.report.only.error", "a transaction ends when every record of it is reported"),
    ("message.max.bytes", "the limits of the topics are checked before a transaction begins"),
    ("partitioner", "it decides where an aggregate lives"),
    ("allow.auto.create.topics", "a topic with the broker's defaults loses events; `topics ensure` creates them"),
    ("test.mock.num.brokers", "it replaces Kafka"),
];

/// Records up to 12 MiB fit a topic; uncompressed and framed they may be a little larger.
const MESSAGE_MAX_BYTES: &str = "16777216";

/// Bytes of a request to write, below what a topic takes. An idempotent producer has one request a partition under way,
/// and its thread spins while more is due, so all records of a transaction for one partition are to fit.
const BATCH_BYTES: &str = "8000000";

impl Settings {
    /// Name of a consumer group: prefix, a dash, the group.
    pub fn group_name(&self, group: &str) -> String {
        format!("{}-{group}", self.prefix)
    }

    /// The transactional id of one partition of a group, the same for every owner it ever has.
    pub fn transactional_id(&self, group: &str, partition: u32) -> String {
        format!("{}-{group}-{partition}", self.prefix)
    }

    /// A client that only asks: metadata, topics.
    pub fn plain(&self) -> ClientConfig {
        let mut config = self.base();
        self.overlay(&mut config);
        config
    }

    /// The member of the group. It holds partitions and never reads one.
    pub fn membership(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        config.set("max.poll.interval.ms", "60000");
        match self.group_protocol {
            GroupProtocol::Classic => config
                .set("group.protocol", "classic")
                .set("group.instance.id", format!("{}-{}", self.instance_id, self.group_name(group)))
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
                .set("heartbeat.interval.ms", "3000"),
            // A static member of this protocol keeps its partitions for a whole session after it has left, and a
            // successor of the same name is refused as long: a dynamic one hands over at once.
            GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
        };
        self.overlay(&mut config);
        config
    }

    /// The reader of a lane. It carries the group's id, because a consumer without one cannot be assigned
    /// partitions, and never subscribes, so it is no member.
    pub fn lane_reader(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        // A partition joins the fetches of its broker only when the fetch under way returns.
        config
            .set("fetch.wait.max.ms", "20")
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.min.messages", "50000")
            .set("queued.max.messages.kbytes", "16384");
        self.overlay(&mut config);
        config
    }

    /// A reader from one offset to another, or on and on.
    pub fn replay(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        config
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "20")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.message.max.bytes", "4194304")
            .set("queued.max.messages.kbytes", "32768");
        self.overlay(&mut config);
        config
    }

    /// Asks for committed offsets and for the ends of what is committed.
    pub fn committed_view(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        self.overlay(&mut config);
        config
    }

    /// Asks for the ends of everything ever written, committed or not.
    pub fn written_view(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("isolation.level", "read_uncommitted").set("enable.auto.commit", "false");
        self.overlay(&mut config);
        config
    }

    /// The transactional producer of one partition.
    pub fn transactional_producer(&self, group: &str, partition: u32) -> ClientConfig {
        let mut config = self.producer();
        // The next transaction meets the markers of the last one and waits that long.
        config
            .set("transactional.id", self.transactional_id(group, partition))
            .set("transaction.timeout.ms", "10000")
            .set("retry.backoff.ms", "1")
            .set("retry.backoff.max.ms", "50");
        self.overlay(&mut config);
        config
    }

    /// The producer of a client from outside: idempotent, without transactions.
    pub fn idempotent_producer(&self) -> ClientConfig {
        let mut config = self.producer();
        config.set("message.timeout.ms", "30000");
        self.overlay(&mut config);
        config
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.instance_id)
            .set("reconnect.backoff.max.ms", "1000")
            .set("allow.auto.create.topics", "false")
            .set("log.connection.close", "false");
        config
    }

    fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", self.group_name(group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed");
        config
    }

    fn producer(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("batch.size", BATCH_BYTES)
            .set("compression.type", "lz4")
            .set("batch.num.messages", "10000")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "262144")
            .set("message.max.bytes", MESSAGE_MAX_BYTES)
            .set("partitioner", "murmur2_random");
        config
    }

    fn overlay(&self, config: &mut ClientConfig) {
        for (key, value) in &self.options {
            if !OWNED_KEYS.iter().any(|(owned, _)| owned == key) {
                config.set(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: &[(&str, &str)]) -> Settings {
        Settings {
            brokers: "localhost:9092".into(),
            options: options.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            prefix: "billing-engine".into(),
            partitions: 3,
            instance_id: "one".into(),
            group_protocol: GroupProtocol::Classic,
            session_timeout: Duration::from_secs(30),
            intake_bytes: 1 << 20,
        }
    }

    #[test]
    fn names_follow_the_prefix() {
        let settings = settings(&[]);
        assert_eq!(settings.transactional_id("accounts", 2), "billing-engine-accounts-2");
        assert_eq!(settings.membership("accounts").get("group.id"), Some("billing-engine-accounts"));
    }

    #[test]
    fn an_option_reaches_every_client_unless_it_carries_a_promise() {
        let settings = settings(&[("sasl.username", "me"), ("isolation.level", "read_uncommitted")]);
        for config in [
            settings.plain(),
            settings.membership("accounts"),
            settings.lane_reader("accounts"),
            settings.replay("accounts"),
            settings.written_view(),
            settings.transactional_producer("accounts", 0),
            settings.idempotent_producer(),
        ] {
            assert_eq!(config.get("sasl.username"), Some("me"));
        }
        assert_eq!(settings.lane_reader("accounts").get("isolation.level"), Some("read_committed"));
    }

    #[test]
    fn the_newer_protocol_is_not_told_what_the_broker_decides() {
        let mut settings = settings(&[]);
        settings.group_protocol = GroupProtocol::Consumer;
        let config = settings.membership("accounts");
        assert_eq!(config.get("session.timeout.ms"), None);
        assert_eq!(config.get("partition.assignment.strategy"), None);
        assert_eq!(config.get("group.instance.id"), None);
    }

    #[test]
    fn secrets_hide_in_debug() {
        let shown = format!("{:?}", settings(&[("sasl.password", "hunter2")]));
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }
}
