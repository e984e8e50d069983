//! What the engine says about itself, and whether it is ready to be relied on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::metrics::{Label, PartitionState};
use crate::projection::Watcher;

/// Kept up to date by the engine, read by whoever asks. Clones are the same value.
#[derive(Clone, Default, Debug)]
pub struct Health {
    facts: Arc<Mutex<Facts>>,
}

#[derive(Default, Debug)]
struct Facts {
    /// By group.
    memberships: BTreeMap<&'static str, Membership>,
    waiting_for: Option<String>,
    partitions: BTreeMap<(&'static str, u32), PartitionStatus>,
    projections: BTreeMap<u32, PartitionStatus>,
    projections_obstacle: Option<String>,
    /// Whether the read side has begun to work. For a process that does nothing else that is all there is to join.
    projects: bool,
}

/// Where this engine stands in its groups.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// Not a member yet, or not any more.
    #[default]
    Joining,
    /// Member of every group of its roles.
    Joined,
    /// On its way out: finishing what is under way.
    Draining,
}

/// One partition as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionStatus {
    /// Where it stands.
    pub state: PartitionState,
    /// Why, when it is halted or failed.
    pub reason: Option<String>,
}

impl From<PartitionState> for PartitionStatus {
    fn from(state: PartitionState) -> Self {
        PartitionStatus { state, reason: None }
    }
}

/// The answer to whether this engine is ready, with everything it rests on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Joined, not waiting for anything, and every assigned partition running. None assigned is ready.
    pub ready: bool,
    /// Where it stands in its groups.
    pub membership: Membership,
    /// What it needs from outside before it can go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// Every assigned partition, in order.
    pub partitions: Vec<PartitionReadiness>,
    /// Partitions of the read side, in order. Readiness does not rest on them: money moves without it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub projections: Vec<PartitionReadiness>,
    /// What keeps the whole read side from working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projections_obstacle: Option<String>,
}

/// One partition in a [`Readiness`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PartitionReadiness {
    /// Type of aggregate.
    pub aggregate: &'static str,
    /// Number.
    pub partition: u32,
    /// Where it stands.
    pub state: &'static str,
    /// Why, when it is halted or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Health {
    /// An engine that has joined nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it stands in that group from now on.
    pub fn membership(&self, group: &'static str, membership: Membership) {
        self.facts().memberships.insert(group, membership);
    }

    /// What it needs from outside, said so that somebody can give it; `None` when it has it.
    pub fn waiting_for(&self, need: Option<String>) {
        self.facts().waiting_for = need;
    }

    /// Where an assigned partition stands from now on.
    pub fn partition(&self, aggregate: &'static str, partition: u32, status: impl Into<PartitionStatus>) {
        self.facts().partitions.insert((aggregate, partition), status.into());
    }

    /// The partition is somebody else's now.
    pub fn revoked(&self, aggregate: &'static str, partition: u32) {
        self.facts().partitions.remove(&(aggregate, partition));
    }

    /// Whether it is ready now, and why not.
    pub fn readiness(&self) -> Readiness {
        let facts = self.facts();
        let running = facts.partitions.values().all(|status| status.state == PartitionState::Running);
        let told = |aggregate: &'static str, partition: u32, status: &PartitionStatus| PartitionReadiness {
            aggregate,
            partition,
            state: status.state.text(),
            reason: status.reason.clone(),
        };
        let partitions =
            facts.partitions.iter().map(|(&(aggregate, partition), status)| told(aggregate, partition, status));
        let projections = facts.projections.iter().map(|(&partition, status)| told("projection", partition, status));
        let membership = facts.membership();
        Readiness {
            ready: membership == Membership::Joined && facts.waiting_for.is_none() && running,
            membership,
            waiting_for: facts.waiting_for.clone(),
            partitions: partitions.collect(),
            projections: projections.collect(),
            projections_obstacle: facts.projections_obstacle.clone(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Health {
    fn projections(&self, obstacle: Option<String>) {
        let mut facts = self.facts();
        facts.projects |= obstacle.is_none();
        facts.projections_obstacle = obstacle;
    }

    fn projection(&self, partition: u32, state: Option<(PartitionState, Option<String>)>) {
        let mut facts = self.facts();
        match state {
            Some((state, reason)) => facts.projections.insert(partition, PartitionStatus { state, reason }),
            None => facts.projections.remove(&partition),
        };
    }
}

impl Facts {
    /// Of all groups: it has joined when it is a member of each.
    fn membership(&self) -> Membership {
        let all = self.memberships.values();
        let alone = if self.projects { Membership::Joined } else { Membership::Joining };
        all.copied().max_by_key(|membership| membership.missing()).unwrap_or(alone)
    }
}

impl Membership {
    /// How much is missing until it can be relied on.
    fn missing(self) -> u8 {
        match self {
            Membership::Joined => 0,
            Membership::Joining => 1,
            Membership::Draining => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Health {
        let health = Health::new();
        health.membership("accounts", Membership::Joined);
        health
    }

    #[test]
    fn an_engine_is_ready_once_it_has_joined_every_group_it_begins_with() {
        let health = joined();
        health.membership("sagas", Membership::Joining);
        assert!(!health.readiness().ready);
        health.membership("sagas", Membership::Joined);
        assert!(health.readiness().ready);
    }

    #[test]
    fn an_engine_is_ready_once_it_has_joined_even_with_no_partition() {
        assert!(!Health::new().readiness().ready);
        assert!(joined().readiness().ready);
    }

    #[test]
    fn one_partition_that_does_not_run_is_enough_not_to_be_ready() {
        for state in PartitionState::ALL {
            let health = joined();
            health.partition("account", 0, PartitionState::Running);
            health.partition("account", 1, *state);
            assert_eq!(health.readiness().ready, *state == PartitionState::Running, "{state:?}");
            health.revoked("account", 1);
            assert!(health.readiness().ready, "a revoked partition does not count");
        }
    }

    #[test]
    fn waiting_and_draining_are_not_ready() {
        let health = joined();
        health.waiting_for(Some("topic billing-engine.account.commands".into()));
        assert!(!health.readiness().ready);
        health.waiting_for(None);
        assert!(health.readiness().ready);
        health.membership("accounts", Membership::Draining);
        assert!(!health.readiness().ready);
    }
}
