//! An actor-based stateful stream processor for money on Apache Kafka.
//!
//! The outside speaks bytes and offsets; the inside speaks accounts and money. Read the modules in this order,
//! which is the way of a command:
//!
//! - [`domain`] decides. Accounts, money, transactions between accounts, the rules in the order in which they
//!   refuse. Pure: no clock, no bytes.
//! - [`wire`] turns bytes into commands, and events, replies and dead letters into bytes. The only place that
//!   knows JSON, headers and formats.
//! - [`log`] moves records and offsets: the seam, and behind it Kafka and an embedded log of one directory. It
//!   does not know what an account is.
//! - [`snapshots`] keeps bytes by aggregate on a disk of this node, so that starting need not fold everything. A cache:
//!   it knows no aggregate either, and can be deleted at any time.
//! - [`partition`] is where they meet. A supervisor takes what waits, one actor an account or a transaction decides,
//!   and what comes out is committed with the offsets in one transaction. One partition is one failure domain: when
//!   anything in it goes wrong, all of it is dropped and folded again from the log.
//! - [`projection`] makes rows of the events, for whoever asks: an actor a partition writes them and the position
//!   behind them into PostgreSQL or SQLite in one step. [`queries`] reads them back.
//! - [`engine`] owns the partitions of this node: it starts them as the log assigns them, builds them again when
//!   they end, and takes everything down in order. One runs accounts, one transactions.
//! - [`http`] tells how the engine is, and answers what is asked; [`cli`] is what people type.
//! - [`config`], [`metrics`] and [`telemetry`] serve them all.
//!
//! ```text
//!            commands, inbox              events, replies, dead letters, messages + next offsets
//!   log ───────────────────────► partition::Supervisor ──────────────────────────────────► log
//!         bounded, by partition     │            ▲          one transaction a batch
//!                                   ▼            │
//!                          one actor an aggregate: decide, apply, react
//! ```
//!
//! A transaction moves money by asking accounts, each in its own partition, to post one leg after the other. Question
//! and answer are messages in inboxes, written in the same step as the events that they follow from: so a saga goes on
//! after any crash, because what it waits for lies on the log.
//!
//! What is deliberately absent: no state is repaired in place, no timer cuts a batch, no offset is ever reset by
//! itself, nothing inside a partition is tried again but a commit, and no number is a float.

pub mod domain;
pub mod wire;

pub mod log;
pub mod snapshots;

pub mod partition;

pub mod projection;
pub mod queries;

pub mod engine;

pub mod cli;
pub mod http;

pub mod config;
pub mod metrics;
pub mod telemetry;

/// Every command is some small allocations that live for one batch, here and in librdkafka, and all of a batch end
/// together on another thread: what glibc's allocator is worst at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
