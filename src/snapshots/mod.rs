//! Snapshots: bytes by aggregate, and how far they reach. A cache that may be deleted at any time.
//!
//! Every partition has a [`Shelf`] of its own: values by aggregate id, and one position, written behind the values
//! that it speaks for. What is in a value and in a position is the business of those who write them; whoever reads
//! them back trusts nothing and checks everything. Nothing here is ever the only copy: what is not on the shelf is
//! folded from the log.
//!
//! What every implementation promises, and the partition machinery builds on:
//!
//! 1. **First in, first out.** What is asked of one shelf is done in the order of the calls, however the answers are
//!    awaited, and even when they are dropped: a load sees every save that was asked before it.
//! 2. **The position comes last.** When a position is there, so is everything saved before [`Shelf::settle`] was
//!    asked, after any crash too. What a crash takes are the last writes, never some in the middle.
//! 3. **An acknowledged value is there** as long as this shelf answers. When it cannot be any more, every call
//!    answers [`Error::Lost`], and never an older value.
//! 4. **No call blocks.** The work is done on a thread of its own, behind a bounded queue; what finds it full is
//!    not done.

mod directory;
mod ledger;
mod store;
mod tree;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use store::Store;
pub use worker::Discarded;

/// What was asked of a shelf, once it is done. Begins when it is asked for, not when it is first polled.
pub type Answer<T> = BoxFuture<'static, Result<T, Error>>;

/// The bytes of an aggregate's id: letters, digits, `.`, `_`, `:` and `-`.
pub type Key = Box<[u8]>;

/// The snapshots of one partition of one aggregate type.
pub trait Shelf: Send + Sync {
    /// The position settled last; `None` when there is none, and then nothing is known of the values either.
    fn position(&self) -> Answer<Option<Vec<u8>>>;

    /// The values of these keys, in their order; `None` for what is not there.
    fn load(&self, keys: Vec<Key>) -> Answer<Vec<Option<Vec<u8>>>>;

    /// Writes the values over what is there, in batches of at most [`BATCH`]; acknowledged when all are readable.
    /// A crash, or an error, may leave the first batches of them written.
    fn save(&self, values: Vec<(Key, Vec<u8>)>) -> Answer<()>;

    /// Writes the position, behind all saves asked for before.
    fn settle(&self, position: Vec<u8>) -> Answer<()>;

    /// Forgets everything, the position first.
    fn clear(&self) -> Answer<()>;

    /// At most `most` values in an order that stays the same, from the first one behind `after` on; none at the end.
    fn page(&self, after: Option<Key>, most: usize) -> Answer<Vec<(Key, Vec<u8>)>>;
}

/// All shelves of this node.
pub trait Shelves: Send + Sync {
    /// A fresh handle on the shelf of that partition of that aggregate type (`account`). The one before it must
    /// not be used any more.
    fn shelf(&self, aggregate: &str, partition: u32) -> Arc<dyn Shelf>;
}

/// Where among the others a value lies on a shelf. Those that lie near each other are loaded fastest together.
pub fn neighbourhood(key: &[u8]) -> usize {
    ledger::bucket_of(key)
}

/// Most values that are written together, atomically.
pub const BATCH: usize = 200;

/// Where a position is kept among the values, on a shelf and in the snapshots topic: a key that no aggregate's id can be.
pub const POSITION: &[u8] = b"/position";

/// What can go wrong with snapshots.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Another engine runs on this directory: give this one a directory of its own.
    #[error("the data directory {directory} is in use by another engine")]
    Locked {
        /// Path of the directory.
        directory: String,
    },
    /// The directory cannot be made, locked or written: needs a person.
    #[error("the data directory {directory} cannot be used: {reason}")]
    Unusable {
        /// Path of the directory.
        directory: String,
        /// What the system said.
        reason: String,
    },
    /// This call was not done, or not all of it; what was acknowledged before is still there. Try again with backoff.
    #[error("the snapshots of {aggregate}-{partition} cannot be reached: {reason}")]
    Failed {
        /// Aggregate type.
        aggregate: String,
        /// Partition number.
        partition: u32,
        /// What the store said.
        reason: String,
    },
    /// The store was opened anew and this handle is of its life before: acknowledged values may be gone. Build the
    /// partition again with a fresh handle, which sees what is left.
    #[error("the snapshots of {aggregate}-{partition} were lost with the store that held them")]
    Lost {
        /// Aggregate type.
        aggregate: String,
        /// Partition number.
        partition: u32,
    },
    /// The store is closed: the engine ends.
    #[error("closed")]
    Closed,
}

impl Error {
    /// True when the same call on the same handle may simply be made again.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Error::Failed { .. })
    }
}
