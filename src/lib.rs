//! An actor-based stateful stream processor for money on Apache Kafka.

pub mod config;
pub mod http;
pub mod log;
pub mod metrics;
pub mod telemetry;
