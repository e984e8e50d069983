//! What the integration tests stand on: a real Kafka, the built engine, and an auditor who trusts neither.
//!
//! A test target that needs it says `#[path = "../support/mod.rs"] mod support;`.
//!
//! - [`kafka::Kafka`]: one broker for all tests of a process, or one of its own for a test that breaks it
//! - [`engine::Setup`] and [`engine::Engine`]: `billing-engine run` as a process, to be killed, paused and started again
//! - [`postgres::Postgres`]: a server for the read store, shared or of its own
//! - [`upstream`] and [`load`]: those who write commands, with a plain client
//! - [`auditor`]: reads every topic with a plain client and checks the promises, without a line of the engine's code
#![allow(dead_code, unreachable_pub, reason = "each test target uses the part it needs")]

pub mod auditor;
pub mod engine;
pub mod fetched;
pub mod http;
pub mod kafka;
pub mod kafkajs;
pub mod load;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod scratch;
pub mod upstream;
pub mod wait;
