//! An actor-based stateful stream processor for money on Apache Kafka.

pub mod domain;
pub mod log;
pub mod wire;
