//! An actor-based stateful stream processor for money on Apache Kafka.

pub mod domain;
pub mod wire;

pub mod log;

pub mod partition;

pub mod engine;

// pub mod cli;
pub mod http;

pub mod config;
pub mod metrics;
pub mod telemetry;
