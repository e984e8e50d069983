//! What only a real Kafka can prove: exactly once through kills, zombies, rebalances and restarts, and other clients.

#[path = "../support/mod.rs"]
mod support;

mod test_broker;
