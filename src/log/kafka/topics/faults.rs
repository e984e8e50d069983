//! What is wrong with a topic, as a pure function of what was found.

use std::collections::BTreeMap;

use super::{Desired, Role, Row};

/// One thing about a topic that would lose something or stop the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Full name.
    pub topic: String,
    /// The configuration key, or `topic`, `partitions`.
    pub key: String,
    /// As it is; `unknown` when it may not be seen.
    pub found: String,
    /// As it should be.
    pub wanted: String,
    /// What to do about it.
    pub fix: String,
}

/// What repairs a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// The topic is created.
    Create,
    /// This override is added; it only keeps more.
    Override(&'static str, String),
    /// Only a person can.
    Person,
}

/// A topic as it was found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Missing,
    /// It may be there, but this principal may not see it, or not its configuration.
    Hidden,
    Topic {
        partitions: u32,
        replication_factor: u32,
        configs: BTreeMap<String, String>,
    },
}

const ENSURE: &str = "run `billing-engine topics ensure`";

/// All faults of one topic, each with what repairs it.
pub(super) fn faults(row: &Row, name: &str, found: &Found, desired: &Desired) -> Vec<(Fault, Remedy)> {
    let mut faults = Faults { topic: name.to_owned(), found: Vec::new() };
    match found {
        Found::Missing => faults.add("topic", "missing", "present", ENSURE, Remedy::Create),
        Found::Hidden => faults.add(
            "topic",
            "unknown",
            "visible",
            "allow this principal Describe and DescribeConfigs on the topic",
            Remedy::Person,
        ),
        Found::Topic { partitions, replication_factor, configs } => {
            let wanted = row.partitions(desired);
            if row.role != Role::Latest && *partitions != wanted {
                let fix = "set `topics.partitions` to what all topics have; a count that changed under existing \
                           events needs a migration";
                faults.add("partitions", partitions, wanted, fix, Remedy::Person);
            }
            let topic = Configured { row, configs, desired };
            topic.size(&mut faults);
            topic.cleanup(&mut faults);
            if *replication_factor >= 3 {
                topic.replication(&mut faults);
            }
        }
    }
    faults.found
}

struct Faults {
    topic: String,
    found: Vec<(Fault, Remedy)>,
}

impl Faults {
    fn add(&mut self, key: &str, found: impl ToString, wanted: impl ToString, fix: &str, remedy: Remedy) {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        let fault = Fault { topic: self.topic.clone(), key: key.to_owned(), found, wanted, fix: fix.to_owned() };
        self.found.push((fault, remedy));
    }

    fn add_override(&mut self, key: &'static str, found: &str, value: impl ToString) {
        let value = value.to_string();
        self.add(key, found, &value, ENSURE, Remedy::Override(key, value.clone()));
    }
}

struct Configured<'a> {
    row: &'a Row,
    configs: &'a BTreeMap<String, String>,
    desired: &'a Desired,
}

impl Configured<'_> {
    fn text(&self, key: &str) -> &str {
        self.configs.get(key).map_or("unknown", String::as_str)
    }

    /// What cannot be read as a number is not enough.
    fn number(&self, key: &str) -> i128 {
        self.text(key).parse().unwrap_or(i128::MIN)
    }

    fn has_policy(&self, policy: &str) -> bool {
        self.text("cleanup.policy").split(',').any(|part| part.trim() == policy)
    }

    fn size(&self, faults: &mut Faults) {
        let key = "max.message.bytes";
        if let Some(wanted) = self.row.max_message_bytes
            && self.number(key) < wanted.into()
        {
            faults.add_override(key, self.text(key), wanted);
        }
    }

    fn cleanup(&self, faults: &mut Faults) {
        let (compacts, expires) = (self.has_policy("compact"), self.has_policy("delete"));
        let policy = self.text("cleanup.policy");
        match self.row.role {
            Role::Events => {
                if compacts && self.number("min.compaction.lag.ms") < i64::MAX.into() {
                    faults.add_override("min.compaction.lag.ms", self.text("min.compaction.lag.ms"), i64::MAX);
                }
                if expires {
                    self.retention(faults, self.desired.events_retention.as_millis());
                }
            }
            Role::Inbox => {
                if compacts {
                    faults.add_override("cleanup.policy", policy, "delete");
                }
                // Also of one that only compacts: once that is mended, it expires.
                if compacts || expires {
                    self.retention(faults, self.row.retention.unwrap_or_default().as_millis());
                }
            }
            Role::Commands | Role::Answers if compacts => faults.add_override("cleanup.policy", policy, "delete"),
            Role::Latest if expires => faults.add_override("cleanup.policy", policy, "compact"),
            Role::Commands | Role::Answers | Role::Latest => {}
        }
    }

    /// -1 is for ever.
    fn retention(&self, faults: &mut Faults, millis: u128) {
        let (kept, bytes) = (self.number("retention.ms"), self.number("retention.bytes"));
        if kept != -1 && kept < millis.cast_signed() {
            faults.add_override("retention.ms", self.text("retention.ms"), millis);
        }
        if bytes != -1 {
            faults.add_override("retention.bytes", self.text("retention.bytes"), -1);
        }
    }

    fn replication(&self, faults: &mut Faults) {
        if self.number("min.insync.replicas") < 2 {
            faults.add_override("min.insync.replicas", self.text("min.insync.replicas"), 2);
        }
        if self.text("unclean.leader.election.enable") != "false" {
            let key = "unclean.leader.election.enable";
            faults.add_override(key, self.text(key), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::TABLE;
    use super::*;

    const DESIRED: Desired = Desired {
        partitions: 3,
        replication_factor: 1,
        min_insync_replicas: None,
        events_retention: Duration::from_secs(31_536_000),
    };

    fn row(topic: &str) -> &'static Row {
        TABLE.iter().find(|row| row.topic.0 == topic).unwrap()
    }

    /// A topic as `ensure` creates it on one broker, with some keys changed.
    fn found(topic: &str, replication_factor: u32, changed: &[(&str, &str)]) -> Found {
        let defaults = [
            ("retention.bytes", "-1"),
            ("retention.ms", "604800000"),
            ("min.compaction.lag.ms", "0"),
            ("min.insync.replicas", "1"),
            ("unclean.leader.election.enable", "false"),
        ];
        let mut configs: BTreeMap<_, _> = defaults.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let ensured = row(topic).overrides(&Desired { replication_factor, ..DESIRED });
        configs.extend(ensured.into_iter().map(|(key, value)| (key.to_owned(), value)));
        configs.extend(changed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Found::Topic { partitions: row(topic).partitions(&DESIRED), replication_factor, configs }
    }

    fn keys(topic: &str, found: &Found) -> Vec<String> {
        faults(row(topic), topic, found, &DESIRED).into_iter().map(|(fault, _)| fault.key).collect()
    }

    #[test]
    fn what_ensure_creates_has_no_fault() {
        for row in TABLE {
            for replicas in [1, 3] {
                assert_eq!(keys(row.topic.0, &found(row.topic.0, replicas, &[])), [""; 0], "{}", row.topic.0);
            }
        }
    }

    #[test]
    fn every_kind_of_fault_is_found() {
        type Case<'a> = (&'a str, u32, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            ("account.events", 1, &[("min.compaction.lag.ms", "0")], &["min.compaction.lag.ms"]),
            ("account.events", 1, &[("cleanup.policy", "delete"), ("retention.ms", "1")], &["retention.ms"]),
            ("account.events", 1, &[("cleanup.policy", "delete"), ("retention.bytes", "9")], &["retention.bytes"]),
            ("account.events", 1, &[("cleanup.policy", "delete"), ("retention.ms", "-1")], &[]),
            ("account.events", 1, &[("max.message.bytes", "1048588")], &["max.message.bytes"]),
            ("account.events", 1, &[("max.message.bytes", "99999999")], &[]),
            ("account.inbox", 1, &[("retention.ms", "604800000")], &["retention.ms"]),
            ("account.inbox", 1, &[("cleanup.policy", "compact,delete")], &["cleanup.policy"]),
            (
                "account.inbox",
                1,
                &[("cleanup.policy", "compact"), ("retention.ms", "604800000")],
                &["cleanup.policy", "retention.ms"],
            ),
            ("account.commands", 1, &[("cleanup.policy", "compact")], &["cleanup.policy"]),
            ("account.commands", 1, &[("retention.ms", "1000")], &[]),
            ("dead-letters.redriven", 1, &[("cleanup.policy", "delete")], &["cleanup.policy"]),
            ("replies", 3, &[("min.insync.replicas", "1")], &["min.insync.replicas"]),
            ("replies", 1, &[("min.insync.replicas", "1")], &[]),
            ("replies", 3, &[("unclean.leader.election.enable", "true")], &["unclean.leader.election.enable"]),
        ];
        for (topic, replicas, changed, wanted) in cases {
            assert_eq!(keys(topic, &found(topic, *replicas, changed)), *wanted, "{topic} {changed:?}");
        }
    }

    #[test]
    fn what_is_hidden_is_no_better_than_what_is_missing() {
        let hidden = faults(row("replies"), "p.replies", &Found::Hidden, &DESIRED);
        assert_eq!(hidden[0].0.found, "unknown");
        assert_eq!(hidden[0].1, Remedy::Person);
        let missing = faults(row("replies"), "p.replies", &Found::Missing, &DESIRED);
        assert_eq!(missing[0].1, Remedy::Create);
    }

    #[test]
    fn another_count_of_partitions_is_a_fault_that_nobody_repairs() {
        let Found::Topic { configs, .. } = found("account.commands", 1, &[]) else { unreachable!() };
        let six = Found::Topic { partitions: 6, replication_factor: 1, configs };
        let faults = faults(row("account.commands"), "c", &six, &DESIRED);
        assert_eq!((faults[0].0.key.as_str(), &faults[0].1), ("partitions", &Remedy::Person));
    }
}
