//! What only a real Kafka can prove: exactly once through kills, zombies, rebalances and restarts, and other clients.

#[path = "../support/mod.rs"]
mod support;

mod auditor;
mod bad_input;
mod broker_restart;
mod chaos;
mod crash;
mod group_protocol;
mod lost_offsets;
mod messages;
mod other_clients;
mod partition_count;
mod sagas;
mod sagas_bounds;
mod seed_commands;
mod send;
mod shutdown;
mod snapshots;
mod stories;
mod test_broker;
mod two_engines;
mod zombie;
